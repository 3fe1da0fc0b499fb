"""Fingerprints, by which a run is continued in its journal, and places of journals.

A shell over paths. Requests depend on the history, the mapping, the model, the flags, the policies
and the sizes of a request: if any of these differs, the rest of a run cannot follow its beginning.
Window, rates and time-outs may differ.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..errors import ConfigError, JournalError, JournalMismatch
from .reader import JournalReader, read_journal

if TYPE_CHECKING:
    from ..history.history import History
    from ..model.model_set import ModelSet
    from ..settings import Connection, Limits, Policy

__all__ = ["Fingerprint", "check_same", "fingerprint", "journal_path"]

log = logging.getLogger("mpreplay")
# Inputs of a run by name, as JSON values.
Fingerprint = dict[str, Any]
# Words for a difference in inputs whose values are unreadable to people.
_TOLD: Final = {
    "history": "the history is another, or has changed",
    "model": "the thing model is another, or has changed",
}


def fingerprint(
    history: History, models: ModelSet, policy: Policy, limits: Limits, connection: Connection
) -> Fingerprint:
    """Return all inputs of the requests of a run, and their recipient."""
    made_from: Fingerprint = json.loads(  # as a journal gives it back
        json.dumps(
            {
                "history": [source.fingerprint for source in history.sources],
                "start": _instant(history.start),
                "end": _instant(history.end),
                **asdict(history.columns),
                "model": models.digest,
                **asdict(policy),
                "max_bytes": limits.max_bytes,
                "max_entries": limits.max_entries,
                "max_values": limits.max_values,
                "platform": f"{connection.host}:{connection.port}",
                "gateway": "/".join(connection.device),
            },
            default=str,
        )
    )
    return made_from


def _instant(ms: int | None) -> str | None:
    return None if ms is None else pd.Timestamp(ms, unit="ms", tz="UTC").isoformat()


def check_same(path: Path, wanted: Fingerprint) -> None:
    """Raise unless the run in a journal is made from the same inputs.

    Raises
    ------
    JournalMismatch
        With the differences and the remedy.
    """
    kept = _facts(path).get("fingerprint", {})
    if differs := tuple(name for name in wanted if kept.get(name) != wanted[name]):
        told = [
            _TOLD.get(name) or f"{name} was {kept.get(name)!r} and is {wanted[name]!r}"
            for name in differs
        ]
        raise JournalMismatch(
            f"{path}: the run in this journal cannot be continued: {'; '.join(told)}. Pass what it "
            "was begun with, or another journal to begin anew",
            differs,
        )


def journal_path(journal: Any, wanted: Fingerprint) -> tuple[Path, Path | None]:
    """Return the journal to write, and the folder to remove when the run is forgotten.

    In a folder, an unfinished run made from the same inputs is continued, else a new file begun.
    """
    if journal is None:
        temporary = Path(mkdtemp(prefix="mpreplay-"))
        return temporary / "run.db", temporary
    path = Path(journal)
    if str(journal).endswith(("/", os.sep)):  # runs/ means a folder, also before it exists
        path.mkdir(exist_ok=True)
    if path.is_dir():
        return _unfinished_in(path, wanted) or _new_in(path), None
    if not path.parent.is_dir():
        raise ConfigError(f"journal={str(path)!r}: there is no folder {str(path.parent)!r}")
    return path, None


def _unfinished_in(folder: Path, wanted: Fingerprint) -> Path | None:
    for path in sorted(folder.glob("run-*.db"), reverse=True):
        try:
            facts = _facts(path)
        except JournalError:
            continue  # not a journal, or damaged: an error only if a user names it
        if facts.get("read_all") and not JournalReader(path).n_open():
            continue
        kept = facts.get("fingerprint", {})
        if kept == wanted:
            return path
        differs = ", ".join(name for name in wanted if kept.get(name) != wanted[name])
        log.warning("the unfinished run in %s is not taken up: it differs in %s", path, differs)
    return None


def _new_in(folder: Path) -> Path:
    stem = time.strftime("run-%Y%m%dT%H%M%SZ", time.gmtime())
    names = (f"{stem}{'' if n == 0 else f'-{n}'}.db" for n in count())
    return next(folder / name for name in names if not (folder / name).exists())


def _facts(path: Path) -> dict[str, Any]:
    return read_journal(path).facts()
