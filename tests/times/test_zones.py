"""Zones: each local time is the instant, or the two, or none, that the tz database says."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.times import zones
from mpreplay.times.zones import localized, put_back

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - of local times
MILLISECOND = dt.timedelta(milliseconds=1)
# Half-hour changes, a day left out, winter as the exception, four offsets a year, rules to 2087.
ZONES = [
    "UTC", "Europe/Paris", "Europe/Dublin", "America/New_York", "America/St_Johns", "Asia/Kolkata",
    "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll", "Africa/Casablanca", "Asia/Gaza",
    "Asia/Tehran", "America/Sao_Paulo", "Pacific/Chatham",
]  # fmt: skip
YEARS = st.integers(1850, 2400)


def by_datetime(ms: int, zone: str) -> tuple[int, int] | None:
    """Return the first and the second instant of a local time as Python has them."""
    naive = EPOCH + ms * MILLISECOND
    found = []
    for fold in (0, 1):
        instant = naive.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(dt.UTC)
        if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != naive:
            return None
        found.append((instant.replace(tzinfo=None) - EPOCH) // MILLISECOND)
    return found[0], max(found)


@given(
    st.sampled_from(ZONES),
    st.lists(st.tuples(YEARS, st.integers(0, 10**9), st.integers(-90, 90)), min_size=1, max_size=9),
)
def test_a_local_time_is_what_the_tz_database_says(
    zone: str, drawn: list[tuple[int, int, int]]
) -> None:
    """At any time of the year, and to the minute around each change of the clock."""
    times = []
    for year, seconds, minutes in drawn:
        start = zones._second_of(year)
        times.append((start + seconds % 31_536_000) * 1_000)
        times += [
            (second + offset + 60 * minutes) * 1_000
            for second, offset in zones._changes(zone, year)
        ]

    found = localized(np.array(times, np.int64), zone)

    gaps = dict(zip(found.gaps.tolist(), found.ends.tolist(), strict=True))
    folds = set(found.folds.tolist())
    for n, ms in enumerate(times):
        exact = by_datetime(ms, zone)
        assert (n in gaps) == (exact is None)
        if exact is None:  # the instant before the end of the gap has the old offset
            assert by_datetime(ms - 86_400_000 * 2, zone) is not None
            continue
        assert (found.earliest[n], found.latest[n]) == exact
        assert (n in folds) == (exact[0] != exact[1])


def test_the_end_of_a_gap_is_the_instant_of_the_change() -> None:
    """It is where a time is shifted to, that no clock has shown."""
    found = localized(
        np.array(["2014-03-30T02:30"], "datetime64[ms]").astype(np.int64), "Europe/Paris"
    )

    assert found.ends.astype("datetime64[ms]").astype(str).tolist() == ["2014-03-30T01:00:00.000"]


def test_the_ends_of_time_have_a_zone_too() -> None:
    """The first and the last day of the calendar are found in open ends."""
    texts = ["0001-01-01T12:00", "9999-12-31T12:00", "2024-07-01T12:00"]
    ms = np.array(texts, "datetime64[ms]").astype(np.int64)

    found = localized(ms, "Europe/Paris")

    assert (ms - found.earliest).tolist() == [561_000, 3_600_000, 7_200_000]


@pytest.mark.parametrize(
    ("zone", "length"), [("Europe/Paris", 60), ("Australia/Lord_Howe", 30), ("Asia/Tokyo", 0)]
)
def test_when_a_clock_is_put_back_is_known(zone: str, length: int) -> None:
    """Rows are looked at around these instants only."""
    year = np.array(["2024-01-01", "2025-01-01"], "datetime64[ms]").astype(np.int64)
    changes, lengths = put_back(zone, year)

    assert lengths.tolist() == [length * 60_000] * (length > 0)
    assert len(changes) == len(lengths)


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe"])
def test_a_time_of_far_away_costs_no_years_in_between(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A date of 9999 stands for none in many exports, and the other times mean what they did."""
    asked: list[int] = []
    changes_of = zones._changes
    monkeypatch.setattr(
        zones, "_changes", lambda tz, year: (asked.append(year), changes_of(tz, year))[1]
    )
    zones._clock.cache_clear()
    near = np.arange("2024-03-01", "2024-12-01", 1_800_000, "datetime64[ms]").astype(np.int64)
    far = np.array(["1999-07-01", "9999-12-31", "0001-01-01"], "datetime64[ms]").astype(np.int64)

    alone, found = localized(near, zone), localized(np.append(near, far), zone)

    assert len(asked) < 20
    n = len(near)
    assert found.earliest[:n].tolist() == alone.earliest.tolist()
    assert found.latest[:n].tolist() == alone.latest.tolist()
    assert found.gaps.tolist() == alone.gaps.tolist()
    assert found.earliest[n] == by_datetime(int(far[0]), zone)[0]  # type: ignore[index]
    back, some = (put_back(zone, one)[0].tolist() for one in (np.append(near, far), near))
    assert set(some) < set(back) and len(back) < 20


def test_a_zone_of_an_offset_alone_is_one_that_pandas_knows() -> None:
    """A logger without summer time is told as its offset."""
    assert localized(np.zeros(1, np.int64), "+01:00").earliest.tolist() == [-3_600_000]
