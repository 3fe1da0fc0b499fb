"""The devices, points and spans of time that a run has written to, or may have.

Pure: a chunk becomes a small record for the journal; records become a frame. A record holds no
values, and its length grows with the number of devices and points, not of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..frames import TOUCHED_COLUMNS, typed
from ..requests.runs import Runs, runs_of
from .packed_counts import pack, unpack

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ..requests.chunk import Chunk, ProductSlab
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
    """Yield the rows of columns with values, each behind the place of its request."""
    part, span = runs.part, runs.span
    owners = names.of_readings(part.readings, part.entries.device[runs.start])
    time = part.entries.time[span]
    start, stop = runs.start - span.start, runs.stop - span.start
    found = [one for one in _values(part, span) if len(one.entries)]
    identifiers = [part.readings.columns[one.column].point.identifier for one in found]
    point = np.array(names.of_points(identifiers), np.int64)
    suspect = np.array([one.is_suspect for one in found], np.int64)
    is_whole = np.array([len(one.entries) == len(time) for one in found], bool)
    if is_whole.any():  # a value in each entry, so that all these columns have the same facts
        n = int(is_whole.sum())
        facts = [runs.place, owners, time[start], time[stop - 1], stop - start]
        place, owner, *rest = (np.tile(one, n) for one in facts)
        column = np.repeat(np.flatnonzero(is_whole), len(start))
        yield np.stack([place, owner, point[column], *rest, suspect[column]])
    if not is_whole.all():
        others = np.flatnonzero(~is_whole)
        entries = [found[number].entries for number in others.tolist()]
        column, run, *rest = _facts(entries, start, stop, time)
        column = others[column]
        yield np.stack([runs.place[run], owners[run], point[column], *rest, suspect[column]])


class _Values(NamedTuple):
    """The entries with a value of a column, ascending: of those with a fault, or of all others."""

    column: int
    is_suspect: bool
    entries: NDArray[np.int64]


def _values(part: ProductSlab, span: slice) -> Iterator[_Values]:
    """Yield the entries of a span with values, column by column."""
    n_values = part.encoded.n_values[span]
    every = np.arange(len(n_values))
    lacking = np.flatnonzero(n_values < len(part.readings.columns))
    for number, whole in enumerate(part.entries.cells):
        cells = whole[span]
        bad = _suspects(part.entries, number, cells)
        if bad is not None:
            yield _Values(number, False, np.flatnonzero((cells >= 0) & ~bad))
            yield _Values(number, True, np.flatnonzero(bad))
        elif 2 * len(lacking) < len(cells) and (cells[lacking] >= 0).all():
            yield _Values(number, False, every)
        else:
            yield _Values(number, False, np.flatnonzero(cells >= 0))


def _suspects(entries: Entries, column: int, cells: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Return True for each entry whose value has a fault by the model check; None if none has."""
    if not entries.suspects or not (suspect := entries.suspects[column]).any():
        return None
    bad = (cells >= 0) & suspect[cells]
    return bad if bad.any() else None


def _facts(
    entries: Sequence[NDArray[np.int64]],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    time: NDArray[np.int64],
) -> tuple[NDArray[np.int64], ...]:
    """Return column, run, first and last time and count, where a run has values of a column.

    Times ascend within a run: its first and its last entry with a value have the times.

    Parameters
    ----------
    entries : sequence of ndarray of int64
        For each column, the entries with a value, ascending.
    start, stop : ndarray of int64, shape (n_runs,)
        The entries [start, stop) of each run.
    time : ndarray of int64, shape (n_entries,)
        Time of each entry. [ms]

    Examples
    --------
    The entries 0 to 2 are of a first device, entry 3 of a second; entry 0 lacks the only point:

    >>> time = np.array([10, 20, 30, 10])
    >>> facts = _facts([np.array([1, 2, 3])], np.array([0, 3]), np.array([3, 4]), time)
    >>> [column.tolist() for column in facts]
    [[0, 0], [0, 1], [20, 10], [30, 10], [2, 1]]
    """
    n = len(time)
    # Entries of all columns in one ascending row of numbers: those of the next column follow.
    before = np.arange(len(entries)) * n
    there = np.concatenate([one + first for one, first in zip(entries, before, strict=True)])
    first = np.searchsorted(there, (before[:, None] + start).reshape(-1))
    last = np.searchsorted(there, (before[:, None] + stop).reshape(-1))
    chosen = np.flatnonzero(first < last)
    column, run = np.divmod(chosen, len(start))
    first, last = first[chosen], last[chosen]
    times = [time[there[at] - before[column]] for at in (first, last - 1)]
    return column, run, *times, last - first


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
