"""The connections of the rehearsal platform's clients, on asyncio.

A shell: moves bytes between a socket and the rules, and decides nothing. Whatever a client sends,
it takes up no more than its bounds, and costs other clients nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from . import mqtt
from .faults import Fault, Outbox, course_of
from .platform import ACCEPTED, Platform
from .topics import Due, Subscriber
from .world import Device

__all__ = ["Bounds", "Client", "Host", "now_ms"]

_UNKNOWN_LEVEL: Final = 1  # CONNACK: unacceptable protocol version
_REFUSED_FILTER: Final = 0x80
_LARGE: Final = 16_777_216  # a packet up to this size is answered with a code [bytes]
# SO_LINGER, on, 0 s: closing sends a reset instead of a FIN.
_RESET: Final = struct.pack("ii", 1, 0)


def now_ms() -> int:
    """Return the time in milliseconds."""
    return time.time_ns() // 1_000_000


class Bounds(NamedTuple):
    """Bounds of what a client may take up.

    Parameters
    ----------
    handshake : float
        Time for a CONNECT after the socket opened, however it arrives. [s]
    connect_bytes : int
        Largest CONNECT. [bytes]
    unsent_bytes : int
        Replies waiting for a client that does not read. [bytes]
    farewell : float
        Time for a client to read the rest after its connection has ended. [s]
    """

    handshake: float = 10.0
    connect_bytes: int = 65_536
    unsent_bytes: int = 4_194_304
    farewell: float = 5.0


class Host(Protocol):
    """The server of a client."""

    platform: Platform
    bounds: Bounds
    clients: dict[Device, Client]
    kept: dict[Device, Subscriber]
    open: set[Client]
    outbox: Outbox

    @property
    def is_away(self) -> bool:
        """True while every connection is refused."""

    @property
    def is_stalled(self) -> bool:
        """True while everything is paused."""

    def do(self, action: Callable[[], None]) -> None:
        """Run an action now or, during a stall, afterwards and in order."""

    def stall(self, seconds: float) -> bool:
        """Pause everything."""

    def kick(self, product_key: str, device_key: str) -> bool:
        """Close the connection of a device."""

    def away(self, seconds: float) -> bool:
        """Close all connections, and refuse new connections."""


class Client(asyncio.Protocol):
    """A socket: unknown before its CONNECT, afterwards the session of a device.

    Parameters
    ----------
    host : Host
        The server.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._platform = host.platform
        self._decoder = mqtt.Decoder(host.bounds.connect_bytes, begins=True)
        self._device: Device | None = None
        self._session = -1
        self._subscriber = Subscriber("", is_kept=False)
        self._will: mqtt.Will | None = None
        self._silence: float | None = host.bounds.handshake
        self._heard_at = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Await the CONNECT."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport
        with contextlib.suppress(OSError):
            # Otherwise a reply waits for the client's delayed acknowledgement.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host.open.add(self)
        if self._host.is_stalled:
            self.pause()
        self._heard_at = asyncio.get_running_loop().time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the end of the session, unless already recorded."""
        self.close("lost")

    def data_received(self, data: bytes) -> None:
        """Take bytes; close the connection of a client that breaks the protocol."""
        # Bytes of a stranger are no sign of life: a CONNECT may not drip in for ever.
        if self._device is not None:
            self._heard_at = asyncio.get_running_loop().time()
        self._decoder.put(data)
        self._host.do(self._follow_all)

    def pause(self) -> None:
        """Stop reading; once the buffers are full, further data stays with the client."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read again; the pause does not count as silence of the client."""
        self._heard_at = asyncio.get_running_loop().time()
        self._transport.resume_reading()

    def close(self, how: str) -> None:
        """End the session, if any, and close the socket; publish the will of a lost session."""
        if self._watch is not None:
            self._watch.cancel()
        self._host.open.discard(self)
        if (device := self._device) is not None:
            self._device = None
            self._platform.end(self._session, how, now_ms())
            if self._host.clients.get(device) is self:
                del self._host.clients[device]
            if (will := self._will) is not None and how != "disconnected":
                self._host.do(lambda: self._publish_will(device, will))
        self._transport.close()
        if self._transport.get_write_buffer_size():
            # A client that does not read would keep its socket open for ever.
            loop = asyncio.get_running_loop()
            loop.call_later(self._host.bounds.farewell, self._transport.abort)

    def reset(self) -> None:
        """End the session with a TCP reset: data on the way may be lost."""
        with contextlib.suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RESET
            )
        self._transport.abort()
        self.close("reset")

    def deliver(self, topic: str, payload: bytes) -> None:
        """Send a message if the client has subscribed to its topic, as the platform does."""
        if due := self._subscriber.due(topic, payload):
            self._send_due(due)

    def _send_due(self, due: Due, *, again: bool = False) -> None:
        if self._device is not None:
            payload = self._platform.travels(self._device, due.payload)
            self._send(mqtt.Publish(due.topic, payload, due.qos, due.packet_id, again))

    def _look(self) -> None:
        """Close the connection after too long a silence; otherwise schedule the next look."""
        if self._silence is None:
            return
        loop = asyncio.get_running_loop()
        if self._host.is_stalled:
            self._watch = loop.call_later(self._silence, self._look)
        elif loop.time() >= self._heard_at + self._silence:
            self.close("timed out")
        else:
            self._watch = loop.call_at(self._heard_at + self._silence, self._look)

    def _follow_all(self) -> None:
        """Follow the packets that are whole; one that stalls everything lets the rest wait."""
        try:
            while not self._transport.is_closing() and (packet := self._decoder.next()) is not None:
                self._follow(packet)
                if self._host.is_stalled:
                    self._host.do(self._follow_all)
                    return
        except mqtt.PacketError:
            self.close("protocol error")

    def _follow(self, packet: mqtt.Packet) -> None:
        if self._device is None:
            if isinstance(packet, mqtt.Connect):
                self._connect(packet)
            return
        match packet:
            case mqtt.Publish():
                self._publish(self._device, packet)
            case mqtt.Subscribe():
                self._send(mqtt.Suback(packet.packet_id, self._subscribe(self._device, packet)))
            case mqtt.Unsubscribe():
                for name in packet.filters:
                    self._subscriber.unsubscribe(name)
                self._send(mqtt.Unsuback(packet.packet_id))
            case mqtt.Ping():
                self._send(mqtt.Pong())
            case mqtt.Disconnect():
                self.close("disconnected")
            case mqtt.Puback():
                self._subscriber.acknowledged(packet.packet_id)
            case _:
                raise mqtt.PacketError(f"a client does not send {type(packet).__name__}")

    def _connect(self, packet: mqtt.Connect) -> None:
        if packet.level != mqtt.LEVEL:
            self._send(mqtt.Connack(_UNKNOWN_LEVEL))
            self.close("protocol error")
            return
        admission = self._platform.connect(
            packet.client_id,
            packet.username,
            packet.password,
            now_ms(),
            keepalive=packet.keepalive,
            away=self._host.is_away,
        )
        if admission.code != ACCEPTED:
            self._send(mqtt.Connack(admission.code))
            self.close("refused")
            return
        if former := self._host.clients.pop(admission.device, None):
            former.close("taken over")
        self._begin(admission.device, admission.session, packet)

    def _begin(self, device: Device, session: int, packet: mqtt.Connect) -> None:
        """Begin the session of a device, or take up a session that was kept."""
        self._device, self._session, self._will = device, session, packet.will
        self._host.clients[device] = self
        self._decoder.max_bytes = _largest(self._platform.world.limits.max_bytes)
        if self._watch is not None:
            self._watch.cancel()
        # MQTT 3.1.1, 3.1.2.10: one and a half times the keepalive; 0 switches it off.
        self._silence = packet.keepalive * 1.5 or None
        self._heard_at = asyncio.get_running_loop().time()
        self._look()
        kept = self._host.kept.pop(device, None)
        is_back = kept is not None and not packet.clean and kept.client_id == packet.client_id
        if kept is not None and is_back:
            self._subscriber = kept
        else:
            self._subscriber = Subscriber(packet.client_id, is_kept=not packet.clean)
        if not packet.clean:
            self._host.kept[device] = self._subscriber
        self._send(mqtt.Connack(ACCEPTED, is_back))
        for due in self._subscriber.unacknowledged():
            self._send_due(due, again=True)

    def _publish(self, device: Device, packet: mqtt.Publish) -> None:
        fault = self._platform.draw(packet.topic)
        if fault is not None and fault.kind == "stall":
            self._host.stall(fault.seconds)
        self._host.do(lambda: self._handle(device, packet, fault))

    def _handle(self, device: Device, packet: mqtt.Publish, fault: Fault | None) -> None:
        course = course_of(fault)
        if packet.qos and course.acknowledged:
            self._send(mqtt.Puback(packet.packet_id))
        if course.handled:
            code = 0 if fault is None else fault.code
            reply = self._platform.receive(device, packet.topic, packet.payload, now_ms(), code)
            if reply is not None and course.replied:
                self._host.outbox.put(device, packet.topic + "_reply", reply, fault)
        match course.ending:
            case "reset":
                self.reset()
            case "kick":
                self._host.kick(*device)
            case "away" if fault is not None:
                self._host.away(fault.seconds)

    def _publish_will(self, device: Device, will: mqtt.Will) -> None:
        reply = self._platform.receive(device, will.topic, will.payload, now_ms(), is_will=True)
        if reply is not None:
            self._host.outbox.put(device, will.topic + "_reply", reply, None)

    def _subscribe(self, device: Device, packet: mqtt.Subscribe) -> tuple[int, ...]:
        codes = []
        for name, wish in packet.filters:
            qos = min(wish, 1)
            may = self._platform.may_subscribe(device, name)
            codes.append(qos if may and self._subscriber.subscribe(name, qos) else _REFUSED_FILTER)
        return tuple(codes)

    def _send(self, packet: mqtt.Packet) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(mqtt.encode(packet))
        if self._transport.get_write_buffer_size() > self._host.bounds.unsent_bytes:
            self._transport.abort()
            self.close("does not read")


def _largest(max_bytes: int | None) -> int:
    """Return the size of the largest packet of a device that has signed in."""
    return mqtt.MAX_PACKET if max_bytes is None else max(_LARGE, 2 * max_bytes)
