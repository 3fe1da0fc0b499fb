"""The plan of a replay, made without a network.

Reads the history; otherwise pure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from ..checks.survey import told_of_faults
from ..conversation.sub_devices import checked_secrets
from ..display.amounts import count, duration
from ..errors import ConfigError, message
from ..order import Order
from ..outputs import check_file, path_of, written
from ..report.causes import Gathering
from ..requests.succession import Succession
from ..secret import sealed
from ..settings import Connection, Limits, Policy
from .forecast import Forecast
from .plan_page import rendered
from .plan_words import notebook_form, picture, sizes_in_words
from .planned import Made, Planned

if TYPE_CHECKING:
    from ..checks.repeats import Duplicates
    from ..display.picture import Picture
    from ..history.history import History
    from ..secret import Secret

__all__ = ["Plan", "plan"]

# The only limit that EnOS 2.1 documents for the writes of an organisation.
POINTS_PER_SECOND: Final = 5_000  # values/s; EnOS 2.1, "Resource Management", TSDB


class Plan(Planned):
    """The requests that a replay would send, in numbers.

    Attributes
    ----------
    n_rows, n_values : int
        Rows and values read.
    n_requests, n_sent, n_bytes : int
        Requests, with their values and bytes.
    n_bytes_packed : int or None
        The bytes as they would travel on a connection with compression, for which each request is
        packed; None without. Another library packs a little better or worse.
    n_withheld, n_superseded, n_copies : int
        Values against the model, values superseded by another reading, and equal copies.
    n_declined : int
        Values that fail the model check and are sent all the same: the platform is expected to
        decline them, or to skip them.
    n_devices : int
        Number of reporting devices.
    n_offline : int
        Number of sub-devices that are neither signed in by the replay nor allowed to be offline:
        if they are offline, the platform declines their values.
    largest : int
        Size of the largest request. [bytes]
    seconds : float
        Least time under the limits on values and on bytes, as they travel. [s]
    seconds_plain : float
        The same without compression. [s]
    seconds_at_5000 : float
        Least time under 5,000 values/s, the old contract of an organisation. [s]
    limited_by : {"bytes_per_second", "values_per_second", None}
        The limit that decides ``seconds``; None: the platform's replies alone.
    slowest_reply : float
        Time of a reply from which on the window of requests in flight limits the replay. [s]
    would_raise : str or None
        The reason for which ``replay`` with the same arguments would raise and send nothing. The
        numbers then assume that invalid values are withheld.
    coverage, gaps, causes : DataFrame
        Values by device and day with their expected fates; stretches of days without a value; and
        the causes for which values would not arrive, as ``run.causes``.
    first_request : str
        The first request, as JSON over several lines; its id is made up.
    """

    def __repr__(self) -> str:
        kept = [f"{n:,} {what}" for n, what in self._left() if n]
        raised = f"replay would raise ({self.raised_by}); " if self.would_raise else ""
        offline = count(self.n_offline, "sub-device")
        if_online = f", {offline} must be online" if self.n_offline else ""
        return (
            f"Plan({raised}{self.n_sent:,} of {self.n_values:,} values of "
            f"{count(self.n_devices, 'device')} in "
            f"{count(self.n_requests, 'request')}, {sizes_in_words(self)}{if_online}"
            f"{''.join(f', {part}' for part in kept)}; at least {duration(self.seconds)}, "
            f"at 5,000 values/s {duration(self.seconds_at_5000)})"
        )

    def _left(self) -> Iterator[tuple[int, str]]:
        yield self.n_withheld, "withheld"
        yield self.n_superseded, "superseded"
        yield self.n_copies, "equal copies that share the fate of these"
        yield self.n_declined, "expected to be declined"

    def _repr_html_(self) -> str:
        return notebook_form(self)

    def plot(self) -> Picture:
        """Return the map of devices and days: the shares sent, withheld and declined.

        Returns
        -------
        Picture
            A notebook draws it; ``.save(path)`` writes it as SVG.
        """
        return picture(self)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the plan as one HTML file, readable without a network and without Python.

        Parameters
        ----------
        path : path
            The file; an existing file is overwritten.

        Raises
        ------
        ConfigError
            If the file cannot be written, or jinja2 is not installed.
        """
        file = path_of(path, "path")
        check_file(file, "path")
        text = rendered(self)
        with written(file) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")


