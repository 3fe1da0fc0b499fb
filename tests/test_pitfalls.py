"""Inputs that broke other tools, each by name: which rows are faulted, why, and that no more is."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.checks.validation import Validation

MODEL = ThingModel(
    "M",
    {
        p.identifier: p
        for p in (
            Measurepoint("i", "INT", minimum=-10, maximum=3_000_000_000),
            Measurepoint("f", "FLOAT", minimum=-100, maximum=1e38),
            Measurepoint("d", "DOUBLE"),
            Measurepoint("b", "BOOL"),
            Measurepoint("e", "ENUM", keys=(0, 1, 2)),
            Measurepoint("k", "ENUM", keys=("on", "off")),
            Measurepoint("s", "STRING", max_length=8),
            Measurepoint("day", "DATE"),
            Measurepoint("ts", "TIMESTAMP"),
            Measurepoint("q", "FLOAT", has_quality=True),
            Measurepoint("a", "ARRAY", item_type="DOUBLE"),
            Measurepoint("names", "ARRAY", item_type="STRING"),
            Measurepoint(
                "st",
                "STRUCT",
                members=(Measurepoint("x", "INT", required=True), Measurepoint("y", "FLOAT")),
            ),
            Measurepoint("1 odd %name.x", "INT"),
        )
    },
)
HOUR = 3_600_000
Check = Callable[..., Validation]


def hours(n: int) -> pd.DatetimeIndex:
    """Return the first hours of 2024, UTC."""
    return pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC")


def objects(*values: Any) -> np.ndarray:
    """Return values as an array of objects, also where they are lists."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def faults(validation: Validation) -> list[tuple[Any, str, str]]:
    """Return row, measurepoint and check of each violation."""
    frame = validation.violations
    assert len(frame) == validation.n_violations
    return list(zip(frame["row"].tolist(), frame["measurepoint"], frame["check"], strict=True))


def reasons(validation: Validation) -> dict[int, str]:
    """Return the reason for each faulted row."""
    return dict(zip(validation.violations["row"], validation.violations["reason"], strict=True))


@pytest.fixture
def check() -> Iterator[Check]:
    """Return validate() over a source; afterwards every source must be as it was."""
    given: list[tuple[Any, Any]] = []

    def run(source: Any, model: Any = MODEL, **options: Any) -> Validation:
        if isinstance(source, pd.DataFrame):
            given.append((source, source.copy(deep=True)))
        elif isinstance(source, pa.Table):
            given.append((source, source.to_string(preview_cols=99)))
        # Times of any year, unless a test says which are plausible.
        history = mp.read_history(source, **{"plausible": None, **options})
        validation = mp.validate(history, model)
        again = mp.validate(history, model)  # a history can be read as often as one likes
        assert (again.n_values, again.n_violations) == (
            validation.n_values,
            validation.n_violations,
        )
        return validation

    yield run
    for source, copy in given:
        if isinstance(source, pa.Table):
            assert source.to_string(preview_cols=99) == copy
        else:
            pd.testing.assert_frame_equal(source, copy, check_exact=True)


def one(check: Check, name: str, values: Any, **options: Any) -> Validation:
    """Check one column of readings, an hour apart."""
    return check(pd.DataFrame({name: values}, index=hours(len(values))), **options)


# -- time ----------------------------------------------------------------------------------------


def test_naive_times_need_a_zone(check: Check) -> None:
    """A guess at the zone would move a whole history by hours."""
    frame = pd.DataFrame({"ts": pd.date_range("2024-01-01", periods=2, freq="h"), "i": [1, 2]})
    with pytest.raises(HistoryError, match=r"naive times.*row 0.*tz='Europe/Paris'"):
        check(frame, time_column="ts")

    assert check(frame, time_column="ts", tz="Europe/Paris").ok


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Europe/Paris", "Asia/Shanghai", "+01:00"])
def test_a_zone_may_go_by_any_of_its_names(check: Check, zone: str) -> None:
    """UTC has many names, and every one of them is the same instant."""
    frame = pd.DataFrame({"i": [99, 99]}, index=hours(2).tz_convert(zone))
    strict = ThingModel("M", {"i": Measurepoint("i", "INT", maximum=1)})

    times = check(frame, strict).violations["time"]

    assert times.tolist() == hours(2).tolist()


def test_a_clock_that_is_set_back_or_forward_leaves_no_time_to_guess(check: Check) -> None:
    """02:30 happens twice in autumn and not at all in spring: each is a violation by row."""
    frame = pd.DataFrame(
        {
            "t": pd.to_datetime(
                ["2014-03-30 01:30", "2014-03-30 02:30", "2014-10-26 02:30", "2014-10-26 03:30"]
            ),
            "i": [1, 2, 3, 4],
        }
    )

    validation = check(frame, time_column="t", tz="Europe/Paris")

    assert faults(validation) == [(1, "", "time"), (2, "", "time")]
    assert "does not exist" in reasons(validation)[1]
    assert validation.n_values == 4


def test_row_numbers_are_not_taken_for_times_of_1970(check: Check) -> None:
    """A frame without a time index has row numbers, which a careless tool sends as milliseconds."""
    with pytest.raises(HistoryError, match="index' holds numbers as times; give time_unit="):
        check(pd.DataFrame({"i": [1, 2]}))


@pytest.mark.parametrize("text", ["03/04/2024 10:00", "2024-13-01T00:00Z", "03.04.2024T00:00Z"])
def test_day_and_month_are_never_swapped(check: Check, text: str) -> None:
    """Only ISO 8601 says which is which; anything else is a violation with its row."""
    frame = pd.DataFrame({"t": ["2024-01-01T00:00:00Z", text], "i": [1, 2]})

    validation = check(frame, time_column="t")

    assert faults(validation) == [(1, "", "time")]
    assert text in reasons(validation)[1]


