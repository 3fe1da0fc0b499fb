"""Each rule of a thing model, as pandera sees it: the bound itself, and the first value beyond."""

from __future__ import annotations

from typing import Any

import oracle
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint, ThingModel
from mpreplay.model.schemas import arrow_of, rules_of, schema_of, series_of


def failures(point: Measurepoint, cells: list[Any]) -> dict[int, list[str]]:
    """Return which cells fail which checks."""
    frame = pd.DataFrame({point.identifier: series_of(pa.array(cells, point.arrow_type()))})
    found: dict[int, list[str]] = {}
    try:
        schema_of([point], "M").validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        for error in errors.schema_errors:
            answers = error.check(frame[point.identifier]).check_output
            for position in answers.index[~answers]:
                found.setdefault(int(position), []).append(error.check.name)
    return found


def members(*parts: Measurepoint) -> Measurepoint:
    """Return a struct of these members."""
    return Measurepoint("s", "STRUCT", members=parts)


INT_MAX, FLOAT_MAX = 2**31 - 1, 3.4028234663852886e38
TEN = {"minimum": 0, "maximum": 10}
OPEN = {**TEN, "exclusive_minimum": True, "exclusive_maximum": True}
BOUNDS: list[tuple[Measurepoint, list[Any], list[int]]] = [
    (Measurepoint("x", "INT"), [INT_MAX, -INT_MAX - 1, INT_MAX + 1, -INT_MAX - 2], [2, 3]),
    (Measurepoint("x", "INT", **TEN), [0, 10, -1, 11, None], [2, 3]),  # type: ignore[arg-type]
    (Measurepoint("x", "INT", **OPEN), [1, 9, 0, 10], [2, 3]),  # type: ignore[arg-type]
    (Measurepoint("x", "INT", minimum=5), [5, INT_MAX, INT_MAX + 1, 4], [2, 3]),
    (Measurepoint("x", "FLOAT"), [FLOAT_MAX, -FLOAT_MAX, None], []),
    (Measurepoint("x", "FLOAT", maximum=0.1), [0.1, 0.10000001], [1]),
    (Measurepoint("x", "FLOAT", maximum=0.1, exclusive_maximum=True), [0.1, 0.09], [0]),
    (Measurepoint("x", "DOUBLE", maximum=0.1), [0.1, 0.10000000000000002, -1e308], [1]),
    (
        Measurepoint("x", "INT", minimum=2**60 + 1, maximum=2**62),
        [2**60, 2**60 + 1, 2**62, 2**62 + 1, None],
        [0, 1, 2, 3],
    ),
    (Measurepoint("x", "DOUBLE", minimum=2**60 + 1), [float(2**60), float(2**60 + 256)], [0]),
    (Measurepoint("x", "DOUBLE", maximum=2**60 - 1), [float(2**60), float(2**60 - 128)], [0]),
    (Measurepoint("x", "DOUBLE"), [1e308, -1e308, None], []),
    (Measurepoint("x", "ENUM", keys=(1, 3)), [1, 3, 2, None], [2]),
    (Measurepoint("x", "ENUM", keys=("on", "off")), ["on", "On", "", None], [1, 2]),
    (Measurepoint("x", "STRING", max_length=2), ["é", "ab", "éa", "", None], [2]),
    (Measurepoint("x", "STRING"), ["x" * 1024, "x" * 1025, "é" * 513], [1, 2]),
    (Measurepoint("x", "BOOL"), [True, False, None], []),
]


@pytest.mark.parametrize(("point", "cells", "wrong"), BOUNDS, ids=lambda v: repr(v)[:40])
def test_a_bound_is_where_the_model_says(
    point: Measurepoint, cells: list[Any], wrong: list[int]
) -> None:
    """Off by one, a month of good values would be withheld, or one bad value would go."""
    assert sorted(failures(point, cells)) == wrong


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        ({"minimum": 2**60 + 1}, [2**60]),
        ({"minimum": 2**60, "exclusive_minimum": True}, [2**60]),
        ({"maximum": 2**60}, [2**60 + 1, 2**60 + 2]),
        ({"maximum": 2**60 + 1, "exclusive_maximum": True}, [2**60 + 1, 2**60 + 2]),
        ({"minimum": -(2**70), "maximum": 2**70}, []),
        ({"minimum": 2**63, "maximum": 2**64}, [2**60, 2**60 + 1, 2**60 + 2]),
        ({"minimum": float(2**60), "maximum": 1e300}, []),
    ],
)
def test_neighbours_beyond_2_to_53_are_two_integers(facts: Any, wrong: list[int]) -> None:
    """As floats they are one number, and a counter one too high would go."""
    cells = pa.array([2**60, 2**60 + 1, 2**60 + 2, None], pa.int64())
    *_, own = rules_of(Measurepoint("x", "INT", **facts))

    allowed = own.allowed(cells)

    assert [
        c for c, good in zip(cells.to_pylist(), allowed, strict=True) if c and not good
    ] == wrong


