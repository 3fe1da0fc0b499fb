"""The replay as a state machine: requests are queued, in flight or settled.

Pure: the caller owns time and I/O. The caller publishes the requests named by :meth:`Session.poll`,
hands every reply to :meth:`Session.receive`, reports a lost or regained connection, and passes
``now``, in seconds of any monotonic clock. Every added request settles exactly once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..display.facts import Ended
from ..outcome.settled import Settled
from ..protocol.codes import NO_SUB_DEVICE, return_code
from .pacing import TokenBucket

if TYPE_CHECKING:
    from ..display.progress import Hold
    from ..outcome.settled import Outcome
    from ..settings import Limits

__all__ = ["Session"]

FIRST_PAUSE: Final = 1.0  # before the first retry after a code that asks for a retry [s]
LONGEST_PAUSE: Final = 60.0  # [s]
# The platform needs longer for a large request: each further megabyte adds a reply_timeout.
TIMEOUT_BYTES: Final = 1_000_000
MANY: Final = 16  # attempts; pauses are longest by then, and higher powers of 2 could overflow
FIRST_WINDOW: Final = 4  # requests in flight, until replies show the platform's speed
JITTER: Final = 0.5  # the share of a pause that varies, so that clients do not march in step


@dataclass(slots=True)
class _Request:
    request_id: str
    n_bytes: int
    n_values: int
    root: str  # id of the request as planned; a part has the id of the whole
    attempts: int = 0
    unanswered: int = 0  # attempts that got no reply
    cut_short: bool = False  # the run ended before its attempts were used up
    signed_in_again: bool = False
    published_at: float = 0.0
    due: float = 0.0  # when to give up waiting for a reply, or to publish again
    code: int | None = None
    message: str = ""


@dataclass(slots=True)
class Session:
    """The state of one replay.

    Parameters
    ----------
    limits : Limits
        Window, rates, attempts and time-outs.
    may_divide : callable, optional
        Called with a request's id and the code that declined it; returns True if the request should
        be taken apart.
    """

    limits: Limits
    may_divide: Callable[[str, int], bool] = lambda _request_id, _code: False
    strangers: int = 0  # replies to requests that are not of this run
    doubles: int = 0  # later replies with the same code
    contradictions: int = 0  # later replies with another code
    n_settled: int = 0
    needs_sign_in: bool = False
    ended: Ended | None = None  # why nothing more is published
    interrupted: bool = False  # by the user: declined requests may be taken apart in a later run
    _new: deque[_Request] = field(default_factory=deque)
    _again: dict[str, _Request] = field(default_factory=dict)  # waiting to be published again
    _in_flight: dict[str, _Request] = field(default_factory=dict)
    _held: dict[str, _Request] = field(default_factory=dict)  # by the id of the awaited request
    _codes: dict[str, int | None] = field(default_factory=dict)  # of settled requests, by id
    _connected: bool = False
    _bytes: TokenBucket = field(init=False)
    _values: TokenBucket = field(init=False)
    _alike: int | None = None  # the code that declined all requests so far
    _declined: set[str] = field(default_factory=set)  # roots of the declined requests
    _varied: bool = False
    _signed_in_at: float = 0.0
    _window: int = field(init=False)
    _narrowed_at: float = -math.inf

    def __post_init__(self) -> None:
        """Fill the buckets, and begin with a small window."""
        self._window = min(FIRST_WINDOW, self.limits.window)
        self._bytes = TokenBucket(self.limits.bytes_per_second)
        self._values = TokenBucket(self.limits.values_per_second)

    @property
    def window(self) -> int:
        """Limit of requests in flight: one more with each reply, half after a failure."""
        return self._window

    @property
    def n_in_flight(self) -> int:
        """Number of published requests without a reply."""
        return len(self._in_flight)

    @property
    def values_in_flight(self) -> int:
        """Number of values in the requests in flight."""
        return sum(request.n_values for request in self._in_flight.values())

    def held_by(self, now: float) -> Hold:
        """Return the name of what the next publish waits for."""
        if not self._connected or self.needs_sign_in:
            return "connection"
        if not self._new and not self._again:
            return "replies" if self._in_flight else "reading"
        if len(self._in_flight) >= self._window:
            # A window narrower than the limit shows the platform's speed, not the setting.
            return "window" if self._window >= self.limits.window else "replies"
        if self._next(now) is None:
            return "pause"
        return "rate" if self._wait(now) > 0 else "sending"

    @property
    def n_open(self) -> int:
        """Number of requests not settled."""
        return len(self._new) + len(self._again) + len(self._in_flight) + len(self._held)

    @property
    def wants_more(self) -> bool:
        """True if further requests should be made ready."""
        return not self.stopped and len(self._new) < self.limits.window

    def add(
        self,
        request_id: str,
        n_bytes: int,
        n_values: int,
        *,
        first: bool = False,
        in_doubt: bool = False,
        root: str = "",
        after: str = "",
    ) -> None:
        """Queue a request, behind or before all others.

        ``in_doubt``: True if an earlier run may have sent the request without learning its end.
        ``root``: id of the request as planned, if this is a part.
        ``after``: id of a request of the same device to wait for: if the platform declines the
        device, this request is declined, too.
        """
        # A request in doubt has an attempt without a reply: only a final answer ends the doubt.
        request = _Request(
            request_id, n_bytes, n_values, root or request_id, unanswered=int(in_doubt)
        )
        if after:
            self._held[after] = request
        elif first:
            self._new.appendleft(request)
        else:
            self._new.append(request)

    def on_connected(self, now: float) -> None:
        """Begin to publish; requests in flight when the connection was lost are already due."""
        self._connected = True
        self.needs_sign_in = False
        self._signed_in_at = now

    def on_lost(self, now: float) -> list[Settled]:
        """Stop publishing: replies to requests in flight are lost with the connection."""
        self._connected = False
        settled: list[Settled] = []
        for request in list(self._in_flight.values()):
            settled += self._unanswered(request, now)
        return settled

    def poll(self, now: float, jitter: float = 0.0) -> tuple[list[str], list[Settled]]:
        """Return the ids to publish now, and the requests that settled without a reply.

        Parameters
        ----------
        now : float
            The clock's reading. [s]
        jitter : float
            A random number in [0, 1) to spread pauses.
        """
        settled: list[Settled] = []
        for request in [r for r in self._in_flight.values() if r.due <= now]:
            self._narrow(request, now)
            settled += self._unanswered(request, now, jitter)
        if not self._may_publish:
            return [], settled
        publish = []
        while len(self._in_flight) < self._window and (first := self._next(now)):
            if self._wait(now) > 0:
                break
            self._take(first)
            self._publish(first, now)
            publish.append(first.request_id)
        return publish, settled

    def travelled(self, n_bytes: int, n_sent: int, now: float) -> None:
        """Let the rate count a publish of ``n_bytes`` by the bytes in which it travelled."""
        self._bytes.take(n_sent - n_bytes, now)

    def next_event(self, now: float) -> float | None:
        """Return the time at which to call :meth:`poll` again even if nothing is received."""
        times = [request.due for request in self._in_flight.values()]
        if self._may_publish and len(self._in_flight) < self._window:
            earliest = now + self._wait(now)
            times += [earliest] if self._new else []
            times += [max(request.due, earliest) for request in self._again.values()]
        return min((max(time, now) for time in times), default=None)

    @property
    def _may_publish(self) -> bool:
        return self._connected and not self.stopped and not self.needs_sign_in

    def receive(
        self, request_id: str, code: int, message: str, now: float, jitter: float = 0.0
    ) -> list[Settled]:
        """Take a reply; a late reply counts, a reply to a request settled or unknown does not."""
        in_time = request_id in self._in_flight
        request = self._in_flight.pop(request_id, None) or self._again.pop(request_id, None)
        if request is None:
            self._count_late(request_id, code)
            return []
        request.code, request.message = code, message
        asks = return_code(code).asks
        if asks == "retry":
            self._narrow(request, now)
        elif in_time:
            self._window = min(self.limits.window, self._window + 1)
        if asks == "stop":
            self.end(Ended("code", (code,)))
        elif asks == "sign_in" and not request.signed_in_again:
            request.signed_in_again = True
            # A request published before the last sign-in does not ask for another sign-in.
            self.needs_sign_in |= request.published_at >= self._signed_in_at
            if self._may_try_again(request):
                self._again[request_id] = request
                request.due = now
                return []
        elif asks == "sign_in":
            self.end(Ended("code_again", (code,)))
        elif asks == "retry" and self._may_try_again(request):
            request.due = now + _pause(request.attempts, jitter)
            self._again[request_id] = request
            return []
        return self._settle(request, now)

    def withdraw(self, request_id: str, now: float) -> list[Settled]:
        """Take back a request never published: its parts are sent instead."""
        for request in self._new:
            if request.request_id == request_id and not request.unanswered:
                self._new.remove(request)
                return [self._settled(request, "divided", now)]
        return []

    @property
    def stopped(self) -> bool:
        """True if no more requests are published."""
        return self.ended is not None

    def end(self, ended: Ended) -> None:
        """Publish no more; only the first reason counts."""
        self.ended = self.ended or ended

    def stop(self, now: float) -> list[Settled]:
        """Settle all requests that wait to be published; keep waiting for replies to the others."""
        waiting = [*self._new, *self._again.values(), *self._held.values()]
        for request in self._again.values():
            request.cut_short = True
        self._new.clear()
        self._again.clear()
        self._held.clear()
        return [one for request in waiting for one in self._settle(request, now)]

    def give_up(self, now: float) -> list[Settled]:
        """Settle every request: published requests without a reply are in doubt."""
        self.end(Ended("given_up"))
        settled = self.stop(now)
        for request in list(self._in_flight.values()):
            del self._in_flight[request.request_id]
            request.unanswered += 1
            settled += self._settle(request, now)
        return settled

    def _narrow(self, request: _Request, now: float) -> None:
        """Halve the window, only once for all requests published through the wider window."""
        if request.published_at > self._narrowed_at:
            self._window, self._narrowed_at = max(1, self._window // 2), now

    def _count_late(self, request_id: str, code: int) -> None:
        if request_id not in self._codes:
            self.strangers += 1
        elif self._codes[request_id] == code:
            self.doubles += 1
        else:
            self.contradictions += 1

    def _next(self, now: float) -> _Request | None:
        for request in self._again.values():
            if request.due <= now:
                return request
        return self._new[0] if self._new else None

    def _take(self, request: _Request) -> None:
        if self._again.pop(request.request_id, None) is None:
            self._new.popleft()

    def _wait(self, now: float) -> float:
        return max(self._bytes.wait(now), self._values.wait(now))

    def _publish(self, request: _Request, now: float) -> None:
        self._bytes.take(request.n_bytes, now)
        self._values.take(request.n_values, now)
        request.attempts += 1
        request.published_at = now
        request.due = now + self.limits.reply_timeout * (1 + request.n_bytes / TIMEOUT_BYTES)
        self._in_flight[request.request_id] = request

    def _unanswered(self, request: _Request, now: float, jitter: float = 0.0) -> list[Settled]:
        """Take a request with an overdue or lost reply out of flight: retried, or in doubt."""
        del self._in_flight[request.request_id]
        request.unanswered += 1
        request.code = None
        if request.attempts >= self.limits.attempts or self.stopped:
            return self._settle(request, now)
        request.due = now + (_pause(request.attempts, jitter) if self._connected else 0.0)
        self._again[request.request_id] = request
        return []

    def _settle(self, request: _Request, now: float) -> list[Settled]:
        """Settle a request; a request held for it is declined with it or released."""
        outcome = self._outcome(request)
        settled = [self._settled(request, outcome, now)]
        if held := self._held.pop(request.request_id, None):
            if outcome == "declined" and request.code == NO_SUB_DEVICE:
                held.code = request.code
                held.message = "held back, since an entry of its device was declined just before"
                settled.append(self._settled(held, "declined", now))
            else:
                self._new.appendleft(held)
        return settled

    def _settled(self, request: _Request, outcome: Outcome, now: float) -> Settled:
        answered = request.code is not None and outcome not in {"in_doubt", "not_sent"}
        self._codes[request.request_id] = request.code
        self.n_settled += 1
        self._count_alike(request, outcome)
        return Settled(
            request.request_id,
            outcome,
            request.code if answered else None,
            request.message if answered else "",
            request.attempts,
            now - request.published_at if answered and request.attempts else None,
        )

    def _outcome(self, request: _Request) -> Outcome:
        if request.attempts == 0:
            return "in_doubt" if request.unanswered else "not_sent"
        if request.code is not None and return_code(request.code).asks == "accepted":
            return "accepted"
        if request.code is not None and self._is_divisible(request, request.code):
            return "divided"
        if request.cut_short and not request.unanswered:
            return "not_sent"  # declined for now by a transient code, and not retried
        # All attempts are used: an attempt without a reply may have arrived.
        transient = request.code is None or return_code(request.code).asks == "retry"
        if request.unanswered and transient:
            return "in_doubt"
        return "declined" if request.code is not None else "in_doubt"

    def _may_try_again(self, request: _Request) -> bool:
        if request.attempts >= self.limits.attempts:
            return False
        request.cut_short = self.stopped
        return not request.cut_short

    def _is_divisible(self, request: _Request, code: int) -> bool:
        if self.stopped and not self.interrupted:
            return False
        return self.may_divide(request.request_id, code)

    def _count_alike(self, request: _Request, outcome: Outcome) -> None:
        """Stop a run if all its requests are declined with the same code from the start.

        Parts of a request count as a single request: a good part shows by being accepted.
        """
        limit, code = self.limits.give_up_after, request.code
        if self._varied or outcome in {"not_sent", "divided"}:
            return
        if outcome != "declined" or code is None or self._alike not in {None, code}:
            self._varied = True
            return
        self._alike = code
        self._declined.add(request.root)
        if limit is not None and len(self._declined) >= limit and not self.stopped:
            self.end(Ended("declined_alike", (limit, code)))


def _pause(attempts: int, jitter: float) -> float:
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, MANY))
    return float(pause * (1 - JITTER * jitter))
