"""Values converted into the type of their point: kept exactly, or odd with a reason."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.cells.object_json import has_lone_surrogate, json_text, shown
from mpreplay.display.facts import Detail
from mpreplay.display.reasons import reason
from mpreplay.model.point_types import POINT_TYPES
from mpreplay.values.conversion import convert, convert_members, with_quality
from mpreplay.values.misfits import Misfit
from mpreplay.values.typed_column import Converted

POINTS = {
    kind: Measurepoint("p", kind)
    for kind in POINT_TYPES
    if kind not in {"ENUM", "ARRAY", "STRUCT"}  # these need further facts
} | {
    "ENUM": Measurepoint("p", "ENUM", keys=(0, 1)),
    "ARRAY": Measurepoint("p", "ARRAY", item_type="DOUBLE"),
    "STRUCT": Measurepoint(
        "p", "STRUCT", members=(Measurepoint("x", "FLOAT"), Measurepoint("y", "TIMESTAMP"))
    ),
}
TIME = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
    | st.decimals(allow_nan=True, allow_infinity=True) | st.binary(max_size=3) | st.dates()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC)) | st.timedeltas()
    | st.sampled_from([pd.NA, pd.NaT, np.float32(1.5), np.int64(3), np.bool_(True), 1j, object,
                       pd.Period("2024"), "a\ud800", np.datetime64("2024-01-01")])
)  # fmt: skip
ANYTHING = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(
    st.sampled_from(["x", "y", "z", "value", "quality"]), SCALARS, max_size=3
)  # fmt: skip


def of(kind: str, *values: Any) -> Converted:
    """Convert Python objects as a point of a kind."""
    return convert(objects_of(list(values)), POINTS[kind])


def is_absent(value: Any) -> bool:
    """Return whether a person would call a value absent."""
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    return value is None or value is pd.NA or value is pd.NaT or (
        isinstance(value, float | np.floating) and math.isnan(value)
    )  # fmt: skip


@pytest.mark.parametrize("kind", list(POINTS))
@given(values=st.lists(ANYTHING, max_size=6), quality=st.booleans())
def test_every_value_is_absent_or_settled_or_odd_and_never_two_of_them(
    kind: str, values: list[Any], quality: bool
) -> None:
    """Nothing is lost and nothing raises, whatever stands in a cell."""
    point = POINTS[kind]
    if quality and kind not in {"STRUCT", "ANY", "FILE"}:
        point = Measurepoint(
            "p", kind, has_quality=True, keys=point.keys, item_type=point.item_type
        )

    converted = convert(objects_of(values), point)

    valid = converted.values.is_valid().to_pylist()
    misfits = [o.position for o in converted.misfits]
    assert converted.values.type == point.arrow_type()
    assert len(valid) == len(values)
    assert len(set(misfits)) == len(misfits)
    for n, value in enumerate(values):
        assert not (valid[n] and n in misfits)
        if not isinstance(value, dict):  # one with absent members only is absent
            assert is_absent(value) == (not valid[n] and n not in misfits), value
    for o in converted.misfits:
        assert reason(o.why)
        if o.text is not None:
            orjson.loads(o.text)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8))
def test_integers_that_fit_are_kept_to_the_last_digit(values: list[int | None]) -> None:
    """From objects, Arrow and decimals alike."""
    exact = [None if v is None else decimal.Decimal(v) for v in values]
    for column in (
        objects_of(values), pa.array(values, pa.int64()), pa.array(exact, pa.decimal128(20, 1))
    ):  # fmt: skip
        assert convert(column, POINTS["INT"]).values.to_pylist() == values


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_doubles_are_kept_to_the_last_bit(values: list[float | None]) -> None:
    """What is rounded once cannot be told from what was measured."""
    for column in (objects_of(values), pa.array(values, pa.float64())):
        assert convert(column, POINTS["DOUBLE"]).values.to_pylist() == values


@pytest.mark.parametrize(
    ("kind", "value", "check", "said"),
    [
        ("INT", 1.5, "type", "not an integer"),
        ("INT", 2**63, "range", "beyond 64 bits"),
        ("INT", True, "type", "a value of type bool is not an integer"),
        ("INT", "1", "type", "a value of type string is not an integer"),
        ("FLOAT", 1e39, "range", "beyond the 32 bits of a FLOAT"),
        ("FLOAT", decimal.Decimal("Infinity"), "finite", "infinite"),
        ("DOUBLE", 2**53 + 1, "range", "an integer with more digits than a DOUBLE holds"),
        ("BOOL", 2, "type", "not a truth value (true, false, 0 or 1)"),
        ("STRING", 5, "type", "a value of type int64 is not a text"),
        ("STRING", b"x", "type", "a bytes is not a text"),
        ("DATE", TIME.replace(microsecond=1), "type", "a DATE holds whole seconds"),
        ("TIMESTAMP", TIME.replace(microsecond=1), "type", "a TIMESTAMP holds whole milliseconds"),
        ("TIMESTAMP", TIME.replace(tzinfo=None), "type", "a naive time; a TIMESTAMP needs a zone"),
        ("TIMESTAMP", "soon", "type", "not a time with a zone"),
        ("TIMESTAMP", "2024-01-01T00:00:00.00001Z", "type", "a TIMESTAMP holds whole milliseconds"),
        ("ARRAY", [1, "a"], "type", "its items are not all numbers"),
        ("ARRAY", 1.0, "type", "a value of type double is not an array"),
        ("STRUCT", {"x": "a"}, "type", "member x: a value of type string is not a number"),
        ("STRUCT", {"x": 1, "z": 1}, "type", "has no member 'z'"),
        ("FILE", "x.bin", "type", "a FILE travels over the HTTP channel only"),
        ("ANY", math.inf, "finite", "JSON cannot carry it"),
    ],
)
def test_a_value_that_does_not_fit_says_why(kind: str, value: Any, check: str, said: str) -> None:
    """The auditor reads the reason, not the code."""
    (misfits,) = of(kind, value).misfits

    assert (misfits.check, reason(misfits.why)) == (check, said)


def test_one_bad_text_does_not_spoil_the_timestamps_beside_it() -> None:
    """Digits, ISO 8601 and nonsense may stand in one column: each is judged alone."""
    converted = of("TIMESTAMP", "1704067200000", "2024-01-01T01:00:00+01:00", "2024-01-01", "-1")

    assert [o.position for o in converted.misfits] == [2]
    assert converted.values.cast(pa.int64()).to_pylist() == [1704067200000, 1704067200000, None, -1]


def test_a_date_keeps_the_face_of_its_own_clock() -> None:
    """A DATE carries no zone, so times of several zones must not be moved into one."""
    zones = [dt.UTC, dt.timezone(dt.timedelta(hours=8)), None]

    converted = of(
        "DATE", *(dt.datetime(2024, 1, 1, 12, tzinfo=z) for z in zones), dt.date(2024, 1, 2)
    )

    assert converted.values.to_pylist() == ["2024-01-01 12:00:00"] * 3 + ["2024-01-02 00:00:00"]


def test_a_pass_through_value_travels_as_it_is() -> None:
    """Arrow would give each dict the members of all, and a float32 seventeen digits."""
    values = [{"a": 1}, {"b": [1, "x"]}, {"c": None}, [1, 2.5, None], np.float32(7.12), True, TIME]
    assert of("ANY", *values).values.to_pylist() == [
        '{"a":1}', '{"b":[1,"x"]}', None, "[1,2.5,null]", "7.12", "true", '"1704110400000"',
    ]  # fmt: skip
    floats = convert(pa.array([7.12, math.nan], pa.float32()), POINTS["ANY"])
    assert floats.values.to_pylist() == ["7.12", None]


def test_an_odd_struct_keeps_its_other_members_as_they_travel() -> None:
    """With on_invalid="send" it goes out like this."""
    (misfits,) = of("STRUCT", {"x": np.float32(7.12), "y": "never"}).misfits

    assert misfits.text == b'{"x":7.12,"y":"never"}'
    assert misfits.shown == '{"x":7.12,"y":"never"}'


def test_a_struct_with_an_infinite_member_cannot_travel_whatever_else_is_wrong() -> None:
    """The gravest fault decides whether it may be sent."""
    members = {"x": objects_of([math.inf]), "y": objects_of(["never"])}
    (misfits,) = convert_members(members, POINTS["STRUCT"], 1).misfits

    assert (misfits.text, misfits.check) == (None, "finite")
    assert reason(misfits.why) == "member x: infinite"


def test_each_array_keeps_its_own_fault() -> None:
    """An infinite item in one array says nothing of the next."""
    converted = convert(
        pa.array([[1.0, math.inf], [1.0, None], [2.0], None, [math.inf, None]]), POINTS["ARRAY"]
    )

    assert [(o.position, o.check) for o in converted.misfits] == [
        (0, "finite"), (1, "items"), (4, "finite")
    ]  # fmt: skip
    assert converted.values.to_pylist() == [None, None, [2.0], None, None]
    whole = Measurepoint("p", "ARRAY", item_type="INT")
    reasons = [reason(o.why) for o in convert(objects_of([[1.5], [2**64], [1]]), whole).misfits]
    assert reasons[0] == "an item is not an integer"


@pytest.mark.parametrize("mark", [-1, 10, 1.5, "9", True, math.inf])
def test_a_quality_that_cannot_be_makes_its_value_odd(mark: Any) -> None:
    """The platform's qualities are integers from 0 to 9."""
    point = Measurepoint("p", "FLOAT", has_quality=True)
    converted = with_quality(convert(pa.array([7.12, 1.0]), point), objects_of([mark, 9]), point)

    (misfits,) = converted.misfits
    assert (misfits.position, misfits.check) == (0, "quality")
    assert '"value":7.12' in misfits.shown
    assert converted.quality.to_pylist() == [None, 9]


