"""The rehearsal platform: the platform's rules on loopback, for rehearsals and tests.

Built from the platform's documents, not from the platform itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..errors.arguments import OPTIONAL_TEXT, TEXT, Kind, check_kinds, optional
from ..protocol.addresses import fault_in_host, fault_in_text
from .faults import FaultScript
from .limits import PlatformLimits

if TYPE_CHECKING:
    from .handle import RehearsalPlatform

__all__ = ["FaultScript", "PlatformLimits", "simulate"]

_PORT = Kind("a port, 0 to 65535", lambda value: type(value) is int and 0 <= value < 65_536)


def simulate(
    model: Any,
    *,
    sub_devices: Iterable[tuple[str, str]] = (),
    gateway: tuple[str, str] = ("gateway", "gw-1"),
    online: Iterable[tuple[str, str]] = (),
    devices: Iterable[tuple[str, str]] = (),
    limits: PlatformLimits | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    behind: str | None = None,
    faults: FaultScript | int | str | Iterable[str] | None = None,
    gateways: Mapping[tuple[str, str], Iterable[tuple[str, str]]] | None = None,
) -> RehearsalPlatform:
    """Start a rehearsal platform: a process of its own that answers as the platform would.

    Parameters
    ----------
    model : ThingModel, schema, or mapping of str to these
        Thing model of the devices; a mapping by product key if there are several.
    sub_devices : iterable of (product key, device key), optional
        The topology of the gateway.
    gateway : (product key, device key)
        The device that holds the connection; may also report values of its own.
    online : iterable of (product key, device key), optional
        Sub-devices taken as signed in at all times; the others sign in first.
    devices : iterable of (product key, device key), optional
        Further devices, outside the gateway's topology. Devices of the gateway's product are
        gateways too.
    limits : PlatformLimits, optional
        Limits of the platform; the published defaults if left out.
    host, port : str, int
        Address to listen on; port 0 lets the system choose.
    behind : str, optional
        Serve the rules behind a real broker at ``mqtt://host:port`` instead. A real broker checks
        no signature and keeps no single-session rule; every device counts as connected, and no
        connection as compressed.
    faults : int, str or list of str, optional
        Faults of the requests: a seed; probabilities like ``"lose_reply=0.1 delay=0.2:1.5"``; or a
        list like ``["ok", "lose_reply", "kick"]``, with a word for each request in turn.
        ``mpreplay.simulator.faults`` explains the words.
    gateways : mapping of (product key, device key) to iterable of these, optional
        Many gateways, each with its sub-devices, in place of ``gateway`` and ``sub_devices``;
        ``connection_for()`` gives the connection of each.

    Returns
    -------
    RehearsalPlatform
        With ``connection``, ``connection_for()``, ``stored()``, ``sessions()``, ``requests()`` and
        ``close()``; also a context manager. ``kick()``, ``stall()``, ``away()``, ``kill()`` and
        ``restart()`` cause failures on request.

    Raises
    ------
    ConfigError
        If the model or a device is not valid, or a fault is not available.
    ConnectError
        If the port is in use or the broker does not answer.

    Notes
    -----
    The rules follow [1]_ and [2]_, without the documented limit of 1 connection per second and
    device. Where the documents leave a choice, ``PlatformLimits`` states it. A topic that is not
    served is answered with 1009 and a text that says so, and listed in ``requests()``.

    A client id with ``compress=GZIP``, as the vendor's Java client sends it, makes payloads travel
    compressed both ways; LZ4 and LZO are refused. A session that is not clean is kept for the same
    client id: its subscriptions, and up to 1,000 replies.

    References
    ----------
    .. [1] EnOS Device Connection 2.3, "Reporting Offline Measurement Points in Batch".
    .. [2] EnOS Device Connection 3.0, "Connecting without an SDK", "Sub-Device Login".

    Examples
    --------
    >>> from mpreplay import Measurepoint, ThingModel
    >>> model = ThingModel("M", {"P": Measurepoint("P", "FLOAT")})
    >>> with simulate(model, sub_devices=[("turbine", "T1")]) as platform:
    ...     platform.connection.device, len(platform.stored())
    (('gateway', 'gw-1'), 0)
    """
    check_kinds(
        {
            "limits": (limits, optional(PlatformLimits, "mp.PlatformLimits(...)")),
            "host": (host, TEXT),
            "port": (port, _PORT),
            "behind": (behind, OPTIONAL_TEXT),
        }
    )
    from .handle import RehearsalPlatform

    for name, fault in (("host", fault_in_host(host)), ("behind", fault_in_text(behind or ""))):
        if fault:
            raise ConfigError(f"{name} {fault}", argument=name)
    return RehearsalPlatform(
        model,
        sub_devices=sub_devices,
        gateway=gateway,
        online=online,
        devices=devices,
        limits=PlatformLimits() if limits is None else limits,
        host=host,
        port=port,
        behind=behind,
        faults=faults,
        gateways=gateways,
    )
