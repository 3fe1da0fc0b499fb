"""The topology of a fleet: each gateway with its connection and its devices.

A shell: a topology may be a CSV file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..conversation.sub_devices import checked_secrets
from ..errors import ConfigError
from ..errors.arguments import kind_of, shown_briefly
from ..errors.nearest import nearest
from ..model.device import Device
from ..secret import Secret, sealed
from ..settings import Connection

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Gateway", "Member", "connection_of", "topology_of"]

_COLUMNS: Final = ("gateway", "connection", "product_key", "device_key")
_REFERENCE: Final = (
    "the secrets of a fleet travel to other processes, as references only: give env:NAME or "
    "file:PATH in place of the secret"
)


@dataclass(frozen=True, slots=True, init=False)
class Gateway:
    """A gateway of a fleet: its connection, and the devices that it reports for.

    Parameters
    ----------
    connection : Connection or str
        Its connection, also as a URI, whose secret is a reference; or a reference to a URI
        (``env:NAME``, ``file:PATH``), which is followed where the gateway is replayed.
    devices : iterable of (product key, device key)
        Devices that it reports for. A directly connected device is a gateway whose only device is
        itself.
    sub_device_secrets : mapping, optional
        As for ``replay``; references only.

    Raises
    ------
    ConfigError
        If a secret is no reference, or a device is not named by its two keys.

    Examples
    --------
    >>> Gateway("mqtts://gw-1:env%3AGW1@example.com/gateway", [("turbine", "T1")]).devices
    (Device(product_key='turbine', device_key='T1'),)
    """

    connection: Connection | Secret
    devices: tuple[Device, ...]
    sub_device_secrets: dict[tuple[str, str], Secret] = field(repr=False)

    def __init__(
        self,
        connection: Connection | str | Secret,
        devices: Iterable[tuple[str, str]],
        sub_device_secrets: Mapping[tuple[str, str], str | Secret] | None = None,
    ) -> None:
        connection, sub_device_secrets = sealed(connection), sealed(sub_device_secrets)
        secrets = checked_secrets(sub_device_secrets)
        object.__setattr__(self, "connection", _travelling(connection))
        object.__setattr__(self, "devices", _devices(devices))
        object.__setattr__(
            self, "sub_device_secrets", {tuple(one): s for one, s in secrets.items()}
        )
        if any(secret.reference is None for secret in secrets.values()):
            raise ConfigError(f"sub_device_secrets: {_REFERENCE}", argument="sub_device_secrets")


def _travelling(given: Any) -> Connection | Secret:
    """Return a connection, or a reference to one, that may travel."""
    if isinstance(given, Secret) and given.reference is not None:
        return given
    connection = Connection.of(given)
    if connection.device_secret.reference is None:
        raise ConfigError(f"{connection.device_key}: {_REFERENCE}", argument="connection")
    return connection


def _devices(given: Any) -> tuple[Device, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(
            f"devices takes pairs of (product key, device key), got {shown_briefly(given)}",
            argument="devices",
            value=given,
        )
    return tuple(dict.fromkeys(Device.of(one, "devices") for one in given))


def connection_of(given: Connection | Secret) -> Connection:
    """Return the connection of a gateway, following a reference to it."""
    if isinstance(given, Connection):
        return given
    uri = Secret.sealed(given.reveal())
    return Connection.of(uri)


@dataclass(frozen=True, slots=True)
class Member:
    """A gateway of a fleet with its name."""

    name: str
    gateway: Gateway


def topology_of(given: Any) -> tuple[Member, ...]:
    """Return the gateways of a topology, each device with one of them.

    Parameters
    ----------
    given : mapping of str to Gateway, DataFrame, or path of a CSV file
        A frame or file has a row a device, with ``gateway``, ``connection``, ``product_key`` and
        ``device_key``.

    Raises
    ------
    ConfigError
        If a device has two gateways, two gateways have one connection, or a part is wrong.
    """
    gateways = given if isinstance(given, Mapping) else _gateways_in(given)
    if not gateways:
        raise ConfigError("topology is empty: name at least one gateway", argument="topology")
    members = []
    for name, gateway in gateways.items():
        if not isinstance(name, str) or not name or not isinstance(gateway, Gateway):
            raise ConfigError(
                f"topology maps the name of a gateway to mp.Gateway(connection, devices), got "
                f"{shown_briefly(name)}: {kind_of(gateway)}",
                argument="topology",
            )
        members.append(Member(name, gateway))
    _check_once(members)
    return tuple(members)


def _check_once(members: Iterable[Member]) -> None:
    """Raise if a device has two gateways, or a connection two names."""
    owners: dict[Device, str] = {}
    names: dict[Any, str] = {}
    for one in members:
        for device in one.gateway.devices:
            if (other := owners.setdefault(device, one.name)) != one.name:
                raise ConfigError(
                    f"topology: {device.product_key}/{device.device_key} has two gateways, "
                    f"{other!r} and {one.name!r}; leave it to one",
                    argument="topology",
                )
        where = one.gateway.connection
        key = (where.host, where.port, *where.device) if isinstance(where, Connection) else where
        if (other := names.setdefault(key, one.name)) != one.name:
            raise ConfigError(
                f"topology: {other!r} and {one.name!r} have the same connection, which allows one "
                "session; name their devices under one of them",
                argument="topology",
            )


def _gateways_in(given: Any) -> dict[str, Gateway]:
    """Return the gateways of a frame or a CSV file with a row a device."""
    import pandas as pd

    if isinstance(given, str | os.PathLike):
        try:
            given = pd.read_csv(given, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"topology: {os.fspath(given)} cannot be read ({why}); expected a CSV file with "
                f"the columns {', '.join(_COLUMNS)}",
                argument="topology",
            ) from error
    if not isinstance(given, pd.DataFrame):
        raise ConfigError(
            "topology is a mapping of names to mp.Gateway, a DataFrame, or a CSV file, not "
            f"{kind_of(given)}",
            argument="topology",
        )
    return _gateways_of(given)


def _gateways_of(frame: pd.DataFrame) -> dict[str, Gateway]:
    names = [str(name) for name in frame.columns]
    for name in _COLUMNS:
        if name not in names:
            raise ConfigError(
                f"topology: there is no column {name!r}{nearest(name, names)}; expected "
                f"{', '.join(_COLUMNS)}",
                argument="topology",
            )
    found: dict[str, tuple[Secret, list[tuple[str, str]]]] = {}
    rows = zip(*(frame[name].tolist() for name in _COLUMNS), strict=True)
    for row, (name, connection, product_key, device_key) in enumerate(rows):
        if not all(isinstance(one, str) and one for one in (name, product_key, device_key)):
            raise ConfigError(
                f"topology: row {row} lacks gateway, product_key or device_key",
                argument="topology",
            )
        where = Secret.sealed(connection)
        known, devices = found.setdefault(name, (where, []))
        if where != known:
            raise ConfigError(
                f"topology: row {row} gives {name!r} another connection than the rows above",
                argument="topology",
            )
        devices.append((product_key, device_key))
    return {name: Gateway(where, devices) for name, (where, devices) in found.items()}
