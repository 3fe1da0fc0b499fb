"""Readings in whatever type they come, settled into the type their measurement point has.

Pure. A value that fits is held in the Arrow type of ``Measurepoint.arrow_type``. One that does not is
*odd*: it is kept beside, as the JSON text it would travel as, with the reason. Nothing is rounded
into fitting, save that a FLOAT is a 32-bit float because it travels as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .errors import HistoryError
from .measurepoint import QUALITY_RANGE, Measurepoint
from .odd import Odd, json_text
from .times import read_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Settled", "settle", "settle_struct", "with_quality"]

QUALITY: Final = Measurepoint("quality", "INT")


@dataclass(frozen=True, slots=True)
class Settled:
    """A column in its measurement point's type.

    Parameters
    ----------
    values : Array, shape (n,)
        Null where absent or odd.
    odd : list of Odd
        What does not fit; few, as a rule.
    quality : Array of int64, shape (n,), optional
        The quality of each value that has one.
    """

    values: pa.Array
    odd: list[Odd] = field(default_factory=list)
    quality: pa.Array | None = None


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
    return _SETTLERS[point.type](column, point)


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without dictionary, view or large offsets."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return column.cast(pa.list_(kind.value_type))
    if isinstance(column, pa.ExtensionArray):
        return _plain(column.storage)
    return column


def _settle_objects(column: NDArray[Any], point: Measurepoint) -> Settled:
    """Settle a column of Python objects, kind by kind."""
    absent = np.asarray(pd.isna(column), bool)
    kinds: dict[Any, list[int]] = {}
    for position in np.flatnonzero(~absent).tolist():
        value = column[position]
        # Arrow would take naive datetimes for UTC where aware ones stand beside them.
        kinds.setdefault((type(value), getattr(value, "tzinfo", None) is None), []).append(position)
    parts = [
        (np.asarray(positions), _settle_kind(column[positions], point))
        for positions in kinds.values()
    ]
    return _assemble(parts, len(column), point)


def _settle_kind(objects: NDArray[Any], point: Measurepoint) -> Settled:
    try:
        array = pa.array(objects.tolist(), from_pandas=True)
        if not _means_the_same(objects[0], array.type):
            raise TypeError("Arrow would take it for something else")
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


def _means_the_same(value: Any, kind: pa.DataType) -> bool:
    # Bytes are no text, a date or a duration is no number.
    return not (pa.types.is_binary(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind))


def _unfit(value: Any, point: Measurepoint) -> tuple[str, str]:
    if isinstance(value, str):
        return "text", "holds a lone surrogate, which UTF-8 cannot carry"
    if isinstance(value, int) and not isinstance(value, bool) and point.type in _NUMBERS:
        return "range", "beyond 64 bits"
    return "type", f"a {type(value).__name__} is not {_a(point)}"


def _assemble(
    parts: Iterable[tuple[NDArray[Any], Settled]], length: int, point: Measurepoint
) -> Settled:
    """Put parts back where they came from."""
    parts = list(parts)
    if not parts:
        return Settled(pa.nulls(length, point.arrow_type()))
    order = np.full(length, -1, np.int64)
    start = 0
    for positions, settled in parts:
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


_NUMBERS: Final = frozenset({"INT", "FLOAT", "DOUBLE"})
_ARTICLES: Final = {
    "INT": "an integer",
    "FLOAT": "a number",
    "DOUBLE": "a number",
    "BOOL": "a truth value (true, false, 0 or 1)",
    "ENUM": "a key of the enumeration",
    "STRING": "a text",
    "DATE": "a date",
    "TIMESTAMP": "a time with a zone",
    "STRUCT": "a struct",
    "ARRAY": "an array",
}


def _a(point: Measurepoint) -> str:
    return _ARTICLES.get(point.type, point.type)


def _all_odd(column: pa.Array, point: Measurepoint, reason: str | None = None) -> Settled:
    """Return a column none of whose values fits."""
    reason = reason or f"a value of type {column.type} is not {_a(point)}"
    return _with_odd(
        pa.nulls(len(column), point.arrow_type()),
        column,
        [(column.is_valid().to_numpy(zero_copy_only=False), "type", reason)],
    )


def _with_odd(
    values: pa.Array, column: pa.Array, faults: list[tuple[NDArray[np.bool_], str, str]]
) -> Settled:
    """Return settled values with those under a fault's mask taken out as odd."""
    odd: list[Odd] = []
    taken = np.zeros(len(values), bool)
    for mask, check, reason in faults:
        positions = np.flatnonzero(mask & ~taken)
        taken |= mask
        for position, value in zip(
            positions.tolist(), column.take(pa.array(positions)).to_pylist(), strict=True
        ):
            odd.append(Odd.of(position, value, check, reason))
    if taken.any():
        values = pc.if_else(pa.array(taken), pa.scalar(None, values.type), values)
    return Settled(values, sorted(odd))


