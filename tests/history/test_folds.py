"""Times that occur twice: told apart by the order of each device's rows, or not at all."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint, ThingModel, read_history, validate
from mpreplay.history import history as history_module
from mpreplay.history.history import History
from mpreplay.history.readings import read_slab
from mpreplay.model.device import Device
from mpreplay.model.model_set import ModelSet

MODEL = ThingModel("M", {"P": Measurepoint("P", "DOUBLE")})
# The hour of the change, in local time, and half an hour where only that is doubled.
CHANGES = {
    "Europe/Berlin": dt.datetime(2024, 10, 27, 1, tzinfo=dt.UTC),
    "America/New_York": dt.datetime(2024, 11, 3, 6, tzinfo=dt.UTC),
    "Australia/Lord_Howe": dt.datetime(2024, 4, 6, 15, tzinfo=dt.UTC),
}


def instants(zone: str, minutes: int, hours: int = 3) -> list[dt.datetime]:
    """Return the instants around a change of the clock, an interval apart."""
    start = CHANGES[zone] - dt.timedelta(hours=hours)
    return [start + n * dt.timedelta(minutes=minutes) for n in range(2 * hours * 60 // minutes + 1)]


def history_of(rows: list[tuple[str, dt.datetime]], zone: str, **more: Any) -> History:
    """Return rows of a device and an instant as a history of local times."""
    frame = pd.DataFrame({
        "d": [device for device, _ in rows],
        "t": [at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") for _, at in rows],
        "P": [float(n) for n in range(len(rows))],
    })  # fmt: skip
    roles = {"time_column": "t", "device_column": "d", "product_key": "p", "ambiguous": "infer"}
    return read_history(frame, tz=zone, **{**roles, **more})


def read(history: History) -> list[int | None]:
    """Return the time of each row in milliseconds; None where it cannot be told."""
    found: dict[int, int | None] = {}
    for raw in history.slabs([MODEL]):
        for part in read_slab(raw, ModelSet.of(MODEL), Device("p", "d"), (None, None)):
            lost = part.is_unreadable("time")
            for row, ms, gone in zip(part.rows.tolist(), part.time.tolist(), lost, strict=True):
                found[row] = None if gone else ms
    return [found[row] for row in sorted(found)]


def exactly(rows: list[tuple[str, dt.datetime]]) -> list[int]:
    """Return the instants of rows in milliseconds."""
    return [round(at.timestamp() * 1_000) for _, at in rows]


@given(
    st.sampled_from([*CHANGES]),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from([5, 10, 15]), min_size=1),
    st.integers(1, 3),
    st.sampled_from(["by time", "by device", "shuffled devices", "newest first"]),
    st.sampled_from([7, 20, 1_000]),
    st.randoms(),
)
def test_the_order_of_rows_tells_which_hour_they_are_of(
    zone: str, minutes: dict[str, int], times: int, order: str, slab: int, random: Any
) -> None:
    """With repeated rows, with devices interleaved in any way, and across slabs."""
    rows = [(d, at) for d, step in minutes.items() for at in instants(zone, step)]
    rows = [row for row in rows for _ in range(times)]
    if order == "by time":
        rows.sort(key=lambda row: row[1])
    elif order == "newest first":
        rows.sort(key=lambda row: row[1], reverse=True)
    elif order == "shuffled devices":  # each device's rows stay in their order
        queues = {d: [row for row in rows if row[0] == d] for d in minutes}
        places = [d for d, queue in queues.items() for _ in queue]
        random.shuffle(places)
        rows = [queues[d].pop(0) for d in places]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "SLAB_ROWS", slab)
        assert read(history_of(rows, zone)) == exactly(rows)


@given(st.sampled_from([*CHANGES]), st.data())
def test_what_is_inferred_of_rows_that_are_missing_is_right(zone: str, data: Any) -> None:
    """An outage within the hour may leave it open, and never lead to the wrong hour."""
    whole = [("a", at) for at in instants(zone, 10)]
    kept = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
    rows = [row for row, keep in zip(whole, kept, strict=True) if keep]

    for found, exact in zip(read(history_of(rows, zone)), exactly(rows), strict=True):
        assert found in {None, exact}


def test_hourly_rows_are_told_by_their_number() -> None:
    """Two rows at 02:00 between one at 01:00 and one at 03:00 are the two hours."""
    for times in (1, 2):
        rows = [("a", at) for at in instants("Europe/Berlin", 60) for _ in range(times)]

        assert read(history_of(rows, "Europe/Berlin")) == exactly(rows)
        assert read(history_of(rows[::-1], "Europe/Berlin")) == exactly(rows[::-1])


@pytest.mark.parametrize(
    "local",
    [
        ["01:50", "02:00", "02:10", "02:20", "02:30", "02:40", "02:50", "03:00"],  # once
        ["02:00", "02:10"],  # neither begins nor ends
        ["01:50", "02:00", "02:20", "02:10", "02:30", "02:40", "03:00"],  # disorder, no change
        ["01:50", "02:00", "02:00", "02:10", "02:10", "02:50", "02:50", "03:00"],  # sorted
        ["01:50", "02:00", "02:50", "02:00", "02:50", "02:00", "02:50", "03:00"],  # three times
        ["01:50", "02:10", "02:10", "03:00"],  # a repeated row
    ],
)
def test_rows_that_do_not_tell_are_violations(local: list[str]) -> None:
    """A guess would put an hour of readings over another."""
    frame = pd.DataFrame({"t": [f"2024-10-27 {text}" for text in local], "P": 1.0})
    history = read_history(frame, time_column="t", tz="Europe/Berlin", ambiguous="infer")

    found = validate(history, MODEL, duplicates="last").violations

    doubled = [n for n, text in enumerate(local) if text.startswith("02")]
    assert found["row"].tolist() == doubled
    assert found["reason"].str.contains("order of the device's rows does not tell").all()
    assert found["time_text"].tolist() == [f"2024-10-27 {local[n]}" for n in doubled]


@pytest.mark.parametrize(
    ("zone", "local", "doubled"),
    [
        ("Europe/Berlin", ["10-26 22:00", "10-27 02:00", "10-27 02:00", "10-27 06:00"], 2),
        ("Europe/Berlin", ["10-26 14:30", "10-27 02:30", "10-27 02:30", "10-27 14:30"], 2),
        ("Europe/Berlin", ["10-26 02:30", "10-27 02:30", "10-27 02:30", "10-28 02:30"], 2),
        ("Europe/Berlin", ["10-27 00:00", "10-27 02:00", "10-27 02:00"], 2),
        ("Australia/Lord_Howe", ["04-07 00:30", "04-07 01:30", "04-07 01:30", "04-07 02:30"], 2),
    ],
)
def test_a_repeated_row_of_a_device_that_reads_seldom_is_no_second_reading(
    zone: str, local: list[str], doubled: int
) -> None:
    """A device that reads every four hours cannot read twice within one of them."""
    frame = pd.DataFrame({"t": [f"2024-{text}" for text in local], "P": 1.0})
    history = read_history(frame, time_column="t", tz=zone, ambiguous="infer")

    found = validate(history, MODEL, duplicates="last").violations

    assert len(found) == doubled
    assert found["reason"].str.contains("order of the device's rows does not tell").all()


def test_an_export_appended_to_itself_is_told_in_both_copies() -> None:
    """Each visit of the hour is one of its own."""
    rows = [("a", at) for at in instants("Europe/Berlin", 10)] * 2

    assert read(history_of(rows, "Europe/Berlin")) == exactly(rows)


def test_the_long_form_is_told_point_by_point() -> None:
    """There one point may come after the other, or both at each time."""
    once = instants("Europe/Berlin", 10)
    for rows in ([(n, at) for at in once for n in "PQ"], [(n, at) for n in "PQ" for at in once]):
        history = history_of(
            rows, "Europe/Berlin", device_column=None, device_key="x",
            point_column="d", value_column="P",
        )  # fmt: skip

        assert read(history) == exactly(rows)


@pytest.mark.parametrize(
    ("ambiguous", "hours"), [("earliest", [0.5, 0.5]), ("latest", [1.5, 1.5]), ("raise", [])]
)
def test_the_earliest_or_the_latest_is_taken_as_stated(ambiguous: str, hours: list[float]) -> None:
    """Both rows of the doubled time become the same instant, which is then a repeat."""
    frame = pd.DataFrame({"t": ["2024-10-27 02:30"] * 2, "P": [1.0, 2.0]})
    history = read_history(frame, time_column="t", tz="Europe/Berlin", ambiguous=ambiguous)

    found = [ms for ms in read(history) if ms is not None]

    assert [(ms - 1_729_987_200_000) / 3_600_000 for ms in found] == hours


@pytest.mark.parametrize(
    ("nonexistent", "expected"),
    [("shift_forward", 1_711_846_800_000), ("shift_backward", 1_711_846_799_999), ("raise", None)],
)
def test_a_time_that_does_not_exist_is_shifted_as_stated(
    nonexistent: str, expected: int | None
) -> None:
    """To the first instant after the gap, or the last before it, as pandas has it."""
    frame = pd.DataFrame({"t": ["2024-03-31 02:30"], "P": [1.0]})
    history = read_history(frame, time_column="t", tz="Europe/Berlin", nonexistent=nonexistent)

    assert read(history) == [expected]
