"""The repeated readings of a history: values that are sent, equal copies, superseded values.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from ..display.facts import Conflict
from ..model.device import Device
from ..values.column_json import texts_of
from .faults import withheld

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..history.slab import Readings
    from .faults import Fault

__all__ = ["Duplicates", "Keep", "Repeats"]

Keep = Literal["first", "last"]
Rival = tuple[int, str]  # row and source of a reading that supersedes another


@dataclass(frozen=True, slots=True)
class Repeats:
    """The repeated readings of one product in a slab.

    Parameters
    ----------
    superseded : list of (int, ndarray, list of (int, str))
        Column, positions of superseded values, and row and source of each superseding reading.
    copies : list of (int, ndarray)
        Column, and positions of equal copies, which are not sent.
    twins : list of (int, int, str, int)
        Column and position of a sent value, and source and row of its equal copy.
    """

    superseded: list[tuple[int, NDArray[np.int64], list[Rival]]] = field(default_factory=list)
    copies: list[tuple[int, NDArray[np.int64]]] = field(default_factory=list)
    twins: list[tuple[int, int, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The repeated readings of a whole history.

    Attributes
    ----------
    repeats : dict of (int, int) to Repeats
        Repeated readings, by slab and by product within the slab.
    n_superseded, n_copies : int
        Number of superseded values and of equal copies; both are not sent.
    n_disordered : int
        Number of times that a device's readings go back in time from a slab to a later slab.
    last_time : int or None
        The latest time. [ms]
    devices : frozenset of Device
        All devices that report.
    conflicts : tuple of Conflict
        The first conflicts.
    n_rows : int
        Number of rows in the interval asked for.
    n_values : int or None
        Number of values, if all of them were looked at.
    """

    repeats: dict[tuple[int, int], Repeats] = field(default_factory=dict)
    n_superseded: int = 0
    n_copies: int = 0
    n_disordered: int = 0
    last_time: int | None = None
    devices: frozenset[Device] = frozenset()
    conflicts: tuple[Conflict, ...] = ()
    n_rows: int = 0
    n_values: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the duplicates as plain values, for a journal."""
        return {
            "repeats": [[*key, *_plain(one)] for key, one in self.repeats.items()],
            "devices": sorted(self.devices),
            "n": [self.n_superseded, self.n_copies, self.n_disordered],
            "last_time": self.last_time,
            "seen": [self.n_rows, self.n_values],
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Duplicates:
        """Return the duplicates from the plain values of :meth:`as_dict`."""
        repeats = {
            (slab, part): Repeats(
                [
                    (column, np.array(at, np.int64), [(row, source) for row, source in rivals])
                    for column, at, rivals in superseded
                ],
                [(column, np.array(at, np.int64)) for column, at in copies],
                [(column, position, source, row) for column, position, source, row in twins],
            )
            for slab, part, superseded, copies, twins in plain["repeats"]
        }
        devices = frozenset(Device(*device) for device in plain["devices"])
        superseded, copies, disordered = plain["n"]
        last_time, seen = plain["last_time"], plain["seen"]
        return cls(repeats, superseded, copies, disordered, last_time, devices, (), *seen)

    def repeats_of(self, slab: int, part: int) -> Repeats:
        """Return the repeated readings of one product in a slab."""
        return self.repeats.get((slab, part)) or Repeats()


def _plain(repeats: Repeats) -> tuple[list[Any], list[Any], list[Any]]:
    superseded = [[int(column), at.tolist(), rivals] for column, at, rivals in repeats.superseded]
    copies = [[int(column), at.tolist()] for column, at in repeats.copies]
    twins = [[int(column), int(at), source, int(row)] for column, at, source, row in repeats.twins]
    return superseded, copies, twins


class Candidates(NamedTuple):
    """The sendable values of one column in rows whose device and time are repeated."""

    place: tuple[int, int, int]  # slab, product within it, column
    source: str
    point: str
    devices: list[Device]
    time: NDArray[np.int64]
    position: NDArray[np.int64]
    row: NDArray[np.int64]
    texts: pa.Array


def candidates_of(
    readings: Readings,
    part: int,
    rows: NDArray[np.int64],
    faults: Iterable[Fault],
    withhold: bool,
) -> Iterator[Candidates]:
    """Yield the sendable values in rows whose device and time are repeated."""
    gone = withheld(readings, faults, withhold)
    # ``rows`` holds rows of all products of the slab, the readings those of a single product.
    places = np.flatnonzero(_is_among(readings.rows, rows))
    for number, column in enumerate(readings.columns):
        positions = places
        if len(column.at) < len(readings.rows):  # the long form: only some rows name this point
            positions = np.flatnonzero(_is_among(column.at, places))
        there = column.taken(positions).present() & ~gone[number][positions]
        if not there.any():
            continue
        values = column.taken(positions[there])
        yield Candidates(
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
    """Return a mask of ascending numbers, True for those in ``some``, also ascending, and few."""
    found = np.zeros(len(ascending), bool)
    places = np.searchsorted(ascending, some)
    within = places < len(ascending)
    places, some = places[within], some[within]
    found[places[ascending[places] == some]] = True
    return found


class _Table:
    """Candidates that share device, time and point, sorted by device, time, point, slab and row.

    Readings of one device and point at times 5, 6, 5, 6, 7 in rows 0 to 4 are sorted to rows
    0, 2, 1, 3, 4; row 4 is alone at its time and dropped. Left are ``row = [0, 2, 1, 3]``, in
    groups ``group = [0, 0, 1, 1]`` that start at ``starts = [0, 2]``.
    """

    def __init__(self, candidates: Iterable[Candidates]) -> None:
        self.parts = sorted(candidates, key=itemgetter(0))
        lengths = [len(one.time) for one in self.parts]
        self.devices, device = _ranked([name for one in self.parts for name in one.devices])
        _, points = _ranked([one.point for one in self.parts])
        part = np.repeat(np.arange(len(self.parts)), lengths)
        point = points[part]
        slab = np.array([one.place[0] for one in self.parts], np.int64)[part]
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

    def by_place(
        self, chosen: NDArray[np.int64]
    ) -> Iterator[tuple[tuple[int, int, int], NDArray[np.int64]]]:
        """Yield each place (slab, product, column) with the chosen candidates at the place."""
        chosen = chosen[np.argsort(self.part[chosen], kind="stable")]
        starts = np.flatnonzero(np.diff(self.part[chosen], prepend=-1))
        for some in np.split(chosen, starts[1:]) if len(chosen) else ():
            yield self.parts[self.part[some[0]]].place, some


def _ranked(names: Sequence[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the different names, sorted, and the index of each name among the sorted names."""
    different = sorted(set(names))
    rank = {name: n for n, name in enumerate(different)}
    return different, np.array([rank[name] for name in names], np.int64)


