"""What a time column says, in integer milliseconds since the Unix epoch, UTC.

Pure. A time that cannot be read is named, never guessed: naive times need a zone, numbers a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .errors import HistoryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NANOSECONDS", "Times", "read_times"]

NANOSECONDS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# ISO 8601 as data carries it: date, time to the minute at least, fraction, offset.
_ISO: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_ISO_AWARE: Final = _ISO + r" ?(Z|z|[+-]\d{2}(:?\d{2})?)$"
_ISO_NAIVE: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?$"
_NAIVE: Final = (
    "column {name!r} holds naive times, without a zone (first in row {row}: {value}); give tz=, "
    "for example tz='Europe/Paris', or times with an offset"
)


@dataclass(frozen=True, slots=True)
class Times:
    """Times of rows: milliseconds where they could be read, a reason where not.

    Parameters
    ----------
    ms : ndarray of int64, shape (n_rows,)
        Milliseconds since the Unix epoch, rounded down; 0 where there is none. [ms]
    unreadable : dict of int to str
        Position to reason.
    """

    ms: NDArray[np.int64]
    unreadable: dict[int, str]


def read_times(
    column: pa.Array | NDArray[Any], *, name: str, first_row: int, tz: str | None, unit: str | None
) -> Times:
    """Return the times in a column.

    Parameters
    ----------
    column : Array or ndarray of objects
        Datetimes, dates, ISO 8601 texts or numbers.
    name : str
        The column's name, for messages.
    first_row : int
        The row of the first time, for messages.
    tz : str, optional
        The zone of naive times.
    unit : str, optional
        The unit of numbers: s, ms, us or ns.

    Raises
    ------
    HistoryError
        If times are naive without ``tz``, numbers without ``unit``, or no times at all.

    Examples
    --------
    >>> read_times(pa.array(["2014-01-01T01:00:00+01:00", "?"]), name="t", first_row=0,
    ...            tz=None, unit=None)
    Times(ms=array([1388534400000,             0]), unreadable={1: "'?' is not an ISO 8601 time"})
    """
    if isinstance(column, np.ndarray):
        return _by_kind(column, name=name, first_row=first_row, tz=tz, unit=unit)
    where = _Where(name, first_row, tz, unit)
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_timestamp(kind):
        return _aware(column) if kind.tz else _naive(column, where)
    if pa.types.is_date(kind):
        return _naive(column.cast(pa.timestamp("s")), where)
    if _is_text(kind):
        return _texts(column.cast(pa.string()), where)
    if pa.types.is_null(kind):
        return _with_absent(np.zeros(len(column), np.int64), np.ones(len(column), bool))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(column, where)
    raise HistoryError(
        f"column {name!r} cannot be read as time: its type is {kind}; expected datetimes with a "
        "zone, ISO 8601 texts with an offset, or numbers with time_unit="
    )


@dataclass(frozen=True, slots=True)
class _Where:
    name: str
    first_row: int
    tz: str | None
    unit: str | None


def _by_kind(column: NDArray[Any], **where: Any) -> Times:
    """Read a column of Python objects, kind by kind, since kinds may be mixed."""
    absent = np.asarray(pd.isna(column), bool)
    ms = np.zeros(len(column), np.int64)
    unreadable = dict.fromkeys(np.flatnonzero(absent).tolist(), "no time")
    kinds: dict[Any, list[int]] = {}
    for position, value in enumerate(column.tolist()):
        if not absent[position]:
            # Arrow would take naive datetimes for UTC where aware ones stand beside them.
            aware = getattr(value, "tzinfo", None) is not None
            kinds.setdefault((type(value), aware), []).append(position)
    for positions in kinds.values():
        part = column[positions]
        try:
            array = pd.arrays.PeriodArray._from_sequence(part) if _is_period(part) else part
            arrow = _period_starts(array) if _is_period(part) else pa.array(part.tolist())
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            unreadable |= {p: f"{column[p]!r} is not a time" for p in positions}
            continue
        if pa.types.is_boolean(arrow.type):
            unreadable |= {p: f"{column[p]!r} is not a time" for p in positions}
            continue
        times = read_times(arrow, **where)
        ms[positions] = times.ms
        unreadable |= {positions[p]: reason for p, reason in times.unreadable.items()}
    return Times(ms, unreadable)


def _is_period(part: NDArray[Any]) -> bool:
    return isinstance(part[0], pd.Period)


def _period_starts(periods: Any) -> pa.Array:
    return pa.array(pd.Series(periods).dt.to_timestamp())


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _aware(column: pa.Array) -> Times:
    factor = NANOSECONDS[column.type.unit]
    numbers = column.cast(pa.timestamp(column.type.unit)).cast(pa.int64())
    return _scaled(numbers, factor)


def _scaled(numbers: pa.Array, nanoseconds: int) -> Times:
    """Return integers of a unit as milliseconds, rounded down also before 1970."""
    absent = numbers.is_null().to_numpy(zero_copy_only=False)
    values = numbers.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    millisecond = NANOSECONDS["ms"]
    if nanoseconds >= millisecond:
        factor = nanoseconds // millisecond
        if factor > 1 and np.abs(values).max(initial=0) > np.iinfo(np.int64).max // factor:
            raise HistoryError("times lie beyond what 64 bits hold; is time_unit right?")
        return _with_absent(values * factor, absent)
    return _with_absent(values // (millisecond // nanoseconds), absent)


def _with_absent(ms: NDArray[np.int64], absent: NDArray[np.bool_]) -> Times:
    return Times(ms, dict.fromkeys(np.flatnonzero(absent).tolist(), "no time"))


def _naive(column: pa.Array, where: _Where) -> Times:
    present = column.is_valid().to_numpy(zero_copy_only=False)
    if not present.any():
        return _with_absent(np.zeros(len(column), np.int64), ~present)
    if where.tz is None:
        row = int(np.flatnonzero(present)[0])
        raise HistoryError(
            _NAIVE.format(name=where.name, row=row + where.first_row, value=column[row])
        )
    local = pd.Series(column.to_pandas())
    try:
        zoned = local.dt.tz_localize(where.tz, ambiguous="NaT", nonexistent="NaT")
    except Exception as error:  # pandas raises whatever its zone library does
        raise HistoryError(
            f"tz={where.tz!r} cannot be used ({error}); expected a zone like 'Europe/Paris'"
        ) from error
    times = _aware(pa.array(zoned))
    for position in times.unreadable:
        if present[position]:
            times.unreadable[position] = (
                f"{local[position]} is ambiguous or does not exist in {where.tz}, where the clock "
                "is changed; give times with an offset"
            )
    return times


def _texts(column: pa.Array, where: _Where) -> Times:
    aware = _matches(column, _ISO_AWARE)
    naive = _matches(column, _ISO_NAIVE) & ~aware
    ms = np.zeros(len(column), np.int64)
    present = column.is_valid().to_numpy(zero_copy_only=False)
    unreadable: dict[int, str] = {}
    for chosen in (aware, naive):
        positions = np.flatnonzero(chosen)
        if not len(positions):
            continue
        texts = pc.replace_substring(column.take(pa.array(positions)), ",", ".").to_pandas()
        parsed = pd.to_datetime(texts, format="ISO8601", utc=chosen is aware, errors="coerce")
        array = pa.array(parsed)
        times = _aware(array) if chosen is aware else _naive(array, where)
        ms[positions] = times.ms
        unreadable |= {int(positions[p]): reason for p, reason in times.unreadable.items()}
    rest = np.flatnonzero(~aware & ~naive)
    for position in [*rest.tolist(), *unreadable]:
        if not present[position]:
            unreadable[position] = "no time"
        elif unreadable.get(position, "no time") == "no time":
            unreadable[position] = f"{column[position].as_py()!r} is not an ISO 8601 time"
    return Times(ms, unreadable)


def _matches(column: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.match_substring_regex(column, pattern).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _numbers(column: pa.Array, where: _Where) -> Times:
    if where.unit is None:
        raise HistoryError(
            f"column {where.name!r} holds numbers as times; give time_unit= ('s', 'ms', 'us' or "
            "'ns'), counted from 1970-01-01 UTC"
        )
    factor = NANOSECONDS[where.unit]
    if pa.types.is_integer(column.type):
        if pa.types.is_uint64(column.type) and pc.max(column).as_py() or 0 > 2**63 - 1:
            column = pc.cast(column, pa.int64(), safe=False)
        return _scaled(column.cast(pa.int64()), factor)
    numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    absent = np.isnan(numbers)
    finite = np.where(np.isfinite(numbers), numbers, 0.0)
    # A float of seconds cannot hold 0.123 exactly: settle the microsecond before rounding down.
    microseconds = np.round(finite * (factor / NANOSECONDS["us"]))
    far = np.abs(microseconds) > 2**62
    ms = np.floor_divide(np.where(far, 0, microseconds).astype(np.int64), 1_000)
    unreadable = dict.fromkeys(np.flatnonzero(absent).tolist(), "no time")
    for position in np.flatnonzero(~absent & (np.isinf(numbers) | far)).tolist():
        unreadable[position] = f"{numbers[position]} is not a time"
    return Times(ms, unreadable)
