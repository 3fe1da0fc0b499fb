"""Times as integers of a unit: scaled to milliseconds exactly, or named.

Pure. A number outside the years 1 to 9999, or at an end of 64 bits, is no time, in whatever unit.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..cells.epoch import FIRST_TIME, LAST_TIME
from ..display.facts import Detail
from .zones import shift_from_ends

__all__ = ["NANOSECONDS", "NO_TIME", "Times", "Unread", "in_digits", "local_of"]

NO_TIME: Final = Detail("no_time")
NANOSECONDS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_MILLISECOND: Final = NANOSECONDS["ms"]
_INT64: Final = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class Unread:
    """Times that cannot be read, all for the same reason.

    Parameters
    ----------
    why : Detail
        The reason, without the facts of a single time.
    positions : ndarray of int64, shape (n,)
        Their positions in the column.
    shown : Array of str, shape (n,), optional
        Each time as its reason names it; None if the reason says all.
    """

    why: Detail
    positions: NDArray[np.int64]
    shown: pa.Array | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Times of rows: milliseconds of readable times, reasons for unreadable times.

    Parameters
    ----------
    ms : ndarray of int64, shape (n_rows,)
        Times since the Unix epoch, rounded down; 0 if unreadable. [ms]
    unread : tuple of Unread
        Unreadable times by reason; a position occurs once.
    folds : ndarray of int64
        Positions of local times that occur twice in their zone, whatever becomes of them.
    """

    ms: NDArray[np.int64]
    unread: tuple[Unread, ...] = ()
    folds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def is_unread(self) -> NDArray[np.bool_]:
        """A mask of the unreadable times."""
        mask = np.zeros(len(self.ms), bool)
        for one in self.unread:
            mask[one.positions] = True
        return mask

    @property
    def unreadable(self) -> dict[int, Detail]:
        """The reason of each unreadable time by position: for the few that are named one by one."""
        found: dict[int, Detail] = {}
        for one in self.unread:
            shown = [None] * len(one.positions) if one.shown is None else one.shown.to_pylist()
            for position, text in zip(one.positions.tolist(), shown, strict=True):
                found[position] = one.why if text is None else one.why._replace(instance=(text,))
        return dict(sorted(found.items()))


