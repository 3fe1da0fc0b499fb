"""A fleet in words: the state of each gateway, a notebook's form, a picture. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..display import notebook
from ..display.amounts import count
from ..display.picture import Panel, Picture
from ..display.pictures import Arrivals, arrival_map
from ..display.sentences import FATE_WORDS
from ..display.tables import MAX_ROWS, Table
from ..frames import FATES

if TYPE_CHECKING:
    from .record import Entry

__all__ = [
    "STATUS_COLUMNS",
    "Standing",
    "fleet_picture",
    "headline",
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
    "error": "str",
}
_NUMBERS: Final = ("read", *FATES, "requests", "rows", "devices")
# The states of a gateway, those first that ask for attention.
STATES: Final = {
    "failed": "failed",
    "stopped": "stopped before its end",
    "open": "going on, or killed",
    "waiting": "not begun",
    "done": "done",
    "idle": "without readings",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a gateway.

    Parameters
    ----------
    entry : Entry
        The gateway.
    state : str
        ``waiting``, ``open`` (going on, or killed), ``done``, ``stopped``, ``failed``, ``idle``.
    numbers : mapping of str to int
        Its summary; empty if it has not begun.
    why : str
        Why it failed or was stopped.
    """

    entry: Entry
    state: str
    numbers: Mapping[str, Any]
    why: str = ""

    @property
    def is_complete(self) -> bool:
        """True if nothing of it is left to do."""
        return self.state in {"done", "idle"}

    @property
    def row(self) -> tuple[Any, ...]:
        """Its row of the status table."""
        entry, get = self.entry, self.numbers.get
        fates = [int(get(name, 0)) for name in ("read", *FATES)]
        sizes = (entry.n_rows, entry.n_devices)
        return (entry.name, entry.gateway_key, self.state, *sizes, *fates, self.why)


def state_of(entry: Entry, summary: Mapping[str, Any] | None) -> Standing:
    """Return the state of a gateway from its summary, if it has begun."""
    if not entry.journal:
        return Standing(entry, "idle", {})
    if summary is None:
        return Standing(entry, "failed" if entry.error else "waiting", {}, entry.error)
    if summary["complete"]:
        return Standing(entry, "done", summary)
    if entry.error:
        return Standing(entry, "failed", summary, entry.error)
    if summary["stopped"]:
        return Standing(entry, "stopped", summary, str(summary["stopped"]))
    return Standing(entry, "open", summary)


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
    order = list(STATES)
    ranked = sorted(standings, key=lambda one: order.index(one.state))
    rows = [
        (
            one.entry.name,
            STATES[one.state],
            *(f"{int(one.numbers.get(name, 0)):,}" for name in ("read", "accepted")),
            f"{sum(int(one.numbers.get(name, 0)) for name in FATES[1:]):,}",
            one.why,
        )
        for one in ranked[:most]
    ]
    more = f", {most} of {len(standings):,}" if len(standings) > most else ""
    columns = ("Gateway", "State", "Read", "Accepted", "Other fates", "Why")
    return Table(f"Gateways{more}", columns, rows, frozenset({2, 3, 4}))


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
