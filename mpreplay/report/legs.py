"""The legs of a run: a run that was continued worked in several, with idle time between them.

Pure: the facts of a journal and the results in, spans of time out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

__all__ = ["Leg", "legs_of"]


class Leg(NamedTuple):
    """A leg of a run, in milliseconds since the epoch.

    Parameters
    ----------
    start : int
        Time at which the run was begun or continued.
    end : int
        Its end; for a leg that was killed, the last sign of life.
    """

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """Length of the leg."""
        return (self.end - self.start) / 1_000


def legs_of(facts: Mapping[str, Any], results: pd.DataFrame) -> list[Leg]:
    """Return the legs of a run in order; no leg for a run without a recorded beginning.

    Parameters
    ----------
    facts : mapping
        Facts of the run from the journal.
    results : DataFrame
        One row a request; a leg without an end on record lasted at least to the last reply to, or
        else the last publish of, a request sent in it.

    Examples
    --------
    >>> facts = {"legs": [[0, 4_000]], "leg_started_at": 9_000, "ended_at": 10_000}
    >>> [leg.seconds for leg in legs_of(facts, pd.DataFrame({"sent_at": [], "latency": []}))]
    [4.0, 1.0]
    """
    started = facts.get("leg_started_at", facts.get("started_at"))
    if started is None:
        return []
    known = [*facts.get("legs", []), [started, facts.get("ended_at")]]
    following = [start for start, _ in known[1:]] + [None]
    return [
        Leg(start, _last_sign(start, after, results) if end is None else max(start, end))
        for (start, end), after in zip(known, following, strict=True)
    ]


def _last_sign(start: int, after: int | None, results: pd.DataFrame) -> int:
    """Return the last known reply or publish of a leg, between its start and the leg after it."""
    sent = results[results["sent_at"].notna()]
    at = sent["sent_at"].dt.as_unit("ms").astype("int64") if len(sent) else pd.Series(dtype="int64")
    answered = at + (1_000 * sent["latency"].fillna(0.0)).astype("int64")
    own = answered[at.ge(start) & (at.lt(after) if after is not None else True)]
    return max(start, int(own.max())) if len(own) else start
