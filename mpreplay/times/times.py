"""Times of a column, in integer milliseconds since the Unix epoch, UTC.

Pure. An unreadable time is reported, never guessed: naive times need a zone, numbers a unit, and a
time outside the years 1 to 9999 is no time of a reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import absent_in
from ..cells.arrays import without
from ..cells.epoch import DAY, FIRST_TIME, LAST_TIME, parts_of
from ..cells.object_json import written
from ..display.facts import Detail
from ..errors import Argument, HistoryError, message
from .in_zone import NOT_TOLD, Where, in_zone
from .iso import is_aware, is_naive, parsed_iso, refused
from .proposals import lacking_unit
from .time_format import parsed
from .time_numbers import (
    NANOSECONDS,
    NO_TIME,
    Times,
    Unread,
    counted,
    dated,
    decimals,
    floats,
    in_digits,
    ticks_of,
    unsigned,
    with_absent,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOT_TOLD", "read_aware_texts", "read_times"]

# Reasons that concern a whole column, if no other value of it is a time.
_LACKING: Final = ("naive_time", "no_unit")
_DIGITS: Final = r"^[+-]?\d{1,19}([.]\d{1,18})?$"


def read_times(
    column: pa.Array | NDArray[Any],
    *,
    name: str,
    first_row: int,
    tz: str | None,
    unit: str | None,
    time_format: str | None = None,
    ambiguous: str = "raise",
    nonexistent: str = "raise",
    folds: NDArray[np.int8] | None = None,
) -> Times:
    """Return the times in a column.

    Parameters
    ----------
    column : Array or ndarray of objects
        Datetimes, dates, ISO 8601 texts or numbers.
    name : str
        The column's name, for messages.
    first_row : int
        The row of the first time: a lack that a whole column shares is looked for in its first
        rows, so that a single value further below ends no history.
    tz : str, optional
        The zone of naive times.
    unit : str, optional
        The unit of numbers, also of numbers as texts: s, ms, us or ns.
    time_format : str, optional
        The format of texts, as ``strptime`` has it; None: ISO 8601.
    ambiguous : {"raise", "earliest", "latest", "infer"}, optional
        The instant of a naive time that occurs twice.
    nonexistent : {"raise", "shift_forward", "shift_backward"}, optional
        The instant of a naive time that does not exist: the first after the gap, or the last
        millisecond before it.
    folds : ndarray of int8, shape (n,), optional
        Of each row whose time occurs twice: 0 for the first time, 1 for the second,
        ``NOT_TOLD``; needed to infer.

    Raises
    ------
    HistoryError
        If all times are naive without ``tz``, all are numbers without ``unit``, or the column's
        type is none of a time.

    Examples
    --------
    >>> times = read_times(pa.array(["2014-01-01T01:00:00+01:00", "?"]), name="t", first_row=0,
    ...                    tz=None, unit=None)
    >>> times.ms.tolist(), times.unreadable[1].kind, times.unreadable[1].instance
    ([1388534400000, 0], 'not_iso', ("'?'",))
    """
    where = Where(name, tz, unit, time_format, ambiguous, nonexistent, folds)
    is_mixed = isinstance(column, np.ndarray)
    times = _of_objects(column, where) if is_mixed else _of_one_kind(column, where)
    lacking = [one for one in times.unread if one.why.kind in _LACKING]
    # In a column of objects or texts each value is of a kind of its own.
    of_one_kind = not is_mixed and not _is_text(_plain(column).type)
    if lacking and (first_row == 0 or of_one_kind) and times.is_unread.all():
        raise _lacks(column, min(lacking, key=lambda one: int(one.positions[0])), where, first_row)
    return times


def read_aware_texts(column: pa.Array) -> Times:
    """Return the times in ISO 8601 texts with an offset; any other text is unreadable."""
    aware = is_aware(column)
    return _texts(without(column, ~aware), Where(""))


def _of_one_kind(column: pa.Array, where: Where) -> Times:
    column = _plain(column)
    kind = column.type
    if pa.types.is_timestamp(kind):
        ticks, absent = ticks_of(column)
        if kind.tz:
            return counted(ticks, absent, NANOSECONDS[kind.unit], kind.unit)
        return _naive(ticks, absent, kind.unit, where)
    if pa.types.is_date(kind):
        unit = "D" if pa.types.is_date32(kind) else "ms"
        return _naive(*ticks_of(column), unit, where)
    if _is_text(kind):
        return _texts(column.cast(pa.string()), where)
    if pa.types.is_null(kind):
        return with_absent(np.zeros(len(column), np.int64), np.ones(len(column), bool))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        if where.time_format is not None:
            return _texts(in_digits(column), where)  # such as 20241231
        return _numbers(column, where)
    raise HistoryError(
        message(
            f"column {where.name!r} cannot be read as time: its type is {kind}; expected datetimes "
            "with a zone, ISO 8601 texts with an offset, or numbers with ",
            Argument("time_unit"),
        )
    )


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_text(kind) for is_text in texts)


def _lacks(column: Any, first: Unread, where: Where, first_row: int) -> HistoryError:
    """Return the error for a column that no cell of can be read without a further argument."""
    cells = _cells(column, first.positions)
    if first.why.kind == "no_unit":
        return lacking_unit(where.name, cells)
    shown = "" if first.shown is None else f": {first.shown[0]}"
    return HistoryError(
        message(
            f"column {where.name!r} holds naive times, without a zone (first in row "
            f"{first_row + int(first.positions[0])}{shown}); give ",
            Argument("tz"),
            ", for example ",
            Argument("tz", "Europe/Paris"),
            ", or times with an offset",
        ),
        argument="tz",
    )


def _cells(column: Any, positions: NDArray[np.int64]) -> pa.Array:
    if isinstance(column, np.ndarray):
        return pa.array([str(cell) for cell in column[positions].tolist()], pa.string())
    cells = _plain(column).take(pa.array(positions))
    return in_digits(cells)


def _of_objects(column: NDArray[Any], where: Where) -> Times:
    """Read a column of Python objects kind by kind, since kinds may be mixed."""
    absent = absent_in(column)
    found = _Found.of(len(column))
    if absent.any():
        found.unread.append(Unread(NO_TIME, np.flatnonzero(absent)))
    for part in parts_of(column, absent):
        if part.values is None:
            shown = pa.array([repr(written(value)) for value in column[part.positions].tolist()])
            found.unread.append(Unread(Detail("not_a_time"), part.positions, shown))
            continue
        found.put(part.positions, _of_one_kind(part.values, where.at(part.positions)))
    return found.times()


@dataclass(frozen=True, slots=True)
class _Found:
    """Times of a column that is read in parts."""

    ms: NDArray[np.int64]
    unread: list[Unread]
    folds: list[NDArray[np.int64]]

    @classmethod
    def of(cls, n: int) -> _Found:
        return cls(np.zeros(n, np.int64), [], [])

    def put(self, positions: NDArray[np.int64], times: Times, but: Detail | None = None) -> None:
        """Add the times at positions; without the times unread for one reason."""
        self.ms[positions] = times.ms
        self.unread.extend(
            replace(one, positions=positions[one.positions])
            for one in times.unread
            if one.why != but
        )
        if len(times.folds):
            self.folds.append(positions[times.folds])

    def times(self) -> Times:
        folds = np.sort(np.concatenate(self.folds)) if self.folds else np.zeros(0, np.int64)
        return Times(self.ms, tuple(self.unread), folds)


def _naive(
    ticks: NDArray[np.int64], absent: NDArray[np.bool_] | None, unit: str, where: Where
) -> Times:
    """Return naive times, counted in a unit as if they were UTC, as times of the zone given."""
    nanoseconds = NANOSECONDS.get(unit, DAY * NANOSECONDS["ms"])
    return in_zone(counted(ticks, absent, nanoseconds, unit, slack=DAY), where)


def _texts(column: pa.Array, where: Where) -> Times:
    if where.time_format is not None:
        return _formatted(column, where.time_format, where)
    aware = is_aware(column)
    naive = is_naive(column) & ~aware
    found = _Found.of(len(column))
    wrong = [np.flatnonzero(~aware & ~naive)]
    if where.unit is not None and len(wrong[0]):
        wrong = [_put_numbers(column, wrong[0], where, found)]
    for chosen in (aware, naive):
        positions = np.flatnonzero(chosen)
        if not len(positions):
            continue
        whole = len(positions) == len(column)
        texts = column if whole else column.take(pa.array(positions))
        array = parsed_iso(texts, chosen is aware)
        wrong.append(positions[array.is_null().to_numpy(zero_copy_only=False)])
        found.put(positions, _of_one_kind(array, where.at(positions)), but=NO_TIME)
    unreadable = np.sort(np.concatenate(wrong))
    if len(unreadable):
        found.unread.extend(refused(column, unreadable))
    return found.times()


def _put_numbers(
    column: pa.Array, positions: NDArray[np.int64], where: Where, found: _Found
) -> NDArray[np.int64]:
    """Read numbers as texts, among the texts at positions; return the positions of the others."""
    texts = column.take(pa.array(positions))
    is_number = pc.match_substring_regex(texts, _DIGITS).fill_null(False)
    digits = texts.filter(is_number)
    mask = np.asarray(is_number.to_numpy(zero_copy_only=False), bool)
    if len(digits):
        found.put(positions[mask], _numbers(_numbers_of(digits), where))
    return np.asarray(positions[~mask], np.int64)


def _numbers_of(digits: pa.Array) -> pa.Array:
    """Return texts of digits as numbers, exactly."""
    if not pc.any(pc.match_substring(digits, ".")).as_py():
        try:
            return digits.cast(pa.int64())
        except pa.ArrowInvalid:  # nineteen digits may be more than 64 bits
            pass
    return digits.cast(pa.decimal128(38, 18))


def _formatted(column: pa.Array, time_format: str, where: Where) -> Times:
    """Return texts of a format, in the zone given unless the format has an offset."""
    found = parsed(column, time_format)
    if found.offset is None:
        return in_zone(found.local, where)
    local = found.local
    ms = local.ms - found.offset
    far = ((ms < FIRST_TIME) | (ms > LAST_TIME)) & ~local.is_unread
    ms[far | local.is_unread] = 0
    if not far.any():
        return replace(local, ms=ms)
    positions = np.flatnonzero(far)
    beyond = Unread(Detail("far_time"), positions, dated(local.ms[positions]))
    return Times(ms, (*local.unread, beyond))


def _numbers(column: pa.Array, where: Where) -> Times:
    if where.unit is None:
        present = column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_floating(column.type):
            present = present & ~np.isnan(column.to_numpy(zero_copy_only=False))
        positions = np.flatnonzero(present)
        times = with_absent(np.zeros(len(column), np.int64), ~present)
        shown = column.take(pa.array(positions)).cast(pa.string())
        return replace(times, unread=(*times.unread, Unread(Detail("no_unit"), positions, shown)))
    nanoseconds = NANOSECONDS[where.unit]
    if pa.types.is_uint64(column.type):
        return unsigned(column, nanoseconds)
    if pa.types.is_integer(column.type):
        return counted(*ticks_of(column.cast(pa.int64())), nanoseconds)
    if pa.types.is_decimal(column.type):
        return decimals(column, nanoseconds)
    numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return floats(numbers, nanoseconds)
