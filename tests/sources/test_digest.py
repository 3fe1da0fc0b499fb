"""The digest of cells: the same for equal data, another for any other value."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.sources.digest import digest_of_cells

TEXTS = st.none() | st.text(max_size=3)
LONG = st.integers(-(2**63), 2**63 - 1)
# Arrow types, each with values that it can hold.
COLUMNS = st.one_of(
    *(
        st.tuples(st.just(kind), st.lists(st.none() | values, max_size=9))
        for kind, values in (
            (pa.int64(), LONG),
            (pa.uint8(), st.integers(0, 255)),
            (pa.float32(), st.floats(width=32, allow_nan=False)),
            (pa.float64(), st.floats(allow_nan=False)),
            (pa.bool_(), st.booleans()),
            (pa.string(), st.text(max_size=3)),
            (pa.large_string(), st.text(max_size=3)),
            (pa.binary(), st.binary(max_size=3)),
            (pa.binary(2), st.binary(min_size=2, max_size=2)),
            (pa.timestamp("us", "UTC"), LONG),
            (pa.decimal128(9, 2), st.decimals(-999, 999, places=2)),
            (pa.list_(pa.int64()), st.lists(st.none() | LONG, max_size=3)),
            (pa.list_(pa.string(), 2), st.lists(TEXTS, min_size=2, max_size=2)),
            (
                pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]),
                st.fixed_dictionaries({"a": LONG, "b": st.lists(TEXTS, max_size=2)}),
            ),
            (pa.map_(pa.string(), pa.int64()), st.lists(st.tuples(st.text(max_size=2), LONG))),
        )
    )
)


def digest(*parts: Any) -> str:
    """Return the digest of one column in parts."""
    return digest_of_cells({"x": part} for part in parts)


def of_table(column: pa.ChunkedArray) -> str:
    """Return the fingerprint of a table with one column."""
    history = mp.read_history(pa.table({"x": column}), time_column="x")
    return history.sources[0].fingerprint(["x"])


@given(COLUMNS, st.data())
def test_equal_values_have_equal_digests_however_they_are_cut(
    column: tuple[pa.DataType, list[Any]], data: st.DataObject
) -> None:
    """A journal is continued after a night in which the table was read in other pieces."""
    kind, values = column
    whole = pa.array(values, kind)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    edges = [0, *cuts, len(values)]
    pieces = [whole.slice(a, b - a) for a, b in pairwise(edges)]
    # A slice in the midst of other values, whose buffers it shares.
    around = pa.concat_arrays([whole, whole, whole]).slice(len(values), len(values))

    found = of_table(pa.chunked_array([whole], kind))
    assert of_table(pa.chunked_array(pieces, kind)) == found
    assert of_table(pa.chunked_array([around], kind)) == found


@given(COLUMNS, COLUMNS)
def test_other_values_have_other_digests(
    one: tuple[pa.DataType, list[Any]], other: tuple[pa.DataType, list[Any]]
) -> None:
    """A value that changed in a corner of the table must not be sent as if it had not."""
    first, second = (pa.array(values, kind) for kind, values in (one, other))
    text = pa.types.is_string(first.type) or pa.types.is_large_string(first.type)
    alike = text and (pa.types.is_string(second.type) or pa.types.is_large_string(second.type))
    kinds = first.type == second.type or alike

    # Not ==, for which 0.0 is -0.0; on the wire they differ.
    same = kinds and repr(one[1]) == repr(other[1])
    assert (digest(first) == digest(second)) == same


@given(COLUMNS, st.data())
def test_one_changed_value_changes_the_digest(
    column: tuple[pa.DataType, list[Any]], data: st.DataObject
) -> None:
    """The least change there is: one value becomes absent, or two change places."""
    kind, values = column
    if not values:
        return
    place = data.draw(st.integers(0, len(values) - 1))
    gone = [None if n == place else value for n, value in enumerate(values)]

    same = values[place] is None
    assert (digest(pa.array(values, kind)) == digest(pa.array(gone, kind))) == same


def test_what_lies_behind_an_absent_value_is_no_difference() -> None:
    """Two libraries leave other leavings there."""
    mask = pa.py_buffer(b"\x05")  # the second of three is absent
    numbers = [
        pa.Array.from_buffers(pa.int64(), 3, [mask, pa.py_buffer(np.array(cells, np.int64))])
        for cells in ([1, 0, 3], [1, 99, 3])
    ]
    texts = [
        pa.Array.from_buffers(
            pa.string(), 3, [mask, pa.py_buffer(np.array(at, np.int32)), pa.py_buffer(data)]
        )
        for at, data in (([0, 1, 1, 2], b"ac"), ([0, 1, 4, 5], b"axyzc"))
    ]

    assert digest(numbers[0]) == digest(numbers[1]) == digest(pa.array([1, None, 3]))
    assert digest(texts[0]) == digest(texts[1]) == digest(pa.array(["a", None, "c"]))


def test_the_layout_of_an_array_is_no_difference_and_its_type_is() -> None:
    """Equal are texts in any width, view, dictionary or run; an int32 and an int64 are not."""
    texts = pa.array(["b", "a", None, "b"])
    numbers = pa.array([1, 1, None, 2])
    other_order = pa.DictionaryArray.from_arrays(pa.array([1, 0, 2, 1]), pa.array(["a", "b", None]))
    same = [
        texts,
        texts.cast(pa.large_string()),
        texts.cast(pa.string_view()),
        texts.dictionary_encode(),
        other_order,
    ]

    assert len({digest(one) for one in same}) == 1
    assert digest(numbers) == digest(pc.run_end_encode(numbers))
    assert digest(pa.array([[1], None])) == digest(pa.array([[1], None], pa.list_view(pa.int64())))
    kinds = (pa.int32(), pa.int64(), pa.uint64(), pa.float64(), pa.string(), pa.null())
    assert len({digest(pa.nulls(2, kind)) for kind in kinds}) == len(kinds)
    assert digest(pa.array(["1"])) != digest(pa.array([b"1"]))


def objects(*values: Any) -> np.ndarray[Any, Any]:
    """Return values as an array of objects, also where they are lists."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