def test_iso_texts_with_and_without_fractions_and_with_any_offset_are_read(check: Check) -> None:
    """Pandas turns texts of mixed form into NaT; here each is read or named."""
    texts = [
        "2024-01-01T00:00:00Z", "2024-01-01 00:00:00.5+00:00", "2024-01-01T01:00:00,123456789+0100",
        "2023-12-31T19:00-05", "2024-01-01T00:00:00.123z", "0001-01-01T00:00:00Z", "", "soon",
    ]  # fmt: skip
    frame = pd.DataFrame({"t": texts, "i": range(len(texts))})

    unread = faults(check(frame, time_column="t", start="2023-12-31", end="2024-01-02"))

    assert [row for row, _, _ in unread if row != 5] == [6, 7]


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
def test_numbers_mean_the_unit_that_was_declared(check: Check, unit: str, factor: int) -> None:
    """Milliseconds sent as nanoseconds land in 1970, and the other way round in the year 55,000."""
    seconds = int(hours(1)[0].timestamp())
    frame = pd.DataFrame({"t": [seconds * factor], "i": [1]})
    window = {"start": "2024-01-01", "end": "2024-01-01T00:00:00.001Z"}

    assert check(frame, time_column="t", time_unit=unit, **window).n_values == 1


def test_an_unknown_unit_is_refused(check: Check) -> None:
    """A typo in the unit must not become a factor of a thousand."""
    with pytest.raises(HistoryError, match="time_unit must be one of s, ms, us, ns, got 'sec'"):
        check(pd.DataFrame({"t": [1], "i": [1]}), time_column="t", time_unit="sec")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetimes_of_every_resolution_before_and_after_1970_are_floored(
    check: Check, unit: str
) -> None:
    """astype('int64') depends on the unit, and division towards zero moves times before 1970."""
    stamps = pd.to_datetime(["1969-12-31T23:59:59.9995", "2024-01-01T00:00:00.9995"], utc=True)
    frame = pd.DataFrame({"i": [99, 99]}, index=stamps.as_unit(unit))
    strict = ThingModel("M", {"i": Measurepoint("i", "INT", maximum=1)})

    times = check(frame, strict).violations["time"]

    expected = stamps.floor("s" if unit == "s" else "ms")
    assert times.tolist() == expected.tolist()


def test_float_seconds_keep_their_milliseconds(check: Check) -> None:
    """0.123 has no exact float: cut off carelessly, it becomes 0.122."""
    frame = pd.DataFrame({"t": [1388534400.123, 0.001, -0.001, np.nan, np.inf], "i": [99] * 5})
    strict = ThingModel("M", {"i": Measurepoint("i", "INT", maximum=1)})

    found = check(frame, strict, time_column="t", time_unit="s").violations

    timed = found[found["time"].notna()]["time"].astype("int64")
    assert timed.tolist() == [1388534400123, 1, -1]
    assert found[found["check"] == "time"]["row"].tolist() == [3, 4]


def test_unsigned_times_beyond_64_bits_are_violations_of_their_row(check: Check) -> None:
    """A wrapped number would be a plausible time of long ago."""
    frame = pd.DataFrame({"t": np.array([1, 2**63 + 5], np.uint64), "i": [1, 2]})

    assert faults(check(frame, time_column="t", time_unit="ms")) == [(1, "", "time")]


def test_a_time_too_far_for_its_unit_does_not_stop_the_others(check: Check) -> None:
    """One broken row is one violation, not the end of the run."""
    frame = pd.DataFrame({"t": [1, 2**62], "i": [1, 2]})

    assert faults(check(frame, time_column="t", time_unit="s")) == [(1, "", "time")]


def test_periods_and_dates_are_naive_times(check: Check) -> None:
    """They begin at midnight somewhere: only tz= can say where."""
    periods = pd.DataFrame({"i": [1, 2]}, index=pd.period_range("2024-01", periods=2, freq="M"))
    dates = pd.DataFrame({"t": [dt.date(2024, 1, 1), dt.date(2024, 1, 2)], "i": [1, 2]})
    mixed = pd.DataFrame({"t": objects(pd.Period("2024-01"), pd.Period("2024-01-02")), "i": [1, 2]})

    with pytest.raises(HistoryError, match="naive"):
        check(periods)
    with pytest.raises(HistoryError, match="naive"):
        check(dates, time_column="t")
    assert check(periods, tz="UTC").ok
    assert check(dates, time_column="t", tz="UTC").ok
    assert check(mixed, time_column="t", tz="UTC").ok


def test_nat_as_a_time_is_one_violation(check: Check) -> None:
    """NaT converted to an integer is the year 1677."""
    index = pd.DatetimeIndex([*hours(1), pd.NaT])

    validation = check(pd.DataFrame({"i": [1, 2], "f": [1.0, 2.0]}, index=index))

    assert faults(validation) == [(1, "", "time")]
    assert validation.violations["time"].isna().all()
    assert validation.n_values == 4


def test_times_in_the_future_are_read_as_they_are(check: Check) -> None:
    """A clock that runs ahead is the platform's to judge, not ours to mend."""
    frame = pd.DataFrame({"t": ["9999-12-31T23:59:59Z"], "i": [1]})

    assert check(frame, time_column="t", start="2999-01-01", end="9999-12-31T23:59:59.5Z").ok


def test_two_stamps_that_are_equal_once_cut_to_milliseconds_are_compared(check: Check) -> None:
    """On the wire they are one: with other values they contradict each other."""
    index = pd.to_datetime(["2024-01-01T00:00:00.0001Z", "2024-01-01T00:00:00.0009Z"])

    assert check(pd.DataFrame({"i": [1, 1]}, index=index)).ok
    assert check(pd.DataFrame({"i": [1, 2]}, index=index)).n_conflicts == 1


