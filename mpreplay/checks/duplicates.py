"""Readings of the same device, time and point: which is sent, which is a copy, which is superseded.

Pure over the slabs it is given. A first pass reads who and when only and keeps a range of times
for each device and slab; slabs that cannot hold a repeated time are not looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ..history.ordering import order_of
from ..history.readings import Device, RawSlab, Readings, read_keys, read_slab
from ..requests.encoding import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..history.history import History
    from ..model.thing_model import ModelSet
    from .validation import Fault

__all__ = ["Duplicates", "Search", "Share", "find_duplicates", "withheld"]

Keep = Literal["first", "last"]
SUPERSEDED: Final = "superseded"


@dataclass(frozen=True, slots=True)
class Share:
    """What is repeated in one product's share of a slab.

    Parameters
    ----------
    superseded : list of (int, ndarray, list of str)
        Column, positions of values that another reading supersedes, and by which.
    copies : list of (int, ndarray)
        Column, positions of equal copies that are not sent.
    twins : list of (int, int, str, int)
        Column and position of a value that is sent, source and row of its equal copy.
    """

    superseded: list[tuple[int, NDArray[np.int64], list[str]]] = field(default_factory=list)
    copies: list[tuple[int, NDArray[np.int64]]] = field(default_factory=list)
    twins: list[tuple[int, int, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The repeated readings of a whole history.

    Attributes
    ----------
    shares : dict of (int, int) to Share
        By slab and by product within it.
    n_superseded, n_copies : int
        How many values are not sent, and why.
    n_disordered : int
        How many times a device's readings go back in time from one slab to a later one.
    last_time : int or None
        The latest time. [ms]
    devices : frozenset of Device
        All that report.
    example : str
        The first contradiction, in words.
    """

    shares: dict[tuple[int, int], Share] = field(default_factory=dict)
    n_superseded: int = 0
    n_copies: int = 0
    n_disordered: int = 0
    last_time: int | None = None
    devices: frozenset[Device] = frozenset()
    example: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a journal."""
        return {
            "shares": [[*key, *_plain(share)] for key, share in self.shares.items()],
            "devices": sorted(self.devices),
            "n": [self.n_superseded, self.n_copies, self.n_disordered],
            "last_time": self.last_time,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Duplicates:
        """Return what :meth:`as_dict` wrote."""
        shares = {
            (slab, part): Share(
                [(column, np.array(at, np.int64), why) for column, at, why in superseded],
                [(column, np.array(at, np.int64)) for column, at in copies],
                [(column, position, source, row) for column, position, source, row in twins],
            )
            for slab, part, superseded, copies, twins in plain["shares"]
        }
        devices = frozenset(Device(*device) for device in plain["devices"])
        superseded, copies, disordered = plain["n"]
        return cls(shares, superseded, copies, disordered, plain["last_time"], devices)

    def share(self, slab: int, part: int) -> Share:
        """Return what is repeated in one product's share of a slab."""
        return self.shares.get((slab, part)) or Share()


def _plain(share: Share) -> tuple[list[Any], list[Any], list[Any]]:
    superseded = [[int(column), at.tolist(), why] for column, at, why in share.superseded]
    copies = [[int(column), at.tolist()] for column, at in share.copies]
    twins = [[int(column), int(at), source, int(row)] for column, at, source, row in share.twins]
    return superseded, copies, twins


