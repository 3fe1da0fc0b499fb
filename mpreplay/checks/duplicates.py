"""The search for readings of the same device, time and point.

Reads the history; otherwise pure. A first pass reads devices and times only and keeps a range of
times for each device and slab; slabs that cannot hold a repeated time are not read again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..history.keys import keys_of, read_keys
from ..history.ordering import order_of
from ..history.readings import read_slab
from ..model.device import Device
from .repeats import Duplicates, candidates_of, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..history.history import History
    from ..history.slab import RawSlab, Readings
    from ..model.model_set import ModelSet
    from .checker import Checker
    from .faults import Fault
    from .repeats import Candidates, Keep

__all__ = ["Search", "find_duplicates"]


@dataclass(slots=True)
class _Keys:
    """Numbers of the devices of a history; in the long form, of each device and point.

    With ``withhold``, rows whose time is implausible are left out as those without a time are.
    """

    withhold: bool
    numbers: dict[Any, int] = field(default_factory=dict)
    devices: set[Device] = field(default_factory=set)

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
        names: list[Any] = list(keys.devices)
        self.devices |= set(keys.devices)
        if raw.layout.columns.is_long:
            point_codes, points = _points(raw, rows - raw.first_row)
            width = len(points) + 1
            pairs, codes = np.unique(codes * width + point_codes + 1, return_inverse=True)
            labels = [None, *points]
            names = [(names[pair // width], labels[pair % width]) for pair in pairs.tolist()]
        ids = np.array(
            [self.numbers.setdefault(name, len(self.numbers)) for name in names], np.int64
        )
        return rows, ids[codes] if len(ids) else codes, time


def _points(raw: RawSlab, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the point of each row, as an index into the names (-1: unnamed), and the names."""
    named = keys_of(raw, raw.layout.columns.point, "", "point").take(pa.array(positions))
    codes = named.indices.fill_null(-1).to_numpy().astype(np.int64)
    return codes, named.dictionary.to_pylist()


def find_duplicates(
    history: History,
    models: ModelSet,
    own: Device,
    checker: Checker,
    *,
    keep: Keep,
    withhold: bool,
    heed: Callable[[], object] = bool,
) -> Duplicates:
    """Find the readings of the same device, time and point.

    Parameters
    ----------
    history : History
        Read up to three times, the later times only where a repeated time is possible.
    models : ModelSet
        Thing models of the history.
    own : Device
        The connection's own device.
    checker : Checker
        Judge of the readings; values that will be withheld supersede nothing.
    keep : {"first", "last"}
        Preference between two different values: the first or the last is sent.
    withhold : bool
        True if violations of the model are withheld.
    heed : callable, optional
        Called at each slab; raises to end the search.

    Returns
    -------
    Duplicates
    """
    window = (history.start, history.end)
    search = Search(keep, withhold, heed=heed)
    for raw in history.slabs(models.all(), keys_only=True):
        search.see(raw, [read_keys(raw, models, own, window)])
    return search.found(history, models, own, checker)