def test_mixed_kinds_of_time_in_one_column_are_read_each_as_what_it_is(check: Check) -> None:
    """A column that was glued together from files holds texts, stamps and datetimes."""
    times = objects(
        pd.Timestamp("2024-01-01", tz="UTC"), "2024-01-01T01:00:00Z",
        dt.datetime(2024, 1, 1, 2, tzinfo=dt.UTC), None, "bad \ud800", b"bytes", True, [1],
    )  # fmt: skip

    validation = check(pd.DataFrame({"t": times, "i": range(8)}), time_column="t")

    assert faults(validation) == [(n, "", "time") for n in range(3, 8)]


def test_a_naive_time_among_others_is_named_by_its_row(check: Check) -> None:
    """One cell without a zone is no reason to refuse the others: it is a violation of its row."""
    times = objects(pd.Timestamp("2024-01-01", tz="UTC"), None, "2024-01-01T01:00:00")

    found = check(pd.DataFrame({"t": times, "i": range(3)}), time_column="t").violations

    assert found["row"].tolist() == [1, 2]
    assert found["reason"].tolist() == [
        "no time",
        "2024-01-01 01:00:00 is a time without a zone; give tz=, or an offset",
    ]


def test_an_object_column_that_only_lacks_a_zone_is_refused_as_a_whole(check: Check) -> None:
    """Then the argument is missing, and its first row is the one to look at."""
    times = objects(None, "garbage", "2024-01-01T01:00:00")

    with pytest.raises(HistoryError, match="first in row 2: 2024-01-01 01:00:00"):
        check(pd.DataFrame({"t": times, "i": range(3)}), time_column="t")


def test_disorder_is_no_violation(check: Check) -> None:
    """Late readings are ordinary; entries are sorted before they are sent."""
    assert check(pd.DataFrame({"i": [1, 2, 3]}, index=hours(3)[[2, 0, 1]])).ok


# -- absent and non-finite -----------------------------------------------------------------------


def test_every_kind_of_absence_in_one_column_is_absent(check: Check) -> None:
    """NaN, None, NaT and NA mean the same to the person who made the file."""
    values = objects(np.nan, None, pd.NaT, pd.NA, decimal.Decimal("NaN"), np.float32("nan"), 5)

    for name in ("i", "f", "d", "e", "a", "st", "q", "ts", "day", "s", "b"):
        validation = one(check, name, values)
        assert validation.n_values == 1, name


def test_an_int_column_that_one_nan_made_float_holds_integers(check: Check) -> None:
    """Pandas does this to every integer column with a gap."""
    for name in ("i", "e", "b"):
        validation = one(check, name, [1.0, np.nan, 0.0])
        assert validation.ok
        assert validation.n_values == 2


def test_milliseconds_that_one_nan_made_float_are_timestamps(check: Check) -> None:
    """The same gap in a column of millisecond times must not fault the rest of it."""
    validation = one(check, "ts", [1704067200000.0, np.nan])

    assert validation.ok
    assert validation.n_values == 1


@pytest.mark.parametrize("name", ["i", "f", "d", "b", "e", "q"])
def test_infinity_is_faulted_whatever_the_range(check: Check, name: str) -> None:
    """-inf passes a check for an upper bound, and JSON has no word for it."""
    for values in ([np.inf, -np.inf, 1.0], objects(np.inf, decimal.Decimal("-Infinity"), 1)):
        validation = one(check, name, values)
        assert faults(validation) == [(0, name, "finite"), (1, name, "finite")]
        assert validation.n_values == 3


def test_an_absent_row_column_or_frame_has_no_values(check: Check) -> None:
    """Nothing to send is nothing wrong."""
    row = pd.DataFrame({"i": [np.nan, 1], "f": [np.nan, 2]}, index=hours(2))
    column = pd.DataFrame({"s": [np.nan, np.nan], "st": [None, None]}, index=hours(2))

    assert check(row).n_values == 2
    assert check(column).n_values == 0
    assert check(pd.DataFrame({n: [None] * 2 for n in MODEL.measurepoints}, index=hours(2))).ok


def test_nan_in_an_arrow_column_of_another_type_is_absent(check: Check) -> None:
    """An all-absent column is written as floats: that must not fault a STRING point."""
    times = pa.array(hours(2))
    for name in MODEL.measurepoints:
        table = pa.table({"t": times, name: pa.array([np.nan, None], pa.float64())})
        validation = check(table, time_column="t")
        assert (validation.n_values, validation.n_violations) == (0, 0), name


def test_a_column_whose_first_value_is_absent_is_read(check: Check) -> None:
    """Guessing a type from the first row goes wrong here."""
    for name, value in (("s", "text"), ("a", [1.0]), ("st", {"x": 1}), ("i", 3)):
        validation = one(check, name, objects(None, value))
        assert validation.ok, name
        assert validation.n_values == 1


def test_zero_rows_and_zero_columns_have_no_values(check: Check) -> None:
    """A day without data is an ordinary day."""
    assert check(pd.DataFrame({"i": pd.Series([], dtype="int64")}, index=hours(0))).n_values == 0
    assert check(pd.DataFrame(index=hours(2))).n_values == 0
    assert check(pd.DataFrame({"i": [], "t": []}), time_column="t").ok


