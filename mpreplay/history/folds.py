"""Times that occur twice, distinguished by the order of each device's rows.

Reads the history; otherwise pure. Where a clock is put back, an hour occurs twice: the rows of a
device go through it once, step back, and go through it again. Rows before the step are of the
first time. Without exactly one such step nothing is inferred.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..cells.epoch import DAY
from ..times.in_zone import NOT_TOLD
from ..times.zones import put_back
from .keys import keys_of, read_raw_times

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .slab import RawSlab

__all__ = ["Folds", "infer"]

_NEAR: Final = DAY  # a row this far away says from which side its device came


@dataclass(frozen=True, slots=True)
class Folds:
    """The rows of a source whose time occurs twice: 0 for the first time, 1 for the second.

    Parameters
    ----------
    rows : ndarray of int64
        Rows of the source, ascending.
    told : ndarray of int8
        Of each: 0, 1 or ``NOT_TOLD``.
    """

    rows: NDArray[np.int64]
    told: NDArray[np.int8]

    def of(self, first: int, n: int) -> NDArray[np.int8]:
        """Return the findings on n rows from the first on."""
        found = np.full(n, NOT_TOLD, np.int8)
        low, high = np.searchsorted(self.rows, [first, first + n])
        found[self.rows[low:high] - first] = self.told[low:high]
        return found


@dataclass(slots=True)
class _Rows:
    """Rows near a time that occurs twice, with their place among the rows of their device."""

    numbers: dict[Any, int] = field(default_factory=dict)
    seen: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    kept: list[tuple[NDArray[np.int64], ...]] = field(default_factory=list)

    def see(self, source: int, raw: RawSlab, tz: str) -> None:
        """Note the rows of a slab."""
        times = read_raw_times(raw, ambiguous="earliest")
        readable = np.flatnonzero(~times.is_unread)
        if not len(readable):
            return
        key = self._keys(raw)[readable]
        order = np.argsort(key, kind="stable")
        positions, key = readable[order], key[order]
        starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        sizes = np.diff(np.append(starts, len(key)))
        place = np.arange(len(key)) - np.repeat(starts, sizes) + self.seen[key]
        self.seen[key[starts]] += sizes
        ms = times.ms[positions]
        changes, lengths = put_back(tz, ms)
        if not len(changes):
            return
        near = np.minimum(np.searchsorted(changes, ms - _NEAR), len(changes) - 1)
        is_near = np.abs(ms - changes[near]) <= _NEAR
        is_fold = np.zeros(raw.n_rows, bool)
        is_fold[times.folds] = True
        columns = (
            key,
            place,
            ms,
            is_fold[positions],
            changes[near],
            lengths[near],
            np.full(len(ms), source),
            raw.first_row + positions,
        )
        self.kept.append(tuple(column[is_near] for column in columns))

    def _keys(self, raw: RawSlab) -> NDArray[np.int64]:
        """Return a number for the device of each row; in the long form, for its point as well."""
        columns = raw.layout.columns
        code = np.zeros(raw.n_rows, np.int64)
        labels: list[Any] = [()]
        for name, kind in (
            (columns.product, "product"),
            (columns.device, "device"),
            (columns.point, "point"),
        ):
            keys = keys_of(raw, name, "", kind)
            named = [*keys.dictionary.to_pylist(), None]
            own = keys.indices.fill_null(len(named) - 1).to_numpy(zero_copy_only=False)
            pairs, code = np.unique(code * len(named) + own, return_inverse=True)
            labels = [
                (*labels[pair // len(named)], named[pair % len(named)]) for pair in pairs.tolist()
            ]
        ids = [self.numbers.setdefault(label, len(self.numbers)) for label in labels]
        self.seen = np.append(self.seen, np.zeros(len(self.numbers) - len(self.seen), np.int64))
        return np.array(ids, np.int64)[code]


def infer(slabs: Iterable[tuple[int, RawSlab]], tz: str) -> dict[int, Folds]:
    """Return what the order of rows tells of times that occur twice, by number of the source.

    Parameters
    ----------
    slabs : iterable of (int, RawSlab)
        The number of its source and each slab, with times and devices.
    tz : str
        The zone of naive times.
    """
    rows = _Rows()
    for number, raw in slabs:
        rows.see(number, raw, tz)
    if not rows.kept:
        return {}
    columns = [np.concatenate(parts) for parts in zip(*rows.kept, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    key, place, ms, is_fold, change, length, source, row = (column[order] for column in columns)
    told = np.full(len(order), NOT_TOLD, np.int8)
    if is_fold.any():
        visits = _Visits.of(key, place, ms, is_fold, change, length)
        told[visits.rows] = visits.told()
    return {int(one): _of_source(source == one, is_fold, row, told) for one in np.unique(source)}


def _of_source(
    own: NDArray[np.bool_],
    is_fold: NDArray[np.bool_],
    row: NDArray[np.int64],
    told: NDArray[np.int8],
) -> Folds:
    chosen = np.flatnonzero(own & is_fold)
    chosen = chosen[np.argsort(row[chosen], kind="stable")]
    return Folds(row[chosen], told[chosen])


@dataclass(frozen=True, slots=True)
class _Visits:
    """Visits of devices to the hour that occurs twice: rows of a device that follow each other.

    Parameters
    ----------
    rows : ndarray of int64
        The rows of all visits, as an index into the rows near such hours.
    starts, sizes : ndarray of int64, shape (n_visits,)
        The first of the rows of each visit, and their number.
    step : ndarray of int64
        Of each row, its local time since the row before it in its visit. [ms]
    length : ndarray of int64, shape (n_visits,)
        By how much the clock was put back. [ms]
    before, after : ndarray of int64, shape (n_visits,)
        Time from the row before the visit to the visit's first row, and from its last row to the
        row behind, in local time; negative if the device goes back in time; 0 without such a row.
    like : ndarray of int64, shape (n_visits,)
        How often the rows before and behind the visit stand at the same time; 0 if unknown.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    step: NDArray[np.int64]
    length: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    like: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        key: NDArray[np.int64],
        place: NDArray[np.int64],
        ms: NDArray[np.int64],
        is_fold: NDArray[np.bool_],
        change: NDArray[np.int64],
        length: NDArray[np.int64],
    ) -> _Visits:
        """Return the visits among rows in the order of device and place."""
        follows = np.append(False, (key[1:] == key[:-1]) & (place[1:] == place[:-1] + 1))
        same_hour = follows & np.append(False, is_fold[:-1] & (change[1:] == change[:-1]))
        rows = np.flatnonzero(is_fold)
        is_start = ~same_hour[rows]
        starts = np.flatnonzero(is_start)
        sizes = np.diff(np.append(starts, len(rows)))
        step = np.where(is_start, 0, ms[rows] - ms[rows - 1])
        first, last = rows[starts], rows[starts + sizes - 1]
        behind = np.minimum(last + 1, len(ms) - 1)
        has_before = follows[first]
        has_behind = (behind > last) & follows[behind]
        # A time behind the hour is later by the length of the hour than its local time is.
        own = length[first]
        local = ms - np.where(ms >= change, length, 0)
        before = np.where(has_before, local[first] - local[first - 1], 0)
        after = np.where(has_behind, local[behind] - local[last], 0)
        run = np.cumsum(~(follows & np.append(False, ms[1:] == ms[:-1])))
        times = np.bincount(run)[run]
        like = np.where(has_before, times[first - 1], times[behind] * has_behind)
        like[has_before & has_behind & (times[first - 1] != times[behind])] = 0
        return cls(rows, starts, sizes, step, own, before, after, like)

    def told(self) -> NDArray[np.int8]:
        """Return 0 for rows of the first time, 1 for the second, ``NOT_TOLD`` if neither is sure.

        A visit has exactly one step against the direction in which its device goes through time,
        by half the hour at least: a smaller one is taken for disorder. Rows of a single time are
        split in the middle, if they are twice as many as their neighbours.
        """
        back = np.add.reduceat(self.step < 0, self.starts, dtype=np.int64)
        forth = np.add.reduceat(self.step > 0, self.starts, dtype=np.int64)
        rises = (self.before > 0) | (self.after > 0)
        falls = (self.before < 0) | (self.after < 0)
        unclear = rises == falls
        rises = np.where(unclear, (back == 1) & (forth > 1), rises)
        falls = np.where(unclear, (forth == 1) & (back > 1), falls)
        against = np.where(np.repeat(rises, self.sizes), self.step < 0, self.step > 0)
        index = np.arange(len(self.step))
        split = np.add.reduceat(np.where(against, index, 0), self.starts)
        size = np.add.reduceat(np.where(against, np.abs(self.step), 0), self.starts)
        is_told = (rises & (back == 1)) | (falls & (forth == 1))
        is_told &= 2 * size >= self.length
        alike = (rises | falls) & (back + forth == 0) & (self.sizes == 2 * self.like)
        # Not a repeated row, of a device that reads more often or less: between two readings at
        # one time by the clock lies the length of the hour, so that it is the device's interval.
        for step in (self.before, self.after):
            near = 2 * np.abs(np.abs(step) - self.length) <= self.length
            alike &= (step == 0) | near
        split = np.where(alike, self.starts + self.like, split)
        second = (index >= np.repeat(split, self.sizes)) == np.repeat(rises, self.sizes)
        known = np.repeat(is_told | alike, self.sizes)
        return np.where(known, second, NOT_TOLD).astype(np.int8)
