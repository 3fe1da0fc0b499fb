"""Times of each device of a history: span, usual interval, gaps, disorder. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..frames import DEVICE_COLUMNS, typed
from ..model.device import Device
from ..model.device_table import Devices, Renumbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ..history.slab import Readings

__all__ = ["GAP", "DeviceTimes"]

GAP: Final = 1.5  # a gap is longer than this many usual intervals
# An interval and the number of its device share 64 bits: up to 34 years, and 8 million devices.
_BITS: Final = 40
_LONGEST: Final = (1 << _BITS) - 1  # [ms]
# Distinct intervals kept; beyond these, intervals are counted to 8 binary digits, exact to 1 %.
_MOST: Final = 200_000
_MOST_OF_DEVICE: Final = 32
_DIGITS: Final = 8
_NEVER: Final = np.iinfo(np.int64).min


@dataclass(slots=True)
class DeviceTimes:
    """Times of devices, gathered while the slabs of a history go by; bounded for each device.

    Rows without a readable and plausible time, or without a device, are left out.
    """

    _devices: Renumbered = field(default_factory=lambda: Renumbered({}))
    # By device: rows, disordered rows; first, last and latest-read time, longest interval. [ms]
    _rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _disordered: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _first: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _last: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _latest: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _longest: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    # Device and interval in one number, and how often each occurs.
    _intervals: list[NDArray[np.int64]] = field(default_factory=list)
    _counts: list[NDArray[np.int64]] = field(default_factory=list)
    _kept: int = 0

    def see(self, parts: Iterable[Readings]) -> None:
        """Note the times of a slab, product by product."""
        for part in parts:
            codes, time = part.device, part.time
            if part.unreadable or part.implausible is not None:
                readable = ~part.is_unreadable()
                if part.implausible is not None:
                    readable[part.implausible.positions] = False
                codes, time = codes[readable], time[readable]
            if len(time):
                self._note(self._ids(part.devices), codes, time)

    @property
    def _numbers(self) -> dict[tuple[str, str], int]:
        return self._devices.numbers

    def _ids(self, given: Sequence[Device]) -> NDArray[np.int64]:
        devices = Devices.of(given)
        found = self._devices.of(devices.table, devices.numbers)
        more = len(self._numbers) - len(self._rows)
        if more:
            for name, value in _STATE.items():
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.full(more, value, np.int64)]))
        return found

    def _note(
        self, ids: NDArray[np.int64], codes: NDArray[np.int64], time: NDArray[np.int64]
    ) -> None:
        # Few devices, and a narrow type: sorted by counting.
        order = np.argsort(codes.astype(np.min_scalar_type(len(ids))), kind="stable")
        codes, time = codes[order], time[order]
        starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        device = ids[codes[starts]]
        step = np.diff(time, prepend=time[0])
        step[starts] = 0
        back = step < 0
        # A slab is compared with the rows before it, of the same devices.
        known = self._latest[device] != _NEVER
        self._disordered[device] += np.add.reduceat(back, starts, dtype=np.int64)
        self._disordered[device] += known & (time[starts] < self._latest[device])
        self._rows[device] += np.diff(np.append(starts, len(time)))
        self._latest[device] = time[np.append(starts[1:], len(time)) - 1]
        if back.any():
            time = time[np.lexsort((time, codes))]
            step = np.diff(time, prepend=time[0])
        before = self._last[device]
        step[starts] = np.where(known & (time[starts] > before), time[starts] - before, 0)
        self._first[device] = np.minimum(self._first[device], time[starts])
        self._last[device] = np.maximum(before, time[np.append(starts[1:], len(time)) - 1])
        self._longest[device] = np.maximum(self._longest[device], np.maximum.reduceat(step, starts))
        whose = np.repeat(device, np.diff(np.append(starts, len(time))))
        self._count((whose[step > 0] << _BITS) | np.minimum(step[step > 0], _LONGEST))

    def _count(self, intervals: NDArray[np.int64]) -> None:
        found, counts = np.unique(intervals, return_counts=True)
        self._intervals.append(found)
        self._counts.append(counts)
        self._kept += len(found)
        most = _MOST + _MOST_OF_DEVICE * len(self._numbers)
        if self._kept > most:
            found, counts = self._together()
            if len(found) > most // 2:
                found, counts = _merged(_coarse(found), counts)
            self._intervals, self._counts, self._kept = [found], [counts], len(found)

    def _together(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all intervals in order, and how often each occurs."""
        if not self._intervals:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return _merged(np.concatenate(self._intervals), np.concatenate(self._counts))

    def frame(self, collisions: Mapping[Device, int], *, has_gaps: bool = True) -> pd.DataFrame:
        """Return one row a device, sorted; ``collisions`` are its rows at the time of another.

        ``has_gaps`` is False for rows of which others were left out, as in a file of rejects.
        """
        found, counts = self._together()
        n = len(self._numbers)
        whose, interval = found >> _BITS, found & _LONGEST
        usual = _medians(whose, interval, counts, n)
        is_gap = interval > GAP * usual[whose]
        gaps = np.bincount(whose[is_gap], counts[is_gap], n).astype(np.int64)
        longest = np.where(gaps > 0, self._longest / 1_000, np.nan)
        rows: list[tuple[Any, ...]] = [
            (
                *device,
                self._rows[i],
                self._first[i],
                self._last[i],
                usual[i] / 1_000,
                gaps[i],
                longest[i],
                self._disordered[i],
                collisions.get(Device(*device), 0),
            )
            for device, i in sorted(self._numbers.items())
            if self._rows[i]
        ]
        frame = typed(rows, DEVICE_COLUMNS)
        return (
            frame if has_gaps else frame.assign(usual_interval=np.nan, gaps=0, longest_gap=np.nan)
        )


# What is known of a device of which nothing was read.
_STATE: Final = {
    "_rows": 0,
    "_disordered": 0,
    "_first": np.iinfo(np.int64).max,
    "_last": _NEVER,
    "_latest": _NEVER,
    "_longest": 0,
}


def _merged(
    found: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    distinct, place = np.unique(found, return_inverse=True)
    return distinct, np.bincount(place, counts, len(distinct)).astype(np.int64)


def _coarse(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return intervals with their first binary digits only.

    Examples
    --------
    >>> _coarse(np.array([255, 257, 600_001])).tolist()
    [255, 256, 598016]
    """
    digits = np.frexp((found & _LONGEST).astype(np.float64))[1]
    shift = np.maximum(digits - _DIGITS, 0).astype(np.int64)
    return np.asarray((found >> shift) << shift, np.int64)


def _medians(
    whose: NDArray[np.int64], interval: NDArray[np.int64], counts: NDArray[np.int64], n: int
) -> NDArray[np.float64]:
    """Return the middle interval of each device; NaN for a device that has none.

    Examples
    --------
    >>> _medians(np.array([0, 0, 2]), np.array([10, 60, 5]), np.array([1, 9, 1]), 3).tolist()
    [60.0, nan, 5.0]
    """
    medians = np.full(n, np.nan)
    if not len(whose):
        return medians
    total = np.cumsum(counts)
    starts = np.flatnonzero(np.append(True, whose[1:] != whose[:-1]))
    before = total[starts] - counts[starts]
    of_device = np.append(total[starts[1:] - 1], total[-1]) - before
    middle = np.searchsorted(total, before + (of_device + 1) // 2)
    medians[whose[starts]] = interval[middle]
    return medians
