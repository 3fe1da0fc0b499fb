"""The rejects of a run by cause, as sections of its report: what is to do, rows, and files of rows.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..display.amounts import MAX_NAME, count, time_in_words, visible
from ..display.facts import OPEN
from ..display.page import mark, unbroken, whole
from ..display.plain_words import Apart
from ..display.reasons import plain_advice
from ..display.sentences import cause_in_words, to_continue, unsettled_in_words
from ..display.tables import Download, Table, Wanted, downloads

if TYPE_CHECKING:
    import pandas as pd

    from ..display.facts import Cause, Standing
    from .causes import Gathered

__all__ = ["causes_told", "more_causes", "reject_groups"]

MAX_CAUSES: Final = 40  # with their first rows
FIRST_ROWS: Final = 5
MAX_VALUE: Final = 120  # characters of a value


def causes_told(gathered: Gathered, standing: Standing) -> list[dict[str, Any]]:
    """Return each cause with what to do, values that have not settled first."""
    told = [
        _told(one.outcome, *cause_in_words(one, plain=True)[:2], plain_advice(one.advice))
        for one in gathered.causes[:MAX_CAUSES]
    ]
    if standing.n(OPEN):
        mend = Apart(to_continue(standing))
        told.insert(0, _told(OPEN, unsettled_in_words(standing), "", mend))
    return told


def _told(fate: str, said: str, when: str, mend: Apart) -> dict[str, Any]:
    return {"swatch": mark(fate), "said": whole(said, when), "mend": mend}


def more_causes(gathered: Gathered) -> str:
    """Return a sentence about the causes left out."""
    more = gathered.causes[MAX_CAUSES:]
    if not more:
        return ""
    values = count(sum(cause.n for cause in more), "value")
    return f"{count(len(more), 'cause')} more, of {values} together, are in rejects.parquet."


def reject_groups(gathered: Gathered, standing: Standing) -> dict[str, Any] | None:
    """Return the first rejects of each cause, with a link to more of them as a file."""
    if not gathered.n_read:
        return None
    causes = gathered.causes[:MAX_CAUSES]
    wanted = [
        Wanted(examples.drop(columns="said", errors="ignore"), cause.n, _name(number, cause))
        for number, (cause, examples) in enumerate(zip(causes, gathered.examples, strict=False), 1)
    ]
    links = downloads(wanted)
    groups = []
    for cause, examples, link in zip(causes, gathered.examples, links, strict=False):
        if examples.empty:  # values of a run that can be continued are counted, not listed
            continue
        said, when, _ = cause_in_words(cause, plain=True)
        table = _table(examples.head(FIRST_ROWS), cause, said, link)
        groups.append({"swatch": mark(cause.outcome), "title": whole(said, when), "table": table})
    return {"note": _note(gathered, standing), "groups": groups}


def _note(gathered: Gathered, standing: Standing) -> str:
    note = (
        "The first rows of each cause; a link below holds more of them as a file, which can be "
        "corrected and replayed. "
    )
    note += f"All {count(gathered.n_read, 'reject')} are in an audit's rejects.parquet."
    if standing.n(OPEN):
        note += f" The {count(standing.n(OPEN), 'value')} not settled are not among them yet."
    return note


def _name(number: int, cause: Cause) -> str:
    return f"rejects {number:02} {cause.outcome} {cause.check}"


def _table(frame: pd.DataFrame, cause: Cause, said: str, link: Download | None) -> Table:
    """Return rows as a table; what is the same in all rows is said above it."""
    frame = frame.sort_values(["source", "row"], kind="stable")
    cells = {
        "Row": [visible(row) for row in frame["row"]],
        "Device": [visible(name, MAX_NAME) for name in frame["device_key"]],
        "Time": [unbroken(time_in_words(time)) for time in frame["time"]],
        "Point": [visible(name, MAX_NAME) for name in frame["measurepoint"]],
        "Value": [visible(value, MAX_VALUE) for value in frame["value"]],
        "Reason": [visible(reason) for reason in frame["said"]],
        "Source": [visible(name, MAX_NAME) for name in frame["source"]],
        "Request": [visible(name, MAX_NAME) for name in frame["request_id"]],
        "Gateway": [visible(name, MAX_NAME) for name in frame.get("gateway", [])],
    }
    sources, reasons = set(frame["source"].dropna()), set(cells["Reason"])
    told_above = {
        "Device": len(cause.devices) == 1,
        "Point": len(cause.points) == 1,
        "Reason": len(reasons) == 1,
        "Source": len(sources) < 2,
        "Request": not any(cells["Request"]),
        "Gateway": "gateway" not in frame,
    }
    kept = [name for name in cells if not told_above.get(name)]
    of = f" of {visible(sources.pop(), 2 * MAX_NAME)}" if len(sources) == 1 else ""
    n, reason = cause.n, reasons.pop() if len(reasons) == 1 else ""
    each = f" Each: {reason}." if reason and reason not in said else ""
    shown = f"{len(frame)} of {n:,}" if n > len(frame) else f"All {n:,}" if n > 1 else "The one"
    return Table(
        f"{shown}{of}. Row counts from 0, times are UTC.{each}",
        tuple(kept),
        list(zip(*(cells[name] for name in kept), strict=True)),
        frozenset({0}),
        is_lines=True,
        download=link,
    )