# -- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
     "float32", "float64", ">i4", ">f8", "Int8", "UInt64", "Float32", "int64[pyarrow]",
     "float[pyarrow]", "Sparse[int64]", "Sparse[float64]"],
)  # fmt: skip
def test_every_numeric_type_fits_every_numeric_point(check: Check, kind: str) -> None:
    """A number is a number, whatever library and width it comes in."""
    values = pd.Series([0, 1], dtype=kind)
    for name in ("i", "f", "d", "b", "e", "q"):
        validation = one(check, name, values.array)
        assert validation.ok, (name, validation)
        assert validation.n_values == 2


@pytest.mark.parametrize(
    "scalar", [np.int8, np.int64, np.uint64, np.float16, np.float32, np.float64, int, float]
)
def test_every_numpy_scalar_in_an_object_column_is_its_number(check: Check, scalar: Any) -> None:
    """Object columns of NumPy scalars come out of loops over rows."""
    for name in ("i", "f", "d", "b", "e"):
        assert one(check, name, objects(scalar(1), None, scalar(0))).ok, name


def test_integers_beyond_32_bits_do_not_fit_an_int(check: Check) -> None:
    """The platform's INT has 32 bits, whatever the model's range says."""
    values = [2**31 - 1, 2**31, -(2**31) - 1, 2**62]

    validation = one(check, "i", values)

    assert {row for row, _, _ in faults(validation)} == {1, 2, 3}
    assert "32 bits" in reasons(validation)[1]
    assert one(check, "1 odd %name.x", np.array([2**63, 5], np.uint64)).n_violations == 1


def test_python_integers_beyond_64_bits_are_faulted_with_all_their_digits(check: Check) -> None:
    """They overflow in C; here they are named in full."""
    validation = one(check, "d", objects(10**30, 1.5))

    assert faults(validation) == [(0, "d", "range")]
    assert validation.violations["value"].item() == str(10**30)


def test_an_integer_that_a_double_would_change_is_faulted(check: Check) -> None:
    """2**53 + 1 becomes 2**53 in a float, without a word."""
    for values in ([2**53, 2**53 + 1], np.array([2**53, 2**53 + 1], np.uint64)):
        validation = one(check, "d", values)
        assert faults(validation) == [(1, "d", "range")]
        assert validation.violations["value"].item() == str(2**53 + 1)


@pytest.mark.parametrize(
    "values", [[True, False], np.array([True, False]), objects(True, np.True_)]
)
def test_truth_values_are_no_integers(check: Check, values: Any) -> None:
    """True is 1 to Python and to NumPy, not to the thing model."""
    for name in ("i", "f", "d", "e"):
        assert [c for _, _, c in faults(one(check, name, values))] == ["type", "type"]
    assert one(check, "b", values).ok


def test_zeros_and_ones_are_truth_values_and_nothing_else_is(check: Check) -> None:
    """Telemetry carries switches as 0 and 1, often as floats."""
    assert one(check, "b", [0.0, 1.0, np.nan]).ok
    assert faults(one(check, "b", [0.0, 2.0])) == [(1, "b", "type")]
    assert faults(one(check, "b", objects("true", True))) == [(0, "b", "type")]


def test_a_float_is_checked_as_it_travels(check: Check) -> None:
    """Its range is that of 32 bits, and 1e39 does not fit."""
    assert faults(one(check, "f", [1e39, 7.119999900000001])) == [(0, "f", "range")]
    edge = ThingModel("M", {"f": Measurepoint("f", "FLOAT", maximum=0.1)})
    assert one(check, "f", [0.1, np.float32(0.1)], model=edge).ok


def test_decimals_keep_every_digit_they_have(check: Check) -> None:
    """As a float, 9007199254740993 loses its last digit."""
    big = decimal.Decimal("9007199254740993")

    assert one(check, "i", objects(decimal.Decimal("3.00"), None)).ok
    assert faults(one(check, "i", objects(decimal.Decimal("3.5")))) == [(0, "i", "type")]
    shown = one(check, "1 odd %name.x", objects(big)).violations["value"].item()
    assert shown == str(big)
    assert one(check, "d", objects(decimal.Decimal("0.1"), decimal.Decimal("1e5"))).ok


def test_categoricals_with_unused_and_absent_categories_are_their_values(check: Check) -> None:
    """Codes are not values, and a category nobody uses is not one either."""
    texts = pd.Categorical(["on", None, "off"], categories=["unused", "off", "on"])
    numbers = pd.Categorical([1, None, 5], categories=[5, 1, 9])

    assert one(check, "k", texts).n_values == 2
    assert one(check, "k", texts).ok
    assert faults(one(check, "e", numbers)) == [(2, "e", "enum")]


def test_an_object_column_of_mixed_types_is_judged_value_by_value(check: Check) -> None:
    """One text in a column of numbers is one violation, not a column of texts."""
    values = objects(1, 1.5, "2", True, None, decimal.Decimal(4), b"5", [6], {"x": 7}, 10**30)

    validation = one(check, "i", values)

    assert {(row, c) for row, _, c in faults(validation) if c != "text"} == {
        (1, "type"), (2, "type"), (3, "type"), (7, "type"), (8, "type"), (9, "range"),
    }  # fmt: skip
    assert validation.n_values == 9
    assert validation.n_violations == 7


@pytest.mark.parametrize(
    "cell", [[1.0, 2.5], (1.0, 2.5), np.array([1.0, 2.5]), np.array([1, 2]), [1, 2.5], []]
)
def test_lists_tuples_and_numpy_arrays_in_cells_are_arrays(check: Check, cell: Any) -> None:
    """Readers of Parquet give NumPy arrays, readers of JSON lists."""
    for other in ([3.0], None):
        validation = one(check, "a", objects(cell, other))
        assert validation.ok, validation.violations["reason"].tolist()


