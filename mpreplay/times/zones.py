"""Zones: the instants of local times, by the changes of a zone's clock. Pure.

The changes are looked up year by year and kept, so that a column of times needs a binary search
and no call a time.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ..cells.epoch import DAY, FIRST_TIME, LAST_TIME
from ..errors import Argument, HistoryError, message

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Localized", "localized", "put_back", "shift_from_ends"]

# The calendar, and with it the rules of a zone, repeats after 400 years. [ms]
_CYCLE: Final = 146_097 * DAY
# No zone of the tz database changes its clock twice within this time (least: 7 days). [s]
_STRIDE: Final = 5 * 86_400
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NEAR: Final = 2 * DAY  # from an end of time, no year before or after can be looked up
_NO_CHANGE_BEFORE: Final = 1840
_LAST_YEAR: Final = 9999
_LONG: Final = 100  # years between the first and the last time, from which they are looked at


@dataclass(frozen=True, slots=True)
class Localized:
    """The instants of local times.

    Parameters
    ----------
    earliest, latest : ndarray of int64, shape (n,)
        The first and the second instant of each time; they differ where it occurs twice. [ms]
    gaps : ndarray of int64
        Positions of times that do not exist, since the clock was put forward.
    ends : ndarray of int64
        The instants at which the clock was put forward, for each of these. [ms]
    """

    earliest: NDArray[np.int64]
    latest: NDArray[np.int64]
    gaps: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def folds(self) -> NDArray[np.int64]:
        """Positions of times that occur twice, since the clock was put back."""
        if self.latest is self.earliest:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.latest > self.earliest)


@dataclass(frozen=True, slots=True)
class _Clock:
    """The clock of a zone over some years.

    Parameters
    ----------
    changes : ndarray of int64, shape (n,)
        Instants at which it is changed. [ms]
    offsets : ndarray of int64, shape (n + 1,)
        Offset from UTC before, between and after the changes. [ms]
    is_own : ndarray of bool, shape (n,)
        Of each change: False for years that are not looked up.
    """

    changes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    is_own: NDArray[np.bool_]


def localized(ms: NDArray[np.int64], tz: str) -> Localized:
    """Return the instants of local times, counted as if they were UTC.

    Examples
    --------
    >>> fold = np.array(["2024-10-27T02:30", "2024-03-31T02:30"], "datetime64[ms]")
    >>> found = localized(fold.astype(np.int64), "Europe/Paris")
    >>> (found.latest - found.earliest).tolist(), found.gaps.tolist()
    ([3600000, 0], [1])
    """
    nothing = np.zeros(0, np.int64)
    if not len(ms):
        return Localized(ms, ms, nothing, nothing)
    shift = shift_from_ends(ms)
    moved = ms + shift
    clock = _clock_of(tz, moved)
    changes, offsets = clock.changes, clock.offsets
    if not len(changes):
        instants = ms - offsets[0]
        return Localized(instants, instants, nothing, nothing)
    before, after = changes + offsets[:-1], changes + offsets[1:]
    # As datetime's ``fold`` has it: until the later of two local times at a change, the old
    # offset is meant; from the earlier one on, the new.
    place = np.searchsorted(np.maximum(before, after), moved, "right")
    first, second = (
        offsets[place],
        offsets[np.searchsorted(np.minimum(before, after), moved, "right")],
    )
    earliest = ms - first
    if np.array_equal(first, second):
        return Localized(earliest, earliest, nothing, nothing)
    gaps = np.flatnonzero(second > first)
    latest = np.where(second < first, ms - second, earliest)
    own = shift if isinstance(shift, int) else shift[gaps]
    return Localized(earliest, latest, gaps, changes[place[gaps]] - own)


def put_back(tz: str, ms: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when a zone's clock is put back around some instants, and by how much, in ms.

    Examples
    --------
    >>> year = np.array(["2024-01-01", "2025-01-01"], "datetime64[ms]").astype(np.int64)
    >>> changes, lengths = put_back("Europe/Paris", year)
    >>> changes.astype("datetime64[ms]").astype(str).tolist(), lengths.tolist()
    (['2024-10-27T01:00:00.000'], [3600000])
    """
    ends = [int(ms.min()) - 2 * DAY, int(ms.max()) + 2 * DAY]
    low, high = np.clip(ends, FIRST_TIME + _NEAR, LAST_TIME - _NEAR).tolist()
    clock = _clock_of(tz, np.clip(np.append(ms, [low, high]), low, high))
    steps = np.diff(clock.offsets)
    chosen = (steps < 0) & clock.is_own & (clock.changes >= low) & (clock.changes <= high)
    return clock.changes[chosen], -steps[chosen]


