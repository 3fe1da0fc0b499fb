"""Times of a column, in integer milliseconds since the Unix epoch, UTC.

Pure. An unreadable time is reported, never guessed: naive times need a zone, numbers a unit.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..display.facts import Detail
from ..errors import Argument, HistoryError, message
from .absent import absent_in
from .arrays import without
from .epoch import EPOCH
from .object_json import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NANOSECONDS", "Times", "instants_of", "read_aware_texts", "read_times"]

NO_TIME: Final = Detail("no_time")
NANOSECONDS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# ISO 8601 as found in data: date, time to the minute at least, fraction, offset.
_ISO: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_ISO_AWARE: Final = _ISO + r" ?(Z|z|[+-]\d{2}(:?\d{2})?)$"
_ISO_NAIVE: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?$"


@dataclass(frozen=True, slots=True)
class Times:
    """Times of rows: milliseconds of readable times, reasons for unreadable times.

    Parameters
    ----------
    ms : ndarray of int64, shape (n_rows,)
        Times since the Unix epoch, rounded down; 0 if unreadable. [ms]
    unreadable : dict of int to Detail
        Reason of each unreadable time, by position.
    """

    ms: NDArray[np.int64]
    unreadable: dict[int, Detail]

    def but(self, unreadable: dict[int, Detail]) -> Times:
        """Return the same times, of which some cannot be read."""
        return Times(self.ms, self.unreadable | unreadable) if unreadable else self


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
    >>> times = read_times(pa.array(["2014-01-01T01:00:00+01:00", "?"]), name="t", first_row=0,
    ...                    tz=None, unit=None)
    >>> times.ms.tolist(), times.unreadable[1].kind, times.unreadable[1].instance
    ([1388534400000, 0], 'not_iso', ("'?'",))
    """
    where = _Where(name, first_row + np.arange(len(column)), tz, unit)
    if isinstance(column, np.ndarray):
        return _by_kind(column, where)
    return _of_one_kind(column, where)


def read_aware_texts(column: pa.Array) -> Times:
    """Return the times in ISO 8601 texts with an offset; any other text is unreadable."""
    aware = _matches(column, _ISO_AWARE)
    return _texts(without(column, ~aware), _Where("", np.arange(len(column))))


@dataclass(frozen=True, slots=True)
class _Where:
    name: str
    rows: NDArray[np.int64]
    tz: str | None = None
    unit: str | None = None

    def at(self, positions: Any) -> _Where:
        """Return the same settings for a selection of the rows."""
        return replace(self, rows=self.rows[positions])


def _of_one_kind(column: pa.Array, where: _Where) -> Times:
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
        message(
            f"column {where.name!r} cannot be read as time: its type is {kind}; expected datetimes "
            "with a zone, ISO 8601 texts with an offset, or numbers with ",
            Argument("time_unit"),
        )
    )


def _by_kind(column: NDArray[Any], where: _Where) -> Times:
    """Read a column of Python objects kind by kind, since kinds may be mixed."""
    absent = absent_in(column)
    ms = np.zeros(len(column), np.int64)
    unreadable = dict.fromkeys(np.flatnonzero(absent).tolist(), NO_TIME)
    kinds: dict[Any, list[int]] = {}
    for position, value in enumerate(column.tolist()):
        if not absent[position]:
            # Arrow would take naive datetimes for UTC in a column with aware datetimes.
            aware = getattr(value, "tzinfo", None) is not None
            kinds.setdefault((type(value), aware), []).append(position)
    for positions in kinds.values():
        for part, array in _arrays(column, positions):
            if array is None:
                unreadable |= {p: Detail("not_a_time", (), (repr(shown(column[p])),)) for p in part}
                continue
            times = _of_one_kind(array, where.at(part))
            ms[part] = times.ms
            unreadable |= {part[p]: reason for p, reason in times.unreadable.items()}
    return Times(ms, unreadable)


def _arrays(column: NDArray[Any], positions: list[int]) -> list[tuple[list[int], pa.Array | None]]:
    """Return objects of one class as Arrow; one by one if any object is no time."""
    values = column[positions].tolist()
    try:
        if isinstance(values[0], pd.Period):
            values = [period.start_time for period in values]
        if isinstance(values[0], np.datetime64):  # Arrow has fewer units than NumPy
            values = [pd.Timestamp(value) for value in values]
        is_aware = getattr(values[0], "tzinfo", None) and isinstance(values[0], dt.datetime)
        array = instants_of(values) if is_aware else pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if len(positions) == 1:
            return [(positions, None)]
        return [part for position in positions for part in _arrays(column, [position])]
    return [(positions, array if _may_be_time(array.type) else None)]


def instants_of(moments: list[dt.datetime]) -> pa.Array:
    """Return datetimes with zones as Arrow, in UTC.

    The microseconds are computed here because pyarrow ignores the offset of such objects after
    certain other conversions in the same process.
    """
    microseconds = [(moment - EPOCH) // _MICROSECOND for moment in moments]
    return pa.array(microseconds, pa.timestamp("us", tz="UTC"))


_MICROSECOND: Final = dt.timedelta(microseconds=1)


def _may_be_time(kind: pa.DataType) -> bool:
    others = (pa.types.is_boolean, pa.types.is_nested, pa.types.is_binary)
    return not any(bool(is_other(kind)) for is_other in others)


def _is_text(kind: pa.DataType) -> bool:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_text(kind) for is_text in texts)


def _aware(column: pa.Array) -> Times:
    factor = NANOSECONDS[column.type.unit]
    numbers = column.cast(pa.timestamp(column.type.unit)).cast(pa.int64())
    return _scaled(numbers, factor)


