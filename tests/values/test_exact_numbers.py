"""Numbers of every type that Python, NumPy and Arrow have, on their way into requests."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.sources.source import FrameSource, TableSource
from mpreplay.values.column_json import texts_of
from mpreplay.values.conversion import convert
from mpreplay.values.typed_column import TypedColumn

INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
FLOATS = ["f2", "f4", "f8", "g"]
# Where the types differ: bounds, and the neighbours of numbers that no float holds.
EDGES = [
    0,
    1,
    -1,
    127,
    2**24 + 1,
    2**31,
    2**53,
    2**53 + 1,
    2**60 + 1,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
]
HALFWAY = Fraction(2**24 + 1) + Fraction(1, 2**40)  # a 64-bit float is halfway between two of 32
TEXTS = ["999.9", "-999.9", "1003.858", "1995720461.85", "0.413149446204918526", "1e-45", "3.5e38",
         "16777217.0000000001", "-16777217.0000000001", "8388609.50000000000000000001",
         "1e300"]  # fmt: skip


def nearest(value: Fraction, kind: type[np.floating[Any]]) -> Fraction | None:
    """Return the nearest number of a binary type, by comparing fractions; None beyond its range."""
    most = Fraction(float(np.finfo(kind).max))
    step = most - Fraction(float(np.nextafter(np.finfo(kind).max, kind(0))))
    if abs(value) >= most + step / 2:
        return None
    near = kind(float(max(-most, min(most, value))))
    with np.errstate(over="ignore", under="ignore"):
        around = [np.nextafter(near, kind(-np.inf)), near, np.nextafter(near, kind(np.inf))]
    found = [Fraction(float(one)) for one in around if np.isfinite(one)]
    bits = np.dtype(kind).itemsize * 8

    def rank(one: Fraction) -> tuple[Fraction, int]:
        return abs(one - value), int(kind(float(one)).view(f"i{bits // 8}")) & 1

    return min(found, key=rank)


def column_of(series: pd.Series) -> Any:
    """Return a column as a history reads it from a frame."""
    [columns] = FrameSource(pd.DataFrame({"x": series}), False).read(["x"], [(0, len(series))])
    return columns["x"]


def arrow_column(array: pa.Array) -> Any:
    """Return a column as a history reads it from a table."""
    [columns] = TableSource(pa.table({"x": array})).read(["x"], [(0, len(array))])
    return columns["x"]


def sent(column: Any, kind: str) -> list[Fraction | None]:
    """Return the numbers of a column as they stand in a request; None for those that do not fit."""
    point = Measurepoint("x", kind)
    converted = convert(column, point)
    faulty = {o.position for o in converted.misfits}
    texts = texts_of(TypedColumn(point, converted.values, None, [], np.arange(len(column))))
    exact = {"parse_float": Fraction, "parse_int": Fraction}
    return [
        None if n in faulty or text is None else json.loads(text, **exact)
        for n, text in enumerate(texts.array().to_pylist())
    ]


def check(column: Any, values: list[Fraction]) -> None:
    """Assert that numbers arrive as they are, as the nearest of their point's type, or not."""
    for value, whole in zip(values, sent(column, "INT"), strict=True):
        is_integer = value.denominator == 1 and -(2**63) <= value < 2**63
        assert whole == (value if is_integer else None)
    for value, double in zip(values, sent(column, "DOUBLE"), strict=True):
        near = nearest(value, np.float64)
        if near is None or (value.denominator == 1 and near != value and double is None):
            assert double is None  # an integer is not rounded to a DOUBLE
        else:
            assert double is not None
            assert nearest(double, np.float64) == near
    for value, single in zip(values, sent(column, "FLOAT"), strict=True):
        near = nearest(value, np.float32)
        assert (single is None) == (near is None)
        assert single is None or nearest(single, np.float32) == near


