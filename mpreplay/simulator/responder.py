"""The same rules behind a real broker, so that client and endpoint cannot share a mistake.

A shell: paho's thread puts messages on a queue, the main thread answers. A real broker does not
check our signatures, so every device known to the rules counts as connected. Only faults of
requests, replies and codes are available.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
import socket
import time
from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ..errors import ConfigError, ConnectError
from ..protocol.compression import is_packed
from ..settings import PLAIN_PORT
from .clients import now_ms
from .faults import Outbox, course_of
from .platform import Platform
from .topics import read_topic
from .world import Device

__all__ = ["Responder", "broker_of"]

_FILTERS: Final = [("/sys/#", 1), ("/ext/#", 1)]
_PATIENCE: Final = 10.0  # for the broker's SUBACK [s]
_READY: Final = "ready"
_REFUSED: Final = "refused"

Message = tuple[str, bytes]


class Responder:
    """A client of a broker that answers as the platform does.

    Parameters
    ----------
    platform : Platform
        The rules.
    host, port : str, int
        Address of the broker.
    username, password : str, optional
        Credentials for the broker, if required.

    Raises
    ------
    ConnectError
        If the broker does not answer, or does not let the responder subscribe.
    """

    def __init__(
        self, platform: Platform, host: str, port: int, username: str = "", password: str = ""
    ) -> None:
        self._platform = platform
        self._outbox = Outbox(self._deliver, self._later)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()  # actions due at the same time keep their order
        # From paho's thread to the main thread: nothing else passes between the two.
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"rehearsal-{time.time_ns():x}"
        )
        if username:
            client.username_pw_set(username, password or None)
        client.max_inflight_messages_set(1000)
        client.on_socket_open = _no_delay
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        try:
            client.connect(host, port)
        except OSError as error:
            raise ConnectError(
                f"no broker answers at {host}:{port} ({error.strerror or error}); is it running?"
            ) from error
        client.loop_start()
        self._await_subscription(f"{host}:{port}")

    def _connected(self, client: paho.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._events.put((_REFUSED, str(reason)))
        else:
            client.subscribe(_FILTERS)

    def _subscribed(self, _: Any, __: Any, ___: Any, reasons: Any, ____: Any) -> None:
        refused = any(reason.is_failure for reason in reasons)
        self._events.put((_REFUSED, "no subscription") if refused else (_READY, ""))

    def _received(self, _: Any, __: Any, message: paho.MQTTMessage) -> None:
        # paho decodes a topic when it is asked for; not every broker has looked at it.
        with contextlib.suppress(UnicodeDecodeError):
            self._events.put((message.topic, message.payload))

    def _await_subscription(self, where: str) -> None:
        try:
            what, why = self._events.get(timeout=_PATIENCE)
        except queue.Empty:
            what, why = _REFUSED, f"no answer within {_PATIENCE:g} s"
        if what != _READY:
            self.close()
            raise ConnectError(f"the broker at {where} does not serve the responder: {why}")

    def call(self, what: Any) -> None:
        """Queue a function for the main thread, from any thread; None ends :meth:`run`."""
        self._events.put(what)

    def run(self) -> None:
        """Answer messages until :meth:`call` gets None."""
        while (event := self._next()) is not None:
            if callable(event):
                event()
            elif event[0] not in (_READY, _REFUSED):
                self._answer(cast("Message", event))
        self.close()

    def _next(self) -> Any:
        """Return the next event; meanwhile run the actions that are due."""
        while True:
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            try:
                return self._events.get(timeout=self._due[0][0] - now if self._due else None)
            except queue.Empty:
                continue

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._count), action))

    def _deliver(self, device: Device, topic: str, payload: bytes) -> None:
        self._client.publish(topic, self._platform.travels(device, payload), qos=1)

    def _answer(self, message: Message) -> None:
        topic, payload = message
        parts = read_topic(topic)
        # Our own replies come back, since MQTT 3.1.1 cannot subscribe to others' messages only.
        if parts is None or topic.endswith("_reply"):
            return
        device = parts.device
        if device not in self._platform.world.secrets:
            return
        # The broker keeps the client id, which asks for compression: what is packed tells it.
        packed = self._platform.packed
        (packed.add if is_packed(payload) else packed.discard)(device)
        fault = self._platform.draw(topic)
        course = course_of(fault)
        if not course.handled:
            return
        code = 0 if fault is None else fault.code
        # Only the topic names the publisher: every message counts as sent by the topic's device.
        reply = self._platform.receive(device, topic, payload, now_ms(), code)
        if reply is not None and course.replied:
            self._outbox.put(device, topic + "_reply", reply, fault)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()


def _no_delay(_: paho.Client, __: Any, sock: Any) -> None:
    """Let replies leave at once; paho does not set this option."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def broker_of(uri: str) -> dict[str, Any]:
    """Read a broker's address: ``mqtt://host:port``, with a name and password if required."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port or PLAIN_PORT
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "mqtt" or not host:
        raise ConfigError("behind names a broker as mqtt://host:port")
    return {
        "host": host,
        "port": port,
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
