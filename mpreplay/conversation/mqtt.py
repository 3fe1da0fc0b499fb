"""The transport over MQTT. A shell over paho's client.

No decisions are made here: events come from a queue that the network thread fills.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConnectError
from ..protocol.signature import sign_in
from .failures import Failure, of_error, of_refusal
from .paho_client import PahoClient, set_tls
from .transport import Acknowledged, Lost, Message

if TYPE_CHECKING:
    from ..protocol.pieces import Pieces
    from ..settings import Connection
    from .transport import Event

__all__ = ["MqttTransport"]

log = logging.getLogger("mpreplay")
# Shares of the keepalive: the silence before a probe, and the wait for an answer. Together below
# 1.5, after which the platform would end the connection, too.
PROBE_AFTER: Final = 0.75
PROBE_WAIT: Final = 0.5
FAREWELL: Final = 2.0  # for a disconnect to reach the network [s]
CONNECT_TIMEOUT: Final = 15.0  # for TCP, TLS, CONNACK and SUBACK each [s]
REACH_TIMEOUT: Final = 90.0  # for all addresses of a host, by a slow name server [s]
NOTICE: Final = 0.2  # longest wait for an answer, so that interrupts are noticed [s]
# paho keeps what was not acknowledged: bounds for a platform that never acknowledges.
MOST_UNACKNOWLEDGED: Final = 10_000  # publishes; MQTT numbers 65,535
MOST_BYTES: Final = 268_435_456


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
    is_stopped : callable, optional
        Function that returns True once the caller no longer wants the connection.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Iterable[str],
        *,
        keepalive: int = 60,
        bytes_per_second: float | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._keepalive = keepalive
        self._rate = bytes_per_second
        self._is_stopped = is_stopped
        self._client: PahoClient | None = None
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        # Topic and size by packet id; only the caller's thread uses it.
        self._unacknowledged: dict[int, tuple[str, int]] = {}
        self._n_bytes = 0  # of these
        self._heard_at = 0.0
        self._probed_at: float | None = None
        self._is_silent = False

    def connect(self) -> None:
        """Sign in and subscribe.

        Raises
        ------
        ConnectError
            If the host is unknown, the port closed, the sign-in refused or the subscription not
            granted, or if the caller wants to stop meanwhile.
        """
        self.close()
        self._inbox = SimpleQueue()
        self._unacknowledged.clear()
        self._n_bytes = 0
        self._heard_at, self._probed_at, self._is_silent = time.monotonic(), None, False
        client = self._client = self._new_client()
        try:
            self._reach(client)
            self._await_sign_in(client)
            self._subscribe(client)
        except BaseException:
            self.close()
            raise
        log.info("signed in at %s", self._where)

    def publish(self, topic: str, payload: bytes | Pieces) -> None:
        """Send one message at QoS 1."""
        if self._client is not None:
            packet_id = self._client.send(topic, payload)
            self._unacknowledged[packet_id] = topic, len(payload)
            self._n_bytes += len(payload)

    def receive(self, timeout: float) -> Event | None:
        """Return the next event, or None after ``timeout`` seconds at most."""
        if loss := self._unacknowledged_for_long():
            return loss
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
                topic, n_bytes = self._unacknowledged.pop(packet_id)
                self._n_bytes -= n_bytes
                return Acknowledged(topic)
            case ("subscribed", (_, codes)) if why := self._not_granted(codes):
                return Lost(why)
        return None

    def close(self) -> None:
        """Disconnect and end the network thread."""
        client, self._client = self._client, None
        if client is None:
            return
        client.is_wanted = False
        # Without disconnect() first, loop_stop() can wait for acknowledgements for ever; without a
        # shutdown of the socket, as long as the network takes nothing: a minute and more.
        client.disconnect()
        thread = client._thread
        if client.is_reaching:  # the thread ends by itself, once the network lets it
            client.is_left = True
            if thread is None or not thread.is_alive():
                client.release()
            return
        if thread is not None:
            thread.join(0.0 if self._is_silent else FAREWELL)
        sock: Any = client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        client.loop_stop()
        client.release()

    def _unacknowledged_for_long(self) -> Lost | None:
        n = len(self._unacknowledged)
        if n <= MOST_UNACKNOWLEDGED and self._n_bytes <= MOST_BYTES:
            return None
        self._unacknowledged.clear()
        self._n_bytes = 0
        return Lost(f"{n:,} publishes were not acknowledged")

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

    def _new_client(self) -> PahoClient:
        connection = self._connection
        fields = sign_in(
            connection.product_key,
            connection.device_key,
            connection.device_secret.reveal(),
            client_id=connection.client_id or connection.device_key,
            timestamp=time.time_ns() // 1_000_000,
            compression=connection.compression,
        )
        client = PahoClient(
            self._inbox, fields.client_id, self._rate, CONNECT_TIMEOUT, tls=connection.tls
        )
        client.username_pw_set(fields.username, fields.password)
        if connection.tls:
            set_tls(client, connection)
        return client

    def _take(self, timeout: float) -> Any:
        try:
            return self._inbox.get(timeout=max(0.0, timeout))
        except Empty:
            return None

    def _reach(self, client: PahoClient) -> None:
        connection = self._connection
        try:
            client.connect_async(connection.host, int(connection.port or 0), self._keepalive)
        except (OSError, ValueError) as error:
            raise self._failed(of_error(error, tls=connection.tls)) from error
        client.is_reaching = True
        try:
            client.loop_start()
        except RuntimeError as error:  # the interpreter is ending, or the system at a limit
            client._thread, client.is_reaching = None, False
            raise self._failed(Failure(f"no thread can be started ({error})", True)) from error
        why = self._await(client, "reached", "the connect", "", REACH_TIMEOUT)
        if why is not None:
            raise self._failed(of_error(why, tls=connection.tls)) from why

    def _await(
        self,
        client: PahoClient,
        what: str,
        asked: str,
        perhaps: str = "",
        timeout: float | None = None,
    ) -> Any:
        """Return what comes with an event; ``asked`` and ``perhaps`` are words if it never does."""
        timeout = CONNECT_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if self._is_stopped():
                raise ConnectError(f"{self._where}: interrupted while connecting")
            match self._take(min(left, NOTICE)):
                case (str() as name, value) if name == what:
                    return value
                case Lost(reason):
                    told = f"the connection was closed before {asked} was answered{perhaps}"
                    raise self._failed(Failure(f"{told} ({reason})", client.is_final))
        raise self._failed(Failure(f"no answer within {timeout:.0f} s to {asked}{perhaps}"))

    def _await_sign_in(self, client: PahoClient) -> None:
        perhaps = (
            "of another service, or where a client certificate (cert_file, key_file) is missing or "
            "rejected"
            if self._connection.tls
            else "with TLS, or of another service"
        )
        code = self._await(client, "signed in", "the sign-in", f", as at a port {perhaps}")
        if code:
            refused = of_refusal(code)
            raise self._failed(Failure(f"sign-in refused: {refused.words}", refused.is_final))

    def _subscribe(self, client: PahoClient) -> None:
        _, asked = client.subscribe([(topic, 1) for topic in self._topics])
        answered, codes = None, []
        while answered != asked:  # an answer to another question is none to this one
            answered, codes = self._await(
                client, "subscribed", "the subscription to the reply topic"
            )
        if why := self._not_granted(codes):
            raise self._failed(Failure(why))

    def _not_granted(self, codes: Sequence[Any]) -> str:
        """Return what is wrong with the answer to a subscription; the empty text for nothing."""
        for topic, code in zip_longest(self._topics, codes[: len(self._topics)]):
            if code is None:
                return f"the subscription to {topic} was answered without a code"
            if code.is_failure:
                return f"the subscription to {topic} was not granted"
        return ""

    def _failed(self, failure: Failure) -> ConnectError:
        return ConnectError(f"{self._where}: {failure.words}", failure.is_final)
