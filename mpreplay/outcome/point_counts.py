"""The values of a run by measurement point and fate, from the records of its requests.

Pure: records in, counts out. Memory grows with the points, never with the devices' values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from .packed_counts import unpack
from .touched import COPIES, SUSPECT, WIDTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .packed_counts import Names

__all__ = ["PointCounts", "counts_by_point"]

# Number of values of a point (product key, identifier) of each fate.
PointCounts = Mapping[tuple[str, str], Mapping[str, int]]
_SKIPPED: Final = (SUSPECT, COPIES + SUSPECT)


def counts_by_point(
    records: Iterable[tuple[str, bytes]], names: Names, *, skips: bool
) -> PointCounts:
    """Return the values in requests by point and outcome, equal copies included.

    Parameters
    ----------
    records : iterable of (str, bytes)
        Outcome of each request, and its record by ``touched_of``.
    names : Names
        Numbers of devices and points in the records.
    skips : bool
        True if the platform was asked to skip invalid values: those of an accepted request with a
        fault by the model check are left out, since they are rejects.
    """
    keys = sorted({product for product, _ in names.devices})
    product = np.array([keys.index(key) for key, _ in names.devices], np.int64)
    points = list(names.points)
    shape = len(keys), len(points)
    sums: dict[str, NDArray[np.int64]] = defaultdict(lambda: np.zeros(shape, np.int64))
    for outcome, record in records:
        device, point, _, _, n, kind = unpack(record, WIDTH, "of what a request writes")
        if skips and outcome == "accepted":
            kept = ~np.isin(kind, _SKIPPED)
            device, point, n = device[kept], point[kept], n[kept]
        np.add.at(sums[outcome], (product[device], point), n)
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for outcome, counts in sums.items():
        for of, at in zip(*np.nonzero(counts), strict=True):
            found[keys[of], points[at]][outcome] = int(counts[of, at])
    return dict(found)
