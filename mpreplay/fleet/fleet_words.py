"""A fleet in words: the state of each gateway, a notebook's form, a picture. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..display import notebook
from ..display.amounts import count, duration
from ..display.picture import Panel, Picture
from ..display.pictures import Arrivals, arrival_map
from ..display.sentences import FATE_WORDS
from ..display.tables import MAX_ROWS, Table
from ..errors import JournalMismatch
from ..frames import FATES

if TYPE_CHECKING:
    from .record import Entry

__all__ = [
    "STATUS_COLUMNS",
    "Standing",
    "fleet_picture",
    "headline",
    "live_form",
    "live_line",
    "notebook_form",
    "state_of",
    "status_table",
]

STATUS_COLUMNS: Final = {
    "gateway": "str",
    "gateway_key": "str",
    "state": "str",
    "rows": "int64",
    "devices": "int64",
    "read": "int64",
    **dict.fromkeys(FATES, "int64"),
    "waiting_for": "str",
    "values_per_second": "float64",
    "seconds_left": "float64",
    "error": "str",
}
_NUMBERS: Final = ("read", *FATES, "requests", "rows", "devices")
MOST_LIVE: Final = 12  # gateways that a notebook shows while a fleet goes on
# The states of a gateway, those first that ask for attention.
STATES: Final = {
    "failed": "failed",
    "stopped": "stopped before its end",
    "open": "killed, or not heard of",
    "running": "going on",
    "waiting": "not begun",
    "done": "done",
    "idle": "without readings",
}
# Causes of the waiting of a running gateway.
_WAITING: Final = {
    "lease": "another replay through it",
    "beginning": "its look through the history",
    "rate": "its rate",
    "replies": "replies",
    "window": "replies, the window being full",
    "reading": "the reading of the history",
    "sending": "this machine",
    "pause": "a pause before a retry",
    "connect_limit": "the connect limit",
    "connection": "its connection",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a gateway.

    Parameters
    ----------
    entry : Entry
        The gateway.
    state : str
        ``waiting``, ``running``, ``open`` (killed, or on another disk), ``done``, ``stopped``,
        ``failed``, ``idle``.
    numbers : mapping of str to int
        Its summary; empty if it has not begun.
    why : str
        Why it failed or was stopped.
    pulse : mapping of str to Any
        The worker's last report; empty if it is long ago.
    """

    entry: Entry
    state: str
    numbers: Mapping[str, Any]
    why: str = ""
    pulse: Mapping[str, Any] = field(default_factory=dict)

    @property
    def waiting_for(self) -> str:
        """The cause of its waiting, in words."""
        return _WAITING.get(str(self.pulse.get("limited_by")), "")

    @property
    def is_complete(self) -> bool:
        """True if nothing of it is left to do."""
        return self.state in {"done", "idle"}

    @property
    def row(self) -> tuple[Any, ...]:
        """Its row of the status table."""
        entry, get = self.entry, self.numbers.get
        fates = [int(get(name, 0)) for name in ("read", *FATES)]
        sizes = (int(get("rows", entry.n_rows)), entry.n_devices)
        rates = [self.pulse.get(name) for name in ("values_per_second", "seconds_left")]
        now = (self.waiting_for, *(math.nan if one is None else float(one) for one in rates))
        return (entry.name, entry.gateway_key, self.state, *sizes, *fates, *now, self.why)


def state_of(
    entry: Entry, summary: Mapping[str, Any] | None, pulse: Mapping[str, Any] | None = None
) -> Standing:
    """Return the state of a gateway from its summary, if it has begun, and its pulse."""
    if not entry.journal:
        return Standing(entry, "idle", {})
    numbers = summary or {}
    if numbers.get("complete") and entry.kind != JournalMismatch.__name__:
        return Standing(entry, "done", numbers)
    if pulse:
        return Standing(entry, "running", numbers, pulse=pulse)
    if entry.error:
        return Standing(entry, "failed", numbers, entry.error)
    if not numbers:
        return Standing(entry, "waiting", {})
    if numbers["stopped"]:
        return Standing(entry, "stopped", numbers, str(numbers["stopped"]))
    return Standing(entry, "open", numbers)


def totals(standings: Sequence[Standing]) -> Counter[str]:
    """Return sums of the numbers of all gateways."""
    sums: Counter[str] = Counter()
    for one in standings:
        sums.update({name: int(one.numbers.get(name, 0)) for name in _NUMBERS})
    return sums


