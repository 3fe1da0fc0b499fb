"""Texts in a stated format: what ``strptime`` reads, exactly, and nothing besides."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import HistoryError
from mpreplay.cells.arrays import objects_of
from mpreplay.times.time_format import check_format, parsed
from mpreplay.times.times import read_times

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - of local times
FORMATS = [
    "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%Y%m%d%H%M%S", "%d-%b-%Y %H:%M",
    "%A, %B %d, %Y %I:%M:%S %p", "%Y-%j %H:%M", "%F %T.%f", "100%% %d.%m.%Y",
    "%Y-%m-%dT%H:%M:%S.%f",
]  # fmt: skip
MOMENTS = st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31))  # noqa: DTZ001


@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from(FORMATS))
def test_a_text_that_was_written_in_a_format_is_read_in_it(
    moments: list[dt.datetime], form: str
) -> None:
    """Python's own reading is the measure, cut to the millisecond."""
    plain = form.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S")
    texts = [moment.strftime(plain) for moment in moments]

    found = parsed(pa.array(texts), form).local

    again = [dt.datetime.strptime(text, plain) for text in texts]  # noqa: DTZ007
    assert found.ms.tolist() == [(at - EPOCH) // dt.timedelta(milliseconds=1) for at in again]
    assert not found.is_unread.any()


@given(st.lists(st.none() | st.text(alphabet="0123456789.: \n", max_size=18), max_size=6))
def test_what_python_does_not_read_is_named(texts: list[str | None]) -> None:
    """No text becomes another time, whatever it looks like."""
    form = "%d.%m.%Y %H:%M"
    found = parsed(pa.array(texts, pa.string()), form).local

    for n, text in enumerate(texts):
        if not found.is_unread[n]:
            exact = dt.datetime.strptime(str(text), form)  # noqa: DTZ007
            assert found.ms[n] == (exact - EPOCH) // dt.timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "form", "kind"),
    [
        ("30.02.2024 00:00", "%d.%m.%Y %H:%M", "not_of_format"),
        ("29.02.2023 00:00", "%d.%m.%Y %H:%M", "not_of_format"),
        ("31.12.2024 24:00", "%d.%m.%Y %H:%M", "end_of_day"),
        ("31.12.2024 24:01", "%d.%m.%Y %H:%M", "not_of_format"),
        ("31.12.2016 23:59:60", "%d.%m.%Y %H:%M:%S", "leap_second"),
        ("31.12.2024 13:00 PM", "%d.%m.%Y %I:%M %p", "not_of_format"),
        ("31.12.2024 0:00 AM", "%d.%m.%Y %I:%M %p", "not_of_format"),
        ("31.12.2024 23:50 extra", "%d.%m.%Y %H:%M", "not_of_format"),
        ("2024366", "%Y%m%d", "not_of_format"),
        ("2023-366", "%Y-%j", "not_of_format"),
        ("31.12.2024 +25:00", "%d.%m.%Y %z", "not_of_format"),
    ],
)
def test_a_text_that_is_no_time_of_the_format_has_its_reason(
    text: str, form: str, kind: str
) -> None:
    """A lenient reading moves values by days."""
    assert [why.kind for why in parsed(pa.array([text]), form).local.unreadable.values()] == [kind]


def test_an_offset_in_the_text_is_its_own() -> None:
    """Each row may have another, as at both sides of a change of the clock."""
    texts = ["01.07.2024 02:00 +0200", "01.01.2024 01:00 +01:00", "01.01.2024 00:00 Z"]
    found = parsed(pa.array(texts), "%d.%m.%Y %H:%M %z")

    assert found.offset is not None
    assert found.offset.tolist() == [7_200_000, 3_600_000, 0]


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("%d.%m. %H:%M", "does not say the year"), ("%Y %H:%M", "does not say the month"),
        ("%m.%Y", "does not say the day"), ("%d.%m.%Y %I:%M", "needs %p"),
        ("%d.%m.%Y %H:%M %p", "belongs to %I"), ("%d.%m.%Y %M", "needs the hour"),
        ("%d.%d.%Y", "occurs twice"), ("%s", "%s is not a directive"), ("%", "not a directive"),
        ("%d.%m.%Y %y", "say the same"), ("%c", "%c is not"),
    ],
)  # fmt: skip
def test_a_format_that_cannot_be_is_refused_with_what_is_wrong(form: str, told: str) -> None:
    """At the call, before a file is read."""
    with pytest.raises(HistoryError, match=told):
        check_format(form)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([20240101.0, None, 20240102.0]),
        pa.array([20240101.0, np.nan, 20240102.0]),
        pa.array([decimal.Decimal("20240101.00"), None, decimal.Decimal("20240102.00")]),
        pa.array([20240101, None, 20240102]),
        objects_of([20240101.0, None, 20240102]),
    ],
)
def test_dates_in_digits_are_read_whatever_holds_them(column: Any) -> None:
    """A column of whole numbers becomes one of floats by a single absent cell."""
    given = {"name": "t", "first_row": 0, "tz": "UTC", "unit": None}
    if not isinstance(column, np.ndarray):
        with pytest.raises(HistoryError, match="give time_format='%Y%m%d'"):
            read_times(column, **given)

    times = read_times(column, **given, time_format="%Y%m%d")

    assert times.ms.tolist() == [1_704_067_200_000, 0, 1_704_153_600_000]
    assert times.is_unread.tolist() == [False, True, False]


@pytest.mark.parametrize("number", [20240101.5, 1e300, float("inf"), -20240101.0])
def test_a_float_that_is_no_date_is_none(number: float) -> None:
    """Its digits are not cut to fit."""
    times = read_times(
        pa.array([number]), name="t", first_row=0, tz="UTC", unit=None, time_format="%Y%m%d"
    )
    assert times.is_unread.all()
