"""Values far from all others of their point: found where they are, and not where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.requests.far_values import FAR, far_of

RNG = np.random.default_rng(7)
CALM = np.round(RNG.normal(8, 3, 2_000), 2)


@pytest.mark.parametrize(
    ("odd", "n"),
    [
        ([-273.2] * 20, 20),
        ([-273.2] * 20 + [-120.0, -118.0], 22),
        ([1e9], 1),
        ([70.0, 71.0, 90.0], 3),
    ],
)
def test_absurd_values_are_far_from_the_rest(odd: list[float], n: int) -> None:
    """Also if they differ among themselves: the rest is what is dense."""
    numbers = np.sort(np.concatenate([CALM, odd]))
    far = far_of(numbers)

    assert far is not None
    assert sorted(numbers[far.start : far.stop].tolist()) == sorted(odd)
    assert far.stop - far.start == n


@pytest.mark.parametrize(
    "numbers", [[], [1.0], [1.0, 2.0], [5.0] * 50, np.arange(100.0), [0.0, 1.0, np.inf]]
)
def test_where_no_gap_is_wide_nothing_is_far(numbers: Any) -> None:
    """A wrong guess costs two requests."""
    assert far_of(np.array(numbers, float)) is None


def test_a_rare_state_is_less_suspect_than_an_absurd_number() -> None:
    """States are coarse: their steps are no gaps."""
    state = far_of(np.array([0.0] * 500 + [1.0] * 3))
    absurd = far_of(np.sort(np.append(CALM, -273.2)))

    assert state is not None
    assert absurd is not None
    assert absurd.score > 10 * state.score


@given(st.lists(st.floats(), max_size=200))
def test_any_numbers_are_taken(numbers: list[float]) -> None:
    """An isolation meets what the platform declined: anything."""
    far = far_of(np.sort(np.array(numbers, float)))

    if far is not None:
        assert far.score >= 1
        assert 0 < far.stop - far.start <= min(FAR, len(numbers) // 2)
        assert far.start == 0 or far.stop == len(numbers)
