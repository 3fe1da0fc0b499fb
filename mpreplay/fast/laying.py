"""Entries as JSON text, by the compiled pass.

Pure: the same arguments give the same text, which is the text that is made without the pass. The
pass gets addresses of arrays, all kept until its end.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from .layout import FLOAT32, FLOAT64, INT64, TEXT, Column, Slab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Numbers", "Pieces", "is_number", "lay_entries", "ordered", "placed"]

_KINDS: Final = {pa.float32(): FLOAT32, pa.float64(): FLOAT64, pa.int64(): INT64}
_READ_BEHIND: Final = 32  # bytes that the pass may read behind a key


class Numbers(NamedTuple):
    """A column of numbers, and of each entry the position of its number, -1 if it has none.

    They are counted unless each is a part of the value before.
    """

    key: str
    values: pa.Array
    cells: NDArray[np.int64]
    counts: bool = True


class Pieces(NamedTuple):
    """A column of texts ``pool[places[n]]``, and of each entry the position of its text.

    They are counted unless each is a part of the value before.
    """

    key: str
    pool: pa.Array
    places: NDArray[np.int32]
    cells: NDArray[np.int64]
    counts: bool = True


def is_number(kind: pa.DataType) -> bool:
    """Return whether the pass writes numbers of an Arrow type."""
    return kind in _KINDS


def lay_entries(
    library: Any,
    heads: Pieces,
    time: NDArray[np.int64],
    columns: Sequence[Numbers | Pieces],
) -> tuple[memoryview, NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the text of all entries, the start of each with the end of the last, and the counts.

    Parameters
    ----------
    library : CDLL
        The compiled pass.
    heads : Pieces
        Text before the values of each entry.
    time : ndarray of int64, shape (n,)
        Time of each entry. [ms]
    columns : sequence of Numbers or Pieces
        Columns, in the order in which their values are written.

    Returns
    -------
    tuple, optional
        None if the pass cannot do it.
    """
    n = len(time)
    if not all(_is_taken(column, n) for column in (heads, *columns)):
        return None
    kept: list[Any] = [np.ascontiguousarray(time, np.int64)]
    head = _column(heads, kept)
    laid = (Column * len(columns))(*(_column(column, kept) for column in columns))
    slab = Slab(ctypes.pointer(head), kept[0].ctypes.data, n, laid, len(columns))
    room = library.lane_room(slab)
    if room < 0:
        return None
    text, starts, counts = (
        np.empty(room, np.uint8),
        np.empty(n + 1, np.int64),
        np.empty(n, np.int64),
    )
    size = library.lane_lay(slab, text.ctypes.data, room, starts.ctypes.data, counts.ctypes.data)
    return None if size < 0 else (text[:size].data, starts, counts)


def placed(
    library: Any,
    at: NDArray[np.int64],
    mask: NDArray[np.bool_],
    homes: NDArray[np.int64],
    n: int,
) -> NDArray[np.int64] | None:
    """Return of each of n entries the position of its value in a column, -1 if it has none.

    Parameters
    ----------
    library : CDLL
        The compiled pass.
    at : ndarray of int64, shape (n_values,)
        Row of each value.
    mask : ndarray of bool, shape (n_values,)
        Values that have a place.
    homes : ndarray of int64, shape (n_rows,)
        Entry of each row.
    n : int
        Number of entries.

    Returns
    -------
    ndarray of int64, optional
        None if the pass cannot do it.
    """
    cells = np.empty(n, np.int64)
    mask = np.ascontiguousarray(mask, bool)
    at, homes = np.ascontiguousarray(at, np.int64), np.ascontiguousarray(homes, np.int64)
    if len(mask) != len(at):
        return None
    wrong = library.lane_place(
        mask.ctypes.data,
        at.ctypes.data,
        len(at),
        homes.ctypes.data,
        len(homes),
        cells.ctypes.data,
        n,
    )
    return None if wrong else cells


def ordered(
    library: Any, code: NDArray[np.int64], time: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Return the order by code, then by time, of rows whose times ascend for each code.

    Parameters
    ----------
    library : CDLL
        The compiled pass.
    code : ndarray of int64, shape (n,)
        The first key, such as the numbers of devices.
    time : ndarray of int64, shape (n,)
        The second key. [ms]

    Returns
    -------
    ndarray of int64, optional
        None if times do not ascend, or there are many codes for so few rows.
    """
    n = len(code)
    if not n or code.dtype != np.int64 or time.dtype != np.int64 or len(time) != n:
        return None
    low, n_codes = int(code.min()), int(code.max()) + 1
    if low < 0 or n_codes > n:
        return None
    code, time = np.ascontiguousarray(code), np.ascontiguousarray(time)
    starts, latest = np.zeros(n_codes + 1, np.int64), np.empty(n_codes, np.int64)
    order = np.empty(n, np.int64)
    made = [array.ctypes.data for array in (starts, latest, order)]
    wrong = library.lane_order(code.ctypes.data, time.ctypes.data, n, n_codes, *made)
    return None if wrong else order


def _is_taken(column: Numbers | Pieces, n: int) -> bool:
    """Return whether the pass takes a column, of n entries."""
    if len(column.cells) != n:
        return False
    if isinstance(column, Numbers):
        return is_number(column.values.type)
    return bool(column.pool.type == pa.string())  # not one longer than 32 bits reach


def _column(column: Numbers | Pieces, kept: list[Any]) -> Column:
    """Return a column as the pass reads it, and keep its arrays alive in ``kept``."""
    key = column.key.encode()
    cells = np.ascontiguousarray(column.cells, np.int64)
    kept += [column, cells]
    made = Column(cells=cells.ctypes.data, key_size=len(key), counts=column.counts)
    made.key = key.ljust(len(key) + _READ_BEHIND)
    if isinstance(column, Numbers):
        _, values = column.values.buffers()
        made.kind = _KINDS[column.values.type]
        made.values, made.first, made.n = _address(values), column.values.offset, len(column.values)
        return made
    places = np.ascontiguousarray(column.places, np.int32)
    kept.append(places)
    _, starts, texts = column.pool.buffers()
    made.kind = TEXT
    made.values, made.n = places.ctypes.data, len(places)
    if len(column.pool):
        made.starts = _address(starts) + 4 * column.pool.offset
        made.texts, made.n_texts = _address(texts), len(column.pool)
    return made


def _address(buffer: pa.Buffer | None) -> int:
    return 0 if buffer is None else int(buffer.address)
