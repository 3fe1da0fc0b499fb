"""Sorting by device and time: the short cut for what is nearly in order changes nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.history.ordering import order_of

codes = st.integers(0, 3) | st.sampled_from([-1, 65_535, 65_536, 1 << 40])


@given(st.lists(st.tuples(codes, st.integers(-5, 5)), max_size=30), st.booleans())
def test_the_order_is_that_of_sorting_by_both(keys: list[tuple[int, int]], in_time: bool) -> None:
    """Requests, and which of two readings is the first, depend on it."""
    if in_time:
        keys.sort(key=lambda key: key[1])
    code, time = (np.array([key[n] for key in keys], np.int64) for n in (0, 1))

    order = order_of(code, time)

    assert order.tolist() == np.lexsort((time, code)).tolist()
