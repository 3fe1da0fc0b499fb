"""Columns of any Arrow type, brought to the few types that conversions and keys are written for.

Pure. A value is never changed: what Arrow cannot bring to a plain type becomes Python objects, one
by one. Texts of a plain column are UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .arrays import objects_of, python_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["in_one_piece", "plain_column"]


def plain_column(column: pa.Array) -> pa.Array | NDArray[Any]:
    """Return a column as a plain Arrow array, or as Python objects.

    Plain are numbers, truth values, times, texts and bytes, and lists, structs, maps and
    dictionaries of these. Texts with bytes that are no UTF-8 come as Python objects, with lone
    surrogates for these bytes.

    Examples
    --------
    >>> plain_column(pc.run_end_encode(pa.array([7, 7, None]))).to_pylist()
    [7, 7, None]
    >>> plain_column(pa.array([pa.MonthDayNano([1, 2, 3])]))
    array([MonthDayNano(months=1, days=2, nanoseconds=3)], dtype=object)
    """
    kind = column.type
    if kind.num_fields == 0 and _is_leaf(kind) and not _is_text(kind):
        return column
    if pa.types.is_dictionary(kind) and column.dictionary.null_count:
        return plain_column(column.dictionary_decode())
    for is_of, bring in _BROUGHT:
        if is_of(kind):
            try:
                return plain_column(bring(column))
            except (pa.ArrowException, ValueError):  # Arrow knows no way
                return objects_of(python_of(column))
    is_good = _is_plain(kind) and _is_utf8(column)
    return column if is_good else objects_of(python_of(column))


def in_one_piece(column: pa.ChunkedArray) -> pa.Array | NDArray[Any]:
    """Return a chunked column as a single plain one."""
    if column.num_chunks == 1:
        return plain_column(column.chunk(0))
    if column.num_chunks == 0:
        return pa.array([], column.type) if _is_plain(column.type) else pa.nulls(0)
    try:
        if pa.types.is_dictionary(column.type):
            column = column.unify_dictionaries()
        return plain_column(column.combine_chunks())
    except (pa.ArrowException, ValueError):  # too many keys for the index, a null among the keys
        return _joined([_without_keys(chunk) for chunk in column.chunks])


def _without_keys(chunk: pa.Array) -> Any:
    is_coded = pa.types.is_dictionary(chunk.type)
    return plain_column(chunk.dictionary_decode() if is_coded else chunk)


def _joined(parts: list[Any]) -> Any:
    if all(isinstance(part, pa.Array) and part.type == parts[0].type for part in parts):
        return pa.concat_arrays(parts)
    return np.concatenate(
        [part if isinstance(part, np.ndarray) else objects_of(python_of(part)) for part in parts]
    )


def _storage(column: pa.ExtensionArray) -> pa.Array:
    if column.type.extension_name == "arrow.bool8":  # any number but 0 means true
        return pc.not_equal(column.storage, 0)
    return column.storage


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def _is_odd_dictionary(kind: pa.DataType) -> bool:
    """Return True for a dictionary of other values than texts and numbers."""
    return pa.types.is_dictionary(kind) and not _is_leaf(kind.value_type)


def _listed(column: pa.Array) -> pa.Array:
    return column.cast(pa.list_(column.type.value_field))


# Types that are brought to another, and how. Arrow's cast of a slice of a list view fails or reads
# beyond the slice, so that list views become Python objects.
_BROUGHT: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...]] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType) and not _is_uuid(kind), _storage),
    (pa.types.is_run_end_encoded, pc.run_end_decode),
    (pa.types.is_string_view, lambda column: column.cast(pa.string())),
    (pa.types.is_binary_view, lambda column: column.cast(pa.binary())),
    (_is_odd_dictionary, lambda column: column.dictionary_decode()),
    (pa.types.is_large_list, _listed),
    (pa.types.is_fixed_size_list, _listed),
)

_LEAVES: Final = (
    pa.types.is_primitive,  # numbers, truth values, dates, times, timestamps, durations
    pa.types.is_null,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)


def _is_leaf(kind: pa.DataType) -> bool:
    is_other = isinstance(kind, pa.BaseExtensionType) or pa.types.is_interval(kind)
    return not is_other and any(bool(is_of(kind)) for is_of in _LEAVES)


def _is_plain(kind: pa.DataType) -> bool:
    """Return True if a type, and all types within, are those that conversions know."""
    if pa.types.is_dictionary(kind):
        return _is_leaf(kind.value_type)
    if not (pa.types.is_list(kind) or pa.types.is_struct(kind) or pa.types.is_map(kind)):
        return _is_leaf(kind)
    fields = [kind.field(n) for n in range(kind.num_fields)]
    # A name that occurs twice, or is no UTF-8, would be lost or raise wherever fields are named.
    names = {field.name for field in fields}
    return len(names) == len(fields) and all(_is_plain(field.type) for field in fields)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_utf8(column: pa.Array) -> bool:
    """Return True if all texts of a column are UTF-8; Parquet files are read without a look."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _is_utf8(column.dictionary)
    if _is_text(kind) and _is_ascii(column):
        return True
    if not (_is_text(kind) or kind.num_fields):
        return True
    try:
        column.validate(full=True)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return False
    return True


def _is_ascii(column: pa.Array) -> bool:
    """Return True if no byte of a column's texts has its eighth bit set: ten times as fast."""
    _, offsets, text = column.buffers()
    if text is None or not len(column):
        return True
    kind = np.int64 if pa.types.is_large_string(column.type) else np.int32
    ends = np.frombuffer(offsets, kind)[[column.offset, column.offset + len(column)]]
    return bool((np.frombuffer(text, np.int8)[ends[0] : ends[1]] >= 0).all())
