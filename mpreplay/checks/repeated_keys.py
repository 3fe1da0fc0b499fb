"""The devices and times of a history, slab by slab, and those that occur more than once.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..history.keys import keys_of
from ..history.ordering import order_of
from ..model.device import Device
from ..model.device_table import Devices, Renumbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from ..history.slab import RawSlab, Readings

__all__ = ["Keys", "Ranges", "joined", "repeated", "same"]

_NONE: Final = np.zeros(0, np.int64)


@dataclass(slots=True)
class Keys:
    """Numbers of the devices of a history; in the long form, of each device and point.

    With ``withhold``, rows whose time is implausible are left out as those without a time are.
    """

    withhold: bool
    numbers: dict[Any, int] = field(default_factory=dict)
    _devices: Renumbered = field(default_factory=lambda: Renumbered({}))
    # Of the latest slab: devices, points, and the number of each pair, -1 if it has none yet.
    _latest: tuple[Devices | None, list[str], NDArray[np.int64]] = (None, [], _NONE)

    @property
    def devices(self) -> Iterator[Device]:
        """All devices, whatever their rows hold."""
        return map(Device._make, self._devices.numbers)

    def of(
        self, raw: RawSlab, keys: Readings
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the source row of each readable reading of a slab, its number and its time."""
        rows, codes, time = keys.rows, keys.device, keys.time
        if keys.unreadable or keys.implausible is not None:
            readable = ~keys.is_unreadable()
            if keys.implausible is not None and self.withhold:
                readable[keys.implausible.positions] = False
            rows, codes, time = rows[readable], codes[readable], time[readable]
        devices = Devices.of(keys.devices)
        numbers = self._devices.of(devices.table, devices.numbers)
        if not raw.layout.columns.is_long:
            self.numbers = self._devices.numbers
            return rows, numbers[codes] if len(numbers) else codes, time
        points, point = _points(raw, rows - raw.first_row)
        return rows, self._of_pairs(devices, points, codes * (len(points) + 1) + point + 1), time

    def _of_pairs(
        self, devices: Devices, points: list[str], pairs: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the numbers of pairs: device times (points + 1) + point + 1; -1 for none."""
        width = len(points) + 1
        of, known, numbers = self._latest
        if of is not devices or known != points:
            numbers = np.full(len(devices) * width, -1, np.int64)
            self._latest = devices, points, numbers
        if not len(pairs):
            return pairs
        if (fresh := numbers[pairs] < 0).any():
            labels = [None, *points]
            for pair in np.unique(pairs[fresh]).tolist():
                name = devices[pair // width], labels[pair % width]
                numbers[pair] = self.numbers.setdefault(name, len(self.numbers))
        return numbers[pairs]


def _points(raw: RawSlab, positions: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """Return names of points, and of each row an index into the names (-1: unnamed)."""
    named = keys_of(raw, raw.layout.columns.point, "", "point")
    codes = named.indices.fill_null(-1).to_numpy().astype(np.int64)
    return named.dictionary.to_pylist(), codes if len(codes) == len(positions) else codes[positions]


def joined(
    parts: Iterable[tuple[NDArray[np.int64], ...]],
) -> Iterator[NDArray[np.int64]]:
    """Yield the arrays at the same place in all parts, joined."""
    for pieces in zip(*parts, strict=True):
        yield pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def same(ids: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask over sorted keys and times but the first, True where both are as before."""
    return np.asarray((ids[1:] == ids[:-1]) & (time[1:] == time[:-1]), bool)


def repeated(ids: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask over sorted keys and times, True where a pair occurs more than once."""
    again = same(ids, time)
    found = np.zeros(len(ids), bool)
    found[1:] |= again
    found[:-1] |= again
    return found


@dataclass(slots=True)
class Ranges:
    """The first and last time of each key in each slab."""

    slab: list[NDArray[np.int64]] = field(default_factory=list)
    key: list[NDArray[np.int64]] = field(default_factory=list)
    first: list[NDArray[np.int64]] = field(default_factory=list)
    last: list[NDArray[np.int64]] = field(default_factory=list)
    slabs: set[int] = field(default_factory=set)

    def add(self, slab: int, ids: NDArray[np.int64], time: NDArray[np.int64]) -> None:
        """Note the ranges of a slab's readings, sorted by key and time."""
        self.slabs.add(slab)
        if not len(ids):
            return
        starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
        self.slab.append(np.full(len(starts), slab, np.int64))
        self.key.append(ids[starts])
        self.first.append(time[starts])
        self.last.append(time[np.append(starts[1:], len(ids)) - 1])

    @property
    def last_time(self) -> int | None:
        """The latest time in the history."""
        return max((int(part.max()) for part in self.last), default=None)

    def _sorted(self) -> tuple[NDArray[np.int64], ...]:
        """Return slab, key, first and last time, sorted by key and slab."""
        slab, key, first, last = (
            np.concatenate(parts) if parts else np.zeros(0, np.int64)
            for parts in (self.slab, self.key, self.first, self.last)
        )
        order = order_of(key, slab)
        return slab[order], key[order], first[order], last[order]

    def overlapping(self) -> set[int]:
        """Return the slabs whose range of times of a key overlaps with another slab's."""
        slab, key, first, last = self._sorted()
        if not ((key[1:] == key[:-1]) & (first[1:] <= last[:-1])).any():
            return set()  # each slab goes on where another has ended
        order = np.lexsort((slab, first, key))
        slab, key, first, last = slab[order], key[order], first[order], last[order]
        # The range before each that ends last, of the same key: ends as ranks, higher from key to
        # key; of equal ends the first.
        by_end = np.lexsort((-np.arange(len(last)), last, key))
        rank = np.empty(len(last), np.int64)
        rank[by_end] = np.arange(len(last))
        holder = by_end[np.maximum.accumulate(rank)[:-1]]
        over = np.flatnonzero((key[1:] == key[:-1]) & (first[1:] <= last[holder]))
        return set(slab[over + 1].tolist()) | set(slab[holder[over]].tolist())

    def n_disordered(self) -> int:
        """Return how often a key's times go back from a slab to a later one."""
        _, key, first, last = self._sorted()
        return int(((key[1:] == key[:-1]) & (first[1:] < last[:-1])).sum())