@dataclass(slots=True)
class _Keys:
    """A number for each device of a history, and in the long form for each of its points."""

    numbers: dict[Any, int] = field(default_factory=dict)
    devices: set[Device] = field(default_factory=set)

    def of(
        self, raw: RawSlab, keys: Readings
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the source row of each readable reading of a slab, its number and its time."""
        rows, codes, time = keys.rows, keys.device, keys.time
        if keys.unreadable:
            readable = np.ones(len(rows), bool)
            readable[list(keys.unreadable)] = False
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


def _points(raw: RawSlab, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the points that rows name: which each does, -1 for none, and what they are called."""
    column = raw.columns[str(raw.layout.columns.point)]
    if isinstance(column, np.ndarray):
        codes, names = pd.factorize(pd.Series(pd.array(column[positions])))
        return codes, list(names)
    if pa.types.is_string_view(column.type):  # Arrow does not code these
        column = column.cast(pa.string())
    coded = column.take(pa.array(positions)).dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy().astype(np.int64)
    return codes, coded.dictionary.to_pylist()


def find_duplicates(
    history: History,
    models: ModelSet,
    own: Device,
    faults_of: Callable[[Readings], list[Fault]],
    *,
    keep: Keep,
    withhold: bool,
) -> Duplicates:
    """Find the readings that have the same device, time and point.

    Parameters
    ----------
    history : History
        Read up to three times, the later times only where something is repeated or may be.
    models : ModelSet
        Its thing models.
    own : Device
        The connection's own device.
    faults_of : callable
        Returns the faults of readings; values that will be withheld supersede nothing.
    keep : {"first", "last"}
        Which of two different values is sent.
    withhold : bool
        Whether violations of the model are withheld.

    Returns
    -------
    Duplicates
    """
    window = (history.start, history.end)
    search = Search(keep, withhold)
    for raw in history.slabs(models.all(), keys_only=True):
        search.see(raw, [read_keys(raw, models, own, window)])
    return search.found(history, models, own, faults_of)


class Search:
    """Looks for repeated readings while the slabs of a history go by, one after the other.

    Whoever reads the history anyway need not read it again for this: what one slab repeats of
    itself is held while its values are at hand. Only slabs that share a stretch of time with
    others, and those whose values were not held, are read again.

    Parameters
    ----------
    keep : {"first", "last"}
        Which of two different values is sent.
    withhold : bool
        Whether violations of the model are withheld.
    """

    def __init__(self, keep: Keep, withhold: bool) -> None:
        self._keep = keep
        self._withhold = withhold
        self._keys = _Keys()
        self._ranges = _Ranges()
        self._rows: dict[int, NDArray[np.int64]] = {}  # those of a slab that repeat one another
        self._held: dict[int, list[_Candidates]] = {}

    def see(self, raw: RawSlab, parts: Sequence[Readings]) -> None:
        """Look at who and when of a slab; ``parts`` are its readings, or its keys alone."""
        rows, ids, time = _joined(self._keys.of(raw, part) for part in parts)
        order = order_of(ids, time)
        ids, time = ids[order], time[order]
        self._ranges.add(raw.number, ids, time)
        repeated = _repeated(ids, time)
        if repeated.any():
            self._rows[raw.number] = np.sort(rows[order[repeated]])

    def hold(self, readings: Readings, part: int, faults: Iterable[Fault]) -> None:
        """Hold the values that the slab last seen repeats, of one product's share of it."""
        if readings.slab in self._rows:
            held = self._held.setdefault(readings.slab, [])
            held += _candidates(readings, part, self._rows[readings.slab], faults, self._withhold)

    def found(
        self,
        history: History,
        models: ModelSet,
        own: Device,
        faults_of: Callable[[Readings], list[Fault]],
    ) -> Duplicates:
        """Return what is repeated, once all slabs were seen; parameters as ``find_duplicates``."""
        ranges, window = self._ranges, (history.start, history.end)
        found = Duplicates(
            n_disordered=ranges.n_disordered(),
            last_time=ranges.last_time,
            devices=frozenset(self._keys.devices),
        )
        overlapping = ranges.overlapping()
        rows = dict(self._rows)
        if overlapping:
            rows |= self._rows_across(history, models, own, overlapping)
        held = {slab: some for slab, some in self._held.items() if slab not in overlapping}
        candidates = [one for some in held.values() for one in some]
        if wanted := rows.keys() - held.keys():
            for raw in history.slabs(models.all(), without=ranges.slabs - wanted):
                for part, readings in enumerate(read_slab(raw, models, own, window)):
                    candidates += _candidates(
                        readings, part, rows[raw.number], faults_of(readings), self._withhold
                    )
        shares, n_superseded, n_copies, example = _decide(candidates, self._keep)
        return replace(
            found, shares=shares, n_superseded=n_superseded, n_copies=n_copies, example=example
        )

    def _rows_across(
        self, history: History, models: ModelSet, own: Device, slabs: set[int]
    ) -> dict[int, NDArray[np.int64]]:
        """Return the rows whose device and time occur more than once in some slabs together."""
        window = (history.start, history.end)
        numbers, parts = [], []
        for raw in history.slabs(models.all(), keys_only=True, without=self._ranges.slabs - slabs):
            parts.append(self._keys.of(raw, read_keys(raw, models, own, window)))
            numbers.append(np.full(len(parts[-1][0]), raw.number, np.int64))
        slab = np.concatenate(numbers)
        rows, ids, time = _joined(parts)
        order = order_of(ids, time)
        chosen = order[_repeated(ids[order], time[order])]
        return {
            int(number): np.sort(rows[chosen][slab[chosen] == number])
            for number in np.unique(slab[chosen])
        }


def _joined(
    parts: Iterable[tuple[NDArray[np.int64], ...]],
) -> Iterator[NDArray[np.int64]]:
    """Yield what stands at the same place in all parts, one after the other."""
    for pieces in zip(*parts, strict=True):
        yield pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _repeated(ids: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of sorted keys and times occur more than once."""
    same = (ids[1:] == ids[:-1]) & (time[1:] == time[:-1])
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
        """Take note of the readings of a slab, sorted by key and time."""
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
        """The latest time of all."""
        return max((int(part.max()) for part in self.last), default=None)

    def _sorted(self, by_first: bool) -> tuple[NDArray[np.int64], ...]:
        slab, key, first, last = (
            np.concatenate(parts) if parts else np.zeros(0, np.int64)
            for parts in (self.slab, self.key, self.first, self.last)
        )
        order = np.lexsort((slab, first, key) if by_first else (slab, key))
        return slab[order], key[order], first[order], last[order]

    def overlapping(self) -> set[int]:
        """Return the slabs that share a stretch of time of a key with another slab."""
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


def withheld(
    readings: Readings, faults: Iterable[Fault], all_violations: bool
) -> list[NDArray[np.bool_]]:
    """Return for each column which values are withheld: the unsendable ones, or all violations."""
    masks = [np.zeros(len(column.values), bool) for column in readings.columns]
    for fault in faults:
        if fault.column >= 0 and (all_violations or fault.is_unsendable):
            masks[fault.column][fault.positions] = True
    if readings.unreadable:
        gone = np.zeros(len(readings.rows), bool)
        gone[list(readings.unreadable)] = True
        for number, column in enumerate(readings.columns):
            masks[number] |= gone[column.at]
    return masks


class _Candidates(NamedTuple):
    """The sendable values of one column in rows whose device and time are repeated."""

    share: tuple[int, int, int]  # slab, product within it, column
    source: str
    point: str
    devices: list[Device]
    time: NDArray[np.int64]
    position: NDArray[np.int64]
    row: NDArray[np.int64]
    texts: pa.Array


def _candidates(
    readings: Readings,
    part: int,
    rows: NDArray[np.int64],
    faults: Iterable[Fault],
    withhold: bool,
) -> Iterator[_Candidates]:
    """Yield the sendable values in rows whose device and time are repeated."""
    gone = withheld(readings, faults, withhold)
    # Of other products' rows there is none among these.
    places = np.flatnonzero(_is_among(readings.rows, rows))
    for number, column in enumerate(readings.columns):
        positions = places
        if len(column.at) < len(readings.rows):  # the long form: some have a value of this point
            positions = np.flatnonzero(_is_among(column.at, places))
        there = column.taken(positions).present() & ~gone[number][positions]
        if not there.any():
            continue
        values = column.taken(positions[there])
        yield _Candidates(
            (readings.slab, part, number),
            readings.source,
            column.point.identifier,
            [readings.devices[code] for code in readings.device[values.at].tolist()],
            readings.time[values.at],
            positions[there],
            readings.rows[values.at],
            texts_of(values).array(),
        )


def _is_among(ascending: NDArray[np.int64], some: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of ascending numbers are among some others, ascending as well and few."""
    found = np.zeros(len(ascending), bool)
    places = np.searchsorted(ascending, some)
    within = places < len(ascending)
    places, some = places[within], some[within]
    found[places[ascending[places] == some]] = True
    return found


class _Table:
    """All candidates of which there are several, sorted by device, time, point and row."""

    def __init__(self, candidates: Iterable[_Candidates]) -> None:
        self.parts = sorted(candidates, key=itemgetter(0))
        lengths = [len(one.time) for one in self.parts]
        self.devices, device = _ranked([name for one in self.parts for name in one.devices])
        _, points = _ranked([one.point for one in self.parts])
        part = np.repeat(np.arange(len(self.parts)), lengths)
        point = points[part]
        slab = np.array([one.share[0] for one in self.parts], np.int64)[part]
        time = np.concatenate([one.time for one in self.parts])
        row = np.concatenate([one.row for one in self.parts])
        position = np.concatenate([one.position for one in self.parts])
        order = np.lexsort((row, slab, point, time, device))
        key = np.stack([device, time, point])[:, order]
        new = np.append(True, (key[:, 1:] != key[:, :-1]).any(axis=0))
        group = np.cumsum(new) - 1
        several = np.bincount(group)[group] > 1
        order, new = order[several], new[several]
        texts = pa.chunked_array([one.texts for one in self.parts]).combine_chunks()
        self.texts = texts.take(pa.array(order))
        self.part, self.device, self.time = part[order], device[order], time[order]
        self.slab, self.row, self.position = slab[order], row[order], position[order]
        self.starts, self.group = np.flatnonzero(new), np.cumsum(new) - 1

    def by_share(
        self, chosen: NDArray[np.int64]
    ) -> Iterator[tuple[tuple[int, int, int], NDArray[np.int64]]]:
        """Yield some of the candidates share by share: which share, and which of them."""
        chosen = chosen[np.argsort(self.part[chosen], kind="stable")]
        starts = np.flatnonzero(np.diff(self.part[chosen], prepend=-1))
        for some in np.split(chosen, starts[1:]) if len(chosen) else ():
            yield self.parts[self.part[some[0]]].share, some


def _ranked(names: Sequence[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the different names, sorted, and for each which of them it is."""
    different = sorted(set(names))
    rank = {name: n for n, name in enumerate(different)}
    return different, np.array([rank[name] for name in names], np.int64)


def _decide(
    candidates: list[_Candidates], keep: Keep
) -> tuple[dict[tuple[int, int], Share], int, int, str]:
    """Settle which of the repeated values is sent, which are copies, which superseded."""
    table = _Table(candidates) if candidates else None
    if table is None or not len(table.group):
        return {}, 0, 0, ""
    text = table.texts.dictionary_encode().indices.to_numpy()
    ends = np.append(table.starts[1:], len(text)) - 1
    equal = text == text[table.starts if keep == "first" else ends][table.group]
    # Of the copies of the chosen value the first is sent.
    at = np.flatnonzero(equal)
    winner = at[np.unique(table.group[at], return_index=True)[1]][table.group]
    lost = np.flatnonzero(~equal)
    copies = np.flatnonzero(equal & (winner != np.arange(len(text))))
    shares: dict[tuple[int, int], Share] = {}
    for (slab, part, column), some in table.by_share(lost):
        reasons = [
            f"superseded by row {row} of {source}, which has the same device, time and point"
            for row, source in _told(table, winner[some])
        ]
        share = shares.setdefault((slab, part), Share())
        share.superseded.append((column, table.position[some], reasons))
    for (slab, part, column), some in table.by_share(copies):
        share = shares.setdefault((slab, part), Share())
        share.copies.append((column, table.position[some]))
    for one, (row, source) in zip(winner[copies].tolist(), _told(table, copies), strict=True):
        slab, part, column = table.parts[table.part[one]].share
        share = shares.setdefault((slab, part), Share())
        share.twins.append((column, int(table.position[one]), source, row))
    return shares, len(lost), len(copies), _example(table, lost, winner)


def _told(table: _Table, chosen: NDArray[np.int64]) -> Iterator[tuple[int, str]]:
    """Yield row and source of candidates."""
    sources = (table.parts[part].source for part in table.part[chosen].tolist())
    return zip(table.row[chosen].tolist(), sources, strict=True)


def _example(table: _Table, lost: NDArray[np.int64], winner: NDArray[np.int64]) -> str:
    """Return the first contradiction, by slab and row, in words."""
    if not len(lost):
        return ""
    one = lost[np.lexsort((table.row[lost], table.slab[lost]))[0]]
    both = np.array([one, winner[one]])
    (row, source), (other_row, other_source) = _told(table, both)
    text, other = table.texts.take(pa.array(both)).to_pylist()
    point, device = table.parts[table.part[one]].point, table.devices[table.device[one]]
    time = pd.Timestamp(int(table.time[one]), unit="ms", tz="UTC").isoformat()
    return (
        f"{point} of {device.device_key} at {time} is {text} in row {row} of "
        f"{source} and {other} in row {other_row} of {other_source}"
    )
