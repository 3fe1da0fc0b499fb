"""The bounds of a time range: ISO 8601 or refused, since a day-first date is read in two ways."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import HistoryError
from mpreplay.times.bounds import bound_of

DAY = 1_704_067_200_000  # 2024-01-01
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2024", DAY),
        ("2024-01", DAY),
        ("2024-01-01", DAY),
        (" 2024-01-01 ", DAY),
        ("20240101", DAY),
        ("20240101T0000Z", DAY),
        ("2024-01-01T00", DAY),
        ("2024-01-01 00:00", DAY),
        ("2024-01-01t00:00:00z", DAY),
        ("2024-01-01T01:00+01:00", DAY),
        ("2024-01-01T01:00+0100", DAY),
        ("2024-01-01 01:00:00 +01", DAY),
        ("2024-01-01T00:00:00,5", DAY + 500),
        ("2024-01-01T00:00:00.0001Z", DAY + 1),
        (dt.date(2024, 1, 1), DAY),
        (pd.Timestamp(2024, 1, 1), DAY),
        (pd.Timestamp("2024-01-01T01:00", tz="Europe/Paris"), DAY),
        (np.datetime64("2024-01-01"), DAY),
        (None, None),
    ],
)
def test_iso_8601_and_datetimes_are_taken(value: Any, ms: int | None) -> None:
    """A part of a millisecond is rounded up, so that no time before a start is read."""
    assert bound_of(value, "start") == ms


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("01/02/2024", "'2024-02-01' if the day stands first, '2024-01-02' if the month does"),
        ("13/02/2024", "text: '2024-02-13'"),
        ("02-13-2024", "text: '2024-02-13'"),
        ("3/3/2024", "text: '2024-03-03'"),
        ("01.02.2024 6:50", "text: '2024-02-01T06:50'"),
        ("2024/1/2", "text: '2024-01-02'"),
        ("31.02.2024", "give a datetime or an ISO 8601 text"),
        ("1/2/2024 3:05 PM", "give a datetime or an ISO 8601 text"),
        ("1704067200", r"a time only with its unit: pd.Timestamp(…, unit='s')"),
        (1704067200, "pd.Timestamp(1704067200, unit='s', tz='UTC')"),
        (True, "give a datetime or an ISO 8601 text"),
        ("now", "such as '2024-01-31' or '2024-01-31T06:00Z'"),
        ("", "such as '2024-01-31'"),
        ("2024-01-01T00:00 Europe/Paris", "give a datetime or an ISO 8601 text"),
        ("2024-13-01", "month must be in 1..12"),
        ("2024-02-30", "is not a time ("),
        ("2024-01-01T25:00", "hour must be in 0..23"),
        ("２０２４-01-01", "give a datetime or an ISO 8601 text"),
        (pd.NaT, "give a datetime or an ISO 8601 text"),
    ],
)
def test_any_other_time_is_refused_with_what_to_write(value: Any, told: str) -> None:
    """A date that is read in two ways would ask for another month, and nobody would notice."""
    with pytest.raises(HistoryError) as caught:
        bound_of(value, "end")
    assert told in str(caught.value)
    assert str(caught.value).startswith("end ")
    assert caught.value.argument == "end"


@given(st.datetimes(timezones=st.just(dt.UTC)).filter(lambda moment: moment.year < 9999))
def test_a_datetime_and_its_iso_text_are_one_bound(moment: dt.datetime) -> None:
    """The text of a bound on the command line means what the datetime means in Python."""
    expected = -((moment - EPOCH) // -dt.timedelta(milliseconds=1))
    assert bound_of(moment, "start") == bound_of(moment.isoformat(), "start") == expected
