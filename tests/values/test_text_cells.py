"""Texts become the values of their points: exactly, or as misfits that show the cell."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.cells.form import Form
from mpreplay.values.conversion import convert
from mpreplay.values.typed_column import Converted

INT, FLOAT, DOUBLE = (Measurepoint("p", kind) for kind in ("INT", "FLOAT", "DOUBLE"))
BOOL = Measurepoint("p", "BOOL")
STATE = Measurepoint("p", "ENUM", keys=(0, 1, 7), labels=("Stop", "Run", ""))

forms = st.builds(
    Form,
    decimal=st.sampled_from(".,"),
    absent=st.sampled_from([("",), ("-", "Bad"), ()]),
    strip=st.booleans(),
    suffix=st.sampled_from(["", "kW", "m/s²", "%", "(x.)", "e"]),
)
spaces = st.sampled_from(["", " ", "  ", "\u00a0", "\u202f"])


def converted(texts: list[Any], point: Measurepoint, form: Form) -> Converted:
    """Return texts in the type of a point."""
    return convert(pa.array(texts, pa.string()), point, form)


def told(found: Converted) -> list[tuple[int, str, str]]:
    """Return position, shown text and check of each misfit."""
    return [(one.position, one.shown, one.check) for one in found.misfits]


@st.composite
def written(draw: st.DrawFn, numbers: st.SearchStrategy[str], form: Form) -> str:
    """Draw a number as a column of a form may have it."""
    text = draw(numbers).replace(".", form.decimal)
    if form.suffix and draw(st.booleans()):
        text += draw(spaces) + form.suffix
    if form.strip:
        text = draw(spaces) + text + draw(spaces)
    return text


@given(st.data(), forms, st.sampled_from([FLOAT, DOUBLE]))
def test_a_float_reads_back_as_itself_however_it_is_written(
    data: st.DataObject, form: Form, point: Measurepoint
) -> None:
    """No digit is lost on the way through separator, unit and blanks."""
    width = 32 if point is FLOAT else 64
    floats = st.floats(width=width, allow_nan=False, allow_infinity=False)
    numbers = data.draw(st.lists(floats, max_size=8))
    kind = np.float32 if point is FLOAT else np.float64
    texts = [data.draw(written(st.just(str(kind(number))), form)) for number in numbers]

    found = converted(texts, point, form)

    assert not found.misfits
    assert np.array_equal(found.values.to_numpy(zero_copy_only=False), np.array(numbers, kind))


@given(st.data(), forms)
def test_an_integer_reads_back_as_itself_or_is_beyond(data: st.DataObject, form: Form) -> None:
    """64 bits are kept to the last; what lies beyond is named, not bent."""
    numbers = data.draw(st.lists(st.integers(-(2**64), 2**64), max_size=8))
    texts = [data.draw(written(st.just(str(number)), form)) for number in numbers]

    found = converted(texts, INT, form)

    fits = [-(2**63) <= number < 2**63 for number in numbers]
    assert found.values.to_pylist() == [
        number if fit else None for number, fit in zip(numbers, fits, strict=True)
    ]
    assert [(p, check) for p, _, check in told(found)] == [
        (position, "range") for position, fit in enumerate(fits) if not fit
    ]


def loses_digits(number: decimal.Decimal) -> bool:
    """Return whether a number is whole, and no float."""
    return number == number.to_integral_value() and number != decimal.Decimal(float(number))


exact = st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
scales = st.one_of(
    st.sampled_from([1000.0, 0.001, 3.6, 1 / 3, -2.0]),
    st.floats(1e-12, 1e12),
)


@given(st.lists(exact, min_size=1, max_size=8), scales)
def test_a_scaled_number_is_the_nearest_to_the_exact_product(
    texts: list[str], scale: float
) -> None:
    """0.3 kW is 300 W, and not 299.99999999999994: decimals are multiplied as decimals."""
    with decimal.localcontext(prec=200):
        products = [decimal.Decimal(text) * decimal.Decimal(repr(scale)) for text in texts]

    floats = converted(texts, DOUBLE, Form(scale=scale))
    integers = converted(texts, INT, Form(scale=scale))

    lost = [
        "e" not in text.lower() and loses_digits(decimal.Decimal(text)) and loses_digits(product)
        for text, product in zip(texts, products, strict=True)
    ]
    assert floats.values.to_pylist() == [
        None if is_lost else float(product) for product, is_lost in zip(products, lost, strict=True)
    ]
    whole = [one == one.to_integral_value() and abs(one) < 2**63 for one in products]
    assert integers.values.to_pylist() == [
        int(product) if fits else None for product, fits in zip(products, whole, strict=True)
    ]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5), scales)
def test_a_number_is_scaled_as_its_text_is(numbers: list[float], scale: float) -> None:
    """A CSV file and the frame that it was written from are the same history."""
    form = Form(scale=scale)
    texts = converted([repr(number) for number in numbers], DOUBLE, form)

    for column in (pa.array(numbers), objects_of(list(numbers))):
        found = convert(column, DOUBLE, form)
        assert found.values.equals(texts.values)
        assert len(found.misfits) == len(texts.misfits)


@given(st.lists(st.text(max_size=8), max_size=8), forms, st.sampled_from([INT, DOUBLE, STATE]))
def test_a_text_is_a_value_absent_or_a_misfit_that_shows_it(
    texts: list[str], form: Form, point: Measurepoint
) -> None:
    """Whatever stands in a cell, nothing vanishes and nothing is made up."""
    texts = [text for text in texts if not any("\ud800" <= c <= "\udfff" for c in text)]

    found = converted(texts, point, form)

    misfits = {one.position: one for one in found.misfits}
    for position, (text, value) in enumerate(zip(texts, found.values.to_pylist(), strict=True)):
        bare = text.strip() if form.strip else text
        if position in misfits:
            assert value is None
            assert misfits[position].shown in {text, "inf", "-inf"}
        elif value is None:
            assert bare in form.absent
        else:
            number = bare.removesuffix(form.suffix).strip("+ \u00a0\u202f")
            assert float(number.replace(form.decimal, ".")) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1,5", "comma"), ("1,234", "comma?"), ("1.234,5", "groups"), ("1 234", "groups"),
        ("1'234", "groups"), ("7 kW", "suffix"), (" 7", "blanks"), ("7,5 kW ", "comma"),
    ],
)  # fmt: skip
def test_a_number_in_another_form_is_never_guessed(text: str, kind: str) -> None:
    """1.234 may be a little more than one, or more than a thousand: the user says which."""
    (misfit,) = converted([text], DOUBLE, Form()).misfits

    assert misfit.why.kind == "misspelt"
    assert misfit.why.facts[1][0] == kind
    assert misfit.shown == text


@pytest.mark.parametrize("text", ["1.234", "1.5", "1.234.567"])
def test_a_point_is_no_comma(text: str) -> None:
    """Where the comma is the decimal separator, a point may separate thousands."""
    assert [one.shown for one in converted([text], DOUBLE, Form(decimal=",")).misfits] == [text]


def test_infinity_is_infinite_and_nan_a_word() -> None:
    """What pandas writes as inf into a CSV file must be what it is in the frame."""
    found = converted(["inf", "-Infinity", "NaN", "1e999"], DOUBLE, Form())

    assert told(found) == [
        (0, "inf", "finite"), (1, "-inf", "finite"), (2, "NaN", "type"), (3, "1e999", "range"),
    ]  # fmt: skip
    assert [one.text is None for one in found.misfits] == [True, True, False, False]


@pytest.mark.parametrize("other", [[], ["Bad"]])
def test_an_exponent_may_be_of_any_length(other: list[str]) -> None:
    """What a cell means does not depend on the cells beside it."""
    texts = ["1e-99999", "1e99999", "-1e99999999999999999999", "1e-99999999999999999999"]
    floats, integers = (converted([*texts, *other], point, Form()) for point in (DOUBLE, INT))

    assert floats.values.to_pylist()[:4] == [0.0, None, None, 0.0]
    assert [one.check for one in floats.misfits][:2] == ["range", "range"]
    assert integers.values.null_count == len(texts) + len(other)
    assert converted(["0e99999999999999999999"], INT, Form()).values.to_pylist() == [0]


def test_hexadecimal_and_separated_digits_are_no_integers() -> None:
    """Arrow reads 0x1F, and Python 1_000: no export means a number by either."""
    assert converted(["0x1F", "1_000", "٣"], INT, Form()).values.null_count == 3


def test_a_whole_number_may_be_written_with_its_point() -> None:
    """A column of integers with a gap is written as floats by pandas."""
    found = converted(["5.0", "2.5", "1e3", "007"], INT, Form())

    assert found.values.to_pylist() == [5, None, 1000, 7]
    assert [(one.shown, one.text, one.why.kind) for one in found.misfits] == [
        ("2.5", b"2.5", "not_integer")
    ]


def test_digits_that_a_double_loses_are_a_misfit() -> None:
    """A serial number of 17 digits in a DOUBLE would become another one."""
    found = converted(["12345678901234567", "9007199254740992"], DOUBLE, Form())

    assert found.values.to_pylist() == [None, 9007199254740992.0]
    assert found.misfits[0].why.kind == "inexact"


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("False", False), ("TRUE", True), ("1", True), ("0.0", False)],
)
def test_truth_values_are_written_as_libraries_write_them(text: str, value: bool) -> None:
    """True is pandas', true is Arrow's and JSON's, 1 is everybody's."""
    assert converted([text], BOOL, Form()).values.to_pylist() == [value]


@pytest.mark.parametrize("text", ["ON", "yes", "2", "tRUE", "inf"])
def test_any_other_word_is_no_truth_value(text: str) -> None:
    """What ON means is the user's to say: values=."""
    assert len(converted([text], BOOL, Form()).misfits) == 1


