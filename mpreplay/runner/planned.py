"""The facts of a plan. Pure: tables are made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import orjson
import pandas as pd

from ..report.causes import Gathering, cause_frame
from .forecast import gaps_of

if TYPE_CHECKING:
    from ..display.facts import Cause
    from ..settings import Limits
    from .forecast import Forecast

__all__ = ["Made", "Planned"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Made:
    """The parts from which the tables of a plan are made.

    Parameters
    ----------
    forecast : Forecast
        Sums over the prepared slabs.
    gathering : Gathering
        Rejects that are to come.
    limits : Limits
        Limits of the replay.
    gateway : str
        Device key of the connection; the empty text if unknown.
    names : tuple of str
        Names of the sources.
    """

    forecast: Forecast
    gathering: Gathering
    limits: Limits
    gateway: str
    names: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Planned:
    """The facts of a plan, as :class:`mpreplay.Plan` documents them."""

    n_rows: int
    n_values: int
    n_requests: int
    n_sent: int
    n_bytes: int
    n_withheld: int
    n_superseded: int
    n_copies: int
    n_declined: int
    n_devices: int
    n_offline: int
    largest: int
    seconds: float
    seconds_at_5000: float
    limited_by: str | None
    slowest_reply: float
    would_raise: str | None
    made: Made = field(compare=False)
    n_bytes_packed: int | None = None
    seconds_plain: float = 0.0

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """One row a device and UTC day, with the fates that its values are expected to have."""
        return self.made.forecast.books.frame().drop(columns="balanced")

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """One row a stretch of days without a value, between a device's first and last day."""
        return gaps_of(self.coverage)

    @cached_property
    def causes(self) -> pd.DataFrame:
        """One row a cause for which values are to be withheld, or declined by the platform."""
        return cause_frame(self.foreseen)

    @cached_property
    def foreseen(self) -> list[Cause]:
        """The causes as facts, the most frequent first."""
        return self.made.gathering.result().causes

    @cached_property
    def first_request(self) -> str:
        """The first request, as JSON over several lines; its id is made up."""
        first = self.made.forecast.first
        if not first:
            return ""
        return orjson.dumps(orjson.loads(first), option=orjson.OPT_INDENT_2).decode()

    @property
    def fates(self) -> dict[str, int]:
        """Numbers of values by the fate that they are expected to have."""
        n_gone = self.n_withheld + self.n_superseded
        return {
            "accepted": self.n_values - n_gone - self.n_declined,
            "declined": self.n_declined,
            "withheld": n_gone,
        }
