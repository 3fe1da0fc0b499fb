"""Texts that stand for values: by a mapping of the caller's, or by the labels of a thing model.

Pure. A text in no table is a misfit, and its reason names the known texts.
"""

from __future__ import annotations

import decimal
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import is_present
from ..cells.arrays import objects_of, without
from ..display.facts import Detail
from .misfits import Misfits, Unfit
from .typed_column import Converted, with_misfits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ..cells.form import Form
    from ..model.measurepoint import Measurepoint
    from .typed_column import Converter

__all__ = [
    "as_keys",
    "decimal_keys",
    "labelled",
    "looked_up",
    "mapped",
    "pairs_of",
    "spread",
]

SHOWN: Final = 8  # texts of a table that a reason names


def looked_up(texts: pa.Array, known: list[str], values: pa.Array) -> pa.Array:
    """Return the value of each text by its place among those known; null for any other text."""
    return values.take(pc.index_in(texts, value_set=pa.array(known, pa.string())))


def mapped(texts: pa.Array, point: Measurepoint, form: Form, convert: Converter) -> Converted:
    """Convert texts by a mapping of their own; any other text is a misfit."""
    known = dict(form.values or {})
    why = Detail("unmapped", (tuple(known)[:SHOWN], len(known)))
    return _by_table(texts, point, known, why, convert)


def as_keys(column: pa.Array, keys: Iterable[str]) -> pa.Array:
    """Return numbers or truth values as texts: texts that match a key are spelled as the key.

    Examples
    --------
    >>> as_keys(pa.array([1.0, 2.5, None]), ["1.00"]).to_pylist()
    ['1.00', '2.5', None]
    """
    texts = without(column, ~is_present(column)).cast(pa.string())
    if pa.types.is_boolean(column.type):
        return texts
    spelled: dict[str, str] = {}
    for key in keys:
        for text in _texts_of(_number(key), column.type):
            spelled.setdefault(text, key)
    return _respelled(texts, spelled | {key: key for key in keys if key in spelled})


def decimal_keys(texts: pa.Array, keys: Iterable[str]) -> pa.Array:
    """Return texts of numbers: those that are the number of a key are spelled as the key."""
    known: dict[decimal.Decimal, str] = {}
    for key in keys:
        if (number := _number(key)) is not None:
            known.setdefault(number, key)
    found = {text: _number(text) for text in pc.unique(texts).to_pylist()}
    spelled = {text: known[number] for text, number in found.items() if number in known}
    return _respelled(texts, spelled | {key: key for key in keys if key in spelled})


def _respelled(texts: pa.Array, spelled: dict[str, str]) -> pa.Array:
    if not spelled:
        return texts
    as_key = looked_up(texts, list(spelled), pa.array(list(spelled.values()), pa.string()))
    return pc.coalesce(as_key, texts)


def _number(text: str) -> decimal.Decimal | None:
    """Return the number that a text says; None for other texts."""
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return None
    return number if number.is_finite() else None


def _texts_of(number: decimal.Decimal | None, kind: pa.DataType) -> list[str]:
    """Return the texts that Arrow gives to a number in a column of a type; none if it has none."""
    if number is None:
        return []
    if pa.types.is_integer(kind):
        return [str(int(number))] if number.adjusted() < _WIDEST and number % 1 == 0 else []
    if pa.types.is_decimal(kind):
        try:
            return [str(pa.array([number], kind).cast(pa.string())[0])]
        except pa.ArrowInvalid:
            return []
    found = pa.array([str(number)]).cast(pa.float64()).cast(kind)
    if not math.isfinite(found[0].as_py()):
        return []
    return ["0", "-0"] if number == 0 else found.cast(pa.string()).to_pylist()


_WIDEST: Final = 20  # digits of an integer of 64 bits, and a sign


def labelled(texts: pa.Array, point: Measurepoint, _: Form, convert: Converter) -> Converted:
    """Convert the labels of an ENUM into its keys; any other text is a misfit."""
    known = {label: key for key, label in zip(point.keys, point.labels, strict=False) if label}
    return _by_table(texts, point, known, Detail("no_label", pairs_of(point)), convert)


def pairs_of(point: Measurepoint) -> tuple[Any, ...]:
    """Return keys and labels of an ENUM, and how many there are."""
    pairs = tuple(zip(point.keys, point.labels, strict=False))
    return (pairs[:SHOWN], len(pairs))


def _by_table(
    texts: pa.Array, point: Measurepoint, known: dict[str, Any], why: Detail, convert: Converter
) -> Converted:
    converted = convert(objects_of(list(known.values())), point)
    codes = pc.index_in(texts, value_set=pa.array(list(known), pa.string()))
    found = spread(converted, codes.fill_null(-1).to_numpy(zero_copy_only=False))
    unknown = is_present(texts) & ~is_present(codes)
    if not unknown.any():
        return found
    strange = with_misfits(found.values, texts, [(unknown, "type", why)])
    return Converted(found.values, Misfits.joined([found.misfits, strange.misfits]))


def spread(converted: Converted, codes: NDArray[Any]) -> Converted:
    """Return distinct values at each place that has their code; none where it is below 0."""
    index = pa.array(codes, mask=codes < 0)
    values = converted.values.take(index)
    quality = None if converted.quality is None else converted.quality.take(index)
    groups = []
    for one in converted.misfits.groups:
        place = np.full(len(converted.values) + 1, -1, np.int64)
        place[one.positions] = one.places
        at = place[codes]
        positions = np.flatnonzero(at >= 0)
        groups.append(Unfit(positions, one.check, one.why, one.maker, at[positions]))
    return Converted(values, Misfits(groups), quality)
