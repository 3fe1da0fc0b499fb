"""Causes of rejects of several runs, as those of one.

Pure. Memory grows with the causes, the devices and the points, never with the runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..display.tables import MAX_FILE_ROWS
from .causes import Gathered

if TYPE_CHECKING:
    from ..display.facts import Cause

__all__ = ["Merging"]


class Merging:
    """Rejects of several runs by cause; what has the same words is one cause."""

    def __init__(self) -> None:
        self._causes: dict[Any, Cause] = {}
        self._examples: dict[Any, list[pd.DataFrame]] = defaultdict(list)
        self._runs: Counter[Any] = Counter()
        self._by_point: Counter[tuple[str, str, str]] = Counter()
        self._n_read = 0

    def add(self, found: Gathered) -> None:
        """Add the rejects of a run."""
        self._n_read += found.n_read
        self._by_point.update(found.by_point)
        for cause, rows in zip(found.causes, found.examples, strict=False):
            point = cause.points if len(cause.points) == 1 else ()
            key = (cause.outcome, cause.check, cause.detail, cause.advice, point)
            known = self._causes.get(key)
            self._causes[key] = cause if known is None else _both(known, cause)
            self._runs[key] += 1
            room = MAX_FILE_ROWS - sum(map(len, self._examples[key]))
            if room > 0:
                self._examples[key].append(rows.head(room))

    def result(self) -> tuple[Gathered, list[int]]:
        """Return the causes, the most frequent first, and the number of runs with each."""
        ranked = sorted(self._causes, key=lambda key: -self._causes[key].n)
        examples = [pd.concat(self._examples[key], ignore_index=True) for key in ranked]
        causes = [self._causes[key] for key in ranked]
        runs = [self._runs[key] for key in ranked]
        return Gathered(causes, examples, self._n_read, self._by_point), runs


def _both(one: Cause, other: Cause) -> Cause:
    """Return two causes as one, with the example of the first."""
    lowest = [bound for bound in (one.lowest, other.lowest) if bound is not None]
    highest = [bound for bound in (one.highest, other.highest) if bound is not None]
    return replace(
        one,
        n=one.n + other.n,
        devices=tuple(sorted({*one.devices, *other.devices})),
        points=tuple(sorted({*one.points, *other.points})),
        first_time=_end(min, one.first_time, other.first_time),
        last_time=_end(max, one.last_time, other.last_time),
        requests=one.requests + other.requests,
        lowest=min(lowest, default=None),
        highest=max(highest, default=None),
    )


def _end(chosen: Any, *times: Any) -> Any:
    """Return the first or the last of the times that are known."""
    return chosen((time for time in times if not pd.isna(time)), default=pd.NaT)
