"""Conversion of Python objects of mixed kinds, kind by kind.

Pure. The class of an object decides whether it is shown to Arrow, and as which type: Arrow may
give unknown objects another meaning, or end the process. ``convert`` converts an Arrow column,
made of objects of a single kind.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from ..cells.absent import absent_in, is_nan
from ..cells.arrays import objects_of, python_of
from ..cells.epoch import instants_of, is_aware, naive_of
from ..cells.object_json import Doubled, Spelled, has_lone_surrogate, json_text
from ..display.facts import Detail
from ..model.measurepoint import Measurepoint
from .misfits import Misfits
from .nested import convert_lists, struct_of
from .quality import QUALITY, joined
from .scalars import (
    BEYOND_64,
    INFINITE,
    TOO_FINE,
    convert_decimals,
    convert_long_floats,
)
from .typed_column import Converted, replaced, unfit_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .typed_column import Converter

    # Objects of one class as an Arrow array, null for objects without a place in the type.
    Maker = Callable[[list[Any], Measurepoint], pa.Array]

__all__ = ["assembled", "convert_anything", "convert_objects"]


def convert_objects(column: NDArray[Any], point: Measurepoint, convert: Converter) -> Converted:
    """Convert a column of Python objects, kind by kind."""
    absent = absent_in(column)
    there = np.flatnonzero(~absent)
    values = column[there].tolist() if absent.any() else column.tolist()
    kinds = set(map(type, values))
    if len(kinds) == 1 and not issubclass(next(iter(kinds)), dt.datetime):
        parts = [(there, _kind(objects_of(values), point, convert))]
        return assembled(parts, len(column), point)
    groups: dict[Any, list[int]] = {}
    for n, value in enumerate(values):
        # Arrow would take naive times for times in UTC beside times with a zone.
        aware = isinstance(value, dt.datetime) and is_aware(value)
        groups.setdefault((type(value), aware), []).append(n)
    parts = [
        (there[chosen], _kind(objects_of([values[n] for n in chosen]), point, convert))
        for chosen in groups.values()
    ]
    return assembled(parts, len(column), point)


def _kind(objects: NDArray[Any], point: Measurepoint, convert: Converter) -> Converted:
    """Convert objects of one class."""
    first = objects[0]
    if point.is_any:
        return _anything(objects, point)
    if isinstance(first, dict) and (point.is_struct or point.has_quality):
        return _dicts(objects, point, convert)
    if _is_list(first) and point.is_array:
        return convert_lists(objects, point, convert)
    if point.is_number or point.has_int_keys:
        if isinstance(first, decimal.Decimal):
            return convert_decimals(objects, point)
        if isinstance(first, np.longdouble):
            return convert_long_floats(objects, point)
    if apart := _apart(objects):
        parts = [(np.asarray(at), _kind(objects[at], point, convert)) for at in apart]
        return assembled(parts, len(objects), point)
    make = next((make for kind, make in _MAKERS if isinstance(first, kind)), None)
    if make is None:
        nothing = pa.nulls(len(objects), point.arrow_type())
        return Converted(nothing, _misfits_at(objects, range(len(objects)), point))
    array = make(objects.tolist(), point)
    converted = convert(array, point)
    if not array.null_count:
        return converted
    left = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist()
    return replaced(converted, _misfits_at(objects, left, point))


def _misfits_at(objects: NDArray[Any], positions: Iterable[int], point: Measurepoint) -> Misfits:
    """Return the objects at some positions, which have no place in an Arrow array, as misfits."""
    whys = {position: _unfit(objects[position], point) for position in positions}
    return _by_reason(objects, whys)


def _by_reason(objects: NDArray[Any], whys: dict[int, tuple[str, Detail]]) -> Misfits:
    found: dict[tuple[str, Detail], list[int]] = {}
    for position, why in whys.items():
        found.setdefault(why, []).append(position)
    return Misfits(
        unfit_at(objects, np.array(positions, np.int64), check, why)
        for (check, why), positions in found.items()
    )


def _is_list(value: Any) -> bool:
    # Other tuples are records, whose fields have names, such as an interval of Arrow.
    return isinstance(value, list | np.ndarray) or type(value) is tuple


def _apart(objects: NDArray[Any]) -> list[list[int]]:
    """Return the positions of objects of one class that no single Arrow type holds, by type."""
    first = objects[0]
    keys: list[Any] = []
    if isinstance(first, np.datetime64):
        keys = [np.datetime_data(value.dtype)[0] for value in objects]
    elif _is_whole(first) and (max(objects) >= 2**63 or min(objects) < -(2**63)):
        keys = [_integer_type(value) for value in objects]
    groups: dict[Any, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    return list(groups.values()) if len(groups) > 1 else []


def _is_whole(value: Any) -> bool:
    is_other = isinstance(value, bool | np.timedelta64)  # counted among the integers elsewhere
    return isinstance(value, int | np.integer) and not is_other


def _integer_type(value: Any) -> pa.DataType | None:
    if -(2**63) <= value < 2**63:
        return pa.int64()
    return pa.uint64() if 0 <= value < 2**64 else None


def _of_integers(values: list[Any], _: Measurepoint) -> pa.Array:
    kind = _integer_type(values[0])  # of all: others are kept apart
    return pa.nulls(len(values)) if kind is None else pa.array([int(v) for v in values], kind)


def _of_floats(kind: pa.DataType) -> Maker:
    return lambda values, _: pa.array(np.array(values, kind.to_pandas_dtype()), kind)


def _of_long_floats(values: list[Any], _: Measurepoint) -> pa.Array:
    """Return long doubles that are doubles, for points other than numbers."""
    numbers = np.array(values, np.longdouble)
    with np.errstate(over="ignore", under="ignore"):
        narrow = numbers.astype(np.float64)
    return pa.array(narrow, mask=narrow != numbers)


def _of_texts(values: list[Any], _: Measurepoint) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if has_lone_surrogate(v) else v for v in values], pa.string())


def _of_datetimes(values: list[Any], point: Measurepoint) -> pa.Array:
    fine = [bool(getattr(value, "nanosecond", 0)) for value in values]
    is_local = point.is_date or not is_aware(values[0])
    return _at(_local_times if is_local else instants_of, values, fine)


def _local_times(values: list[Any]) -> pa.Array:
    """Return times by the clock of their own zone, which a DATE holds."""
    return naive_of([value.replace(tzinfo=None) for value in values])


def _at(make: Callable[[list[Any]], pa.Array], values: list[Any], gone: list[bool]) -> pa.Array:
    """Return an array of the values that are not gone, null for those and for impossible ones."""
    kept = [value for value, is_gone in zip(values, gone, strict=True) if not is_gone]
    mask = np.array(gone, bool)
    try:
        array = make(kept) if kept else pa.nulls(0, pa.timestamp("us"))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if len(values) == 1:
            return pa.nulls(1, pa.timestamp("us"))
        parts = [_at(make, [v], [is_gone]) for v, is_gone in zip(values, gone, strict=True)]
        kind = next((part.type for part in parts if part.null_count == 0), parts[0].type)
        return pa.concat_arrays([part.cast(pa.timestamp("us", kind.tz)) for part in parts])
    return array.take(pa.array(np.cumsum(~mask) - 1, mask=mask))


def _of_dates(values: list[Any], _: Measurepoint) -> pa.Array:
    return pa.array(values, pa.date32())


def _of_numpy_datetimes(values: list[Any], _: Measurepoint) -> pa.Array:
    """Return NumPy's datetimes of one unit; parts of a nanosecond only if they are whole."""
    times = np.array(values)
    if np.datetime_data(times.dtype)[0] not in _FINE:
        return naive_of(values)
    counts = times.astype("M8[ns]")
    mask = counts.astype(times.dtype) != times
    return pa.array(counts.astype(np.int64), mask=mask).cast(pa.timestamp("ns"))


