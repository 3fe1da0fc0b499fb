"""A run as a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..display.facts import SHOWN_FATES
from ..display.picture import Panel, Picture
from ..display.pictures import arrival_map, balance
from ..display.sentences import FATE_WORDS, headline
from .figures import arrivals

if TYPE_CHECKING:
    import pandas as pd

    from ..display.facts import Standing

__all__ = ["run_picture"]


def run_picture(standing: Standing, books: Iterable[pd.DataFrame]) -> Picture:
    """Return the balance of a run and its map of devices and days."""
    counts = {fate: standing.n(fate) for fate in SHOWN_FATES if standing.n(fate)}
    key = tuple((fate, f"{n:,} {FATE_WORDS[fate][0]}") for fate, n in counts.items())
    first_line, _ = headline(standing)
    panels = [Panel(balance(counts), "", key)] if counts else []
    found = arrivals(books)
    if found.devices or not panels:
        title = f"Devices and days: each column is a {found.step}; empty: no readings"
        panels.append(Panel(arrival_map(found), title if found.devices else ""))
    return Picture(first_line, tuple(panels))
