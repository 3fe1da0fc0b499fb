"""The short cut before pandera: it says exactly what pandera says of the whole schema."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import numpy as np
import pandera.pandas as pandera
import pyarrow as pa
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint, ThingModel, read_history, validate
from mpreplay.checks.checker import Checker
from mpreplay.checks.prescreen import Proof, proofs_of
from mpreplay.display.reasons import reason
from mpreplay.history.slab import Readings
from mpreplay.model.device import Device
from mpreplay.model.model_set import ModelSet
from mpreplay.values.typed_column import TypedColumn

# What is next to a bound, what only some types hold, what compares like nothing else.
FLOATS = [math.nan, -0.0, 0.0, math.inf, -math.inf, 1e-45, 3.4028234663852886e38]
INTS = [0, -(2**31) - 1, -(2**31), 2**31 - 1, 2**31, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]


def numbers(point: Measurepoint) -> st.SearchStrategy[Any]:
    """Return numbers of a point's type, many of them at its bounds or next to them."""
    bounds = [b for b in (point.minimum, point.maximum) if b is not None]
    if point.type == "INT":
        near = [int(b) + n for b in bounds for n in (-1, 0, 1)]
        return st.sampled_from([*INTS, *near]) | st.integers(-1100, 1100)
    kind = np.float32 if point.type == "FLOAT" else np.float64
    near = [
        float(np.nextafter(kind(b), kind(to)))
        for b in bounds
        for to in (-np.inf, b, np.inf)
    ]  # fmt: skip
    width = 32 if point.type == "FLOAT" else 64
    return st.sampled_from([*FLOATS, *near]) | st.floats(-1100, 1100, width=width)


def raw_values(point: Measurepoint) -> st.SearchStrategy[Any]:
    """Return values of a point's Arrow type, allowed or not, some absent."""
    match point.type:
        case "INT" | "FLOAT" | "DOUBLE":
            some = numbers(point)
        case "ENUM" if point.has_int_keys:
            some = st.sampled_from([*point.keys, 99]) | st.integers(-9, 9)
        case "ENUM":
            some = st.sampled_from([*point.keys, "no such key"])
        case "STRING":
            some = st.integers(0, 7).map(lambda n: "é" * n) | strategies.texts
        case "DATE":
            some = st.sampled_from(["2024-02-29 00:00:00", "2024-02-30 00:00:00", "2024-1-5", ""])
        case "STRUCT":
            parts = {m.identifier: raw_values(m) for m in point.members}
            some = st.fixed_dictionaries(parts)
        case "ARRAY":
            item = Measurepoint(point.identifier, str(point.item_type))
            few = st.lists(raw_values(item).filter(lambda v: v is not None), max_size=3)
            some = few | st.just([one_item(item)] * 1_025)
        case _:
            some = strategies.values(point)
    return st.none() | some | some | some


def one_item(item: Measurepoint) -> Any:
    """Return an item that every array may hold."""
    return "" if item.type == "STRING" else 0


@st.composite
def settled(draw: Any) -> tuple[ThingModel, list[TypedColumn]]:
    """Draw a model, and columns of some of its points in any order and of several lengths."""
    model = draw(strategies.thing_models())
    names = draw(st.permutations(sorted(model.measurepoints)))
    columns = []
    for name in names[: draw(st.integers(1, len(names)))]:
        point = model.measurepoints[name]
        cells = draw(st.lists(raw_values(point), max_size=6))
        array = pa.array(cells, point.arrow_type())
        skipped = draw(st.integers(0, len(array)))  # Arrow's slices share their parent's buffers
        columns.append(column_of(point, array.slice(skipped)))
    return model, columns


def column_of(point: Measurepoint, values: pa.Array) -> TypedColumn:
    """Return values as a column of the readings."""
    return TypedColumn(point, values, None, [], np.arange(len(values)))