_FINE: Final = frozenset({"ns", "ps", "fs", "as"})


# Classes and their makers; the first that fits counts.
_MAKERS: Final[tuple[tuple[Any, Maker | None], ...]] = (
    (np.timedelta64, None),
    (Spelled, None),
    (bool | np.bool_, lambda values, _: pa.array([bool(v) for v in values], pa.bool_())),
    (np.float16, _of_floats(pa.float16())),
    (np.float32, _of_floats(pa.float32())),
    (float | np.float64, _of_floats(pa.float64())),
    (np.longdouble, _of_long_floats),
    (int | np.integer, _of_integers),
    (str, _of_texts),
    (dt.datetime, _of_datetimes),
    (dt.date, _of_dates),
    (np.datetime64, _of_numpy_datetimes),
)


def _unfit(value: Any, point: Measurepoint) -> tuple[str, Detail]:
    """Return the check that a value fails which has no place in an Arrow array, and the reason."""
    if has_lone_surrogate(value):
        return "text", Detail("surrogate")
    if isinstance(value, Doubled):
        return "type", Detail("twice", (value.name,))
    if _is_whole(value) and point.is_number:
        return "range", BEYOND_64
    if isinstance(value, decimal.Decimal) and value.is_infinite():
        return "finite", INFINITE
    if isinstance(value, pd.Timestamp) and value.nanosecond:
        if point.is_timestamp and value.tzinfo is not None:
            return "type", TOO_FINE
        if point.is_date:
            return "type", Detail("date_too_fine")
    return "type", Detail("class", (type(value).__name__, point.type))


