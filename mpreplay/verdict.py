"""What a look through the whole history says before anything is sent.

Pure over the slabs it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from .duplicates import Duplicates, find_duplicates
from .errors import InvalidHistory
from .readings import Device, read_slab
from .validation import violations

if TYPE_CHECKING:
    from .history import History
    from .preparing import Policy, Preparer
    from .thing_model import ModelSet

__all__ = ["reach_verdict"]

MAX_EXAMPLES: Final = 1_000  # violations that InvalidHistory carries


def reach_verdict(
    history: History, models: ModelSet, preparer: Preparer, policy: Policy
) -> Duplicates:
    """Return which readings repeat others.

    Raises
    ------
    InvalidHistory
        If values are invalid or contradict each other, and the policy is to raise.
    """
    if policy.on_invalid == "raise":
        _raise_for_violations(history, models, preparer, preparer.own)
    return _duplicates(history, models, preparer, preparer.own, policy)


def _raise_for_violations(
    history: History, models: ModelSet, preparer: Preparer, own: Device
) -> None:
    """Look through the whole history and raise if any value is invalid."""
    frames: list[pd.DataFrame] = []
    n_faults = 0
    for raw in history.slabs(models.all()):
        for readings in read_slab(raw, models, own, (history.start, history.end)):
            for fault in preparer.faults(readings):
                if n_faults < MAX_EXAMPLES:
                    frames.append(violations(readings, fault, MAX_EXAMPLES))
                n_faults += len(fault.positions)
    if n_faults:
        found = pd.concat(frames).sort_values(["source", "row"], kind="stable", ignore_index=True)
        first = found.iloc[0]
        raise InvalidHistory(
            f"{n_faults:,} violations of the thing model; the first: row {first['row']} of "
            f"{first['source']}, {first['measurepoint'] or 'the row'} = {first['value'] or '?'}: "
            f"{first['reason']}. Nothing was sent; on_invalid='withhold' sends the rest, "
            "validate() lists them",
            found,
        )


def _duplicates(
    history: History, models: ModelSet, preparer: Preparer, own: Device, policy: Policy
) -> Duplicates:
    duplicates = find_duplicates(
        history,
        models,
        own,
        preparer.faults,
        keep="first" if policy.duplicates == "first" else "last",
        withhold=policy.on_invalid != "send",
    )
    if policy.duplicates == "raise" and duplicates.n_superseded:
        raise InvalidHistory(
            f"{duplicates.n_superseded:,} values have the device, time and point of another, and "
            f"another value; the first: {duplicates.example}. Nothing was sent; "
            "duplicates='first' or 'last' says which one to send"
        )
    return duplicates