@pytest.mark.parametrize(
    "value", [np.array([1.0, np.inf]), {"a": [math.inf]}, decimal.Decimal("Infinity"),
              decimal.Decimal("1e999"), np.float16(np.inf), (1, math.inf), math.nan, b"x",
              pd.Period("2024"), "a\ud800"],
    ids=str,
)  # fmt: skip
def test_what_json_cannot_carry_has_no_text(value: Any) -> None:
    """An encoder writes infinity as null without a word: it must not get that far."""
    assert json_text(value) is None
    assert isinstance(shown(value), str)


def test_what_json_can_carry_has_its_natural_text() -> None:
    """Absent items are null, big integers keep their digits, odd memory layouts do not matter."""
    strided = np.arange(6.0)[::2]
    assert json_text([1.0, math.nan]) == b"[1.0,null]"
    assert json_text(2**70) == str(2**70).encode()
    assert json_text(strided) == b"[0.0,2.0,4.0]"
    assert json_text(strided.astype(">f8")) == b"[0.0,2.0,4.0]"
    assert json_text(np.array([1, "a"], object)) == b'[1,"a"]'
    assert json_text(TIME - dt.timedelta(days=365 * 60, microseconds=1)) == b'"-188049600001"'
    assert has_lone_surrogate({"a": ["x", "\ud800"]})
    assert not has_lone_surrogate({"a": ["x", 1, "🌬"]})
    assert Misfit.of(3, "a\ud800", "text", Detail("surrogate")).shown == "a\\ud800"
