"""Rates and connects: the promises that keep a device from being blocked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.conversation.pacing import BURST, TokenBucket, next_connect

gaps = st.lists(st.floats(0, 3), max_size=40)


@given(
    st.floats(1, 1e6),
    st.lists(st.tuples(st.integers(1, 2_000_000), st.floats(0, 3)), max_size=40),
)
def test_no_second_sees_more_than_the_rate_the_burst_and_one_request(
    rate: float, requests: list[tuple[int, float]]
) -> None:
    """Above the platform's rate, what happens is not documented: the promise must hold anywhere."""
    bucket, now, taken = TokenBucket(rate), 0.0, []
    for amount, gap in requests:
        now += gap
        now += bucket.wait(now) * (1 + 1e-9) + 1e-9
        bucket.take(amount, now)
        taken.append((now, amount))

    largest = max((amount for _, amount in taken), default=0)
    for start, _ in taken:
        inside = sum(amount for at, amount in taken if start <= at < start + 1)
        assert inside <= rate * (1 + BURST) * (1 + 1e-6) + largest


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=30))
def test_a_bucket_lets_the_whole_rate_through(amounts: list[int]) -> None:
    """A limiter that is too careful makes a backfill take a day more."""
    bucket, now = TokenBucket(1_000.0), 0.0
    for amount in amounts:
        now += bucket.wait(now)
        bucket.take(amount, now)

    assert now <= sum(amounts) / 1_000 + 1e-6


def test_no_rate_is_no_wait() -> None:
    """None switches a limit off."""
    bucket = TokenBucket(None)
    bucket.take(10**12, 0.0)

    assert bucket.wait(0.0) == 0.0


@given(gaps, st.integers(1, 5), st.floats(1, 200))
def test_no_period_sees_more_connects_than_allowed(
    gaps: list[float], limit: int, period: float
) -> None:
    """One connect too many blocks the device for five minutes, good ones too."""
    connects: list[float] = []
    now = 0.0
    for gap in gaps:
        now = next_connect(connects, now + gap, limit=limit, period=period)
        connects.append(now)

    for start in connects:
        assert sum(start <= at < start + period for at in connects) <= limit
    assert all(b - a >= 1 - 1e-9 for a, b in pairwise(connects))


@pytest.mark.parametrize("limit", [None, 4])
def test_the_first_connect_is_at_once(limit: int | None) -> None:
    """A short replay must not wait for a limit it is far from."""
    assert next_connect([], 7.5, limit=limit, period=120) == 7.5


def test_the_order_of_the_connects_does_not_matter() -> None:
    """They may come from several runs' notes."""
    assert next_connect([3, 0, 2, 1], 4, limit=4, period=120) == 121.0
