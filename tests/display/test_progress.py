"""The line that tells the progress: true, in ASCII, and as short as it has to be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpreplay.display.progress import _LIMITED, Progress, line_of, percent

COUNTS = st.integers(0, 10**12)
MAYBE = st.none() | st.floats(0, 1e12)


@st.composite
def told(draw: st.DrawFn) -> Progress:
    """Make any progress."""
    fates = [draw(COUNTS) for _ in range(5)]
    total = draw(st.none() | st.integers(sum(fates), sum(fates) + 10**12))
    return Progress(
        total, draw(st.booleans()), *fates, draw(COUNTS), draw(MAYBE), draw(MAYBE), 1.0,
        draw(MAYBE), draw(st.none() | st.sampled_from([*_LIMITED])), draw(MAYBE),
    )  # fmt: skip


@given(told(), st.integers(0, 200))
def test_a_line_is_never_without_the_count_and_fits_where_it_can(one: Progress, width: int) -> None:
    """What is least important goes first."""
    line, narrow = line_of(one), line_of(one, width)

    assert line.isascii()
    assert "\n" not in line
    assert narrow.startswith(f"{one.settled:,}")
    assert len(narrow) <= max(width, len(line_of(one, 0)))
    assert set(narrow.split(", ")) <= set(line.split(", "))


@given(told())
def test_only_an_exact_total_is_told_without_a_mark(one: Progress) -> None:
    """A reader must know what is estimated."""
    marked = f" of ~{one.values_total:,} " if one.values_total is not None else " values"

    assert (marked in line_of(one)) == (one.values_total is None or not one.total_is_exact)


@given(told())
def test_only_the_end_is_a_hundred_percent(one: Progress) -> None:
    """A bar that is full while values are open has lied."""
    share = percent(one)

    if share == 100:
        assert one.settled == one.values_total
        assert one.total_is_exact
    assert share is None or 0 <= share <= 100


def test_a_wait_is_told_in_whole_seconds_instead_of_rates() -> None:
    """A rate of nothing, and an end that never comes nearer, would look like a failure."""
    told = Progress(900, True, 200, values_per_second=50.0, seconds_left=99.0,
                    limited_by="connect_limit", waiting_seconds=94.2)  # fmt: skip

    assert line_of(told) == "200 of 900 values, waiting 95 s for the connect limit"


def test_what_did_not_arrive_is_told_by_its_fate() -> None:
    """What is nought is left out."""
    told = Progress(9, True, 1, 2, 3, 0, 3)

    assert line_of(told) == "6 of 9 values, 2 declined, 3 withheld, 3 not sent"
