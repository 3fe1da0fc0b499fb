"""Numbers as JSON texts, spelled as by orjson; numbers that repeat are written once.

Pure. Recorded numbers mostly lie on a grid: readings of two decimals from 0.00 to 25.00 are at most
2,501 numbers, and times of a day every ten minutes are 144. If a grid has fewer steps than there
are numbers, so that some must repeat, each distinct number is written once, and an index gives the
text of each row. If there is no such grid, the search costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pyarrow as pa

from ..cells.absent import numbers_in, valid_in
from .text_pool import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # The numbers of a grid, and the place of each number on it.
    Grid = tuple[NDArray[Any], NDArray[np.intp]]

__all__ = ["number_texts", "texts_of_numbers"]

SCALES: Final = (1, 10, 100, 1_000)  # none to three decimals
SAMPLE: Final = 64  # values checked first, before all others
FEW: Final = 1_024  # numbers, below which a grid gains nothing
LARGEST: Final = 2**53  # a double holds every whole number up to here


def number_texts(values: pa.Array, before: str = "", after: str = "") -> Texts:
    """Return the JSON texts of numbers, a FLOAT's in the shortest form of a 32-bit float.

    Parameters
    ----------
    values : Array, shape (n,)
        Numbers, null where absent.
    before, after : str
        Texts around each number: faster to write along than to lay later.

    Examples
    --------
    >>> number_texts(pa.array([7.12, None, 100.0], pa.float32())).array().to_pylist()
    ['7.12', None, '100.0']
    >>> number_texts(pa.array([7, 8]), '"a":', "}").array().to_pylist()
    ['"a":7}', '"a":8}']
    """
    if not values.null_count:
        return texts_of_numbers(numbers_in(values), before, after)
    there = np.flatnonzero(valid_in(values))
    texts = texts_of_numbers(numbers_in(values)[there], before, after)
    return texts.spread(there, len(values))


def texts_of_numbers(numbers: NDArray[Any], before: str = "", after: str = "") -> Texts:
    """Return the texts of numbers as :func:`number_texts` does; none is absent."""
    numbers = np.ascontiguousarray(numbers)
    distinct, codes = _coded(numbers) or (numbers, np.arange(len(numbers), dtype=np.int32))
    return Texts(_written(distinct, before.encode(), after.encode()), codes)


def _written(numbers: NDArray[Any], before: bytes, after: bytes) -> pa.Array:
    """Return the texts of numbers: their JSON array as written by orjson, cut at its commas."""
    n = len(numbers)
    if not n:
        return pa.array([], pa.string())
    written = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    seam = after + before
    text = b"".join([before, written.replace(b",", seam), after])
    offsets = np.zeros(n + 1, np.int32)
    # A text begins where its comma was, moved on by ``before``, ``after`` and the earlier seams,
    # each of which replaces a comma.
    commas = np.flatnonzero(np.frombuffer(written, np.uint8) == ord(","))
    offsets[1:-1] = commas + np.arange(n - 1) * (len(seam) - 1) + len(before + after)
    offsets[-1] = len(text)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))


def _coded(numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]] | None:
    """Return the distinct numbers and the index of each number, or None if a grid does not pay."""
    if len(numbers) < FEW:
        return None
    find = _whole_steps if numbers.dtype.kind == "i" else _decimal_steps
    low, high = numbers.min().item(), numbers.max().item()
    if (found := find(numbers, low, high)) is None:
        return None
    grid, places = found
    seen = np.zeros(len(grid), bool)
    seen[places] = True
    return grid[seen], (np.cumsum(seen, dtype=np.int32) - 1)[places]


def _whole_steps(numbers: NDArray[Any], low: int, high: int) -> Grid | None:
    """Return a grid of whole numbers and the place of each number, or None if it does not pay.

    Examples
    --------
    The steps from 0 have the greatest common divisor 600, so that 3 steps hold 4 numbers:

    >>> _whole_steps(np.array([600, 1_200, 600, 0]), 0, 1_200)
    (array([   0,  600, 1200]), array([1, 2, 1, 0]))
    """
    if high - low > LARGEST:
        return None
    sample = numbers[:: len(numbers) // SAMPLE + 1]
    step = int(np.gcd.reduce(sample - low)) or 1
    n_steps = (high - low) // step + 1
    if n_steps >= len(numbers):
        return None
    grid = np.arange(n_steps) * step + low
    places = (numbers - low) // step
    return (grid, places) if (grid[places] == numbers).all() else None


def _decimal_steps(numbers: NDArray[Any], low: float, high: float) -> Grid | None:
    """Return a grid of few decimals and the place of each number, or None if it does not pay.

    Examples
    --------
    Not all are whole, but all are tenths: steps 5, 7, 5 and 6 of a grid that begins at step 5.

    >>> _decimal_steps(np.array([0.5, 0.7, 0.5, 0.6]), 0.5, 0.7)
    (array([0.5, 0.6, 0.7]), array([0, 2, 0, 1]))
    """
    sample = numbers[:: len(numbers) // SAMPLE + 1]
    for scale in SCALES:
        if not max(-low, high) * scale < LARGEST:  # excludes infinity and NaN, too
            return None
        first, last = round(low * scale), round(high * scale)
        if last - first + 1 >= len(numbers):
            return None
        if _scaled(sample, scale) is not None and (steps := _scaled(numbers, scale)) is not None:
            grid = np.arange(first, last + 1) / scale
            return grid.astype(numbers.dtype), steps.astype(np.intp) - first
    return None


def _scaled(numbers: NDArray[Any], scale: int) -> NDArray[np.float64] | None:
    """Return numbers as multiples of 1 / scale, or None if not all are multiples."""
    steps = np.rint(np.multiply(numbers, scale, dtype=np.float64))
    steps += 0.0  # makes 0.0 of -0.0
    # Compare the bits: -0.0 is not a step, since its text differs from that of 0.0.
    bits = f"i{numbers.itemsize}"
    same = (steps / scale).astype(numbers.dtype).view(bits) == numbers.view(bits)
    return steps if same.all() else None