@pytest.mark.parametrize(
    ("text", "is_date"),
    [
        ("2024-02-29 23:59:59", True),
        ("1970-01-01 00:00:00", True),
        ("1969-12-31 23:59:59", True),
        ("2023-02-29 00:00:00", False),
        ("2024-02-30 00:00:00", False),
        ("2024-13-01 00:00:00", False),
        ("2024-00-01 00:00:00", False),
        ("2024-01-01 24:00:00", False),
        ("2024-01-01 23:60:00", False),
        ("2024-01-01 23:59:60", False),
        ("2024-1-5 00:00:00", False),
        ("2024-01-01T00:00:00", False),
        ("2024-01-01", False),
        ("2024-01-01 00:00:00 ", False),
        ("2024-01-01 00:00:00\n", False),
        ("", False),
    ],
)
def test_a_date_is_a_day_that_exists(text: str, is_date: bool) -> None:
    """Strptime takes much that no calendar holds."""
    found = failures(Measurepoint("x", "DATE"), [text, None])

    assert found == ({} if is_date else {0: ["date"]})


def test_a_members_rules_are_the_structs() -> None:
    """A struct is one value: what is wrong with a member is wrong with it, and named."""
    point = members(
        Measurepoint("a", "INT", maximum=10), Measurepoint(".b", "STRING", max_length=2),
        Measurepoint("c", "BOOL", required=True),
    )  # fmt: skip

    found = failures(
        point,
        [
            {"a": 10, ".b": "ab", "c": True},
            {"a": 11, ".b": "abc", "c": True},
            {"a": None, ".b": None, "c": False},
            {"a": 1, ".b": None, "c": None},
            None,
        ],
    )

    assert found == {1: ["a: range", ".b: length"], 3: ["c: required"]}


def test_an_items_rules_are_the_arrays() -> None:
    """An array with one bad item is one bad value; no items are no fault."""
    ints = Measurepoint("x", "ARRAY", item_type="INT")
    texts = Measurepoint("x", "ARRAY", item_type="STRING")

    assert failures(ints, [[1, 2**31], [], None, [1]]) == {0: ["item range"]}
    assert failures(ints, [[1] * 1024, [1] * 1025]) == {1: ["items"]}
    assert failures(texts, [["a", "b" * 1025], None, ["c"]]) == {0: ["item length"]}


def test_a_schema_has_a_column_for_each_point_that_can_travel() -> None:
    """Files go another way, and nobody can check what a model does not list."""
    points = [Measurepoint("P", "INT", name="power", unit="kW"), Measurepoint("f", "FILE")]

    schema = ThingModel("M", {p.identifier: p for p in points}).schema()

    assert list(schema.columns) == ["P"]
    assert (schema.columns["P"].title, schema.columns["P"].description) == ("power", "kW")
    assert not schema.columns["P"].required
    assert schema.columns["P"].nullable


@given(st.data())
def test_a_schema_decides_as_the_oracle_does(data: Any) -> None:
    """Of values of the right type exactly those fail that the model forbids."""
    point = data.draw(strategies.measurepoints(data.draw(strategies.identifiers)))
    anything = st.one_of(st.none(), strategies.values(point))
    if point.minimum is not None:
        anything |= st.integers(-1100, 1100)
    elif point.type in {"INT", "STRING", "DATE"}:
        anything |= st.integers(-(2**40), 2**40) if point.type == "INT" else strategies.texts
    elif point.type == "ENUM":
        anything |= st.integers(-9, 9) if point.has_int_keys else strategies.texts
    cells = data.draw(st.lists(anything, max_size=8))
    cells = [None if oracle.is_absent(cell) else cell for cell in cells]

    wrong = [n for n, c in enumerate(cells) if c is not None and not oracle.keeps(c, point)]

    assert sorted(failures(point, cells)) == wrong


def test_a_series_shares_the_arrays_memory() -> None:
    """A copy of every column for every check would cost more than the check."""
    array = pa.array([1.0, None, 3.0])

    assert arrow_of(series_of(array)).buffers()[1].address == array.buffers()[1].address
