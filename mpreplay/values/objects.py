"""Conversion of Python objects of mixed kinds, kind by kind.

Pure. ``convert`` converts an Arrow column, made of objects of a single kind.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from ..display.facts import Detail
from ..model.measurepoint import Measurepoint
from .absent import absent_in, is_nan
from .arrays import objects_of, python_of
from .epoch import instants_of, naive_of
from .misfits import Misfit
from .nested import struct_of
from .object_json import has_lone_surrogate, json_text
from .quality import QUALITY, joined
from .scalars import BEYOND_64, INFINITE
from .typed_column import Converted, replaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .typed_column import Converter

__all__ = ["convert_anything", "convert_objects"]


def convert_objects(column: NDArray[Any], point: Measurepoint, convert: Converter) -> Converted:
    """Convert a column of Python objects, kind by kind."""
    absent = absent_in(column)
    kinds: dict[Any, list[int]] = {}
    for position in np.flatnonzero(~absent).tolist():
        value = column[position]
        # Arrow would put times of several zones, or of none, into the zone of the first.
        zone = getattr(value, "tzinfo", None)
        kinds.setdefault((type(value), str(zone)), []).append(position)
    parts = [
        (np.asarray(positions), _kind(column[positions], point, convert))
        for positions in kinds.values()
    ]
    return _assemble(parts, len(column), point)


def _kind(objects: NDArray[Any], point: Measurepoint, convert: Converter) -> Converted:
    """Convert objects of one class."""
    if point.is_any:
        return _anything(objects, point)
    if isinstance(objects[0], dict) and (point.is_struct or point.has_quality):
        return _dicts(objects, point, convert)
    try:
        array = _arrow_of(objects, point)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if len(objects) > 1:  # a single object is at fault: convert each alone
            parts = [
                (np.asarray([n]), _kind(objects[n : n + 1], point, convert))
                for n in range(len(objects))
            ]
            return _assemble(parts, len(objects), point)
        misfits = Misfit.of(0, objects[0], *_unfit(objects[0], point))
        return Converted(pa.nulls(1, point.arrow_type()), [misfits])
    return convert(array, point)


def _arrow_of(objects: NDArray[Any], point: Measurepoint) -> pa.Array:
    """Return objects of one class as Arrow, or raise where Arrow would change their meaning."""
    values = objects.tolist()
    if isinstance(values[0], dt.datetime) and values[0].tzinfo is not None:
        if not point.is_date:
            return instants_of(values)
        values = [value.replace(tzinfo=None) for value in values]  # local time of its own zone
    if isinstance(values[0], pd.Timestamp | np.datetime64):
        return naive_of(values)
    array = pa.array(values, from_pandas=True)
    kind = array.type
    if pa.types.is_list(kind):
        plain = any(is_plain(kind.value_type) for is_plain in _PLAIN_ITEMS)
        if plain and not _hides_bytes(array, objects):
            return array
    elif not (pa.types.is_nested(kind) or any(is_other(kind) for is_other in _OTHER_KINDS)):
        return array
    raise TypeError("Arrow would take it for something else")


_PLAIN_ITEMS: Final = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_null,
)


def _hides_bytes(array: pa.Array, objects: NDArray[Any]) -> bool:
    """Return True if lists hold bytes beside texts: Arrow would read the bytes as texts, too."""
    if not pa.types.is_string(array.type.value_type):
        return False
    return any(isinstance(item, bytes) for items in objects for item in items)


# Bytes are not a text; a time of day or a duration is not a number.
_OTHER_KINDS: Final = (pa.types.is_binary, pa.types.is_duration, pa.types.is_time)


def _unfit(value: Any, point: Measurepoint) -> tuple[str, Detail]:
    if has_lone_surrogate(value):
        return "text", Detail("surrogate")
    if isinstance(value, int) and not isinstance(value, bool) and point.is_number:
        return "range", BEYOND_64
    if isinstance(value, decimal.Decimal) and value.is_infinite():
        return "finite", INFINITE
    if point.is_array and isinstance(value, list | tuple | np.ndarray):
        return "type", Detail("wrong_items", (str(point.item_type),))
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
        n: Misfit.of(n, value, "type", Detail("stranger", (str(name),)))
        for n, value in enumerate(objects)
        if (name := next((k for k in value if k not in known and value[k] is not None), None))
        is not None
    }
    return replaced(converted, strangers)


def _assemble(
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
    misfits = [
        o._replace(position=int(positions[o.position]))
        for positions, converted in parts
        for o in converted.misfits
    ]
    quality = None
    if any(converted.quality is not None for _, converted in parts):
        columns = [
            pa.nulls(len(s.values), pa.int64()) if s.quality is None else s.quality
            for _, s in parts
        ]
        quality = pa.concat_arrays(columns).take(index)
    return Converted(values, sorted(misfits), quality)


def convert_anything(column: pa.Array, point: Measurepoint) -> Converted:
    """Keep a column unknown to a pass-through model as JSON."""
    if pa.types.is_float32(column.type):  # keep 32-bit floats, for their shortest digits
        return _anything(objects_of(list(column.to_numpy(zero_copy_only=False))), point)
    return _anything(objects_of(python_of(column)), point)


def _anything(objects: NDArray[Any], point: Measurepoint) -> Converted:
    """Keep objects unknown to a pass-through model as JSON, the form in which they travel."""
    values = [_without_absent(value) for value in objects]
    texts = [None if value is None else json_text(value) for value in values]
    misfits = [
        Misfit.of(n, values[n], *_untold(values[n]))
        for n, text in enumerate(texts)
        if text is None and values[n] is not None
    ]
    return Converted(pa.array([t and t.decode() for t in texts], point.arrow_type()), misfits)


def _untold(value: Any) -> tuple[str, Detail]:
    if has_lone_surrogate(value):
        return "text", Detail("surrogate")
    return "finite", Detail("no_json")


def _without_absent(value: Any) -> Any:
    """Return a value without absent members; None if no member is left."""
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if _without_absent(v) is not None} or None
    return None if value is pd.NA or value is pd.NaT or is_nan(value) else value