def test_what_is_wrong_with_an_array_is_told_by_its_row(check: Check) -> None:
    """Each fault keeps its own reason; one bad array spoils no other."""
    values = objects([1.0, np.inf], [1.0, None], [1.0, np.nan], ["x"], [1, "x"], [[1.0]], [1.0])

    validation = one(check, "a", values)

    assert [row for row, _, _ in faults(validation)] == [0, 1, 2, 3, 4, 5]
    assert [c for _, _, c in faults(validation)][:3] == ["finite", "items", "items"]
    assert "an item is infinite" in reasons(validation)[0]
    assert "an item is absent" in reasons(validation)[2]
    assert "infinite" not in reasons(validation)[3]
    table = pa.table({"t": pa.array(hours(2)), "a": [[1.0, np.nan], [1.0]]})
    assert faults(check(table, time_column="t")) == [(0, "a", "items")]


def test_dicts_with_different_members_keep_their_own(check: Check) -> None:
    """Arrow would give each of them the members of all."""
    values = objects({"x": 1}, {"x": 2, "y": 1.5}, {"y": 1.5}, {"x": 1, "z": 9}, {}, {"x": None})

    validation = one(check, "st", values)

    assert faults(validation) == [(2, "st", "x: required"), (3, "st", "type")]
    assert "has no member 'z'" in reasons(validation)[3]
    assert validation.n_values == 4


def test_a_dict_with_one_odd_member_is_faulted_by_that_member(check: Check) -> None:
    """The reason names the member, not the whole."""
    values = objects({"x": 1.5}, {"x": True}, {"x": "a\ud800"}, {"x": 1, "y": np.inf}, [1])

    validation = one(check, "st", values)

    assert faults(validation) == [
        (0, "st", "type"), (1, "st", "type"), (2, "st", "text"), (3, "st", "finite"),
        (4, "st", "type"),
    ]  # fmt: skip
    assert reasons(validation)[0] == "member x: not an integer"


@pytest.mark.parametrize("form", ["dicts", "columns", "arrow"])
def test_a_struct_comes_as_one_column_or_as_several(check: Check, form: str) -> None:
    """The same values give the same verdict, however they are laid out."""
    rows = [{"x": 1, "y": 0.5}, None, {"x": 3_000_000_000, "y": None}]
    if form == "dicts":
        source: Any = pd.DataFrame({"st": objects(*rows)}, index=hours(3))
        options = {}
    elif form == "columns":
        source = pd.DataFrame(
            {"st.y": [0.5, None, None], "st.x": pd.array([1, None, 3_000_000_000], "Int64")},
            index=hours(3),
        )
        options = {}
    else:
        source = pa.table({"t": pa.array(hours(3)), "st": rows})
        options = {"time_column": "t"}

    validation = check(source, **options)

    assert faults(validation) == [(2, "st", "x: range")]
    assert validation.n_values == 2


@pytest.mark.parametrize("form", ["column", "dicts", "arrow", "dotted"])
def test_quality_without_a_value_is_a_violation(check: Check, form: str) -> None:
    """A quality says something of a value: without one it says nothing."""
    values, marks = [1.5, None, 2.5, None], [9, 0, 10, None]
    pairs = [{"value": v, "quality": m} for v, m in zip(values, marks, strict=True)]
    options: dict[str, Any] = {}
    if form == "column":
        source: Any = pd.DataFrame({"q": values, "mark": marks}, index=hours(4))
        options = {"quality": {"q": "mark"}}
    elif form == "dotted":
        source = pd.DataFrame({"q.value": values, "q.quality": marks}, index=hours(4))
    elif form == "dicts":
        source = pd.DataFrame({"q": objects(*pairs)}, index=hours(4))
    else:
        source = pa.table({"t": pa.array(hours(4)), "q": pairs})
        options = {"time_column": "t"}

    validation = check(source, **options)

    assert faults(validation) == [(1, "q", "quality"), (2, "q", "quality")]
    assert reasons(validation)[1] == "a quality without a value"
    assert validation.n_values == 3


def test_a_value_and_its_quality_count_one(check: Check) -> None:
    """The books are of values; a quality is part of one."""
    frame = pd.DataFrame({"q": [1.5, 2.5], "mark": [9, None]}, index=hours(2))

    assert check(frame, quality={"q": "mark"}).n_values == 2


ARROW_TEXTS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
]


@pytest.mark.parametrize("kind", ARROW_TEXTS, ids=str)
def test_every_arrow_text_is_a_text(check: Check, kind: pa.DataType) -> None:
    """large_string comes from pandas and polars, string_view from newer writers."""
    texts = pa.array(["on", None, "far too long"]).cast(kind)
    keys = pa.array(["T1", "T1", None]).cast(kind)
    times = pa.array(["2024-01-01T00:00Z", "2024-01-01T01:00Z", "2024-01-01T02:00Z"]).cast(kind)
    table = pa.table({"t": times, "key": keys, "s": texts})

    validation = check(table, time_column="t", device_column="key", product_key="p")

    assert faults(validation) == [(2, "", "device"), (2, "s", "length")]


