"""Devices, topology and sign-ins: the state that the rules read and change.

Pure: no clock, no disk, no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from ..errors import ConfigError
from ..errors.arguments import shown_briefly
from ..model.thing_model import ThingModel
from ..protocol.addresses import check_keys
from ..protocol.compression import GZIP, PLAIN
from ..protocol.signature import ClientId, sign
from .judging import Checks, checks_of
from .limits import Attempts, PlatformLimits

__all__ = [
    "ACCEPTED",
    "ANY_PRODUCT",
    "AWAY",
    "BAD_CLIENT_ID",
    "BAD_SIGN_IN",
    "NOT_AUTHORISED",
    "UNAVAILABLE",
    "UNCOUNTED",
    "Decision",
    "Device",
    "Sessions",
    "World",
    "cut",
    "device_of",
    "devices_of",
    "topology_of",
    "world_of",
]

Device = tuple[str, str]  # product key, device key
# CONNACK return codes of MQTT 3.1.1, section 3.2.2.3. The platform's codes for a device that is
# blocked, or may not connect for another reason, are not documented; 5, not authorised, and 2, of
# what stands in the client id, are our choice.
ACCEPTED, BAD_CLIENT_ID, UNAVAILABLE, BAD_SIGN_IN, NOT_AUTHORISED = 0, 2, 3, 4, 5
AWAY: Final = "away"
_UNKNOWN: Final = "unknown device"
_OPEN: Final = "open"
UNCOUNTED: Final = frozenset({f"refused: {how}" for how in (_UNKNOWN, AWAY)})  # towards a block
# Any client may try to connect, as long as it likes: the record of attempts has a bound.
_MAX_REFUSALS: Final = 10_000
_MAX_TEXT: Final = 256  # [characters]
ANY_PRODUCT: Final = ""  # the key of a model for every product
# Device SDK for Python 0.1.1 calls the plain hash "hmacsha256"; the documents, "sha256".
_SIGN_METHODS: Final = frozenset({"sha256", "hmacsha256"})


class Decision(NamedTuple):
    """The answer to a device that wants to connect: a CONNACK code, and the reason of a refusal.

    ``is_own`` is True for a refusal that a CONNACK code cannot explain to the device.
    """

    code: int
    how: str = ""
    is_own: bool = False


@dataclass(slots=True)
class World:
    """The platform's knowledge of an organisation.

    Parameters
    ----------
    models : mapping of str to ThingModel
        Models by product key; ``ANY_PRODUCT`` is the key of a model for all further products.
    secrets : mapping
        Secret of every existing device.
    gateway_products : frozenset
        Products of the gateways: their devices may have sub-devices.
    gateway_of : dict
        The topology: sub-device to its gateway.
    always_online : frozenset
        Sub-devices that need not sign in.
    signed_in : dict
        Sub-device to the gateway of the session used to sign in.
    """

    models: Mapping[str, ThingModel]
    secrets: Mapping[Device, str] = field(repr=False)
    gateway_products: frozenset[str]
    gateway_of: dict[Device, Device]
    always_online: frozenset[Device]
    limits: PlatformLimits
    signed_in: dict[Device, Device] = field(default_factory=dict)
    _checks: dict[str, Checks] = field(default_factory=dict)
    _attempts: dict[Device, Attempts] = field(default_factory=dict)

    def model(self, product_key: str) -> ThingModel | None:
        """Return the model of a product, if it has one."""
        return self.models.get(product_key, self.models.get(ANY_PRODUCT))

    def checks(self, product_key: str) -> Checks:
        """Return the checks of a product's model; without a model nothing may be reported."""
        if product_key not in self._checks:
            model = self.model(product_key)
            self._checks[product_key] = (
                Checks({}, pass_through=False) if model is None else checks_of(model, self.limits)
            )
        return self._checks[product_key]

    def is_online(self, sub_device: Device, gateway: Device) -> bool:
        """Return True if a sub-device counts as signed in through a gateway."""
        if self.gateway_of.get(sub_device) != gateway:
            return False
        return sub_device in self.always_online or self.signed_in.get(sub_device) == gateway

    def change_topology(
        self, gateway: Iterable[str], added: Iterable[Any], deleted: Iterable[Any]
    ) -> None:
        """Add sub-devices to a gateway, and delete others."""
        for sub_device in map(_device, added):
            self.gateway_of[sub_device] = _device(gateway)
        for sub_device in map(_device, deleted):
            del self.gateway_of[sub_device]

    def sign_out_all(self, gateway: Device) -> None:
        """Sign out a gateway's sub-devices; a sign-in ends with the gateway's session."""
        self.signed_in = {sub: gw for sub, gw in self.signed_in.items() if gw != gateway}

    def admit(
        self, device: Device, told: ClientId, password: str, now: int, keepalive: int | None
    ) -> Decision:
        """Decide about a device that wants to connect; the first check that fails counts."""
        if device not in self.secrets:
            return Decision(BAD_SIGN_IN, _UNKNOWN)
        if self.connects_too_often(device, now):
            return Decision(NOT_AUTHORISED, "blocked")
        limits, options = self.limits, told.options
        if not told.name:
            return Decision(BAD_CLIENT_ID, "empty client id")
        if limits.max_client_id is not None and len(told.name) > limits.max_client_id:
            return Decision(BAD_CLIENT_ID, f"client id of {len(told.name)} characters", True)
        if options.get("securemode") != "2":
            return Decision(BAD_SIGN_IN, "securemode is not 2")
        method, timestamp = options.get("signmethod", ""), options.get("timestamp", "")
        if not self.signature_is_right(device, told.signed, timestamp, method, password):
            return Decision(BAD_SIGN_IN, "bad signature")
        compression = told.block.get("compress", PLAIN)
        if compression not in {PLAIN, GZIP}:
            return Decision(BAD_CLIENT_ID, f"compression by {compression} is not served", True)
        if keepalive is not None and not limits.takes_keepalive(keepalive):
            return Decision(NOT_AUTHORISED, f"keepalive of {keepalive} s", True)
        if device in self.gateway_of and not limits.sub_devices_connect:
            return Decision(NOT_AUTHORISED, "a sub-device may not connect by itself (771)", True)
        return Decision(ACCEPTED)

    def connects_too_often(self, device: Device, now: int) -> bool:
        """Count an attempt of a device, good or bad; return True if the device is blocked."""
        return self._attempts.setdefault(device, Attempts(self.limits)).are_too_many(now)

    def signature_is_right(
        self, device: Device, client_id: str, timestamp: str, method: str, signature: str
    ) -> bool:
        """Return True if a device signed with its secret; the timestamp counts as sent."""
        secret = self.secrets.get(device)
        if secret is None or method.lower() not in _SIGN_METHODS:
            return False
        product_key, device_key = device
        # Vendor clients sign over timestamps like "1548753362.5"; sign() only inserts the text.
        expected = sign(client_id, device_key, product_key, cast("int", timestamp), secret)
        return signature.upper() == expected