class Search:
    """Search for repeated readings while the slabs of a history go by, one after the other.

    A caller that reads the history for another purpose can search in the same pass: repeats within
    a slab are held while its values are at hand. A slab is read again only if its times overlap
    with another slab's or if its values were not held.

    Parameters
    ----------
    keep : {"first", "last"}
        Preference between two different values: the first or the last is sent.
    withhold : bool
        True if violations of the model are withheld.
    n_conflicts : int, optional
        Conflicts to keep, the first ones.
    heed : callable, optional
        Called at each slab; raises to end the search.
    """

    def __init__(
        self,
        keep: Keep,
        withhold: bool,
        n_conflicts: int = 1,
        *,
        heed: Callable[[], object] = bool,
    ) -> None:
        self._keep, self._heed = keep, heed
        self._n_conflicts = n_conflicts
        self._withhold = withhold
        self._keys = _Keys(withhold)
        self._ranges = _Ranges()
        self._n_rows = 0
        self._rows: dict[int, NDArray[np.int64]] = {}  # repeated rows, by slab
        self._again: dict[int, NDArray[np.int64]] = {}  # key of each row but the first, by slab
        self._held: dict[int, list[Candidates]] = {}

    def see(self, raw: RawSlab, parts: Sequence[Readings]) -> None:
        """Note devices and times of a slab; ``parts`` are its readings, or its keys alone."""
        self._heed()
        self._n_rows += sum(len(part.rows) for part in parts)
        rows, ids, time = _joined(self._keys.of(raw, part) for part in parts)
        order = order_of(ids, time)
        ids, time = ids[order], time[order]
        self._ranges.add(raw.number, ids, time)
        repeated = _repeated(ids, time)
        if repeated.any():
            self._rows[raw.number] = np.sort(rows[order[repeated]])
            self._again[raw.number] = ids[1:][_same(ids, time)]

    def hold(self, readings: Readings, part: int, faults: Iterable[Fault]) -> None:
        """Hold the repeated values of one product in the slab last seen."""
        if readings.slab in self._rows:
            held = self._held.setdefault(readings.slab, [])
            held += candidates_of(readings, part, self._rows[readings.slab], faults, self._withhold)

    def found(
        self,
        history: History,
        models: ModelSet,
        own: Device,
        checker: Checker,
    ) -> Duplicates:
        """Return the duplicates, once all slabs were seen; parameters as ``find_duplicates``."""
        ranges, window = self._ranges, (history.start, history.end)
        found = Duplicates(
            n_disordered=ranges.n_disordered(),
            last_time=ranges.last_time,
            devices=frozenset(self._keys.devices),
            n_rows=self._n_rows,
        )
        overlapping = ranges.overlapping()
        rows = dict(self._rows)
        if overlapping:
            rows |= self._rows_across(history, models, own, overlapping)
        held = {slab: some for slab, some in self._held.items() if slab not in overlapping}
        candidates = [one for some in held.values() for one in some]
        if wanted := rows.keys() - held.keys():
            for raw in history.slabs(models.all(), without=ranges.slabs - wanted):
                self._heed()
                for part, readings in enumerate(read_slab(raw, models, own, window)):
                    candidates += candidates_of(
                        readings, part, rows[raw.number], checker.faults(readings), self._withhold
                    )
        repeats, n_superseded, n_copies, conflicts = decide(
            candidates, self._keep, self._n_conflicts
        )
        return replace(
            found,
            repeats=repeats,
            n_superseded=n_superseded,
            n_copies=n_copies,
            conflicts=conflicts,
        )

    def collisions(self) -> dict[Device, int]:
        """Return the rows of devices whose time (and point) an earlier row has, once all is found.

        Times are compared as they will travel, after the cut to milliseconds.
        """
        found: dict[Device, int] = {}
        again = np.concatenate([np.zeros(0, np.int64), *self._again.values()])
        names = list(self._keys.numbers)
        for number, n in enumerate(np.bincount(again).tolist()):
            if n:
                name = names[number]
                device = name if isinstance(name, Device) else name[0]
                found[device] = found.get(device, 0) + n
        return found

    def _rows_across(
        self, history: History, models: ModelSet, own: Device, slabs: set[int]
    ) -> dict[int, NDArray[np.int64]]:
        """Return the rows of slabs, by slab, whose device and time occur more than once."""
        window = (history.start, history.end)
        numbers, parts = [], []
        for raw in history.slabs(models.all(), keys_only=True, without=self._ranges.slabs - slabs):
            self._heed()
            parts.append(self._keys.of(raw, read_keys(raw, models, own, window)))
            numbers.append(np.full(len(parts[-1][0]), raw.number, np.int64))
        slab = np.concatenate(numbers)
        rows, ids, time = _joined(parts)
        order = order_of(ids, time)
        ids, time = ids[order], time[order]
        self._again = {n: again for n, again in self._again.items() if n not in slabs}
        self._again[-1] = ids[1:][_same(ids, time)]
        chosen = order[_repeated(ids, time)]
        return {
            int(number): np.sort(rows[chosen][slab[chosen] == number])
            for number in np.unique(slab[chosen])
        }


def _joined(
    parts: Iterable[tuple[NDArray[np.int64], ...]],
) -> Iterator[NDArray[np.int64]]:
    """Yield the arrays at the same place in all parts, joined."""
    for pieces in zip(*parts, strict=True):
        yield pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _same(ids: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((ids[1:] == ids[:-1]) & (time[1:] == time[:-1]), bool)


def _repeated(ids: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask over sorted keys and times, True where a pair occurs more than once."""
    same = _same(ids, time)
    repeated = np.zeros(len(ids), bool)
    repeated[1:] |= same
    repeated[:-1] |= same
    return repeated


@dataclass(slots=True)
class _Ranges:
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
