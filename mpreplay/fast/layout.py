"""The interface of the compiled pass: its structures, its functions and the tables that it needs.

Pure. ``lane.c`` says what the fields mean; the two are changed together.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "INT64",
    "TEXT",
    "Column",
    "Form",
    "Slab",
    "declare",
    "powers",
]

FLOAT32, FLOAT64, INT64, TEXT = range(4)
# Powers of ten that the shortest texts of doubles need.
LEAST_POWER: Final = -292
MOST_POWER: Final = 324


class Column(ctypes.Structure):
    """A column: numbers, or texts of a pool."""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("first", ctypes.c_int64),
        ("n", ctypes.c_int64),
        ("cells", ctypes.c_void_p),
        ("key", ctypes.c_char_p),
        ("starts", ctypes.c_void_p),
        ("texts", ctypes.c_void_p),
        ("n_texts", ctypes.c_int64),
        ("key_size", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("counts", ctypes.c_int32),
        ("unused", ctypes.c_int32),
        ("few", ctypes.c_int32),
        ("more", ctypes.c_int32),
    )


class Slab(ctypes.Structure):
    """The entries of a slab."""

    _fields_ = (
        ("heads", ctypes.POINTER(Column)),
        ("time", ctypes.c_void_p),
        ("n", ctypes.c_int64),
        ("columns", ctypes.POINTER(Column)),
        ("n_columns", ctypes.c_int64),
    )


class Form(ctypes.Structure):
    """The exponents that are not written, and whether those that are have a plus."""

    _fields_ = (
        ("least", ctypes.c_int32),
        ("most", ctypes.c_int32),
        ("has_plus", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    )


def declare(library: Any) -> None:
    """Give the functions of a loaded library their types."""
    size, address = ctypes.c_int64, ctypes.c_void_p
    column, slab, form = (ctypes.POINTER(kind) for kind in (Column, Slab, Form))
    functions: dict[str, tuple[Any, list[Any]]] = {
        "lane_source": (ctypes.c_uint32, []),
        "lane_runs_here": (ctypes.c_int, []),
        "lane_setup": (ctypes.c_int, [address, size, form]),
        "lane_numbers": (size, [column, address, size]),
        "lane_room": (size, [slab]),
        "lane_place": (ctypes.c_int, [address, address, size, address, size, address, size]),
        "lane_order": (ctypes.c_int, [address, address, size, size, *[address] * 3]),
        "lane_lay": (size, [slab, address, size, address, address]),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def powers() -> NDArray[np.uint64]:
    """Return the powers of ten scaled to 128 bits and rounded up, each as its low and high half.

    Examples
    --------
    >>> [hex(half) for half in powers()[-LEAST_POWER].tolist()]  # 10^0
    ['0x0', '0x8000000000000000']
    """
    found = []
    for exponent in range(LEAST_POWER, MOST_POWER + 1):
        ten = 10 ** abs(exponent)
        # Rounded up: -(-a // b) is the least whole number that is not below a / b.
        if exponent < 0:
            scaled = -(-(1 << (127 + ten.bit_length())) // ten)
        else:
            shift = ten.bit_length() - 128
            scaled = -(-ten >> shift) if shift > 0 else ten << -shift
        found.append((scaled & (2**64 - 1), scaled >> 64))
    return np.array(found, np.uint64)
