"""Arrow arrays of any type: brought to plain types, or to Python objects.

Pure. A value is never changed: cells without a plain type in Arrow become Python objects, one by
one. Texts of a plain column are UTF-8.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .object_json import Doubled, Spelled, Unsendable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "in_known_zones",
    "in_one_piece",
    "objects_of",
    "objects_taken",
    "plain_column",
    "python_of",
    "without",
]

# Arrow's errors for a value that Python cannot hold: a far time, bytes that are no UTF-8, an
# unknown zone. UnicodeDecodeError and ArrowInvalid are ValueErrors.
_NO_OBJECT: Final = (OverflowError, ValueError, TypeError, LookupError, pa.ArrowException)


def python_of(array: pa.Array) -> list[Any]:
    """Return Arrow values as Python objects, whatever they hold.

    A map becomes a dict. Times and durations beyond Python's become texts. Bytes that are no UTF-8
    become lone surrogates, as with ``surrogateescape``. A struct or map with a name twice becomes
    a :class:`.object_json.Doubled`, since a dict would keep only the last of the two.

    Examples
    --------
    >>> python_of(pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())))
    [{'a': 1}, None]
    """
    array = in_known_zones(array)
    if not _has_map(array.type):
        try:
            return list(array.to_pylist())
        except _NO_OBJECT:
            pass
    return [_python(value) for value in array]


def _has_map(kind: pa.DataType) -> bool:
    if pa.types.is_map(kind):
        return True
    if pa.types.is_dictionary(kind):
        return _has_map(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return _has_map(kind.storage_type)
    return any(_has_map(kind.field(n).type) for n in range(kind.num_fields))


def _python(value: pa.Scalar) -> Any:
    """Return a single Arrow value as a Python object."""
    if not value.is_valid:
        return None
    match value:
        case pa.MapScalar():
            return _dict([(_key(key), one) for key, one in _pairs(value)])
        case pa.StructScalar():
            fields = [(value.type.field(n).name, value[n]) for n in range(len(value.type))]
            return _dict([(name, _python(one)) for name, one in fields])
        case pa.DictionaryScalar() | pa.UnionScalar() | pa.ExtensionScalar():
            return _python(value.value) if value.value is not None else None
        case pa.ListScalar() | pa.ListViewScalar() | pa.LargeListViewScalar():
            return [_python(one) for one in value.values]
        case pa.StringScalar() | pa.LargeStringScalar() | pa.StringViewScalar():
            return value.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    try:
        return value.as_py()
    except _NO_OBJECT:
        return _spelled(value)


def _pairs(value: pa.MapScalar) -> list[tuple[Any, Any]]:
    entries = value.values
    keys, items = entries.field(0), entries.field(1)
    return list(zip(map(_python, keys), map(_python, items), strict=True))


def _key(key: Any) -> Any:
    """Return a map's key as the name of a JSON member, if it has a plain one."""
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else key


def _dict(pairs: list[tuple[Any, Any]]) -> Any:
    try:
        made = dict(pairs)
    except TypeError:  # a key that has no hash
        return Doubled.of(pairs)
    return made if len(made) == len(pairs) else Doubled.of(pairs)


def _spelled(value: pa.Scalar) -> Any:
    """Return the text of a value for which Python has no object, such as a far time."""
    kind = value.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        unit: Any = "D" if kind == pa.date32() else getattr(kind, "unit", "ms")
        is_instant = pa.types.is_timestamp(kind) and kind.tz is not None
        return Spelled(str(np.datetime64(value.value, unit)) + ("Z" if is_instant else ""))
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return Spelled(f"{value.value} {kind.unit}")
    return Unsendable(f"a value of type {kind}")


def objects_taken(column: Any, positions: NDArray[np.int64]) -> list[Any]:
    """Return the values at some positions of an Arrow array or an array of objects."""
    if isinstance(column, np.ndarray):
        return [column[position] for position in positions.tolist()]
    return python_of(column.take(pa.array(positions)))


def in_known_zones(array: pa.Array) -> pa.Array:
    """Return an array with times of unknown zones in UTC, as they are kept.

    Examples
    --------
    >>> in_known_zones(pa.array([0], pa.timestamp("ms", "Mars/Phobos"))).type
    TimestampType(timestamp[ms, tz=UTC])
    """
    known = _known(array.type)
    return array if known == array.type else array.cast(known)


def _known(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        is_odd = kind.tz is not None and not _is_known_zone(kind.tz)
        return pa.timestamp(kind.unit, "UTC") if is_odd else kind
    if not pa.types.is_nested(kind):
        return kind
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_known(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_known(kind.key_type), _known(kind.item_type), kind.keys_sorted)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_known(kind.value_type)))
    return kind


@lru_cache(maxsize=256)
def _is_known_zone(zone: str) -> bool:
    one = pa.array([0], pa.timestamp("s", zone))
    try:  # Arrow and Python look zones up in different places
        one.to_pylist()
        one.cast(pa.string())
    except Exception:  # whatever a zone library raises
        return False
    return True


def without(array: pa.Array, mask: NDArray[np.bool_]) -> pa.Array:
    """Return an array with null where a mask is True.

    Not by ``if_else``: in pyarrow 22 it reads beyond a slice of texts, and returns wrong texts.

    Examples
    --------
    >>> without(pa.array(["a", "b", "c"])[1:], np.array([True, False])).to_pylist()
    [None, 'c']
    """
    return array.take(pa.array(np.arange(len(array)), mask=mask))


def objects_of(values: list[Any]) -> NDArray[Any]:
    """Return Python objects as an array of one dimension, even if the objects are lists."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def plain_column(column: pa.Array, *, is_checked: bool = False) -> pa.Array | NDArray[Any]:
    """Return a column as a plain Arrow array, or as Python objects.

    Plain are numbers, truth values, times, texts and bytes, and lists, structs, maps and
    dictionaries of these. Texts with bytes that are no UTF-8 come as Python objects, with lone
    surrogates for these bytes. ``is_checked`` says that the texts are known to be UTF-8.

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
        return plain_column(column.dictionary_decode(), is_checked=is_checked)
    for is_of, bring in _BROUGHT:
        if is_of(kind):
            try:
                return plain_column(bring(column), is_checked=is_checked)
            except (pa.ArrowException, ValueError):  # Arrow knows no way
                return objects_of(python_of(column))
    is_good = _is_plain(kind) and (is_checked or _is_utf8(column))
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


def _is_unsigned_dictionary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) and pa.types.is_unsigned_integer(kind.index_type))


def _with_signed_index(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return a dictionary array in whose index -1 may stand for no value."""
    index = column.indices.cast(pa.int64())
    return pa.DictionaryArray.from_arrays(index, column.dictionary, safe=False)


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
    (_is_unsigned_dictionary, _with_signed_index),
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
    return bool(np.frombuffer(text, np.int8)[ends[0] : ends[1]].min(initial=0) >= 0)
