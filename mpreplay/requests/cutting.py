"""Bounds of chunks, each small enough for one request.

Pure: numbers in, numbers out. An entry is never cut here: an entry too large for a request was
split before, by its points.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cut", "group_columns"]


def cut(
    sizes: NDArray[np.int64],
    counts: NDArray[np.int64],
    *,
    room: int,
    max_entries: int | None = None,
    max_values: int | None = None,
) -> NDArray[np.int64]:
    """Return the bounds of chunks: chunk k holds the entries ``[cuts[k], cuts[k + 1])``.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_entries,)
        Length of each entry's text with the comma behind it. [bytes]
    counts : ndarray of int64, shape (n_entries,)
        Number of values in each entry.
    room : int
        Space for entries in a request. [bytes]
    max_entries, max_values : int, optional
        Largest number in one chunk.

    Returns
    -------
    ndarray of int64
        Ascending, from 0 to ``n_entries``: every chunk has at least one entry.

    Raises
    ------
    ConfigError
        If an entry is too large for a request.

    Examples
    --------
    >>> cut(np.array([4, 4, 4, 4]), np.array([1, 1, 1, 1]), room=9)
    array([0, 2, 4])
    """
    if len(sizes) and int(sizes.max()) > room:
        raise ConfigError(f"an entry of {int(sizes.max())} bytes does not fit in {room} bytes")
    bytes_before = np.concatenate([[0], np.cumsum(sizes)])
    values_before = np.concatenate([[0], np.cumsum(counts)])
    cuts = [0]
    while (start := cuts[-1]) < len(sizes):
        stop = np.searchsorted(bytes_before, bytes_before[start] + room, side="right") - 1
        if max_entries is not None:
            stop = min(stop, start + max_entries)
        if max_values is not None:
            most = values_before[start] + max_values
            stop = min(stop, np.searchsorted(values_before, most, side="right") - 1)
        cuts.append(max(int(stop), start + 1))
    return np.array(cuts, np.int64)


def group_columns(
    sizes: NDArray[np.int64], *, room: int, max_values: int | None = None
) -> list[NDArray[np.int64]]:
    """Return groups of an entry's columns, each small enough for an entry of its own.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_columns,)
        Length that each value adds to the entry; 0 if absent. [bytes]
    room : int
        Space for values in an entry. [bytes]
    max_values : int, optional
        Largest number in one entry.

    Returns
    -------
    list of ndarray of int64
        Columns of each group; columns without a value are left out.

    Examples
    --------
    >>> group_columns(np.array([5, 0, 5, 5]), room=10)
    [array([0, 2]), array([3])]
    """
    there = np.flatnonzero(sizes)
    cuts = cut(sizes[there], np.ones(len(there), np.int64), room=room, max_values=max_values)
    return [there[start:stop] for start, stop in pairwise(cuts.tolist())]
