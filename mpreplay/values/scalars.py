"""Conversion of Arrow columns of single values into the type of their measurement point.

Pure. ``SCALARS`` has a function for each type of the platform; members, items and Python objects
are converted by the same functions. Values are never rounded into fitting; only a FLOAT becomes a
32-bit float, the form in which it travels.
"""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import is_present, numbers_in, valid_in
from ..cells.arrays import without
from ..cells.epoch import FIRST_TIME, LAST_TIME
from ..display.facts import Detail
from ..times.time_numbers import NANOSECONDS, local_of
from ..times.times import read_aware_texts, read_times
from .misfits import Misfits
from .typed_column import Converted, all_misfit, with_misfits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.measurepoint import Measurepoint
    from ..times.time_numbers import Times
    from .typed_column import Converter, Mismatch

__all__ = [
    "BEYOND",
    "BEYOND_64",
    "FLOATS",
    "INFINITE",
    "SCALARS",
    "TOO_FINE",
    "convert_decimals",
    "convert_long_floats",
]

BEYOND_64: Final = Detail("beyond_64")
INFINITE: Final = Detail("infinite")
NOT_INTEGER: Final = Detail("not_integer")
TOO_FINE: Final = Detail("timestamp_too_fine")
_FAR: Final = Detail("beyond_years")
# The reason of a value, by the reason of a row's time.
_NO_MOMENTS: Final = {"far_time": _FAR, "stand_in": Detail("no_moment")}


def _convert_int(column: pa.Array, point: Measurepoint) -> Converted:
    kind = column.type
    if pa.types.is_uint64(kind):
        big = _mask(pc.greater(column, pa.scalar(2**63 - 1, pa.uint64())))
        values = column.cast(pa.int64(), safe=False)
        return with_misfits(values, column, [(big, "range", BEYOND_64)])
    if pa.types.is_integer(kind):
        return Converted(column.cast(pa.int64()))
    if pa.types.is_decimal(kind):
        return convert_decimals(column, point)
    if not pa.types.is_floating(kind):
        return all_misfit(column, point)
    numbers, absent = _floats(column)
    finite = np.isfinite(numbers)
    with np.errstate(invalid="ignore"):
        whole = finite & (np.floor(numbers) == numbers)
    big = whole & ((numbers >= 2.0**63) | (numbers < -(2.0**63)))
    integers = np.where(whole & ~big, numbers, 0).astype(np.int64)
    return with_misfits(
        pa.array(integers, mask=absent),
        column,
        [
            (~finite & ~absent, "finite", INFINITE),
            (big, "range", BEYOND_64),
            (~whole & ~absent, "type", NOT_INTEGER),
        ],
    )


def convert_decimals(column: pa.Array | NDArray[Any], point: Measurepoint) -> Converted:
    """Convert decimals, of Arrow or of Python, into integers or into the nearest floats.

    Infinite decimals of Python are misfits. All others are finite.
    """
    if point.type in FLOATS:
        return _nearest_floats(column, point)
    zero = decimal.Decimal(0)
    decimals = [zero if d is None else d for d in column.tolist()]
    finite = np.array([d.is_finite() for d in decimals], bool)
    near = np.array([d.is_finite() and -(2**63) <= d < 2**63 for d in decimals], bool)
    whole = np.array([d.is_finite() and d == d.to_integral_value() for d in decimals], bool)
    fits = (near & whole).tolist()
    integers = [int(d) if fit else 0 for d, fit in zip(decimals, fits, strict=True)]
    absent = None if isinstance(column, np.ndarray) else ~is_present(column)
    mismatches = [
        (~finite, "finite", INFINITE),
        (~whole, "type", NOT_INTEGER),
        (~near, "range", BEYOND_64),
    ]
    return with_misfits(pa.array(integers, pa.int64(), mask=absent), column, mismatches)


