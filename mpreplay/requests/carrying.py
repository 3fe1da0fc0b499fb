"""Entries carried from a slab into the next: those that did not fill a request.

Pure. Requests stay full however small a slab is. What is carried is copied out of its slab, so that
a few entries do not keep the whole slab in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ..checks.repeats import Repeats
from .chunk import ProductSlab, Rest
from .encoding import Encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..checks.faults import Fault

__all__ = ["rest_from"]

SMALL: Final = 8  # of so many positions at most one is sorted; more are marked


def rest_from(slab: int, parts: Sequence[ProductSlab], first: int) -> Rest | None:
    """Return the entries of a slab from the given one on; None if there are none.

    Parameters
    ----------
    slab : int
        The slab's number in the history.
    parts : sequence of ProductSlab
        The products' parts of the slab.
    first : int
        Number of the first entry, counted over all parts.
    """
    kept = []
    begin = 0
    for part in parts:
        end = begin + len(part.entries.time)
        if first < end:
            kept.append(_from(part, max(0, first - begin)))
        begin = end
    return Rest(slab, kept) if kept else None


def _from(part: ProductSlab, start: int) -> ProductSlab:
    """Return the entries of a product from the given one on, without the rows of all others."""
    readings, entries = part.readings, part.entries
    both = list(zip(readings.columns, entries.cells, strict=True))
    known: dict[int, _Compacted] = {}  # columns with a value in each row share their cells
    for column, cell in both:
        if id(cell) not in known:
            known[id(cell)] = _compacted(cell[start:], len(column.values))
    chosen = [known[id(cell)][0] for cell in entries.cells]
    taken = [column.taken(some) for column, some in zip(readings.columns, chosen, strict=True)]
    rows = _ascending(np.concatenate([column.at for column in taken]), len(readings.rows))
    place = _numbered(rows, len(readings.rows))
    columns = [replace(column, at=place[column.at]) for column in taken]
    kept = replace(
        readings,
        rows=readings.rows[rows],
        time=readings.time[rows],
        device=readings.device[rows],
        unreadable=(),  # a row that cannot be read has no entry
        columns=columns,
    )
    suspects = [
        mask[some]
        for mask, some in zip(entries.suspects, chosen if entries.suspects else [], strict=True)
    ]
    return ProductSlab(
        kept,
        replace(
            entries,
            readings=kept,
            device=entries.device[start:],
            time=entries.time[start:],
            cells=[known[id(cell)][1] for cell in entries.cells],
            copies=[
                copy._replace(entry=copy.entry - start)
                for copy in part.copies(start, len(entries.time))
            ],
            suspects=suspects,
        ),
        _encoded_from(part.encoded, start),
        list(_faults_of(part.faults, chosen)),
        Repeats(),
        [np.zeros(len(some), bool) for some in chosen],
    )


_Compacted = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


def _compacted(cells: NDArray[np.int64], n: int) -> _Compacted:
    """Return the positions of cells, all below n, and of each cell its place among them, -1: none.

    Positions ascend, so that a column with a value in each row keeps the order of the rows.
    """
    there = np.flatnonzero(cells >= 0)
    positions = cells[there]
    if len(positions) * SMALL > n:
        chosen = _ascending(positions, n)
        return chosen, np.append(_numbered(chosen, n), -1)[cells]
    chosen = np.sort(positions)
    places = np.full(len(cells), -1, np.int64)
    places[there] = np.searchsorted(chosen, positions)
    return chosen, places


def _ascending(numbers: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the different numbers, all below n, in ascending order."""
    seen = np.zeros(n, bool)
    seen[numbers] = True
    return np.flatnonzero(seen)


def _numbered(chosen: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the place of each number below n among the chosen ones; -1 if it is none of them."""
    place = np.full(n, -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    return place


def _encoded_from(encoded: Encoded, start: int) -> Encoded:
    begin = int(encoded.offsets[start])
    text = memoryview(bytes(encoded.text[begin:]))
    return Encoded(text, encoded.offsets[start:] - begin, encoded.n_values[start:])


def _faults_of(faults: Iterable[Fault], chosen: Sequence[NDArray[np.int64]]) -> Iterator[Fault]:
    """Yield the faults of the chosen positions of each column."""
    for fault in faults:
        if fault.column < 0 or not len(some := chosen[fault.column]):
            continue
        places = np.minimum(np.searchsorted(some, fault.positions), len(some) - 1)
        among = some[places] == fault.positions
        if among.any():
            yield replace(fault.chosen(among), positions=places[among])
