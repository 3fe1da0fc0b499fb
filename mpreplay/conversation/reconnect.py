"""Decisions after a loss: the next connect, the end of the run, a rival for the session.

Pure: the clock's reading comes in as ``now``, in seconds of any monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Reconnect"]

# Longest outage before the run ends. [s]
REGAIN_WITHIN: Final = 600.0
# Pauses between attempts to regain a connection, doubled each time. [s]
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
# A connection that the platform closes so soon after the connect may have been taken over. [s]
TAKEN_OVER_WITHIN: Final = 10.0
TAKEOVERS: Final = 2  # so many, and to go on would fight, be it with a client or with the platform


@dataclass(slots=True)
class Reconnect:
    """The state of a connection that may be lost and regained.

    Attributes
    ----------
    is_lost : bool
        True from a loss until the next connect.
    lost_since : float or None
        The beginning of the outage, which ends once all devices are signed in again. [s]
    """

    is_lost: bool = False
    lost_since: float | None = None
    _connected_at: float | None = None
    _quick_losses: int = 0
    _attempt_at: float = 0.0  # when to try to regain the connection
    _failures: int = 0  # attempts in a row that failed

    @property
    def has_rival(self) -> bool:
        """True once the platform has closed the connection again soon after the sign-in.

        So it looks if another client takes the session over, and to connect again would take it
        back; other causes are possible.
        """
        return self._quick_losses >= TAKEOVERS

    @property
    def patience(self) -> float:
        """The longest outage before the run ends, in seconds."""
        return REGAIN_WITHIN

    def on_connected(self, now: float) -> None:
        """Take note of a connect; the sub-devices have still to be signed in."""
        self._connected_at = now
        self._failures = 0
        self.is_lost = False

    def on_ready(self) -> None:
        """Take note that all devices are signed in: the outage is over."""
        self.lost_since = None

    def on_lost(self, now: float, *, closed_by_peer: bool) -> None:
        """Take note of a loss.

        A network fails with an error; a platform that gives the session to another client closes
        the connection. A close while we send may look like an error: an error proves nothing.
        """
        is_quick = self._connected_at is not None and now - self._connected_at < TAKEN_OVER_WITHIN
        self._quick_losses = self._quick_losses + closed_by_peer if is_quick else 0
        self.is_lost = True
        if self.lost_since is None:
            self.lost_since = now

    def on_failed(self, now: float, jitter: float) -> None:
        """Take note of a failed attempt: the next pause is longer, and no rival is suspected."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._failures)
        self._attempt_at = now + pause * (1 - jitter / 2)
        self._failures += 1
        self._quick_losses = 0  # a platform that is away is no rival

    def pause(self, now: float, allowed_in: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        Parameters
        ----------
        now : float
            The clock's reading. [s]
        allowed_in : float
            Wait that the platform's connect limit asks for. [s]

        Examples
        --------
        >>> reconnect = Reconnect()
        >>> reconnect.on_lost(5.0, closed_by_peer=False)
        >>> reconnect.pause(5.0, allowed_in=0.0), reconnect.pause(606.0, allowed_in=0.0)
        (0.0, None)
        """
        if now - (now if self.lost_since is None else self.lost_since) > self.patience:
            return None
        return max(0.0, allowed_in, self._attempt_at - now)
