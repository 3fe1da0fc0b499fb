"""Bytes of rows, so that a slab of long texts or arrays has fewer rows.

Pure. Only texts, lists and structs are counted: numbers are bounded by the number of cells.
Counted is the size in memory with dictionaries written out, as conversion and encoding need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NUMBER", "SLAB_BYTES", "Span", "has_weight", "light_spans", "row_bytes", "weights"]

# Most bytes of texts and arrays in a slab of more than one row: a slab is in memory about six times
# over, as read, as typed and as JSON, and up to four slabs at once.
SLAB_BYTES: Final = 8_000_000
LIGHT: Final = SLAB_BYTES // 4  # of one column of Python objects [bytes]
SAMPLE: Final = 16  # cells whose kinds are looked at
_BYTES: Final = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
)
Span = tuple[int, int]  # rows [first, stop)
NUMBER: Final = 8  # bytes of a number


def light_spans(
    spans: Iterable[Span], weigh: Callable[[Span], NDArray[np.int64] | None]
) -> Iterator[Span]:
    """Yield spans, those with too many bytes cut into shorter ones of at least one row.

    ``weigh`` returns the bytes of each row of a span, or None if they cannot be too many.
    """
    for first, stop in spans:
        found = weigh((first, stop))
        if found is None or int(found.sum()) <= SLAB_BYTES:
            yield first, stop
            continue
        before = np.concatenate([[0], np.cumsum(found)])
        start, n = 0, stop - first
        while start < n:
            most = before[start] + SLAB_BYTES
            end = max(start + 1, int(np.searchsorted(before, most, side="right")) - 1)
            yield first + start, first + end
            start = end


def weights(columns: Iterable[Any]) -> NDArray[np.int64] | None:
    """Return the bytes of each row of some columns; None if they are light."""
    heavy = [row_bytes(column) for column in columns if not _is_light(column)]
    return np.sum(heavy, axis=0) if heavy else None


def _is_light(column: Any) -> bool:
    """Return True for texts and lists as Python objects that are short; it is found quickly."""
    if not isinstance(column, np.ndarray):
        return not has_weight(column.type)
    if any(isinstance(cell, dict | np.ndarray) for cell in column[:SAMPLE].tolist()):
        return False  # what they hold is not counted
    cells = pd.Series(column, dtype=object, copy=False)
    return bool(cells.memory_usage(index=False, deep=True) <= LIGHT)


def has_weight(kind: pa.DataType) -> bool:
    """Return True if the cells of a type have no fixed size."""
    if pa.types.is_dictionary(kind):
        return has_weight(kind.value_type)
    return not pa.types.is_primitive(kind) and not pa.types.is_null(kind)


def row_bytes(column: Any) -> NDArray[np.int64]:
    """Return the bytes of each row of a column, as Arrow or as Python objects.

    Examples
    --------
    >>> row_bytes(pa.array(["ab", None, "abc"])).tolist()
    [2, 0, 3]
    >>> row_bytes(pa.array([[1.5, 2.5], []])).tolist()
    [16, 0]
    """
    if isinstance(column, np.ndarray):
        return np.fromiter(map(_cell_bytes, column.tolist()), np.int64, len(column))
    if isinstance(column, pa.ChunkedArray):
        nothing = [np.zeros(0, np.int64)]
        return np.concatenate([*map(row_bytes, column.chunks), *nothing])
    return _arrow_bytes(column)


def _arrow_bytes(column: pa.Array) -> NDArray[np.int64]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        used, index = np.unique(
            column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False),
            return_inverse=True,
        )  # the dictionary may be that of a whole history
        entries = _dense(column.dictionary).take(pa.array(used, mask=used < 0))
        return _arrow_bytes(entries)[index]
    if isinstance(column, pa.ExtensionArray):
        return _arrow_bytes(column.storage)
    if pa.types.is_struct(kind):
        parts = [_arrow_bytes(column.field(n)) for n in range(kind.num_fields)]
        return np.sum(parts, axis=0) if parts else np.zeros(len(column), np.int64)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        inner = np.concatenate([[0], np.cumsum(_arrow_bytes(_items(column)))])
        starts = column.offsets.to_numpy() - (column.offsets[0].as_py() or 0)
        return np.asarray(inner[starts[1:]] - inner[starts[:-1]], np.int64)
    if pa.types.is_fixed_size_list(kind):
        return np.full(len(column), NUMBER * kind.list_size, np.int64)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return _arrow_bytes(column.cast(pa.large_binary()))
    if any(is_bytes(kind) for is_bytes in _BYTES):
        lengths = pc.binary_length(column).fill_null(0)
        return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)
    # Numbers, and rare nested types, whose rows are taken to be alike.
    each = -(-column.nbytes // max(1, len(column))) if pa.types.is_nested(kind) else NUMBER
    return np.full(len(column), max(NUMBER, each), np.int64)


def _dense(entries: pa.Array) -> pa.Array:
    """Return the texts of a dictionary without views, from which Arrow takes none."""
    kind = entries.type
    is_view = pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)
    return entries.cast(pa.large_binary()) if is_view else entries


def _items(column: Any) -> pa.Array:
    """Return the items of lists from the first list on; unlike ``flatten``, of null lists, too."""
    first, last = (column.offsets[n].as_py() for n in (0, len(column)))
    items = column.values if not pa.types.is_map(column.type) else column.items
    return items.slice(first, last - first)


def _cell_bytes(cell: Any) -> int:
    """Return about the bytes of a Python object."""
    if isinstance(cell, str | bytes):
        return len(cell)
    if isinstance(cell, dict):
        return sum(_cell_bytes(one) for one in cell.values())
    if isinstance(cell, np.ndarray):
        return int(cell.nbytes) if cell.dtype != object else sum(map(_cell_bytes, cell.tolist()))
    if isinstance(cell, list | tuple):
        if cell and isinstance(cell[0], str | bytes | dict | list | tuple):
            return sum(map(_cell_bytes, cell))
        return NUMBER * len(cell)
    return 0