def _dicts(objects: NDArray[Any], point: Measurepoint, convert: Converter) -> Converted:
    """Convert dicts member by member: Arrow would give each dict the members of all dicts."""
    known = [m.identifier for m in point.members]
    is_struct = point.is_struct and not (
        point.has_quality and "value" not in known and all("value" in value for value in objects)
    )
    known = known if is_struct else ["value", "quality"]
    members = {name: objects_of([value.get(name) for value in objects]) for name in known}
    if is_struct:
        converted = struct_of(members, point, len(objects), convert)
    else:
        converted = joined(
            convert(members["value"], point), convert(members["quality"], QUALITY), point
        )
    strangers = {
        n: ("type", Detail("stranger", (str(name),)))
        for n, value in enumerate(objects)
        if (name := next((k for k in value if k not in known and value[k] is not None), None))
        is not None
    }
    return replaced(converted, _by_reason(objects, strangers))


def assembled(
    parts: Iterable[tuple[NDArray[Any], Converted]], length: int, point: Measurepoint
) -> Converted:
    """Put converted parts back into the order of the column."""
    parts = list(parts)
    if not parts:
        return Converted(pa.nulls(length, point.arrow_type()))
    order = np.full(length, -1, np.int64)
    start = 0
    for positions, _ in parts:
        order[positions] = np.arange(start, start + len(positions))
        start += len(positions)
    index = pa.array(order, mask=order < 0)
    values = pa.concat_arrays([converted.values for _, converted in parts]).take(index)
    misfits = Misfits.joined(converted.misfits.placed(positions) for positions, converted in parts)
    quality = None
    if any(converted.quality is not None for _, converted in parts):
        columns = [
            pa.nulls(len(s.values), pa.int64()) if s.quality is None else s.quality
            for _, s in parts
        ]
        quality = pa.concat_arrays(columns).take(index)
    return Converted(values, misfits, quality)


def convert_anything(column: pa.Array, point: Measurepoint) -> Converted:
    """Keep a column unknown to a pass-through model as JSON."""
    if pa.types.is_float32(column.type):  # keep 32-bit floats, for their shortest digits
        return _anything(objects_of(list(column.to_numpy(zero_copy_only=False))), point)
    return _anything(objects_of(python_of(column)), point)


def _anything(objects: NDArray[Any], point: Measurepoint) -> Converted:
    """Keep objects unknown to a pass-through model as JSON, the form in which they travel."""
    values = [_without_absent(value) for value in objects]
    texts = [None if value is None else json_text(value) for value in values]
    whys = {
        n: _untold(values[n])
        for n, text in enumerate(texts)
        if text is None and values[n] is not None
    }
    misfits = _by_reason(objects_of(values), whys)
    return Converted(pa.array([t and t.decode() for t in texts], point.arrow_type()), misfits)


def _untold(value: Any) -> tuple[str, Detail]:
    if has_lone_surrogate(value):
        return "text", Detail("surrogate")
    return "finite", Detail("no_json")


def _without_absent(value: Any) -> Any:
    """Return a value without absent members; None if no member is left."""
    if isinstance(value, dict):
        try:
            return {k: v for k, v in value.items() if _without_absent(v) is not None} or None
        except RecursionError:  # a dict that holds itself
            return value
    return None if value is pd.NA or value is pd.NaT or is_nan(value) else value