def ticks_of(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Return times as the integers that Arrow keeps, and a mask of the absent if there are any.

    A zone's name does not matter for an instant, and need not be known here.
    """
    narrow = pa.types.is_date32(column.type)
    numbers = column.view(pa.int32() if narrow else pa.int64())
    absent = None
    if numbers.null_count:
        absent = np.asarray(numbers.is_null().to_numpy(zero_copy_only=False), bool)
        numbers = numbers.fill_null(0)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.int64), absent


def counted(
    ticks: NDArray[np.int64],
    absent: NDArray[np.bool_] | None,
    nanoseconds: int,
    unit: str = "",
    slack: int = 0,
) -> Times:
    """Return integers of a unit as milliseconds, rounded down also before 1970.

    Parameters
    ----------
    ticks : ndarray of int64, shape (n,)
        Counted from the Unix epoch.
    absent : ndarray of bool, shape (n,), optional
        True where there is no time.
    nanoseconds : int
        Length of the unit. [ns]
    unit : str, optional
        The unit if an unreadable time is named as a date, not as a number.
    slack : int, optional
        How far outside the years 1 to 9999 a time may lie. [ms]
    """
    first, last = _ends(nanoseconds, slack)
    unread: list[Unread] = []
    if len(ticks) and (ticks.min() < first or ticks.max() > last):
        # No time in whatever unit: one end is NaT, the other the "end of time" of others.
        ends = (ticks == _INT64.min) | (ticks == _INT64.max)
        far = ((ticks < first) | (ticks > last)) & ~ends
        for why, mask in ((Detail("stand_in"), ends), (Detail("far_time"), far)):
            if mask.any():
                positions = np.flatnonzero(mask)
                unread.append(Unread(why, positions, _named(ticks[positions], unit)))
        ticks = np.where(ends | far, 0, ticks)
    if absent is not None and absent.any():
        unread.append(Unread(NO_TIME, np.flatnonzero(absent)))
    factor, divisor = nanoseconds // _MILLISECOND, _MILLISECOND // nanoseconds
    return Times(ticks * factor if factor > 1 else ticks // max(divisor, 1), tuple(unread))


def _ends(nanoseconds: int, slack: int) -> tuple[int, int]:
    """Return the least and the largest number of a unit that is a time."""
    first = (FIRST_TIME - slack) * _MILLISECOND // nanoseconds
    last = (LAST_TIME + slack + 1) * _MILLISECOND // nanoseconds - 1
    return max(first, _INT64.min + 1), min(last, _INT64.max - 1)


def _named(ticks: NDArray[np.int64], unit: Any) -> pa.Array:
    """Return times as texts: dates if the unit is given, else the numbers."""
    if not unit:
        return pa.array(ticks).cast(pa.string())
    return pa.array(
        np.datetime_as_string(ticks.astype(f"datetime64[{unit}]")).tolist(), pa.string()
    )


def with_absent(ms: NDArray[np.int64], absent: NDArray[np.bool_]) -> Times:
    return Times(ms, (Unread(NO_TIME, np.flatnonzero(absent)),) if absent.any() else ())


def dated(ms: NDArray[np.int64]) -> pa.Array:
    """Return times as texts, with milliseconds only if there are any."""
    texts = np.datetime_as_string(ms.astype("datetime64[ms]"), unit="ms").tolist()
    return pa.array([text.replace("T", " ").removesuffix(".000") for text in texts])


def local_of(ms: NDArray[np.int64], zone: str) -> NDArray[np.int64] | None:
    """Return the local times of instants, counted as if they were UTC; None in an unknown zone.

    Not by Arrow, whose clocks are not put forward any more after 2037.

    Examples
    --------
    >>> summer = np.array([np.datetime64("2040-07-01", "ms").astype(np.int64)])
    >>> (local_of(summer, "Europe/Paris") - summer).tolist()
    [7200000]
    """
    shift = shift_from_ends(ms)
    index = pd.DatetimeIndex((ms + shift).astype("datetime64[ms]")).tz_localize("UTC")
    try:
        local = index.tz_convert(zone).tz_localize(None)
    except Exception:  # pandas raises whatever its zone library does
        return None
    return np.asarray(local.as_unit("ms").asi8 - shift, np.int64)


def unsigned(column: pa.Array, nanoseconds: int) -> Times:
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    beyond = numbers > np.uint64(_INT64.max)
    # The largest integer represents all integers beyond it, but is not one of these.
    signed = np.where(beyond, 0, numbers).astype(np.int64)
    absent = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    times = counted(signed, absent, nanoseconds)
    if not beyond.any():
        return times
    positions = np.flatnonzero(beyond)
    far = Unread(Detail("far_time"), positions, pa.array(map(str, numbers[positions].tolist())))
    return replace(times, unread=(*times.unread, far))


def decimals(column: pa.Array, nanoseconds: int) -> Times:
    """Read decimals one by one: a float would lose digits on the way."""
    found = _milliseconds_of(column.to_pylist(), nanoseconds, (FIRST_TIME, LAST_TIME))
    far = np.array([ms is None for ms in found], bool)
    far &= column.is_valid().to_numpy(zero_copy_only=False)
    absent = column.is_null().to_numpy(zero_copy_only=False)
    times = with_absent(np.array([ms or 0 for ms in found], np.int64), absent)
    if not far.any():
        return times
    positions = np.flatnonzero(far)
    shown = pa.array([str(one) for one in column.take(pa.array(positions)).to_pylist()])
    return replace(times, unread=(*times.unread, Unread(Detail("far_time"), positions, shown)))


def _milliseconds_of(
    numbers: Sequence[decimal.Decimal | None], nanoseconds: int, ends: tuple[int, int]
) -> list[int | None]:
    """Return decimals of a unit in milliseconds, rounded down; None if absent or beyond the ends.

    Examples
    --------
    >>> _milliseconds_of([decimal.Decimal("1.0019"), None], 10**9, (0, 2000))
    [1001, None]
    """
    low, high = (end * 1_000_000 // nanoseconds for end in (ends[0], ends[1] + 1))
    found: list[int | None] = []
    for number in numbers:
        ms = None
        if number is not None and low <= number <= high:
            top, bottom = number.as_integer_ratio()
            ms = top * nanoseconds // (bottom * 1_000_000)
        found.append(ms if ms is not None and ends[0] <= ms <= ends[1] else None)
    return found


def floats(numbers: NDArray[np.float64], nanoseconds: int) -> Times:
    absent = np.isnan(numbers)
    first, last = _ends(nanoseconds, 0)
    with np.errstate(invalid="ignore"):
        near = (numbers >= float(first)) & (numbers <= float(last)) & (np.abs(numbers) < 2.0**63)
    kept = np.where(near, numbers, 0.0)
    whole = np.floor(kept)
    ms = counted(whole.astype(np.int64), None, nanoseconds).ms
    broken = np.flatnonzero(whole != kept)
    if len(broken):
        # A float of seconds cannot hold 0.123 exactly: convert the microsecond, then round.
        microseconds = np.round(kept[broken] * (nanoseconds / NANOSECONDS["us"]))
        ms[broken] = np.floor_divide(microseconds.astype(np.int64), 1_000)
    beyond = near & ((ms < FIRST_TIME) | (ms > LAST_TIME))
    infinite = np.isinf(numbers)
    times = with_absent(np.where(beyond, 0, ms), absent)
    far = (~near & ~absent & ~infinite) | beyond
    unread = list(times.unread)
    for why, mask in ((Detail("not_a_time"), infinite), (Detail("far_time"), far)):
        if mask.any():
            positions = np.flatnonzero(mask)
            unread.append(Unread(why, positions, pa.array(map(str, numbers[positions].tolist()))))
    return Times(times.ms, tuple(unread))


def in_digits(column: pa.Array) -> pa.Array:
    """Return numbers as texts, whole ones without a fraction, so that dates are in their digits.

    Examples
    --------
    >>> in_digits(pa.array([20240101.0, 0.5, None])).to_pylist()
    ['20240101', '0.5', None]
    """
    texts = column.cast(pa.string())
    if pa.types.is_decimal(column.type):
        return pc.replace_substring_regex(texts, r"\.0*$", "")
    if not pa.types.is_floating(column.type):
        return texts
    numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    is_whole = np.abs(numbers) < _WHOLE
    is_whole &= np.floor(numbers) == numbers
    whole = pa.array(np.where(is_whole, numbers, 0).astype(np.int64), mask=~is_whole)
    found = pc.coalesce(whole.cast(pa.string()), texts)
    return pc.if_else(pa.array(np.isnan(numbers)), pa.scalar(None, pa.string()), found)


_WHOLE: Final = 2.0**53  # below it, a float that is whole has no digits but its own