def shift_from_ends(ms: NDArray[np.int64]) -> NDArray[np.int64] | int:
    """Return a shift away from the ends of time, where no zone can be applied, in milliseconds."""
    if ms.min() >= FIRST_TIME + _NEAR and ms.max() <= LAST_TIME - _NEAR:
        return 0
    low, high = ms < FIRST_TIME + _NEAR, ms > LAST_TIME - _NEAR
    return np.asarray(np.where(low, _CYCLE, 0) - np.where(high, _CYCLE, 0), np.int64)


def _clock_of(tz: str, ms: NDArray[np.int64]) -> _Clock:
    """Return the clock of a zone around local times, as if they were UTC."""
    low, high = (_year(end) for end in (int(ms.min()) - DAY, int(ms.max()) + DAY))
    runs = ((low, high),) if high - low <= _LONG else _runs(ms)
    least = _NO_CHANGE_BEFORE
    return _clock(tz, tuple(dict.fromkeys((max(a, least), max(b, least)) for a, b in runs)))


def _runs(ms: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Return the first and the last of years that follow each other, with one around each time.

    A time of the year 9999, used for an absent one, must not make eight thousand years be looked
    up.
    """
    found = np.unique(ms.astype("datetime64[ms]").astype("datetime64[Y]").astype(np.int64)) + 1970
    years = np.unique(np.minimum(found[:, None] + np.arange(-1, 2), _LAST_YEAR))
    ends = np.flatnonzero(np.diff(years) > 1)
    firsts, lasts = years[np.append(0, ends + 1)], years[np.append(ends, len(years) - 1)]
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _year(ms: int) -> int:
    return int(np.datetime64(ms, "ms").astype("datetime64[Y]").astype(np.int64)) + 1970


@lru_cache(maxsize=64)
def _clock(tz: str, runs: tuple[tuple[int, int], ...]) -> _Clock:
    """Return the clock of a zone over runs of years, ascending."""
    start = _offset(_zone(tz), _second_of(runs[0][0]))
    found: list[tuple[int, int, bool]] = []
    for first, last in runs:
        if first != runs[0][0]:  # whatever happened in between, far from each time
            second = _second_of(first)
            found.append((second, _offset(_zone(tz), second), False))
        found += [
            (*change, True) for year in range(first, last + 1) for change in _changes(tz, year)
        ]
    changes = np.array([second for second, _, _ in found], np.int64)
    offsets = np.array([start, *(offset for _, offset, _ in found)], np.int64)
    is_own = np.array([own for _, _, own in found], bool)
    return _Clock(changes * 1_000, offsets * 1_000, is_own)


@lru_cache(maxsize=4_096)
def _changes(tz: str, year: int) -> tuple[tuple[int, int], ...]:
    """Return the changes of a year: the second of each, and the offset from then on."""
    zone, found = _zone(tz), []
    start, end = _second_of(year), _second_of(year + 1)
    low, known = start, _offset(zone, start)
    while low < end:
        high = min(low + _STRIDE, end)
        offset = _offset(zone, high) if high < _LAST else known
        if offset != known:
            found.append((_first_second(zone, low, high, known), offset))
            known = offset
        low = high
    return tuple(found)


def _first_second(zone: dt.tzinfo, low: int, high: int, known: int) -> int:
    """Return the second of a change, which lies in (low, high]."""
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == known:
            low = middle
        else:
            high = middle
    return high


_LAST: Final = LAST_TIME // 1_000 - 86_400


def _second_of(year: int) -> int:
    days = np.datetime64(f"{year:04}", "Y").astype("datetime64[D]").astype(np.int64)
    return int(days) * 86_400


def _offset(zone: dt.tzinfo, second: int) -> int:
    """Return the offset of a zone at an instant, in seconds."""
    moment = (_EPOCH + dt.timedelta(seconds=second)).astimezone(zone)
    offset = moment.utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


@lru_cache(maxsize=64)
def _zone(tz: str) -> dt.tzinfo:
    try:
        return ZoneInfo(tz)
    except Exception:  # whatever the name is like: pandas knows more than names, such as "+01:00"
        return _zone_of_pandas(tz)


def _zone_of_pandas(tz: str) -> dt.tzinfo:
    try:
        zone = pd.Timestamp(0, tz=tz).tzinfo
    except Exception as error:  # pandas raises whatever its zone library does
        raise HistoryError(
            message(
                Argument("tz", tz),
                f" cannot be used ({error}); expected a zone like 'Europe/Paris'",
            ),
            argument="tz",
            value=tz,
        ) from error
    return dt.UTC if zone is None else zone
