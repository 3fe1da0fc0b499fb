"""Pace of sending and times of connects, as numbers.

Pure: the clock's reading comes in as ``now``, in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["TokenBucket", "next_connect"]

# Largest burst after a pause, as a share of a second's allowance.
BURST: Final = 0.1
# The platform allows one connection a second for each device (EnOS 2.4.4, "Limitations").
LEAST_PAUSE: Final = 1.0
MARGIN: Final = 1.0  # the platform's clock and ours need not agree on when a connect was made


@dataclass(slots=True)
class TokenBucket:
    """An allowance a second; an amount taken in advance has to be waited for.

    Parameters
    ----------
    rate : float or None
        Units a second; None: without limit.

    Examples
    --------
    >>> bucket = TokenBucket(100.0)
    >>> bucket.take(100, now=0.0)
    >>> bucket.wait(now=0.0), bucket.wait(now=1.0)
    (0.9, 0.0)
    """

    rate: float | None
    level: float | None = None
    at: float = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds to wait before anything may be taken."""
        if self.rate is None:
            return 0.0
        return max(0.0, -self._level(now) / self.rate)

    def take(self, amount: float, now: float) -> None:
        """Take an amount, which may leave the bucket in debt."""
        if self.rate is not None:
            self.level, self.at = self._level(now) - amount, now

    def _level(self, now: float) -> float:
        rate = self.rate or 0.0
        full = rate * BURST
        if self.level is None:
            return full
        return min(full, self.level + (now - self.at) * rate)


def next_connect(
    connects: Sequence[float], now: float, *, limit: int | None, period: float
) -> float:
    """Return the time of the next connect, such that no period sees more than ``limit`` connects.

    Parameters
    ----------
    connects : sequence of float
        Times of earlier connects. [s]
    now : float
        The clock's reading. [s]
    limit : int, optional
        Connects in any period; None: without limit.
    period : float
        Length of a period. [s]

    Returns
    -------
    float
        The time, ``now`` at the earliest. [s]

    Examples
    --------
    >>> next_connect([0, 1, 2, 3], 4, limit=4, period=120)
    121.0
    """
    if limit is None or not connects:
        return now
    recent = sorted(connects)
    allowed = recent[-1] + LEAST_PAUSE
    if len(recent) >= limit:
        allowed = max(allowed, recent[-limit] + period + MARGIN)
    return max(now, float(allowed))
