"""The packets of MQTT 3.1.1: bytes to packets and packets to bytes.

Pure: no socket, no clock. Covers QoS 0 and 1, as the platform does.

References
----------
.. [1] MQTT Version 3.1.1, OASIS Standard, 29 October 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from .topics import is_filter

__all__ = [
    "Connack",
    "Connect",
    "Decoder",
    "Disconnect",
    "Packet",
    "PacketError",
    "Ping",
    "Pong",
    "Puback",
    "Publish",
    "Suback",
    "Subscribe",
    "Unsuback",
    "Unsubscribe",
    "Will",
    "encode",
]

LEVEL: Final = 4  # MQTT 3.1.1
MAX_PACKET: Final = (
    268_435_460  # the largest remaining length, with its header; [1]_, 2.2.3 [bytes]
)
_CONNECT: Final = 1


class PacketError(ValueError):
    """Bytes that are no packet of MQTT 3.1.1, or a packet that the platform rejects."""


class Will(NamedTuple):
    """A message to be published if the connection ends without a DISCONNECT."""

    topic: str
    payload: bytes
    qos: int = 0


class Connect(NamedTuple):
    """A client's request to connect; of other protocols, only the level is known."""

    level: int
    client_id: str = ""
    username: str = ""
    password: str = ""
    keepalive: int = 0
    clean: bool = True
    will: Will | None = None

    def __repr__(self) -> str:
        return f"Connect(level={self.level}, client_id={self.client_id!r}, password=***)"


class Connack(NamedTuple):
    """The answer to a CONNECT, and whether the platform has kept a session for the client."""

    code: int
    present: bool = False


class Publish(NamedTuple):
    """A message; QoS 0 has no packet id."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    dup: bool = False


class Puback(NamedTuple):
    """The receipt of a message of QoS 1."""

    packet_id: int


class Subscribe(NamedTuple):
    """A subscription: filters, each with its highest QoS."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


class Suback(NamedTuple):
    """The answer to a SUBSCRIBE: a granted QoS per filter, or 0x80."""

    packet_id: int
    codes: tuple[int, ...]


class Unsubscribe(NamedTuple):
    """The end of a subscription."""

    packet_id: int
    filters: tuple[str, ...]


class Unsuback(NamedTuple):
    """The answer to an UNSUBSCRIBE."""

    packet_id: int


class Ping(NamedTuple):
    """A client's sign of life."""


class Pong(NamedTuple):
    """The answer to a ping."""


class Disconnect(NamedTuple):
    """The orderly end of a connection."""


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Ping
    | Pong
    | Disconnect
)


class Decoder:
    """A decoder of a byte stream: pieces of any size in, whole packets out.

    Parameters
    ----------
    max_bytes : int
        Largest packet that is taken; may be changed between packets. [bytes]
    begins : bool
        True if the stream has to begin with a CONNECT.

    Examples
    --------
    >>> decoder = Decoder()
    >>> decoder.feed(bytes([0xC0])), decoder.feed(bytes([0]))
    ([], [Ping()])
    """

    def __init__(self, max_bytes: int = MAX_PACKET, *, begins: bool = False) -> None:
        self.max_bytes = max_bytes
        self._begins = begins
        self._buffer = bytearray()
        self._needed = 2

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes and return the packets that they complete.

        Raises
        ------
        PacketError
            If the bytes are not MQTT; the connection is of no further use.
        """
        self.put(data)
        return list(iter(self.next, None))

    def put(self, data: bytes) -> None:
        """Take bytes."""
        self._buffer += data

    def next(self) -> Packet | None:
        """Return the next packet, or None if it is not whole yet; raise as :meth:`feed` does."""
        # A wrong first byte is refused at once, rather than after the rest.
        if self._buffer:
            _check_flags(self._buffer[0], begins=self._begins)
        # A large packet arrives in many pieces; nothing is decoded until it is whole.
        if len(self._buffer) < self._needed:
            return None
        head, size = _fixed_header(self._buffer)
        if head + size > self.max_bytes:
            raise PacketError(
                f"a packet of {head + size:,} bytes; at most {self.max_bytes:,} are taken"
            )
        self._needed = head + size if head else len(self._buffer) + 1
        if not head or len(self._buffer) < self._needed:
            return None
        packet = _decode(self._buffer[0], bytes(self._buffer[head : self._needed]))
        del self._buffer[: self._needed]
        self._needed, self._begins = 2, False
        return packet


def _fixed_header(buffer: bytearray) -> tuple[int, int]:
    """Return the sizes of the fixed header and of the rest; zeros if more bytes are needed [1]_."""
    size = 0
    for index, byte in enumerate(buffer[1:5]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return index + 2, size
    if len(buffer) > 4:
        raise PacketError("a remaining length has at most four bytes")
    return 0, 0


class _Body:
    """A reader over the body of a packet."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        if len(piece) < size:
            raise PacketError("a packet ends too early")
        self._at += size
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        try:
            text = self.binary().decode()
        except UnicodeDecodeError as error:
            raise PacketError("a text is not UTF-8") from error
        if "\0" in text:
            raise PacketError("a text holds a null character")
        return text

    def packet_id(self) -> int:
        if not (packet_id := self.number(2)):
            raise PacketError("a packet id is 0")
        return packet_id

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)


