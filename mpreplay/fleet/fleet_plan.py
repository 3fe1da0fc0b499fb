"""``plan_fleet()``: how long a fleet takes, and how many workers are worth having.

A shell: reads the history, a gateway after the other; nothing is connected.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from ..display.amounts import count, duration
from ..frames import typed
from ..order import check_arguments
from ..runner.planning import plan
from ..settings import Connection, Limits
from .dealing import check_rate, dealt
from .pool import workers_worth
from .topology import topology_of

if TYPE_CHECKING:
    from ..history.history import History
    from .dealing import Share

__all__ = ["FleetPlan", "plan_fleet"]

CPU: Final = 0.35e-6  # of a value, from the file to its journal: see docs/figures.md [s]
_COLUMNS: Final = {
    "gateway": "str",
    "gateway_key": "str",
    "devices": "int64",
    "rows": "int64",
    "values": "int64",
    "sent": "int64",
    "withheld": "int64",
    "requests": "int64",
    "bytes": "int64",
    "seconds": "float64",
    "would_raise": "str",
}


@dataclass(frozen=True, repr=False)
class FleetPlan:
    """The requests that a fleet would send, in numbers.

    Attributes
    ----------
    gateways : DataFrame
        One row a gateway with readings: ``gateway``, ``gateway_key``, ``devices``, ``rows``,
        ``values``, ``sent``, ``withheld``, ``requests``, ``bytes``, ``seconds`` under its limits,
        and ``would_raise``, the reason for which its replay would send nothing.
    n_workers : int
        Number of gateways at a time beyond which the fleet gets no faster: the one that takes
        longest decides then, or the limit of the organisation.
    n_here : int
        Number of processes that are worth having on this machine.
    """

    gateways: pd.DataFrame = field(compare=False)
    n_workers: int
    n_here: int
    values_per_second: float | None

    @property
    def seconds(self) -> float:
        """Least time with ``n_workers`` at a time, in seconds."""
        return self.seconds_with(self.n_workers)

    def seconds_with(self, n_workers: int, cores: int | None = None) -> float:
        """Return the least time with a number of workers, on a number of cores if that is known.

        Examples
        --------
        >>> gateways = pd.DataFrame({"seconds": [30.0, 10.0, 20.0], "sent": [9, 9, 9]})
        >>> FleetPlan(gateways, 2, 2, None).seconds_with(1)
        60.0
        """
        took, n_sent = self.gateways["seconds"], float(self.gateways["sent"].sum())
        least = [float(took.max()) if len(took) else 0.0, float(took.sum()) / max(1, n_workers)]
        if self.values_per_second is not None:
            least.append(n_sent / self.values_per_second)
        if cores is not None:
            least.append(n_sent * CPU / max(1, cores))
        return max(least)

    def __repr__(self) -> str:
        table = self.gateways
        raised = int(table["would_raise"].ne("").sum())
        told = f"{count(raised, 'gateway')} would raise; " if raised else ""
        times = (
            f"{duration(self.seconds)} with {count(self.n_workers, 'worker')}",
            f"{duration(self.seconds_with(self.n_here))} with {self.n_here:,} here",
            f"{duration(self.seconds_with(1))} with one",
        )
        n_sent, n_values = int(table["sent"].sum()), int(table["values"].sum())
        return (
            f"FleetPlan({told}{n_sent:,} of {n_values:,} values through "
            f"{count(len(table), 'gateway')}, {table['bytes'].sum() / 1e6:,.1f} MB; at least "
            f"{', '.join(times)})"
        )


def plan_fleet(
    history: History,
    model: Any,
    topology: Any,
    *,
    values_per_second: float | None = None,
    allow_offline_sub_device: bool = False,
    skip_invalid_measurepoints: bool = False,
    on_invalid: Literal["raise", "withhold", "send"] = "raise",
    duplicates: Literal["raise", "first", "last"] = "raise",
    isolate: Literal["point", "entry", "device", False] = "point",
    limits: Limits | None = None,
) -> FleetPlan:
    """Return the plan of a fleet, without sending anything.

    Parameters
    ----------
    history, model, topology, values_per_second
        As for ``replay_fleet``.
    allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates, isolate, limits
        As for ``plan``, of each gateway.

    Returns
    -------
    FleetPlan

    Raises
    ------
    ConfigError, HistoryError
        If an argument cannot work, or a device has no gateway or two.

    Examples
    --------
    >>> import mpreplay as mp
    >>> model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
    >>> times = pd.date_range("2024", periods=2, tz="UTC")
    >>> frame = pd.DataFrame({"P": [1.5, 2.5], "meter": ["M1", "M2"]}, index=times)
    >>> history = mp.read_history(frame, device_column="meter", product_key="meter")
    >>> topology = {"a": mp.Gateway("env:A", [("meter", "M1")]),
    ...             "b": mp.Gateway("env:B", [("meter", "M2")])}
    >>> plan_fleet(history, model, topology).n_workers
    2
    """
    check_arguments("replay_fleet", history, isolate)
    check_rate(values_per_second)
    limits = Limits.of(limits)
    shares = [share for share in dealt(history, topology_of(topology)) if share.devices]
    options = {
        "allow_offline_sub_device": allow_offline_sub_device,
        "skip_invalid_measurepoints": skip_invalid_measurepoints,
        "on_invalid": on_invalid,
        "duplicates": duplicates,
        "isolate": isolate,
        "limits": limits,
    }
    table = typed([_row(share, history, model, options) for share in shares], _COLUMNS)
    took = table["seconds"]
    least = max(
        float(took.max()) if len(took) else 0.0,
        0.0 if values_per_second is None else float(table["sent"].sum()) / values_per_second,
    )
    # Without a limit nothing says how long a gateway takes: each of them may have a worker.
    worth = ceil(round(float(took.sum()) / least, 6)) if least else len(shares)
    n_here = workers_worth(len(shares), limits)
    return FleetPlan(table, max(1, min(worth, len(shares))), n_here, values_per_second)


def _row(
    share: Share, history: History, model: Any, options: dict[str, Any]
) -> tuple[str | int | float, ...]:
    gateway = share.member.gateway
    columns = replace(history.columns, devices=share.devices)
    own = gateway.connection.device if isinstance(gateway.connection, Connection) else None
    found = plan(
        replace(history, columns=columns, among=share.sources),
        model,
        gateway=own,
        sub_device_secrets=dict(gateway.sub_device_secrets) or None,
        **options,
    )
    return (
        share.member.name,
        "" if own is None else "/".join(own),
        found.n_devices,
        found.n_rows,
        found.n_values,
        found.n_sent,
        found.n_withheld,
        found.n_requests,
        found.n_bytes,
        found.seconds,
        found.would_raise or "",
    )