@pytest.mark.parametrize(
    "array",
    [pa.array([1, None, 3], pa.decimal128(20, 2)), pa.array([1, None, 3], pa.decimal256(40, 0)),
     pa.array([1, None, 3], pa.uint64()), pa.array([9, 1, None, 3]).slice(1),
     pa.chunked_array([[1], [None], [3]]), pa.array([1, None, 3]).dictionary_encode(),
     pa.array([1, None, 3], pa.float16())],
    ids=lambda a: str(a.type),
)  # fmt: skip
def test_every_arrow_layout_of_numbers_is_its_numbers(check: Check, array: Any) -> None:
    """Slices, chunks and dictionaries are memory layout, not meaning."""
    for name in ("i", "d", "f"):
        validation = check(pa.table({"t": pa.array(hours(3)), name: array}), time_column="t")
        assert validation.ok, validation.violations["reason"].tolist()
        assert validation.n_values == 2


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_arrow_timestamps_with_a_unit_and_a_zone_are_times_and_values(
    check: Check, unit: str
) -> None:
    """The zone is for show: the instant is what counts."""
    stamps = pa.array(hours(2)).cast(pa.timestamp(unit, tz="Asia/Shanghai"))

    validation = check(pa.table({"t": stamps, "ts": stamps, "day": stamps}), time_column="t")

    assert validation.ok
    assert validation.n_values == 4


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 2),
     pa.list_view(pa.float64()), pa.list_(pa.int32())],
    ids=str,
)  # fmt: skip
def test_sliced_and_chunked_arrow_lists_are_not_mixed_with_their_neighbours(
    check: Check, kind: pa.DataType
) -> None:
    """A slice's .values still holds the items of its neighbours."""
    whole = pa.array([[9, 9], [1, 2], None, [3, 4]], kind)
    table = pa.table({"t": pa.array(hours(3)), "a": whole.slice(1)})

    validation = check(table, time_column="t")

    assert validation.ok, validation.violations["reason"].tolist()
    assert validation.n_values == 2


def test_strided_and_read_only_buffers_are_read_in_place(check: Check) -> None:
    """JSON encoders and Arrow refuse strided arrays; a user's slice of a matrix is one."""
    matrix = np.arange(12.0).reshape(3, 4)
    matrix.flags.writeable = False

    validation = check(pd.DataFrame(matrix[:, ::2], columns=["d", "f"], index=hours(3)))

    assert validation.ok
    assert validation.n_values == 6


# -- text ----------------------------------------------------------------------------------------


def test_lengths_count_bytes_not_characters(check: Check) -> None:
    """Eight umlauts are sixteen bytes, and the platform counts bytes."""
    assert faults(one(check, "s", ["12345678", "ääää", "äääää", "🌬🌬", "🌬🌬🌬"])) == [
        (2, "s", "length"),
        (4, "s", "length"),
    ]


@pytest.mark.parametrize("text", ["", '"', "\\", "\x00\x1f", "\r\n\t", "🌬️", "\u2028"])
def test_awkward_texts_are_values_like_any_other(check: Check, text: str) -> None:
    """An empty text is not absent, and nothing needs to be escaped by the user."""
    validation = one(check, "s", objects(text, None))

    assert validation.ok
    assert validation.n_values == 1


def test_a_lone_surrogate_is_faulted_wherever_it_hides(check: Check) -> None:
    """UTF-8 cannot carry half a character; everything else in the column can go."""
    for name, value in (("s", "a\ud800"), ("names", ["ok", "a\ud800"]), ("k", "\udfff")):
        frame = pd.DataFrame({name: objects(value, None)}, index=hours(2), dtype=object)
        validation = check(frame)
        assert faults(validation) == [(0, name, "text")]
        assert "lone surrogate" in reasons(validation)[0]
    frame = pd.DataFrame({"key": ["T1", "T\ud800"], "i": [1, 2]}, index=hours(2), dtype=object)
    assert faults(check(frame, device_column="key", product_key="p")) == [(1, "", "device")]


def test_column_names_with_blanks_dots_percents_and_digits_are_identifiers(check: Check) -> None:
    """An exact identifier wins over a member, even with a dot in it."""
    assert one(check, "1 odd %name.x", [1]).ok
    frame = pd.DataFrame({"%(x)s {0}": [1]}, index=hours(1))
    assert check(frame, points={"%(x)s {0}": "i"}).ok


def test_several_levels_of_columns_or_rows_are_refused_with_the_way_out(check: Check) -> None:
    """Which level names the point is not for us to guess."""
    columns = pd.DataFrame([[1]], index=hours(1), columns=pd.MultiIndex.from_tuples([("i", "x")]))
    rows = pd.DataFrame({"i": [1]}, index=pd.MultiIndex.from_tuples([(hours(1)[0], "T1")]))

    for frame in (columns, rows):
        with pytest.raises(HistoryError, match=r"several levels.*reset_index"):
            check(frame)
    with pytest.raises(HistoryError, match="column names must be text, got 0"):
        check(pd.DataFrame([[1]], index=hours(1)))


def test_duplicate_column_names_are_refused(check: Check) -> None:
    """Which of the two counts is not for us to guess."""
    frame = pd.DataFrame([[1, 2]], index=hours(1), columns=["i", "i"])

    with pytest.raises(HistoryError, match="the column 'i' occurs twice"):
        check(frame)


def test_two_columns_for_one_point_are_refused(check: Check) -> None:
    """One of them would overwrite the other in silence."""
    for frame, points in (
        (pd.DataFrame({"i": [1], "other": [2]}, index=hours(1)), {"other": "i"}),
        (pd.DataFrame({"q": [1.0], "q.value": [2.0]}, index=hours(1)), None),
        (pd.DataFrame({"st": [{"x": 1}], "st.x": [2]}, index=hours(1)), None),
        (pd.DataFrame({"st.x": [1], "o": [2]}, index=hours(1)), {"o": "st.x"}),
    ):
        with pytest.raises(HistoryError, match="both hold"):
            check(frame, points=points)


def test_a_quality_column_without_its_point_is_refused(check: Check) -> None:
    """Every row of it would be lost without a trace."""
    with pytest.raises(HistoryError, match="no column has the values of q"):
        check(pd.DataFrame({"q.quality": [1]}, index=hours(1)))


