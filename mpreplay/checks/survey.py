"""What a look through the whole history says before anything is sent.

Pure over the slabs it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

from ..errors import InvalidHistory
from .duplicates import Duplicates, Search, find_duplicates
from .validation import as_frame, looked_at, violations

if TYPE_CHECKING:
    import pandas as pd

    from ..history.history import History
    from ..model.thing_model import ModelSet
    from ..requests.preparing import Policy, Preparer

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
    keep: Literal["first", "last"] = "first" if policy.duplicates == "first" else "last"
    withhold = policy.on_invalid != "send"
    told = []
    found = None
    if policy.on_invalid == "raise":
        search = Search(keep, withhold)
        found, n_faults = _violations(history, models, preparer, search)
        duplicates = search.found(history, models, preparer.own, preparer.faults)
        if found is not None:
            told.append(_told_of_faults(found, n_faults))
    else:
        duplicates = find_duplicates(
            history, models, preparer.own, preparer.faults, keep=keep, withhold=withhold
        )
    if policy.duplicates == "raise" and duplicates.n_superseded:
        told.append(_told_of_conflicts(duplicates))
    if told:  # all of it at once: who mends the one would meet the other next
        raise InvalidHistory(f"{'. '.join(told)}. Nothing was sent", found)
    return duplicates


def _violations(
    history: History, models: ModelSet, preparer: Preparer, search: Search
) -> tuple[pd.DataFrame | None, int]:
    """Return the first violations, if any, and how many there are; let repeats be searched."""
    tables: list[pa.Table] = []
    n_faults = kept = 0
    for raw, parts in looked_at(history, models, preparer.own, preparer.faults):
        search.see(raw, [readings for readings, _ in parts])
        for number, (readings, faults) in enumerate(parts):
            search.hold(readings, number, faults)
            found = [fault for fault in faults if fault.is_violation]
            n_faults += sum(len(fault.positions) for fault in found)
            if found and kept < MAX_EXAMPLES:
                table = pa.concat_tables([violations(readings, f, MAX_EXAMPLES) for f in found])
                tables.append(table.sort_by("row"))
                kept += len(table)
    return as_frame(pa.concat_tables(tables)) if tables else None, n_faults


def _told_of_faults(found: pd.DataFrame, n_faults: int) -> str:
    first = found.iloc[0]
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