def test_a_mapping_says_what_texts_mean_and_names_those_it_knows() -> None:
    """A third word is most likely a state that the mapping has forgotten."""
    form = Form(values={"ON": 1, "OFF": 0}, absent=("-",), strip=True)
    found = converted(["ON ", "OFF", "-", "On"], INT, form)

    assert found.values.to_pylist() == [1, 0, None, None]
    assert found.misfits[0].why.facts == (("ON", "OFF"), 2)
    assert found.misfits[0].shown == "On"


def test_a_mapping_to_a_value_that_does_not_fit_is_a_misfit_of_its_cells() -> None:
    """1.5 for an INT is wrong in each row, and each row says so."""
    found = converted(["A", "B", "A"], INT, Form(values={"A": 1.5, "B": 2}))

    assert found.values.to_pylist() == [None, 2, None]
    assert [(o.position, o.shown, o.why.kind) for o in found.misfits] == [
        (0, "A", "not_integer"), (2, "A", "not_integer"),
    ]  # fmt: skip


def test_numbers_and_truth_values_are_mapped_by_their_texts() -> None:
    """The same export as Parquet has typed cells."""
    form = Form(values={"1": 10, "true": 20})

    assert convert(pa.array([1, None]), INT, form).values.to_pylist() == [10, None]
    assert convert(pa.array([1.0, 2.5]), INT, form).values.to_pylist() == [10, None]
    assert convert(pa.array([True]), INT, form).values.to_pylist() == [20]


