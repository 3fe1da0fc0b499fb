"""The rehearsal platform's own MQTT 3.1.1 endpoint, on asyncio.

A shell: it moves bytes between sockets and the rules, keeps the time, and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Final

from . import mqtt
from .platform import ACCEPTED, Platform
from .topics import topic_matches
from .world import Device

__all__ = ["serve"]

_HANDSHAKE: Final = 10.0  # for a CONNECT after the socket opened [s]
_UNKNOWN_LEVEL: Final = 1  # CONNACK: unacceptable protocol version
_REFUSED_FILTER: Final = 0x80


def now_ms() -> int:
    """Return the time in milliseconds."""
    return time.time_ns() // 1_000_000


async def serve(
    platform: Platform,
    host: str,
    port: int,
    ready: Callable[[str, int], None],
    until: asyncio.Event,
) -> None:
    """Serve a platform until an event is set.

    Parameters
    ----------
    platform : Platform
        The rules.
    host, port : str, int
        Where to listen; port 0 lets the system choose.
    ready : callable
        Called with the address once clients can connect.
    until : asyncio.Event
        Ends the service.

    Raises
    ------
    OSError
        If the address cannot be listened on.
    """
    clients: dict[Device, _Client] = {}
    open_clients: set[_Client] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Client(platform, clients, open_clients), host, port, family=socket.AF_UNSPEC
    )
    ready(*server.sockets[0].getsockname()[:2])
    await until.wait()
    server.close()
    for client in list(open_clients):
        client.close("lost")
    # A client that reads no more holds nothing up.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.wait_closed(), 1.0)


class _Client(asyncio.Protocol):
    """One socket: before its CONNECT a stranger, afterwards a device's session."""

    def __init__(
        self, platform: Platform, clients: dict[Device, _Client], open_clients: set[_Client]
    ) -> None:
        self._platform = platform
        self._clients = clients
        self._open = open_clients
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
            # Without it a reply waits for the client's delayed acknowledgement.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(self)
        self._heard_at = asyncio.get_running_loop().time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the device is gone, unless that is known."""
        self.close("lost")

    def data_received(self, data: bytes) -> None:
        """Take bytes; a client that breaks the protocol is put off."""
        self._heard_at = asyncio.get_running_loop().time()
        try:
            for packet in self._decoder.feed(data):
                self._take(packet)
                if self._transport.is_closing():
                    return
        except mqtt.PacketError:
            self.close("protocol error")

    def close(self, how: str) -> None:
        """End the session, if there is one, and close the socket."""
        if self._watch is not None:
            self._watch.cancel()
        self._open.discard(self)
        if self._device is not None:
            self._platform.end(self._session, how, now_ms())
            if self._clients.get(self._device) is self:
                del self._clients[self._device]
            self._device = None
        self._transport.close()

    def _look(self) -> None:
        """Close the connection if nothing was heard for too long; look again when it would be."""
        if self._silence is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._heard_at + self._silence:
            self.close("timed out")
        else:
            self._watch = loop.call_at(self._heard_at + self._silence, self._look)

    def _take(self, packet: mqtt.Packet) -> None:
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
            packet.client_id, packet.username, packet.password, now_ms()
        )
        if admission.code != ACCEPTED:
            self._send(mqtt.Connack(admission.code))
            self.close("refused")
            return
        if former := self._clients.pop(admission.device, None):
            former.close("taken over")
        self._device, self._session = admission.device, admission.session
        self._clients[admission.device] = self
        if self._watch is not None:
            self._watch.cancel()
        # MQTT 3.1.1, 3.1.2.10: one and a half times the keepalive; 0 switches it off.
        self._silence = packet.keepalive * 1.5 or None
        self._look()
        self._send(mqtt.Connack(ACCEPTED))

    def _publish(self, device: Device, packet: mqtt.Publish) -> None:
        if packet.qos:
            self._send(mqtt.Puback(packet.packet_id))
        reply = self._platform.receive(device, packet.topic, packet.payload, now_ms())
        if reply is not None:
            self._deliver(packet.topic + "_reply", reply)

    def _deliver(self, topic: str, payload: bytes) -> None:
        """Send a message if the client asked for it; as the platform, nothing to others."""
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
        self._transport.write(mqtt.encode(packet))
