"""Times as values: exactly the time that a column holds, or a misfit; and nothing that wraps."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.cells.epoch import EPOCH, FIRST_TIME, LAST_TIME
from mpreplay.values.conversion import convert

ENDS = [-(2**63), 2**63 - 1]
SECOND = 10**9
LENGTHS = {"s": SECOND, "ms": 10**6, "us": 10**3, "ns": 1}
COUNTS = st.integers(*ENDS) | st.builds(
    lambda end, scale, off: max(ENDS[0], min(end * scale // 1_000 + off, ENDS[1])),
    st.sampled_from([*ENDS, FIRST_TIME, LAST_TIME + 1, 1_388_534_400_000]),
    st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]),
    st.integers(-2, 2),
)
ZONES = ["UTC", "Asia/Tokyo", "America/New_York", "+13:59", None]


def local(seconds: int, zone: str | None) -> str | None:
    """Return an instant as the text of a DATE in a zone; None outside the years 1 to 9999."""
    try:
        moment = EPOCH + dt.timedelta(seconds=seconds)
        if zone == "+13:59":
            moment = moment.astimezone(dt.timezone(dt.timedelta(hours=13, minutes=59)))
        elif zone is not None:
            moment = moment.astimezone(ZoneInfo(zone))
    except OverflowError:
        return None
    return moment.replace(tzinfo=None).isoformat(" ")


@given(
    st.lists(COUNTS, min_size=1, max_size=4),
    st.sampled_from([*LENGTHS]),
    st.sampled_from([*ZONES[:4], "Mars/Phobos"]),
    st.sampled_from(["", "struct", "list"]),
)
def test_a_timestamp_is_exactly_its_instant_or_no_value(
    counts: list[int], unit: str, zone: str, within: str
) -> None:
    """The name of a zone does not matter for an instant, so it need not be known here."""
    column = pa.array(counts).cast(pa.timestamp(unit, zone))
    point = Measurepoint("x", "TIMESTAMP")
    if within == "struct":
        column = pa.StructArray.from_arrays([column], ["m"])
        point = Measurepoint("x", "STRUCT", members=(Measurepoint("m", "TIMESTAMP"),))
    if within == "list":  # an array has items of other types only
        column = pa.ListArray.from_arrays(pa.array(range(len(counts) + 1), pa.int32()), column)
        point = Measurepoint("x", "ARRAY", item_type="INT")

    converted = convert(column, point)

    values = converted.values
    if within == "struct":
        values = values.field(0)
    for n, count in enumerate(counts):
        ms, rest = divmod(count * LENGTHS[unit], 10**6)
        fits = count not in ENDS and not rest and FIRST_TIME <= ms <= LAST_TIME
        fits = fits and within != "list"
        if fits:
            assert values[n].cast(pa.int64()).as_py() == ms
        assert (n in {one.position for one in converted.misfits}) != fits


@given(st.lists(COUNTS, min_size=1, max_size=4), st.sampled_from([*LENGTHS]),
       st.sampled_from(ZONES))  # fmt: skip
def test_a_date_is_exactly_the_local_time_or_no_value(
    counts: list[int], unit: str, zone: str | None
) -> None:
    """Arrow's own local times are an hour behind in every summer after 2037."""
    converted = convert(pa.array(counts).cast(pa.timestamp(unit, zone)), Measurepoint("x", "DATE"))

    misfits = {one.position for one in converted.misfits}
    for n, count in enumerate(counts):
        seconds, rest = divmod(count * LENGTHS[unit], SECOND)
        known = FIRST_TIME <= seconds * 1_000 <= LAST_TIME
        expected = None if rest or count in ENDS or not known else local(seconds, zone)
        assert (converted.values[n].as_py(), n in misfits) == (expected, expected is None)


def test_summers_after_2037_have_their_hour() -> None:
    """Then the list of clock changes in a time zone file ends, and its rule has to be applied."""
    summer = pa.array([dt.datetime(2040, 7, 1, tzinfo=dt.UTC)], pa.timestamp("s", "Europe/Paris"))

    assert convert(summer, Measurepoint("x", "DATE")).values.to_pylist() == ["2040-07-01 02:00:00"]


@pytest.mark.parametrize("kind", ["DATE", "STRING", "DOUBLE", "INT", "BOOL"])
@pytest.mark.parametrize("within", ["", "struct"])
def test_a_zone_that_is_unknown_here_ends_no_history(kind: str, within: str) -> None:
    """A file from a newer or an older machine: each of its values is a misfit with a reason."""
    column = pa.array([0, None], pa.timestamp("ms", "Mars/Phobos"))
    point = Measurepoint("x", kind)
    if within:
        column = pa.StructArray.from_arrays([column], ["x"])
        point = Measurepoint("s", "STRUCT", members=(point,))

    [misfit] = convert(column, point).misfits

    why = misfit.why.of if within else misfit.why
    assert (misfit.position, misfit.check) == (0, "type")
    assert why.kind == ("unknown_zone" if kind == "DATE" else "arrow_type")


@pytest.mark.parametrize(
    "kind",
    [pa.date32(), pa.date64(), pa.time32("s"), pa.time64("ns"), pa.duration("s"),
     pa.timestamp("s"), pa.timestamp("ns", "Asia/Tokyo")],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("point", ["STRING", "INT", "DATE", "TIMESTAMP", "ANY"])
def test_what_python_has_no_object_for_is_a_misfit_like_any_other(
    kind: pa.DataType, point: str
) -> None:
    """The ends of 32 and 64 bits lie far beyond Python's own dates, times and durations."""
    narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
    ends = [-(2**31), 2**31 - 1] if narrow else ENDS
    column = pa.array(ends, pa.int32() if narrow else pa.int64()).view(kind)

    for given_ in (column, pa.StructArray.from_arrays([column], ["m"])):
        converted = convert(given_, Measurepoint("x", point))

        if point != "ANY":
            assert [one.position for one in converted.misfits] == [0, 1]
        assert all(isinstance(one.shown, str) for one in converted.misfits)


def test_milliseconds_beyond_the_years_are_no_timestamps() -> None:
    """In whatever form: numbers, floats, digits, ISO 8601 or objects."""
    point = Measurepoint("x", "TIMESTAMP")
    far = pd.Timestamp(np.datetime64(400_000_000_000, "s"))
    columns: list[Any] = [
        pa.array([LAST_TIME + 1, FIRST_TIME - 1]),
        pa.array([1e15, -1e15]),
        pa.array([str(LAST_TIME + 1), str(FIRST_TIME - 1)]),
        pa.array(["9999-12-31T23:59:59-01:00", "0000-12-31T23:59:59Z"]),
        objects_of([far.tz_localize("UTC"), far.tz_localize("Asia/Tokyo")]),
    ]

    for column in columns:
        misfits = convert(column, point).misfits
        assert [(one.check, one.why.kind) for one in misfits] == [("range", "beyond_years")] * 2

    naive = convert(objects_of([far, np.datetime64("20000-01-01")]), Measurepoint("x", "DATE"))
    assert [one.why.kind for one in naive.misfits] == ["beyond_years"] * 2
