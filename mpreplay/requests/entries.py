"""Entries to send from a slab: readings merged, and sorted by device and time.

Pure. An entry is one device at one time, the element of ``params`` on the wire. Values are not
copied: an entry points into its columns, and through the columns to the row of each value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cells.epoch import DAY
from ..fast.laying import placed
from ..fast.library import lane
from ..history.ordering import order_of
from ..history.slab import Readings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Copy", "Entries", "entries_of", "split_entries"]


class Copy(NamedTuple):
    """An equal copy of a value that is sent, with the same fate."""

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
        The readings that hold the values.
    device : ndarray of int64, shape (n_entries,)
        Device of each entry, as an index into ``readings.devices``.
    time : ndarray of int64, shape (n_entries,)
        Time of each entry. [ms]
    cells : list of ndarray of int64, each of shape (n_entries,)
        For each column, position of each entry's value; -1 if absent.
    copies : list of Copy
        Equal copies of the values sent, by entry.
    suspects : list of ndarray of bool
        For each column, mask of values with a fault of the model check, sent all the same.
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
    """Merge the values to send into entries.

    Parameters
    ----------
    readings : Readings
        One product's readings in a slab.
    sent : sequence of ndarray of bool
        For each column, mask of the values to send: at most one for each device and time.

    Returns
    -------
    Entries
        The entries, without rows that have no value to send.
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
    # Rows of one device and time merge into one entry; only one such row has a value of a point.
    homes = np.empty(len(filled), np.int64)  # entry of each row that has one
    homes[order] = np.cumsum(new) - 1
    if not new.all():
        device, time = device[new], time[new]
    n_rows = len(filled) if len(filled) == len(time) else -1  # of columns whose order is known
    cells = [
        order if len(mask) == n_rows and mask.all() else _placed(column.at, mask, homes, len(time))
        for column, mask in zip(readings.columns, sent, strict=True)
    ]
    return Entries(readings, device, time, cells)


def _placed(
    at: NDArray[np.int64], mask: NDArray[np.bool_], homes: NDArray[np.int64], n: int
) -> NDArray[np.int64]:
    """Return the position of each entry's value in a column, -1 where no value is sent."""
    library = lane()
    if library is not None and (found := placed(library, at, mask, homes, n)) is not None:
        return found
    cells = np.full(n, -1, np.int64)
    chosen = np.flatnonzero(mask)
    cells[homes[at[chosen]]] = chosen
    return cells


def split_entries(entries: Entries, groups: Mapping[int, Sequence[NDArray[np.int64]]]) -> Entries:
    """Split some entries into several, each with a group of the entry's columns.

    ``groups`` maps the number of an entry to its groups of columns.
    """
    # Example: entry 1 of three is split into columns [0, 2] and [1], so its homes are [0, 1, 0].
    #   index     0  1  1  2    entry 1 is there twice;  number_in  0  0  1  0
    #   column 1  7  8  8  9    becomes 7 -1 8 9: its value of entry 1 goes to group 1
    n = len(entries.time)
    cut = np.full(n, -1, np.int64)  # row of each split entry in homes; -1: the entry stays whole
    cut[list(groups)] = np.arange(len(groups))
    lengths = np.ones(n, np.int64)
    homes = np.zeros((len(groups) + 1, len(entries.cells)), np.int64)  # the last: of whole entries
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