def _nearest_floats(column: pa.Array | NDArray[Any], point: Measurepoint) -> Converted:
    """Convert decimals into the nearest floats of a point's type.

    By way of their texts: Arrow's own cast divides by a power of ten that is rounded itself, and
    a FLOAT that is rounded twice, first to 64 bits, may be the second nearest.
    """
    if isinstance(column, np.ndarray):
        finite = np.array([d.is_finite() for d in column], bool)
        texts = pa.array([str(d) if d.is_finite() else "0" for d in column], pa.string())
    else:
        finite = np.ones(len(column), bool)
        texts = column.cast(pa.string())
    numbers = texts.cast(FLOATS[point.type])
    beyond = np.isinf(numbers.to_numpy(zero_copy_only=False))
    mismatches: list[Mismatch] = [
        (~finite, "finite", INFINITE),
        (beyond, "range", BEYOND[point.type]),
    ]
    if point.type == "DOUBLE" and (inexact := _loses_digits(column, numbers)).any():
        mismatches.append((inexact, "range", Detail("inexact")))
    return with_misfits(numbers, column, mismatches)


def _loses_digits(column: pa.Array | NDArray[Any], numbers: pa.Array) -> NDArray[np.bool_]:
    """Return a mask of the whole decimals, written without an exponent, that a float changes."""
    found = numbers.to_numpy(zero_copy_only=False)
    mask = np.zeros(len(column), bool)
    with np.errstate(invalid="ignore"):
        far = np.flatnonzero((np.abs(found) >= 2.0**53) & np.isfinite(found))
    for position in far.tolist():
        one = column[position]
        exact = one if isinstance(column, np.ndarray) else one.as_py()
        is_whole = exact.as_tuple().exponent <= 0 and exact == exact.to_integral_value()
        mask[position] = is_whole and exact != decimal.Decimal(found[position])
    return mask


def convert_long_floats(column: NDArray[Any], point: Measurepoint) -> Converted:
    """Convert long doubles of NumPy into integers or into the nearest floats, rounded once."""
    numbers = np.array(column.tolist(), np.longdouble)
    infinite = np.isinf(numbers)
    mismatches: list[Mismatch] = [(infinite, "finite", INFINITE)]
    if point.type in FLOATS:
        with np.errstate(over="ignore", under="ignore"):
            values = numbers.astype(FLOATS[point.type].to_pandas_dtype())
        mismatches.append((np.isinf(values), "range", BEYOND[point.type]))
        return with_misfits(pa.array(values), column, mismatches)
    near = (numbers >= -(2.0**63)) & (numbers < 2.0**63)
    whole = np.floor(numbers) == numbers
    integers = np.where(near & whole, numbers, 0).astype(np.int64)
    mismatches += [(~whole, "type", NOT_INTEGER), (~near, "range", BEYOND_64)]
    return with_misfits(pa.array(integers), column, mismatches)


FLOATS: Final = {"FLOAT": pa.float32(), "DOUBLE": pa.float64()}
BEYOND: Final = {"FLOAT": Detail("beyond_float"), "DOUBLE": BEYOND_64}


def _convert_float(column: pa.Array, point: Measurepoint) -> Converted:
    kind = column.type
    if pa.types.is_decimal(kind):
        return convert_decimals(column, point)
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return all_misfit(column, point)
    width = np.float32 if point.type == "FLOAT" else np.float64
    if kind in _PLAIN_FLOATS and (quick := _narrowed(column, width)) is not None:
        return Converted(quick)
    given, absent = _floats(column, width)
    with np.errstate(over="ignore"):
        numbers = given.astype(width, copy=False)
    array = pa.array(numbers, mask=absent if absent.any() else None)
    mismatches: list[Mismatch] = []
    beyond = np.isinf(numbers)
    if beyond.any():
        infinite = np.isinf(given)
        mismatches += [
            (infinite, "finite", INFINITE),
            (beyond & ~infinite, "range", BEYOND[point.type]),
        ]
    if point.type == "DOUBLE" and pa.types.is_integer(kind):
        mismatches.append((_is_inexact(column, numbers), "range", Detail("inexact")))
    if not any(mask.any() for mask, _, _ in mismatches):
        return Converted(array)
    return with_misfits(array, column, mismatches)


