"""The page of a fleet, in the look of a run's report. A shell over its template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..display.amounts import MAX_NAME, count, visible
from ..display.page import mark, page, safe
from ..display.pictures import balance, standing_mark
from ..display.sentences import FATE_WORDS
from ..display.tables import MAX_ROWS, Table
from ..frames import FATES
from .fleet_words import Standing, headline, status_table, totals

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rendered"]

_TEMPLATE: Final = "fleet_page.html.jinja"
MAX_GATEWAYS: Final = 1_000


def rendered(standings: Sequence[Standing], causes: pd.DataFrame, name: str) -> str:
    """Return a fleet as one HTML page.

    Raises
    ------
    ConfigError
        If Jinja2 is not installed.
    """
    first, rest = headline(standings)
    sums = totals(standings)
    is_complete = all(one.is_complete for one in standings)
    counts = {fate: sums[fate] for fate in FATES if sums[fate]}
    return page(
        __package__,
        _TEMPLATE,
        headline=first,
        rest=rest,
        state="Complete" if is_complete else "Not complete",
        state_mark=safe(standing_mark(is_complete)),
        name=visible(name, 2 * MAX_NAME),
        facts=[
            ("Gateways", count(len(standings))),
            ("Devices", count(sums["devices"])),
            ("Values read", count(sums["read"])),
            ("Requests", count(sums["requests"])),
        ],
        balance=safe(balance(counts)) if counts else "",
        key=[(mark(fate), f"{n:,} {FATE_WORDS[fate][0]}") for fate, n in counts.items()],
        gateways=status_table(standings, MAX_GATEWAYS),
        causes=_causes(causes),
    )


def _causes(causes: pd.DataFrame) -> Table:
    """Return the causes over all gateways as a table, the most frequent first."""
    told = causes.groupby(["outcome", "reason", "mend"], sort=False)
    rows = [
        (
            f"{int(group['values'].sum()):,}",
            FATE_WORDS[str(key[0])][0],
            str(key[1]),
            f"{group['gateway'].nunique():,}",
            str(key[2]),
        )
        for key, group in told
    ]
    rows.sort(key=lambda row: -int(row[0].replace(",", "")))
    columns = ("Values", "Fate", "Reason", "Gateways", "What to do")
    return Table("Why values did not arrive", columns, rows[:MAX_ROWS], frozenset({0, 3}))
