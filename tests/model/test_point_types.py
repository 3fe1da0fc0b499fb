"""The table of types, held against every other place that has to know each type.

Whoever adds a row to ``POINT_TYPES`` reads here which places are left.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import mpreplay
from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.model.point_types import POINT_TYPES, TYPES, PointType
from mpreplay.model.schemas import rules_of
from mpreplay.simulator.judging import _MAKERS, check_of
from mpreplay.simulator.limits import PlatformLimits
from mpreplay.values.column_json import longest_text, texts_of
from mpreplay.values.conversion import _NESTED, convert
from mpreplay.values.plain_text import plain_texts, read_plain
from mpreplay.values.scalars import SCALARS
from mpreplay.values.typed_column import TypedColumn

TRAVELLING = [name for name, facts in POINT_TYPES.items() if facts.travels]
LARGEST = str(np.finfo(np.float32).max)
# Any value of the Arrow type is allowed.
WITHOUT_RULES = {"BOOL", "TIMESTAMP"}
# Facts without which a point of the type has no rules, or cannot exist.
FACTS: dict[str, dict[str, Any]] = {
    "ENUM": {"keys": ("a",)},
    "ARRAY": {"item_type": "INT"},
    "STRUCT": {"members": (Measurepoint("x", "INT", required=True),)},
}
# Modules that may name types, and why. Elsewhere ``Measurepoint`` has a property for each question.
NAMING = {
    "model/point_types.py": "the table",
    "model/measurepoint.py": "the properties",
    "model/schemas.py": "rules_of: one function a type",
    "model/json_shapes.py": "the names in documents",
    "model/json_keys.py": "the types of an ENUM's keys",
    "model/drafting.py": "the types drafted for Arrow types",
    "model/drafts.py": "the types of numbers and texts seen together",
    "values/scalars.py": "SCALARS: one function a type",
    "values/conversion.py": "_NESTED: one function a type",
    "cli/options.py": "FILE as a metavar",
}


@st.composite
def columns(draw: Any, name: str) -> TypedColumn:
    """Draw a column of a type with values that fit, and absent ones."""
    if name == "ANY":
        point = Measurepoint("p", name)
        cell: Any = st.booleans() | st.integers(-9, 9) | strategies.texts | st.just([1, "a"])
    else:
        point = draw(strategies.measurepoints("p", kind=name))
        cell = strategies.values(point)
    cells = draw(st.lists(cell | st.none(), max_size=5))
    converted = convert(objects_of(cells), point)
    assert converted.misfits == [], f"mpreplay/values: the converter of {name} takes no {cells}"
    return TypedColumn(point, converted.values, None, [], np.arange(len(cells)))


def test_the_literal_and_the_table_name_the_same_types() -> None:
    """Mypy knows the names from one, everything else from the other."""
    assert list(get_args(PointType)) == list(POINT_TYPES)
    assert [facts.name for facts in POINT_TYPES.values()] == list(POINT_TYPES)


def test_the_tables_of_functions_have_no_other_types() -> None:
    """An entry for a type that no longer exists is never called."""
    assert {*SCALARS, *_NESTED, *_MAKERS} <= TYPES


@pytest.mark.parametrize("name", POINT_TYPES)
def test_every_type_has_an_arrow_type_in_which_its_point_is_held(name: str) -> None:
    """``Measurepoint.arrow_type`` decides where the table does not."""
    point = Measurepoint("p", name, **FACTS.get(name, {}))

    made = POINT_TYPES[name].arrow
    kind = point.arrow_type()

    assert (made is None) == (name in FACTS), f"model/point_types.py: {name} needs an Arrow type"
    assert point.is_number == (pa.types.is_integer(kind) or pa.types.is_floating(kind))


@pytest.mark.parametrize("name", TRAVELLING)
def test_every_type_that_travels_has_a_converter(name: str) -> None:
    """Without one a replay ends with a KeyError."""
    place = "mpreplay/values: scalars.SCALARS or conversion._NESTED"

    assert (name in SCALARS) + (name in _NESTED) == 1, f"{place} needs one entry for {name}"


@pytest.mark.parametrize("name", TRAVELLING)
def test_every_type_that_travels_has_rules_where_values_may_be_wrong(name: str) -> None:
    """A type without rules is sent unchecked, which has to be meant."""
    facts = POINT_TYPES[name]
    own = {"minimum": 0, "maximum": 1} if facts.is_number else FACTS.get(name, {})
    needs_rules = facts.has_schema and name not in WITHOUT_RULES

    rules = rules_of(Measurepoint("p", name, **own))

    place = "mpreplay/model/schemas.py: rules_of, or WITHOUT_RULES of this test"
    assert bool(rules) == needs_rules, f"{place} needs {name}"


@pytest.mark.parametrize("name", TRAVELLING)
def test_every_type_that_travels_is_judged_by_the_rehearsal_platform(name: str) -> None:
    """A rehearsal would end with a KeyError."""
    assert name in _MAKERS, f"mpreplay/simulator/judging.py: _MAKERS needs an entry for {name}"


@pytest.mark.parametrize("name", strategies.TYPES)
def test_every_type_of_a_model_is_made_up_by_the_strategies(name: str) -> None:
    """All property tests draw their points and values from there."""
    point = Measurepoint("p", name, **FACTS.get(name, {}))

    assert isinstance(strategies.values(point), st.SearchStrategy)
    assert name in strategies.WRONG, f"tests/strategies.py: WRONG needs an entry for {name}"


@pytest.mark.parametrize("name", TRAVELLING)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_every_type_that_travels_is_written_as_json_that_says_the_same(
    name: str, data: st.DataObject
) -> None:
    """The texts are read back as the same values, and the rehearsal platform takes them."""
    column = data.draw(columns(name))
    accepts = check_of(column.point, PlatformLimits(range_violations=False))

    texts = texts_of(column).array().to_pylist()

    read = [None if text is None else json.loads(text) for text in texts]
    again = convert(objects_of(read), column.point)
    assert again.values.equals(column.values), f"values/column_json.py: {name} goes as {texts}"
    is_text = column.point.is_text
    quoted = [text.startswith('"') == is_text for text in texts if text]
    assert all(quoted) or name == "ANY", f"model/point_types.py: is_text of {name} is {is_text}"
    assert longest_text(column) >= max((len(text) for text in texts if text), default=0)
    # As a 64-bit number the shortest form of the largest FLOAT exceeds FLOAT_RANGE a little, and
    # the rehearsal platform rejects it.
    assume(not any(LARGEST in text for text in texts if text))
    assert all(accepts(value) for value in read if value is not None), f"judging.py: {name} {read}"


@pytest.mark.parametrize("name", TRAVELLING)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_every_type_that_travels_is_written_as_plain_text_that_says_the_same(
    name: str, data: st.DataObject
) -> None:
    """A rejects frame that is corrected and replayed must not change the other values."""
    column = data.draw(columns(name))
    there = np.flatnonzero(column.present())

    texts = plain_texts(column, there)

    read = [read_plain(text, column.point)[0] for text in texts]
    again = convert(objects_of(read), column.point)
    wanted = column.values.take(pa.array(there))
    assert again.values.equals(wanted), f"values/plain_text.py: {name} is written as {texts}"


def test_types_are_named_in_few_modules() -> None:
    """A comparison elsewhere is one that a new type would silently fall through."""
    package = Path(mpreplay.__file__).parent
    named = {
        f"{place}:{line}"
        for path in package.rglob("*.py")
        if (place := path.relative_to(package).as_posix()) not in NAMING
        # The rehearsal platform is built apart, and FILE is a word for help as well.
        and not place.startswith(("simulator/", "cli/"))
        for line in _lines_with_types(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert named == set()


def _lines_with_types(node: ast.AST) -> Iterator[int]:
    """Yield the lines of strings that name a type, other than those that make a point."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in TYPES:
        yield node.lineno
    is_point = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Measurepoint")
    for child in () if is_point else ast.iter_child_nodes(node):
        yield from _lines_with_types(child)
