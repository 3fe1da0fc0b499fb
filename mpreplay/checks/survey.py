"""The survey: a look through the whole history before anything is sent.

Reads the history; otherwise pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ..display.amounts import count
from ..display.sentences import conflict_in_words
from ..errors import Argument, InvalidHistory, Message, clipped, message
from ..history.ahead import ahead
from ..history.readings import read_slab
from .duplicates import Search, find_duplicates
from .lacks import LackSearch
from .violations import as_frame, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from ..display.facts import Conflict
    from ..history.history import History
    from ..history.slab import RawSlab, Readings
    from ..model.device import Device
    from ..model.model_set import ModelSet
    from ..settings import Policy
    from .checker import Checker
    from .device_times import DeviceTimes
    from .faults import Fault
    from .findings import Findings
    from .repeats import Duplicates, Keep

__all__ = ["Survey", "duplicates_of", "first_violations", "survey", "told_of_faults"]

MAX_HINTS: Final = 6  # that InvalidHistory tells
MAX_EXAMPLES: Final = 1_000  # violations that InvalidHistory carries

# Readings of one product in a slab, with the checks that they fail.
Judged = tuple["Readings", list["Fault"]]


@dataclass(frozen=True, slots=True)
class Survey:
    """The violations and the duplicates of a whole history.

    Parameters
    ----------
    duplicates : Duplicates
        Its repeated readings.
    n_values : int
        Number of values.
    counts : dict of (str, str) to int
        Measurepoint and check to the number of values that failed it.
    tables : list of Table
        The first violations, slab by slab.
    collisions : dict of Device to int
        Rows whose device and time an earlier row has.
    hints : tuple of Message
        Sentences about whole columns and keys: what keeps their texts from being values.
    """

    duplicates: Duplicates
    n_values: int
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    tables: list[pa.Table] = field(default_factory=list)
    collisions: dict[Device, int] = field(default_factory=dict)
    hints: tuple[Message, ...] = ()

    @property
    def n_violations(self) -> int:
        """Number of failed checks, over all values."""
        return sum(self.counts.values())


def survey(
    history: History,
    models: ModelSet,
    checker: Checker,
    own: Device,
    *,
    keep: Keep,
    withhold: bool = True,
    most: int = MAX_EXAMPLES,
    n_conflicts: int = 1,
    findings: Findings | None = None,
    times: DeviceTimes | None = None,
    heed: Callable[[], object] = bool,
) -> Survey:
    """Look through a whole history and return its faults and its repeated readings.

    Parameters
    ----------
    history, models, checker, own
        The history, its models, its checks, and the gateway of the connection.
    keep : {"first", "last"}
        Which of two different values of one device, time and point would be sent.
    withhold : bool, optional
        Whether violations of the model are withheld, so that they supersede nothing.
    most : int, optional
        Violations to keep, the first; a little more, if those of a row would be cut apart.
    n_conflicts : int, optional
        Conflicts to keep.
    findings : Findings, optional
        Where to note what is found, point by point.
    times : DeviceTimes, optional
        Gathers the times of each device.
    heed : callable, optional
        Called at each slab; raises to end the survey.
    """
    search = Search(keep, withhold, n_conflicts, heed=heed)
    counts: dict[tuple[str, str], int] = {}
    tables: list[pa.Table] = []
    lacks = LackSearch()
    n_values = kept = 0
    for raw, parts in _judged(history, models, checker, own):
        search.see(raw, [readings for readings, _ in parts])
        if times is not None:
            times.see(readings for readings, _ in parts)
        for number, (readings, faults) in enumerate(parts):
            n_values += readings.n_values
            lacks.see(raw, readings, faults)
            search.hold(readings, number, faults)
            found = [fault for fault in faults if fault.is_violation]
            _count(counts, readings, found)
            if findings is not None:
                n_found = sum(len(fault.positions) for fault in found)
                findings.add(readings, found, are_kept=n_found <= most - kept)
            if found and kept < most:
                tables.append(first_violations(readings, found, most - kept))
                kept += len(tables[-1])
    duplicates = search.found(history, models, own, checker)
    found_of = search.collisions(), lacks.hints()
    return Survey(duplicates, n_values, counts, tables, *found_of)


def first_violations(readings: Readings, faults: list[Fault], most: int) -> pa.Table:
    """Return the violations of the first rows: ``most`` of them, or a little more."""
    rows = [
        fault.positions if fault.column < 0 else readings.columns[fault.column].at[fault.positions]
        for fault in faults
    ]
    together = np.concatenate(rows)
    last = np.partition(together, most - 1)[most - 1] if len(together) > most else together.max()
    kept = [(fault.chosen(at <= last)) for fault, at in zip(faults, rows, strict=True)]
    tables = [violations(readings, fault) for fault in kept if len(fault.positions)]
    return pa.concat_tables(tables).sort_by("row")


def _judged(
    history: History, models: ModelSet, checker: Checker, own: Device
) -> Iterator[tuple[RawSlab, list[Judged]]]:
    """Yield each slab with its readings, product by product, and the checks that they fail.

    A slab is judged while the next is read.
    """

    def judge(raw: RawSlab) -> tuple[RawSlab, list[Judged]]:
        parts = read_slab(raw, models, own, (history.start, history.end))
        return raw, [(readings, checker.faults(readings)) for readings in parts]

    return ahead(history.slabs(models.all()), judge, workers=1)


def _count(counts: dict[tuple[str, str], int], readings: Readings, faults: list[Fault]) -> None:
    for fault in faults:
        point = readings.columns[fault.column].point.identifier if fault.column >= 0 else ""
        key = (point, fault.check)
        counts[key] = counts.get(key, 0) + len(fault.positions)


def duplicates_of(
    history: History,
    models: ModelSet,
    checker: Checker,
    own: Device,
    policy: Policy,
    heed: Callable[[], object] = bool,
) -> Duplicates:
    """Return the duplicates of a history that may be sent; ``heed`` as in :func:`survey`.

    Raises
    ------
    InvalidHistory
        If values are invalid or contradict each other, and the policy is to raise.
    """
    keep, withhold = policy.keep, policy.withholds
    found: pd.DataFrame | None = None
    n_violations = 0
    hints: Sequence[Message] = ()
    if policy.on_invalid == "raise":
        looked = survey(history, models, checker, own, keep=keep, withhold=withhold, heed=heed)
        n_violations, hints = looked.n_violations, looked.hints
        duplicates = replace(looked.duplicates, n_values=looked.n_values)
        if n_violations:
            found = as_frame(pa.concat_tables(looked.tables))
    else:
        duplicates = find_duplicates(
            history, models, own, checker, keep=keep, withhold=withhold, heed=heed
        )
    if told := told_of_faults(policy, found, n_violations, duplicates, hints):
        parts = [message(one, ". ") for one in told]
        raise InvalidHistory(message(*parts, "Nothing was sent"), found)
    return duplicates


def told_of_faults(
    policy: Policy,
    found: pd.DataFrame | None,
    n_violations: int,
    duplicates: Duplicates,
    hints: Sequence[Message] = (),
) -> list[Message]:
    """Return the reasons for which a history is not sent: a user mends all of them at once.

    ``hints`` are sentences about whole columns.
    """
    told = []
    if policy.on_invalid == "raise" and found is not None and n_violations:
        told += [_told_of_violations(found, n_violations), *hints[:MAX_HINTS]]
    if policy.duplicates == "raise" and duplicates.conflicts:
        told.append(_told_of_conflicts(duplicates.n_superseded, duplicates.conflicts[0]))
    return told


def _told_of_violations(found: pd.DataFrame, n_violations: int) -> Message:
    first = found.iloc[0]
    return message(
        f"{count(n_violations, 'violation')} of the thing model, the first in row "
        f"{first['row']} of {first['source']}: {clipped(first['measurepoint']) or 'the row'} = "
        f"{clipped(first['value']) or '?'}: {first['reason']}; ",
        Argument("on_invalid", "withhold"),
        " sends the rest, validate lists them",
    )


def _told_of_conflicts(n_superseded: int, example: Conflict) -> Message:
    return message(
        f"{n_superseded:,} values have the device, time and point of another, and another value, "
        f"the first: {conflict_in_words(example)}; ",
        Argument("duplicates", "first"),
        " or ",
        Argument("duplicates", "last"),
        " says which one to send",
    )
