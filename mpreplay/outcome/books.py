"""The books of a run: the values read of each device and day, and their fates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ..cells.epoch import DAY, FIRST_TIME, LAST_TIME, NO_DAY
from ..frames import BOOK_COLUMNS, FATES, typed
from .packed_counts import Names, pack_tally, unpack

if TYPE_CHECKING:
    from ..requests.tallies import Counted

__all__ = ["Books", "books_frame"]

COUNTED: Final = ("read", *FATES)
AT_ONCE: Final = 65_536  # device-days of a frame
MANY: Final = 1_000_000  # counts are summed up as soon as there are so many
# Cells of a table of all devices and days for each count: beyond, counts are sorted instead.
DENSE: Final = 4
_NO_DAY: Final = np.iinfo(np.int32).min  # the day of a time that could not be read, in 32 bits


def books_frame(tallies: Mapping[str, Counted]) -> pd.DataFrame:
    """Return one row a device and UTC day.

    Parameters
    ----------
    tallies : mapping of str to Tally
        Counts by device and day, of ``read`` and of each fate.

    Returns
    -------
    DataFrame
        ``balanced`` where the number of values read equals the sum of the fates. Values without a
        time in the years 1 to 9999 have no day.
    """
    names = Names()
    packed = [(fate, pack_tally(tally, names)) for fate, tally in tallies.items()]
    return Books(packed, list(names.devices)).frame()


class Books:
    """Sums of packed tallies, from which frames are made a part at a time.

    Parameters
    ----------
    packed : iterable of (str, bytes)
        ``read`` or a fate, and a tally of it by ``pack_tally``; a fate may come many times.
    devices : list of (str, str)
        The devices by their numbers in the tallies.
    """

    def __init__(self, packed: Iterable[tuple[str, bytes]], devices: list[tuple[str, str]]) -> None:
        order = sorted(range(len(devices)), key=devices.__getitem__)
        rank = np.empty(len(devices), np.int64)
        rank[order] = np.arange(len(devices))
        sums = _Sums()
        for fate, blob in packed:
            device, day, n = unpack(blob, 3)
            day = np.where((day >= FIRST_TIME // DAY) & (day <= LAST_TIME // DAY), day, NO_DAY)
            sums.add(rank[device], day, COUNTED.index(fate), n)
        self._device, self._day, self._counts = sums.table()
        self._keys = [pa.array([devices[one][k] for one in order], pa.string()) for k in (0, 1)]

    def __len__(self) -> int:
        """Return the number of device-days."""
        return len(self._day)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield the books in frames of some device-days, sorted by device and day."""
        for start in range(0, len(self), AT_ONCE):
            yield self._part(slice(start, start + AT_ONCE))

    def frame(self) -> pd.DataFrame:
        """Return the books as one frame."""
        return self._part(slice(None))

    def _part(self, rows: slice) -> pd.DataFrame:
        device, day = pa.array(self._device[rows]), self._day[rows]
        counts = np.stack([counts[rows] for counts in self._counts])
        columns: dict[str, Any] = {
            name: key.take(device).to_pandas()
            for name, key in zip(("product_key", "device_key"), self._keys, strict=True)
        }
        known = day != NO_DAY
        times = np.where(known, day * DAY, NO_DAY).astype("datetime64[ms]")  # NO_DAY is NaT
        columns["day"] = pd.Series(times).dt.tz_localize("UTC")
        columns |= dict(zip(COUNTED, counts, strict=True))
        columns["balanced"] = counts[0] == counts[1:].sum(axis=0)
        return typed(columns, BOOK_COLUMNS)


# Device, day and count, of each cell; sorted by device and day where they are sums.
_Cells = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]


class _Sums:
    """Sums of counts by device, day and fate.

    The counts of each fate are summed apart, and days are numbers of 32 bits: there may be millions
    of cells.
    """

    def __init__(self) -> None:
        self._parts: list[list[_Cells]] = [[] for _ in COUNTED]
        self._n = [0] * len(COUNTED)

    def add(
        self, device: NDArray[np.int64], day: NDArray[np.int64], fate: int, n: NDArray[np.int64]
    ) -> None:
        parts = self._parts[fate]
        days = np.where(day == NO_DAY, _NO_DAY, day).astype(np.int32)
        parts.append((device.astype(np.int32), days, n))
        self._n[fate] += len(n)
        if self._n[fate] > MANY and self._n[fate] > 2 * len(parts[0][0]):
            self._parts[fate] = [_summed(parts)]
            self._n[fate] = len(self._parts[fate][0][0])

    def table(self) -> tuple[NDArray[np.int32], NDArray[np.int64], list[NDArray[np.int64]]]:
        """Return device, day and the counts of each of ``COUNTED``."""
        sums: list[_Cells] = []
        for parts in self._parts:
            sums.append(_summed(parts))
            parts.clear()
        days = np.unique(np.concatenate([np.unique(day) for _, day, _ in sums]))
        places = [_places(device, day, days) for device, day, _ in sums]
        place = places[0]
        for other in places[1:]:
            place = place if _is_within(other, place) else np.union1d(place, other)
        width = max(1, len(days))
        counts = [_at(own, n, place) for own, (_, _, n) in zip(places, sums, strict=True)]
        day = days[place % width].astype(np.int64)
        day[day == _NO_DAY] = NO_DAY
        return (place // width).astype(np.int32), day, counts


def _places(
    device: NDArray[np.int32], day: NDArray[np.int32], days: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the number of each cell in a table of all devices and days."""
    return device.astype(np.int64) * max(1, len(days)) + np.searchsorted(days, day)


def _is_within(some: NDArray[np.int64], places: NDArray[np.int64]) -> bool:
    """Return True if all of some places are among others, both sorted."""
    if len(some) == len(places):
        return bool((some == places).all())
    return len(some) < len(places) and bool(
        (places[np.minimum(np.searchsorted(places, some), len(places) - 1)] == some).all()
    )


def _at(own: NDArray[np.int64], n: NDArray[np.int64], places: NDArray[np.int64]) -> Any:
    """Return counts at all places: without a copy where none, or all, of them have counts."""
    if len(own) == len(places):
        return n
    if not len(own):
        return np.broadcast_to(np.int64(0), len(places))
    counts = np.zeros(len(places), np.int64)
    counts[np.searchsorted(places, own)] = n
    return counts


def _summed(parts: Sequence[_Cells]) -> _Cells:
    """Return device, day and count, once for each device and day, sorted."""
    nothing: _Cells = (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))
    device, day, n = (np.concatenate(column) for column in zip(nothing, *parts, strict=True))
    days = np.unique(day)  # few, however far apart
    width = max(1, len(days))
    place = _places(device, day, days)
    size = (int(device.max()) + 1) * width if len(device) else 0
    if size <= max(DENSE * len(place), AT_ONCE):  # most devices report on most days
        sums = np.zeros(size, np.int64)
        np.add.at(sums, place, n)
        seen = np.zeros(size, bool)
        seen[place] = True
        found = np.flatnonzero(seen)
        return (found // width).astype(np.int32), days[found % width], sums[found]
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    sums = np.add.reduceat(n[order], starts)
    return device[order[starts]], day[order[starts]], sums
