"""The devices, points and spans of time that a run has written to, or may have.

Pure: a chunk becomes a small record for the journal; records become a frame. A record holds no
values, and its length grows with the number of devices and points, not of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..frames import TOUCHED_COLUMNS, typed
from ..requests.runs import Runs, runs_of
from .packed_counts import pack, unpack

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ..requests.chunk import Chunk
    from ..requests.entries import Entries
    from .packed_counts import Names

__all__ = ["touched_frame", "touched_of"]

# The columns of a record: numbers of device and point, first and last time, number of values, and
# 1 for values with a fault by the model check, else 0.
WIDTH: Final = 6
_WHAT: Final = "of what a request writes"
MANY: Final = 1_000_000  # rows are joined as soon as there are so many


def touched_of(chunks: Sequence[Chunk], names: Names) -> list[bytes]:
    """Return the writes of requests by device and point: first and last time, number of values.

    Parameters
    ----------
    chunks : sequence of Chunk
        The entries of each request.
    names : Names
        Numbers of devices and points; new ones are added.

    Returns
    -------
    list of bytes
        For each request a packed row for each device and point, and another for values with faults
        by the model check. Equal copies do not count, since a single value is written.
    """
    nothing = np.zeros((WIDTH + 1, 0), np.int64)
    found = [rows for runs in runs_of(chunks) for rows in _rows(runs, names)]
    place, *rows = np.concatenate([nothing, *found], axis=1)
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(len(chunks) + 1)).tolist()
    table = np.stack(rows)[:, order]
    return [pack(table[:, start:stop]) for start, stop in pairwise(ends)]


def _rows(runs: Runs, names: Names) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each column with values, each behind the place of its request."""
    part, span = runs.part, runs.span
    owners = names.of_readings(part.readings, part.entries.device[runs.start])
    columns, time = part.readings.columns, part.entries.time[span]
    lacking = np.flatnonzero(part.encoded.n_values[span] < len(columns))
    start, stop = runs.start - span.start, runs.stop - span.start
    for number, column in enumerate(columns):
        cells = part.entries.cells[number][span]
        bad = _suspects(part.entries, number, cells)
        if bad is not None:
            there = [(0, (cells >= 0) & ~bad), (1, bad)]
            kinds = [(n, _facts_of(np.flatnonzero(mask), start, stop, time)) for n, mask in there]
        elif 2 * len(lacking) < len(cells):  # few lack a value of any column
            missing = lacking[cells[lacking] < 0]
            kinds = [(0, _facts(missing, start, stop, time))]
        else:
            kinds = [(0, _facts_of(np.flatnonzero(cells >= 0), start, stop, time))]
        for is_suspect, (chosen, *facts) in kinds:
            if not len(chosen):
                continue
            [point] = names.of_points([column.point.identifier])
            same = np.full((2, len(chosen)), [[point], [is_suspect]])
            yield np.stack([runs.place[chosen], owners[chosen], same[0], *facts, same[1]])


def _suspects(entries: Entries, column: int, cells: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Return True for each entry whose value has a fault by the model check; None if none has."""
    if not entries.suspects or not (suspect := entries.suspects[column]).any():
        return None
    bad = (cells >= 0) & suspect[cells]
    return bad if bad.any() else None


def _facts_of(
    there: NDArray[np.int64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    time: NDArray[np.int64],
) -> tuple[NDArray[np.int64], ...]:
    """Return what :func:`_facts` does, from the entries with a value."""
    first, last = np.searchsorted(there, start), np.searchsorted(there, stop)
    chosen = np.flatnonzero(first < last)
    first, last = first[chosen], last[chosen]
    return chosen, time[there[first]], time[there[last - 1]], last - first


def _facts(
    missing: NDArray[np.int64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    time: NDArray[np.int64],
) -> tuple[NDArray[np.int64], ...]:
    """Return the runs that have values, with first and last times and counts of their values.

    Times ascend within a run: its first and its last entry with a value have the times.

    Parameters
    ----------
    missing : ndarray of int64
        Entries without a value, ascending.
    start, stop : ndarray of int64, shape (n_runs,)
        The entries [start, stop) of each run.
    time : ndarray of int64, shape (n_entries,)
        Time of each entry. [ms]

    Examples
    --------
    The entries 0 to 2 are of a first device, entry 3 of a second; entry 0 lacks the point, so that
    values number 0 and 1 are of the first device:

    >>> time = np.array([10, 20, 30, 10])
    >>> facts = _facts(np.array([0]), np.array([0, 3]), np.array([3, 4]), time)
    >>> [column.tolist() for column in facts]
    [[0, 1], [20, 10], [30, 10], [2, 1]]
    """
    first = start - np.searchsorted(missing, start)
    last = stop - np.searchsorted(missing, stop)
    chosen = np.flatnonzero(first < last)
    first, last = first[chosen], last[chosen]
    before = missing - np.arange(len(missing))  # values before each entry that lacks one
    at, end = (n + np.searchsorted(before, n, side="right") for n in (first, last - 1))
    return chosen, time[at], time[end], last - first


def touched_frame(
    records: Iterable[tuple[str, bytes]], names: Names, *, skips: bool
) -> pd.DataFrame:
    """Return a row for each device and point to which values were, or may have been, written.

    Parameters
    ----------
    records : iterable of (str, bytes)
        Outcome of each request, ``accepted`` or ``in_doubt``, and its record by ``touched_of``.
    names : Names
        Numbers of devices and points in the records.
    skips : bool
        True if the platform was asked to skip invalid values: then an accepted request has written
        no value with a fault by the model check.

    Returns
    -------
    DataFrame
        Sorted by its first three columns. ``first_time`` and ``last_time`` span the counted values.
    """
    kept: list[NDArray[np.int64]] = []
    n = 0
    for outcome, record in records:
        device, point, first, last, count, suspect = unpack(record, WIDTH, _WHAT)
        is_accepted = outcome == "accepted"
        nothing = np.zeros_like(count)
        counts = (count, nothing) if is_accepted else (nothing, count)
        rows = np.stack([device, point, first, last, *counts])
        kept.append(rows[:, suspect == 0] if skips and is_accepted else rows)
        n += kept[-1].shape[1]
        if n > MANY and n > 2 * kept[0].shape[1]:
            kept = [_joined(kept)]
            n = kept[0].shape[1]
    device, point, *facts = _joined(kept)
    devices, points = list(names.devices), list(names.points)
    rows_named = [
        (*devices[d], points[p], *rest)
        for d, p, *rest in zip(
            *(column.tolist() for column in (device, point, *facts)), strict=True
        )
    ]
    return typed(sorted(rows_named), TOUCHED_COLUMNS)


def _joined(rows: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one row for each device and point: the whole span, and the sums of the counts."""
    whole = np.concatenate([np.zeros((WIDTH, 0), np.int64), *rows], axis=1)
    if not whole.shape[1]:
        return whole
    key = whole[0] * (int(whole[1].max()) + 1) + whole[1]
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    whole = whole[:, order]
    ways: list[Any] = [np.minimum, np.maximum, np.add, np.add]
    facts = [way.reduceat(one, starts) for way, one in zip(ways, whole[2:], strict=True)]
    return np.stack([*whole[:2, starts], *facts])
