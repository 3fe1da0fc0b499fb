"""The standing of a run, from the facts and totals of its journal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..display.facts import OPEN, Standing
from ..journal.summary import ended_of

__all__ = ["WHOLE", "standing_of", "state_of"]

WHOLE: Final = "Complete"  # and every value accepted


def state_of(standing: Standing) -> str:
    """Return the state of a run in a word or two.

    Examples
    --------
    >>> state_of(Standing({"read": 3, "accepted": 2, "withheld": 1}))
    'Complete, with rejects'
    """
    if not (standing.is_sound and standing.is_balanced):
        return "Damaged or altered"
    if not standing.is_complete:
        return "Not complete"
    return "Complete, with rejects" if standing.n_missing else WHOLE


def standing_of(
    facts: Mapping[str, Any],
    totals: Mapping[str, int],
    open_ended: Mapping[str, tuple[int, int]],
    *,
    n_rows: int,
) -> Standing:
    """Return the standing of a run.

    Parameters
    ----------
    facts, totals : dict
        Facts and totals from a journal's reader, with values not settled counted as in doubt.
    open_ended : dict of str to (int, int)
        Numbers of requests without a final answer and of their values, by outcome.
    n_rows : int
        Number of rows read.

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
        is_kept=bool(facts.get("is_kept", True)),
        streams=tuple(one["kept"] for one in facts.get("sources") or [] if one.get("kept")),
    )
