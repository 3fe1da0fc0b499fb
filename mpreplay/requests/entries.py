"""What is to be sent of a slab: readings merged into entries, sorted by device and time.

Pure. An entry is one device at one time, the element of ``params`` on the wire. Values are not
copied: an entry points into its columns, and through them to the row each value came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..history.ordering import order_of
from ..history.slab import Readings
from ..values.epoch import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Copy", "Entries", "entries_of", "split_entries"]


class Copy(NamedTuple):
    """An equal copy of a value that is sent: it shares that value's fate."""

    entry: int
    column: int
    source: str
    row: int


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of one product, sorted by device and time.

    Parameters
    ----------
    readings : Readings
        Where the values are.
    device : ndarray of int64, shape (n_entries,)
        Index into ``readings.devices``.
    time : ndarray of int64, shape (n_entries,)
        When. [ms]
    cells : list of ndarray of int64, each of shape (n_entries,)
        For each column the position of the entry's value in it, -1 where there is none.
    copies : list of Copy
        Equal copies of values that are sent, by entry.
    suspects : list of ndarray of bool
        For each column where the model check faults a value that is sent all the same.
    """

    readings: Readings
    device: NDArray[np.int64]
    time: NDArray[np.int64]
    cells: list[NDArray[np.int64]]
    copies: list[Copy] = field(default_factory=list)
    suspects: list[NDArray[np.bool_]] = field(default_factory=list)

    def days(self) -> NDArray[np.int64]:
        """Return the UTC day of each entry, counted from 1970-01-01."""
        return self.time // DAY


def entries_of(readings: Readings, sent: Sequence[NDArray[np.bool_]]) -> Entries:
    """Merge the values that are to be sent into entries.

    Parameters
    ----------
    readings : Readings
        One product's share of a slab.
    sent : sequence of ndarray of bool
        For each column which of its values are to be sent: at most one for each device and time.

    Returns
    -------
    Entries
        Rows without a value to send are in none.
    """
    filled = np.zeros(len(readings.rows), bool)
    for column, mask in zip(readings.columns, sent, strict=True):
        if len(mask) == len(filled):  # the wide form: a value for each row
            filled |= mask
        else:
            filled[column.at[mask]] = True
    order = np.flatnonzero(filled)
    order = order[order_of(readings.device[order], readings.time[order])]
    device, time = readings.device[order], readings.time[order]
    new = np.ones(len(order), bool)
    new[1:] = (device[1:] != device[:-1]) | (time[1:] != time[:-1])
    cells = [
        _of_rows(order, column.at, mask, len(filled))
        for column, mask in zip(readings.columns, sent, strict=True)
    ]
    if new.all():
        return Entries(readings, device, time, cells)
    # Rows of one device and time meet in one entry; each point has its value in one of them.
    others = np.flatnonzero(~new)
    homes = np.cumsum(new)[others] - 1
    merged = [cell[new] for cell in cells]
    for cell, whole in zip(cells, merged, strict=True):
        np.maximum.at(whole, homes, cell[others])
    return Entries(readings, device[new], time[new], merged)


def _of_rows(
    rows: NDArray[np.int64], at: NDArray[np.int64], mask: NDArray[np.bool_], n: int
) -> NDArray[np.int64]:
    """Return the position in a column of the value of each row, -1 where none is to be sent."""
    if len(mask) == n:
        return np.where(mask[rows], rows, -1)
    places = np.full(n, -1, np.int64)
    chosen = np.flatnonzero(mask)
    places[at[chosen]] = chosen
    return places[rows]


def split_entries(entries: Entries, groups: Mapping[int, Sequence[NDArray[np.int64]]]) -> Entries:
    """Return entries of which some are cut into several, each with a group of its columns.

    ``groups`` are those of each entry that is cut.
    """
    n = len(entries.time)
    cut = np.full(n, -1, np.int64)  # which of those that are cut; -1: it stays whole
    cut[list(groups)] = np.arange(len(groups))
    lengths = np.ones(n, np.int64)
    homes = np.zeros((len(groups) + 1, len(entries.cells)), np.int64)  # the last: stay whole
    for home, (entry, columns) in zip(homes, groups.items(), strict=False):
        lengths[entry] = len(columns)
        for number, group in enumerate(columns):
            home[group] = number
    index = np.repeat(np.arange(n), lengths)
    starts = np.cumsum(lengths) - lengths
    number_in = np.arange(len(index)) - starts[index]
    cells = [
        np.where(homes[cut[index], column] == number_in, cell[index], -1)
        for column, cell in enumerate(entries.cells)
    ]
    copies = [
        c._replace(entry=int(starts[c.entry] + homes[cut[c.entry], c.column]))
        for c in entries.copies
    ]
    return replace(
        entries,
        device=entries.device[index],
        time=entries.time[index],
        cells=cells,
        copies=copies,
    )
