"""The devices and times of a history, slab by slab, and those that occur more than once.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..history.keys import keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from ..history.slab import RawSlab, Readings
    from ..model.device import Device

__all__ = ["Keys", "Ranges", "joined", "repeated", "same"]


@dataclass(slots=True)
class Keys:
    """Numbers of the devices of a history; in the long form, of each device and point.

    With ``withhold``, rows whose time is implausible are left out as those without a time are.
    """

    withhold: bool
    numbers: dict[Any, int] = field(default_factory=dict)
    devices: set[Device] = field(default_factory=set)
    # Names of the latest slab, with their numbers: slabs mostly have the same.
    _latest: tuple[list[Any], NDArray[np.int64]] = field(
        default_factory=lambda: ([], np.zeros(0, np.int64))
    )

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
        names: list[Any] = keys.devices
        if names != self._latest[0]:
            self.devices |= set(names)
        if raw.layout.columns.is_long:
            point_codes, points = _points(raw, rows - raw.first_row)
            width = len(points) + 1
            pairs, codes = np.unique(codes * width + point_codes + 1, return_inverse=True)
            labels = [None, *points]
            names = [(names[pair // width], labels[pair % width]) for pair in pairs.tolist()]
        if names != self._latest[0]:
            numbers = [self.numbers.setdefault(name, len(self.numbers)) for name in names]
            self._latest = names, np.array(numbers, np.int64)
        ids = self._latest[1]
        return rows, ids[codes] if len(ids) else codes, time


def _points(raw: RawSlab, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the point of each row, as an index into the names (-1: unnamed), and the names."""
    named = keys_of(raw, raw.layout.columns.point, "", "point").take(pa.array(positions))
    codes = named.indices.fill_null(-1).to_numpy().astype(np.int64)
    return codes, named.dictionary.to_pylist()


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

    def _sorted(self, by_first: bool) -> tuple[NDArray[np.int64], ...]:
        slab, key, first, last = (
            np.concatenate(parts) if parts else np.zeros(0, np.int64)
            for parts in (self.slab, self.key, self.first, self.last)
        )
        order = np.lexsort((slab, first, key) if by_first else (slab, key))
        return slab[order], key[order], first[order], last[order]

    def overlapping(self) -> set[int]:
        """Return the slabs whose range of times of a key overlaps with another slab's."""
        slab, key, first, last = self._sorted(by_first=True)
        found: set[int] = set()
        latest, holder = 0, -1
        for n in range(len(slab)):  # over slabs and devices, not over rows
            if n == 0 or key[n] != key[n - 1]:
                latest, holder = int(last[n]), int(slab[n])
                continue
            if first[n] <= latest:
                found |= {holder, int(slab[n])}
            if last[n] > latest:
                latest, holder = int(last[n]), int(slab[n])
        return found

    def n_disordered(self) -> int:
        """Return how often a key's times go back from a slab to a later one."""
        _, key, first, last = self._sorted(by_first=False)
        same = key[1:] == key[:-1]
        return int((same & (first[1:] < last[:-1])).sum())
