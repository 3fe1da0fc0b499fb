"""Sign-in of sub-devices through their gateway, and sign-out at the end.

A shell over a transport; the messages stand in ``protocol/messages.py``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError, ConnectionLost, PlatformError
from ..model.device import Device
from ..protocol.addresses import check_keys
from ..protocol.codes import return_code
from ..protocol.messages import Reply, batch_login, decode_reply, logout, session_topic
from ..secret import Secret, sealed
from .logins import Logins
from .transport import Event, Lost, Message

if TYPE_CHECKING:
    from ..settings import Connection
    from .transport import Transport

__all__ = ["SubDevices", "checked_secrets"]

log = logging.getLogger("mpreplay")
MOST_TOLD: Final = 100  # refused devices named in the log
NOTICE: Final = 0.5  # longest wait for an event, so that interrupts are noticed [s]


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
        check_keys("sub_device_secrets", *device)
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
        self._inside: set[Device] = set()

    def __repr__(self) -> str:
        return f"SubDevices({len(self._secrets)} of {self._gateway[1]})"

    @property
    def reply_topics(self) -> list[str]:
        """Topics of the replies, to subscribe to."""
        if not self._secrets:
            return []
        return [f"{self._topic(action)}_reply" for action in ("login/batch", "logout")]

    def sign_in(
        self, transport: Transport, is_stopped: Callable[[], bool] = lambda: False
    ) -> list[Event]:
        """Sign all sub-devices in, and return the events received meanwhile.

        Devices whose sign-in the platform refuses are then in ``refused``, each with its reply.
        Once ``is_stopped()``, no more devices are asked for, and no more replies awaited.
        """
        logins = Logins(self._secrets, self._next_id)
        self.refused, self._inside = logins.refused, logins.inside
        aside: list[Event] = []
        while not logins.is_done and not is_stopped():
            now = time.monotonic()
            for request_id, devices in logins.poll(now):
                self._ask(transport, request_id, devices)
            if logins.is_done:
                break
            event = transport.receive(min(NOTICE, logins.wait(now)))
            if isinstance(event, Lost):
                raise ConnectionLost(
                    f"lost while sub-devices were signed in: {event.reason}", event.closed_by_peer
                )
            reply = self._reply(event)
            if event is not None and (reply is None or not logins.receive(reply)):
                aside.append(event)
        self._tell_refused()
        return aside

    def sign_out(self, transport: Transport) -> int:
        """Sign out the devices signed in, without waiting for replies; return their number."""
        inside = [device for device in self._secrets if device in self._inside]
        for device in inside:
            transport.publish(self._topic("logout"), logout(self._next_id(), *device))
        return len(inside)

    def _tell_refused(self) -> None:
        """Log the first refused devices, and the number of the others."""
        for device, reply in islice(self.refused.items(), MOST_TOLD):
            meaning = reply.message or return_code(reply.code).meaning
            log.warning(
                "sub-device %(device_key)s was not signed in: code %(code)d, %(meaning)s",
                {**device._asdict(), "code": reply.code, "meaning": meaning},
            )
        if (more := len(self.refused) - MOST_TOLD) > 0:
            log.warning("%(more)d more sub-devices were not signed in", {"more": more})

    def _ask(self, transport: Transport, request_id: str, devices: list[Device]) -> None:
        payload = batch_login(
            request_id,
            [(*device, self._secrets[device].reveal()) for device in devices],
            client_id=self._gateway[1],
            timestamp=time.time_ns() // 1_000_000,
        )
        transport.publish(self._topic("login/batch"), payload)

    def _reply(self, event: Event | None) -> Reply | None:
        """Return the reply to a login in an event, if any."""
        if not isinstance(event, Message) or event.topic != f"{self._topic('login/batch')}_reply":
            return None
        try:
            return decode_reply(event.payload)
        except PlatformError:
            return None

    def _topic(self, action: str) -> str:
        return session_topic(*self._gateway, action)
