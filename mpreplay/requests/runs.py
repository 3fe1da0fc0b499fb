"""Runs of entries in requests: neighbours of one device, and of one day if asked.

Pure. Entries are sorted by device and time. So a fact about each device of each request is found
for runs, for all requests of a slab at once, and no request costs a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cells.epoch import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .chunk import Chunk, ProductSlab

__all__ = ["Runs", "runs_of"]


class Runs(NamedTuple):
    """The runs of a product's part of a slab.

    Parameters
    ----------
    part : ProductSlab
        The part that holds the entries.
    place : ndarray of int64, shape (n,)
        Place of each run's request among the requests asked about; ascending.
    start, stop : ndarray of int64, shape (n,)
        Its entries [start, stop).
    """

    part: ProductSlab
    place: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def span(self) -> slice:
        """The entries from the first to the last of all runs."""
        return slice(int(self.start.min()), int(self.stop.max()))


def runs_of(chunks: Iterable[Chunk], *, by_day: bool = False) -> Iterator[Runs]:
    """Yield the runs of some requests, those of each part of a slab together.

    ``by_day``: a run also ends with a UTC day.
    """
    found: dict[int, tuple[ProductSlab, list[tuple[int, int, int]]]] = {}
    for place, chunk in enumerate(chunks):
        for part, start, stop in chunk.spans:
            found.setdefault(id(part), (part, []))[1].append((place, start, stop))
    for part, spans in found.values():
        yield _runs(part, spans, by_day=by_day)


def _runs(part: ProductSlab, spans: list[tuple[int, int, int]], *, by_day: bool) -> Runs:
    """Return the runs of spans, each with the place of its request.

    The devices ``[7, 7, 7, 9]`` are new at 3. So the spans [0, 2) and [2, 4) are the runs [0, 2),
    [2, 3) and [3, 4).
    """
    place, first, last = np.array(spans, np.int64).T
    low, high = int(first.min()), int(last.max())
    device, time = part.entries.device[low:high], part.entries.time[low:high]
    is_new = device[1:] != device[:-1]
    if by_day:
        day = time // DAY
        is_new |= day[1:] != day[:-1]
    new = np.flatnonzero(is_new) + low + 1
    begin, end = np.searchsorted(new, first, side="right"), np.searchsorted(new, last)
    n_runs = end - begin + 1
    within = np.arange(int(n_runs.sum())) - np.repeat(np.cumsum(n_runs) - n_runs, n_runs)
    bounds = np.concatenate([new, [high]])
    at = np.repeat(begin, n_runs) + within
    start = np.where(within == 0, np.repeat(first, n_runs), bounds[at - 1])
    stop = np.where(within == np.repeat(n_runs - 1, n_runs), np.repeat(last, n_runs), bounds[at])
    return Runs(part, np.repeat(place, n_runs), start, stop)