def _settle_int(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if pa.types.is_uint64(kind):
        big = _mask(pc.greater(column, pa.scalar(2**63 - 1, pa.uint64())))
        return _with_odd(
            column.cast(pa.int64(), safe=False), column, [(big, "range", "beyond 64 bits")]
        )
    if pa.types.is_integer(kind):
        return Settled(column.cast(pa.int64()))
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if not pa.types.is_floating(kind):
        return _all_odd(column, point)
    numbers, absent = _floats(column)
    finite = np.isfinite(numbers)
    with np.errstate(invalid="ignore"):
        whole = finite & (np.floor(numbers) == numbers)
    big = whole & (np.abs(numbers) >= 2.0**63)
    integers = np.where(whole & ~big, numbers, 0).astype(np.int64)
    return _with_odd(
        pa.array(integers, mask=absent),
        column,
        [
            (~finite & ~absent, "finite", "infinite"),
            (big, "range", "beyond 64 bits"),
            (~whole & ~absent, "type", "not an integer"),
        ],
    )


def _settle_float(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return _all_odd(column, point)
    numbers, absent = _floats(column)
    infinite = np.isinf(numbers)
    faults = [(infinite, "finite", "infinite")]
    if point.type == "FLOAT":
        with np.errstate(over="ignore"):
            numbers = numbers.astype(np.float32, copy=False)
        faults.append((np.isinf(numbers) & ~infinite, "range", "beyond the 32 bits of a FLOAT"))
    array = pa.array(numbers, mask=absent if absent.any() else None)
    if not any(mask.any() for mask, _, _ in faults):
        return Settled(array)
    return _with_odd(array, column, faults)


def _floats(column: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return numbers as floats, and where there are none (null or NaN)."""
    if not pa.types.is_floating(column.type) or pa.types.is_float16(column.type):
        column = column.cast(pa.float64(), safe=False)
    numbers = column.to_numpy(zero_copy_only=False)
    return numbers, np.isnan(numbers)


def _settle_bool(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if pa.types.is_boolean(kind):
        return Settled(column)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return _all_odd(column, point)
    numbers, absent = _floats(column)
    fits = (numbers == 0) | (numbers == 1)
    faults = [
        (np.isinf(numbers), "finite", "infinite"),
        (~fits & ~absent, "type", f"not {_a(point)}"),
    ]
    return _with_odd(pa.array(numbers == 1, mask=absent), column, faults)


def _settle_enum(column: pa.Array, point: Measurepoint) -> Settled:
    return (_settle_int if point.has_int_keys else _settle_text)(column, point)


def _settle_text(column: pa.Array, point: Measurepoint) -> Settled:
    return Settled(column) if pa.types.is_string(column.type) else _all_odd(column, point)


def _settle_date(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(column.type):
        # A DATE carries no zone: the clock's face travels, in the zone the value has.
        seconds = pc.floor_temporal(column, unit="second").cast(
            pa.timestamp("s", tz=column.type.tz)
        )
        return Settled(pc.strftime(seconds, format="%Y-%m-%d %H:%M:%S"))
    return _settle_text(column, point)


def _settle_timestamp(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if pa.types.is_timestamp(kind) and not kind.tz:
        return _all_odd(column, point, "a naive time; a TIMESTAMP needs a zone")
    if pa.types.is_string(kind) and _is_digits(column):
        column, kind = column.cast(pa.int64()), pa.int64()
    if not (pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind)):
        return _all_odd(column, point)
    try:
        times = read_times(column, name=point.identifier, first_row=0, tz=None, unit="ms")
    except HistoryError:
        return _all_odd(column, point)
    absent = column.is_null().to_numpy(zero_copy_only=False)
    unreadable = np.zeros(len(column), bool)
    unreadable[list(times.unreadable)] = True
    values = pa.array(times.ms, mask=absent).cast(pa.timestamp("ms", tz="UTC"))
    return _with_odd(values, column, [(unreadable & ~absent, "type", f"not {_a(point)}")])


def _is_digits(column: pa.Array) -> bool:
    return bool(_mask(pc.match_substring_regex(column, r"^-?\d{1,18}$").fill_null(True)).all())


def _settle_struct_column(column: pa.Array, point: Measurepoint) -> Settled:
    if pa.types.is_map(column.type):
        return _settle_objects(
            _objects([dict(v) if v else None for v in column.to_pylist()]), point
        )
    if not pa.types.is_struct(column.type):
        return _all_odd(column, point)
    names = [f.name for f in column.type]
    known = {m.identifier for m in point.members}
    fields = {name: pc.struct_field(column, [n]) for n, name in enumerate(names)}
    settled = settle_struct({n: fields[n] for n in names if n in known}, point, len(column))
    strangers = [n for n in names if n not in known]
    if not strangers:
        return settled
    faults = [(_present(fields[name]), "type", f"has no member {name!r}") for name in strangers]
    checked = _with_odd(settled.values, column, faults)
    there = {o.position for o in checked.odd}
    return Settled(
        checked.values, sorted(checked.odd + [o for o in settled.odd if o.position not in there])
    )


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
    values = (
        pc.if_else(pa.array(gone), pa.scalar(None, struct.type), struct) if gone.any() else struct
    )
    return Settled(values, [_odd_struct(p, odd_at[p], struct) for p in sorted(odd_at)])


def _odd_struct(position: int, faulty: dict[str, Odd], struct: pa.StructArray) -> Odd:
    pieces: list[bytes | None] = []
    for name, value in struct[position].as_py().items():
        text = faulty[name].text if name in faulty else json_text(value)
        if name in faulty or value is not None:
            pieces.append(None if text is None else orjson.dumps(name) + b":" + text)
    name, first = next(iter(faulty.items()))
    text = None if None in pieces else b"{" + b",".join(p for p in pieces if p is not None) + b"}"
    shown_as = first.shown if text is None else text.decode()
    return Odd(position, text, first.check, f"member {name}: {first.reason}", shown_as)


def _settle_array(column: pa.Array, point: Measurepoint) -> Settled:
    if not pa.types.is_list(column.type):
        return _all_odd(column, point)
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
    odd_items = np.zeros(len(items.values), bool)
    odd_items[[o.position for o in items.odd]] = True
    missing = items.values.is_null().to_numpy(zero_copy_only=False) & ~odd_items
    faults = []
    for o in items.odd[:1]:
        faults.append(
            (_parents_of(odd_items, parents, len(column)), o.check, f"an item is {o.reason}")
        )
    if missing.any():
        faults.append((_parents_of(missing, parents, len(column)), "items", "an item is absent"))
    return _with_odd(values.cast(point.arrow_type()), column, faults)


def _parents_of(items: NDArray[np.bool_], parents: NDArray[Any], length: int) -> NDArray[np.bool_]:
    mask = np.zeros(length, bool)
    mask[parents[items]] = True
    return mask


def _settle_any(column: pa.Array, point: Measurepoint) -> Settled:
    """Keep what a pass-through model does not know as the JSON it travels as."""
    texts = [None if v is None or v != v else json_text(v) for v in column.to_pylist()]  # noqa: PLR0124
    lost = np.array(
        [t is None and v is not None and v == v  # noqa: PLR0124
         for t, v in zip(texts, column.to_pylist(), strict=True)], bool
    )  # fmt: skip
    values = pa.array([None if t is None else t.decode() for t in texts], pa.string())
    return _with_odd(values, column, [(lost, "finite", "JSON cannot carry it")])


def _settle_file(column: pa.Array, point: Measurepoint) -> Settled:
    return _all_odd(column, point, "a FILE travels over the HTTP channel only")


def _settle_with_quality(column: pa.Array, point: Measurepoint) -> Settled:
    """Settle a column of structs {value, quality} of a point that has quality."""
    fields = {f.name: pc.struct_field(column, [n]) for n, f in enumerate(column.type)}
    if not set(fields) <= {"value", "quality"} or "value" not in fields:
        return _all_odd(column, point)
    settled = settle(fields["value"], point)
    return with_quality(settled, fields["quality"]) if "quality" in fields else settled


_SETTLERS: Final[dict[str, Callable[[pa.Array, Measurepoint], Settled]]] = {
    "INT": _settle_int,
    "FLOAT": _settle_float,
    "DOUBLE": _settle_float,
    "BOOL": _settle_bool,
    "ENUM": _settle_enum,
    "STRING": _settle_text,
    "DATE": _settle_date,
    "TIMESTAMP": _settle_timestamp,
    "STRUCT": _settle_struct_column,
    "ARRAY": _settle_array,
    "ANY": _settle_any,
    "FILE": _settle_file,
}


def with_quality(settled: Settled, quality: Any) -> Settled:
    """Return a column with its quality; a quality that cannot be, or stands alone, makes it odd."""
    marks = settle(quality, QUALITY)
    low, high = QUALITY_RANGE
    numbers = marks.values.fill_null(low).to_numpy(zero_copy_only=False)
    wrong = (numbers < low) | (numbers > high)
    wrong_texts = {o.position: o.text for o in marks.odd}
    wrong[list(wrong_texts)] = True
    odd_before = {o.position for o in settled.odd}
    valued = settled.values.is_valid().to_numpy(zero_copy_only=False)
    alone = ~valued & marks.values.is_valid().to_numpy(zero_copy_only=False) & ~wrong
    alone[list(odd_before)] = False
    wrong[list(odd_before)] = False
    odd = list(settled.odd)
    for position in np.flatnonzero(wrong | alone).tolist():
        value = settled.values[position].as_py()
        mark = wrong_texts.get(position, str(marks.values[position].as_py()).encode())
        text = b'"value":' + (json_text(value) or b"null") + b"," if value is not None else b""
        reason = (
            f"its quality is not an integer from {low} to {high}"
            if wrong[position]
            else "a quality without a value"
        )
        carried = None if mark is None else b"{" + text + b'"quality":' + mark + b"}"
        seen = (carried or text).decode()
        odd.append(Odd(position, carried, "quality", reason, seen))
    taken = wrong | alone
    values = settled.values
    if taken.any():
        values = pc.if_else(pa.array(taken), pa.scalar(None, values.type), values)
    present = values.is_valid()
    return Settled(
        values, sorted(odd), pc.if_else(present, marks.values, pa.scalar(None, pa.int64()))
    )


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), bool)


def _present(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)


def _objects(values: list[Any]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
