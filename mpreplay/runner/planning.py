"""The plan of a replay, made without a network.

Reads the history; otherwise pure.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..history.history import History
from ..order import Order
from ..requests.succession import Succession
from ..settings import Limits, Policy

__all__ = ["Plan", "plan"]

# The only limit that EnOS 2.1 documents for the writes of an organisation.
POINTS_PER_SECOND: Final = 5_000  # values/s; EnOS 2.1, "Resource Management", TSDB
ID: Final = "0" * 19  # has the length of a real request id


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """The requests that a replay would send, in numbers.

    Attributes
    ----------
    n_rows, n_values : int
        Rows and values read.
    n_requests, n_sent, n_bytes : int
        Requests, with their values and bytes.
    n_withheld, n_superseded, n_copies : int
        Values against the model, values superseded by another reading, and equal copies.
    n_devices : int
        Number of reporting devices.
    largest : int
        Size of the largest request. [bytes]
    seconds : float
        Least time under the limits on bytes and values. [s]
    seconds_at_5000 : float
        Least time under 5,000 values/s, the old contract of an organisation. [s]
    """

    n_rows: int
    n_values: int
    n_requests: int
    n_sent: int
    n_bytes: int
    n_withheld: int
    n_superseded: int
    n_copies: int
    n_devices: int
    largest: int
    seconds: float
    seconds_at_5000: float

    def __repr__(self) -> str:
        kept = [
            f"{n:,} {what}"
            for n, what in (
                (self.n_withheld, "withheld"),
                (self.n_superseded, "superseded"),
                (self.n_copies, "equal copies"),
            )
            if n
        ]
        return (
            f"Plan({self.n_sent:,} of {self.n_values:,} values of {self.n_devices} devices in "
            f"{self.n_requests:,} requests, {self.n_bytes / 1e6:,.1f} MB"
            f"{''.join(f', {part}' for part in kept)}; at least {_duration(self.seconds)}, "
            f"at 5,000 values/s {_duration(self.seconds_at_5000)})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


def plan(
    history: History,
    model: Any,
    *,
    gateway: tuple[str, str] | None = None,
    limits: Limits | None = None,
    allow_offline_sub_device: bool = False,
    skip_invalid_measurepoints: bool = False,
    on_invalid: Literal["raise", "withhold", "send"] = "withhold",
    duplicates: Literal["raise", "first", "last"] = "last",
) -> Plan:
    """Return the plan of a replay, without sending anything.

    Parameters
    ----------
    history : History
        Result of ``read_history``.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        Thing model of the values.
    gateway : (str, str), optional
        Product key and device key of the connection.
    limits : Limits, optional
        Sizes and rates.
    allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates
        As for ``replay``; with "raise", a plan is made all the same.

    Returns
    -------
    Plan

    Raises
    ------
    HistoryError, ConfigError
        If the history or an argument cannot work.

    Examples
    --------
    >>> import pandas as pd
    >>> from mpreplay import Measurepoint, ThingModel, read_history
    >>> model = ThingModel("M", {"P": Measurepoint("P", "FLOAT")})
    >>> frame = pd.DataFrame({"P": [1.5, 2.5]}, index=pd.date_range("2024", periods=2, tz="UTC"))
    >>> plan(read_history(frame), model, gateway=("meter", "m-1")).n_requests
    1
    """
    policy = Policy(allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates)
    own = ("", "") if gateway is None else gateway
    order = Order.of("plan", history, model, own, policy, limits)
    limits, found = order.limits, order.duplicates()
    preparer = order.preparer(found)
    sizes: list[int] = []
    n_rows = n_values = n_sent = n_gone = 0
    slabs = history.slabs(order.models.all())
    for prepared in Succession(preparer, order.window).prepared(slabs):
        n_rows += prepared.n_rows
        n_values += prepared.n_values
        n_gone += sum(sum(part.tally_withheld().values()) for part in prepared.parts)
        for chunk in prepared.chunks():
            sizes.append(chunk.n_bytes(ID, policy))
            n_sent += chunk.n_values
    by_rates = [
        total / rate
        for total, rate in (
            (sum(sizes), limits.bytes_per_second),
            (n_sent, limits.values_per_second),
        )
        if rate is not None
    ]
    return Plan(
        n_rows=n_rows,
        n_values=n_values,
        n_requests=len(sizes),
        n_sent=n_sent,
        n_bytes=sum(sizes),
        n_withheld=n_gone - found.n_superseded,
        n_superseded=found.n_superseded,
        n_copies=found.n_copies,
        n_devices=len(found.devices),
        largest=max(sizes, default=0),
        seconds=max(by_rates, default=0.0),
        seconds_at_5000=n_sent / POINTS_PER_SECOND,
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