def decide(
    candidates: list[Candidates], keep: Keep, most: int
) -> tuple[dict[tuple[int, int], Repeats], int, int, tuple[Conflict, ...]]:
    """Decide the fate of each repeated value: sent, equal copy, or superseded.

    Rows 0 to 3 of one device, time and point with the values 7, 8, 7, 8 and ``keep="last"``: the
    last value is 8, so ``equal`` marks rows 1 and 3. Row 1, the first of the equal rows, is sent
    (``winner = [1, 1, 1, 1]``), row 3 is a copy, and rows 0 and 2 are superseded by row 1.

    Returns
    -------
    repeats : dict of (int, int) to Repeats
        Repeated readings, by slab and by product within the slab.
    n_superseded, n_copies : int
        Number of superseded values and of copies.
    conflicts : tuple of Conflict
        The first conflicts, at most ``most``.
    """
    table = _Table(candidates) if candidates else None
    if table is None or not len(table.group):
        return {}, 0, 0, ()
    text = table.texts.dictionary_encode().indices.to_numpy()
    ends = np.append(table.starts[1:], len(text)) - 1
    equal = text == text[table.starts if keep == "first" else ends][table.group]
    # The first of the equal values is sent; the later ones are its copies.
    at = np.flatnonzero(equal)
    winner = at[np.unique(table.group[at], return_index=True)[1]][table.group]
    lost = np.flatnonzero(~equal)
    copies = np.flatnonzero(equal & (winner != np.arange(len(text))))
    found: dict[tuple[int, int], Repeats] = {}
    for (slab, part, column), some in table.by_place(lost):
        here = found.setdefault((slab, part), Repeats())
        here.superseded.append((column, table.position[some], list(_told(table, winner[some]))))
    for (slab, part, column), some in table.by_place(copies):
        here = found.setdefault((slab, part), Repeats())
        here.copies.append((column, table.position[some]))
    for one, (row, source) in zip(winner[copies].tolist(), _told(table, copies), strict=True):
        slab, part, column = table.parts[table.part[one]].place
        here = found.setdefault((slab, part), Repeats())
        here.twins.append((column, int(table.position[one]), source, row))
    return found, len(lost), len(copies), _conflicts(table, lost, winner, most)


def _told(table: _Table, chosen: NDArray[np.int64]) -> Iterator[tuple[int, str]]:
    """Yield row and source of candidates."""
    sources = (table.parts[part].source for part in table.part[chosen].tolist())
    return zip(table.row[chosen].tolist(), sources, strict=True)


def _conflicts(
    table: _Table, lost: NDArray[np.int64], winner: NDArray[np.int64], most: int
) -> tuple[Conflict, ...]:
    """Return the first conflicts, by slab and row."""
    lost = lost[np.lexsort((table.row[lost], table.slab[lost]))][:most]
    texts, others = (table.texts.take(pa.array(one)).to_pylist() for one in (lost, winner[lost]))
    rivals = zip(_told(table, winner[lost]), others, strict=True)
    both = zip(lost.tolist(), _told(table, lost), texts, rivals, strict=True)
    return tuple(
        Conflict(
            source,
            row,
            table.devices[table.device[one]].product_key,
            table.devices[table.device[one]].device_key,
            int(table.time[one]),
            table.parts[table.part[one]].point,
            text,
            other_source,
            other_row,
            other,
        )
        for one, (row, source), text, ((other_row, other_source), other) in both
    )
