"""Fingerprints, by which a run is continued in its journal.

A shell over journals. Requests depend on the history, the mapping, the model, the flags, the
policies and the sizes of a request: if any of these differs, the rest of a run cannot follow its
beginning. Window, rates and time-outs may differ.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..errors import JournalMismatch
from .reader import read_journal

if TYPE_CHECKING:
    from ..history.history import History
    from ..model.model_set import ModelSet
    from ..settings import Connection, Limits, Policy

__all__ = ["Fingerprint", "check_same", "facts_of", "fingerprint"]

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
    kept = facts_of(path).get("fingerprint", {})
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


def facts_of(path: Path) -> dict[str, Any]:
    """Return the facts of the run in a journal."""
    return read_journal(path).facts()
