"""The trial of a connection before a replay: signs in and out, and sends no readings.

A shell over the network.
"""

from __future__ import annotations

import html
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..conversation.mqtt import MqttTransport
from ..conversation.pacing import next_connect
from ..conversation.sub_devices import SubDevices, checked_secrets
from ..conversation.transport import Acknowledged
from ..display.amounts import count
from ..errors import ConnectError, ConnectionLost
from ..errors.arguments import check_kinds, optional
from ..frames import CHECK_COLUMNS, typed
from ..journal.locks import Lease
from ..protocol.codes import return_code
from ..protocol.messages import batch_reply_topic
from ..secret import sealed
from ..settings import Connection, Limits
from .interrupts import Interrupts
from .link import IDLE

if TYPE_CHECKING:
    from ..secret import Secret

__all__ = ["Preflight", "check"]

FAREWELL: Final = 5.0  # for the broker to acknowledge the sign-outs [s]


@dataclass(frozen=True, slots=True, repr=False)
class Preflight:
    """The outcome of :func:`check`.

    Attributes
    ----------
    gateway : str
        The device that signed in, as product key and device key.
    table : DataFrame
        One row a step: ``step`` ("connect", which includes the subscription, or "sign_in" of a
        sub-device), ``product_key``, ``device_key``, ``ok``, ``code`` of the platform, and
        ``told``, the reason if it was refused.
    """

    gateway: str
    table: pd.DataFrame

    @property
    def ok(self) -> bool:
        """True if nothing was refused."""
        return bool(self.table["ok"].all())

    @property
    def refused(self) -> pd.DataFrame:
        """The rows of what was refused."""
        return self.table[~self.table["ok"]].reset_index(drop=True)

    def __repr__(self) -> str:
        n_signed = int((self.table["step"] == "sign_in").sum())
        if self.ok:
            within = f", and {count(n_signed, 'sub-device')} through it" if n_signed else ""
            return f"Preflight({self.gateway} signed in{within})"
        if not self.table["ok"].iloc[0]:
            return f"Preflight({self.gateway} could not connect)"
        return f"Preflight({len(self.refused):,} of {count(n_signed, 'sub-device')} refused)"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.table.head(100).to_html(index=False)}"


def check(
    connection: Connection | str | None = None,
    sub_device_secrets: Mapping[tuple[str, str], str | Secret] | None = None,
    *,
    limits: Limits | None = None,
) -> Preflight:
    """Connect, subscribe, sign sub-devices in and out, and send no readings.

    Parameters
    ----------
    connection : Connection or str, optional
        As for ``replay``.
    sub_device_secrets : mapping, optional
        As for ``replay``: these sub-devices are signed in through the gateway.
    limits : Limits, optional
        Limits on connects, and the keepalive; the connect of a trial counts as any other.

    Returns
    -------
    Preflight
        What was refused, if anything; a connection that cannot be made is no exception here.

    Raises
    ------
    ConfigError
        If an argument cannot work.

    Examples
    --------
    >>> import mpreplay as mp
    >>> model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
    >>> with mp.simulate(model, gateway=("meter", "m-1")) as platform:
    ...     mp.check(platform.connection)
    Preflight(meter/m-1 signed in)
    """
    connection, sub_device_secrets = sealed(connection), sealed(sub_device_secrets)
    check_kinds({"limits": (limits, optional(Limits, "mpreplay.Limits(...)"))})
    connection = Connection.of(connection)
    secrets = checked_secrets(sub_device_secrets)
    connection.device_secret.reveal()  # a wrong reference is an error, and nothing of the platform
    numbers = itertools.count(time.time_ns())
    devices = SubDevices(connection, secrets, lambda: str(next(numbers)))
    with Interrupts(at_once=True):
        try:
            _tried(connection, devices, limits or Limits())
        except (ConnectError, ConnectionLost) as error:
            step = ("connect", *connection.device, False, None, str(error))
            return _outcome(connection, [step])
    return _outcome(connection, [("connect", *connection.device, True, None, "")], secrets, devices)


def _tried(connection: Connection, devices: SubDevices, limits: Limits) -> None:
    """Connect, sign the sub-devices in, and out."""
    with Lease(connection, "a check of the connection") as lease:
        _await_limit(lease, limits)
        topics = [batch_reply_topic(*connection.device), *devices.reply_topics]
        transport = MqttTransport(connection, topics, keepalive=limits.keepalive)
        lease.remember(time.time())
        try:
            transport.connect()
            devices.sign_in(transport)
            _sign_out(devices, transport)
        finally:
            transport.close()


def _await_limit(lease: Lease, limits: Limits) -> None:
    """Wait until the platform allows one more connect."""
    limit, period = limits.connects, limits.connect_period
    while True:
        now = time.time()
        times = [one for one in lease.connects() if one <= now + period]
        pause = next_connect(times, now, limit=limit, period=period) - now
        if pause <= 0:
            return
        time.sleep(min(pause, IDLE))


def _sign_out(devices: SubDevices, transport: MqttTransport) -> None:
    """Sign the sub-devices out, and wait for a moment until the broker has it."""
    left = devices.sign_out(transport)
    until = time.monotonic() + FAREWELL
    while left > 0 and (rest := until - time.monotonic()) > 0:
        left -= isinstance(transport.receive(min(IDLE, rest)), Acknowledged)


def _outcome(
    connection: Connection,
    steps: list[tuple[Any, ...]],
    secrets: Mapping[Any, Any] | None = None,
    devices: SubDevices | None = None,
) -> Preflight:
    for device in secrets or {}:
        reply = None if devices is None else devices.refused.get(device)
        if reply is None:
            steps.append(("sign_in", *device, True, None, ""))
        else:
            told = reply.message or return_code(reply.code).meaning
            steps.append(("sign_in", *device, False, reply.code, told))
    return Preflight("/".join(connection.device), typed(steps, CHECK_COLUMNS))
