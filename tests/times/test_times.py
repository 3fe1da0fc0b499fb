"""Times: milliseconds where they can be read, a reason where they cannot."""

from __future__ import annotations

import datetime as dt
import decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import HistoryError
from mpreplay.cells.arrays import objects_of
from mpreplay.cells.epoch import FIRST_TIME, LAST_TIME
from mpreplay.display.reasons import reason
from mpreplay.times.time_numbers import NANOSECONDS, Times
from mpreplay.times.times import read_aware_texts, read_times

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MOMENTS = st.datetimes(
    dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1),  # noqa: DTZ001 - hypothesis adds a zone
    timezones=st.sampled_from([dt.UTC, ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Kolkata"),
                               dt.timezone(dt.timedelta(hours=-9, minutes=-30))]),
).filter(lambda t: t.utcoffset().total_seconds() % 60 == 0)  # fmt: skip


def read(column: Any, tz: str | None = None, unit: str | None = None, first_row: int = 0) -> Times:
    """Return the times in a column called t."""
    return read_times(column, name="t", first_row=first_row, tz=tz, unit=unit)


def floored(moment: dt.datetime) -> int:
    """Return a moment in milliseconds, rounded down."""
    return (moment - EPOCH) // dt.timedelta(milliseconds=1)


@given(st.lists(MOMENTS, min_size=1, max_size=5))
def test_a_moment_is_the_same_milliseconds_in_every_form(moments: list[dt.datetime]) -> None:
    """Datetimes, texts, Arrow and numbers of one history must agree to the millisecond."""
    expected = [floored(m) for m in moments]
    micros = [(m - EPOCH) // dt.timedelta(microseconds=1) for m in moments]
    forms = [
        read(np.array([*moments, None], object)[:-1]),
        read(pa.array([m.isoformat() for m in moments])),
        read(pa.array([m.isoformat(" ") for m in moments])),
        read(pa.array(micros, pa.timestamp("us", tz="Europe/Paris"))),
        read(pa.array(micros), unit="us"),
        read(pa.array([n * 1_000 for n in micros]), unit="ns"),
        read_aware_texts(pa.array([m.isoformat() for m in moments])),
    ]

    for times in forms:
        assert times.ms.tolist() == expected
        assert times.unreadable == {}


@given(st.lists(st.none() | st.text(max_size=30) | st.just("2024-01-01T00:00Z"), max_size=6))
def test_any_text_is_read_or_named(texts: list[str | None]) -> None:
    """No text may stop the run, and none may become a time by accident."""
    column = np.array([*texts, None], object)[:-1]
    times = read(column)

    good = [n for n, text in enumerate(texts) if text == "2024-01-01T00:00Z"]
    assert set(times.unreadable) == set(range(len(texts))) - set(good)
    assert all(reason(why) for why in times.unreadable.values())
    assert all(times.ms[n] == 1704067200000 for n in good)


@pytest.mark.parametrize(
    "text",
    ["2024-01-01", "2024-01-01T00:00:00+25:00", "2024-02-30T00:00Z", "2024-01-01T24:00Z", "now",
     "1704067200000", "2024-W01-1", "20240101T000000Z", "2024-01-01T00:00:00 Europe/Paris",
     "2024-01-01T00:00:00Z extra", "٢٠٢٤-01-01T00:00Z"],
)  # fmt: skip
def test_a_text_that_is_not_iso_with_an_offset_is_no_aware_time(text: str) -> None:
    """A lenient parser guesses; a guess moves values by hours, days or centuries."""
    assert list(read_aware_texts(pa.array([text])).unreadable) == [0]


def test_the_neighbours_of_a_text_do_not_change_how_it_is_read() -> None:
    """Parsers that settle one form or resolution for a whole column lose the other rows."""
    texts = ["2024-01-01T00:00:00.123456789Z", "2024-01-01T00:00Z", "1600-01-01T00:00:00Z"]

    together = read(pa.array(texts))

    assert together.unreadable == {}
    for n, text in enumerate(texts):
        assert read(pa.array([text])).ms[0] == together.ms[n]


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2014-03-30T01:59:59.999", 1396141199999),
        ("2014-03-30T02:00:00", None),
        ("2014-03-30T03:00:00", 1396141200000),
        ("2014-10-26T02:00:00", None),
        ("2014-10-26T03:00:00", 1414288800000),
    ],
)
@pytest.mark.parametrize("kind", ["text", "arrow", "object"])
def test_naive_times_are_the_zones_and_none_is_guessed(
    local: str, expected: int | None, kind: str
) -> None:
    """Where the clock is changed, an hour is missing or doubled."""
    moment = dt.datetime.fromisoformat(local)
    column = {
        "text": pa.array([local]),
        "arrow": pa.array([moment], pa.timestamp("ms")),
        "object": np.array([moment], object),
    }[kind]

    times = read(column, tz="Europe/Paris")

    if expected is None:
        assert "Europe/Paris, where the clock is changed" in reason(times.unreadable[0])
    else:
        assert times.ms.tolist() == [expected]
        assert times.unreadable == {}


def test_an_unknown_zone_is_named() -> None:
    """The message shows what a zone looks like."""
    with pytest.raises(HistoryError, match=r"tz='Paris' cannot be used.*Europe/Paris"):
        read(pa.array(["2024-01-01"]), tz="Paris")


@pytest.mark.parametrize(
    "column",
    [pa.array([True]), pa.array([[1]]), pa.array([b"x"]), pa.array([dt.timedelta(1)]),
     pa.array([{"a": 1}])],
    ids=lambda c: str(c.type),
)  # fmt: skip
def test_a_column_of_another_type_is_refused_as_a_whole(column: pa.Array) -> None:
    """It is the wrong column; a violation a row would hide that."""
    with pytest.raises(HistoryError, match="column 't' cannot be read as time: its type is"):
        read(column, unit="ms")


