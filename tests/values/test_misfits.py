"""Misfits are kept together by their reason: what is said of many is what each would say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.cells.arrays import objects_of
from mpreplay.display.facts import Detail
from mpreplay.values.misfits import Cells, Misfit, Misfits, Unfit

WHY = Detail("not_integer")
FLOATS = st.floats() | st.none()
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "double": (pa.float64(), FLOATS),
    "float": (pa.float32(), st.floats(width=32) | st.none()),
    "text": (pa.string(), st.text(max_size=5) | st.none()),
    "time": (pa.timestamp("us", "UTC"), st.integers(-(2**63), 2**63 - 1)),
    "naive time": (pa.timestamp("ns"), st.integers(-(2**63), 2**63 - 1)),
    "day": (pa.date32(), st.integers(-(2**31), 2**31 - 1)),
    "length": (pa.duration("s"), st.integers(-(2**63), 2**63 - 1)),
    "list": (pa.list_(pa.float64()), st.lists(FLOATS, max_size=3) | st.none()),
    "struct": (
        pa.struct([("a", pa.float64()), ("b", pa.list_(pa.string()))]),
        st.fixed_dictionaries({"a": FLOATS, "b": st.lists(st.text(max_size=2), max_size=2)})
        | st.none(),
    ),
    "bytes": (pa.binary(), st.binary(max_size=3)),
    "decimal": (pa.decimal128(9, 2), st.decimals(-99, 99, places=2)),
}


@given(st.data(), st.sampled_from([*COLUMNS]), st.booleans())
def test_what_is_said_of_cells_together_is_what_each_says(
    data: Any, name: str, as_objects: bool
) -> None:
    """A value without a JSON text is withheld under any policy: the mask must not miss one."""
    kind, cells = COLUMNS[name]
    values = data.draw(st.lists(cells, min_size=1, max_size=6))
    column = pa.array(values, kind)
    given_ = objects_of(column.to_pylist()) if as_objects and _has_objects(column) else column
    there = np.array([one is not None and one == one for one in values])  # noqa: PLR0124 - NaN
    places = np.flatnonzero(there)
    group = Unfit(places, "type", WHY, Cells(given_), places)

    made = group.made()

    assert [one.position for one in made] == places.tolist()
    assert group.travels().tolist() == [one.text is not None for one in made]
    assert all(len(one.text) <= group.maker.longest() for one in made if one.text is not None)


def _has_objects(column: pa.Array) -> bool:
    try:
        column.to_pylist()
    except (OverflowError, ValueError):
        return False
    return True


def test_misfits_are_a_sequence_in_the_order_of_their_positions() -> None:
    """Whoever goes through them need not know how they are kept."""
    cells = Cells(objects_of(["a", "b", "c"]))
    late = Unfit(np.array([4, 0]), "type", WHY, cells, np.array([2, 0]))
    misfits = Misfits.joined([Misfits([late]), [Misfit(2, b"7", "range", WHY, "7")]])

    assert len(misfits) == 3
    assert [one.text for one in misfits] == [b'"a"', b"7", b'"c"']
    assert misfits[-1].position == 4
    assert [one.position for one in misfits.at(np.array([0, 1, 2]))] == [0, 2]
    assert [one.position for one in misfits.placed(np.array([-1, 9, 8, 7, 6]))] == [6, 8]
    assert [one.position for one in misfits.without(np.arange(5) == 2)] == [0, 4]
    assert misfits == list(misfits)


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b"]])
def test_a_name_that_occurs_twice_leaves_the_cells_to_be_looked_at(names: list[str]) -> None:
    """Such an object has no JSON text, however harmless its values are."""
    column = pa.StructArray.from_arrays([pa.array([1.5]), pa.array([2.5])], names)
    group = Unfit(np.arange(1), "type", WHY, Cells(column), np.arange(1))

    assert group.travels().tolist() == [one.text is not None for one in group.made()]
