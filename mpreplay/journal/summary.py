"""A run in a few numbers and words, from its journal.

A shell over a journal's reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..display.facts import Ended
from ..display.sentences import ended_in_words
from .reader import of_journal

if TYPE_CHECKING:
    from .reader import JournalReader

__all__ = ["ended_of", "is_complete", "summary_of"]


def is_complete(journal: JournalReader) -> bool:
    """Return whether everything was read, and every request has an answer."""
    return bool(journal.facts().get("read_all")) and not journal.n_open()


def ended_of(facts: Mapping[str, Any]) -> Ended | None:
    """Return why a run ended before its last request, if it did."""
    told = facts.get("ended")
    return None if told is None else Ended(told[0], tuple(told[1]))


@of_journal
def summary_of(journal: JournalReader) -> dict[str, int | str | bool]:
    """Return the summary of a run, as :meth:`mpreplay.Run.summary` documents it."""
    facts = journal.facts()
    summary: dict[str, int | str | bool] = {**journal.totals(), **_requests(journal)}
    summary["rows"], summary["empty_entries"] = journal.rows()
    is_read = bool(facts.get("read_all"))
    unread = 0 if is_read else int(facts.get("n_rows", 0)) - int(summary["rows"])
    summary["unread_rows"] = max(0, unread)
    summary |= facts.get("counts", {})
    summary["devices"] = journal.n_devices()
    first_time, last_time = journal.span()
    summary |= {"first_time": _instant(first_time), "last_time": _instant(last_time)}
    for name in ("started_at", "ended_at"):
        summary[name] = _instant(facts.get(name))
    summary["continued"] = int(facts.get("continued", 0))
    summary["run_uuid"] = str(facts.get("run_uuid") or "")
    summary["gateway"] = facts.get("gateway") or ""
    summary["stopped"] = ended_in_words(ended_of(facts))
    summary["complete"] = is_complete(journal)
    return summary


def _requests(journal: JournalReader) -> dict[str, int]:
    """Return the numbers of requests, by outcome and by code."""
    requests: dict[str, int] = {}
    codes: dict[str, int] = {}
    for (outcome, code), n in journal.outcomes().items():
        requests[outcome] = requests.get(outcome, 0) + n
        if code is not None:
            codes[f"code_{code}"] = codes.get(f"code_{code}", 0) + n
    return {
        "requests": sum(requests.values()),
        **{f"requests_{outcome}": n for outcome, n in sorted(requests.items())},
        "extra_requests": journal.n_extra(),
        **dict(sorted(codes.items())),
    }


def _instant(ms: int | None) -> str:
    if ms is None:
        return ""
    try:
        return pd.Timestamp(ms, unit="ms", tz="UTC").isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):  # beyond the years that pandas knows
        return ""
