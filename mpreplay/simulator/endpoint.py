"""The rehearsal platform's own MQTT 3.1.1 endpoint, on asyncio.

A shell: moves bytes between sockets and the rules, keeps the time, and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from . import mqtt
from .faults import Fault, Outbox, course_of
from .platform import ACCEPTED, Platform
from .topics import topic_matches
from .world import Device

__all__ = ["Endpoint"]

_HANDSHAKE: Final = 10.0  # for a CONNECT after the socket opened [s]
_UNKNOWN_LEVEL: Final = 1  # CONNACK: unacceptable protocol version
_REFUSED_FILTER: Final = 0x80
# SO_LINGER, on, 0 s: closing sends a reset instead of a FIN.
_RESET: Final = struct.pack("ii", 1, 0)


def now_ms() -> int:
    """Return the time in milliseconds."""
    return time.time_ns() // 1_000_000


class Endpoint:
    """The sockets of a platform; made and used within a single event loop.

    Parameters
    ----------
    platform : Platform
        The rules.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.clients: dict[Device, _Client] = {}
        self.open: set[_Client] = set()
        self.outbox = Outbox(self._deliver, self._later)
        self._loop = asyncio.get_running_loop()
        self._stalled_until = 0.0
        self._waiting: list[Callable[[], None]] = []
        self._waker: asyncio.TimerHandle | None = None
        self._away_until = 0.0

    async def serve(
        self, host: str, port: int, ready: Callable[[str, int], None], until: asyncio.Event
    ) -> None:
        """Serve the platform until an event is set.

        Parameters
        ----------
        host, port : str, int
            Address to listen on; port 0 lets the system choose.
        ready : callable
            Called with the address once clients can connect.
        until : asyncio.Event
            Ends the service.

        Raises
        ------
        OSError
            If the address is not available.
        """
        server = await self._loop.create_server(
            lambda: _Client(self), host, port, family=socket.AF_UNSPEC
        )
        ready(*server.sockets[0].getsockname()[:2])
        await until.wait()
        server.close()
        for client in list(self.open):
            client.close("lost")
        # A client that has stopped reading must not delay the end.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1.0)

    def kick(self, product_key: str, device_key: str) -> bool:
        """Close the connection of a device, as a takeover does; return True if it was connected."""
        client = self.clients.get((product_key, device_key))
        if client is not None:
            client.close("kicked")
        return client is not None

    def away(self, seconds: float) -> bool:
        """Close all connections, and refuse new connections, for a number of seconds."""
        self._away_until = max(self._away_until, self._loop.time() + seconds)
        for client in list(self.clients.values()):
            client.close("kicked")
        return True

    @property
    def is_away(self) -> bool:
        """True while every connection is refused."""
        return self._loop.time() < self._away_until

    def stall(self, seconds: float) -> bool:
        """Pause everything for a number of seconds: nothing is read and nothing is sent."""
        until = self._loop.time() + seconds
        if until > self._stalled_until:
            self._stalled_until = until
            if self._waker is not None:
                self._waker.cancel()
            self._waker = self._loop.call_at(until, self._wake)
            for client in self.open:
                client.pause()
        return True

    @property
    def is_stalled(self) -> bool:
        """True while everything is paused."""
        return self._stalled_until > 0.0

    def do(self, action: Callable[[], None]) -> None:
        """Run an action now or, during a stall, afterwards and in order."""
        if self.is_stalled:
            self._waiting.append(action)
        else:
            action()

    def _wake(self) -> None:
        self._stalled_until = 0.0
        for client in self.open:
            client.resume()
        waiting, self._waiting = self._waiting, []
        # An action may stall again; the actions after it then wait, in order.
        for action in waiting:
            self.do(action)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._loop.call_later(seconds, self.do, action)

    def _deliver(self, device: Device, topic: str, payload: bytes) -> None:
        """Send a reply through the device's current session."""
        if client := self.clients.get(device):
            client.deliver(topic, payload)


