"""The order of readings by device and time.

Pure. Readings mostly come in the order of their times, device by device or all devices at each
time: both orders are recognised before any sort by two keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..fast.laying import ordered
from ..fast.library import lane

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["order_of"]

# NumPy sorts numbers of 16 bits by counting, in a time that does not depend on their order.
COUNTED: Final = 1 << 16


def order_of(code: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order by code, then by time, then by position.

    Parameters
    ----------
    code : ndarray of int64, shape (n,)
        The first key, such as the numbers of devices.
    time : ndarray of int64, shape (n,)
        The second key. [ms]

    Examples
    --------
    >>> order_of(np.array([1, 0, 1, 0]), np.array([10, 10, 20, 20])).tolist()
    [1, 3, 0, 2]
    """
    order = np.arange(len(code))
    if not len(code):
        return order
    if (code[1:] < code[:-1]).any():
        library = lane()
        if library is not None and (found := ordered(library, code, time)) is not None:
            return found
        is_small = code.min() >= 0 and code.max() < COUNTED
        order = np.argsort(code.astype(np.uint16) if is_small else code, kind="stable")
        code, time = code[order], time[order]
    if not ((code[1:] == code[:-1]) & (time[1:] < time[:-1])).any():
        return order
    return order[np.lexsort((time, code))]