@pytest.mark.parametrize("values", [[1.5], [None, 5]])
def test_numbers_without_a_unit_are_refused(values: list[Any]) -> None:
    """They could be seconds, milliseconds or row numbers."""
    for column in (pa.array(values), np.array(values, object)):
        with pytest.raises(HistoryError, match="give time_unit="):
            read(column)


ENDS = [-(2**63), 2**63 - 1]
# Also numbers near the ends of 64 bits, and of the years 1 to 9999 in each unit.
COUNTS = st.integers(*ENDS) | st.builds(
    lambda end, scale, off: max(ENDS[0], min(end * scale + off, ENDS[1])),
    st.sampled_from([*ENDS, FIRST_TIME, LAST_TIME + 1, 0]),
    st.sampled_from([1, 1_000, 1_000_000]),
    st.integers(-3, 3),
) | st.builds(
    lambda end, off: end // 1_000 + off,
    st.sampled_from([FIRST_TIME, LAST_TIME + 1]),
    st.integers(-3, 3),
)  # fmt: skip
UNITS = st.sampled_from(["s", "ms", "us", "ns"])


def exactly(count: int, unit: str) -> int | None:
    """Return a count of a unit in milliseconds, rounded down; None if it is no time."""
    ms = count * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit] // 10**6
    return ms if count not in ENDS and FIRST_TIME <= ms <= LAST_TIME else None


@given(st.lists(COUNTS, min_size=1, max_size=5), UNITS, st.data())
def test_a_number_of_a_unit_is_exactly_its_instant_or_no_time(
    counts: list[int], unit: str, data: Any
) -> None:
    """Nothing wraps: neither as a number, nor as a datetime of any unit and zone."""
    zone = data.draw(st.sampled_from(["UTC", "Asia/Tokyo", "+13:59", "Mars/Phobos"]))
    kind = pa.timestamp(unit, zone)
    objects = np.array([*counts, None], object)[:-1]
    forms = [
        read(pa.array(counts), unit=unit),
        read(objects, unit=unit),
        read(np.array([*map(np.int64, counts), None], object)[:-1], unit=unit),
        read(pa.array([decimal.Decimal(n) for n in counts]), unit=unit),
        read(pa.array(counts).cast(kind)),
        read(pa.array(counts).cast(kind).dictionary_encode()),
        read(pa.array(counts).cast(pa.timestamp(unit)), tz="UTC"),
    ]

    for times in forms[:3] + forms[4:]:
        expected = [exactly(n, unit) for n in counts]
        assert times.ms.tolist() == [ms or 0 for ms in expected]
        assert times.is_unread.tolist() == [ms is None for ms in expected]
    for times in forms:  # a Decimal has no 64 bits, and no end of them
        for n, ms in enumerate(times.ms.tolist()):
            assert times.is_unread[n] or ms * 10**6 <= counts[n] * NANOSECONDS[unit]
            assert times.is_unread[n] or (ms + 1) * 10**6 > counts[n] * NANOSECONDS[unit]


@given(st.lists(COUNTS, min_size=1, max_size=3), UNITS)
def test_a_datetime_of_numpy_or_pandas_is_exactly_its_instant_or_no_time(
    counts: list[int], unit: str
) -> None:
    """Arrow takes those beyond Python's datetimes for other times, near 1970."""
    counts = [max(n, ENDS[0] + 1) for n in counts]  # the least is NaT
    moments = [np.datetime64(n, unit) for n in counts]
    stamps = [pd.Timestamp(m) for m in moments]
    aware = [t.tz_localize("UTC") for t in stamps]

    for column in (moments, stamps, aware):
        times = read(objects_of(column), tz="UTC")
        for n, (ms, lost) in enumerate(zip(times.ms.tolist(), times.is_unread, strict=True)):
            exact = exactly(counts[n], unit)
            assert (ms, lost) == (exact or 0, exact is None)


@given(st.floats(allow_nan=True) | st.floats(-1e19, 1e19), UNITS)
def test_a_float_of_a_unit_is_its_instant_or_no_time(number: float, unit: str) -> None:
    """1e300 seconds overflow, an infinity is no time, and 0.123 s is 123 ms."""
    for column in (pa.array([number]), np.array([number], object)):
        times = read(column, unit=unit)

        if np.isnan(number) or np.isinf(number):
            assert times.is_unread.all()
            continue
        exact = Fraction(number) * NANOSECONDS[unit] / 10**6
        if not times.is_unread[0]:
            assert abs(times.ms[0] - exact) <= 1 + abs(exact) * Fraction(1, 2**52)
            assert number % 1 or times.ms[0] == exact.__floor__()
        else:
            assert not FIRST_TIME + 1 < exact < LAST_TIME - 1 or abs(number) >= 2**63 - 1024


def test_dates_beyond_nanoseconds_and_np_datetimes_are_times() -> None:
    """Nanoseconds end in 2262; a history need not."""
    objects = np.array([pd.Timestamp("3000-01-01", tz="UTC"), dt.datetime(1, 1, 1, tzinfo=dt.UTC)])
    naive = np.empty(2, object)
    naive[:] = [np.datetime64("2024-01-01T00:00"), np.datetime64("NaT")]

    assert read(objects).ms.tolist() == [32503680000000, -62135596800000]
    assert read(naive, tz="UTC").ms[0] == 1704067200000
    [(position, why)] = read(naive, tz="UTC").unreadable.items()
    assert (position, reason(why)) == (1, "no time")