def plan(
    history: History,
    model: Any,
    connection: Connection | str | None = None,
    *,
    gateway: tuple[str, str] | None = None,
    allow_offline_sub_device: bool = False,
    skip_invalid_measurepoints: bool = False,
    sub_device_secrets: Mapping[tuple[str, str], str | Secret] | None = None,
    on_invalid: Literal["raise", "withhold", "send"] = "raise",
    duplicates: Literal["raise", "first", "last"] = "raise",
    isolate: Literal["point", "entry", "device", False] = "point",
    limits: Limits | None = None,
) -> Plan:
    """Return the plan of a replay, without sending anything.

    Parameters
    ----------
    history : History
        Result of ``read_history``.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        Thing model of the values.
    connection : Connection or str, optional
        The connection of the replay, for its keys; nothing is connected.
    gateway : (str, str), optional
        Product key and device key of the connection, in its place.
    allow_offline_sub_device, skip_invalid_measurepoints, sub_device_secrets
        As for ``replay``.
    on_invalid, duplicates, isolate, limits
        As for ``replay``, and with its defaults. A plan never raises for values:
        ``would_raise`` says why ``replay`` would.

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
    connection, sub_device_secrets = sealed(connection), sealed(sub_device_secrets)
    policy = Policy(allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates)
    to = None if connection is None else Connection.of(connection)
    own = _own_device(to, gateway)
    order = Order.of("plan", history, model, own, policy, limits, isolate)
    secrets = checked_secrets(sub_device_secrets)
    found = order.duplicates()
    forecast = Forecast(policy, packs=to is not None and to.compression is not None)
    gathering = Gathering(n_examples=0, allows_offline=policy.allow_offline_sub_device)
    slabs = history.slabs(order.models.all())
    succession = Succession(order.preparer(found), order.window)
    for raw in slabs:
        for table in forecast.add(raw, succession.prepare(raw)):
            gathering.add(table)
    is_awaited = not (policy.allow_offline_sub_device or secrets)
    return _plan_of(order, found, forecast, gathering, is_awaited=is_awaited)


def _own_device(connection: Connection | None, gateway: tuple[str, str] | None) -> tuple[str, str]:
    """Return the keys of the connection; without a connection they may be unknown."""
    if connection is None:
        return ("", "") if gateway is None else gateway
    own = connection.device
    if gateway is not None and tuple(gateway) != tuple(own):
        raise ConfigError(
            f"gateway {gateway!r} is another device than that of the connection, "
            f"{tuple(own)!r}; give one of the two",
            argument="gateway",
            value=gateway,
        )
    return own


def _least(limits: Limits, n_bytes: int, n_values: int) -> tuple[float, str | None]:
    """Return the least time under the rates, and the name of the rate that decides it."""
    by_rates = {
        name: total / rate
        for name, total, rate in (
            ("bytes_per_second", n_bytes, limits.bytes_per_second),
            ("values_per_second", n_values, limits.values_per_second),
        )
        if rate is not None
    }
    slowest = max(by_rates, key=by_rates.__getitem__, default=None)
    return (0.0 if slowest is None else by_rates[slowest]), slowest


def _plan_of(
    order: Order, found: Duplicates, forecast: Forecast, gathering: Gathering, *, is_awaited: bool
) -> Plan:
    limits, sizes, n_sent = order.limits, forecast.sizes, forecast.n_sent
    n_packed = forecast.n_packed if forecast.packs else None
    n_bytes = sum(sizes)
    seconds, slowest = _least(limits, n_bytes if n_packed is None else n_packed, n_sent)
    told = told_of_faults(
        order.policy, forecast.found, forecast.n_violations, found, forecast.hints
    )
    raised = message(*(part for n, one in enumerate(told) for part in (". " * (n > 0), one)))
    return Plan(
        n_rows=forecast.n_rows,
        n_values=forecast.n_values,
        n_requests=len(sizes),
        n_sent=n_sent,
        n_bytes=n_bytes,
        n_bytes_packed=n_packed,
        n_withheld=forecast.n_withheld - found.n_superseded,
        n_superseded=found.n_superseded,
        n_copies=found.n_copies,
        n_declined=forecast.n_declined,
        n_devices=len(found.devices),
        n_offline=len(found.devices - {order.own}) if is_awaited else 0,
        largest=forecast.largest,
        seconds=seconds,
        seconds_plain=_least(limits, n_bytes, n_sent)[0],
        seconds_at_5000=n_sent / POINTS_PER_SECOND,
        limited_by=slowest if sizes else None,
        slowest_reply=limits.window * seconds / len(sizes) if sizes else 0.0,
        would_raise=f"{raised}." if raised else None,
        made=Made(
            forecast,
            gathering,
            limits,
            (order.own.product_key, order.own.device_key),
            tuple(source.name for source in order.history.sources),
            raised,
        ),
    )