def _connect(body: _Body, _: int) -> Connect:
    protocol, level = body.text(), body.number(1)
    if protocol != "MQTT" or level != LEVEL:
        body.rest()
        return Connect(0 if protocol != "MQTT" else level)
    flags, keepalive, client_id = body.number(1), body.number(2), body.text()
    has_will = flags & 0x04
    if flags & 0x01 or (flags & 0x40 and not flags & 0x80) or (flags & 0x38 and not has_will):
        raise PacketError("the flags of a CONNECT contradict each other")
    will = Will(_topic(body), body.binary(), _qos(flags >> 3)) if has_will else None
    username = body.text() if flags & 0x80 else ""
    password = body.binary().decode(errors="replace") if flags & 0x40 else ""
    return Connect(level, client_id, username, password, keepalive, bool(flags & 0x02), will)


def _qos(flags: int) -> int:
    if (qos := flags & 3) > 1:
        raise PacketError(f"the platform takes QoS 0 and 1 only, not {qos}")
    return qos


def _topic(body: _Body) -> str:
    topic = body.text()
    if not topic or "+" in topic or "#" in topic:
        raise PacketError("a message is published to one topic")
    return topic


def _publish(body: _Body, flags: int) -> Publish:
    qos, dup = _qos(flags >> 1), bool(flags & 8)
    if dup and not qos:
        raise PacketError("a message of QoS 0 is never a duplicate")
    topic = _topic(body)
    packet_id = body.packet_id() if qos else 0
    return Publish(topic, body.rest(), qos, packet_id, dup)


def _subscribe(body: _Body, _: int) -> Subscribe:
    packet_id = body.packet_id()
    filters: list[tuple[str, int]] = []
    while not body.is_empty or not filters:
        filters.append((body.text(), body.number(1)))
        if filters[-1][1] > 2 or not is_filter(filters[-1][0]):
            raise PacketError("a subscription needs a filter and a QoS of 0 to 2")
    return Subscribe(packet_id, tuple(filters))


def _unsubscribe(body: _Body, _: int) -> Unsubscribe:
    packet_id, filters = body.packet_id(), [body.text()]
    while not body.is_empty:
        filters.append(body.text())
    return Unsubscribe(packet_id, tuple(filters))


def _suback(body: _Body, _: int) -> Suback:
    return Suback(body.packet_id(), tuple(body.rest()))


def _connack(body: _Body, _: int) -> Connack:
    present, code = divmod(body.number(2), 256)
    return Connack(code, bool(present))


# Packet type -> its required flags, and the reader of its body; [1], 2.2.
_DECODERS: Final[dict[int, tuple[int | None, Callable[[_Body, int], Packet]]]] = {
    1: (0, _connect),
    2: (0, _connack),
    3: (None, _publish),
    4: (0, lambda body, _: Puback(body.packet_id())),
    8: (2, _subscribe),
    9: (0, _suback),
    10: (2, _unsubscribe),
    11: (0, lambda body, _: Unsuback(body.packet_id())),
    12: (0, lambda _, __: Ping()),
    13: (0, lambda _, __: Pong()),
    14: (0, lambda _, __: Disconnect()),
}


def _check_flags(first: int, *, begins: bool) -> None:
    """Refuse an unexpected packet at its first byte, rather than await the rest."""
    kind, flags = first >> 4, first & 0x0F
    if begins and kind != _CONNECT:
        raise PacketError("the first packet is a CONNECT")
    if kind not in _DECODERS:
        raise PacketError(f"a packet of type {kind} is not taken")
    if _DECODERS[kind][0] not in (None, flags):
        raise PacketError(f"a packet of type {kind} has the flags {flags}")


def _decode(first: int, data: bytes) -> Packet:
    kind, flags = first >> 4, first & 0x0F
    body = _Body(data)
    packet = _DECODERS[kind][1](body, flags)
    if not body.is_empty:
        raise PacketError(f"a packet of type {kind} has bytes left over")
    return packet


def encode(packet: Packet) -> bytes:
    """Return a packet as bytes.

    Examples
    --------
    >>> encode(Puback(258)).hex()
    '40020102'
    """
    match packet:
        case Publish(topic, payload, qos, packet_id, dup):
            number = packet_id.to_bytes(2, "big") if qos else b""
            return _frame(0x30 | dup << 3 | qos << 1, _text(topic), number, payload)
        case Connect():
            return _encode_connect(packet)
        case Connack(code, present):
            return _frame(0x20, bytes([present, code]))
        case Puback(packet_id):
            return _frame(0x40, packet_id.to_bytes(2, "big"))
        case Subscribe(packet_id, filters):
            wishes = [_text(name) + bytes([qos]) for name, qos in filters]
            return _frame(0x82, packet_id.to_bytes(2, "big"), *wishes)
        case Suback(packet_id, codes):
            return _frame(0x90, packet_id.to_bytes(2, "big"), bytes(codes))
        case Unsubscribe(packet_id, names):
            return _frame(0xA2, packet_id.to_bytes(2, "big"), *map(_text, names))
        case Unsuback(packet_id):
            return _frame(0xB0, packet_id.to_bytes(2, "big"))
        case Ping():
            return _frame(0xC0)
        case Pong():
            return _frame(0xD0)
        case Disconnect():
            return _frame(0xE0)


def _encode_connect(packet: Connect) -> bytes:
    flags = (0x80 if packet.username else 0) | (0x40 if packet.password else 0)
    flags |= 0x02 if packet.clean else 0
    will = []
    if packet.will is not None:
        flags |= 0x04 | packet.will.qos << 3
        will = [_text(packet.will.topic), _binary(packet.will.payload)]
    sign_in = [_text(part) for part in (packet.username, packet.password) if part]
    return _frame(
        0x10,
        _text("MQTT"),
        bytes([packet.level, flags]),
        packet.keepalive.to_bytes(2, "big"),
        _text(packet.client_id),
        *will,
        *sign_in,
    )


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _frame(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size, digits = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        digits.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([first]) + digits + body
