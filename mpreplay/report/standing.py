"""The standing of a run, from what its journal says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..display.facts import OPEN, Standing
from ..journal.summary import ended_of

__all__ = ["standing_of"]


def standing_of(
    facts: Mapping[str, Any],
    totals: Mapping[str, int],
    open_ended: Mapping[str, tuple[int, int]],
    *,
    n_rows: int,
) -> Standing:
    """Return how a run stands, from what its journal says.

    Parameters
    ----------
    facts, totals : dict
        As a journal's reader gives them: there, what has not settled is in doubt.
    open_ended : dict of str to (int, int)
        Requests without a final answer, and the values in them, by outcome.
    n_rows : int
        How many rows were read.

    Examples
    --------
    >>> standing_of({"n_rows": 5}, {}, {}, n_rows=3).unread_rows
    2
    """
    is_read = bool(facts.get("read_all"))
    unsettled = open_ended.get(OPEN, (0, 0))[1]
    return Standing(
        {**totals, "in_doubt": totals.get("in_doubt", 0) - unsettled, OPEN: unsettled},
        is_read and not open_ended,
        is_read,
        ended_of(facts),
        0 if is_read else max(0, int(facts.get("n_rows") or 0) - n_rows),
        {outcome: n for outcome, (n, _) in open_ended.items()},
        bool((facts.get("fingerprint") or {}).get("allow_offline_sub_device")),
    )
