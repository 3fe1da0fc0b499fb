"""The devices, points and spans of time that a run has written to, or may have.

Pure: a chunk becomes a small record for the journal; records become a frame. A record holds no
values, and its length grows with the number of devices and points, not of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..frames import TOUCHED_COLUMNS, typed
from .packed_counts import pack, unpack

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ..requests.chunk import Chunk, ProductSlab
    from ..requests.entries import Entries
    from .packed_counts import Names

__all__ = ["COPIES", "SUSPECT", "WIDTH", "touched_frame", "touched_of"]

# The columns of a record: numbers of device and point, first and last time, number of values, and
# the kind of the values: of the model check's fault or without it, and sent or equal copies.
WIDTH: Final = 6
SUSPECT: Final = 1
COPIES: Final = 2  # and COPIES + SUSPECT; not written, but with the fate of what is
_WHAT: Final = "of what a request writes"
MANY: Final = 1_000_000  # rows are joined as soon as there are so many
_TIMES: Final = np.iinfo(np.int64)


def touched_of(chunk: Chunk, names: Names) -> bytes:
    """Return the writes of a request by device and point: first and last time, number of values.

    Parameters
    ----------
    chunk : Chunk
        The entries of the request.
    names : Names
        Numbers of devices and points; new ones are added.

    Returns
    -------
    bytes
        A packed row for each device and point, and another for values with faults by the model
        check. Equal copies have rows of their own, since a single value is written.
    """
    rows = [part for span in chunk.spans for part in _span(*span, names)]
    return pack(list(np.concatenate([np.zeros((WIDTH, 0), np.int64), *rows], axis=1)))


def _span(part: ProductSlab, start: int, stop: int, names: Names) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of the entries [start, stop) of a product, of all its points at once.

    The devices of the entries ``[7, 7, 7, 9]`` make two runs, which begin at ``[0, 3]``.
    """
    entries, columns = part.entries, part.readings.columns
    device, time = entries.device[start:stop], entries.time[start:stop]
    # Entries are sorted by device and time, so that each device is a run of entries.
    runs = np.flatnonzero(np.diff(device, prepend=-1))
    owners = np.array(
        names.of_devices(map(part.readings.devices.__getitem__, device[runs].tolist()))
    )
    cells = np.stack([column[start:stop] for column in entries.cells])
    there = cells >= 0
    used = np.flatnonzero(there.any(axis=1))
    numbers = names.of_points(columns[number].point.identifier for number in used.tolist())
    points, there, cells = np.array(numbers, np.int64), there[used], cells[used]
    bad = _suspects(entries, used, cells, there)
    masks = [(there, 0)] if bad is None else [(there & ~bad, 0), (bad, 1)]
    for mask, is_suspect in masks:
        column, at, *facts = _rows(mask, time, runs)
        yield np.stack([owners[at], points[column], *facts, np.full(len(at), is_suspect)])
    if entries.copies and (copies := part.copies(start, stop)):
        has_suspects = bad is not None
        kinds = [COPIES + SUSPECT * (has_suspects and part.is_suspect(copy)) for copy in copies]
        own = owners[np.searchsorted(runs, [copy.entry - start for copy in copies], "right") - 1]
        of = names.of_points(columns[copy.column].point.identifier for copy in copies)
        yield _counted(np.array([own, of, kinds], np.int64), time)


def _counted(copies: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows of equal copies, given by device, point and kind; the times are of all entries.

    Parameters
    ----------
    copies : ndarray of int64, shape (3, n_copies)
        Device, point and kind of each copy.
    time : ndarray of int64
        Time of each entry. [ms]
    """
    (device, point, kind), n = np.unique(copies, axis=1, return_counts=True)
    first, last = (np.full(len(n), end) for end in (time.min(), time.max()))
    return np.stack([device, point, first, last, n, kind])


def _suspects(
    entries: Entries, used: NDArray[np.int64], cells: NDArray[np.int64], there: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Return True for each cell with a fault by the model check; None if there is no such cell."""
    bad = np.zeros_like(there)
    for place, number in enumerate(used.tolist() if entries.suspects else ()):
        if (suspect := entries.suspects[number]).any():
            bad[place] = there[place] & suspect[cells[place]]
    return bad if bad.any() else None


def _rows(
    mask: NDArray[np.bool_], time: NDArray[np.int64], runs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    """Return point and run of the values, their first and last times, and their counts.

    Parameters
    ----------
    mask : ndarray of bool, shape (n_points, n_entries)
        True where an entry has a value of a point.
    time : ndarray of int64, shape (n_entries,)
        Time of each entry. [ms]
    runs : ndarray of int64, shape (n_devices,)
        First entry of each run.

    Examples
    --------
    The entries 0 to 2 are of a first device, entry 3 of a second; entry 0 lacks the point:

    >>> mask, time = np.array([[False, True, True, True]]), np.array([10, 20, 30, 10])
    >>> [column.tolist() for column in _rows(mask, time, runs=np.array([0, 3]))]
    [[0, 0], [0, 1], [20, 10], [30, 10], [2, 1]]
    """
    if not mask.any():
        return (np.zeros(0, np.int64),) * 5
    counts = np.add.reduceat(mask, runs, axis=1, dtype=np.int64)
    first = np.minimum.reduceat(np.where(mask, time, _TIMES.max), runs, axis=1)
    last = np.maximum.reduceat(np.where(mask, time, _TIMES.min), runs, axis=1)
    point, at = np.nonzero(counts)
    return point, at, first[point, at], last[point, at], counts[point, at]


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
        rows = unpack(record, WIDTH, _WHAT)
        device, point, first, last, count, suspect = rows[:, rows[-1] < COPIES]
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
