"""Counts of the values that requests carry, by device and day, for all requests of a slab at once.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..cells.epoch import DAY
from ..requests.runs import Runs, runs_of
from .packed_counts import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..requests.chunk import Chunk
    from .packed_counts import Names

__all__ = ["pack_requests"]


def pack_requests(chunks: Sequence[Chunk], names: Names) -> list[tuple[int, bytes]]:
    """Return the number of values of each request, and its tally as bytes.

    As ``pack_tally(chunk.tally(), names)``, but that a device and day may have several rows.
    """
    found = [_counts(runs, names) for runs in runs_of(chunks, by_day=True)]
    place, *rows = np.concatenate([np.zeros((4, 0), np.int64), *found], axis=1)
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(len(chunks) + 1)).tolist()
    table = np.stack(rows)[:, order]
    found = [table[:, start:stop] for start, stop in pairwise(ends)]
    return [(int(one[2].sum()), pack(one)) for one in found]


def _counts(runs: Runs, names: Names) -> NDArray[np.int64]:
    """Return place of the request, device, day and count of each run, equal copies included."""
    part, span = runs.part, runs.span
    counts = part.encoded.n_values[span]
    if copies := part.copies(span.start, span.stop):
        twins = [copy.entry - span.start for copy in copies]
        counts = counts + np.bincount(twins, minlength=len(counts))
    before = np.concatenate([[0], np.cumsum(counts)])
    return np.stack(
        [
            runs.place,
            names.of_readings(part.readings, part.entries.device[runs.start]),
            part.entries.time[runs.start] // DAY,
            before[runs.stop - span.start] - before[runs.start - span.start],
        ]
    )
