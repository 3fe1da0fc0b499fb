"""What a look through the whole history says before anything is sent.

Pure over the slabs it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from .duplicates import Duplicates, find_duplicates
from .errors import InvalidHistory
from .readings import read_slab
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
    frames, n_faults = (
        _violations(history, models, preparer) if policy.on_invalid == "raise" else ([], 0)
    )
    duplicates = find_duplicates(
        history,
        models,
        preparer.own,
        preparer.faults,
        keep="first" if policy.duplicates == "first" else "last",
        withhold=policy.on_invalid != "send",
    )
    told = [_told_of_faults(frames, n_faults)] if n_faults else []
    if policy.duplicates == "raise" and duplicates.n_superseded:
        told.append(_told_of_conflicts(duplicates))
    if told:  # all of it at once: who mends the one would meet the other next
        found = pd.concat(frames, ignore_index=True) if frames else None
        raise InvalidHistory(f"{'. '.join(told)}. Nothing was sent", found)
    return duplicates


def _violations(
    history: History, models: ModelSet, preparer: Preparer
) -> tuple[list[pd.DataFrame], int]:
    """Return the first violations, in frames, and how many there are."""
    frames: list[pd.DataFrame] = []
    n_faults = kept = 0
    for raw in history.slabs(models.all()):
        for readings in read_slab(raw, models, preparer.own, (history.start, history.end)):
            faults = preparer.faults(readings)
            found = [(readings, fault) for fault in faults if fault.is_violation]
            n_faults += sum(len(fault.positions) for _, fault in found)
            if found and kept < MAX_EXAMPLES:
                frame = pd.concat([violations(*one, MAX_EXAMPLES) for one in found])
                frames.append(frame.sort_values("row", kind="stable", ignore_index=True))
                kept += len(frame)
    return frames, n_faults


def _told_of_faults(frames: list[pd.DataFrame], n_faults: int) -> str:
    first = frames[0].iloc[0]
    return (
        f"{n_faults:,} violations of the thing model, the first in row {first['row']} of "
        f"{first['source']}: {first['measurepoint'] or 'the row'} = {first['value'] or '?'} is "
        f"{first['reason']}; on_invalid='withhold' sends the rest, validate() lists them"
    )


def _told_of_conflicts(duplicates: Duplicates) -> str:
    return (
        f"{duplicates.n_superseded:,} values have the device, time and point of another, and "
        f"another value, the first: {duplicates.example}; duplicates='first' or "
        "duplicates='last' says which one to send"
    )
