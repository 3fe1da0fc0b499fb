"""Conversions between Arrow arrays and arrays of Python objects. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["in_known_zones", "objects_of", "python_of", "without"]


def python_of(array: pa.Array) -> list[Any]:
    """Return Arrow values as Python objects; times and durations beyond Python's as texts."""
    array = in_known_zones(array)
    try:
        return list(array.to_pylist())
    except (OverflowError, ValueError):
        return [_python_of(value) for value in array]


def _python_of(value: pa.Scalar) -> Any:
    """Return a single value as a Python object, or as a text."""
    if not value.is_valid:
        return None
    kind = value.type
    if pa.types.is_dictionary(kind):
        return _python_of(value.dictionary[value.index.as_py()])
    if pa.types.is_struct(kind):
        return {name: _python_of(value[name]) for name in value}
    if pa.types.is_map(kind):
        return [tuple(_python_of(part[n]) for n in (0, 1)) for part in value.values]
    if isinstance(value, pa.ListScalar):
        return [_python_of(item) for item in value.values]
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return _as_text(value)


def _as_text(value: pa.Scalar) -> str:
    """Return a value that Python has no object for as a text."""
    kind = value.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        unit: Any = "D" if kind == pa.date32() else getattr(kind, "unit", "ms")
        instant = pa.types.is_timestamp(kind) and kind.tz is not None
        return str(np.datetime64(value.value, unit)) + ("Z" if instant else "")
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return f"{value.value} {kind.unit}"
    return str(value)


def in_known_zones(array: pa.Array) -> pa.Array:
    """Return an array with times of zones that are unknown here in UTC, which they are kept in.

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
