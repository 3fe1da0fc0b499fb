"""The clock of a replay, and the record of its connects. A shell over this machine's clock."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ConnectRecord", "SystemClock"]


class Clock(Protocol):
    """A source of time, with a way to wait."""

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
    """A record of the connects of a device, across runs."""

    def connects(self) -> list[float]:
        """Return the times of the connects, in seconds since the Unix epoch."""

    def remember(self, time: float) -> None:
        """Add the time of a connect."""
