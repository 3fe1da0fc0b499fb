"""Devices, topology and sign-ins: the state that the rules read and change.

Pure: no clock, no disk, no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ..model.thing_model import ThingModel
from ..protocol.signature import sign
from .judging import Checks, checks_of
from .limits import PlatformLimits

__all__ = ["ANY_PRODUCT", "Device", "World", "world_of"]

Device = tuple[str, str]  # product key, device key
ANY_PRODUCT: Final = ""  # the key of a model for every product
# Device SDK for Python 0.1.1 calls the plain hash "hmacsha256"; the documents, "sha256".
_SIGN_METHODS: Final = frozenset({"sha256", "hmacsha256"})


@dataclass(slots=True)
class World:
    """The platform's knowledge of an organisation.

    Parameters
    ----------
    models : mapping of str to ThingModel
        Models by product key; ``ANY_PRODUCT`` is the key of a model for all further products.
    secrets : mapping
        Secret of every existing device.
    gateway_product : str
        Product of the gateways: its devices may have sub-devices.
    gateway_of : dict
        The topology: sub-device to its gateway.
    always_online : frozenset
        Sub-devices that need not sign in.
    signed_in : dict
        Sub-device to the gateway of the session used to sign in.
    """

    models: Mapping[str, ThingModel]
    secrets: Mapping[Device, str] = field(repr=False)
    gateway_product: str
    gateway_of: dict[Device, Device]
    always_online: frozenset[Device]
    limits: PlatformLimits
    signed_in: dict[Device, Device] = field(default_factory=dict)
    _checks: dict[str, Checks] = field(default_factory=dict)

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

    def sign_out_all(self, gateway: Device) -> None:
        """Sign out a gateway's sub-devices; a sign-in ends with the gateway's session."""
        self.signed_in = {sub: gw for sub, gw in self.signed_in.items() if gw != gateway}

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


def world_of(configuration: Mapping[str, Any]) -> World:
    """Return the world that a configuration describes; it is made of plain JSON values."""
    gateway = _device(configuration["gateway"])
    return World(
        models={key: ThingModel.load(text) for key, text in configuration["models"].items()},
        secrets={(pk, dk): secret for pk, dk, secret in configuration["devices"]},
        gateway_product=gateway[0],
        gateway_of=dict.fromkeys(map(_device, configuration["sub_devices"]), gateway),
        always_online=frozenset(map(_device, configuration["online"])),
        limits=PlatformLimits(**configuration["limits"]),
    )


def _device(pair: Iterable[str]) -> Device:
    product_key, device_key = pair
    return product_key, device_key