class Sessions:
    """The attempts to connect, each with the end of its session; refusals up to a number.

    Attributes
    ----------
    rows : list of dict
        A row per attempt, in order.
    open : dict
        Device to the place of its open session in the rows.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.open: dict[Device, int] = {}
        self._n_refused = 0

    def begin(
        self, device: Device, client_id: str, now: int, decision: Decision
    ) -> dict[str, Any] | None:
        """Return the new row of an attempt, or None if it is not listed."""
        is_open = decision.code == ACCEPTED
        if not is_open and self._n_refused >= _MAX_REFUSALS:
            return None
        row = {
            "product_key": device[0] if is_open else cut(device[0]),
            "device_key": device[1] if is_open else cut(device[1]),
            "client_id": cut(client_id),
            "connected_at": now,
            "ended_at": None if is_open else now,
            "how": _OPEN if is_open else f"refused: {cut(decision.how)}",
        }
        self.add(row)
        return row

    def add(self, row: dict[str, Any]) -> None:
        """Add a row."""
        if row["how"] == _OPEN:
            self.open[row["product_key"], row["device_key"]] = len(self.rows)
        else:
            self._n_refused += 1
        self.rows.append(row)

    def end(self, session: int, how: str, now: int) -> Device | None:
        """Return the device of a session that has ended now; None if it had ended before."""
        row = self.rows[session]
        if row["how"] != _OPEN:
            return None
        row.update(how=how, ended_at=now)
        device = (row["product_key"], row["device_key"])
        del self.open[device]
        return device


def cut(text: str) -> str:
    """Return a text that a client chose, cut to a length that does no harm."""
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def world_of(configuration: Mapping[str, Any]) -> World:
    """Return the world that a configuration describes; it is made of plain JSON values."""
    gateways = [(_device(gateway), subs) for gateway, subs in configuration["gateways"]]
    return World(
        models={key: ThingModel.load(text) for key, text in configuration["models"].items()},
        secrets={(pk, dk): secret for pk, dk, secret in configuration["devices"]},
        gateway_products=frozenset(product for (product, _), _ in gateways),
        gateway_of={_device(sub): gateway for gateway, subs in gateways for sub in subs},
        always_online=frozenset(map(_device, configuration["online"])),
        limits=PlatformLimits(**configuration["limits"]),
    )


def _device(pair: Iterable[str]) -> Device:
    product_key, device_key = pair
    return product_key, device_key


def device_of(given: Any, where: str) -> Device:
    """Return a pair of keys, checked; ``where`` names the argument."""
    match given:
        case (str(product_key), str(device_key)) if product_key and device_key:
            check_keys(where, product_key, device_key)
            if "&" in device_key:
                raise ConfigError(
                    f"{where}: device key {shown_briefly(device_key)} holds '&', which ends the "
                    "device key in a user name",
                    argument=where,
                    value=given,
                )
            return product_key, device_key
    raise ConfigError(
        f"{where} takes pairs of (product key, device key), got {shown_briefly(given)}",
        argument=where,
        value=given,
    )


def devices_of(given: Any, where: str) -> list[Device]:
    """Return pairs of keys, each once."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        device_of(None if isinstance(given, tuple) else given, where)
    return list(dict.fromkeys(device_of(pair, where) for pair in given))


