"""Models that are drafted from data, and the data again."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.cells.arrays import objects_of

WHOLE = [0, 1, -5, 2**31 - 1, 2**31, -(2**31) - 1, 2**40, 2**53 + 1, 2**63 - 1, 2**64 - 1, 2**64]
NUMBERS = [*WHOLE, 1.5, 1e300, float("inf"), float("nan"), decimal.Decimal("999.9"),
           decimal.Decimal("1e999"), decimal.Decimal("sNaN"), np.float32(7.12), np.float16(0.1),
           np.longdouble("1e400"), np.longdouble(1.5), np.int8(3), np.uint64(2**63),
           1j]  # fmt: skip
TEXTS = ["", "a", "é" * 600, "x" * 2000, "lone \ud800"]
OTHERS = [True, np.bool_(False), b"x", dt.date(2024, 1, 1), dt.time(12), dt.timedelta(1),
          dt.datetime(2024, 1, 1), pd.Timestamp("2024", tz="UTC"), np.datetime64("2024-01-01"),  # noqa: DTZ001
          np.timedelta64(5, "s"), pd.Period("2024"), pd.Interval(0, 1), uuid.UUID(int=1),
          None, pd.NA, pd.NaT, object(), pa.MonthDayNano([1, 2, 3])]  # fmt: skip
scalars = st.sampled_from([*NUMBERS, *TEXTS, *OTHERS])
few = st.one_of(st.sampled_from([0, 1, 2**40]), st.sampled_from(["a", "b"]), st.just(1.5))
arrays = st.lists(few, max_size=3) | st.lists(scalars, max_size=3) | st.just([0] * 1025)
objects = st.recursive(
    scalars | few,
    lambda inner: (
        arrays
        | st.lists(few, max_size=3).map(objects_of)
        | st.lists(st.integers(0, 9), max_size=3).map(np.array)
        | st.dictionaries(st.sampled_from(["x", "y", "", "value", "quality"]), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=4,
)
NUMPY_TYPES = ["?", "i1", "u1", "i4", ">i4", "i8", "u8", "f2", "f4", ">f8", "f8", "g", "c8",
               "M8[ns]", "m8[s]", "U3", "S3"]  # fmt: skip
PANDAS_TYPES = ["Int8", "Int64", "UInt64", "Float32", "Float64", "boolean", "string", "str",
                "category", "Sparse[float64]", "Sparse[int64]", "period[D]"]  # fmt: skip
ARROW_TYPES = [pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.bool_(), pa.string(),
               pa.null(), pa.large_string(), pa.string_view(), pa.binary(), pa.decimal128(20, 2),
               pa.decimal256(76, 2), pa.date32(), pa.date64(), pa.time64("ns"), pa.timestamp("ns"),
               pa.timestamp("s", "Europe/Paris"), pa.duration("us"), pa.list_(pa.int64()),
               pa.large_list(pa.float32()), pa.list_(pa.string(), 2), pa.list_view(pa.int64()),
               pa.struct([("x", pa.int64()), ("y", pa.string_view())]),
               pa.map_(pa.string(), pa.int64()), pa.dictionary(pa.int8(), pa.string()),
               pa.month_day_nano_interval(), pa.struct([("x", pa.timestamp("s"))]),
               pa.struct([("x", pa.int64()), ("x", pa.int64())])]  # fmt: skip


def cast(values: list[Any], kind: Any) -> pd.Series | None:
    """Return values as a column of a type, or None if they cannot be one."""
    try:
        if isinstance(kind, pa.DataType):
            return pd.Series(pd.array(pa.array(values, kind), dtype=pd.ArrowDtype(kind)))
        if kind in NUMPY_TYPES:
            return pd.Series(np.array(values).astype(kind))
        return pd.Series(values, dtype=kind)
    except Exception:  # whatever the library makes of them: no column
        return None


@st.composite
def columns(draw: Any) -> pd.Series:
    """Draw a column of any type that a frame may have."""
    kind = draw(st.sampled_from(["object", *NUMPY_TYPES, *PANDAS_TYPES, *ARROW_TYPES]))
    alike = draw(st.sampled_from([WHOLE[:4], WHOLE[:8], NUMBERS, TEXTS, [True, False], [1.5, 2]]))
    values = draw(
        st.lists(st.sampled_from(alike) | st.none(), min_size=3, max_size=3)
        | st.lists(objects, min_size=3, max_size=3)
        | st.lists(arrays, min_size=3, max_size=3)
    )
    column = None if kind == "object" else cast(values, kind)
    if column is not None:
        return column
    return pd.Series(objects_of(values), dtype=object)


@settings(max_examples=200)
@given(columns())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, about the columns themselves
def test_a_draft_accepts_what_it_is_drafted_from(column: pd.Series) -> None:
    """Or leaves the column out, or says why not: a first try that fails teaches nothing."""
    frame = pd.DataFrame({"x": column}).set_axis(
        pd.date_range("2024", periods=3, freq="s", tz="UTC")
    )

    try:
        model = mp.ThingModel.from_frame(frame)
    except mp.ConfigError as error:
        assert "'x'" in str(error)
        return

    left_out = [] if model.measurepoints else ["x"]
    found = mp.validate(mp.read_history(frame, ignore=left_out, plausible=None), model)
    assert found.ok, found.violations.to_string()
    assert mp.ThingModel.load(model.to_json()) == model


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2**31 - 1], "INT"),
        ([1, 2**31], "DOUBLE"),
        (np.array([2**63], "u8"), "DOUBLE"),
        ([decimal.Decimal("999.9")], "DOUBLE"),
        (np.array([7.12], "f4"), "FLOAT"),
        (np.array([7.12], "g"), "DOUBLE"),
        (pd.array([1, None], "Int64"), "INT"),
        (pd.array(["a", None], pd.ArrowDtype(pa.string_view())), "STRING"),
        ([True, None], "BOOL"),
        ([1, 2.5], "DOUBLE"),
        ([[1, 2], None], "ARRAY"),
        ([{"x": 1}, {"y": "a"}], "STRUCT"),
        (pd.date_range("2024", periods=2), None),
        ([b"x"], None),
        ([None, None], None),
        ([[], []], None),
        (pd.period_range("2024", periods=2), None),
    ],
    ids=str,
)
def test_a_column_is_drafted_as_what_it_holds(values: Any, kind: str | None) -> None:
    """INT where 32 bits hold it, else DOUBLE; times are keys more often than readings."""
    points = mp.ThingModel.from_frame(pd.DataFrame({"x": values})).measurepoints

    assert {point.type for point in points.values()} == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column 'a' occurs twice"),
        (pd.DataFrame({0: [1]}), "must be a text, got 0"),
        (pd.DataFrame({"x": [1, "a"]}), "'x' holds values of several kinds"),
        (pd.DataFrame({"x": [1j]}), "'x' holds values of several kinds, or of one"),
        (pd.DataFrame({"x": [2**60 + 1]}), "'x' holds the integer 1152921504606846977"),
        (pd.DataFrame({"x": [1.5, np.inf]}), "'x' holds an infinite value"),
        (pd.DataFrame({"x": [[1, None]]}), "'x' holds an array with an absent item"),
        (pd.DataFrame({"x": [[0] * 1025]}), "'x' holds an array of more than 1024 items"),
        (pd.DataFrame({"x": [["x" * 2000]]}), "'x' holds an array with a text of more than 1024"),
        (pd.DataFrame({"x": [{"t": dt.date(2024, 1, 1)}]}), "'x' holds a member 't' that"),
        (pd.DataFrame({"x": [{1: 2}]}), "'x' holds a member named 1"),
        (pd.DataFrame({"x": pd.Series(["\ud800"], dtype=object)}), "'x' holds texts with lone"),
        (pd.DataFrame({"x": [np.zeros((2, 2))]}), "'x' holds arrays of several dimensions"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_column_that_no_draft_can_accept_is_named(frame: pd.DataFrame, said: str) -> None:
    """With what it holds, and what to do."""
    with pytest.raises(mp.ConfigError, match=said):
        mp.ThingModel.from_frame(frame)


def test_a_name_that_occurs_twice_may_be_left_out() -> None:
    """The other columns make a model."""
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])

    assert set(mp.ThingModel.from_frame(frame, ignore=("a",)).measurepoints) == {"b"}
