"""The books of a run: the values read of each device and day, and their fates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from ..frames import BOOK_COLUMNS, FATES, typed
from ..values.epoch import DAY, FIRST_TIME, LAST_TIME
from .packed_counts import NO_DAY, Names, pack_tally, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..requests.tallies import Tally

__all__ = ["Books", "books_frame"]

COUNTED: Final = ("read", *FATES)
AT_ONCE: Final = 65_536  # device-days of a frame
MANY: Final = 1_000_000  # counts are summed up as soon as there are so many
# Cells of a table of all devices and days for each count: beyond, counts are sorted instead.
DENSE: Final = 4


def books_frame(tallies: Mapping[str, Tally]) -> pd.DataFrame:
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
        device, day, counts = pa.array(self._device[rows]), self._day[rows], self._counts[:, rows]
        columns: dict[str, Any] = {
            name: key.take(device).to_pandas()
            for name, key in zip(("product_key", "device_key"), self._keys, strict=True)
        }
        known = day != NO_DAY
        times = np.where(known, day * DAY, NO_DAY).astype("datetime64[ms]")  # NO_DAY is NaT
        columns["day"] = pd.Series(times).dt.tz_localize("UTC")
        columns |= dict(zip(COUNTED, counts.astype(np.int64), strict=True))
        columns["balanced"] = counts[0] == counts[1:].sum(axis=0)
        return typed(columns, BOOK_COLUMNS)


class _Sums:
    """Sums of counts by device, day and fate.

    The counts of each fate are summed apart, so that what is sorted at once stays small.
    """

    def __init__(self) -> None:
        self._parts: list[list[NDArray[np.int64]]] = [[] for _ in COUNTED]
        self._n = [0] * len(COUNTED)

    def add(
        self, device: NDArray[np.int64], day: NDArray[np.int64], fate: int, n: NDArray[np.int64]
    ) -> None:
        parts = self._parts[fate]
        parts.append(np.stack([device, day, n]))
        self._n[fate] += len(n)
        if self._n[fate] > MANY and self._n[fate] > 2 * parts[0].shape[1]:
            self._parts[fate] = [_summed(parts)]
            self._n[fate] = self._parts[fate][0].shape[1]

    def table(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return device, day and counts, one row of counts for each of ``COUNTED``."""
        whole = [_summed(parts) for parts in self._parts]
        self._parts.clear()
        keys = _summed([np.stack([*one[:2], np.zeros_like(one[2])]) for one in whole])
        device, day = keys[0], keys[1]
        counts = np.zeros((len(COUNTED), len(day)), np.int64)
        days = np.unique(day)
        place = device * max(1, len(days)) + np.searchsorted(days, day)
        for number, (own_device, own_day, n) in enumerate(whole):
            own = own_device * max(1, len(days)) + np.searchsorted(days, own_day)
            counts[number, np.searchsorted(place, own)] = n
        return device, day, counts


def _summed(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return device, day and count, one column for each device and day, sorted."""
    whole = np.concatenate([np.zeros((3, 0), np.int64), *parts], axis=1)
    device, day, n = whole
    days = np.unique(day)  # few, however far apart
    width = max(1, len(days))
    place = device * width + np.searchsorted(days, day)
    size = (int(device.max()) + 1) * width if len(device) else 0
    if size <= max(DENSE * len(place), AT_ONCE):  # most devices report on most days
        sums = np.zeros(size, np.int64)
        np.add.at(sums, place, n)
        seen = np.zeros(size, bool)
        seen[place] = True
        found = np.flatnonzero(seen)
        return np.stack([found // width, days[found % width], sums[found]])
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    sums = np.add.reduceat(n[order], starts)
    return np.stack([device[order[starts]], day[order[starts]], sums])
