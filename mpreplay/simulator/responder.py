"""The same rules behind a real broker, so that client and endpoint cannot be wrong alike.

A shell: paho's thread puts messages on a queue, the main thread answers them. A real broker does
not check our signatures, so every device that the rules know counts as connected.
"""

from __future__ import annotations

import queue
import socket
import time
from typing import Any, Final, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ..errors import ConnectError
from .endpoint import now_ms
from .platform import Platform
from .topics import read_topic

__all__ = ["Responder"]

_FILTERS: Final = [("/sys/#", 1), ("/ext/#", 1)]
_PATIENCE: Final = 10.0  # for the broker's SUBACK [s]
_READY: Final = "ready"
_REFUSED: Final = "refused"

Message = tuple[str, bytes]


class Responder:
    """A client of a broker that answers in the platform's place.

    Parameters
    ----------
    platform : Platform
        The rules.
    host, port : str, int
        The broker.
    username, password : str, optional
        What the broker asks for.

    Raises
    ------
    ConnectError
        If the broker is not there or does not let the responder subscribe.
    """

    def __init__(
        self, platform: Platform, host: str, port: int, username: str = "", password: str = ""
    ) -> None:
        self._platform = platform
        # What paho's thread says to the main thread: nothing else passes between them.
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
        client.on_message = lambda _client, _data, message: self._events.put(
            (message.topic, message.payload)
        )
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

    def _await_subscription(self, where: str) -> None:
        try:
            what, why = self._events.get(timeout=_PATIENCE)
        except queue.Empty:
            what, why = _REFUSED, f"no answer within {_PATIENCE:g} s"
        if what != _READY:
            self.close()
            raise ConnectError(f"the broker at {where} does not serve the responder: {why}")

    def call(self, what: Any) -> None:
        """Have a function called on the main thread; None ends :meth:`run`. From any thread."""
        self._events.put(what)

    def run(self) -> None:
        """Answer messages until told to end."""
        while (event := self._events.get()) is not None:
            if callable(event):
                event()
            elif event[0] not in (_READY, _REFUSED):
                self._answer(cast("Message", event))
        self.close()

    def _answer(self, message: Message) -> None:
        topic, payload = message
        parts = read_topic(topic)
        # Our own replies come back, since MQTT 3.1.1 cannot subscribe to others' messages only.
        if parts is None or topic.endswith("_reply"):
            return
        device = parts.device
        if device not in self._platform.world.secrets:
            return
        # Nobody but the topic says who published; a sub-device that is online was spoken for.
        reply = self._platform.receive(device, topic, payload, now_ms())
        if reply is not None:
            self._client.publish(topic + "_reply", reply, qos=1)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()


def _no_delay(_: paho.Client, __: Any, sock: Any) -> None:
    """Send replies at once; paho leaves this to its user."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
