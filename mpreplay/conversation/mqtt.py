"""The transport over MQTT. A shell over paho-mqtt.

No decisions are made here: callbacks put events on a queue for the caller's thread.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import ssl
import sys
import time
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel

from ..errors import ConfigError, ConnectError, TransportError
from ..protocol.signature import sign_in
from .transport import Acknowledged, Lost, Message

if TYPE_CHECKING:
    from ..settings import Connection
    from .transport import Event

__all__ = ["MqttTransport"]

log = logging.getLogger("mpreplay")
# Shares of the keepalive: the silence before a probe, and the wait for an answer. Together below
# 1.5, after which the platform would end the connection, too.
PROBE_AFTER: Final = 0.75
PROBE_WAIT: Final = 0.5
FAREWELL: Final = 2.0  # for a disconnect to reach the network [s]
CONNECT_TIMEOUT: Final = 15.0  # for TCP, CONNACK and SUBACK each [s]
# MQTT 3.1.1, table 3.1, with advice for the user.
_REFUSALS: Final = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "the broker refuses the client id",
    3: "the platform is not available now",
    4: "the device secret is wrong, or there is no such device: check product key, device key "
    "and secret",
    5: "not authorised: the device is disabled, or blocked for connecting too often (more than "
    "4 times in 2 minutes; wait 5 minutes)",
}
_FINAL: Final = frozenset({1, 2, 4})  # trying again cannot help


class MqttTransport:
    """A connection as one device, signed in and subscribed.

    Each connect makes a new client: the session sends undelivered requests again, and paho never
    holds more than the session's window.

    Parameters
    ----------
    connection : Connection
        Address of the platform, and the device to sign in as.
    topics : iterable of str
        Topics to subscribe to before anything is published.
    keepalive : int
        Interval between signs of life. [s]
    bytes_per_second : float, optional
        Rate limit for the kernel, where supported: a request of half a megabyte then goes out
        evenly, and not at once.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Iterable[str],
        *,
        keepalive: int = 60,
        bytes_per_second: float | None = None,
    ) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._keepalive = keepalive
        self._rate = bytes_per_second
        self._client: mqtt.Client | None = None
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._unacknowledged: dict[
            int, str
        ] = {}  # topics by packet id; only the caller's thread uses it
        self._heard_at = 0.0
        self._probed_at: float | None = None
        self._is_silent = False

    def connect(self) -> None:
        """Sign in and subscribe.

        Raises
        ------
        ConnectError
            If the host is unknown, the port closed, the sign-in refused or the subscription not
            granted.
        """
        self.close()
        self._inbox = SimpleQueue()
        self._unacknowledged.clear()
        self._heard_at, self._probed_at, self._is_silent = time.monotonic(), None, False
        client = self._client = self._new_client()
        connection = self._connection
        try:
            client.connect(connection.host, int(connection.port or 0), self._keepalive)
        except (OSError, ValueError) as error:
            raise ConnectError(f"{self._where}: {_why(error)}") from error
        try:
            client.loop_start()
        except RuntimeError as error:  # the interpreter is ending, or the system at a limit
            client._thread = None
            self.close()
            raise ConnectError(
                f"{self._where}: no thread can be started ({error})", True
            ) from error
        try:
            self._await_sign_in()
            self._subscribe(client)
        except TransportError:
            self.close()
            raise
        log.info("signed in at %s", self._where)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message at QoS 1."""
        if self._client is not None:
            info = self._client.publish(topic, payload, qos=1)
            # Offline is no failure here: the loss of the connection is on the queue, or will be.
            if info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):
                raise TransportError(f"{topic}: {mqtt.error_string(info.rc)}")
            self._unacknowledged[info.mid] = topic

    def receive(self, timeout: float) -> Event | None:
        """Return the next event, or None after ``timeout`` seconds at most."""
        event = self._take(min(timeout, self._keepalive / 10))
        now = time.monotonic()
        if event is not None:
            self._heard_at, self._probed_at = now, None
        elif self._client is not None:
            return self._watch(now)
        match event:
            case Message() | Lost():
                return event
            case ("acknowledged", int(packet_id)) if packet_id in self._unacknowledged:
                return Acknowledged(self._unacknowledged.pop(packet_id))
        return None

    def close(self) -> None:
        """Disconnect and end the network thread."""
        client, self._client = self._client, None
        if client is None:
            return
        # Without disconnect() first, loop_stop() can wait for acknowledgements for ever; without a
        # shutdown of the socket, as long as the network takes nothing: a minute and more.
        client.disconnect()
        if (thread := client._thread) is not None:
            thread.join(0.0 if self._is_silent else FAREWELL)
        sock: Any = client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        client.loop_stop()

    def _watch(self, now: float) -> Lost | None:
        """Return a loss that paho does not report: the end of its thread, or silence.

        A connection shows no error when its other end vanishes. After a silence the subscription is
        requested once more: the platform answers a subscription in any state.
        """
        client = self._client
        thread = None if client is None else client._thread
        if thread is None or not thread.is_alive():
            return Lost("the network thread has ended")
        silence = now - self._heard_at
        if silence > PROBE_AFTER * self._keepalive and self._probed_at is None and client:
            self._probed_at = now
            client.subscribe([(topic, 1) for topic in self._topics])
        if self._probed_at is not None and now - self._probed_at > PROBE_WAIT * self._keepalive:
            self._is_silent = True
            return Lost(f"nothing was heard for {silence:.0f} s")
        return None

    @property
    def _where(self) -> str:
        return f"{self._connection.host}:{self._connection.port} as {self._connection.device_key}"

    def _new_client(self) -> mqtt.Client:
        connection = self._connection
        fields = sign_in(
            connection.product_key,
            connection.device_key,
            connection.device_secret.reveal(),
            client_id=connection.client_id or connection.device_key,
            timestamp=time.time_ns() // 1_000_000,
        )
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=fields.client_id,
            clean_session=True,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.username_pw_set(fields.username, fields.password)
        client.connect_timeout = CONNECT_TIMEOUT
        client.max_inflight_messages_set(65_535)  # the window is the session's
        if connection.tls:
            _set_tls(client, connection)
        inbox = self._inbox
        failures: list[str] = []  # socket errors, which paho logs and does not hand over
        client.on_log = lambda _c, _u, level, text: (
            failures.append(text) if level == LogLevel.MQTT_LOG_ERR else None
        )
        client.on_socket_open = lambda _c, _u, sock: _set_options(sock, self._rate)
        client.on_connect = lambda _c, _u, _f, code, _p: inbox.put(("signed in", code.value))
        client.on_subscribe = lambda _c, _u, _m, codes, _p: inbox.put(("subscribed", codes))
        client.on_disconnect = lambda _c, _u, _f, code, _p: inbox.put(
            Lost("; ".join(failures) or str(code), _is_closed_by_peer(code.value, failures))
        )
        client.on_publish = lambda _c, _u, mid, _r, _p: inbox.put(("acknowledged", mid))
        # Runs in paho's network thread: hand the bytes over, touch nothing else.
        client.on_message = lambda _c, _u, m: inbox.put(Message(m.topic, bytes(m.payload)))
        return client

    def _take(self, timeout: float) -> Any:
        try:
            return self._inbox.get(timeout=max(0.0, timeout))
        except Empty:
            return None

    def _await(self, what: str, meaning: str) -> Any:
        deadline = time.monotonic() + CONNECT_TIMEOUT
        while (left := deadline - time.monotonic()) > 0:
            match self._take(left):
                case (str() as name, value) if name == what:
                    return value
                case Lost(reason):
                    raise ConnectError(f"{self._where}: {meaning} ({reason})")
        raise ConnectError(f"{self._where}: no answer within {CONNECT_TIMEOUT:.0f} s; {meaning}")

    def _await_sign_in(self) -> None:
        code = self._await("signed in", "the connection was closed before the sign-in was answered")
        if code:
            # paho gives MQTT 3.1.1 refusals as the reason codes of MQTT 5.
            number = _V5_TO_V3.get(code, code)
            refusal = _REFUSALS.get(number, f"refused with code {number}")
            final = number in _FINAL
            raise ConnectError(f"{self._where}: sign-in refused: {refusal}", final)

    def _subscribe(self, client: mqtt.Client) -> None:
        client.subscribe([(topic, 1) for topic in self._topics])
        codes = self._await("subscribed", "the subscription to the reply topic was not answered")
        for topic, code in zip(self._topics, codes, strict=False):
            if code.is_failure:
                raise ConnectError(f"{self._where}: the subscription to {topic} was not granted")


_SILENT: Final = 141  # paho's own code: the other side has not answered a ping
# Error of a send after the other side closed the connection in order.
_AFTER_THE_END: Final = f"[Errno {errno.EPIPE}]"
_V5_TO_V3: Final = {132: 1, 133: 2, 136: 3, 134: 4, 135: 5}


def _is_closed_by_peer(code: int, failures: list[str]) -> bool:
    return code != _SILENT and all(_AFTER_THE_END in text for text in failures)


# The socket option for the rate of TCP, in bytes a second; Python has no name for it.
_SO_MAX_PACING_RATE: Final = 47 if sys.platform == "linux" else None
PACE: Final = 0.98  # of the limit: headers and the grain of the kernel's clock come on top


def _set_options(sock: Any, rate: float | None) -> None:
    with contextlib.suppress(OSError, AttributeError):
        # Nagle's algorithm against delayed acknowledgements: 32 messages/s instead of 1,686.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if rate is not None and _SO_MAX_PACING_RATE is not None:
            sock.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, max(1, int(PACE * rate)))


def _set_tls(client: mqtt.Client, connection: Connection) -> None:
    try:
        client.tls_set(connection.ca_file, connection.cert_file, connection.key_file)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(f"the TLS files cannot be used: {error}") from error


def _why(error: Exception) -> str:
    told: tuple[tuple[type[Exception], str], ...] = (
        (socket.gaierror, "unknown host: check the host name"),
        (ConnectionRefusedError, "nobody listens there: check host and port"),
        (TimeoutError, "no answer: check host, port and firewall"),
        (
            ssl.SSLCertVerificationError,
            "the server's certificate cannot be verified: check ca_file",
        ),
        (ssl.SSLError, "TLS failed: check the port and the certificates"),
    )
    known = next((text for kind, text in told if isinstance(error, kind)), None)
    return f"{known} ({error})" if known else str(error)
