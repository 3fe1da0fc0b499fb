"""The absent values of a column: None, NaN, NaT, NA and null; and its numbers. Pure."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["absent_in", "is_nan", "is_present", "numbers_in", "valid_in"]


def is_nan(value: Any) -> bool:
    """Return whether a value is NaN, as a float or a Decimal."""
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return isinstance(value, decimal.Decimal) and value.is_nan()


def absent_in(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask of the absent objects of a column: None, NaN, NaT or NA."""
    try:
        return np.asarray(pd.isna(column), bool)
    except decimal.InvalidOperation:  # pandas compares a signalling NaN, which raises
        return np.array([_is_absent(value) for value in column], bool)


def _is_absent(value: Any) -> bool:
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return value is None or value is pd.NA or value is pd.NaT or is_nan(value)


def is_present(column: pa.Array) -> NDArray[np.bool_]:
    """Return a mask of the values of a column: neither null nor NaN."""
    if pa.types.is_floating(column.type):
        return np.array(~np.isnan(column.to_numpy(zero_copy_only=False)), bool)
    return valid_in(column)


def valid_in(column: pa.Array) -> NDArray[np.bool_]:
    """Return a mask of the values of a column that are not null, as an array of its own."""
    if any(is_odd(column.type) for is_odd in _ODD):
        return np.array(column.is_valid().to_numpy(zero_copy_only=False), bool)
    if not column.null_count:
        return np.ones(len(column), bool)
    bits = np.frombuffer(column.buffers()[0], np.uint8)[column.offset // 8 :]
    first = column.offset % 8
    return np.unpackbits(bits, count=first + len(column), bitorder="little")[first:].view(bool)


# Types whose nulls are not, or not only, in a bitmap.
_ODD: Final = (
    pa.types.is_null,
    pa.types.is_dictionary,
    pa.types.is_union,
    pa.types.is_run_end_encoded,
)


def numbers_in(values: pa.Array) -> NDArray[Any]:
    """Return the numbers of an array, times as whole numbers; whatever number where it is null."""
    kind = values.type
    is_time = pa.types.is_timestamp(kind)
    width = np.dtype(np.int64 if is_time else kind.to_pandas_dtype())
    buffer = values.buffers()[1]
    if not len(values) or buffer is None:
        return np.zeros(len(values), width)
    return np.frombuffer(buffer, width)[values.offset : values.offset + len(values)]
