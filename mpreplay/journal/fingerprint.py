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
from dataclasses import asdict, fields
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import ConfigError, JournalError, JournalMismatch
from ..history.roles import spelled
from .differences import told_differences
from .reader import JournalReader, read_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..history.columns import Columns
    from ..history.history import History
    from ..model.model_set import ModelSet
    from ..settings import Connection, Limits, Policy

__all__ = ["Fingerprint", "check_same", "fingerprint", "journal_path"]

log = logging.getLogger("mpreplay")
# Inputs of a run by name, as JSON values.
Fingerprint = dict[str, Any]


def fingerprint(
    history: History, models: ModelSet, policy: Policy, limits: Limits, connection: Connection
) -> Fingerprint:
    """Return all inputs of the requests of a run, and their recipient.

    Files are read for their digests; of data in memory, the columns that the models need.
    """
    layouts = history.layouts(models.all())
    read = zip(history.sources, layouts, strict=True)
    made_from: Fingerprint = json.loads(  # as a journal gives it back
        json.dumps(
            {
                "history": [source.fingerprint(layout.needed) for source, layout in read],
                "start": _instant(history.start),
                "end": _instant(history.end),
                **_roles(history.columns),
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


def _roles(columns: Columns) -> dict[str, Any]:
    """Return the roles of columns; a set of names to ignore has no order."""
    roles = {one.name: getattr(columns, one.name) for one in fields(columns)}
    return roles | {"ignore": sorted(map(spelled, columns.ignore))}


def _instant(ms: int | None) -> str | None:
    return None if ms is None else pd.Timestamp(ms, unit="ms", tz="UTC").isoformat()


def check_same(path: Path, wanted: Fingerprint, names: Sequence[str] = ()) -> None:
    """Raise unless the run in a journal is made from the same inputs.

    Parameters
    ----------
    path : Path
        The journal.
    wanted : dict
        Inputs given now.
    names : sequence of str
        Names of the sources given now, in their order.

    Raises
    ------
    JournalMismatch
        With the differences and the remedy.
    """
    if told := told_differences(_facts(path), wanted, names):
        raise JournalMismatch(
            f"{path}: the run in this journal cannot be continued: {'; '.join(told.values())}. "
            "Pass what it was begun with, or another journal to begin anew",
            tuple(told),
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
