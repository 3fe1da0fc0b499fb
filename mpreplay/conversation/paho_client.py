"""The client of paho-mqtt, as the transport uses it. A shell, and the home of paho.

paho's network thread makes the connection and reads what comes; callbacks put events on a queue.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import sys
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel

from ..errors import ConfigError, TransportError
from ..protocol.pieces import Pieces
from .failures import of_loss
from .transport import Lost, Message

if TYPE_CHECKING:
    from ..settings import Connection

__all__ = ["PahoClient", "set_tls"]

_PUBLISH: Final = 0x32  # first byte of a publish at QoS 1
LARGE: Final = 65_536  # bytes of a message from which on a copy costs more than two more sends
SEEN_OFF: Final = 1.0  # longest wait for the other side to close after a goodbye [s]


class PahoClient(mqtt.Client):
    """paho's client, whose network thread makes the connection and survives any message.

    Parameters
    ----------
    inbox : SimpleQueue
        The queue for all events.
    client_id : str
        The client id of the sign-in.
    rate : float, optional
        Rate limit for the kernel. [bytes/s]
    timeout : float
        Wait for each step of making the connection. [s]
    tls : bool
        True if the connection is encrypted.
    """

    def __init__(
        self,
        inbox: SimpleQueue[Any],
        client_id: str,
        rate: float | None,
        timeout: float,
        *,
        tls: bool,
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        self.is_wanted = True  # False once the caller has closed the connection
        self.is_left = False  # True once the caller has gone on without the thread's end
        self.is_reaching = False  # True while the connection is being made
        self.is_final = False  # of the loss: True if trying again cannot help
        self.connect_timeout = timeout
        self.max_inflight_messages_set(65_535)  # the window is the session's
        self._tell = inbox.put
        self._rate = rate
        self._is_encrypted = tls
        self._is_alien = False  # True once a packet broke the protocol
        self._outgoing: bytes | Pieces | None = None  # what is being published
        self._head = b""  # of the latest packet: its first byte, and the first three of its body
        self._failures: list[str] = []  # errors, which paho logs and does not hand over
        self.on_log = lambda _c, _u, level, text: (
            self._failures.append(text) if level == LogLevel.MQTT_LOG_ERR else None
        )
        self.on_socket_open = lambda _c, _u, sock: self._use(sock)
        self.on_socket_close = lambda _c, _u, sock: self._see_off(sock)
        self.on_connect = lambda _c, _u, _f, code, _p: self._tell(("signed in", self._code(code)))
        self.on_subscribe = lambda _c, _u, mid, codes, _p: self._tell(("subscribed", (mid, codes)))
        self.on_disconnect = lambda _c, _u, _f, code, _p: self._lose(code.value)
        self.on_publish = lambda _c, _u, mid, _r, _p: self._tell(("acknowledged", mid))
        # Runs in paho's network thread: hand the bytes over, touch nothing else.
        self.on_message = lambda _c, _u, m: self._tell(Message(_topic_of(m), bytes(m.payload)))

    def reconnect(self) -> Any:
        """Make the connection, and tell the end of it."""
        try:
            done = super().reconnect()
        except Exception as error:
            self.disconnect()  # else paho would try again
            if (sock := self.socket()) is not None:
                sock.close()
            self.is_reaching = False
            self._tell(("reached", error.with_traceback(None)))
            raise ConnectionError from None  # what paho takes for the end of an attempt
        self.is_reaching = False
        self._tell(("reached", None))
        return done

    def loop_forever(self, *given: Any, **named: Any) -> Any:
        """Serve the connection; an abandoned thread closes its sockets."""
        try:
            return super().loop_forever(*given, **named)
        finally:
            if self.is_left:
                self.release()

    def release(self) -> None:
        """Close all sockets, those between paho's threads too, which paho leaves to the garbage."""
        self._reset_sockets()

    def send(self, topic: str, payload: bytes | Pieces) -> int:
        """Publish at QoS 1, and return the packet id.

        Offline is no failure here: the loss of the connection has its own event.
        """
        self._outgoing = payload
        info = self.publish(topic, qos=1)  # paho keeps what it is given until it is acknowledged
        if info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):
            raise TransportError(f"{topic}: {mqtt.error_string(info.rc)}")
        return info.mid

    def _send_publish(self, mid: int, topic: bytes, *_given: Any, **_named: Any) -> Any:
        """Queue the message handed to :meth:`send`; one that is large, without a copy of it."""
        payload, self._outgoing = self._outgoing, None
        if self._sock is None or payload is None:
            return mqtt.MQTT_ERR_NO_CONN
        head = bytearray([_PUBLISH])
        self._pack_remaining_length(head, 2 + len(topic) + 2 + len(payload))
        self._pack_str16(head, topic)
        head += mid.to_bytes(2, "big")
        given = [payload] if isinstance(payload, bytes) else payload
        packet = Pieces([head, *given])
        if len(payload) < LARGE:
            return self._packet_queue(_PUBLISH, bytes(packet), mid, 1)
        return self._packet_queue(_PUBLISH, packet, mid, 1)

    def _packet_queue(self, command: Any, packet: Any, *more: Any) -> Any:
        """Queue a packet such that paho copies no rest of it while sending it piece by piece."""
        whole: Any = packet if isinstance(packet, Pieces) else memoryview(packet)
        return super()._packet_queue(command, whole, *more)

    def _ssl_wrap_socket(self, tcp_sock: Any) -> Any:
        """Shake hands, and close the socket if that fails; paho leaves it open."""
        context: Any = self._ssl_context
        sock = context.wrap_socket(
            tcp_sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        try:
            sock.settimeout(self.connect_timeout)
            sock.do_handshake()
        except BaseException:
            sock.close()
            raise
        return sock

    def _packet_handle(self) -> Any:
        """Read a packet: one that cannot be read ends the connection, and not the thread."""
        self._head = bytes([self._in_packet["command"], *self._in_packet["packet"][:3]])
        try:
            return super()._packet_handle()
        except Exception as error:  # paho's parser raises whatever comes
            self._failures[:] = [str(error) or type(error).__name__]
            return mqtt.MQTT_ERR_PROTOCOL

    def _loop_rc_handle(self, rc: Any, *more: Any) -> Any:
        """Note why a connection ends: not every version of paho tells it apart."""
        self._is_alien = self._is_alien or rc == mqtt.MQTT_ERR_PROTOCOL
        return super()._loop_rc_handle(rc, *more)

    def _use(self, sock: Any) -> None:
        if not self.is_wanted:
            raise ConnectionError("closed while the connection was made")
        _set_options(sock, self._rate)

    def _see_off(self, sock: Any) -> None:
        """Wait for the other side to close the connection: the end of the session.

        Otherwise the next client would take over a session that seems to be alive.
        """
        if self.is_wanted or self.is_reaching or self.is_left:
            return
        end = time.monotonic() + SEEN_OFF
        with contextlib.suppress(OSError, ValueError):
            sock.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                sock.settimeout(left)
                if not sock.recv(65_536):
                    return

    def _code(self, code: Any) -> int:
        """Return the code of a sign-in as it was sent: paho makes reason codes of MQTT 5 of it."""
        return self._head[2] if self._is_connack else int(code.value)

    @property
    def _is_connack(self) -> bool:
        return len(self._head) == 3 and self._head[:1] == _CONNACK

    def _lose(self, code: int) -> None:
        is_alien = self._is_alien or code == _PROTOCOL
        if is_alien and self._is_connack and self._head[2]:
            self._tell(("signed in", self._head[2]))  # paho drops the connection, and the code
            return
        first_byte = self._head[0] if is_alien and self._head else None
        words, self.is_final = of_loss(
            self._failures, first_byte=first_byte, tls=self._is_encrypted
        )
        words = "no answer to a ping" if code == _SILENT else words
        is_orderly = not is_alien and _is_closed_by_peer(code, self._failures)
        self._tell(Lost(words, is_orderly))


def _topic_of(message: Any) -> str:
    """Return the topic of a message; the empty text if it is no UTF-8, as no topic may be."""
    try:
        return str(message.topic)
    except UnicodeDecodeError:
        return ""


# paho's own codes for the end of a connection.
_CLOSED: Final = 128  # closed by the other side, or failed with an error that was logged
_PROTOCOL: Final = 130  # a packet that cannot be read
_SILENT: Final = 141  # the other side has not answered a ping
_CONNACK: Final = b"\x20"  # first byte of the answer to a sign-in
# Error of a send after the other side closed the connection in order.
_AFTER_THE_END: Final = f"[Errno {errno.EPIPE}]"


def _is_closed_by_peer(code: int, failures: list[str]) -> bool:
    return code == _CLOSED and all(_AFTER_THE_END in text for text in failures)


# The socket option for the rate of TCP, in bytes a second; Python has no name for it.
_SO_MAX_PACING_RATE: Final = 47 if sys.platform == "linux" else None
PACE: Final = 0.98  # of the limit: headers and the grain of the kernel's clock come on top


def _set_options(sock: Any, rate: float | None) -> None:
    with contextlib.suppress(OSError, AttributeError):
        # Nagle's algorithm against delayed acknowledgements: 32 messages/s instead of 1,686.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if rate is not None and _SO_MAX_PACING_RATE is not None:
            sock.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, max(1, int(PACE * rate)))


def set_tls(client: PahoClient, connection: Connection) -> None:
    """Let a client encrypt, with the files of a connection.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    try:
        # With a password, if an empty one, OpenSSL does not ask for one at the terminal.
        client.tls_set(
            connection.ca_file, connection.cert_file, connection.key_file, keyfile_password=""
        )
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(f"the TLS files cannot be used: {error}") from error
