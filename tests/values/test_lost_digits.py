"""A whole number that a float would change is a misfit, however it is written."""

from __future__ import annotations

import decimal
from typing import Any

import pyarrow as pa
import pytest

from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.cells.form import Form
from mpreplay.values.conversion import convert

DOUBLE, BOOL = Measurepoint("p", "DOUBLE"), Measurepoint("p", "BOOL")
ODD = 2**53 + 1  # the first whole number that is no double
D = decimal.Decimal


@pytest.mark.parametrize(
    ("column", "form"),
    [
        (pa.array([str(ODD)]), Form()),
        (pa.array([f"+{ODD}"]), Form()),
        (pa.array([f"{ODD}.0"]), Form()),
        (pa.array([f"-{ODD},"]), Form(decimal=",")),
        (pa.array([f"{ODD} Wh"]), Form(suffix="Wh")),
        (pa.array([f"{ODD}000"]), Form(scale=0.001)),
        (pa.array([ODD]), Form(scale=1.0)),
        (objects_of([ODD]), Form(scale=1.0)),
        (pa.array([D(ODD)]), None),
        (pa.array([D(f"{ODD}.00")]), None),
        (objects_of([D(ODD)]), None),
    ],
)
def test_a_whole_number_arrives_with_every_digit_or_not_at_all(column: Any, form: Any) -> None:
    """A meter's reading, or a serial number, must not become its neighbour in silence."""
    found = convert(column, DOUBLE, form)
    assert found.values.to_pylist() == [None]
    assert [(one.check, one.why.kind) for one in found.misfits] == [("range", "inexact")]


@pytest.mark.parametrize(
    ("column", "form", "expected"),
    [
        (pa.array([str(ODD - 1), "1e23", f"{ODD}.5"]), Form(), [ODD - 1, 1e23, ODD + 1]),
        (pa.array(["7273306709137900"]), Form(suffix="0"), [727330670913790.0]),
        (pa.array([1.2345678901234567e19]), Form(scale=1.0), [1.2345678901234567e19]),
        (objects_of([1.2345678901234567e19]), Form(scale=1.0), [1.2345678901234567e19]),
        (pa.array(["73000000000001"]), Form(scale=1000.0), [73000000000001e3]),
        (pa.array([f"{ODD}1"]), Form(scale=0.1), [float(D(f"{ODD}.1"))]),
        (pa.array([D(f"{ODD}.5"), D(ODD + 1)]), None, [ODD + 1, ODD + 1]),
        (objects_of([D("1e23")]), None, [1e23]),
    ],
)
def test_a_number_that_a_float_holds_or_was_is_no_misfit(
    column: Any, form: Any, expected: list[float]
) -> None:
    """Fractions are rounded as everywhere, and the digits of a float are its own."""
    found = convert(column, DOUBLE, form)
    assert found.values.to_pylist() == expected
    assert not found.misfits


@pytest.mark.parametrize(
    ("text", "kind", "fits"),
    [
        (f"[{ODD}.0]", "DOUBLE", False),
        (f"[{ODD}]", "DOUBLE", False),
        ("[1e23,0.1,1e-400]", "DOUBLE", True),
        ("[1.0000000000000000001]", "INT", False),
        ("[1e-400]", "INT", False),
        ("[1.0,2,3e0]", "INT", True),
        ("[1.0000000000000000001]", "FLOAT", True),
    ],
)
def test_an_array_keeps_the_digits_of_its_text(text: str, kind: str, fits: bool) -> None:
    """Items of an array are held to what holds for single values."""
    found = convert(pa.array([text]), Measurepoint("p", "ARRAY", item_type=kind), Form())
    assert bool(found.misfits) != fits


def test_a_trace_of_a_number_is_no_truth_value() -> None:
    """What is nearly 0 or 1 is neither, also where a float cannot tell."""
    texts = ["1.0", "0e5", "1e-400", "1.0000000000000000000001", "2", None]
    found = convert(pa.array(texts), BOOL, Form())
    assert found.values.to_pylist() == [True, False, None, None, None, None]
    assert [one.position for one in found.misfits] == [2, 3, 4]
