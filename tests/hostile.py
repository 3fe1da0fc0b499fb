"""A platform on loopback that breaks the rules as a test says, in the simulator's MQTT frames."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

import mpreplay as mp
from mpreplay.simulator import mqtt

PATIENCE = 10.0  # for a thread of the platform to end [s]
Saying = mqtt.Packet | bytes


class Wire:
    """One connection of a client, as the platform sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._packet_ids = iter(range(1, 65_536))

    def send(self, *said: Saying) -> None:
        """Send packets, or any bytes, in one piece."""
        self._sock.sendall(
            b"".join(one if isinstance(one, bytes) else mqtt.encode(one) for one in said)
        )

    def message(self, topic: str, payload: bytes) -> None:
        """Send a message at QoS 1."""
        self.send(mqtt.Publish(topic, payload, 1, next(self._packet_ids)))

    def reply(self, to: mqtt.Publish, code: int = 200, **more: Any) -> None:
        """Answer a request on its reply topic."""
        request_id = orjson.loads(to.payload)["id"]
        self.message(f"{to.topic}_reply", orjson.dumps({"id": request_id, "code": code, **more}))

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection in order, or with a reset."""
        with contextlib.suppress(OSError):
            if reset:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def packets(self) -> Iterator[mqtt.Packet]:
        """Yield what the client sends, until the connection ends."""
        decoder = mqtt.Decoder()
        with contextlib.suppress(OSError, mqtt.PacketError):
            while data := self._sock.recv(65_536):
                yield from decoder.feed(data)


def greet(wire: Wire, _: mqtt.Connect) -> None:
    """Let the client in."""
    wire.send(mqtt.Connack(0))


def grant(wire: Wire, asked: mqtt.Subscribe) -> None:
    """Grant a subscription."""
    wire.send(mqtt.Suback(asked.packet_id, tuple(1 for _ in asked.filters)))


def accept(wire: Wire, request: mqtt.Publish) -> None:
    """Acknowledge a request, and answer 200."""
    wire.send(mqtt.Puback(request.packet_id))
    wire.reply(request)


def ignore(_wire: Wire, _packet: Any) -> None:
    """Say nothing."""


@dataclass
class Hostile:
    """The platform: what it does with each kind of packet, and what it has seen.

    ``request`` is asked for publishes to the batch topic, ``login`` for sign-ins of sub-devices.
    """

    connect: Callable[[Wire, mqtt.Connect], None] = greet
    subscribe: Callable[[Wire, mqtt.Subscribe], None] = grant
    request: Callable[[Wire, mqtt.Publish], None] = accept
    login: Callable[[Wire, mqtt.Publish], None] = accept
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    n_connects: int = 0
    requests: list[mqtt.Publish] = field(default_factory=list)
    logins: list[mqtt.Publish] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def connection(self) -> mp.Connection:
        """The gateway's connection."""
        return mp.Connection(
            self.host, self.port, product_key="gateway", device_key="gw-1", device_secret="s",
            tls=self.tls is not None,
        )  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator[Hostile]:
        """Serve on a port of the system's choice; leave no thread behind."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
            self._start(self._take_in, server)
            try:
                yield self
            finally:
                server.shutdown(socket.SHUT_RDWR)
                for wire in self.wires:
                    wire.hang_up()
                for thread in self._threads:
                    thread.join(PATIENCE)

    def _start(self, what: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=what, args=arguments, daemon=True))
        self._threads[-1].start()

    def _take_in(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(self._serve, server.accept()[0])

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(PATIENCE)
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with sock:
                wire = Wire(sock)
                self.wires.append(wire)
                for packet in wire.packets():
                    self._answer(wire, packet)

    def _answer(self, wire: Wire, packet: mqtt.Packet) -> None:
        match packet:
            case mqtt.Connect():
                self.n_connects += 1
                self.connect(wire, packet)
            case mqtt.Subscribe():
                self.subscribe(wire, packet)
            case mqtt.Publish(topic) if "combine/login" in topic:
                self.logins.append(packet)
                self.login(wire, packet)
            case mqtt.Publish(topic) if topic.endswith("resume/batch"):
                self.requests.append(packet)
                self.request(wire, packet)
            case mqtt.Publish():
                wire.send(mqtt.Puback(packet.packet_id or 0))
            case mqtt.Ping():
                wire.send(mqtt.Pong())
