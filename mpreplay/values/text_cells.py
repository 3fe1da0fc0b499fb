"""Cells that are written in a form of their column, into the type of their measurement point.

Pure. Texts become numbers, truth values, keys, arrays and structs; a text that does not fit is a
misfit, shown as in the cell. ``convert`` converts what is no text.
"""

from __future__ import annotations

import decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import absent_in, is_present
from ..cells.arrays import objects_of, without
from ..cells.form import Form, is_text_type, tidied
from ..cells.object_json import read_json
from ..display.facts import Detail
from .objects import assembled, convert_objects
from .quality import QUALITY
from .raw_texts import INFINITE_TEXT, with_raw_texts
from .scalars import BEYOND, FLOATS, INFINITE, convert_decimals
from .spellings import misspelt
from .text_numbers import exact_decimals, matches, number_texts, plain_integers, read_floats, scaled
from .text_tables import (
    as_keys,
    decimal_keys,
    labelled,
    looked_up,
    mapped,
    pairs_of,
    spread,
)
from .typed_column import Converted, replaced, with_misfits

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..model.measurepoint import Measurepoint
    from .typed_column import Converter, Mismatch

    Reader = Callable[[pa.Array, Measurepoint, Form, Converter], Converted]

__all__ = ["convert_formed"]

_TRUTHS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "1"), True),
    **dict.fromkeys(("false", "False", "FALSE", "0"), False),
}
_WHOLE: Final = r"^-?\d+(?:\.0*)?$"  # texts of numbers with all digits of a whole number


def convert_formed(
    column: pa.Array | NDArray[Any], point: Measurepoint, form: Form, convert: Converter
) -> Converted:
    """Return a column in the type of its point, from cells in a form.

    Examples
    --------
    >>> from mpreplay import Measurepoint
    >>> from mpreplay.values.conversion import convert
    >>> texts = pa.array(["1,5 m/s", "-", "Bad"])
    >>> form = Form(decimal=",", suffix="m/s", absent=("-",))
    >>> found = convert_formed(texts, Measurepoint("Ws", "DOUBLE"), form, convert)
    >>> found.values.to_pylist(), [(one.position, one.shown) for one in found.misfits]
    ([1.5, None, None], [(2, 'Bad')])
    """
    if isinstance(column, np.ndarray):
        return _objects(column, point, form, convert)
    if is_text_type(column.type):
        return _texts(column.cast(pa.string()), point, form, convert)
    is_number = _is_number(column.type)
    if form.values is not None and (is_number or pa.types.is_boolean(column.type)):
        return _texts(as_keys(column, form.values), point, form, convert)
    if form.scale is not None and is_number and point.is_number:
        return _texts(_digits(column), point, Form(scale=form.scale), convert)
    return convert(column, point)


def _digits(column: pa.Array) -> pa.Array:
    """Return numbers as texts; a float's shortest digits are not all of a whole number."""
    texts = without(column, ~is_present(column)).cast(pa.string())
    if not pa.types.is_floating(column.type):
        return texts
    return pc.replace_substring_regex(texts, r"^(-?\d{16,})$", r"\1e0")


