"""Fingerprints, by which a run is continued in its journal.

A shell over journals. Requests depend on the history, the mapping, the model, the flags, the
policies and the sizes of a request: if any of these differs, the rest of a run cannot follow its
beginning. Window, rates and time-outs may differ.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import JournalMismatch
from ..history.roles import spelled
from .differences import told_differences
from .reader import read_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..history.columns import Columns
    from ..history.history import History
    from ..model.model_set import ModelSet
    from ..settings import Connection, Limits, Policy

__all__ = ["Fingerprint", "check_same", "facts_of", "fingerprint", "inputs_of"]

# Inputs of a run by name, as JSON values.
Fingerprint = dict[str, Any]


def fingerprint(
    history: History, models: ModelSet, policy: Policy, limits: Limits, connection: Connection
) -> Fingerprint:
    """Return all inputs of the requests of a run, and their recipient."""
    return inputs_of(history, models, policy, limits) | {
        "platform": f"{connection.host}:{connection.port}",
        "gateway": "/".join(connection.device),
    }


def inputs_of(history: History, models: ModelSet, policy: Policy, limits: Limits) -> Fingerprint:
    """Return all inputs of the requests of a run.

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
            },
            default=str,
        )
    )
    return made_from


def _roles(columns: Columns) -> dict[str, Any]:
    """Return the roles of columns; a set of names to ignore has no order, nor have words."""
    roles = {one.name: getattr(columns, one.name) for one in fields(columns)}
    forms = roles.pop("forms") or {}
    told = {name: repr(form.canonical()) for name, form in forms.items()}
    return roles | {
        "ignore": sorted(map(spelled, columns.ignore)),
        "points": columns.points and {**columns.points, **told},
        "text": columns.text and repr(columns.text.canonical()),
    }


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
    facts = facts_of(path)
    if told := told_differences(facts, wanted, names):
        kept = [one["kept"] for one in facts.get("sources") or [] if one.get("kept")]
        streams = f" (its stream was kept in {', '.join(kept)} beside it)" if kept else ""
        # "runs" without a slash was meant as a folder, where there was none yet.
        slash = "" if path.suffix else ", such as a folder: a name with / at its end"
        raise JournalMismatch(
            f"{path}: the run in this journal cannot be continued: {'; '.join(told.values())}. "
            f"Pass what it was begun with{streams}, or another journal to begin anew{slash}",
            tuple(told),
        )


def facts_of(path: Path) -> dict[str, Any]:
    """Return the facts of the run in a journal."""
    return read_journal(path).facts()