_PLAIN_FLOATS: Final = (pa.float64(), pa.float32())


def _narrowed(column: pa.Array, width: type[np.floating[Any]]) -> pa.Array | None:
    """Return floats of a width, null where they are absent; None if one may be infinite."""
    numbers = numbers_in(column)
    with np.errstate(over="ignore"):
        numbers = numbers.astype(width, copy=False)
    there = np.isfinite(numbers)
    if not there.all():
        if not (there | np.isnan(numbers)).all():
            return None
        if column.null_count:
            there &= valid_in(column)
    elif column.null_count:
        there = valid_in(column)
    n_absent = len(there) - int(np.count_nonzero(there))
    valid = pa.py_buffer(np.packbits(there, bitorder="little")) if n_absent else None
    kind = pa.from_numpy_dtype(width)
    return pa.Array.from_buffers(kind, len(numbers), [valid, pa.py_buffer(numbers)], n_absent)


def _is_inexact(column: pa.Array, numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask, True for integers that a 64-bit float would change."""
    inexact = np.zeros(len(column), bool)
    with np.errstate(invalid="ignore"):
        suspects = np.flatnonzero(np.abs(numbers) >= 2.0**53)
    for position in suspects.tolist():
        inexact[position] = int(numbers[position]) != column[position].as_py()
    return inexact


def _floats(
    column: pa.Array, width: type[np.floating[Any]] = np.float64
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return numbers as floats, and a mask, True where absent (null or NaN).

    Integers become floats of ``width`` at once, since rounding twice may lead further away.
    """
    if pa.types.is_integer(column.type):
        absent = column.is_null().to_numpy(zero_copy_only=False)
        return column.fill_null(0).to_numpy(zero_copy_only=False).astype(width), absent
    if not pa.types.is_floating(column.type) or pa.types.is_float16(column.type):
        column = column.cast(pa.float64(), safe=False)
    numbers = column.to_numpy(zero_copy_only=False)
    return numbers, np.isnan(numbers)


def _convert_bool(column: pa.Array, point: Measurepoint) -> Converted:
    kind = column.type
    if pa.types.is_boolean(kind):
        return Converted(column)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return all_misfit(column, point)
    numbers, absent = _floats(column)
    fits = (numbers == 0) | (numbers == 1)
    mismatches: list[Mismatch] = [
        (np.isinf(numbers), "finite", INFINITE),
        (~fits & ~absent, "type", Detail("not_a", (point.type,))),
    ]
    return with_misfits(pa.array(numbers == 1, mask=absent), column, mismatches)


def _convert_enum(column: pa.Array, point: Measurepoint) -> Converted:
    return (_convert_int if point.has_int_keys else _convert_text)(column, point)


def _convert_text(column: pa.Array, point: Measurepoint) -> Converted:
    return Converted(column) if pa.types.is_string(column.type) else all_misfit(column, point)


def _convert_date(column: pa.Array, point: Measurepoint) -> Converted:
    kind = column.type
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return _convert_text(column, point)
    # A DATE carries no zone: the local time in the value's own zone travels.
    times = read_times(column, name=point.identifier, first_row=0, tz="UTC", unit=None)
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    local = times.ms if zone in {None, "UTC"} else local_of(times.ms, str(zone))
    if local is None:
        return all_misfit(column, point, Detail("unknown_zone", (zone,)))
    beyond = (local < FIRST_TIME) | (local > LAST_TIME)
    seconds = pa.array(local // 1_000, mask=times.is_unread | beyond).view(pa.timestamp("s"))
    texts = pc.strftime(seconds, format="%Y-%m-%d %H:%M:%S")
    finer = np.zeros(len(column), bool)
    if pa.types.is_timestamp(kind):
        finer = _is_finer(column, NANOSECONDS["s"])
    mismatches: list[Mismatch] = [
        *_no_moments(times),
        (beyond, "range", _FAR),
        (finer, "type", Detail("date_too_fine")),
    ]
    return with_misfits(texts, column, mismatches)


def _no_moments(times: Times) -> list[Mismatch]:
    """Return the mismatches of values that are no time of any measurement."""
    found: list[Mismatch] = []
    for one in times.unread:
        if one.why.kind in _NO_MOMENTS:
            mask = np.zeros(len(times.ms), bool)
            mask[one.positions] = True
            found.append((mask, "range", _NO_MOMENTS[one.why.kind]))
    return found


def _is_finer(column: pa.Array, nanoseconds: int) -> NDArray[np.bool_]:
    """Return a mask, True for times that are no multiple of a unit."""
    ticks = nanoseconds // NANOSECONDS[column.type.unit]
    counts = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return np.asarray(counts % ticks != 0, bool) if ticks > 1 else np.zeros(len(column), bool)


def _convert_timestamp(column: pa.Array, point: Measurepoint) -> Converted:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _convert_instants(column, point)
    if pa.types.is_string(kind):
        return _convert_time_texts(column, point)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return all_misfit(column, point)
    # Also floats: a NaN turns a column of integers to floats.
    milliseconds = _convert_int(column, point)
    times = read_times(milliseconds.values, name=point.identifier, first_row=0, tz=None, unit="ms")
    values = milliseconds.values.view(point.arrow_type())
    found = with_misfits(values, column, _no_moments(times))
    return Converted(found.values, Misfits.joined([milliseconds.misfits, found.misfits]))


def _convert_instants(column: pa.Array, point: Measurepoint) -> Converted:
    if not column.type.tz:
        return all_misfit(column, point, Detail("naive"))
    times = read_times(column, name=point.identifier, first_row=0, tz=None, unit=None)
    finer = _is_finer(column, NANOSECONDS["ms"])
    mismatches: list[Mismatch] = [*_no_moments(times), (finer, "type", TOO_FINE)]
    return with_misfits(_instants(times, point), column, mismatches)


def _convert_time_texts(column: pa.Array, point: Measurepoint) -> Converted:
    """Convert texts: milliseconds in digits, the wire format, or ISO 8601 with an offset."""
    digits = _mask(pc.match_substring_regex(column, r"^-?\d{1,18}$"))
    numbers = without(column, ~digits).cast(pa.int64())
    counted = read_times(numbers, name=point.identifier, first_row=0, tz=None, unit="ms")
    times = read_aware_texts(without(column, digits))
    values = pc.coalesce(_instants(counted, point), _instants(times, point))
    unread = is_present(column) & ~is_present(values)
    finer = _mask(pc.match_substring_regex(column, r"[.,]\d{3}\d*[1-9]"))
    mismatches: list[Mismatch] = [
        *_no_moments(counted),
        *_no_moments(times),
        (unread, "type", Detail("not_a", (point.type,))),
        (finer, "type", TOO_FINE),
    ]
    return with_misfits(values, column, mismatches)


def _instants(times: Times, point: Measurepoint) -> pa.Array:
    return pa.array(times.ms, mask=times.is_unread).view(point.arrow_type())


def _convert_file(column: pa.Array, point: Measurepoint) -> Converted:
    return all_misfit(column, point, Detail("file"))


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.array(array.fill_null(False).to_numpy(zero_copy_only=False), bool)


SCALARS: Final[dict[str, Converter]] = {
    "INT": _convert_int,
    "FLOAT": _convert_float,
    "DOUBLE": _convert_float,
    "BOOL": _convert_bool,
    "ENUM": _convert_enum,
    "STRING": _convert_text,
    "DATE": _convert_date,
    "TIMESTAMP": _convert_timestamp,
    "FILE": _convert_file,
}
