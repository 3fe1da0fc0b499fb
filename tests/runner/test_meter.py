"""The measure of a replay: counts, rates and the time left, on given clock readings."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mpreplay.runner.meter import BIN, FEWEST, SPAN, Holds, Meter, Pace

GAPS = st.lists(st.floats(2 * BIN, 100.0), min_size=1, max_size=60)
OUTCOMES = ("accepted", "declined", "in_doubt", "not_sent", "divided")


@given(st.floats(2 * BIN, 1_000.0), st.integers(3, 60), st.floats(0.0, 1.0), st.floats(1, 1e6))
def test_a_steady_stream_has_its_rate_at_every_moment(
    gap: float, n: int, part: float, amount: float
) -> None:
    """Between two requests, the rate must not swing, nor the predicted end move."""
    pace = Pace()
    for number in range(n):
        pace.add(amount, number * gap)
    now = (n - 1 + part) * gap

    assert pace.rate(now) == pytest.approx(amount / gap)
    assert pace.seconds_for(7 * amount, now) == pytest.approx((7 - part) * gap, rel=1e-6)


@given(GAPS, st.floats(0.0, 1e4))
def test_a_stream_that_ends_slows_down_and_never_stops(gaps: list[float], late: float) -> None:
    """The time left grows while nothing is answered, without a division by zero."""
    pace, now = Pace(), 0.0
    pace.begin(now)
    for gap in gaps:
        now += gap
        pace.add(10, now)
    soon, later = pace.rate(now), pace.rate(now + late)

    assert soon is not None
    assert later is not None
    assert 0 < later <= soon


@given(GAPS, st.floats(1.0, 100.0))
def test_a_rate_forgets_what_is_long_ago(gaps: list[float], faster: float) -> None:
    """A platform that was slow for an hour and is fast now is fast."""
    assume(faster > 1.5)
    pace, now = Pace(), 0.0
    for gap in gaps:
        now += gap
        pace.add(1, now)
    step = max(SPAN / FEWEST, 2 * BIN) / faster
    for _ in range(int((SPAN + 1) / step) + FEWEST + 2):
        now += step
        pace.add(1, now)

    assert pace.rate(now) == pytest.approx(1 / step, rel=0.15)
    assert len(pace._events) <= SPAN / BIN + FEWEST


def test_a_burst_is_one_event() -> None:
    """Sixteen replies at once, every second, are sixteen requests a second."""
    pace = Pace()
    for second in range(5):
        for number in range(16):
            pace.add(1, second + number / 1_000)

    assert pace.rate(4.02) == pytest.approx(16, rel=0.01)


@given(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.integers(0, 9), st.integers(0, 3))))
def test_every_value_is_counted_under_one_fate(
    settled: list[tuple[str, int, int]],
) -> None:
    """The bar shows what the journal has: corrections included, divided requests left out."""
    meter = Meter(0.0, 100)
    for number, (outcome, n_values, skipped) in enumerate(settled):
        n_skipped = min(n_values, skipped) if outcome == "accepted" else 0
        meter.settled(outcome, n_values, float(number), n_skipped)  # type: ignore[arg-type]
    told = meter.progress(float(len(settled)))
    lost = told.in_doubt + told.not_sent

    assert told.settled + lost == sum(n for outcome, n, _ in settled if outcome != "divided")
    assert told.declined >= sum(n for outcome, n, _ in settled if outcome == "declined")


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 30))
def test_a_total_is_estimated_from_the_rows_and_exact_once_all_is_read(
    n_slabs: int, n_rows: int, each: int
) -> None:
    """The number of values is not known before they are read; the mark says so."""
    meter = Meter(0.0, n_slabs * n_rows)
    assert meter.progress(0.0).values_total is None
    for number in range(n_slabs):
        meter.read(n_rows, n_rows * each, 0, float(number))
        told = meter.progress(float(number))
        assert (told.values_total, told.total_is_exact) == (n_slabs * n_rows * each, False)
    told = meter.progress(float(n_slabs), is_read=True)

    assert (told.values_total, told.total_is_exact) == (n_slabs * n_rows * each, True)


def test_a_counted_total_is_exact_from_the_beginning() -> None:
    """Who looked through everything knows."""
    told = Meter(0.0, 10, 25).progress(0.0)

    assert (told.values_total, told.total_is_exact, told.seconds_left) == (25, True, None)


@given(
    st.integers(20, 200), st.integers(1, 1_000), st.floats(0.1, 3.0), st.floats(0.0, 0.9),
    st.floats(0.0, 2.0), st.booleans(),
)  # fmt: skip
def test_the_end_of_a_steady_run_is_predicted_after_a_fifth(
    n: int, each: int, gap: float, withheld: float, latency: float, by_rate: bool
) -> None:
    """Within a tenth, whether the limits or the replies set the pace, and whatever is withheld."""
    lost = round(each * withheld / (1 - withheld))
    meter = Meter(0.0, n, rates=(each / gap if by_rate else None, None))
    for _ in range(n):  # all read before the first reply
        meter.read(1, each + lost, lost, 0.0)
        meter.made(each, each)
    meter.published(each, 0.0)
    for number in range(1, n // 5 + 1):
        now = latency + number * gap
        meter.settled("accepted", each, now)
    told = meter.progress(now, in_flight=each)

    assert told.seconds_left is not None
    assert now + told.seconds_left == pytest.approx(latency + n * gap, rel=0.1)


def test_nothing_is_left_of_a_run_that_is_settled() -> None:
    """Also where nothing had to be sent."""
    meter = Meter(0.0, 1)
    meter.read(1, 3, 3, 1.0)

    assert meter.progress(1.0, is_read=True).seconds_left == 0.0


def test_a_history_of_which_nothing_is_sent_ends_as_it_is_read() -> None:
    """A run that withholds everything has no replies to tell the time by."""
    meter = Meter(0.0, 10)
    for second in range(1, 6):
        meter.read(1, 4, 4, float(second))

    assert meter.progress(5.0).seconds_left == pytest.approx(5.0)


def test_earlier_legs_count_as_settled_and_not_as_speed() -> None:
    """A run continued at 90 % begins at 90 %."""
    meter = Meter(0.0, 100)
    meter.resume(90, {"read": 180, "accepted": 170, "withheld": 4, "declined": 6, "in_doubt": 9})
    told = meter.progress(0.0)

    assert (told.settled, told.values_total, told.in_doubt) == (180, 200, 0)
    assert told.values_per_second is None


def test_a_wait_for_a_connect_counts_down_and_delays_the_end() -> None:
    """The wait is no time in which the platform was slow."""
    meter = Meter(0.0, 10, 10)
    meter.read(10, 10, 0, 0.0)
    for second in (1.0, 2.0, 3.0):
        meter.settled("accepted", 1, second)
    told = [meter.progress(now, waits_for=("connect_limit", 99.0)) for now in (9.0, 59.0)]

    assert [(one.waiting_seconds, one.seconds_left) for one in told] == [(90.0, 97.0), (40.0, 47.0)]
    assert {one.limited_by for one in told} == {"connect_limit"}


def test_what_takes_most_of_the_time_is_named() -> None:
    """Of the latest seconds: what held the run an hour ago is of no use."""
    holds = Holds(0.0)
    assert holds.most is None
    for second in range(60):
        holds.spent("rate", 0.9, second + 1.0)
    assert holds.most == "rate"
    for second in range(60, 90):
        holds.spent("window", 0.2, second + 1.0)

    assert holds.most == "sending"
