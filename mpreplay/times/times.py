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
from .time_numbers import (
    NANOSECONDS,
    NO_TIME,
    Times,
    Unread,
    counted,
    dated,
    decimals,
    floats,
    localized,
    ticks_of,
    unsigned,
    with_absent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["read_aware_texts", "read_times"]

# ISO 8601 as found in data: date, time to the minute at least, fraction, offset.
_ISO: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_ISO_AWARE: Final = _ISO + r" ?(Z|z|[+-]\d{2}(:?\d{2})?)$"
_ISO_NAIVE: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?$"
# A time of day and an offset that exist; the date is looked up apart.
_POSSIBLE: Final = (
    r"^.{10}(.([01]\d|2[0-3])(:[0-5]\d)*(\.\d*)?( ?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?))?)?$"
)
# Reasons that concern a whole column, if no other value of it is a time.
_LACKING: Final = ("naive_time", "no_unit")


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
        The row of the first time: a lack that a whole column shares is looked for in its first
        rows, so that a single value further below ends no history.
    tz : str, optional
        The zone of naive times.
    unit : str, optional
        The unit of numbers: s, ms, us or ns.

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
    where = _Where(name, tz, unit)
    is_mixed = isinstance(column, np.ndarray)
    times = _of_objects(column, where) if is_mixed else _of_one_kind(column, where)
    lacking = [one for one in times.unread if one.why.kind in _LACKING]
    # In a column of objects or texts each value is of a kind of its own.
    of_one_kind = not is_mixed and not _is_text(_plain(column).type)
    if lacking and (first_row == 0 or of_one_kind) and times.is_unread.all():
        raise _lacks(lacking, where, first_row)
    return times


def read_aware_texts(column: pa.Array) -> Times:
    """Return the times in ISO 8601 texts with an offset; any other text is unreadable."""
    aware = _matches(column, _ISO_AWARE)
    return _texts(without(column, ~aware), _Where(""))


@dataclass(frozen=True, slots=True)
class _Where:
    name: str
    tz: str | None = None
    unit: str | None = None


def _of_one_kind(column: pa.Array, where: _Where) -> Times:
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


def _lacks(lacking: Sequence[Unread], where: _Where, first_row: int) -> HistoryError:
    """Return the error for a column that no cell of can be read without a further argument."""
    first = min(lacking, key=lambda one: int(one.positions[0]))
    if first.why.kind == "no_unit":
        return HistoryError(
            message(
                f"column {where.name!r} holds numbers as times; give ",
                Argument("time_unit"),
                " ('s', 'ms', 'us' or 'ns'), counted from 1970-01-01 UTC",
            ),
            argument="time_unit",
        )
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


def _of_objects(column: NDArray[Any], where: _Where) -> Times:
    """Read a column of Python objects kind by kind, since kinds may be mixed."""
    absent = absent_in(column)
    ms = np.zeros(len(column), np.int64)
    unread = [Unread(NO_TIME, np.flatnonzero(absent))] if absent.any() else []
    for part in parts_of(column, absent):
        if part.values is None:
            shown = pa.array([repr(written(value)) for value in column[part.positions].tolist()])
            unread.append(Unread(Detail("not_a_time"), part.positions, shown))
            continue
        times = _of_one_kind(part.values, where)
        ms[part.positions] = times.ms
        unread += [replace(one, positions=part.positions[one.positions]) for one in times.unread]
    return Times(ms, tuple(unread))


def _naive(
    ticks: NDArray[np.int64], absent: NDArray[np.bool_] | None, unit: str, where: _Where
) -> Times:
    """Return naive times, counted in a unit as if they were UTC, as times of the zone given."""
    nanoseconds = NANOSECONDS.get(unit, DAY * NANOSECONDS["ms"])
    local = counted(ticks, absent, nanoseconds, unit, slack=DAY)
    gone = local.is_unread
    if gone.all():
        return local
    if where.tz is None:
        positions = np.flatnonzero(~gone)
        lacking = Unread(Detail("naive_time"), positions, dated(local.ms[positions]))
        return Times(np.zeros(len(ticks), np.int64), (*local.unread, lacking))
    ms, unmatched = localized(local.ms, where.tz)
    far = (ms < FIRST_TIME) | (ms > LAST_TIME)
    unread = list(local.unread)
    changed = Detail("clock_change", (where.tz,))
    for why, mask in ((changed, unmatched & ~gone), (Detail("far_time"), far & ~gone & ~unmatched)):
        if mask.any():
            positions = np.flatnonzero(mask)
            unread.append(Unread(why, positions, dated(local.ms[positions])))
    return Times(np.where(far | unmatched, 0, ms), tuple(unread))


def _texts(column: pa.Array, where: _Where) -> Times:
    aware = _matches(column, _ISO_AWARE)
    naive = _matches(column, _ISO_NAIVE) & ~aware
    ms = np.zeros(len(column), np.int64)
    unread: list[Unread] = []
    wrong = [np.flatnonzero(~aware & ~naive)]
    for chosen in (aware, naive):
        positions = np.flatnonzero(chosen)
        if not len(positions):
            continue
        whole = len(positions) == len(column)
        texts = column if whole else column.take(pa.array(positions))
        array = _parsed(texts, chosen is aware)
        wrong.append(positions[array.is_null().to_numpy(zero_copy_only=False)])
        times = _of_one_kind(array, where)
        ms[positions] = times.ms
        unread += [
            replace(one, positions=positions[one.positions])
            for one in times.unread
            if one.why != NO_TIME
        ]
    unreadable = np.sort(np.concatenate(wrong))
    if len(unreadable):
        given = column.take(pa.array(unreadable))
        there = given.is_valid().to_numpy(zero_copy_only=False)
        if not there.all():
            unread.append(Unread(NO_TIME, unreadable[~there]))
        if there.any():
            unread.append(Unread(Detail("not_iso"), unreadable[there], _quoted(given.drop_null())))
    return Times(ms, tuple(unread))


def _quoted(texts: pa.Array) -> pa.Array:
    """Return texts in quotes, as Python shows them."""
    if pc.all(pc.match_substring_regex(texts, r"^[ -&(-\[\]-~]*$")).as_py():
        return pc.binary_join_element_wise("'", texts, "'", "")
    return pa.array(list(map(repr, texts.to_pylist())), pa.string())


def _parsed(texts: pa.Array, aware: bool) -> pa.Array:
    """Return ISO 8601 texts as times; null where a date or a time of day does not exist."""
    texts = pc.replace_substring(pc.utf8_upper(texts), ",", ".")
    # Nanoseconds would narrow the range of years, and are cut off in any case.
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    kind = pa.timestamp("us", tz="UTC" if aware else None)
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:  # a text is no time, such as 30 February: find it
        days = pc.utf8_slice_codeunits(texts, 0, 10).dictionary_encode()
        exists = np.array([_is_date(day) for day in days.dictionary.to_pylist()], bool)
        possible = exists[days.indices.to_numpy()] & _matches(texts, _POSSIBLE)
        return without(texts, ~possible).cast(kind)


def _is_date(day: str) -> bool:
    try:
        np.datetime64(day, "D")
    except ValueError:
        return False
    return True


def _matches(column: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.match_substring_regex(column, pattern).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _numbers(column: pa.Array, where: _Where) -> Times:
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