def _is_number(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(is_one(kind) for is_one in kinds)


def _objects(
    column: NDArray[Any], point: Measurepoint, form: Form, convert: Converter
) -> Converted:
    """Convert Python objects: texts in their form, numbers if they are scaled or mapped."""
    if point.is_any:  # of which every text is a value
        return convert(tidied(column, form), point)
    there = np.flatnonzero(~absent_in(column))
    groups: dict[str, list[int]] = {}
    for position in there.tolist():
        groups.setdefault(_way_of(column[position], point, form), []).append(position)
    of_form = partial(convert_formed, form=form, convert=convert)

    def of_member(member: Any, own: Measurepoint) -> Converted:
        return convert(member, own) if own is QUALITY else of_form(member, own)

    parts = []
    for way, positions in groups.items():
        objects = column[positions]
        if way == "formed":
            converted = convert_objects(objects, point, of_member)
        elif way == "spelled":
            texts = pa.array([str(value) for value in objects], pa.string())
            bare = Form(values=form.values, scale=form.scale)
            if form.values is not None:
                texts = decimal_keys(texts, form.values)
            converted = _texts(texts, point, bare, convert)
        else:
            converted = convert(objects, point)
        parts.append((np.asarray(positions), converted))
    return assembled(parts, len(column), point)


_WIDE: Final = (decimal.Decimal, np.longdouble)  # numbers that no Arrow float holds


def _way_of(value: Any, point: Measurepoint, form: Form) -> str:
    """Return how an object is read: as a column of its class in its form, by its text, or plain."""
    if isinstance(value, str):
        return "formed"
    if isinstance(value, dict):
        return "formed" if point.has_quality and not point.is_struct else "plain"
    if isinstance(value, bool | np.bool_):
        return "formed" if form.values is not None else "plain"
    if (form.scale is None and form.values is None) or isinstance(value, np.timedelta64):
        return "plain"
    if isinstance(value, float | np.floating) and not isinstance(value, _WIDE):
        return "formed"
    return "spelled" if isinstance(value, int | decimal.Decimal | np.number) else "plain"


def _texts(texts: pa.Array, point: Measurepoint, form: Form, convert: Converter) -> Converted:
    """Convert texts by the type of their point."""
    tidy = tidied(texts, form)
    read: Reader
    if form.values is not None:
        read = mapped
    elif form.labels and point.is_enum:
        read = labelled
    elif point.is_number or point.has_int_keys:
        read = _numbers
    elif point.is_array or point.is_struct:
        read = _json
    else:
        read = _bool if point.is_bool else _as_ever
    converted = read(tidy, point, form, convert)
    if not converted.misfits or read is _json:
        return converted  # an array that does not fit is shown as an array
    return with_raw_texts(converted, texts, point, form)


def _as_ever(texts: pa.Array, point: Measurepoint, _: Form, convert: Converter) -> Converted:
    return convert(texts, point)


def _numbers(texts: pa.Array, point: Measurepoint, form: Form, _: Converter) -> Converted:
    """Convert texts of numbers into integers or into the nearest floats."""
    values, mismatches = (_floats if point.type in FLOATS else _integers)(texts, point, form)
    unread = is_present(texts) & ~is_present(values)
    for mask, _check, _why in mismatches:
        unread &= ~mask
    if unread.any():
        mismatches += _unread(texts, unread, form, point)
    return with_misfits(values, texts, mismatches) if mismatches else Converted(values)


def _floats(texts: pa.Array, point: Measurepoint, form: Form) -> tuple[pa.Array, list[Mismatch]]:
    kind = FLOATS[point.type]
    products = None
    if form.scale is None:
        values = read_floats(texts, kind, form)
    else:
        products = scaled(number_texts(texts, form), form.scale)
        values = products.cast(kind)
    numbers = values.to_numpy(zero_copy_only=False)
    mismatches: list[Mismatch] = []
    if (beyond := np.isinf(numbers)).any():
        mismatches.append((beyond, "range", BEYOND[point.type]))
    if kind == pa.float64() and (inexact := _inexact(texts, form, numbers, products)).any():
        mismatches.append((inexact, "range", Detail("inexact")))
    return values, mismatches


def _inexact(
    texts: pa.Array, form: Form, numbers: NDArray[Any], products: pa.Array | None
) -> NDArray[np.bool_]:
    """Return a mask of the whole numbers that a 64-bit float would change, by all their digits.

    A number with an exponent says no more digits than those it shows, as floats are written.
    """
    mask = np.zeros(len(texts), bool)
    with np.errstate(invalid="ignore"):
        far = np.flatnonzero((np.abs(numbers) >= 2.0**53) & np.isfinite(numbers))
    if not len(far):
        return mask
    said = number_texts(texts.take(pa.array(far)), form)
    whole = matches(said, _WHOLE)
    mask[far[whole]] = list(map(_loses_digits, said.filter(pa.array(whole)).to_pylist()))
    if products is not None:  # a number that a float holds may be scaled to the nearest one
        far = np.flatnonzero(mask)
        exact = products.take(pa.array(far, pa.int64())).to_pylist()
        mask[far] = list(map(_loses_digits, exact))
    return mask


def _loses_digits(text: str) -> bool:
    """Return whether the text of a number says a whole one that a float would change."""
    number = decimal.Decimal(text)
    return number == number.to_integral_value() and number != decimal.Decimal(float(text))


def _integers(texts: pa.Array, point: Measurepoint, form: Form) -> tuple[pa.Array, list[Mismatch]]:
    numbers = number_texts(texts, form)
    if form.scale is not None:
        numbers = scaled(numbers, form.scale)
    values, plain = plain_integers(numbers)
    rest = np.flatnonzero(is_present(numbers) & ~plain)
    if not len(rest):
        return values, []
    coded = numbers.take(pa.array(rest)).dictionary_encode()
    found = convert_decimals(objects_of(exact_decimals(coded.dictionary)), point)
    part = spread(found, coded.indices.to_numpy(zero_copy_only=False))
    index = np.arange(len(texts))
    index[rest] = len(texts) + np.arange(len(rest))
    mismatches: list[Mismatch] = []
    for one in part.misfits.groups:
        mask = np.zeros(len(texts), bool)
        mask[rest[one.positions]] = True
        of_scale = form.scale is not None and one.why.kind == "not_integer"
        why = Detail("scaled_part", (form.scale,)) if of_scale else one.why
        mismatches.append((mask, one.check, why))
    return pa.concat_arrays([values, part.values]).take(pa.array(index)), mismatches


def _unread(
    texts: pa.Array, unread: NDArray[np.bool_], form: Form, point: Measurepoint
) -> list[Mismatch]:
    """Return why texts are no numbers."""
    positions = np.flatnonzero(unread)
    part = texts.take(pa.array(positions))
    infinite = matches(part, INFINITE_TEXT)
    found: list[Mismatch] = [(infinite, "finite", INFINITE)]
    found += [(mask, "type", why) for mask, why in misspelt(part, form, point.type)]
    if point.is_enum and point.labels:
        known = pc.is_in(part, value_set=pa.array(point.labels)).to_numpy(zero_copy_only=False)
        found.append((known, "type", Detail("a_label", pairs_of(point))))
    found.append((np.ones(len(part), bool), "type", Detail("arrow_type", ("string", point.type))))
    mismatches: list[Mismatch] = []
    for mask, check, why in found:
        whole = np.zeros(len(texts), bool)
        whole[positions[mask]] = True
        mismatches.append((whole, check, why))
    return mismatches


def _bool(texts: pa.Array, point: Measurepoint, form: Form, _: Converter) -> Converted:
    """Convert the words of CSV files for truth values; 0 and 1 are such, too."""
    values = looked_up(texts, list(_TRUTHS), pa.array(list(_TRUTHS.values()), pa.bool_()))
    unread = is_present(texts) & ~is_present(values)
    if not unread.any():
        return Converted(values)
    coded = number_texts(without(texts, ~unread), form).dictionary_encode()
    numbers = exact_decimals(coded.dictionary)  # as a float, a trace of a number would be 0
    known = pa.array([bool(one) if one in {0, 1} else None for one in numbers], pa.bool_())
    read = known.take(coded.indices)
    fits, number = is_present(read), is_present(coded.indices)
    values = pc.coalesce(values, read)
    mismatches: list[Mismatch] = [
        (matches(texts, INFINITE_TEXT), "finite", INFINITE),
        (number & ~fits, "type", Detail("not_a", (point.type,))),
        (unread & ~fits & ~number, "type", Detail("arrow_type", ("string", point.type))),
    ]
    return with_misfits(values, texts, mismatches)


def _json(texts: pa.Array, point: Measurepoint, _: Form, convert: Converter) -> Converted:
    """Convert arrays and structs that are written as JSON."""
    coded = texts.dictionary_encode()
    values, wrong = [], np.zeros(len(coded.dictionary), bool)
    for number, text in enumerate(coded.dictionary.to_pylist()):
        try:
            values.append(read_json(text))
        except ValueError:
            values.append(None)
            wrong[number] = True
    converted = convert(objects_of(values), point)
    if wrong.any():
        why = Detail("arrow_type", ("string", point.type))
        unread = with_misfits(converted.values, coded.dictionary, [(wrong, "type", why)])
        converted = replaced(converted, unread.misfits)
    return spread(converted, coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
