"""Conversions between Arrow arrays and arrays of Python objects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from .object_json import Doubled, Spelled, Unsendable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["objects_of", "objects_taken", "python_of", "without"]

# What Arrow raises for a value that Python cannot hold: a far time, bytes that are no UTF-8, an
# unknown zone. UnicodeDecodeError and ArrowInvalid are ValueErrors.
_NO_OBJECT: Final = (OverflowError, ValueError, TypeError, LookupError, pa.ArrowException)


def python_of(array: pa.Array) -> list[Any]:
    """Return Arrow values as Python objects, whatever they hold.

    A map becomes a dict. Times beyond the year 9999 become texts. Bytes that are no UTF-8 become
    lone surrogates, as with ``surrogateescape``. A struct or map with a name twice becomes a
    :class:`.object_json.Doubled`, since a dict would keep only the last of the two.

    Examples
    --------
    >>> python_of(pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())))
    [{'a': 1}, None]
    """
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
    try:
        if not isinstance(value, pa.TimestampScalar):
            return Spelled(value.cast(pa.string()).as_py())
        # The zone may be unknown; the time itself is in UTC.
        text = value.cast(pa.timestamp(value.type.unit)).cast(pa.string()).as_py()
        return Spelled(f"{text}Z" if value.type.tz else text)
    except _NO_OBJECT:
        return Unsendable(f"a value of type {value.type}")


def objects_taken(column: Any, positions: NDArray[np.int64]) -> list[Any]:
    """Return the values at some positions of an Arrow array or an array of objects."""
    if isinstance(column, np.ndarray):
        return [column[position] for position in positions.tolist()]
    return python_of(column.take(pa.array(positions)))


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
