"""The clock of a replay, and the record of its connects. A shell over this machine's clock."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ConnectRecord", "SystemClock"]


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> float:
        """Return a reading that only grows. [s]"""  # noqa: D400

    def wall(self) -> float:
        """Return the time since the Unix epoch. [s]"""  # noqa: D400

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return a reading that only grows."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the time since the Unix epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class ConnectRecord(Protocol):
    """Remembers when a device connected, across runs."""

    def connects(self) -> list[float]:
        """Return when, since the Unix epoch."""

    def remember(self, time: float) -> None:
        """Add one."""
