"""The seam between a replay and what carries its bytes: its events and its protocol. Pure."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Acknowledged", "Event", "Lost", "Message", "Transport"]


class Message(NamedTuple):
    """Something was received."""

    topic: str
    payload: bytes


class Lost(NamedTuple):
    """The connection is gone: closed in order by the other side, or failed."""

    reason: str
    closed_by_peer: bool = False


class Acknowledged(NamedTuple):
    """The broker has a publish; the platform has not answered yet."""

    topic: str


Event = Message | Lost | Acknowledged


class Transport(Protocol):
    """What a replay needs of a connection."""

    def connect(self) -> None:
        """Sign in and subscribe; raise ConnectError if that fails."""
        ...

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message."""
        ...

    def receive(self, timeout: float) -> Event | None:
        """Return what happens next, or None after ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...
