"""Columns of whole numbers in a journal: read back as they were, or said to be damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.outcome.packed_counts import pack, unpack

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 9),
    st.integers(1_400_000_000_000, 1_400_000_999_999),
)


@given(st.integers(1, 4), st.integers(0, 60), st.data())
def test_columns_are_read_back_as_they_were(n_columns: int, n: int, data: st.DataObject) -> None:
    """Books that are a little wrong are worse than none."""
    few = data.draw(st.lists(NUMBERS, min_size=1, max_size=6))
    column = st.lists(st.sampled_from(few), min_size=n, max_size=n)
    columns = [np.array(data.draw(column), np.int64) for _ in range(n_columns)]

    assert unpack(pack(columns), n_columns).tolist() == [one.tolist() for one in columns]


@pytest.mark.parametrize("n", [3, 3_000])
def test_a_record_that_is_cut_is_damaged(n: int) -> None:
    """A journal that was copied badly says so."""
    packed = pack([np.arange(n), np.arange(n) % 7])
    for damaged in (packed[:-1], packed[:5]):
        with pytest.raises(ValueError, match="the record of counts is damaged"):
            unpack(damaged, 2)
