"""A column's own form holds for its cells whatever Python or Arrow type holds them."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.cells.form import Form
from mpreplay.values.conversion import convert

BOOL, INT, DOUBLE = (Measurepoint("p", kind) for kind in ("BOOL", "INT", "DOUBLE"))
RATED = Measurepoint("p", "DOUBLE", has_quality=True)
COUNTED = Measurepoint("p", "INT", has_quality=True)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, False, None]),
        pa.array([True, False, None]).dictionary_encode(),
        pa.array(["true", "false", None]),
        objects_of([True, False, None]),
        objects_of([np.True_, "false", None]),
    ],
)
@pytest.mark.parametrize("point", [BOOL, INT])
def test_truth_values_are_mapped_whatever_holds_them(column: Any, point: Measurepoint) -> None:
    """A contact that is closed at 0 must not be sent the other way round, silently."""
    found = convert(column, point, Form(values={"true": 0, "false": 1}))
    assert found.values.to_pylist() == [0, 1, None]
    assert not found.misfits


@pytest.mark.parametrize("keys", [("1", "0"), ("1.0", "0.00"), ("01", "-0")])
@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.0, 0.0, None]),
        pa.array([1.0, -0.0, np.nan], pa.float32()),
        pa.array([1, 0, None], pa.int8()),
        pa.array([decimal.Decimal("1.00"), decimal.Decimal("0.00"), None]),
        objects_of([1.0, 0.0, float("nan")]),
        objects_of([np.float32(1), 0, None]),
        objects_of([decimal.Decimal("1.0"), np.longdouble(0), None]),
    ],
)
def test_a_number_is_mapped_by_a_key_that_says_it(column: Any, keys: tuple[str, str]) -> None:
    """Which library read a column decides how its numbers are spelled, not what they mean."""
    found = convert(column, INT, Form(values=dict(zip(keys, (7, 8), strict=True))))
    assert found.values.to_pylist() == [7, 8, None]
    assert not found.misfits


def test_a_key_that_is_spelled_as_the_number_goes_before_others() -> None:
    """Where two keys say the same number, the one in the cells' own spelling is meant."""
    form = Form(values={"1.0": 5, "1": 6, "300": 7, "1e400": 8, "2.5": 9})
    assert convert(pa.array([1, 2]), INT, form).values.to_pylist() == [6, None]
    assert convert(pa.array([1.0, 2.5, np.inf]), INT, form).values.to_pylist() == [6, 9, None]
    assert convert(pa.array([1], pa.uint8()), INT, form).values.to_pylist() == [6]


def pairs(values: list[Any]) -> list[dict[str, Any]]:
    """Return values with a quality each."""
    return [{"value": value, "quality": n} for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "point", "form", "expected"),
    [
        ([1.5, 2.5], RATED, Form(scale=10.0), [15.0, 25.0]),
        ([1, 0], COUNTED, Form(values={"1": 0, "0": 1}), [0, 1]),
        ([True, False], COUNTED, Form(values={"true": 0, "false": 1}), [0, 1]),
        (["ON", "OFF"], COUNTED, Form(values={"ON": 1, "OFF": 0}), [1, 0]),
        (["1,5 kW", "2"], RATED, Form(suffix="kW", decimal=","), [1.5, 2.0]),
    ],
)
@pytest.mark.parametrize("make", [pa.array, objects_of])
def test_a_form_is_that_of_the_value_beside_a_quality(
    make: Any, values: list[Any], point: Measurepoint, form: Form, expected: list[Any]
) -> None:
    """A scale that is said of a column holds for its values, and leaves their qualities alone."""
    found = convert(make(pairs(values)), point, form)
    assert found.values.to_pylist() == expected
    assert found.quality is not None and found.quality.to_pylist() == [0, 1]
    assert not found.misfits
