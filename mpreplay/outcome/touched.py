"""The devices, points and spans of time that a run has written to, or may have.

Pure: a chunk becomes a small record for the journal; records become a frame. A record holds no
values, and its length grows with the number of devices and points, not of values.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from ..frames import TOUCHED_COLUMNS, typed

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ..requests.chunk import Chunk, ProductSlab

__all__ = ["touched_frame", "touched_of"]

LONG: Final = 2_048  # a record is compressed from here on [bytes]
_TIMES: Final = np.iinfo(np.int64)


def touched_of(chunk: Chunk) -> bytes:
    """Return the writes of a request by device and point: first and last time, number of values.

    Parameters
    ----------
    chunk : Chunk
        The entries of the request.

    Returns
    -------
    bytes
        JSON: for each product its devices, its points, and two lists of rows: the first for good
        values, the second for values with faults by the model check. A row is [index of the device,
        index of the point, first time, last time, number of values]. Equal copies do not count,
        since a single value is written. A long record is compressed.
    """
    record = orjson.dumps([_span(*span) for span in chunk.spans])
    # Of many devices with few entries each, the rows differ little and compress well.
    return record if len(record) < LONG else zlib.compress(record, level=1)


def _span(part: ProductSlab, start: int, stop: int) -> list[Any]:
    """Return [devices, points, good rows, suspect rows] of the entries [start, stop) of a product.

    The devices of the entries ``[7, 7, 7, 9]`` make two runs, which begin at ``[0, 3]`` and end
    before ``[3, 4]``. With times ``[10, 20, 30, 10]`` a point with a value in every entry has the
    rows ``[0, point, 10, 30, 3]`` and ``[1, point, 10, 10, 1]``.
    """
    entries = part.entries
    device, time = entries.device[start:stop], entries.time[start:stop]
    # Entries are sorted by device and time, so that each device is a run of entries.
    runs = np.flatnonzero(np.diff(device, prepend=-1))
    ends = np.append(runs[1:], len(device))
    whole = [time[runs].tolist(), time[ends - 1].tolist(), (ends - runs).tolist()]
    good: list[list[int]] = []
    suspect: list[list[int]] = []
    for number, column in enumerate(entries.cells):
        cells = column[start:stop]
        there = cells >= 0
        if not there.any():
            continue
        bad = there & entries.suspects[number][cells] if entries.suspects else np.zeros_like(there)
        if bad.any():
            good += _rows(number, there & ~bad, time, runs)
            suspect += _rows(number, bad, time, runs)
        elif there.all():
            good += [[run, number, *facts] for run, facts in enumerate(zip(*whole, strict=True))]
        else:
            good += _rows(number, there, time, runs)
    return [
        [tuple(part.readings.devices[code]) for code in device[runs].tolist()],
        [column.point.identifier for column in part.readings.columns],
        good,
        suspect,
    ]


def _rows(
    number: int, mask: NDArray[np.bool_], time: NDArray[np.int64], runs: NDArray[np.int64]
) -> list[list[int]]:
    """Return [run, point, first time, last time, count] for each run with values of a point.

    Parameters
    ----------
    number : int
        Index of the point.
    mask : ndarray of bool, shape (n_entries,)
        True where an entry has a value of the point.
    time : ndarray of int64, shape (n_entries,)
        Time of each entry. [ms]
    runs : ndarray of int64, shape (n_devices,)
        First entry of each run.

    Examples
    --------
    The entries 0 to 2 are of a first device, entry 3 of a second; entry 0 lacks the point:

    >>> mask, time = np.array([False, True, True, True]), np.array([10, 20, 30, 10])
    >>> _rows(5, mask, time, runs=np.array([0, 3]))
    [[0, 5, 20, 30, 2], [1, 5, 10, 10, 1]]
    """
    if not mask.any():
        return []
    counts = np.add.reduceat(mask, runs, dtype=np.int64)
    first = np.minimum.reduceat(np.where(mask, time, _TIMES.max), runs)
    last = np.maximum.reduceat(np.where(mask, time, _TIMES.min), runs)
    at = np.flatnonzero(counts)
    point = np.full(len(at), number)
    rows: list[list[int]] = np.stack([at, point, first[at], last[at], counts[at]], axis=1).tolist()
    return rows


def touched_frame(records: Iterable[tuple[str, bytes]], *, skips: bool) -> pd.DataFrame:
    """Return a row for each device and point to which values were, or may have been, written.

    Parameters
    ----------
    records : iterable of (str, bytes)
        Outcome of each request, ``accepted`` or ``in_doubt``, and its record by ``touched_of``.
    skips : bool
        True if the platform was asked to skip invalid values: then an accepted request has written
        no value with a fault by the model check.

    Returns
    -------
    DataFrame
        Sorted by its first three columns. ``first_time`` and ``last_time`` span the counted values.
    """
    found: dict[tuple[str, str, str], list[int]] = {}
    for outcome, record in records:
        is_accepted = outcome == "accepted"
        for devices, points, good, suspect in orjson.loads(_unpacked(record)):
            for device, point, first, last, n in good if skips and is_accepted else good + suspect:
                key = (*devices[device], points[point])
                row = found.setdefault(key, [first, last, 0, 0])
                row[0], row[1] = min(row[0], first), max(row[1], last)
                row[2 if is_accepted else 3] += n
    return typed([(*key, *found[key]) for key in sorted(found)], TOUCHED_COLUMNS)


def _unpacked(record: bytes) -> bytes:
    try:
        return record if record.startswith(b"[") else zlib.decompress(record)
    except zlib.error as error:
        raise ValueError("the record of what a request writes is damaged") from error
