"""Numbers from their texts, exactly.

Pure. A text is read as the decimal that it says, and rounded at most once, into the type of the
point. What is no number in the form of its column is not guessed at: :mod:`.spellings` says why.
"""

from __future__ import annotations

import decimal
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.arrays import without

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..cells.form import Form

__all__ = ["BLANKS", "exact_decimals", "number_texts", "plain_integers", "read_floats", "scaled"]

# Blanks within a regular expression of RE2 and of Python: also those that do not break a line.
BLANKS: Final = "[\\s\u00a0\u2007\u202f]"
_NUMBER: Final = r"^[+-]?(?:\d+(?:{0}\d*)?|{0}\d+)(?:[eE][+-]?\d+)?$"
# Texts of integers that all fit 64 bits, as Arrow reads them.
_PLAIN_INTEGER: Final = r"^-?\d{1,18}$"
_WIDE: Final = 18  # digits of which 64 bits hold every number


def number_texts(texts: pa.Array, form: Form) -> pa.Array:
    """Return texts of numbers with a decimal point and without suffix; null for any other text.

    Examples
    --------
    >>> from mpreplay.cells.form import Form
    >>> texts = pa.array(["1,5 kW", "+2", "1.5", "kW"])
    >>> number_texts(texts, Form(decimal=",", suffix="kW")).to_pylist()
    ['1.5', '2', None, None]
    """
    if form.suffix:
        texts = _without_suffix(texts, form.suffix)
    valid = matches(texts, _NUMBER.format(re.escape(form.decimal)))
    if form.decimal != ".":
        texts = pc.replace_substring(texts, form.decimal, ".")
    if pc.any(pc.starts_with(texts, "+")).as_py():
        texts = pc.replace_substring_regex(texts, r"^\+", "")
    return texts if valid.all() else without(texts, ~valid)


def _without_suffix(texts: pa.Array, suffix: str) -> pa.Array:
    """Return texts without a suffix and the blanks before the suffix."""
    has = pc.ends_with(texts, suffix)
    cut = pc.utf8_rtrim_whitespace(pc.utf8_slice_codeunits(texts, 0, -len(suffix)))
    if pc.all(has).as_py():
        return cut
    mask = np.asarray(has.fill_null(False).to_numpy(zero_copy_only=False), bool)
    index = np.arange(len(texts)) + np.where(mask, 0, len(texts))
    return pa.concat_arrays([cut, texts]).take(pa.array(index))


def matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """Return a mask of the texts that match a regular expression."""
    found = pc.match_substring_regex(texts, pattern).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def read_floats(texts: pa.Array, kind: pa.DataType, form: Form) -> pa.Array:
    """Return the nearest floats to numbers in texts, infinite if beyond; null for other texts."""
    if not form.suffix and form.decimal == ".":
        try:
            numbers = texts.cast(kind)
        except pa.ArrowInvalid:
            pass
        else:  # the words for infinity and for no number, which are no numbers, are rare
            found = numbers.drop_null().to_numpy(zero_copy_only=False)
            if np.isfinite(found).all():
                return numbers
    return number_texts(texts, form).cast(kind)


def plain_integers(numbers: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return integers of at most 18 digits, and a mask of them; null for other numbers."""
    plain = matches(numbers, _PLAIN_INTEGER)
    return without(numbers, ~plain).cast(pa.int64()), plain


def exact_decimals(numbers: pa.Array) -> list[decimal.Decimal]:
    """Return the decimals that texts of numbers say, with all their digits."""
    return [_decimal(text) for text in numbers.to_pylist()]


def _decimal(text: str) -> decimal.Decimal:
    try:
        return decimal.Decimal(text)
    except (
        decimal.InvalidOperation
    ):  # an exponent of twenty digits: beyond every type, or next to nothing
        number, _, exponent = text.lower().partition("e")
        if not number.strip("+-.0"):
            return decimal.Decimal(0)
        far = "1e-999999" if exponent.startswith("-") else "1e999999"
        return decimal.Decimal(far).copy_sign(decimal.Decimal(number))


def scaled(numbers: pa.Array, scale: float) -> pa.Array:
    """Return texts of numbers times a factor, exactly; as decimals, not as binary numbers.

    Examples
    --------
    >>> scaled(pa.array(["0.3", "-12", None]), 1000.0).cast(pa.float64()).to_pylist()
    [300.0, -12000.0, None]
    """
    factor = decimal.Decimal(repr(scale)).normalize()
    sign, digits, exponent = factor.as_tuple()
    whole = int("".join(map(str, digits))) * (-1 if sign else 1)
    bare = pc.replace_substring(numbers, ".", "")
    mantissas, plain = plain_integers(bare)
    counts = mantissas.fill_null(0).to_numpy(zero_copy_only=False)
    plain &= np.abs(counts.astype(np.float64)) * abs(float(whole)) < 2.0**62
    if abs(whole) < 2**62:
        point = pc.find_substring(numbers, ".").fill_null(-1).to_numpy(zero_copy_only=False)
        length = pc.binary_length(numbers).fill_null(0).to_numpy(zero_copy_only=False)
        powers = exponent - np.where(point < 0, 0, length - point - 1)
        products = np.where(plain, counts, 0) * whole
        made = pc.binary_join_element_wise(
            pa.array(products).cast(pa.string()), pa.array(powers).cast(pa.string()), "e"
        )
    else:
        plain[:] = False
        made = pa.nulls(len(numbers), pa.string())
    made = without(made, ~plain)
    rest = np.flatnonzero(numbers.is_valid().to_numpy(zero_copy_only=False) & ~plain)
    return made if not len(rest) else _with_products(made, numbers, rest, factor)


def _with_products(
    made: pa.Array, numbers: pa.Array, rest: NDArray[Any], factor: decimal.Decimal
) -> pa.Array:
    """Return products; numbers of many digits, or with an exponent, are multiplied one by one."""
    coded = numbers.take(pa.array(rest)).dictionary_encode()
    longest = pc.max(pc.binary_length(coded.dictionary)).as_py()
    exact = decimal.Context(
        prec=longest + 40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[]
    )
    products = [str(exact.multiply(one, factor)) for one in exact_decimals(coded.dictionary)]
    texts = pa.array(products, pa.string()).take(coded.indices)
    place = np.full(len(made), -1, np.int64)
    place[rest] = np.arange(len(rest))
    index = np.where(place < 0, np.arange(len(made)), len(made) + place)
    return pa.concat_arrays([made, texts]).take(pa.array(index))