def test_duplicate_index_labels_fault_the_right_rows(check: Check) -> None:
    """Pandera finds rows by label; a label that repeats hits the wrong ones."""
    frame = pd.DataFrame(
        {"t": hours(4), "i": [1, 2, -99, 3]}, index=["same", "same", "same", "same"]
    )

    assert faults(check(frame, time_column="t")) == [(2, "i", "range")]


# -- size and files ------------------------------------------------------------------------------


def parquet(path: Path, **columns: Any) -> Path:
    """Write a Parquet file of hourly readings."""
    n = len(next(iter(columns.values())))
    pq.write_table(pa.table({"t": pa.array(hours(n)), **columns}), path)
    return path


def test_parquet_parts_with_different_schemas_are_one_history(check: Check, tmp_path: Path) -> None:
    """Years of exports differ: a point is added, an integer becomes a float."""
    parquet(tmp_path / "a.parquet", i=pa.array([1, 2], pa.int32()), mark=[9, 9], old=[1.0, 1.0])
    parquet(tmp_path / "b.parquet", i=[1.0, None, -99.0], f=[1.0, 2.0, None])

    validation = check(tmp_path, time_column="t", points={"old": "q"}, quality={"old": "mark"})

    assert faults(validation) == [(2, "i", "range")]
    assert validation.violations["source"].item().endswith("b.parquet")
    assert validation.n_values == 8


@pytest.mark.parametrize("rows", [1, 3, 10_000])
def test_tiny_and_huge_row_groups_give_the_same_rows(
    check: Check, tmp_path: Path, rows: int
) -> None:
    """How a writer cut its file is nobody's business."""
    path = tmp_path / "x.parquet"
    values = [1] * 4_000
    values[2_500] = -99
    times = pd.date_range("2024", periods=4_000, freq="s", tz="UTC")
    pq.write_table(pa.table({"t": pa.array(times), "i": values}), path, row_group_size=rows)

    assert faults(check(path, time_column="t")) == [(2_500, "i", "range")]


def test_nested_parquet_columns_are_structs_and_arrays(check: Check, tmp_path: Path) -> None:
    """Spark and polars write them; a dotted column beside them is a column of its own."""
    path = parquet(
        tmp_path / "x.parquet",
        st=[{"x": 1, "y": 0.5}, {"x": None, "y": 1.0}],
        a=[[1.0], None],
        **{"q.value": [1.0, 2.0], "q.quality": [9, 11]},
    )

    validation = check(path, time_column="t")

    assert faults(validation) == [(1, "st", "x: required"), (1, "q", "quality")] or set(
        faults(validation)
    ) == {(1, "st", "x: required"), (1, "q", "quality")}
    assert validation.n_values == 5


@pytest.mark.parametrize("damage", ["empty", "cut", "csv", "footer"])
def test_a_file_that_is_no_parquet_says_so(check: Check, tmp_path: Path, damage: str) -> None:
    """An interrupted copy is the usual cause; the message is one line and names the file."""
    path = parquet(tmp_path / "x.parquet", i=list(range(100)))
    whole = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "cut": whole[:200], "csv": b"t,i\n1,2\n", "footer": whole[:-9] + b"\0" * 5
         + b"PAR1"}[damage]
    )  # fmt: skip

    with pytest.raises(HistoryError, match="cannot be read as Parquet") as caught:
        check(path, time_column="t")

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_changes_while_it_is_read_stops_the_run(tmp_path: Path) -> None:
    """Half of the old file and half of the new one is a history that never was."""
    path = parquet(tmp_path / "x.parquet", i=[1, 2])
    history = mp.read_history(path, time_column="t")
    assert mp.validate(history, MODEL).ok
    parquet(path, i=[1, 2, 3])

    with pytest.raises(HistoryError, match="the file changed while it was read"):
        mp.validate(history, MODEL)

    path.unlink()
    with pytest.raises(HistoryError, match="cannot be read"):
        mp.validate(history, MODEL)


def test_one_entry_larger_than_a_request_and_a_chunk_near_the_limit_are_cut(check: Check) -> None:
    """Every request must fit, and what cannot be made to fit is named."""
    model = ThingModel(
        "M",
        {f"s{n}": Measurepoint(f"s{n}", "STRING", max_length=9_000) for n in range(3)},
    )
    frame = pd.DataFrame({f"s{n}": ["x" * 400, "y" * 2_000] for n in range(3)}, index=hours(2))
    assert check(frame, model).ok

    with mp.simulate(model) as platform:
        run = mp.replay(
            mp.read_history(frame), model, platform.connection,
            limits=mp.Limits(max_bytes=1_000), on_invalid="withhold", progress=False,
        )  # fmt: skip
        stored = platform.stored()

    assert run.results["n_bytes"].max() <= 1_000
    assert run.rejects["check"].tolist() == ["too_large"] * 3
    assert stored["value"].str.strip('"').tolist() == ["x" * 400] * 3


# -- and all of it on the wire -------------------------------------------------------------------


