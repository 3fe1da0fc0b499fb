"""The search for repeated readings while a history is sent, where only neighbours can repeat.

Reads the history for its times; otherwise pure. Where no two slabs but neighbours share a time, the
repeats of a slab are known as soon as the slab behind it is read: a single slab is held back, and
the history is read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..history.keys import read_raw_times
from ..history.ordering import order_of
from ..sources.source import FrameSource
from .repeated_keys import Keys, joined, repeated
from .repeats import Duplicates, Repeats, candidates_of, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ..history.history import History
    from ..history.slab import RawSlab, Readings
    from ..model.model_set import ModelSet
    from ..sources.source import Source
    from .faults import Fault
    from .repeats import Candidates, Keep

__all__ = ["Looked", "Nearby", "rows_if_nearby"]

# Readings of one product in a slab, with the checks that they fail.
Judged = tuple["Readings", list["Fault"]]
_NONE: Final = np.zeros(0, np.int64)
_OBJECT: Final = np.dtype(object)


class Looked(NamedTuple):
    """A slab with the readings of each product, the checks that they fail, and their repeats."""

    raw: RawSlab
    parts: list[Judged]
    repeats: list[Repeats]


def rows_if_nearby(
    history: History, models: ModelSet, heed: Callable[[], object] = bool
) -> int | None:
    """Return the number of rows, if no two slabs but neighbours can hold the same time.

    None if they can, or if the search would cost as much as it saves. The times alone are read,
    and only as far as they keep ascending, or descending, from slab to slab.

    Parameters
    ----------
    history : History
        The history; its interval is heeded.
    models : ModelSet
        Thing models of the history.
    heed : callable, optional
        Called at each slab; raises to end the reading.
    """
    if not _is_cheap(history):
        return None
    n_rows = 0
    up, down = _Ascent(), _Ascent()
    for raw in history.slabs(models.all(), times_only=True):
        heed()
        times = read_raw_times(raw)
        n_rows += raw.n_rows
        time = times.ms[~times.is_unread] if times.unread else times.ms
        if (inside := _within(time, history)) is not None:
            n_rows -= len(time) - int(inside.sum())
            time = time[inside]
        low, high = (int(time.min()), int(time.max())) if len(time) else (inf, -inf)
        if not (up.take(low, high) | down.take(-high, -low)):
            return None
    return n_rows if history.columns.devices is None else history.n_rows_wanted


def _within(time: NDArray[np.int64], history: History) -> NDArray[np.bool_] | None:
    """Return a mask of the times in the interval of a history; None if it has no bounds."""
    if history.start is None and history.end is None:
        return None
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    start = low if history.start is None else history.start
    end = high if history.end is None else history.end
    return np.asarray((time >= start) & (time < end), bool)


def _is_cheap(history: History) -> bool:
    """Return True if times can be read alone, and all else is of one type in all slabs."""
    columns = history.columns
    if (columns.is_long and columns.only) or columns.time_text:
        return False
    if columns.devices is not None and (history.start, history.end) != (None, None):
        return False  # the rows of some devices in an interval cannot be counted by times alone
    if columns.ambiguous == "infer" and columns.tz is not None:
        return False
    return all(_is_typed(source, columns.named) for source in history.sources)


def _is_typed(source: Source, names: Sequence[str]) -> bool:
    """Return True if the cells of each column are of one type other than text."""
    if isinstance(source, FrameSource):
        kinds = [kind for name, kind in source.frame.dtypes.items() if name in names]
        index = [source.frame.index.dtype] if source.time_from_index else []
        return all(kind != _OBJECT for kind in (*kinds, *index))
    return not source.is_text


@dataclass(slots=True)
class _Ascent:
    """Times that ascend from slab to slab: none is at or below those of a slab but the last.

    Slabs of the times 1 to 4, 4 to 6 and 5 to 9 ascend; a slab from 6 on may follow, but no slab
    with a 5.
    """

    is_kept: bool = True
    _latest: float = -inf  # highest time of the latest slab
    _reached: float = -inf  # highest time of all slabs before it

    def take(self, low: float, high: float) -> bool:
        """Take the lowest and the highest time of the next slab; return whether times ascend."""
        self.is_kept &= low > self._reached
        self._reached, self._latest = max(self._reached, self._latest), high
        return self.is_kept


@dataclass(slots=True)
class _Slab:
    """A slab that is held back, with its readable rows, sorted by key and time."""

    raw: RawSlab
    parts: list[Judged]
    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    time: NDArray[np.int64]
    again: NDArray[np.int64]  # rows whose key and time are repeated, ascending
    before: list[Candidates] = field(default_factory=list)  # of the slab before, at shared times


class Nearby:
    """The repeated readings of a history, decided slab by slab as it goes by.

    Parameters
    ----------
    keep : {"first", "last"}
        Preference between two different values: the first or the last is sent.
    withhold : bool
        True if violations of the model are withheld.
    n_rows : int
        Number of rows of the history, by :func:`rows_if_nearby`.

    Attributes
    ----------
    n_superseded, n_copies, n_disordered : int
        As of :class:`Duplicates`, of the slabs so far.
    """

    def __init__(self, keep: Keep, withhold: bool, n_rows: int) -> None:
        self._keep, self._withhold, self._n_rows = keep, withhold, n_rows
        self._keys = Keys(withhold)
        self._repeats: dict[tuple[int, int], Repeats] = {}
        self._held: _Slab | None = None
        self._last_time: int | None = None
        self._last_of = _NONE  # the last time of each key, in the latest slab that has it
        self.n_superseded = self.n_copies = self.n_disordered = 0

    def take(self, raw: RawSlab, parts: list[Judged]) -> Looked | None:
        """Take the next slab; return the slab before it with its repeats, None for the first."""
        held, new = self._held, self._seen(raw, parts)
        self._held = new
        if held is None:
            return None
        ours, theirs = _shared(held, new)
        held.again, new.again = np.union1d(held.again, ours), np.union1d(new.again, theirs)
        new.before = self._candidates(held, ours)
        return self._decided(held, self._candidates(new, theirs))

    def end(self) -> Looked | None:
        """Return the last slab with its repeats; None if there was no slab."""
        held, self._held = self._held, None
        return None if held is None else self._decided(held, [])

    def found(self) -> Duplicates:
        """Return the duplicates of the slabs so far."""
        return Duplicates(
            repeats=dict(self._repeats),
            n_superseded=self.n_superseded,
            n_copies=self.n_copies,
            n_disordered=self.n_disordered,
            last_time=self._last_time,
            devices=frozenset(self._keys.devices),
            n_rows=self._n_rows,
        )

    def _seen(self, raw: RawSlab, parts: list[Judged]) -> _Slab:
        rows, ids, time = joined(self._keys.of(raw, readings) for readings, _ in parts)
        order = order_of(ids, time)
        rows, ids, time = rows[order], ids[order], time[order]
        self._note(ids, time)
        return _Slab(raw, parts, rows, ids, time, np.sort(rows[repeated(ids, time)]))

    def _note(self, ids: NDArray[np.int64], time: NDArray[np.int64]) -> None:
        """Note the latest time, and how many keys go back in time."""
        if not len(ids):
            return
        latest = int(time.max())
        self._last_time = latest if self._last_time is None else max(self._last_time, latest)
        lacking = len(self._keys.numbers) - len(self._last_of)
        never = np.full(max(0, lacking), np.iinfo(np.int64).min)
        self._last_of = np.concatenate([self._last_of, never])
        starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
        keys = ids[starts]
        self.n_disordered += int((time[starts] < self._last_of[keys]).sum())
        self._last_of[keys] = time[np.append(starts[1:], len(ids)) - 1]

    def _candidates(self, slab: _Slab, rows: NDArray[np.int64]) -> list[Candidates]:
        if not len(rows):
            return []
        return [
            one
            for number, (readings, faults) in enumerate(slab.parts)
            for one in candidates_of(readings, number, rows, faults, self._withhold)
        ]

    def _decided(self, slab: _Slab, after: list[Candidates]) -> Looked:
        """Return a slab with its repeats; ``after`` are those of the slab behind it."""
        number = slab.raw.number
        if len(slab.again):
            candidates = [*slab.before, *self._candidates(slab, slab.again), *after]
            found, *_ = decide(candidates, self._keep, 0)
            for key, one in found.items():
                if key[0] == number:  # all else is decided with its own neighbours
                    self._repeats[key] = one
                    self.n_superseded += sum(len(at) for _, at, _ in one.superseded)
                    self.n_copies += sum(len(at) for _, at in one.copies)
        repeats = [self._repeats.get((number, n), Repeats()) for n in range(len(slab.parts))]
        return Looked(slab.raw, slab.parts, repeats)


def _shared(one: _Slab, other: _Slab) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of two slabs whose keys and times are repeated within their common times."""
    if not len(one.time) or not len(other.time):
        return _NONE, _NONE
    low = max(one.time.min(), other.time.min())
    high = min(one.time.max(), other.time.max())
    if low > high:
        return _NONE, _NONE
    at, to = (np.flatnonzero((slab.time >= low) & (slab.time <= high)) for slab in (one, other))
    ids = np.concatenate([one.ids[at], other.ids[to]])
    time = np.concatenate([one.time[at], other.time[to]])
    order = order_of(ids, time)
    chosen = order[repeated(ids[order], time[order])]
    is_ours = chosen < len(at)
    ours, theirs = chosen[is_ours], chosen[~is_ours] - len(at)
    return np.sort(one.rows[at[ours]]), np.sort(other.rows[to[theirs]])
