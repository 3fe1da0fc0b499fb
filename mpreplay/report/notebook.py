"""A run in a notebook: the verdict, the balance as a bar, the first causes.

Pure: every text from data is escaped here.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from ..display.amounts import MAX_NAME, moment, visible
from ..display.facts import OPEN, SHOWN_FATES, Standing
from ..display.sentences import (
    FATE_WORDS,
    cause_in_words,
    headline,
    to_continue,
    unsettled_in_words,
)

if TYPE_CHECKING:
    from .causes import Gathered

__all__ = ["About", "short_form"]

MAX_CAUSES: Final = 10
LEAST: Final = 0.6  # width of the thinnest part of the bar, so that a single value is visible [%]
# Middle tones, to be readable in a light and in a dark notebook.
_COLOURS: Final = {
    "accepted": "#2a8f7a",
    "declined": "#d1493f",
    "withheld": "#c08a1e",
    "in_doubt": "#8f6fd1",
    "not_sent": "#7d8996",
    OPEN: "#4f8fc0",
}


class About(NamedTuple):
    """The gateway of a run, and the first and last time of its values, in milliseconds."""

    gateway: str = ""
    first_time: int | None = None
    last_time: int | None = None


def short_form(standing: Standing, gathered: Gathered, about: About | None = None) -> str:
    """Return the short form of a report as HTML.

    Parameters
    ----------
    standing : Standing
        Standing of the run.
    gathered : Gathered
        Causes of its rejects, perhaps of the first rejects only.
    about : About, optional
        Its gateway and its span.

    Examples
    --------
    >>> from mpreplay.report.causes import gather
    >>> "All 2 values" in short_form(Standing({"read": 2, "accepted": 2}), gather([]))
    True
    """
    first_line, rest = headline(standing)
    return (
        '<div style="max-width:46rem;line-height:1.5">'
        f'<div style="font-size:1.25em;font-weight:600">{escape(first_line)}</div>'
        f"<div>{escape(rest)}</div>{_about(about or About())}{_bar(standing)}"
        f"{_causes(standing, gathered)}</div>"
    )


def _about(about: About) -> str:
    gateway = f"gateway {visible(about.gateway, MAX_NAME)}" if about.gateway else ""
    first, last = moment(about.first_time), moment(about.last_time)
    told = filter(None, [gateway, f"values from {first} to {last}" if first and last else ""])
    line = escape(" · ".join(told))
    return f'<div style="font-size:.9em;opacity:.85">{line}</div>' if line else ""


def _bar(standing: Standing) -> str:
    read = standing.n("read")
    fates = [fate for fate in SHOWN_FATES if standing.n(fate)]
    if not read or not fates:
        return ""
    parts = "".join(
        f'<span style="background:{_COLOURS[fate]};flex:{standing.n(fate)} 1 0;'
        f'min-width:{LEAST}%"></span>'
        for fate in fates
    )
    words = [f"{standing.n(fate):,} {FATE_WORDS[fate][0]}" for fate in fates]
    legend = "".join(
        f'<span style="margin-right:1.2em;white-space:nowrap"><span aria-hidden="true" '
        f'style="display:inline-block;width:.7em;height:.7em;border-radius:2px;'
        f'background:{_COLOURS[fate]};margin-right:.4em"></span>{words[n]}</span>'
        for n, fate in enumerate(fates)
    )
    return (
        f'<div role="img" aria-label="{escape(", ".join(words))}" style="display:flex;gap:2px;'
        f'height:14px;border-radius:4px;overflow:hidden;margin:.6em 0 .3em">{parts}</div>'
        f'<div style="font-size:.9em">{legend}</div>'
    )


def _causes(standing: Standing, gathered: Gathered) -> str:
    causes = gathered.causes
    told = [(one.sentence, str(one.advice)) for one in map(cause_in_words, causes[:MAX_CAUSES])]
    if standing.n(OPEN):
        told.insert(0, (unsettled_in_words(standing), to_continue(standing)))
    if not told:
        return ""
    items = "".join(f"<li>{escape(said)}.{_to_do(mend)}</li>" for said, mend in told)
    notes = []
    if len(causes) > MAX_CAUSES:
        notes.append(f"{len(causes) - MAX_CAUSES:,} causes more are in .causes.")
    if gathered.n_read < standing.n_rejects:
        notes.append(
            f"Counted over the first {gathered.n_read:,} rejects; .causes looks at all of them."
        )
    note = f'<div style="font-size:.9em">{" ".join(notes)}</div>' if notes else ""
    return f'<ul style="margin:.6em 0;padding-left:1.4em">{items}</ul>{note}'


def _to_do(mend: str) -> str:
    return f' <span style="opacity:.8">To do: {escape(mend)}.</span>' if mend else ""