class _Client(asyncio.Protocol):
    """A socket: unknown before its CONNECT, afterwards the session of a device."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._platform = endpoint.platform
        self._decoder = mqtt.Decoder()
        self._device: Device | None = None
        self._session = -1
        self._filters: dict[str, int] = {}
        self._packet_id = 0
        self._silence: float | None = _HANDSHAKE
        self._heard_at = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Await the CONNECT."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport
        with contextlib.suppress(OSError):
            # Otherwise a reply waits for the client's delayed acknowledgement.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._endpoint.open.add(self)
        if self._endpoint.is_stalled:
            self.pause()
        self._heard_at = asyncio.get_running_loop().time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the end of the session, unless already recorded."""
        self.close("lost")

    def data_received(self, data: bytes) -> None:
        """Take bytes; close the connection of a client that breaks the protocol."""
        self._heard_at = asyncio.get_running_loop().time()
        try:
            packets = self._decoder.feed(data)
        except mqtt.PacketError:
            self._endpoint.do(lambda: self.close("protocol error"))
            return
        for packet in packets:
            # A packet may stall everything: the packets behind it wait.
            self._endpoint.do(partial(self._take, packet))

    def pause(self) -> None:
        """Stop reading; once the buffers are full, further data stays with the client."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read again; the pause does not count as silence of the client."""
        self._heard_at = asyncio.get_running_loop().time()
        self._transport.resume_reading()

    def close(self, how: str) -> None:
        """End the session, if any, and close the socket."""
        if self._watch is not None:
            self._watch.cancel()
        self._endpoint.open.discard(self)
        if self._device is not None:
            self._platform.end(self._session, how, now_ms())
            if self._endpoint.clients.get(self._device) is self:
                del self._endpoint.clients[self._device]
            self._device = None
        self._transport.close()

    def reset(self) -> None:
        """End the session with a TCP reset: data on the way may be lost."""
        with contextlib.suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RESET
            )
        self._transport.abort()
        self.close("reset")

    def _look(self) -> None:
        """Close the connection after too long a silence; otherwise schedule the next look."""
        if self._silence is None:
            return
        loop = asyncio.get_running_loop()
        if self._endpoint.is_stalled:
            self._watch = loop.call_later(self._silence, self._look)
        elif loop.time() >= self._heard_at + self._silence:
            self.close("timed out")
        else:
            self._watch = loop.call_at(self._heard_at + self._silence, self._look)

    def _take(self, packet: mqtt.Packet) -> None:
        if self._transport.is_closing():
            return
        try:
            self._follow(packet)
        except mqtt.PacketError:
            self.close("protocol error")

    def _follow(self, packet: mqtt.Packet) -> None:
        if self._device is None:
            if not isinstance(packet, mqtt.Connect):
                raise mqtt.PacketError("the first packet is a CONNECT")
            self._connect(packet)
            return
        match packet:
            case mqtt.Publish():
                self._publish(self._device, packet)
            case mqtt.Subscribe():
                self._send(mqtt.Suback(packet.packet_id, self._subscribe(self._device, packet)))
            case mqtt.Unsubscribe():
                for name in packet.filters:
                    self._filters.pop(name, None)
                self._send(mqtt.Unsuback(packet.packet_id))
            case mqtt.Ping():
                self._send(mqtt.Pong())
            case mqtt.Disconnect():
                self.close("disconnected")
            case mqtt.Puback():
                pass  # TCP has delivered the reply; nothing is sent again within a session
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
            away=self._endpoint.is_away,
        )
        if admission.code != ACCEPTED:
            self._send(mqtt.Connack(admission.code))
            self.close("refused")
            return
        if former := self._endpoint.clients.pop(admission.device, None):
            former.close("taken over")
        self._device, self._session = admission.device, admission.session
        self._endpoint.clients[admission.device] = self
        if self._watch is not None:
            self._watch.cancel()
        # MQTT 3.1.1, 3.1.2.10: one and a half times the keepalive; 0 switches it off.
        self._silence = packet.keepalive * 1.5 or None
        self._look()
        self._send(mqtt.Connack(ACCEPTED))

    def _publish(self, device: Device, packet: mqtt.Publish) -> None:
        fault = self._platform.draw(packet.topic)
        if fault is not None and fault.kind == "stall":
            self._endpoint.stall(fault.seconds)
        self._endpoint.do(lambda: self._handle(device, packet, fault))

    def _handle(self, device: Device, packet: mqtt.Publish, fault: Fault | None) -> None:
        course = course_of(fault)
        if packet.qos and course.acknowledged:
            self._send(mqtt.Puback(packet.packet_id))
        if course.handled:
            code = 0 if fault is None else fault.code
            reply = self._platform.receive(device, packet.topic, packet.payload, now_ms(), code)
            if reply is not None and course.replied:
                self._endpoint.outbox.put(device, packet.topic + "_reply", reply, fault)
        match course.ending:
            case "reset":
                self.reset()
            case "kick":
                self._endpoint.kick(*device)
            case "away" if fault is not None:
                self._endpoint.away(fault.seconds)

    def deliver(self, topic: str, payload: bytes) -> None:
        """Send a message if the client has subscribed to its topic, as the platform does."""
        granted = [qos for name, qos in self._filters.items() if topic_matches(name, topic)]
        if not granted:
            return
        self._packet_id = self._packet_id % 65_535 + 1
        self._send(mqtt.Publish(topic, payload, max(granted), self._packet_id))

    def _subscribe(self, device: Device, packet: mqtt.Subscribe) -> tuple[int, ...]:
        codes = []
        for name, qos in packet.filters:
            if self._platform.may_subscribe(device, name):
                self._filters[name] = min(qos, 1)
                codes.append(min(qos, 1))
            else:
                codes.append(_REFUSED_FILTER)
        return tuple(codes)

    def _send(self, packet: mqtt.Packet) -> None:
        if not self._transport.is_closing():
            self._transport.write(mqtt.encode(packet))
