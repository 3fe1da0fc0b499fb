"""A thing model guessed from data. Pure.

A draft accepts the very data that it is made from. A column without readings, or with readings of
no type of the platform, is left out; one whose values no draft can accept is an error.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError
from ..errors.arguments import labels_of, shown_briefly, wrong
from .measurepoint import ARRAY_ITEM_TYPES, INT_RANGE, MAX_ARRAY_ITEMS, Measurepoint

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

__all__ = ["Drafted", "NoDraft", "draft", "draft_columns"]

MAX_STRING: Final = Measurepoint("any", "STRING").max_bytes
_MOST: Final = 1.7976931348623157e308  # the largest 64-bit float


class NoDraft(Exception):
    """Values that no draft can accept; the message says which."""


def draft_columns(
    frame: pd.DataFrame, ignore: Iterable[Hashable] = ()
) -> Iterator[tuple[str, pd.Series]]:
    """Yield the columns of a frame that are drafted, without ignored columns."""
    if not isinstance(frame, pd.DataFrame):
        raise wrong(
            "frame", frame, "a DataFrame (of a file: pd.read_parquet(path))", caller="from_frame"
        )
    skipped = set(labels_of(ignore))
    names = [(n, name) for n, name in enumerate(frame.columns) if name not in skipped]
    counts = Counter(name for _, name in names)
    for number, name in names:
        if not isinstance(name, str):
            raise ConfigError(
                f"the name of column {number} must be a text, got {shown_briefly(name)}"
            )
        if counts[name] > 1:
            raise ConfigError(f"the column {name!r} occurs twice; rename one of the two")
        yield name, frame.iloc[:, number]


def draft(name: str, column: Any) -> Drafted:
    """Return the point of a column, or the reason for its absence, and the column's numbers.

    Parameters
    ----------
    name : str
        Identifier of the point.
    column : Series, Array or ndarray of objects
        Its values.

    Raises
    ------
    NoDraft
        If no draft can accept the values.
    """
    array = _arrow_of(column)
    if array is None:
        cells = column if isinstance(column, np.ndarray) else column.astype(object)
        return _told(_of_objects, name, _present(cells.tolist()))
    kind = array.type
    if pa.types.is_boolean(kind):
        return Drafted(_point(name, "BOOL", array), _EMPTY)
    if pa.types.is_integer(kind):
        return Drafted(_of_integers(name, array), _EMPTY, *_ends(array))
    if pa.types.is_floating(kind):
        return _of_floats(name, array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Drafted(_of_texts(name, array), _EMPTY)
    try:
        objects = array.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        if _is_left_out(kind):
            return Drafted(None, _KEYS)
        raise NoDraft(f"values that cannot be read, of type {kind}") from None
    return _told(_of_objects, name, _present(objects))


# Why a column has no point.
_EMPTY: Final = "no values"
_KEYS: Final = "times or bytes"
_OTHER: Final = "lists or structs without values of a type of the platform"


class Drafted(NamedTuple):
    """A point, or the reason for its absence, and the least and the largest number."""

    point: Measurepoint | None
    why: str = ""
    low: float | None = None
    high: float | None = None


def _told(make: Callable[[str, list[Any]], Measurepoint | None], name: str, values: Any) -> Drafted:
    """Return the draft of Python objects."""
    point = make(name, values)
    if point is None:
        families = {_family(type(value)) for value in values}
        return Drafted(None, _EMPTY if not values else _KEYS if families == {"other"} else _OTHER)
    is_ranged = point.is_number and values
    return Drafted(point, "", *((min(values), max(values)) if is_ranged else (None, None)))


def _ends(array: pa.Array) -> tuple[Any, Any]:
    found = pc.min_max(array).as_py()
    return found["min"], found["max"]


def _of_floats(name: str, array: pa.Array) -> Drafted:
    numbers = array.drop_null().to_numpy(zero_copy_only=False)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return Drafted(None, _EMPTY)
    if np.isinf(numbers).any():
        raise NoDraft("an infinite value")
    type_ = "FLOAT" if pa.types.is_float32(array.type) else "DOUBLE"
    return Drafted(Measurepoint(name, type_), "", float(numbers.min()), float(numbers.max()))


def _arrow_of(series: Any) -> pa.Array | None:
    """Return a column as Arrow; None for objects, of which Arrow is shown none."""
    if isinstance(series, np.ndarray):
        return None
    if isinstance(series, pa.Array):
        return _plain(series)
    kind = series.dtype
    if isinstance(kind, pd.SparseDtype):
        return _arrow_of(series.astype(kind.subtype))
    inner = kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind
    if str(inner) == "object":
        return None
    if isinstance(kind, np.dtype) and not kind.isnative:
        series = series.astype(kind.newbyteorder("="))
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0)
    is_pandas = not isinstance(kind, pd.ArrowDtype)  # its periods and intervals have classes
    if is_pandas and isinstance(array.type, pa.BaseExtensionType):
        return None
    return _plain(array)


def _plain(array: pa.Array) -> pa.Array:
    if pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _point(name: str, type_: str, array: pa.Array) -> Measurepoint | None:
    return Measurepoint(name, type_) if array.null_count < len(array) else None


def _of_integers(name: str, array: pa.Array) -> Measurepoint | None:
    least, most = (pc.min(array).as_py(), pc.max(array).as_py())
    if least is None or (INT_RANGE[0] <= least and most <= INT_RANGE[1]):
        return _point(name, "INT", array)
    numbers = array.drop_null().to_numpy()
    _check_exact(numbers[np.abs(numbers.astype(np.float64)) >= 2**53].tolist())
    return Measurepoint(name, "DOUBLE")


def _check_exact(integers: Iterable[Any]) -> None:
    for number in integers:
        if not -(2**63) <= number < 2**64 or int(float(number)) != int(number):
            raise NoDraft(f"the integer {number}, which neither an INT nor a DOUBLE can hold")


def _of_texts(name: str, array: pa.Array) -> Measurepoint | None:
    try:
        array.validate(full=True)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise NoDraft("texts that are not UTF-8") from None
    longest = pc.max(pc.binary_length(array)).as_py()
    return None if longest is None else _text_point(name, longest)


def _text_point(name: str, longest: int) -> Measurepoint:
    return Measurepoint(name, "STRING", max_length=longest if longest > MAX_STRING else None)


def _is_left_out(kind: pa.DataType) -> bool:
    is_time = pa.types.is_temporal(kind)
    return bool(is_time or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _present(values: list[Any]) -> list[Any]:
    return [value for value in values if not _is_absent(value)]


def _is_absent(value: Any) -> bool:
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    is_nan = isinstance(value, float | np.floating) and bool(np.isnan(value))
    return value is None or value is pd.NA or value is pd.NaT or is_nan


def _of_objects(name: str, values: list[Any]) -> Measurepoint | None:
    """Return the point of Python objects of one kind, none of which is absent."""
    families = {_family(kind) for kind in set(map(type, values))}
    if not families:
        return None
    if families <= {"whole", "number"}:
        return _of_numbers(name, values)
    if len(families) > 1 or families == {""}:
        kinds = ", ".join(sorted({type(value).__name__ for value in values})[:3])
        raise NoDraft(f"values of several kinds, or of one that is unknown ({kinds})")
    [family] = families
    make = _MAKERS[family]
    return make(name, values) if make else None


# Classes of objects, with the name of their family; the first that fits counts.
_FAMILIES: Final[tuple[tuple[Any, str], ...]] = (
    (np.timedelta64, "other"),
    (bool | np.bool_, "truth"),
    (int | np.integer, "whole"),
    (float | np.floating | decimal.Decimal, "number"),
    (str, "text"),
    (dict, "struct"),
    (list | np.ndarray, "array"),
    (dt.date | dt.time | dt.timedelta | np.datetime64 | pd.Period | bytes | bytearray, "other"),
)


def _family(kind: type) -> str:
    if kind is tuple:  # others are records, whose fields have names
        return "array"
    return next((family for of, family in _FAMILIES if issubclass(kind, of)), "")


def _of_numbers(name: str, values: list[Any]) -> Measurepoint:
    whole = [v for v in values if isinstance(v, int | np.integer)]
    if len(whole) == len(values) and all(INT_RANGE[0] <= v <= INT_RANGE[1] for v in whole):
        return Measurepoint(name, "INT")
    _check_exact(whole)
    for value in values:
        if not -_MOST <= value <= _MOST or math.isinf(float(value)):
            raise NoDraft(f"{value}, which no number of 64 bits can hold")
    singles = set(map(type, values)) == {np.float32}
    return Measurepoint(name, "FLOAT" if singles else "DOUBLE")


def _of_text_objects(name: str, values: list[str]) -> Measurepoint:
    try:
        return _text_point(name, max(len(value.encode()) for value in values))
    except UnicodeEncodeError:
        raise NoDraft("texts with lone surrogates, which UTF-8 cannot carry") from None


def _of_dicts(name: str, values: list[dict[Any, Any]]) -> Measurepoint | None:
    members = []
    for key in dict.fromkeys(key for value in values for key in value):
        there = [one for v in values if not _is_absent(one := v.get(key))]
        if not there:
            continue
        if not isinstance(key, str) or not key:
            raise NoDraft(f"a member named {key!r}, where a text is needed")
        member = _of_objects(key, there)
        if member is None or not member.facts.may_be_member:
            raise NoDraft(f"a member {key!r} that a STRUCT cannot have")
        members.append(member)
    return Measurepoint(name, "STRUCT", members=tuple(members)) if members else None


def _of_lists(name: str, values: list[Any]) -> Measurepoint | None:
    if any(isinstance(value, np.ndarray) and value.ndim != 1 for value in values):
        raise NoDraft("arrays of several dimensions")
    if max(map(len, values)) > MAX_ARRAY_ITEMS:
        raise NoDraft(f"an array of more than {MAX_ARRAY_ITEMS} items")
    items = [item for value in values for item in value]
    if any(map(_is_absent, items)):
        raise NoDraft("an array with an absent item")
    item = _of_objects(name, items)
    if item is None or item.type not in ARRAY_ITEM_TYPES:
        return None
    if item.max_length is not None:
        raise NoDraft(f"an array with a text of more than {MAX_STRING} bytes")
    return Measurepoint(name, "ARRAY", item_type=item.type)


_MAKERS: Final[dict[str, Any]] = {
    "truth": lambda name, _: Measurepoint(name, "BOOL"),
    "text": _of_text_objects,
    "struct": _of_dicts,
    "array": _of_lists,
    "other": None,  # a key or a remark more often than a reading
}
