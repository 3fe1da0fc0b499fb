"""Counts of values by device and UTC day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..cells.epoch import DAY, NO_DAY
from ..model.device_table import NOBODY, Devices, DeviceTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.slab import Readings

__all__ = ["NONE", "Counted", "Counts", "Key", "Tally", "total_of"]

# Cells of a table of all devices and days for each count: beyond, counts are sorted instead.
DENSE: Final = 16
# Product key, device key, and UTC day, counted from 1970-01-01; None if the time is unreadable.
Key = tuple[str, str, int | None]
Counted = Mapping[Key, int]


class Counts(NamedTuple):
    """Counts by device and day, as columns.

    Parameters
    ----------
    table : DeviceTable
        The devices.
    device, day, n : ndarray of int64, shape (n,)
        Number of each device in the table, day (``NO_DAY`` if unreadable), and count.
    """

    table: DeviceTable
    device: NDArray[np.int64]
    day: NDArray[np.int64]
    n: NDArray[np.int64]

    def summed(self) -> Counts:
        """Return each device and day once, sorted, without counts of zero."""
        if not len(self.n):
            return self
        known = self.day != NO_DAY
        first = int(self.day[known].min()) if known.any() else 0
        low = int(self.device.min())
        day = np.where(known, self.day - first + 1, 0)
        width = int(day.max()) + 1
        place = (self.device - low) * width + day
        if place.max() < DENSE * (len(place) + DENSE):
            found = np.arange(int(place.max()) + 1)
        else:  # few of so many devices and days
            found, place = np.unique(place, return_inverse=True)
        sums = np.bincount(place, self.n, len(found)).astype(np.int64)
        there = np.flatnonzero(sums)
        device, day = np.divmod(found[there], width)
        return Counts(
            self.table, device + low, np.where(day, day + (first - 1), NO_DAY), sums[there]
        )


class Tally(Mapping[Key, int]):
    """Number of values of each device on each UTC day.

    Parameters
    ----------
    parts : iterable of Counts
        The counts; a device and day may occur several times.

    Examples
    --------
    >>> from mpreplay.model.device import Device
    >>> table = DeviceTable()
    >>> device, day = table.numbers([Device("p", "T1")] * 2), np.array([16_000, 16_001])
    >>> one = Tally([Counts(table, device, day, np.array([3, 4]))])
    >>> one.total, dict(one + -one)
    (7, {})
    >>> dict(one)
    {('p', 'T1', 16000): 3, ('p', 'T1', 16001): 4}
    """

    def __init__(self, parts: Iterable[Counts] = ()) -> None:
        self.parts = tuple(part for part in parts if len(part.n))

    @property
    def total(self) -> int:
        """Number of all values."""
        return sum(int(part.n.sum()) for part in self.parts)

    def summed(self) -> Tally:
        """Return the tally with each device and day once, without counts of zero."""
        return Tally([_joined(self.parts).summed()]) if self.parts else self

    def __add__(self, other: Tally) -> Tally:
        return Tally([*self.parts, *other.parts])

    def __neg__(self) -> Tally:
        return Tally(part._replace(n=-part.n) for part in self.parts)

    @cached_property
    def _counts(self) -> dict[Key, int]:
        found: dict[Key, int] = {}
        for table, *columns in self.summed().parts:
            for device, day, n in zip(*(column.tolist() for column in columns), strict=True):
                found[*table.devices[device], None if day == NO_DAY else day] = n
        return found

    def __getitem__(self, key: Key) -> int:
        return self._counts[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __repr__(self) -> str:
        return f"Tally({self._counts})"


_NOTHING: Final = np.zeros(0, np.int64)
NONE: Final = Counts(DeviceTable(), _NOTHING, _NOTHING, _NOTHING)  # no counts at all


def total_of(counted: Counted) -> int:
    """Return the number of all values."""
    return counted.total if isinstance(counted, Tally) else sum(counted.values())


def _joined(parts: tuple[Counts, ...]) -> Counts:
    """Return counts as one, of a table of their own if they have several."""
    table = parts[0].table
    if any(part.table is not table for part in parts):
        table = DeviceTable()
        parts = tuple(part._replace(table=table, device=_moved(part, table)) for part in parts)
    columns = (np.concatenate([part[n] for part in parts]) for n in (1, 2, 3))
    return parts[0] if len(parts) == 1 else Counts(table, *columns)


def _moved(part: Counts, table: DeviceTable) -> NDArray[np.int64]:
    used, place = np.unique(part.device, return_inverse=True)
    return table.numbers(map(part.table.devices.__getitem__, used.tolist()))[place]


def tally_runs(
    devices: Devices,
    device: NDArray[np.int64],
    time: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> Tally:
    """Return counts of entries, sorted by device and time: each device and day is a run of them."""
    if not len(device):
        return Tally()
    day = time // DAY
    new = np.flatnonzero((device[1:] != device[:-1]) | (day[1:] != day[:-1])) + 1
    starts = np.concatenate([[0], new])
    sums = np.add.reduceat(counts, starts, dtype=np.int64)
    return Tally([Counts(devices.table, devices.numbers[device[starts]], day[starts], sums)])


def tally_rows(readings: Readings, counts: NDArray[np.int64]) -> Tally:
    """Return counts of rows by device and day; of an unreadable row by what could be read."""
    if not counts.any():
        return Tally()
    devices = Devices.of(readings.devices)
    numbers = np.append(devices.numbers, NOBODY)[readings.device]  # -1: a row without a device
    day = readings.time // DAY
    if readings.unreadable:
        day[readings.is_unreadable("time")] = NO_DAY
    return Tally([Counts(devices.table, numbers, day, counts).summed()])


def tally_each(readings: Readings, rows: Sequence[NDArray[np.int64]]) -> Tally:
    """Return counts of values by the rows that they are in; of rows that can be read."""
    at = np.concatenate([_NOTHING, *rows])
    if not len(at):
        return Tally()
    devices = Devices.of(readings.devices)
    numbers, day = devices.numbers[readings.device[at]], readings.time[at] // DAY
    return Tally([Counts(devices.table, numbers, day, np.ones(len(at), np.int64)).summed()])


def per_row(readings: Readings, masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return the number of values of each row in the masks, one mask a column."""
    counts = np.zeros(len(readings.rows), np.int64)
    few, n = np.zeros(len(counts), np.uint8), 0  # of the latest columns, counted in short numbers
    for column, mask in zip(readings.columns, masks, strict=True):
        if len(mask) < len(counts):  # the long form
            counts[column.at] += mask
            continue
        if n == np.iinfo(np.uint8).max:
            counts += few
            few[:], n = 0, 0
        few += mask.view(np.uint8)
        n += 1
    return counts + few if n else counts