class Shy:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


def deep() -> list[Any]:
    """Return a list deeper than Python's stack."""
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


def circle() -> list[Any]:
    """Return a list that holds itself."""
    found: list[Any] = [1]
    found.append(found)
    return found


NAIVE = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - a cell may be like this
OBJECTS = [
    None, pd.NA, 0, 1, True, 1.0, -0.0, 0.0, float("inf"), np.float32(1), np.int64(1), "1", b"1",
    "\ud800", 10**5_000, decimal.Decimal("1.0"), decimal.Decimal("1.00"), pd.NaT, 1j,
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC), NAIVE, dt.date(2024, 1, 1), dt.time(1),
    pd.Timestamp(2024, 1, 1, nanosecond=1), np.datetime64("2024-01-01"), pd.Timedelta(1),
    [1], (1,), {1}, [[1], 2], [[1, 2]], {"a": 1}, {1: "a"}, {"a": None}, np.array([1, 2]),
    np.array([1, 2], np.int8), np.array([[1, 2]]), np.array([1.0, None]), np.arange(5_000),
    np.where(np.arange(5_000) == 2_500, -1, np.arange(5_000)), [np.arange(5_000)],
    [np.where(np.arange(5_000) == 2_500, -1, np.arange(5_000))], np.array([1], np.longdouble),
    pa.scalar([1]), pa.array([1]), pd.Series([1]), Shy(), circle(),
]  # fmt: skip


def test_objects_are_told_apart_by_their_values() -> None:
    """Texts of objects leave out the middle of long ones, and take 1 for True in places."""
    assert len({digest(objects(one)) for one in OBJECTS}) == len(OBJECTS)
    assert digest(objects(deep())) != digest(objects([[]]))
    assert digest(objects("a", None)) == digest(objects("a", float("nan")))  # both are absent
    assert digest(objects("a", "b")) != digest(objects("ab", ""))


def test_the_digest_is_the_same_in_another_process() -> None:
    """Texts hash to other numbers there, and objects have other addresses."""
    code = (
        "import numpy as np; from mpreplay.sources.digest import digest_of_cells\n"
        "class Plain: pass\n"
        "cells = np.array([{'a', 'b', 'c'}, frozenset([1]), Plain(), {'k': [1, 2.5]}], object)\n"
        "print(digest_of_cells([{'x': cells}]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }

    assert len(found) == 1
    known = "572b4d055dba4c370c32b160eee9ad647a50d17db5d920de98e0b83af7a6d674"
    assert digest(pa.array([1, None])) == known  # also by later versions: journals outlive them


@pytest.mark.parametrize("name", ["a", "\ud800", ""])
def test_names_belong_to_the_values(name: str) -> None:
    """Two columns that change their names are two other columns."""
    one, two = pa.array([1]), pa.array([2])

    assert digest_of_cells([{name: one, "b": two}]) != digest_of_cells([{"b": one, name: two}])
