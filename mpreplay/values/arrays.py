"""Conversions between Arrow arrays and arrays of Python objects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["objects_of", "python_of", "without"]


def python_of(array: pa.Array) -> list[Any]:
    """Return Arrow values as Python objects; times beyond the year 9999 as texts."""
    try:
        return list(array.to_pylist())
    except (OverflowError, ValueError):
        return [value.cast(pa.string()).as_py() if value.is_valid else None for value in array]


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