def topology_of(gateway: Any, sub_devices: Any, gateways: Any) -> dict[Device, list[Device]]:
    """Return each gateway with its sub-devices, from the arguments of ``simulate``.

    Raises
    ------
    ConfigError
        If a device is a gateway and a sub-device, or a sub-device of two gateways.
    """
    if gateways is None:
        found = {device_of(gateway, "gateway"): devices_of(sub_devices, "sub_devices")}
    elif not isinstance(gateways, Mapping) or not gateways:
        raise ConfigError(
            "gateways takes a mapping of (product key, device key) to the sub-devices of that "
            f"gateway, got {shown_briefly(gateways)}",
            argument="gateways",
            value=gateways,
        )
    else:
        found = {
            device_of(one, "gateways"): devices_of(subs, "gateways")
            for one, subs in gateways.items()
        }
        if devices_of(sub_devices, "sub_devices"):
            raise ConfigError("give gateways or sub_devices, not both", argument="gateways")
    owner: dict[Device, Device] = {}
    for one, subs in found.items():
        for sub in subs:
            if sub in found:
                raise ConfigError(f"the gateway {sub!r} cannot be a sub-device of a gateway")
            if owner.setdefault(sub, one) != one:
                raise ConfigError(f"{sub!r} is a sub-device of {owner[sub]!r} and of {one!r}")
    return found
