"""The texts of a column: what a plain writer makes of each value alone, however many there are."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.values.column_json import pieces_of, texts_of
from mpreplay.values.text_pool import Member, always, key_of, laid_texts, lay_objects
from mpreplay.values.typed_column import TypedColumn

TEXTS = st.text(max_size=6) | st.sampled_from(['"', "\\", "\n", "\x7f", "\u2028", "é", "[", ","])
MEMBERS = (Measurepoint("a", "INT"), Measurepoint("b.", "STRING"))
STRUCTS = st.fixed_dictionaries({"a": st.none() | st.integers(-9, 9), "b.": st.none() | TEXTS})
KINDS: dict[str, tuple[Measurepoint, Any]] = {
    "STRING": (Measurepoint("S", "STRING"), TEXTS),
    "ARRAY": (
        Measurepoint("A", "ARRAY", item_type="INT"),
        st.lists(st.integers(-9, 99), max_size=3),
    ),
    "ARRAY of STRING": (
        Measurepoint("A", "ARRAY", item_type="STRING"),
        st.lists(TEXTS, max_size=3),
    ),
    "BOOL": (Measurepoint("B", "BOOL"), st.booleans()),
    "STRUCT": (
        Measurepoint("S", "STRUCT", members=MEMBERS),
        STRUCTS.filter(lambda value: any(part is not None for part in value.values())),
    ),
    "INT": (Measurepoint("I", "INT"), st.integers(-(2**63), 2**63 - 1)),
}


def column_of(
    point: Measurepoint, values: list[Any], marks: list[int | None] | None
) -> TypedColumn:
    """Return a column of Python values; a slice of a longer one, as a slab may be."""
    array = pa.array([None, *values], point.arrow_type())[1:]
    quality = None if marks is None else pa.array([None, *marks], pa.int64())[1:]
    return TypedColumn(point, array, quality, [], np.arange(len(values)))  # type: ignore[arg-type]


def plain(value: Any, mark: int | None) -> Any:
    """Return a value as it travels."""
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, dict):
        value = {name: part for name, part in sorted(value.items()) if part is not None}
    return value if mark is None else {"value": value, "quality": mark}


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(st.data())
def test_texts_are_those_of_each_value_alone(kind: str, data: st.DataObject) -> None:
    """Whatever is written together must read as if it had been written alone."""
    point, one = KINDS[kind]
    few = data.draw(st.lists(one, min_size=1, max_size=5))
    values = data.draw(st.lists(st.none() | st.sampled_from(few), max_size=12))
    values *= data.draw(st.sampled_from([1, 40]))  # many that repeat are written once
    some = st.lists(st.none() | st.integers(0, 9), min_size=len(values), max_size=len(values))
    marks = data.draw(st.none() | some) if not point.is_struct else None
    column = column_of(point, values, marks)
    of_all = marks or [None] * len(values)
    meant = [
        None if value is None else orjson.dumps(plain(value, mark)).decode()
        for value, mark in zip(values, of_all, strict=True)
    ]

    assert texts_of(column).array().to_pylist() == meant
    there = np.array([n for n, value in enumerate(values) if value is not None][::-1], np.int64)
    laid = laid_texts(pieces_of(column, there, ',"k":')).array().to_pylist()
    assert laid == [f',"k":{meant[n]}' for n in there.tolist()]


@given(st.integers(0, 6), st.lists(st.lists(st.booleans(), min_size=6, max_size=6), max_size=12))
def test_objects_hold_the_members_of_their_rows(n: int, there: list[list[bool]]) -> None:
    """Of few members or of many: an absent one leaves no trace."""
    names = [f"m{number}" for number in range(len(there))]
    members = []
    for name, mask in zip(names, there, strict=True):
        rows = np.flatnonzero(mask[:n])
        if len(rows):
            pieces = [always(key_of(name), len(rows)), always("7", len(rows))]
            members.append(Member(pieces, None if len(rows) == n else rows))
    text, offsets, counts = lay_objects([always("<", n)], members, [always("}>", n)], n)

    meant = [
        {name: 7 for name, mask in zip(names, there, strict=True) if mask[row]} for row in range(n)
    ]
    texts = [bytes(text[a:b]).decode() for a, b in pairwise(offsets)]
    assert [json.loads(one[1:-1]) for one in texts] == meant
    assert [one[0] + one[-1] for one in texts] == ["<>"] * n
    assert counts.tolist() == [len(one) for one in meant]