def _scaled(numbers: pa.Array, nanoseconds: int) -> Times:
    """Return integers of a unit as milliseconds, rounded down also before 1970."""
    absent = numbers.is_null().to_numpy(zero_copy_only=False)
    values = numbers.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    millisecond = NANOSECONDS["ms"]
    factor, ticks = nanoseconds // millisecond, millisecond // nanoseconds
    if factor <= 1:
        return _with_absent(values // max(ticks, 1), absent)
    most = np.iinfo(np.int64).max // factor
    far = (values > most) | (values < -most)
    times = _with_absent(np.where(far, 0, values) * factor, absent)
    beyond = np.flatnonzero(far).tolist()
    return times.but({p: Detail("far_time", (), (str(values[p]),)) for p in beyond})


def _with_absent(ms: NDArray[np.int64], absent: NDArray[np.bool_]) -> Times:
    return Times(ms, dict.fromkeys(np.flatnonzero(absent).tolist(), NO_TIME))


def _naive(column: pa.Array, where: _Where) -> Times:
    present = column.is_valid().to_numpy(zero_copy_only=False)
    if not present.any():
        return _with_absent(np.zeros(len(column), np.int64), ~present)
    if where.tz is None:
        first = int(np.flatnonzero(present)[0])
        raise HistoryError(
            message(
                f"column {where.name!r} holds naive times, without a zone (first in row "
                f"{where.rows[first]}: {column[first]}); give ",
                Argument("tz"),
                ", for example ",
                Argument("tz", "Europe/Paris"),
                ", or times with an offset",
            ),
            argument="tz",
        )
    local = pd.Series(column.to_pandas())
    try:
        zoned = local.dt.tz_localize(where.tz, ambiguous="NaT", nonexistent="NaT")
    except Exception as error:  # pandas raises whatever its zone library does
        raise HistoryError(
            message(
                Argument("tz", where.tz),
                f" cannot be used ({error}); expected a zone like 'Europe/Paris'",
            ),
            argument="tz",
            value=where.tz,
        ) from error
    times = _aware(pa.array(zoned))
    changed = [p for p in times.unreadable if present[p]]
    return times.but({p: Detail("clock_change", (where.tz,), (str(local[p]),)) for p in changed})


def _texts(column: pa.Array, where: _Where) -> Times:
    aware = _matches(column, _ISO_AWARE)
    naive = _matches(column, _ISO_NAIVE) & ~aware
    ms = np.zeros(len(column), np.int64)
    present = column.is_valid().to_numpy(zero_copy_only=False)
    unreadable: dict[int, Detail] = {}
    for chosen in (aware, naive):
        positions = np.flatnonzero(chosen)
        if not len(positions):
            continue
        array = _parsed(column.take(pa.array(positions)), chosen is aware)
        times = _aware(array) if chosen is aware else _naive(array, where.at(positions))
        ms[positions] = times.ms
        unreadable |= {int(positions[p]): reason for p, reason in times.unreadable.items()}
    rest = np.flatnonzero(~aware & ~naive)
    for position in [*rest.tolist(), *unreadable]:
        if not present[position]:
            unreadable[position] = NO_TIME
        elif unreadable.get(position, NO_TIME) == NO_TIME:
            unreadable[position] = Detail("not_iso", (), (repr(column[position].as_py()),))
    return Times(ms, unreadable)


def _parsed(texts: pa.Array, aware: bool) -> pa.Array:
    texts = pc.replace_substring(pc.utf8_upper(texts), ",", ".")
    # Nanoseconds would narrow the range of years in pandas, and are cut off in any case.
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    try:
        return texts.cast(pa.timestamp("us", tz="UTC" if aware else None))
    except pa.ArrowInvalid:  # a text is no time, such as 30 February: find it
        parsed = pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=aware, errors="coerce")
        return pa.array(parsed)


def _matches(column: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.match_substring_regex(column, pattern).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _numbers(column: pa.Array, where: _Where) -> Times:
    if where.unit is None:
        raise HistoryError(
            message(
                f"column {where.name!r} holds numbers as times; give ",
                Argument("time_unit"),
                " ('s', 'ms', 'us' or 'ns'), counted from 1970-01-01 UTC",
            ),
            argument="time_unit",
        )
    factor = NANOSECONDS[where.unit]
    if pa.types.is_integer(column.type):
        return _integers(column, factor)
    numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    absent = np.isnan(numbers)
    finite = np.where(np.isfinite(numbers), numbers, 0.0)
    # A float of seconds cannot hold 0.123 exactly: convert the microsecond before rounding down.
    microseconds = np.round(finite * (factor / NANOSECONDS["us"]))
    far = np.abs(microseconds) > 2**62
    ms = np.floor_divide(np.where(far, 0, microseconds).astype(np.int64), 1_000)
    unreadable = dict.fromkeys(np.flatnonzero(absent).tolist(), NO_TIME)
    for position in np.flatnonzero(~absent & (np.isinf(numbers) | far)).tolist():
        unreadable[position] = Detail("not_a_time", (), (str(numbers[position]),))
    return Times(ms, unreadable)


def _integers(column: pa.Array, nanoseconds: int) -> Times:
    if not pa.types.is_uint64(column.type):
        return _scaled(column.cast(pa.int64()), nanoseconds)
    far = pc.greater(column, pa.scalar(2**63 - 1, pa.uint64())).fill_null(False)
    near = pc.if_else(far, pa.scalar(0, pa.uint64()), column)
    times = _scaled(near.cast(pa.int64()), nanoseconds)
    beyond = np.flatnonzero(far.to_numpy(zero_copy_only=False)).tolist()
    return times.but({p: Detail("far_time", (), (str(column[p]),)) for p in beyond})
