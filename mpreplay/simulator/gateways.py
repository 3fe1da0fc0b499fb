"""The platform's replies to a gateway about its sub-devices: sign-in, sign-out, topology.

Pure. A handler takes the world, the gateway and the params of a request, changes the world and
returns an answer: a code with the data of the reply.

References
----------
.. [1] EnOS Device Connection 3.0, "Sub-Device Login" and "Managing Sub-Devices".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .rules import MESSAGES, read_request, reply
from .world import Device, World

__all__ = ["SESSION", "TOPOLOGY", "Handler", "answer"]

_NO_LOGINS: Final[dict[str, list[Any]]] = {"loginedSubDevices": [], "failedSubDevices": []}
_TEXT: Final = (str,)
# Vendor clients send the timestamp as text, as an integer, or as a fraction of seconds.
_TIMESTAMP: Final = (str, int, float)
# Fields of a sign-in, with their types: shared by a whole batch; of a single sub-device.
_SHARED: Final[dict[str, tuple[type, ...]]] = {
    "clientId": _TEXT,
    "timestamp": _TIMESTAMP,
    "signMethod": _TEXT,
}
_SIGNED: Final = {**_SHARED, "productKey": _TEXT, "deviceKey": _TEXT, "sign": _TEXT}


class Answer(NamedTuple):
    """The answer to a request: its code, its data, and a text if not that of the code."""

    code: int
    data: Any = None
    text: str = ""


class Handler(NamedTuple):
    """A request about sub-devices: its method, its handler, and the data of an empty reply."""

    method: str
    handle: Callable[[World, Device, Any], Answer]
    nothing: Any = None


def answer(handler: Handler, world: World, gateway: Device, payload: bytes) -> bytes:
    """Return the reply to a request about sub-devices."""
    request = read_request(
        payload,
        handler.method,
        world.limits.max_bytes,
        may_be_empty=True,
        needs_version=not handler.method.startswith("combine."),
    )
    if request.code != 200:
        return reply(request.id, request.code, handler.nothing)
    return reply(request.id, *handler.handle(world, gateway, request.params))


def _has(fields: Any, **kinds: tuple[type, ...]) -> bool:
    return isinstance(fields, dict) and all(
        isinstance(fields.get(name), kind) and not isinstance(fields[name], bool)
        for name, kind in kinds.items()
    )


def _device(fields: Mapping[str, Any]) -> Device:
    return fields["productKey"], fields["deviceKey"]


def _asset(device: Device) -> dict[str, str]:
    """Return a device as the platform names it; the asset id is invented, but always the same."""
    asset_id = hashlib.sha256("/".join(device).encode()).hexdigest()[:8]
    return {"assetId": asset_id, "productKey": device[0], "deviceKey": device[1]}


def _login_code(world: World, gateway: Device, shared: Any, sub: Any) -> int:
    """Sign a sub-device in; return 200 or the code of the failure."""
    device = _device(sub)
    if device not in world.secrets:
        return 705
    if world.gateway_of.get(device) != gateway:
        return 740
    if not world.signature_is_right(
        device, shared["clientId"], str(shared["timestamp"]), shared["signMethod"], sub["sign"]
    ):
        return 742
    world.signed_in[device] = gateway
    return 200


def _login(world: World, gateway: Device, params: Any) -> Answer:
    if not _has(params, **_SIGNED):
        return Answer(1220)
    code = _login_code(world, gateway, params, params)
    return Answer(code, _asset(_device(params)) if code == 200 else None)


def _login_batch(world: World, gateway: Device, params: Any) -> Answer:
    """Sign in as many sub-devices as possible; a failure does not stop the rest."""
    if not _has(params, **_SHARED, subDevices=(list,)) or not params["subDevices"]:
        return Answer(1220, _NO_LOGINS)
    subs = params["subDevices"]
    if not all(_has(sub, productKey=_TEXT, deviceKey=_TEXT, sign=_TEXT) for sub in subs):
        return Answer(1220, _NO_LOGINS)
    codes = [(_device(sub), _login_code(world, gateway, params, sub)) for sub in subs]
    failed = [(device, code) for device, code in codes if code != 200]
    data = {
        "loginedSubDevices": [_asset(device) for device, code in codes if code == 200],
        "failedSubDevices": [{"productKey": pk, "deviceKey": dk} for (pk, dk), _ in failed],
    }
    if not failed:
        return Answer(200, data)
    # The reasons stand in this text only, as documented.
    reasons = (f"{pk}&{dk} has error: {MESSAGES[code]};" for (pk, dk), code in failed)
    return Answer(failed[0][1], data, "".join(reasons))


def _logout(world: World, gateway: Device, params: Any) -> Answer:
    """Sign a sub-device out; the code is 200 even if the sub-device does not exist."""
    if not _has(params, productKey=_TEXT, deviceKey=_TEXT):
        return Answer(1220)
    if world.signed_in.get(_device(params)) == gateway:
        del world.signed_in[_device(params)]
    return Answer(200, _asset(_device(params)))


def _topo_add(world: World, gateway: Device, params: Any) -> Answer:
    if not isinstance(params, list) or not params:
        return Answer(1220)
    if gateway[0] not in world.gateway_products or not all(
        _may_be_added(world, gateway, sub) for sub in params
    ):
        return Answer(1255)
    world.gateway_of.update((_device(sub), gateway) for sub in params)
    return Answer(200)


def _may_be_added(world: World, gateway: Device, sub: Any) -> bool:
    if not _has(sub, **_SIGNED):
        return False
    device = _device(sub)
    if device[0] in world.gateway_products or world.gateway_of.get(device, gateway) != gateway:
        return False
    return world.signature_is_right(
        device, sub["clientId"], str(sub["timestamp"]), sub["signMethod"], sub["sign"]
    )


def _topo_delete(world: World, gateway: Device, params: Any) -> Answer:
    """Delete the sub-devices that are offline; a single success is enough for 200."""
    if not isinstance(params, list) or not params:
        return Answer(1220)
    subs = [_device(sub) for sub in params if _has(sub, productKey=_TEXT, deviceKey=_TEXT)]
    mine = {
        sub
        for sub in subs
        if world.gateway_of.get(sub) == gateway and not world.is_online(sub, gateway)
    }
    for sub in mine:
        del world.gateway_of[sub]
    return Answer(200 if mine else 1256)


def _topo_get(world: World, gateway: Device, _: Any) -> Answer:
    mine = sorted(sub for sub, parent in world.gateway_of.items() if parent == gateway)
    return Answer(200, [{"productKey": pk, "deviceKey": dk} for pk, dk in mine])


# Topic tail under /ext/session/{pk}/{dk}/, and under /sys/{pk}/{dk}/. [1]
SESSION: Final = {
    "combine/login": Handler("combine.login", _login),
    "combine/login/batch": Handler("combine.login.batch", _login_batch, _NO_LOGINS),
    "combine/logout": Handler("combine.logout", _logout),
}
TOPOLOGY: Final = {
    "thing/topo/add": Handler("thing.topo.add", _topo_add),
    "thing/topo/delete": Handler("thing.topo.delete", _topo_delete),
    "thing/topo/get": Handler("thing.topo.get", _topo_get),
}
