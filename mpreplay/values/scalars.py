"""Arrow columns of single values, settled into the type their measurement point has.

Pure. One function a type of the platform, in ``SCALARS``; structs, arrays and Python objects are
settled in ``values.py`` from these. Nothing is rounded into fitting, save that a FLOAT is a 32-bit
float because it travels as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..model.measurepoint import Measurepoint
from .misfits import Odd, python_of, without
from .times import NANOSECONDS, read_aware_texts, read_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SCALARS", "Settled", "Settler", "a_kind", "all_odd", "is_present", "with_odd"]


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


Settler = Callable[[pa.Array, Measurepoint], Settled]
Fault = tuple["NDArray[np.bool_]", str, str]  # which values, the check, the reason

_KINDS: Final = {
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

_TOO_FINE: Final = "a TIMESTAMP holds whole milliseconds"


def a_kind(point: Measurepoint) -> str:
    """Return what a value of a point is, in words."""
    return _KINDS.get(point.type, point.type)


def all_odd(column: pa.Array, point: Measurepoint, reason: str | None = None) -> Settled:
    """Return a column none of whose values fits."""
    reason = reason or f"a value of type {column.type} is not {a_kind(point)}"
    nothing = pa.nulls(len(column), point.arrow_type())
    return with_odd(nothing, column, [(is_present(column), "type", reason)])


def with_odd(values: pa.Array, column: pa.Array, faults: list[Fault]) -> Settled:
    """Return settled values with those under a fault's mask taken out as odd."""
    odd: list[Odd] = []
    taken = np.zeros(len(values), bool)
    for mask, check, reason in faults:
        positions = np.flatnonzero(mask & ~taken)
        taken |= mask
        for position, value in zip(
            positions.tolist(), python_of(column.take(pa.array(positions))), strict=True
        ):
            odd.append(Odd.of(position, value, check, reason))
    if taken.any():
        values = without(values, taken)
    return Settled(values, sorted(odd))


def is_present(column: pa.Array) -> NDArray[np.bool_]:
    """Return where a column holds a value: neither null nor NaN."""
    if pa.types.is_floating(column.type):
        return np.array(~np.isnan(column.to_numpy(zero_copy_only=False)), bool)
    return np.array(column.is_valid().to_numpy(zero_copy_only=False), bool)


