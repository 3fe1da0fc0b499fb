"""The platform's topics, and their match with filters.

Pure: texts in, answers out.

References
----------
.. [1] MQTT Version 3.1.1, OASIS Standard, 29 October 2014, section 4.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .world import Device

__all__ = ["Topic", "is_filter", "read_topic", "topic_matches"]


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
