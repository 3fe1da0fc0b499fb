"""Local times as instants of a zone, also where its clock is changed. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ..cells.epoch import FIRST_TIME, LAST_TIME
from ..display.facts import Detail
from .time_numbers import Times, Unread, dated
from .zones import Localized, localized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["NOT_TOLD", "Where", "in_zone"]

NOT_TOLD: Final = -1  # of a time that occurs twice: its rows do not tell which


@dataclass(frozen=True, slots=True)
class Where:
    """A column of times, and what the caller says of it; fields as in ``read_times``."""

    name: str
    tz: str | None = None
    unit: str | None = None
    time_format: str | None = None
    ambiguous: str = "raise"
    nonexistent: str = "raise"
    folds: NDArray[np.int8] | None = None

    def at(self, positions: NDArray[np.int64]) -> Where:
        """Return the same for a selection of the column."""
        return self if self.folds is None else replace(self, folds=self.folds[positions])


def in_zone(local: Times, where: Where) -> Times:
    """Return local times, counted as if they were UTC, as times of the zone given."""
    gone = local.is_unread
    if gone.all():
        return local
    if where.tz is None:
        positions = np.flatnonzero(~gone)
        lacking = Unread(Detail("naive_time"), positions, dated(local.ms[positions]))
        return Times(np.zeros(len(gone), np.int64), (*local.unread, lacking))
    found = localized(local.ms, where.tz)
    ms, unmatched = found.earliest.copy(), np.zeros(len(gone), bool)
    unread = list(local.unread)
    folds = found.folds[~gone[found.folds]]
    for why, found_at in (*_of_folds(ms, found, folds, where), *_of_gaps(ms, found, where)):
        positions = found_at[~gone[found_at]]
        if len(positions):
            unmatched[positions] = True
            unread.append(Unread(why, positions, dated(local.ms[positions])))
    far = np.flatnonzero(((ms < FIRST_TIME) | (ms > LAST_TIME)) & ~gone & ~unmatched)
    if len(far):
        unread.append(Unread(Detail("far_time"), far, dated(local.ms[far])))
        unmatched[far] = True
    ms[unmatched | gone] = 0
    return Times(ms, tuple(unread), folds)


def _of_folds(
    ms: NDArray[np.int64], found: Localized, folds: NDArray[np.int64], where: Where
) -> Sequence[tuple[Detail, NDArray[np.int64]]]:
    """Set the instants of times that occur twice; return those without one, with their reason."""
    if not len(folds):
        return ()
    if where.ambiguous == "raise":
        return ((Detail("fold", (where.tz,)), folds),)
    if where.ambiguous == "infer":
        told = np.full(len(folds), NOT_TOLD) if where.folds is None else where.folds[folds]
        ms[folds] = np.where(told == 1, found.latest[folds], found.earliest[folds])
        return ((Detail("fold_not_told", (where.tz,)), folds[told == NOT_TOLD]),)
    if where.ambiguous == "latest":
        ms[folds] = found.latest[folds]
    return ()


def _of_gaps(
    ms: NDArray[np.int64], found: Localized, where: Where
) -> Sequence[tuple[Detail, NDArray[np.int64]]]:
    """Set the instants of times that do not exist; return those without one, with their reason."""
    if not len(found.gaps):
        return ()
    if where.nonexistent == "raise":
        return ((Detail("gap", (where.tz,)), found.gaps),)
    ms[found.gaps] = found.ends - (where.nonexistent == "shift_backward")
    return ()
