"""The measure of a replay: values counted, rates over the latest seconds, the time left.

Pure: the clock's reading comes in as ``now``, in seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import exp
from typing import TYPE_CHECKING, Final

from ..display.progress import Progress
from ..frames import FATES

if TYPE_CHECKING:
    from ..display.progress import Hold
    from ..outcome.settled import Outcome

__all__ = ["Holds", "Meter", "Pace"]

SPAN: Final = 15.0  # seconds that a rate looks back on
FEWEST: Final = 8  # events that a rate looks back on however long ago they were
BIN: Final = 0.05  # closer events count as one, so that a burst of replies is one event [s]
SOON: Final = 0.5  # of a rate from a single event: shorter times say nothing [s]
MEMORY: Final = 5.0  # time after which a wait counts for a third [s]


@dataclass(slots=True)
class Pace:
    """An amount a second, measured from event to event.

    Amounts come in lumps, a request at a time. So the amounts after the first event are divided by
    the time since the first event: measured up to ``now``, a rate would swing with each lump. Once
    the next event is late, the time since counts.

    Examples
    --------
    >>> pace = Pace()
    >>> for now in (0.0, 2.0, 4.0):
    ...     pace.add(100, now)
    >>> pace.rate(4.0), pace.rate(5.9), pace.rate(8.0)
    (50.0, 50.0, 33.333333333333336)
    >>> pace.seconds_for(200, now=5.0)
    3.0
    """

    _events: deque[tuple[float, float]] = field(default_factory=deque)  # time and amount
    _opened: float = 0.0  # time of the first event in the latest bin
    _sum: float = 0.0  # of all events but the first
    _since: float | None = None

    def begin(self, now: float) -> None:
        """Take note of the beginning, which serves until there are two events."""
        if self._since is None:
            self._since = now

    def add(self, amount: float, now: float) -> None:
        """Take note of an event."""
        events = self._events
        if events and now - self._opened < BIN:
            _, before = events.pop()
            events.append((now, before + amount))
            self._sum += amount if len(events) > 1 else 0.0
            return
        self._sum += amount if events else 0.0
        self._opened = now
        events.append((now, amount))
        while len(events) > FEWEST and events[1][0] < now - SPAN:
            events.popleft()
            self._sum -= events[0][1]

    def rate(self, now: float) -> float | None:
        """Return the amount a second; None before it is known."""
        if not self._events:
            return None
        (first, amount), (last, _) = self._events[0], self._events[-1]
        if last - first < BIN:  # one event, or two that are too close to tell a rate
            since = first if self._since is None else self._since
            return (amount + self._sum) / (now - since) if now - since >= SOON else None
        return self._sum / (max(last, now - self._gap) - first)

    def seconds_for(self, amount: float, now: float) -> float | None:
        """Return the time that a further amount will take; None before it can be told."""
        rate = self.rate(now)
        return max(0.0, amount / rate - self.gone(now)) if rate else None

    def gone(self, now: float) -> float:
        """Return the time since the latest event, at most the usual time to the next."""
        return min(now - self._events[-1][0], self._gap) if self._events else 0.0

    def last_at(self, now: float) -> float:
        """Return the time of the latest event, or ``now`` before any."""
        return self._events[-1][0] if self._events else now

    @property
    def _gap(self) -> float:
        """Mean time between two events."""
        first, last = self._events[0][0], self._events[-1][0]
        return (last - first) / max(1, len(self._events) - 1)


@dataclass(slots=True)
class Holds:
    """Where the time of the latest seconds went: to each thing waited for, or to sending."""

    _at: float
    _seconds: dict[Hold, float] = field(default_factory=dict)

    def spent(self, hold: Hold, seconds: float, now: float) -> None:
        """Take note of a wait that ends now; the time before it went to sending."""
        fading = exp((self._at - now) / MEMORY)
        busy = now - self._at - seconds
        for one in self._seconds:
            self._seconds[one] *= fading
        self._at = now
        self._seconds[hold] = self._seconds.get(hold, 0.0) + seconds
        if busy > 0:
            self._seconds["sending"] = self._seconds.get("sending", 0.0) + busy

    @property
    def most(self) -> Hold | None:
        """The name of what took most of the time; None if no time has gone by."""
        longest = max(self._seconds, key=self._seconds.__getitem__, default=None)
        return longest if longest is not None and self._seconds[longest] > 0 else None


@dataclass(slots=True)
class Meter:
    """The measure of one replay.

    Parameters
    ----------
    began_at : float
        The clock's reading when the replay began. [s]
    n_rows : int
        Rows of the history, in the interval asked for.
    n_values : int, optional
        Values of the history, if all were counted.
    rates : (float or None, float or None)
        The limits on bytes and on values a second.
    """

    began_at: float
    n_rows: int
    n_values: int | None = None
    rates: tuple[float | None, float | None] = (None, None)
    fates: dict[str, int] = field(default_factory=dict)
    rows_read: int = 0
    values_read: int = 0
    answers: Pace = field(default_factory=Pace)
    publishes: Pace = field(default_factory=Pace)
    reading: Pace = field(default_factory=Pace)
    holds: Holds = field(init=False)
    _made: tuple[int, int] = (0, 0)  # values and bytes of the requests
    _shrunk: tuple[int, int] = (0, 0)  # bytes published, as they travelled and in plain

    def __post_init__(self) -> None:
        """Begin to look where the time goes."""
        self.holds = Holds(self.began_at)
        self.reading.begin(self.began_at)

    def resume(self, n_rows: int, totals: dict[str, int]) -> None:
        """Take over what earlier legs of the run have read and settled."""
        self.rows_read, self.values_read = n_rows, totals.get("read", 0)
        for fate, n in totals.items():
            if fate in {"accepted", "declined", "withheld"}:
                self.fates[fate] = n

    def read(self, n_rows: int, n_values: int, n_withheld: int, now: float) -> None:
        """Count what was read of a slab, and withheld."""
        self.rows_read += n_rows
        self.values_read += n_values
        self._count("withheld", n_withheld)
        self.reading.add(n_values, now)

    def made(self, n_values: int, n_bytes: int) -> None:
        """Count a request that will be published."""
        self._made = self._made[0] + n_values, self._made[1] + n_bytes

    def published(self, n_bytes: int, now: float, n_plain: int | None = None) -> None:
        """Count the bytes of a publish, which were ``n_plain`` in plain, if they were packed."""
        n_plain = n_bytes if n_plain is None else n_plain
        self._shrunk = self._shrunk[0] + n_bytes, self._shrunk[1] + n_plain
        self.answers.begin(now)
        self.publishes.begin(now)
        self.publishes.add(n_bytes, now)

    def settled(self, outcome: Outcome, n_values: int, now: float, n_skipped: int = 0) -> None:
        """Count the values of a settled request; ``n_skipped`` of an accepted one are declined."""
        if outcome == "divided":  # its parts are counted
            return
        self._count(outcome, n_values - n_skipped)
        self._count("declined", n_skipped)
        self.answers.add(n_values, now)

    def progress(
        self,
        now: float,
        *,
        in_flight: int = 0,
        is_read: bool = False,
        waits_for: tuple[Hold, float] | None = None,
    ) -> Progress:
        """Return the progress.

        Parameters
        ----------
        now : float
            The clock's reading. [s]
        in_flight : int
            Values published and not answered.
        is_read : bool
            True if nothing is left to read.
        waits_for : (str, float), optional
            Name of what the next connect waits for, and until when. [s]
        """
        exact = self.values_read if is_read else self.n_values
        total = self._estimate() if exact is None else exact
        waiting = None if waits_for is None else max(0.0, waits_for[1] - now)
        return Progress(
            values_total=total,
            total_is_exact=exact is not None,
            **{fate: self.fates.get(fate, 0) for fate in FATES},
            in_flight=in_flight,
            values_per_second=self.answers.rate(now),
            bytes_per_second=self.publishes.rate(now),
            seconds=now - self.began_at,
            seconds_left=None if total is None else self._left(total, in_flight, now, waiting),
            limited_by=self.holds.most if waits_for is None else waits_for[0],
            waiting_seconds=waiting,
        )

    def _estimate(self) -> int | None:
        """Return the number of values if the rest of the rows hold as many as those read."""
        if not self.rows_read:
            return None
        return max(self.values_read, round(self.values_read * self.n_rows / self.rows_read))

    def _left(self, total: int, in_flight: int, now: float, waiting: float | None) -> float | None:
        """Return the time to the end, as the latest replies and the limits let expect it."""
        unread = max(0, total - self.values_read)
        withheld = self.fates.get("withheld", 0)
        share_sent = 1 - withheld / self.values_read if self.values_read else 1.0
        unsettled = self.values_read - sum(self.fates.values())
        unanswered = unsettled + unread * share_sent
        if not unanswered:
            return self.reading.seconds_for(unread, now) if unread else 0.0
        # While the run waits for a connect, the rate of before is the best that is known.
        at = now if waiting is None else self.answers.last_at(now)
        by_replies = self.answers.seconds_for(unanswered, at)
        if by_replies is None:
            return None
        return (waiting or 0.0) + max(by_replies, self._least(unanswered - in_flight, at))

    def _least(self, unpublished: float, now: float) -> float:
        """Return the least time that the limits allow for so many values."""
        n_values, n_bytes = self._made
        n_sent, n_plain = self._shrunk
        shrinkage = n_sent / n_plain if n_plain else 1.0
        each = shrinkage * n_bytes / n_values if n_values else 0.0
        by_limits = zip((unpublished * each, unpublished), self.rates, strict=True)
        least = max((amount / rate for amount, rate in by_limits if rate), default=0.0)
        return max(0.0, least - self.publishes.gone(now))

    def _count(self, fate: str, n: int) -> None:
        self.fates[fate] = self.fates.get(fate, 0) + n