def faults(columns: list[TypedColumn], given: Any) -> list[Any]:
    """Return what the checks say, in plain values."""
    n = max(len(column.values) for column in columns)
    readings = Readings(
        0, "DataFrame", np.arange(n), np.arange(n), np.zeros(n, np.int64), [Device("p", "d")], {},
        columns, given,
    )  # fmt: skip
    found = Checker(ModelSet.of(given)).faults(readings)
    return [(f.column, f.positions.tolist(), f.check, reason(f.why)) for f in found]


@given(settled())
def test_the_short_cut_says_what_pandera_says_of_the_whole(
    drawn: tuple[ThingModel, list[TypedColumn]],
) -> None:
    """The same values, for the same reasons, in the same order: nobody can tell it was taken."""
    model, columns = drawn
    order = list(model.measurepoints)
    numbered = sorted(enumerate(columns), key=lambda one: order.index(one[1].point.identifier))

    # One by one: pandera cannot report a large integer together with a float.
    whole = [
        (number, *fault[1:])
        for number, column in numbered
        for fault in faults([column], model.schema())
    ]
    assert faults(columns, model) == whole


@given(settled())
def test_what_is_shown_to_be_allowed_fails_no_check(
    drawn: tuple[ThingModel, list[TypedColumn]],
) -> None:
    """Column by column, so that one at fault does not hide another."""
    model, columns = drawn
    proofs = proofs_of(model.measurepoints.values())

    for column in columns:
        doubtful = proofs[column.point.identifier].doubtful(column.values).tolist()
        for _, positions, _, _ in faults([column], model.schema()):
            assert set(positions) <= set(doubtful)


@pytest.mark.parametrize(
    ("point", "cells"),
    [
        (Measurepoint("P", "FLOAT", minimum=-1, maximum=1), [-1.0, 1.0, -0.0, None]),
        (Measurepoint("P", "INT"), [-(2**31), 2**31 - 1]),
        (Measurepoint("P", "STRING", max_length=2), ["é", "", None]),
        (Measurepoint("P", "ENUM", keys=(1, 2)), [2, 1, None]),
        (Measurepoint("P", "DATE"), ["2024-02-29 00:00:00"]),
        (Measurepoint("P", "DOUBLE", maximum=1), [None, None]),
        (Measurepoint("P", "BOOL"), [True, None]),
        (Measurepoint("P", "ARRAY", item_type="INT"), [[1], []]),
    ],
    ids=["bounds", "int", "bytes", "enum", "date", "absent", "no rule", "array"],
)
def test_a_good_column_is_shown_to_hold(point: Measurepoint, cells: list[Any]) -> None:
    """Else the short cut would be one in name only."""
    assert Proof(point).doubtful(pa.array(cells, point.arrow_type())).tolist() == []


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE"])
@given(st.lists(st.floats(0, 1, width=32), max_size=5), st.integers(0, 5))
def test_nothing_is_shown_of_nan(kind: str, cells: list[float], place: int) -> None:
    """It compares like no number: pandera is asked what it makes of it."""
    point = Measurepoint("P", kind, maximum=2)
    place = min(place, len(cells))
    cells.insert(place, math.nan)

    assert Proof(point).doubtful(pa.array(cells, point.arrow_type())).tolist() == [place]


def test_only_values_that_may_be_at_fault_are_handed_to_pandera() -> None:
    """Of a clean year pandera need not be asked at all."""
    import pandas as pd

    model = ThingModel("M", {n: Measurepoint(n, "FLOAT", maximum=9) for n in ("a", "b")})
    index = pd.date_range("2024", periods=2, tz="UTC")
    history = read_history(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 10.0]}, index=index))
    asked: list[str] = []
    check = pandera.Check.__call__

    def watched(self: pandera.Check, column: Any, *rest: Any) -> Any:
        asked.extend(map(str, column.tolist()))
        return check(self, column, *rest)

    with mock.patch.object(pandera.Check, "__call__", watched):
        validation = validate(history, model)

    assert asked == ["10.0"]
    assert validation.violations["measurepoint"].tolist() == ["b"]