def test_what_is_stored_is_what_was_in_the_frame_and_the_books_have_the_rest() -> None:
    """Checks on paper are not enough: the platform must hold every value, unchanged."""
    frame = pd.DataFrame(
        {
            "i": objects(1, None, "2", np.int64(4)),
            "f": np.array([7.12, np.nan, np.inf, -0.5]),
            "d": [0.1, 1e-300, 2.0**60, np.nan],
            "s": ['q"\\\n🌬', "", None, "toolongtext"],
            "st": objects({"x": 1}, {"x": 2, "y": 0.5}, None, {"y": 1.0}),
            "a": objects([1.5], (2.5, 3), np.array([4.0]), [np.nan]),
            "day": pd.to_datetime(["2024-01-01T10:00:00", None, None, None]),
            "ts": pd.to_datetime(["2024-01-01T10:00:00Z", None, None, None]),
            "q": [1.5, 2.5, None, None],
            "mark": [9, None, None, 3],
        },
        index=hours(4),
    )
    before = frame.copy(deep=True)
    history = mp.read_history(frame, quality={"q": "mark"})

    with mp.simulate(MODEL) as platform:
        run = mp.replay(history, MODEL, platform.connection, on_invalid="withhold", progress=False)
        stored = platform.stored()

    validation = mp.validate(history, MODEL)
    pd.testing.assert_frame_equal(frame, before)
    books = run.books[["read", "accepted", "withheld"]].sum()
    assert run.complete
    assert books["read"] == validation.n_values == len(stored) + len(run.rejects)
    assert books["accepted"] == len(stored)
    assert set(zip(run.rejects["row"], run.rejects["measurepoint"], strict=True)) == {
        (2, "i"), (2, "f"), (3, "s"), (3, "st"), (3, "a"), (3, "q"),
    }  # fmt: skip
    held = {(p, int(t.timestamp() * 1000)): v for p, t, v in zip(
        stored["measurepoint"], stored["time"], stored["value"], strict=True)}  # fmt: skip
    start = int(hours(1)[0].timestamp() * 1000)
    assert held["f", start] == 7.12 or held["f", start] == "7.12"
    assert len(held) == len(stored)


# -- the rules of values -------------------------------------------------------------------------


def test_a_column_that_is_not_in_the_model_is_refused_with_the_nearest_names(check: Check) -> None:
    """A typo must not become a column that is silently left behind."""
    model = ThingModel("M", {"Power": Measurepoint("Power", "INT"), "T": Measurepoint("T", "INT")})
    frame = pd.DataFrame({"power": [1]}, index=hours(1))

    with pytest.raises(HistoryError, match=r"'power' is not in the thing model \(nearest: Power\)"):
        check(frame, model)
    assert check(frame, model, ignore="power").n_values == 0
    assert check(frame, model, points={"power": "Power"}).n_values == 1
    with pytest.raises(HistoryError, match=r"there is no column 'pwer' \(nearest: power\)"):
        check(frame, model, points={"pwer": "Power"})


def test_a_pass_through_model_takes_every_json_value_as_it_is(check: Check) -> None:
    """What the model does not list is not ours to judge, but it must be JSON."""
    model = ThingModel("M", {"i": Measurepoint("i", "INT")}, pass_through=True)
    values = objects(1, "a", True, [1, "x"], {"m": 1}, {"n": None}, np.float32(1.5), b"no", np.inf)

    validation = one(check, "anything", values, model=model)

    assert validation.n_values == 8
    assert [row for row, _, _ in faults(validation)] == [7, 8]


@pytest.mark.parametrize("text", [True, False])
def test_the_long_form_names_points_row_by_row(check: Check, text: bool) -> None:
    """One row a value: an unknown point is a violation of its row, not an error."""
    values = objects("1", "text", "1.5", "[1.5, 2]", "9", None, "true", "7")
    if not text:
        values = objects(1, "text", 1.5, [1.5, 2], 9, None, True, 7)
    frame = pd.DataFrame(
        {
            "t": hours(8),
            "point": ["i", "s", "i", "a", "nobody", "nobody", "b", None],
            "value": values,
        }
    )

    validation = check(frame, time_column="t", point_column="point", value_column="value")

    assert faults(validation) == [(2, "i", "type"), (4, "nobody", "point"), (7, "?", "point")]
    assert validation.n_values == 7


def test_a_row_without_time_or_device_is_one_violation_and_its_values_are_counted(
    check: Check,
) -> None:
    """The row is named once; in the books each of its values has a fate."""
    frame = pd.DataFrame(
        {"t": [*hours(2), None], "key": ["T1", None, "T2"], "i": [1, 2, 3], "f": [1.0, 2.0, None]}
    )

    validation = check(frame, time_column="t", device_column="key", product_key="p")

    assert faults(validation) == [(1, "", "device"), (2, "", "time")]
    assert validation.n_values == 5


@pytest.mark.parametrize(
    "keys", [[1, 2], objects(1, np.int64(2)), pd.Categorical(["1", "2"]), pd.array([1, 2], "Int64")]
)
def test_device_keys_may_be_numbers(check: Check, keys: Any) -> None:
    """Turbine 1 and turbine 2 are numbered in many a file."""
    frame = pd.DataFrame({"key": keys, "i": [-99, -99]}, index=hours(2))

    found = check(frame, device_column="key", product_key="p").violations

    assert found["device_key"].tolist() == ["1", "2"]


def test_devices_of_several_products_are_judged_by_their_own_models(check: Check) -> None:
    """A gateway's sub-devices differ; what one model allows another forbids."""
    models = {
        "a": ThingModel("A", {"P": Measurepoint("P", "INT", maximum=1)}),
        "b": ThingModel("B", {"P": Measurepoint("P", "STRING")}).schema(),
    }
    frame = pd.DataFrame(
        {"product": ["a", "b", "a", "c"], "key": "T", "P": objects(5, "text", 1, 1)}, index=hours(4)
    )

    validation = check(frame, models, product_column="product", device_column="key")

    assert faults(validation) == [(0, "P", "range"), (3, "", "product")]


def test_several_faults_of_a_value_are_several_violations(check: Check) -> None:
    """Each says what to mend; the value is still one value."""
    members = tuple(Measurepoint(name, "INT", maximum=1) for name in "xy")
    struct = Measurepoint("st", "STRUCT", members=members)
    validation = one(check, "st", objects({"x": 2, "y": 2}), model=ThingModel("M", {"st": struct}))

    assert faults(validation) == [(0, "st", "x: range"), (0, "st", "y: range")]
    assert validation.n_values == 1
