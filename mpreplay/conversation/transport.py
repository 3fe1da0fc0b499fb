"""The seam between a replay and its transport: events and a protocol. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from ..protocol.pieces import Pieces

__all__ = [
    "PACKED_BYTES",
    "PLAIN_REPLIES",
    "Acknowledged",
    "Event",
    "Lost",
    "Message",
    "Transport",
]

# Counts of a connection whose messages travel packed: bytes published, as they travelled, and
# messages received in plain.
PACKED_BYTES: Final = "published_bytes_packed"
PLAIN_REPLIES: Final = "plain_replies"


class Message(NamedTuple):
    """A message received."""

    topic: str
    payload: bytes


class Lost(NamedTuple):
    """The loss of the connection: closed in order by the other side, or failed."""

    reason: str
    closed_by_peer: bool = False


class Acknowledged(NamedTuple):
    """The broker's acknowledgement of a publish; the platform has not answered yet."""

    topic: str


Event = Message | Lost | Acknowledged


class Transport(Protocol):
    """A connection, as far as a replay needs it."""

    def connect(self) -> None:
        """Sign in and subscribe; raise ConnectError if that fails."""
        ...

    def publish(self, topic: str, payload: bytes | Pieces) -> int | None:
        """Send one message; return the size in which it travels, unless that is its own."""
        ...

    def receive(self, timeout: float) -> Event | None:
        """Return the next event, or None after ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...
