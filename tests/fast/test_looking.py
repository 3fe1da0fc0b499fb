"""A look over floats: what the general path finds, or nothing."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.checks.prescreen import Proof
from mpreplay.fast import library
from mpreplay.fast.looking import finite_floats, look_over
from mpreplay.values.conversion import convert

KINDS = {"FLOAT": pa.float32(), "DOUBLE": pa.float64()}


@pytest.fixture(scope="module")
def compiled() -> Any:
    """Return the compiled pass, whether or not it is switched off."""
    state = library.found()
    if state.library is None:
        pytest.skip(str(state))
    return state.library


def used(functions: Any) -> Any:
    """Use the compiled pass, or none."""
    return mock.patch.object(library, "state", return_value=library.State(functions, ""))


@st.composite
def arrays(draw: Any, odd: bool = True) -> pa.Array:
    """Draw floats of 32 or 64 bits, some absent: a slice of a longer array."""
    kind = draw(st.sampled_from([pa.float32(), pa.float64()]))
    width = 32 if kind == pa.float32() else 64
    number = st.floats(width=width, allow_nan=odd, allow_infinity=odd)
    number |= st.floats(-50, 50, width=width)
    cells = draw(st.lists(st.none() | number if draw(st.booleans()) else number, max_size=60))
    start = draw(st.integers(0, len(cells)))
    stop = draw(st.integers(start, len(cells)))
    return pa.array(cells, kind).slice(start, stop - start)


@settings(max_examples=300)
@given(arrays())
def test_a_look_finds_the_ends_and_whether_all_are_finite(compiled: Any, values: pa.Array) -> None:
    """Of any length, from any bit on: what is absent does not count."""
    there = np.array([x for x in values.to_pylist() if x is not None], float)

    look = look_over(compiled, values)

    assert look is not None
    assert look.n == len(there)
    assert look.is_finite == np.isfinite(there).all()
    numbers = there[~np.isnan(there)]
    ends = (numbers.min(), numbers.max()) if len(numbers) else (np.inf, -np.inf)
    assert (look.least, look.most) == ends


@settings(max_examples=300)
@given(arrays(), st.sampled_from(sorted(KINDS)))
def test_a_column_is_converted_alike_with_and_without_the_pass(
    compiled: Any, values: pa.Array, kind: str
) -> None:
    """An infinity, or a double beyond a FLOAT, is found by name in both."""
    point = Measurepoint("P", kind)
    made = []
    for functions in (compiled, None):
        with used(functions):
            converted = convert(values, point)
        misfits = [(m.position, m.check, m.why, m.text) for m in converted.misfits]
        made.append((converted.values, converted.values.to_pylist(), misfits))

    (ours, cells, misfits), (theirs, *others) = made
    assert [cells, misfits] == others
    assert ours.type == theirs.type == KINDS[kind]
    assert ours.null_count == theirs.null_count
    ours.validate(full=True)


@given(arrays())
def test_what_is_not_finite_is_left_to_the_general_path(compiled: Any, values: pa.Array) -> None:
    """The pass only says that there is nothing to find."""
    with np.errstate(over="ignore"):
        numbers = np.array([x for x in values.to_pylist() if x is not None]).astype(np.float32)

    found = finite_floats(compiled, values, pa.float32())

    assert (found is None) == (not np.isfinite(numbers).all())


@settings(max_examples=200)
@given(arrays(odd=False), st.floats(-60, 60), st.booleans())
def test_the_same_values_are_doubtful_with_and_without_the_pass(
    compiled: Any, values: pa.Array, least: float, exclusive: bool
) -> None:
    """A value at its limit is allowed or not by one rule."""
    kind = "FLOAT" if values.type == pa.float32() else "DOUBLE"
    point = Measurepoint("P", kind, minimum=least, exclusive_minimum=exclusive)
    made = []
    for functions in (compiled, None):
        with used(functions):
            made.append(Proof(point).doubtful(values).tolist())

    assert made[0] == made[1]