def _settle_int(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if pa.types.is_uint64(kind):
        big = _mask(pc.greater(column, pa.scalar(2**63 - 1, pa.uint64())))
        values = column.cast(pa.int64(), safe=False)
        return with_odd(values, column, [(big, "range", "beyond 64 bits")])
    if pa.types.is_integer(kind):
        return Settled(column.cast(pa.int64()))
    if pa.types.is_decimal(kind):
        return _settle_decimals(column)
    if not pa.types.is_floating(kind):
        return all_odd(column, point)
    numbers, absent = _floats(column)
    finite = np.isfinite(numbers)
    with np.errstate(invalid="ignore"):
        whole = finite & (np.floor(numbers) == numbers)
    big = whole & ((numbers >= 2.0**63) | (numbers < -(2.0**63)))
    integers = np.where(whole & ~big, numbers, 0).astype(np.int64)
    return with_odd(
        pa.array(integers, mask=absent),
        column,
        [
            (~finite & ~absent, "finite", "infinite"),
            (big, "range", "beyond 64 bits"),
            (~whole & ~absent, "type", "not an integer"),
        ],
    )


def _settle_decimals(column: pa.Array) -> Settled:
    """Settle decimals as integers, one by one: a float would lose digits on the way."""
    decimals = column.to_pylist()
    whole = [d is None or d == d.to_integral_value() for d in decimals]
    near = [d is None or -(2**63) <= d < 2**63 for d in decimals]
    fits = zip(decimals, whole, near, strict=True)
    integers = [int(d) if d is not None and w and n else None for d, w, n in fits]
    return with_odd(
        pa.array(integers, pa.int64()),
        column,
        [
            (~np.array(whole, bool), "type", "not an integer"),
            (~np.array(near, bool), "range", "beyond 64 bits"),
        ],
    )


def _settle_float(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return all_odd(column, point)
    numbers, absent = _floats(column)
    infinite = np.isinf(numbers)
    faults: list[Fault] = [(infinite, "finite", "infinite")]
    if point.type == "FLOAT":
        with np.errstate(over="ignore"):
            numbers = numbers.astype(np.float32, copy=False)
        faults.append((np.isinf(numbers) & ~infinite, "range", "beyond the 32 bits of a FLOAT"))
    else:
        numbers = numbers.astype(np.float64, copy=False)
    if point.type == "DOUBLE" and pa.types.is_integer(kind):
        inexact = _is_inexact(column, numbers)
        faults.append((inexact, "range", "an integer with more digits than a DOUBLE holds"))
    array = pa.array(numbers, mask=absent if absent.any() else None)
    if not any(mask.any() for mask, _, _ in faults):
        return Settled(array)
    return with_odd(array, column, faults)


def _is_inexact(column: pa.Array, numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which integers a 64-bit float would change."""
    inexact = np.zeros(len(column), bool)
    with np.errstate(invalid="ignore"):
        suspects = np.flatnonzero(np.abs(numbers) >= 2.0**53)
    for position in suspects.tolist():
        inexact[position] = int(numbers[position]) != column[position].as_py()
    return inexact


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
        return all_odd(column, point)
    numbers, absent = _floats(column)
    fits = (numbers == 0) | (numbers == 1)
    faults: list[Fault] = [
        (np.isinf(numbers), "finite", "infinite"),
        (~fits & ~absent, "type", f"not {a_kind(point)}"),
    ]
    return with_odd(pa.array(numbers == 1, mask=absent), column, faults)


def _settle_enum(column: pa.Array, point: Measurepoint) -> Settled:
    return (_settle_int if point.has_int_keys else _settle_text)(column, point)


def _settle_text(column: pa.Array, point: Measurepoint) -> Settled:
    return Settled(column) if pa.types.is_string(column.type) else all_odd(column, point)


def _settle_date(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("s")), pa.timestamp("s")
    if not pa.types.is_timestamp(kind):
        return _settle_text(column, point)
    # A DATE carries no zone: the clock's face travels, in the zone the value has.
    seconds = pa.timestamp("s", tz=kind.tz)
    floored = pc.floor_temporal(column, unit="second").cast(seconds)
    texts = pc.strftime(floored, format="%Y-%m-%d %H:%M:%S")
    fault = (_is_finer(column, NANOSECONDS["s"]), "type", "a DATE holds whole seconds")
    return with_odd(texts, column, [fault])


def _is_finer(column: pa.Array, nanoseconds: int) -> NDArray[np.bool_]:
    """Return which times are no multiple of a unit."""
    ticks = nanoseconds // NANOSECONDS[column.type.unit]
    counts = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return np.asarray(counts % ticks != 0, bool) if ticks > 1 else np.zeros(len(column), bool)


def _settle_timestamp(column: pa.Array, point: Measurepoint) -> Settled:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _settle_instants(column, point)
    if pa.types.is_string(kind):
        return _settle_time_texts(column, point)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return all_odd(column, point)
    milliseconds = _settle_int(column, point)  # floats, too, where one NaN made them of integers
    return Settled(milliseconds.values.cast(point.arrow_type()), milliseconds.odd)


def _settle_instants(column: pa.Array, point: Measurepoint) -> Settled:
    if not column.type.tz:
        return all_odd(column, point, "a naive time; a TIMESTAMP needs a zone")
    times = read_times(column, name=point.identifier, first_row=0, tz=None, unit=None)
    values = _instants(times.ms, times.unreadable, point)
    return with_odd(values, column, [(_is_finer(column, NANOSECONDS["ms"]), "type", _TOO_FINE)])


def _settle_time_texts(column: pa.Array, point: Measurepoint) -> Settled:
    """Settle texts: milliseconds in digits, as they travel, or ISO 8601 with an offset."""
    digits = _mask(pc.match_substring_regex(column, r"^-?\d{1,18}$"))
    numbers = without(column, ~digits).cast(pa.int64())
    times = read_aware_texts(without(column, digits))
    values = pc.coalesce(
        numbers.cast(point.arrow_type()), _instants(times.ms, times.unreadable, point)
    )
    unread = is_present(column) & ~is_present(values)
    finer = _mask(pc.match_substring_regex(column, r"[.,]\d{3}\d*[1-9]"))
    faults: list[Fault] = [(unread, "type", f"not {a_kind(point)}"), (finer, "type", _TOO_FINE)]
    return with_odd(values, column, faults)


def _instants(ms: NDArray[np.int64], unreadable: dict[int, str], point: Measurepoint) -> pa.Array:
    absent = np.zeros(len(ms), bool)
    absent[list(unreadable)] = True
    return pa.array(ms, mask=absent).cast(point.arrow_type())


def _settle_file(column: pa.Array, point: Measurepoint) -> Settled:
    return all_odd(column, point, "a FILE travels over the HTTP channel only")


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.array(array.fill_null(False).to_numpy(zero_copy_only=False), bool)


SCALARS: Final[dict[str, Settler]] = {
    "INT": _settle_int,
    "FLOAT": _settle_float,
    "DOUBLE": _settle_float,
    "BOOL": _settle_bool,
    "ENUM": _settle_enum,
    "STRING": _settle_text,
    "DATE": _settle_date,
    "TIMESTAMP": _settle_timestamp,
    "FILE": _settle_file,
}