def in_memory(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the ways in which a NumPy array comes as a column."""
    spread = np.empty(len(array) * 2, array.dtype)
    spread[::2] = array
    ways: dict[str, Any] = {
        "series": pd.Series(array),
        "strided": pd.Series(spread[::2]),
        "scalars": pd.Series(list(array), dtype=object),
    }
    if array.dtype.char != "g":
        ways["nullable"] = pd.Series(array).convert_dtypes()  # which narrows a long double
    if array.dtype.char not in "g?":
        ways["swapped"] = pd.Series(array.astype(array.dtype.newbyteorder(">")))
    return {name: column_of(series) for name, series in ways.items()}


@pytest.mark.parametrize("kind", INTEGERS)
@settings(max_examples=20)
@given(data=st.data())
def test_integers_of_numpy_arrive_with_every_digit(kind: str, data: st.DataObject) -> None:
    """Counters of energy pass 2^53 within the life of a meter."""
    info = np.iinfo(kind)
    inside = [edge for edge in EDGES if info.min <= edge <= info.max]
    drawn = st.sampled_from(inside) | st.integers(int(info.min), int(info.max))
    values = data.draw(st.lists(drawn, min_size=1, max_size=6))

    for column in in_memory(np.array(values, kind)).values():
        check(column, [Fraction(value) for value in values])


@pytest.mark.parametrize("kind", FLOATS)
@settings(max_examples=20)
@given(data=st.data())
def test_floats_of_numpy_arrive_as_the_nearest(kind: str, data: st.DataObject) -> None:
    """Rounded once, whatever their width, order of bytes and layout in memory."""
    width = {"f2": 16, "f4": 32}.get(kind, 64)
    drawn = st.floats(allow_nan=False, allow_infinity=False, width=width)
    values = np.array(data.draw(st.lists(drawn, min_size=1, max_size=6)), kind)
    if kind == "g" and data.draw(st.booleans()):  # a long double holds what a double does not
        values = values + np.ldexp(np.longdouble(1), -60) * (values != 0)

    for column in in_memory(values).values():
        check(column, [Fraction(*value.as_integer_ratio()) for value in values])


ARROWS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "plain": lambda array: array,
    "slice": lambda array: pa.concat_arrays([array, array])[len(array) :],
    "dictionary": lambda array: array.dictionary_encode(),
    "run ends": pc.run_end_encode,
    "extension": lambda array: pa.ExtensionArray.from_storage(
        pa.opaque(array.type, "a", "b"), array
    ),
}


@pytest.mark.parametrize("way", list(ARROWS))
@pytest.mark.parametrize(
    "kind", [pa.decimal32(9, 2), pa.decimal64(18, 3), pa.decimal128(38, 18), pa.decimal256(76, 40),
             pa.decimal128(20, -3), pa.decimal256(50, -20)],
    ids=str,
)  # fmt: skip
@settings(max_examples=20)
@given(data=st.data())
def test_decimals_arrive_as_the_nearest(kind: pa.DataType, way: str, data: st.DataObject) -> None:
    """999.9 on a meter is 999.9 on the platform, and a FLOAT is not rounded twice."""
    most = 10**kind.precision - 1
    digits = data.draw(st.lists(st.integers(-most, most), min_size=1, max_size=6))
    values = [decimal.Decimal(f"{n}E{-kind.scale}") for n in digits]
    if way in {"run ends", "dictionary"} and kind.bit_width in {32, 64}:
        return  # Arrow cannot encode these yet

    try:
        array = pa.array(values, kind)
    except pa.ArrowInvalid:  # Arrow itself refuses a few of a scale below zero: 2^64 - ... x 10^20
        reject()

    check(arrow_column(ARROWS[way](array)), [Fraction(value) for value in values])


@given(st.lists(st.sampled_from(TEXTS) | st.decimals(allow_nan=False, allow_infinity=False)
                .map(str), min_size=1, max_size=6))  # fmt: skip
def test_decimals_of_python_arrive_as_the_nearest(texts: list[str]) -> None:
    """Drivers of databases give them, with any number of digits."""
    values = [decimal.Decimal(text) for text in texts]

    check(objects_of(values), [Fraction(value) for value in values])


@given(
    st.lists(
        st.integers(-(2**70), 2**70)
        | st.sampled_from(EDGES)
        | st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=6,
    )
)
def test_integers_and_floats_of_python_do_not_change_each_other(values: list[Any]) -> None:
    """A column of mixed numbers would be floats in NumPy and in Arrow."""
    fitting = [v for v in values if isinstance(v, float) or -(2**63) <= v < 2**63]

    for value, whole in zip(values, sent(objects_of(values), "INT"), strict=True):
        alone = sent(objects_of([value]), "INT")
        assert [whole] == alone
    check(objects_of(fitting), [Fraction(value) for value in fitting])


@pytest.mark.parametrize("inner", [pa.list_, pa.large_list, pa.list_view])
@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.decimal128(9, 2), pa.uint64()])
def test_items_of_arrays_are_numbers_like_any_other(kind: pa.DataType, inner: Any) -> None:
    """And members of structs, which are converted by the same functions."""
    values = [decimal.Decimal("0.5"), decimal.Decimal(2)]
    cells = [values] if pa.types.is_decimal(kind) else [[1, 2]]
    array = pa.array(cells, inner(kind))
    point = Measurepoint("x", "ARRAY", item_type="DOUBLE")

    converted = convert(arrow_column(array), point)

    assert [*map(Fraction, converted.values.to_pylist()[0])] == [*map(Fraction, cells[0])]


@pytest.mark.parametrize("value", [1j, np.complex64(1 + 2j), np.complex128(3)])
def test_a_complex_number_is_no_number_of_a_point(value: Any) -> None:
    """As a column and as an object; its real part would be half of the truth."""
    for column in (column_of(pd.Series([value])), objects_of([value])):
        assert sent(column, "DOUBLE") == [None]


def test_a_float_halfway_between_two_is_decided_by_all_digits() -> None:
    """Rounded to 64 bits first, 16777217 and a bit is halfway, and goes down instead of up."""
    text = f"{HALFWAY.numerator / HALFWAY.denominator}"
    exact = decimal.Decimal(HALFWAY.numerator) / decimal.Decimal(HALFWAY.denominator)

    assert float(text) == 2**24 + 1
    for column in (pa.array([exact]), objects_of([exact])):
        assert sent(column, "FLOAT") == [2**24 + 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [(2**60 + 1, "1152921504606846977"), (decimal.Decimal(2**60 + 1), "1152921504606846977"),
     (2**70 + 1, "1180591620717411303425"), (decimal.Decimal("0.1234567890123456789"),
     "0.1234567890123456789"), (np.uint64(2**64 - 1), "18446744073709551615"),
     (decimal.Decimal("7.10"), "7.1"), (np.float16(0.1), "0.1"), (np.longdouble(1.5), "1.5")],
)  # fmt: skip
def test_a_number_passes_through_with_all_its_digits(value: Any, text: str) -> None:
    """Where no model says what it is, nothing may be rounded away."""
    converted = convert(objects_of([value]), Measurepoint("x", "ANY"))

    assert converted.values.to_pylist() == [text]
