"""Readings in whatever type they come, settled into the type their measurement point has.

Pure. A value that fits is held in the Arrow type of ``Measurepoint.arrow_type``. One that does not
is *odd*: it is kept beside, as the JSON text it would travel as, with the reason. Arrow columns of
single values are settled in ``scalars.py``; here are Python objects, structs, arrays and qualities.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..model.measurepoint import QUALITY_RANGE, Measurepoint
from .misfits import Odd, absent_in, has_lone_surrogate, is_nan, json_text, python_of, without
from .scalars import SCALARS, Settled, Settler, a_kind, all_odd, is_present, with_odd
from .times import instants_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Settled", "objects_of", "settle", "settle_struct", "with_quality"]

QUALITY: Final = Measurepoint("quality", "INT")


def settle(column: Any, point: Measurepoint) -> Settled:
    """Return a raw column in the type of its measurement point.

    Parameters
    ----------
    column : Array or ndarray of objects, shape (n,)
        The readings; NaN, None, NaT and NA are absent.
    point : Measurepoint
        What they should be.

    Returns
    -------
    Settled

    Examples
    --------
    >>> settled = settle(pa.array([1.0, 2.5, None]), Measurepoint("state", "INT"))
    >>> settled.values.to_pylist(), settled.odd[0].reason
    ([1, None, None], 'not an integer')
    """
    if isinstance(column, np.ndarray):
        return _settle_objects(column, point)
    column = _plain(column)
    if pa.types.is_null(column.type):
        return Settled(pa.nulls(len(column), point.arrow_type()))
    if point.has_quality and point.type != "STRUCT" and pa.types.is_struct(column.type):
        return _settle_with_quality(column, point)
    return (SCALARS.get(point.type) or _NESTED[point.type])(column, point)


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without dictionary, view or large offsets."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        return _plain(column.storage)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        # Arrow's cast of a slice with nulls fails or reads beyond it.
        return pa.array(column.to_pylist(), pa.list_(kind.value_type))
    if pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return column.cast(pa.list_(kind.value_type))
    return column


def _settle_objects(column: NDArray[Any], point: Measurepoint) -> Settled:
    """Settle a column of Python objects, kind by kind."""
    absent = absent_in(column)
    kinds: dict[Any, list[int]] = {}
    for position in np.flatnonzero(~absent).tolist():
        value = column[position]
        # Arrow would put times of several zones, or of none, into the zone of the first.
        zone = getattr(value, "tzinfo", None)
        kinds.setdefault((type(value), str(zone)), []).append(position)
    parts = [
        (np.asarray(positions), _settle_kind(column[positions], point))
        for positions in kinds.values()
    ]
    return _assemble(parts, len(column), point)


def _settle_kind(objects: NDArray[Any], point: Measurepoint) -> Settled:
    """Settle objects of one class."""
    if point.type == "ANY":
        return _settle_anything(objects, point)
    if isinstance(objects[0], dict) and (point.type == "STRUCT" or point.has_quality):
        return _settle_dicts(objects, point)
    try:
        array = _arrow_of(objects, point)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if len(objects) > 1:  # one of them is at fault: settle each by itself
            parts = [
                (np.asarray([n]), _settle_kind(objects[n : n + 1], point))
                for n in range(len(objects))
            ]
            return _assemble(parts, len(objects), point)
        odd = Odd.of(0, objects[0], *_unfit(objects[0], point))
        return Settled(pa.nulls(1, point.arrow_type()), [odd])
    return settle(array, point)


def _arrow_of(objects: NDArray[Any], point: Measurepoint) -> pa.Array:
    """Return objects of one class as Arrow, or raise where it would make something else of them."""
    values = objects.tolist()
    if isinstance(values[0], dt.datetime) and values[0].tzinfo is not None:
        if point.type != "DATE":
            return instants_of(values)
        values = [value.replace(tzinfo=None) for value in values]  # the face of its own clock
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
    """Return whether bytes stand in lists beside texts: Arrow takes them for texts, too."""
    if not pa.types.is_string(array.type.value_type):
        return False
    return any(isinstance(item, bytes) for items in objects for item in items)


# Bytes are no text, a date or a duration is no number.
_OTHER_KINDS: Final = (pa.types.is_binary, pa.types.is_duration, pa.types.is_time)


def _unfit(value: Any, point: Measurepoint) -> tuple[str, str]:
    if has_lone_surrogate(value):
        return "text", "holds a lone surrogate, which UTF-8 cannot carry"
    if isinstance(value, int) and not isinstance(value, bool) and point.type in _NUMBERS:
        return "range", "beyond 64 bits"
    if isinstance(value, decimal.Decimal) and value.is_infinite():
        return "finite", "infinite"
    if point.type == "ARRAY" and isinstance(value, list | tuple | np.ndarray):
        return "type", f"its items are not all {_PLURALS[str(point.item_type)]}"
    return "type", f"a {type(value).__name__} is not {a_kind(point)}"


_NUMBERS: Final = frozenset({"INT", "FLOAT", "DOUBLE"})
_PLURALS: Final = {"INT": "integers", "FLOAT": "numbers", "DOUBLE": "numbers", "STRING": "texts"}


def _settle_dicts(objects: NDArray[Any], point: Measurepoint) -> Settled:
    """Settle dicts member by member: Arrow would give all of them the members of each."""
    known = [m.identifier for m in point.members]
    is_struct = point.type == "STRUCT" and not (
        point.has_quality and "value" not in known and all("value" in value for value in objects)
    )
    known = known if is_struct else ["value", "quality"]
    members = {name: objects_of([value.get(name) for value in objects]) for name in known}
    if is_struct:
        settled = settle_struct(members, point, len(objects))
    else:
        settled = with_quality(settle(members["value"], point), members["quality"], point)
    strangers = {
        n: Odd.of(n, value, "type", f"has no member {name!r}")
        for n, value in enumerate(objects)
        if (name := next((k for k in value if k not in known and value[k] is not None), None))
        is not None
    }
    return _replaced(settled, strangers)


def _replaced(settled: Settled, odd: dict[int, Odd]) -> Settled:
    """Return settled values with some of them odd for another reason."""
    if not odd:
        return settled
    taken = np.zeros(len(settled.values), bool)
    taken[list(odd)] = True
    values = without(settled.values, taken)
    rest = [o for o in settled.odd if o.position not in odd]
    return Settled(values, sorted([*odd.values(), *rest]), settled.quality)


def _assemble(
    parts: Iterable[tuple[NDArray[Any], Settled]], length: int, point: Measurepoint
) -> Settled:
    """Put parts back where they came from."""
    parts = list(parts)
    if not parts:
        return Settled(pa.nulls(length, point.arrow_type()))
    order = np.full(length, -1, np.int64)
    start = 0
    for positions, _ in parts:
        order[positions] = np.arange(start, start + len(positions))
        start += len(positions)
    index = pa.array(order, mask=order < 0)
    values = pa.concat_arrays([settled.values for _, settled in parts]).take(index)
    odd = [
        o._replace(position=int(positions[o.position]))
        for positions, settled in parts
        for o in settled.odd
    ]
    quality = None
    if any(settled.quality is not None for _, settled in parts):
        columns = [
            pa.nulls(len(s.values), pa.int64()) if s.quality is None else s.quality
            for _, s in parts
        ]
        quality = pa.concat_arrays(columns).take(index)
    return Settled(values, sorted(odd), quality)


def _settle_struct_column(column: pa.Array, point: Measurepoint) -> Settled:
    if pa.types.is_map(column.type):
        return _settle_objects(objects_of([v and dict(v) for v in python_of(column)]), point)
    if not pa.types.is_struct(column.type):
        return all_odd(column, point)
    names = [f.name for f in column.type]
    known = {m.identifier for m in point.members}
    fields = {name: pc.struct_field(column, [n]) for n, name in enumerate(names)}
    settled = settle_struct({n: fields[n] for n in names if n in known}, point, len(column))
    strange: dict[int, Odd] = {}
    for name in (n for n in names if n not in known):
        for position in np.flatnonzero(is_present(fields[name])).tolist():
            [value] = python_of(column.slice(position, 1))
            strange.setdefault(position, Odd.of(position, value, "type", f"has no member {name!r}"))
    return _replaced(settled, strange)


def settle_struct(members: dict[str, Any], point: Measurepoint, length: int) -> Settled:
    """Return a struct from its members' raw columns.

    A struct all of whose members are absent is absent. One odd member makes the value odd.
    """
    parts = {
        m.identifier: settle(members[m.identifier], m)
        if m.identifier in members
        else Settled(pa.nulls(length, m.arrow_type()))
        for m in point.members
    }
    struct = pa.StructArray.from_arrays(
        [part.values for part in parts.values()], fields=list(point.arrow_type())
    )
    odd_at: dict[int, dict[str, Odd]] = {}
    for name, part in parts.items():
        for o in part.odd:
            odd_at.setdefault(o.position, {})[name] = o
    present = np.zeros(length, bool)
    for part in parts.values():
        present |= part.values.is_valid().to_numpy(zero_copy_only=False)
    gone = ~present
    gone[list(odd_at)] = True
    values = without(struct, gone) if gone.any() else struct
    return Settled(values, [_odd_struct(p, odd_at[p], struct) for p in sorted(odd_at)])


def _odd_struct(position: int, faulty: dict[str, Odd], struct: pa.StructArray) -> Odd:
    pieces = []
    for n, member in enumerate(struct.type):
        value = struct.field(n)[position]
        one = faulty.get(member.name)
        if one is not None or value.is_valid:
            text = _text_of(value) or b"null" if one is None else one.text or one.told.encode()
            pieces.append(orjson.dumps(member.name) + b":" + text)
    name, first = _gravest(faulty)
    whole = b"{" + b",".join(pieces) + b"}"
    reason = f"member {name}: {first.reason}"
    if first.text is None:
        return Odd(position, None, first.check, reason, first.shown, whole.decode())
    return Odd(position, whole, first.check, reason, whole.decode())


def _gravest(faulty: dict[str, Odd]) -> tuple[str, Odd]:
    """Return the first member that cannot travel at all, or else the first at fault."""
    return next(
        (item for item in faulty.items() if item[1].text is None), next(iter(faulty.items()))
    )


def _text_of(value: pa.Scalar) -> bytes | None:
    """Return a settled value as it travels; a FLOAT in its shortest form."""
    if pa.types.is_timestamp(value.type):  # Python's own end with the year 9999
        milliseconds = value.cast(pa.int64()).as_py()
        return None if milliseconds is None else json_text(str(milliseconds))
    as_python = value.as_py()
    is_float = pa.types.is_float32(value.type) and as_python is not None
    return json_text(np.float32(as_python) if is_float else as_python)


def _kept_text(value: pa.Scalar) -> bytes | None:
    """Return what a pass-through model does not know: it is kept as JSON."""
    return None if not value.is_valid else str(value.as_py()).encode()


def _settle_array(column: pa.Array, point: Measurepoint) -> Settled:
    if not pa.types.is_list(column.type):
        return all_odd(column, point)
    item = Measurepoint(point.identifier, str(point.item_type))
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    items = settle(column.flatten(), item)
    parents = np.repeat(np.arange(len(column)), lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    absent = column.is_null()
    values = pa.ListArray.from_arrays(
        pa.array(offsets, mask=np.append(absent.to_numpy(zero_copy_only=False), False)),
        items.values,
    )
    missing = ~is_present(items.values)
    wrong: dict[tuple[str, str], list[int]] = {}
    for o in items.odd:
        missing[o.position] = False
        wrong.setdefault((o.check, f"an item is {o.reason}"), []).append(int(parents[o.position]))
    wrong.setdefault(("items", "an item is absent"), []).extend(parents[missing].tolist())
    faults = [
        (_mask_of(positions, len(column)), check, reason)
        for (check, reason), positions in sorted(wrong.items(), key=_gravity)
    ]
    return with_odd(values.cast(point.arrow_type()), column, faults)


def _gravity(item: tuple[tuple[str, str], Any]) -> bool:
    # An infinite item keeps the array from travelling, whatever else is wrong with it.
    return item[0][0] != "finite"


def _mask_of(positions: list[int], length: int) -> NDArray[np.bool_]:
    mask = np.zeros(length, bool)
    mask[positions] = True
    return mask


def _settle_any(column: pa.Array, point: Measurepoint) -> Settled:
    if pa.types.is_float32(column.type):  # in its shortest form
        return _settle_anything(objects_of(list(column.to_numpy(zero_copy_only=False))), point)
    return _settle_anything(objects_of(python_of(column)), point)


def _settle_anything(objects: NDArray[Any], point: Measurepoint) -> Settled:
    """Keep what a pass-through model does not know as the JSON it travels as."""
    values = [_without_absent(value) for value in objects]
    texts = [None if value is None else json_text(value) for value in values]
    odd = [
        Odd.of(n, values[n], *_untold(values[n]))
        for n, text in enumerate(texts)
        if text is None and values[n] is not None
    ]
    return Settled(pa.array([t and t.decode() for t in texts], point.arrow_type()), odd)


def _untold(value: Any) -> tuple[str, str]:
    if has_lone_surrogate(value):
        return "text", "holds a lone surrogate, which UTF-8 cannot carry"
    return "finite", "JSON cannot carry it"


def _without_absent(value: Any) -> Any:
    """Return a value without absent members; None where nothing is left."""
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if _without_absent(v) is not None} or None
    return None if value is pd.NA or value is pd.NaT or is_nan(value) else value


def _settle_with_quality(column: pa.Array, point: Measurepoint) -> Settled:
    """Settle a column of structs {value, quality} of a point that has quality."""
    fields = {f.name: pc.struct_field(column, [n]) for n, f in enumerate(column.type)}
    if not set(fields) <= {"value", "quality"} or "value" not in fields:
        return all_odd(column, point)
    settled = settle(fields["value"], point)
    return with_quality(settled, fields["quality"], point) if "quality" in fields else settled


_NESTED: Final[dict[str, Settler]] = {
    "STRUCT": _settle_struct_column,
    "ARRAY": _settle_array,
    "ANY": _settle_any,
}


def with_quality(settled: Settled, quality: Any, point: Measurepoint) -> Settled:
    """Return a column with its quality; a quality that cannot be, or stands alone, makes it odd."""
    text_of = _kept_text if point.type == "ANY" else _text_of
    marks = settle(quality, QUALITY)
    low, high = QUALITY_RANGE
    numbers = marks.values.fill_null(low).to_numpy(zero_copy_only=False)
    wrong = (numbers < low) | (numbers > high)
    wrong_marks = {o.position: o for o in marks.odd}
    wrong[list(wrong_marks)] = True
    odd_before = {o.position for o in settled.odd}
    valued = settled.values.is_valid().to_numpy(zero_copy_only=False)
    alone = ~valued & marks.values.is_valid().to_numpy(zero_copy_only=False) & ~wrong
    alone[list(odd_before)] = False
    wrong[list(odd_before)] = False
    odd = list(settled.odd)
    for position in np.flatnonzero(wrong | alone).tolist():
        value = settled.values[position]
        one = wrong_marks.get(position)
        mark = (
            str(marks.values[position].as_py()).encode()
            if one is None
            else one.text or one.told.encode()
        )
        text = b'"value":' + (text_of(value) or b"null") + b"," if value.is_valid else b""
        reason = (
            f"its quality is not an integer from {low} to {high}"
            if wrong[position]
            else "a quality without a value"
        )
        whole = b"{" + text + b'"quality":' + mark + b"}"
        carried = whole if one is None or one.text is not None else None
        odd.append(Odd(position, carried, "quality", reason, whole.decode(), whole.decode()))
    taken = wrong | alone
    values = settled.values
    if taken.any():
        values = without(values, taken)
    present = values.is_valid()
    return Settled(
        values, sorted(odd), pc.if_else(present, marks.values, pa.scalar(None, pa.int64()))
    )


def objects_of(values: list[Any]) -> NDArray[Any]:
    """Return Python objects as an array of one dimension, whatever they are."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