def test_labels_become_keys_and_an_unknown_one_lists_both() -> None:
    """A SCADA export says Run where the model says 1."""
    found = converted(["Run", "Stop", "1", ""], STATE, Form(labels=True))

    assert found.values.to_pylist() == [1, 0, None, None]
    assert found.misfits[0].why.facts == (((0, "Stop"), (1, "Run"), (7, "")), 3)


def test_a_label_in_a_column_of_keys_is_told_as_one() -> None:
    """The remedy, labels=True, is one word away."""
    (misfit,) = converted(["Run", "1"], STATE, Form()).misfits

    assert misfit.why.kind == "a_label"


def test_arrays_and_structs_are_json() -> None:
    """There is no other way to write them into a cell."""
    array = Measurepoint("p", "ARRAY", item_type="INT")
    struct = Measurepoint("p", "STRUCT", members=(INT,))

    found = converted(["[1,2]", "[1.5]", "x", None], array, Form())
    assert found.values.to_pylist() == [[1, 2], None, None, None]
    assert [(one.position, one.shown) for one in found.misfits] == [(1, "[1.5]"), (2, "x")]
    assert converted(['{"p":3}'], struct, Form()).values.to_pylist() == [{"p": 3}]


def test_objects_are_read_each_as_what_it_is() -> None:
    """A column of a spreadsheet holds numbers, texts and nothing, side by side."""
    column = objects_of(["1,5", 2.5, None, "-", 3, decimal.Decimal("4.5"), True])
    found = convert(column, DOUBLE, Form(decimal=",", absent=("-",), scale=10.0))

    assert found.values.to_pylist() == [15.0, 25.0, None, None, 30.0, 45.0, None]
    assert [one.position for one in found.misfits] == [6]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_texts_of_any_arrow_type_are_texts(kind: pa.DataType) -> None:
    """Libraries differ: polars has views, pandas large texts, categories are dictionaries."""
    column = pa.array(["1,5", "x", None, "1,5"]).cast(kind)

    found = convert(column, DOUBLE, Form(decimal=","))

    assert found.values.to_pylist() == [1.5, None, None, 1.5]
    assert told(found) == [(1, "x", "type")]
