"""Times of devices: span, usual interval, gaps, disorder and collisions, as one pass finds them."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.checks import device_times
from mpreplay.frames import DEVICE_COLUMNS
from mpreplay.history import history as history_module

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE")})
START = pd.Timestamp("2024-01-01", tz="UTC")
ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 30) | st.integers(0, 10**6)), max_size=40
)


def validated(rows: list[tuple[str, int]], long: bool = False) -> mp.Validation:
    """Return the validation of rows of a device and a time in tenths of a millisecond."""
    frame = pd.DataFrame(rows, columns=["d", "t"])
    frame["t"] = START + pd.to_timedelta(frame["t"].astype("int64") * 100, unit="us")
    frame["P"] = np.arange(len(frame)) * 1.0
    roles: dict[str, Any] = {}
    if long:
        frame["n"] = "P"
        roles = {"point_column": "n", "value_column": "P"}
    history = mp.read_history(
        frame, time_column="t", device_column="d", product_key="p", plausible=None, **roles
    )
    return mp.validate(history, MODEL)


def slowly(rows: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Return the same facts row by row, for rows whose slabs follow each other in time."""
    found = []
    for name in sorted({name for name, _ in rows}):
        times = [t // 10 for one, t in rows if one == name]
        distinct = sorted(set(times))
        steps = [b - a for a, b in pairwise(distinct)]
        usual = statistics.median_low(steps) if steps else None
        gaps = [step for step in steps if usual and step > device_times.GAP * usual]
        found.append({
            "device_key": name, "rows": len(times),
            "first_time": START + pd.Timedelta(milliseconds=distinct[0]),
            "last_time": START + pd.Timedelta(milliseconds=distinct[-1]),
            "usual_interval": usual and usual / 1_000, "gaps": len(gaps),
            "longest_gap": max(gaps) / 1_000 if gaps else None,
            "disordered": sum(b < a for a, b in pairwise(times)),
            "collisions": len(times) - len(distinct),
        })  # fmt: skip
    return found


def facts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame, None where there is nothing."""
    kept = frame.drop(columns="product_key").astype(object)
    return kept.where(kept.notna(), None).to_dict("records")  # type: ignore[return-value]


@given(ROWS, st.booleans())
def test_the_facts_of_a_slab_are_those_of_its_rows(rows: list[tuple[str, int]], long: bool) -> None:
    """Disorder, repeats and several devices in one slab; the wide form and the long."""
    assert facts(validated(rows, long).devices) == slowly(rows)


@given(ROWS, st.integers(1, 5))
def test_slabs_that_follow_each_other_are_one_history(
    rows: list[tuple[str, int]], n_rows: int
) -> None:
    """A gap may begin in one slab and end in another."""
    rows = sorted(rows, key=lambda row: row[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "SLAB_ROWS", n_rows)
        assert facts(validated(rows).devices) == slowly(rows)


@given(ROWS, st.integers(1, 5))
def test_disorder_and_collisions_are_found_across_slabs(
    rows: list[tuple[str, int]], n_rows: int
) -> None:
    """An export that was appended to itself repeats in another slab."""
    exact = ["device_key", "rows", "first_time", "last_time", "disordered", "collisions"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "SLAB_ROWS", n_rows)
        found = facts(validated(rows).devices[["product_key", *exact]])

    assert found == [{name: one[name] for name in exact} for one in slowly(rows)]


def test_memory_is_bounded_however_many_intervals_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Readings on change have an interval of their own each; their middle is kept to 1 %."""
    monkeypatch.setattr(device_times, "_MOST", 100)
    monkeypatch.setattr(device_times, "_MOST_OF_DEVICE", 100)
    monkeypatch.setattr(history_module, "SLAB_ROWS", 64)
    steps = np.random.default_rng(1).integers(10, 10**6, 3_000)
    times = np.cumsum(steps).tolist()

    [found] = facts(validated([("a", t * 10) for t in times]).devices)
    [exact] = slowly([("a", t * 10) for t in times])

    assert found["usual_interval"] == pytest.approx(exact["usual_interval"], rel=0.01)
    assert found["gaps"] == pytest.approx(exact["gaps"], rel=0.03)
    assert {**found, "usual_interval": 0, "gaps": 0} == {**exact, "usual_interval": 0, "gaps": 0}


def test_rows_without_a_time_or_a_device_are_no_rows_of_a_device() -> None:
    """They are violations, and no fact about a device."""
    frame = pd.DataFrame({"t": ["2024-01-01T00:00Z", "noon"], "d": [None, "a"], "P": [1.0, 2.0]})
    history = mp.read_history(frame, time_column="t", device_column="d", product_key="p")

    devices = mp.validate(history, MODEL).devices

    assert len(devices) == 0
    assert list(devices.columns) == list(DEVICE_COLUMNS)


def test_a_gap_of_decades_is_told_whole() -> None:
    """A device without a clock begins in 1970."""
    [found] = facts(validated([("a", 0), ("a", 10), ("a", 20), ("a", 2 * 10**13)]).devices)

    assert found["longest_gap"] == 2 * 10**9 - 0.002
