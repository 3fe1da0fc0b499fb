"""The facts of a plan. Pure: tables are made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import orjson
import pandas as pd

from ..display.amounts import count
from ..report.causes import Gathering, cause_frame
from .forecast import gaps_of

if TYPE_CHECKING:
    from ..display.facts import Cause
    from ..errors import Message
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
    own : (str, str)
        Product key and device key of the connection; empty texts if unknown.
    names : tuple of str
        Names of the sources.
    raised : Message
        The reason for which the replay would raise, with its arguments as facts.
    """

    forecast: Forecast
    gathering: Gathering
    limits: Limits
    own: tuple[str, str]
    names: tuple[str, ...]
    raised: Message

    @property
    def gateway(self) -> str:
        """Device key of the connection; the empty text if unknown."""
        return self.own[1]


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
        """Numbers of values by the fate that they are expected to have.

        ``accepted_if_online`` are those of sub-devices that are neither signed in nor allowed to be
        offline, where there are any.
        """
        n_gone = self.n_withheld + self.n_superseded
        n_sent = self.n_values - n_gone - self.n_declined
        if_online = self._n_of_others() if self.n_offline else 0
        return {
            "accepted": n_sent - if_online,
            **({"accepted_if_online": if_online} if self.n_offline else {}),
            "declined": self.n_declined,
            "withheld": n_gone,
        }

    def _n_of_others(self) -> int:
        """Return the values to be sent of devices other than the connection's own."""
        books = self.coverage
        keys = zip(books["product_key"], books["device_key"], strict=True)
        others = [pair != self.made.own for pair in keys]
        return int(books.loc[others, "accepted"].sum())

    @property
    def raised_by(self) -> str:
        """The reasons for which ``replay`` would raise, in a few words; empty if for none."""
        policy, n_violations = self.made.forecast.policy, self.made.forecast.n_violations
        parts = []
        if policy.on_invalid == "raise" and n_violations:
            parts.append(count(n_violations, "violation"))
        if policy.duplicates == "raise" and self.n_superseded:
            parts.append(count(self.n_superseded, "conflict"))
        return ", ".join(parts)