def headline(standings: Sequence[Standing]) -> tuple[str, str]:
    """Return the fleet in a line, and its gateways by state in a sentence."""
    sums = totals(standings)
    states = Counter(one.state for one in standings)
    told = ", ".join(
        f"{states[state]:,} {words}" for state, words in STATES.items() if states[state]
    )
    first = f"{sums['accepted']:,} of {count(sums['read'], 'value')} were accepted"
    return first, f"{count(len(standings), 'gateway')}: {told}."


def status_table(standings: Sequence[Standing], most: int = MAX_ROWS) -> Table:
    """Return the gateways as a table, those first that ask for attention."""
    order = [*STATES]
    ranked = sorted(standings, key=lambda one: order.index(one.state))
    rows = [
        (
            one.entry.name,
            STATES[one.state],
            *(f"{int(one.numbers.get(name, 0)):,}" for name in ("read", "accepted")),
            f"{sum(int(one.numbers.get(name, 0)) for name in FATES[1:]):,}",
            *_now(one.pulse),
            one.why or (one.waiting_for and f"waits for {one.waiting_for}"),
        )
        for one in ranked[:most]
    ]
    more = f", {most} of {len(standings):,}" if len(standings) > most else ""
    columns = ("Gateway", "State", "Read", "Accepted", "Other fates", *_NOW, "Why")
    return Table(
        f"What became of the values of each gateway{more}",
        columns,
        rows,
        frozenset({2, 3, 4, 5, 6}),
    )


_NOW: Final = ("Values/s", "Left")


def _now(pulse: Mapping[str, Any]) -> tuple[str, str]:
    rate, left = pulse.get("values_per_second"), pulse.get("seconds_left")
    return "" if rate is None else f"{rate:,.0f}", "" if left is None else duration(left)


def live_line(counts: Mapping[str, int], pulses: Iterable[Mapping[str, Any]]) -> str:
    """Return a fleet that is going on in a line, from the gateways that run now.

    Examples
    --------
    >>> live_line({"gateways": 9, "done": 2, "open": 7, "failed": 1},
    ...           [{"accepted": 5, "values_per_second": 1500.0}, {"limited_by": "connect_limit"}])
    'replay_fleet: 2 of 9 gateways done, 1 failed, 2 going on, 1,500/s, 1 not connected'
    """
    pulses = list(pulses)
    rate = sum(float(one.get("values_per_second") or 0) for one in pulses)
    held = sum(one.get("limited_by") in {"connect_limit", "connection", "lease"} for one in pulses)
    parts = [
        f"{counts['done']:,} of {counts['gateways']:,} gateways done",
        f"{counts['failed']:,} failed" if counts["failed"] else "",
        f"{len(pulses):,} going on" if counts["open"] and pulses else "",
        f"{rate:,.0f}/s" if rate else "",
        f"{held:,} not connected" if held else "",
    ]
    return f"replay_fleet: {', '.join(part for part in parts if part)}"


def live_form(line: str, pulses: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what a notebook shows of a fleet while it goes on."""
    rows = [
        (
            name,
            f"{int(one.get('accepted') or 0):,}",
            *_now(one),
            _WAITING.get(str(one.get("limited_by")), ""),
        )
        for name, one in list(pulses.items())[:MOST_LIVE]
    ]
    columns = ("Gateway", "Accepted", *_NOW, "Waits for")
    shown = notebook.table(Table("Going on", columns, rows, frozenset({1, 2, 3}))) if rows else ""
    return notebook.block(notebook.heading(line), shown)


def notebook_form(standings: Sequence[Standing]) -> str:
    """Return what a notebook shows of a fleet, a screen at most."""
    first, rest = headline(standings)
    sums = totals(standings)
    bar = [(fate, sums[fate], f"{sums[fate]:,} {FATE_WORDS[fate][0]}") for fate in FATES]
    return notebook.block(
        notebook.heading(first, rest),
        notebook.bar(bar),
        notebook.table(status_table(standings, 12)),
        notebook.note(".status has each gateway, .causes why values did not arrive."),
    )


def fleet_picture(standings: Sequence[Standing]) -> Picture:
    """Return the gateways as rows of a map, with the fates of their values."""
    import numpy as np

    shown = [one for one in standings if one.numbers][:MAX_ROWS]
    numbers = np.array(
        [[[int(one.numbers.get(name, 0))] for one in shown] for name in ("read", *FATES)], np.int64
    ).reshape(len(FATES) + 1, len(shown), 1)
    names = [one.entry.name for one in shown]
    most = numbers[2:].argmax(axis=0) + 1
    found = Arrivals("fleet", [""], names, numbers[0], numbers[1], most, 0, 0)
    first, rest = headline(standings)
    return Picture(f"{first}; {rest}", (Panel(arrival_map(found)),))
