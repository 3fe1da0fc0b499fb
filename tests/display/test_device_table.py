"""The times of devices in words: spans, gaps, disorder; true for one device and for many."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mpreplay.display.device_table import device_table, times_in_words
from mpreplay.frames import DEVICE_COLUMNS, typed

FIRST, LAST = pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-31 23:50", tz="UTC")


def devices_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return devices, each a plain one with what is different."""
    plain = {
        "product_key": "p", "device_key": "T1", "rows": 4_464, "first_time": FIRST,
        "last_time": LAST, "usual_interval": 600.0, "gaps": 0, "longest_gap": float("nan"),
        "disordered": 0, "collisions": 0,
    }  # fmt: skip
    return typed([tuple({**plain, **row}.values()) for row in rows], DEVICE_COLUMNS)


def test_devices_without_anything_odd_take_one_sentence() -> None:
    """What is in order needs no list."""
    assert times_in_words(devices_of({}, {"device_key": "T2", "usual_interval": 60.0})) == [
        "2 devices, 2024-01-01 00:00:00 to 2024-01-31 23:50:00 UTC, usually every 1 min to 10 min."
    ]


def test_no_device_takes_none() -> None:
    """Nor does a single row have an interval."""
    one = devices_of({"rows": 1, "usual_interval": float("nan")})

    assert times_in_words(devices_of()) == []
    assert "usually" not in times_in_words(one)[0]
    assert device_table(one, 5).rows[0][4] == ""


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"gaps": 1, "longest_gap": 7_200.0}, "1 gap of T1, of 2 h."),
        ({"gaps": 12, "longest_gap": 259_200.0}, "12 gaps of T1, the longest 3 d."),
        ({"gaps": 1, "longest_gap": 325_800.0}, "1 gap of T1, of 3.8 d."),
        ({"gaps": 1, "longest_gap": 16_200.0}, "1 gap of T1, of 4 h 30 min."),
        ({"gaps": 1, "longest_gap": 1.5}, "1 gap of T1, of 1.5 s."),
        ({"disordered": 1},
         "1 row of T1 stands after a later one; the order of rows does not matter."),
        ({"collisions": 2}, "2 rows of T1 have the time of another, to the millisecond."),
    ],
)  # fmt: skip
def test_what_is_odd_is_told_with_its_device(odd: dict[str, Any], said: str) -> None:
    """The name of the device is where one begins to look."""
    assert times_in_words(devices_of({"device_key": "T0"}, odd))[1:] == [said]


def test_of_several_devices_the_worst_is_named() -> None:
    """Its gap is the first to be looked at."""
    other = {"gaps": 1, "longest_gap": 90_000.0, "device_key": "T2"}
    found = devices_of({"gaps": 2, "longest_gap": 1_200.0}, other)

    assert times_in_words(found)[1] == "3 gaps of 2 devices, the longest 25 h, of T2."


def test_devices_that_are_odd_come_first_and_the_rest_is_counted() -> None:
    """One of 500 has a gap, and it is not the first by name."""
    rows = [{"device_key": f"T{n}", "gaps": int(n == 300)} for n in range(500)]
    shown = device_table(devices_of(*rows), 10)

    assert len(shown.rows) == 10
    assert shown.rows[0][0] == "T300"
    assert "the first 10 of 500" in shown.caption
