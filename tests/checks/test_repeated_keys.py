"""The ranges of times of devices, slab by slab: what may repeat is found, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.checks.repeated_keys import Ranges

READINGS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=8)


@given(st.lists(READINGS, min_size=1, max_size=6))
def test_slabs_overlap_where_another_one_covers_their_times(
    slabs: list[list[tuple[int, int]]],
) -> None:
    """A slab that is left out is not read again, and its repeats are not found."""
    ranges = Ranges()
    spans: list[tuple[int, int, int, int]] = []  # key, first, last, slab
    for number, readings in enumerate(slabs):
        ordered = np.array(sorted(readings), np.int64).reshape(-1, 2)
        ranges.add(number, ordered[:, 0], ordered[:, 1])
        for key in {key for key, _ in readings}:
            times = [time for one, time in readings if one == key]
            spans.append((key, min(times), max(times), number))

    assert ranges.overlapping() == {
        slab
        for key, first, last, slab in spans
        for other, begin, end, number in spans
        if slab != number and key == other and first <= end and begin <= last
    }
    by_slab = sorted(spans, key=lambda span: (span[0], span[3]))
    back = (later[0] == one[0] and later[1] < one[2] for one, later in pairwise(by_slab))
    assert ranges.n_disordered() == sum(back)
