"""The books of a run: the values read of each device and day, and their fates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

__all__ = ["books_frame", "books_of"]

COUNTED: Final = ("read", *FATES)
MANY: Final = 1_000_000  # counts are summed up as soon as there are so many


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
    return books_of(packed, list(names.devices))


def books_of(packed: Iterable[tuple[str, bytes]], devices: list[tuple[str, str]]) -> pd.DataFrame:
    """Return one row a device and UTC day, from packed tallies.

    Parameters
    ----------
    packed : iterable of (str, bytes)
        ``read`` or a fate, and a tally of it by ``pack_tally``; a fate may come many times.
    devices : list of (str, str)
        The devices by their numbers in the tallies.
    """
    order = sorted(range(len(devices)), key=devices.__getitem__)
    rank = np.empty(len(devices), np.int64)
    rank[order] = np.arange(len(devices))
    sums = _Sums()
    for fate, blob in packed:
        device, day, n = unpack(blob, 3)
        day = np.where((day >= FIRST_TIME // DAY) & (day <= LAST_TIME // DAY), day, NO_DAY)
        sums.add(rank[device], day, COUNTED.index(fate), n)
    device, day, counts = sums.table()
    keys = {
        name: pa.array([devices[one][k] for one in order], pa.string())
        for k, name in enumerate(("product_key", "device_key"))
    }
    columns: dict[str, Any] = {
        name: pd.Series(
            key.take(pa.array(device)).to_pandas(), dtype=object if not len(key) else None
        )
        for name, key in keys.items()
    }
    known = day != NO_DAY
    columns["day"] = pd.array(np.where(known, day, 0) * DAY, "Int64")
    columns["day"][~known] = pd.NA
    columns |= dict(zip(COUNTED, counts, strict=True))
    columns["balanced"] = counts[0] == counts[1:].sum(axis=0)
    return typed(columns, BOOK_COLUMNS)


class _Sums:
    """Sums of counts by device, day and fate."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []  # each of the rows device, day, fate, count
        self._n = 0

    def add(
        self, device: NDArray[np.int64], day: NDArray[np.int64], fate: int, n: NDArray[np.int64]
    ) -> None:
        self._parts.append(np.stack([device, day, np.full(len(n), fate), n]))
        self._n += len(n)
        if self._n > MANY and self._n > 2 * self._parts[0].shape[1]:
            self._reduce()

    def _reduce(self) -> None:
        """Sum up, and sort by device, day and fate."""
        whole = np.concatenate(self._parts, axis=1)
        self._parts.clear()
        key = _places(whole[0], whole[1]) * len(COUNTED) + whole[2]
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        summed = whole[:, order[starts]]
        summed[3] = np.add.reduceat(whole[3, order], starts) if len(starts) else 0
        self._parts, self._n = [summed], summed.shape[1]

    def table(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return device, day and counts, one row of counts for each of ``COUNTED``."""
        self._parts.append(np.zeros((4, 0), np.int64))
        self._reduce()
        [(device, day, fate, n)] = self._parts
        new = np.ones(len(n), bool)
        new[1:] = (device[1:] != device[:-1]) | (day[1:] != day[:-1])
        counts = np.zeros((len(COUNTED), int(new.sum())), np.int64)
        counts[fate, np.cumsum(new) - 1] = n
        return device[new], day[new], counts


def _places(device: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers in the order of device and day, the same where both are the same."""
    days, place = np.unique(day, return_inverse=True)  # few, however far apart
    return np.asarray(device * max(1, len(days)) + place, np.int64)
