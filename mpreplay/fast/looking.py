"""A look over the floats of an Arrow array, by the compiled pass: which they are, in one step.

Pure. Where a value needs a closer look, the pass does not give it: the general path finds which.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pyarrow as pa

from .layout import FLOAT32, FLOAT64, Look, Numbers

__all__ = ["finite_floats", "look_over"]

_KINDS: Final = {pa.float32(): FLOAT32, pa.float64(): FLOAT64}


def look_over(library: Any, values: pa.Array) -> Look | None:
    """Return the least and the largest float, how many there are, and if all are finite.

    Parameters
    ----------
    library : CDLL
        The compiled pass.
    values : Array
        Numbers, null where absent.

    Returns
    -------
    Look, optional
        None if the numbers are no floats of 32 or 64 bits.
    """
    kind = _KINDS.get(values.type)
    if kind is None:
        return None
    valid, data = values.buffers()
    look = Look(math.inf, -math.inf, 0, True)
    if len(values):
        at = valid.address if valid is not None and values.null_count else None
        numbers = Numbers(data.address, at, values.offset, len(values), kind)
        library.lane_look(numbers, look)
    return look


def finite_floats(library: Any, values: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Return floats in a type of floats; None if any is NaN, infinite, or beyond the type.

    Parameters
    ----------
    library : CDLL
        The compiled pass.
    values : Array
        Numbers, null where absent.
    kind : DataType
        The same type, or that of 32-bit floats.
    """
    if values.type == pa.float64() and kind == pa.float32():
        values = _narrowed(library, values)
    if values.type != kind or (look := look_over(library, values)) is None:
        return None
    return values if look.is_finite else None


def _narrowed(library: Any, values: pa.Array) -> pa.Array:
    """Return 64-bit floats as 32-bit floats, each the nearest."""
    if not len(values):
        return pa.array([], pa.float32())
    valid, data = values.buffers()
    skipped, offset = divmod(values.offset, 8)  # bits begin at a byte
    narrow = np.empty(offset + len(values), np.float32)
    library.lane_narrow(data.address + 64 * skipped, len(narrow), narrow.ctypes.data)
    bits = None if valid is None else valid.slice(skipped)
    buffers = [bits, pa.py_buffer(narrow)]
    return pa.Array.from_buffers(pa.float32(), len(values), buffers, values.null_count, offset)
