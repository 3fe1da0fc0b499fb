"""Sign-in of sub-devices through their gateway, and sign-out at the end.

A shell over a transport; the messages stand in ``protocol/messages.py``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError, ConnectionLost, PlatformError
from ..model.device import Device
from ..protocol.addresses import fault_in_key
from ..protocol.codes import ACCEPTED, RETURN_CODES, return_code
from ..protocol.messages import Reply, batch_login, decode_reply, logout, session_topic
from ..secret import Secret, sealed
from .transport import Event, Lost, Message

if TYPE_CHECKING:
    from ..settings import Connection
    from .transport import Transport

__all__ = ["SubDevices", "checked_secrets"]

log = logging.getLogger("mpreplay")
AT_ONCE: Final = 50  # sub-devices a login request
LOGIN_TIMEOUT: Final = 15.0  # for a final reply [s]
LOGIN_AGAIN: Final = 5.0  # without a reply: a lost one must not decline a whole history [s]
NO_REPLY: Final = Reply("", 6205, "no reply in time", None)
TRANSIENT: Final = frozenset(entry.code for entry in RETURN_CODES if entry.asks == "retry")


def checked_secrets(given: Any) -> dict[Device, Secret]:
    """Return the secrets of sub-devices by device, once each could be read.

    A wrong key is not shown: it may be a secret, given in the wrong place.

    Raises
    ------
    ConfigError
        If a key is not a pair of keys, or a secret is empty or refers to nothing.
    """
    given = sealed(given)
    if given is not None and not isinstance(given, Mapping):
        raise _wrong(
            "sub_device_secrets maps (product key, device key) to a secret; this is no mapping"
        )
    secrets: dict[Device, Secret] = {}
    for key, secret in (given or {}).items():
        match key:
            case (str(product_key), str(device_key)) if product_key and device_key:
                device = Device(product_key, device_key)
            case _:
                raise _wrong(
                    "sub_device_secrets maps (product key, device key) to a secret, got "
                    f"{_kind(key)} as a key"
                )
        for name, part in zip(("product key", "device key"), device, strict=True):
            if fault := fault_in_key(part):
                raise _wrong(f"sub_device_secrets: the {name} of {tuple(device)} {fault}")
        secret.check(f"sub_device_secrets: the secret of {tuple(device)}")
        secret.reveal()
        secrets[device] = secret
    return secrets


def _wrong(text: str) -> ConfigError:
    return ConfigError(text, argument="sub_device_secrets")


def _kind(given: Any) -> str:
    kind = type(given).__name__
    return f"a {kind} of {len(given)}" if isinstance(given, tuple) else f"a {kind}"


class SubDevices:
    """The sub-devices of a gateway whose secrets are known.

    Parameters
    ----------
    connection : Connection
        The gateway's connection.
    secrets : mapping of Device to Secret
        Secrets of the sub-devices, from ``checked_secrets``.
    next_id : callable
        Function that returns a new request id.
    """

    def __init__(
        self,
        connection: Connection,
        secrets: Mapping[Device, Secret],
        next_id: Callable[[], str],
    ) -> None:
        self._gateway = connection.device
        self._secrets = dict(secrets)
        self._next_id = next_id
        self.refused: dict[Device, Reply] = {}

    def __repr__(self) -> str:
        return f"SubDevices({len(self._secrets)} of {self._gateway[1]})"

    @property
    def reply_topics(self) -> list[str]:
        """Topics of the replies, to subscribe to."""
        if not self._secrets:
            return []
        return [f"{self._topic(action)}_reply" for action in ("login/batch", "logout")]

    def sign_in(self, transport: Transport) -> list[Event]:
        """Sign all sub-devices in, and return the events received meanwhile.

        Devices whose sign-in the platform refuses are then in ``refused``, each with its reply.
        """
        self.refused = {}
        aside: list[Event] = []
        for devices in _groups(list(self._secrets), AT_ONCE):
            reply = self._login(transport, devices, aside)
            if reply.code == ACCEPTED:
                continue
            if reply.code in TRANSIENT:  # fifty single logins would take a quarter of an hour
                self.refused |= dict.fromkeys(devices, reply)
                continue
            # One code for all: ask for each device not signed in, to learn its own code.
            inside = _listed(reply, "loginedSubDevices")
            for device in devices:
                if device not in inside:
                    own = self._login(transport, [device], aside)
                    if own.code != ACCEPTED:
                        self.refused[device] = own
        for device, reply in self.refused.items():
            meaning = reply.message or return_code(reply.code).meaning
            log.warning(
                "sub-device %s was not signed in: code %d, %s",
                device.device_key,
                reply.code,
                meaning,
            )
        return aside

    def sign_out(self, transport: Transport) -> None:
        """Sign out the devices signed in, without waiting for replies."""
        for device in self._secrets:
            if device not in self.refused:
                transport.publish(self._topic("logout"), logout(self._next_id(), *device))

    def _login(self, transport: Transport, devices: list[Device], aside: list[Event]) -> Reply:
        """Ask until a reply is final or the time is up; a reply to any attempt will do."""
        topic = self._topic("login/batch")
        asked: set[str] = set()
        last = NO_REPLY
        due = now = time.monotonic()
        deadline = now + LOGIN_TIMEOUT
        while now < deadline:
            if now >= due:
                asked.add(self._ask(transport, topic, devices))
                due = now + LOGIN_AGAIN
            event = transport.receive(min(due, deadline) - now)
            now = time.monotonic()
            if isinstance(event, Lost):
                raise ConnectionLost(
                    f"lost while sub-devices were signed in: {event.reason}", event.closed_by_peer
                )
            if event is None:
                continue
            reply = None
            if isinstance(event, Message) and event.topic == f"{topic}_reply":
                reply = _reply(event)
            if reply is None or reply.request_id not in asked:
                aside.append(event)
            elif reply.code in TRANSIENT:
                last = reply
            else:
                return reply
        return last

    def _ask(self, transport: Transport, topic: str, devices: list[Device]) -> str:
        """Publish a login, and return its request id."""
        request_id = self._next_id()
        payload = batch_login(
            request_id,
            [(*device, self._secrets[device].reveal()) for device in devices],
            client_id=self._gateway[1],
            timestamp=time.time_ns() // 1_000_000,
        )
        transport.publish(topic, payload)
        return request_id

    def _topic(self, action: str) -> str:
        return session_topic(*self._gateway, action)


def _reply(message: Message) -> Reply | None:
    try:
        return decode_reply(message.payload)
    except PlatformError:
        return None


def _listed(reply: Reply, name: str) -> set[Device]:
    listed = reply.data.get(name) if isinstance(reply.data, dict) else None
    return {
        Device(str(one.get("productKey")), str(one.get("deviceKey")))
        for one in listed or ()
        if isinstance(one, dict)
    }


def _groups(devices: list[Device], size: int) -> Iterator[list[Device]]:
    for start in range(0, len(devices), size):
        yield devices[start : start + size]
