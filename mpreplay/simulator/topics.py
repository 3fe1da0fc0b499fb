"""The platform's topics, the filters of a subscriber, and the messages due to it.

Pure: texts in, answers out.

References
----------
.. [1] MQTT Version 3.1.1, OASIS Standard, 29 October 2014, sections 4.4 and 4.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from .world import Device

__all__ = ["Due", "Subscriber", "Topic", "is_filter", "read_topic", "topic_matches"]

_MAX_FILTERS: Final = 1_000  # of a subscriber
_MAX_KEPT: Final = 1_000  # messages kept for a subscriber; the oldest go first
_MAX_KEPT_BYTES: Final = 16_777_216  # likewise


class Topic(NamedTuple):
    """A topic of the platform: its kind, its device and its purpose."""

    kind: str  # "sys" or "session"
    device: Device
    tail: str


def read_topic(topic: str) -> Topic | None:
    """Return the parts of a topic, or None for a topic foreign to the platform.

    Examples
    --------
    >>> read_topic("/sys/gateway/gw-1/thing/topo/get")
    Topic(kind='sys', device=('gateway', 'gw-1'), tail='thing/topo/get')
    """
    levels = topic.split("/")
    if levels[:2] == ["", "sys"] and len(levels) > 4:
        return Topic("sys", (levels[2], levels[3]), "/".join(levels[4:]))
    if levels[:3] == ["", "ext", "session"] and len(levels) > 5:
        return Topic("session", (levels[3], levels[4]), "/".join(levels[5:]))
    return None


def is_filter(topic_filter: str) -> bool:
    """Return True if wildcards stand alone in a level, and # only in the last level [1]_.

    Examples
    --------
    >>> [is_filter(text) for text in ("/sys/+/#", "/sys/a+", "#/sys", "")]
    [True, False, False, False]
    """
    levels = topic_filter.split("/")
    return (
        bool(topic_filter)
        and "#" not in levels[:-1]
        and all(level in {"+", "#"} or not {"+", "#"} & set(level) for level in levels)
    )


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Return True if a topic matches a filter [1]_.

    Examples
    --------
    >>> topic_matches("/sys/p/+/thing/#", "/sys/p/d/thing/measurepoint/resume_reply")
    True
    """
    filters, levels = topic_filter.split("/"), topic.split("/")
    if filters[-1] == "#":
        return len(levels) >= len(filters) - 1 and _levels_match(filters[:-1], levels)
    return len(filters) == len(levels) and _levels_match(filters, levels)


def _levels_match(filters: Sequence[str], levels: Sequence[str]) -> bool:
    return all(mine in ("+", level) for mine, level in zip(filters, levels, strict=False))


class Due(NamedTuple):
    """A message that is due to a subscriber; QoS 0 has no packet id."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int


class Subscriber:
    """The filters of a client, and the messages that it has not acknowledged yet.

    Parameters
    ----------
    client_id : str
        The client that may take the subscriber up again.
    is_kept : bool
        True if the subscriber outlives its connection: the client asked for no clean session.

    Examples
    --------
    >>> subscriber = Subscriber("c", is_kept=True)
    >>> subscriber.subscribe("/sys/p/d/#", 1)
    True
    >>> subscriber.due("/sys/p/d/x_reply", b"{}")
    Due(topic='/sys/p/d/x_reply', payload=b'{}', qos=1, packet_id=1)
    >>> [due.packet_id for due in subscriber.unacknowledged()]
    [1]
    """

    def __init__(self, client_id: str, *, is_kept: bool) -> None:
        self.client_id = client_id
        self.is_kept = is_kept
        self._filters: dict[str, int] = {}
        self._kept: dict[int, Due] = {}
        self._n_bytes = 0
        self._packet_id = 0

    def subscribe(self, topic_filter: str, qos: int) -> bool:
        """Add a filter, or change its QoS; return False if there are too many."""
        if len(self._filters) >= _MAX_FILTERS and topic_filter not in self._filters:
            return False
        self._filters[topic_filter] = qos
        return True

    def unsubscribe(self, topic_filter: str) -> None:
        """Remove a filter."""
        self._filters.pop(topic_filter, None)

    def due(self, topic: str, payload: bytes) -> Due | None:
        """Return the message to send, or None if no filter covers its topic."""
        granted = [qos for name, qos in self._filters.items() if topic_matches(name, topic)]
        if not granted:
            return None
        self._packet_id = self._packet_id % 65_535 + 1
        qos = max(granted)
        due = Due(topic, payload, qos, self._packet_id if qos else 0)
        if self.is_kept and qos:
            self._keep(due)
        return due

    def _keep(self, due: Due) -> None:
        self.acknowledged(due.packet_id)
        self._kept[due.packet_id] = due
        self._n_bytes += len(due.payload)
        while len(self._kept) > _MAX_KEPT or self._n_bytes > _MAX_KEPT_BYTES:
            self.acknowledged(next(iter(self._kept)))

    def acknowledged(self, packet_id: int) -> None:
        """Drop a message that has arrived."""
        if due := self._kept.pop(packet_id, None):
            self._n_bytes -= len(due.payload)

    def unacknowledged(self) -> list[Due]:
        """Return the messages to send again to a client that is back, in order [1]_."""
        return list(self._kept.values())
