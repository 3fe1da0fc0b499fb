"""A replay under way: session, transport and journal, joined by a loop.

A shell, and the only thread that touches session, transport and journal. Clock and transport are
arguments, so that a test can drive a replay through any fault without waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..conversation.isolation import root_of
from ..conversation.packing import counts_of_packing
from ..conversation.session import Session
from ..conversation.transport import Acknowledged, Lost, Message
from ..display.facts import Ended
from ..display.sentences import ended_in_words
from ..errors import ConnectError, PlatformError
from ..protocol.messages import batch_reply_topic, batch_topic, decode_reply
from .fates import fates_of
from .link import IDLE, Link, jitter
from .ready_slabs import ready_slabs
from .taken_up import awaited, check_taken_up, taken_up

if TYPE_CHECKING:
    from ..checks.nearby import Nearby
    from ..conversation.isolation import Isolation
    from ..conversation.sub_devices import SubDevices
    from ..conversation.transport import Event, Transport
    from ..display.progress import Hold, Progress
    from ..journal.unfinished import Unfinished
    from ..journal.writer import Journal
    from ..order import Order
    from ..outcome.recording import Ready
    from ..outcome.settled import Settled
    from ..requests.chunk import Chunk, Prepared
    from ..requests.preparing import Preparer
    from ..settings import Connection
    from .clock import Clock, ConnectRecord
    from .interrupts import Interrupts
    from .meter import Meter
    from .progress import Telling

__all__ = ["Driver"]

log = logging.getLogger("mpreplay")
GRACE: Final = 10.0  # longest wait of an interrupted run for replies to published requests [s]
# A wait that is no shorter is noted. [s]
BRIEF: Final = 0.001
AT_ONCE: Final = 64  # most events that are handled before the next publish
COUNTED: Final = (
    "strangers",
    "doubles",
    "contradictions",
    "broken_replies",
    "connects",
    "published",
    "acknowledged",
)


@dataclass(slots=True)
class _Sent:
    """An unsettled request: its chunk and values, and the time of its latest publish."""

    chunk: Chunk
    n_values: int  # equal copies included
    is_counted: bool = False  # among the values sent now; its parts with it
    sent_at: int | None = None


@dataclass(slots=True)
class Driver:
    """Sender of a history, or of the rest left by an earlier run.

    Parameters
    ----------
    order : Order
        The order of the replay, already checked.
    preparer : Preparer
        Maker of requests from slabs.
    connection : Connection
        The platform's address and the gateway's keys.
    journal : Journal
        Journal of the run; each step is written before the next step relies on it.
    transport : Transport
        Transport of bytes to and from the platform.
    sub_devices : SubDevices
        Sub-devices signed in through the gateway.
    record : ConnectRecord
        Record of the device's connects.
    interrupts : Interrupts
        The user's or the system's wish to end the run.
    unfinished : Unfinished
        State of the run in the journal.
    isolation : Isolation
        Rules for taking declined requests apart.
    next_id : callable
        Called for the id of a new request.
    clock : Clock
        The clock.
    meter : Meter
        The measure of the run.
    telling : Telling
        The showing of its progress.
    nearby : Nearby, optional
        The search that finds the duplicates while the history is sent, if they are not known.
    lists_unsent : bool, optional
        True if values never sent are rejects, row by row, since nothing can continue the run.

    Attributes
    ----------
    sent_now : int
        Number of values sent, each once.
    """

    order: Order
    preparer: Preparer
    connection: Connection
    journal: Journal
    transport: Transport
    sub_devices: SubDevices
    record: ConnectRecord
    interrupts: Interrupts
    unfinished: Unfinished
    isolation: Isolation
    next_id: Any
    clock: Clock
    meter: Meter
    telling: Telling
    nearby: Nearby | None = None
    lists_unsent: bool = True
    sent_now: int = 0
    session: Session = field(init=False)
    link: Link = field(init=False)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    _slabs: Generator[Ready, None, None] = field(init=False)
    _requests: dict[str, _Sent] = field(default_factory=dict)
    _exhausted: bool = False
    _ending: float | None = None  # when an interrupted run stops waiting

    def __post_init__(self) -> None:
        """Make the session, without connecting."""
        self.session = Session(
            self.order.limits,
            lambda one, code: self.isolation.may_divide(self._requests[one].chunk, code),
        )
        self.link = Link(
            self.transport,
            self.sub_devices,
            self.record,
            self.clock,
            self.order.limits,
            self.session,
            self._heed,
            self._handle,
        )
        self._slabs = ready_slabs(self.order, self.preparer, self.unfinished, self.nearby)
        for name in COUNTED:
            self.counts[name] = int(self.unfinished.counts.get(name, 0))
        self.journal.counting = self._counted  # written with each step: a kill loses none
        self.telling.look = self._look

    def run(self) -> None:
        """Send everything, and record the end of the run."""
        try:
            self.telling.begin()
            if not (self.journal.is_new and self.preparer.duplicates.n_rows):
                self._feed()  # perhaps there is nothing to connect for
            if self._is_done():
                log.info("nothing is left to send of the run in %s", self.journal.path)
            elif self.link.begin():
                self._loop()
                if not self.interrupts.name:  # nothing more is published after an interrupt
                    self.sub_devices.sign_out(self.transport)
        except ConnectError as error:
            self.session.end(Ended("refused", (str(error),)))
            self._give_up()
            raise
        else:
            if self.session.stopped:  # ended before the last request
                self._give_up()
        finally:
            self._slabs.close()
            self.transport.close()
            self._note_end()
            self.telling.end()

    def _loop(self) -> None:
        session = self.session
        while True:
            self._heed()
            self._feed()
            publish, settled = session.poll(self.clock.now(), jitter())
            for request_id in publish:
                self._publish(request_id)
            self._settle(settled)
            if session.stopped:
                self._take_up_rest()
                self._settle(session.stop(self.clock.now()))
            if self._is_done():
                return
            began = self.clock.now()
            if self.link.is_lost:
                self.link.regain()
                self._note_wait(began, "connection")
            elif session.needs_sign_in and not session.stopped:
                self.link.sign_in()
                self._note_wait(began, "connection")
            else:
                self._listen(began)

    def _listen(self, began: float) -> None:
        """Wait for an event; it and those that came with it are one write of the journal."""
        event = self.transport.receive(self._wait(began))
        self._note_wait(began)
        with self.journal.joined():
            for _ in range(AT_ONCE):
                n_open = len(self._requests)
                self._handle(event)
                # No more once nothing is open, or once parts of a request can go.
                if event is None or self.link.is_lost or not 0 < len(self._requests) <= n_open:
                    return
                event = self.transport.receive(0.0)

    def _is_done(self) -> bool:
        return not self.session.n_open and (self._exhausted or self.session.stopped)

    def _wait(self, now: float) -> float:
        due = self.session.next_event(now)
        idle = min(IDLE, self.telling.wait(now))
        return idle if due is None else min(idle, max(0.0, due - now))

    def _note_wait(self, began: float, hold: Hold | None = None) -> None:
        """Note what a wait was for: by default, what holds the next publish."""
        now = self.clock.now()
        if now - began >= BRIEF:
            self.meter.holds.spent(hold or self.session.held_by(began), now - began, now)

    def _look(self, now: float) -> Progress:
        return self.meter.progress(
            now,
            in_flight=self.session.values_in_flight,
            is_read=self._exhausted,
            waits_for=self.link.waits_for,
        )

    def _heed(self) -> bool:
        """Show the progress, and heed interrupts; return as :meth:`_heed_interrupts`."""
        self.telling.tick()
        return self._heed_interrupts()

    def _heed_interrupts(self) -> bool:
        """Publish no more after an interrupt, and wait for replies for a while.

        Return True if nothing more is published, for whatever reason.
        """
        if not self.interrupts.name:
            return self.session.stopped
        now = self.clock.now()
        if self._ending is None:
            log.warning("%s: no more is published; waiting for replies", self.interrupts.name)
            self._ending = now + GRACE
            self.session.interrupted = True
            self.session.end(Ended("interrupted", (self.interrupts.name,)))
            self._settle(self.session.stop(now))
        elif now >= self._ending:
            self._settle(self.session.give_up(now))
        return True

    def _handle(self, event: Event | None) -> None:
        match event:
            case Message(topic, payload) if topic == batch_reply_topic(*self.connection.device):
                self._receive(payload)
            case Message(topic=""):  # it may have been a reply
                self.counts["broken_replies"] += 1
            case Acknowledged(topic) if topic == batch_topic(*self.connection.device):
                self.counts["acknowledged"] += 1
            case Lost():
                self._lose(event)

    def _lose(self, loss: Lost) -> None:
        self.link.lose(loss)
        self._settle(self.session.on_lost(self.clock.now()))
        if self.link.has_rival:
            self.session.end(Ended("rival", (self.connection.device_key,)))

    def _receive(self, payload: bytes) -> None:
        try:
            reply = decode_reply(payload)
        except PlatformError as error:
            # The request of a broken reply is unknown: it is retried when its reply is overdue.
            self.counts["broken_replies"] += 1
            log.warning("%s", str(error))  # a log that keeps records must not keep the client
            return
        now = self.clock.now()
        self._settle(
            self.session.receive(reply.request_id, reply.code, reply.message, now, jitter())
        )

    def _feed(self) -> None:
        """Make requests ready while the session wants them."""
        # A history of which nothing can be sent is read through here: interrupts are heeded.
        while not self._exhausted and not self._heed() and self.session.wants_more:
            began = self.clock.now()
            ready = next(self._slabs, None)
            self._note_wait(began, "reading")
            if ready is None:
                self._check_taken_up()
                self._exhausted = True
            elif ready.prepared.number in self.unfinished.open_requests:
                self._take_up(ready.prepared)
            else:
                self._intend(ready)

    def _take_up_rest(self) -> None:
        """Queue the remaining requests of an earlier run: they must settle, too."""
        # Slabs are read in order: slabs of an earlier run come before all others.
        while self.unfinished.open_requests:
            if (ready := next(self._slabs, None)) is None:
                self._check_taken_up()
            else:
                self._take_up(ready.prepared)

    def _check_taken_up(self) -> None:
        """Raise if requests of an earlier run are of no slab of the history."""
        check_taken_up(self.unfinished, self.journal.path)

    def _give_up(self) -> None:
        """Settle all open requests."""
        self._take_up_rest()
        self._settle(self.session.give_up(self.clock.now()))

    def _take_up(self, prepared: Prepared) -> None:
        """Queue the unsettled requests of an earlier run, with the same ids and bytes."""
        intents = self.unfinished.open_requests.pop(prepared.number, [])
        for intent, chunk, after in taken_up(
            prepared, intents, self.order.own, self.order.policy, self.journal.path
        ):
            # The request may have been sent, and may have arrived, before the earlier run ended.
            in_doubt = intent.in_doubt and not after
            self._queue(intent.request_id, chunk, intent.n_bytes, in_doubt=in_doubt, after=after)

    def _intend(self, ready: Ready) -> None:
        """Write a slab down, then queue its requests."""
        intents = self._named(ready.chunks)
        self.journal.intend(ready.prepared, intents, ready.tallies, ready.rejects)
        for request_id, chunk, _, n_bytes in intents:
            self._queue(request_id, chunk, n_bytes)
        self._set_aside([request_id for request_id, *_ in intents])
        read, withheld = (ready.tallies[name].total for name in ("read", "withheld"))
        self.meter.read(ready.prepared.n_taken, read, withheld, self.clock.now())

    def _named(self, chunks: list[Chunk]) -> list[tuple[str, Chunk, str, int]]:
        """Return requests with their ids, digests and sizes."""
        policy = self.order.policy
        named = [(self.next_id(), chunk) for chunk in chunks]
        return [(one, c, c.digest(one, policy), c.n_bytes(one, policy)) for one, c in named]

    def _queue(
        self,
        request_id: str,
        chunk: Chunk,
        n_bytes: int,
        *,
        is_counted: bool = False,
        **options: Any,
    ) -> None:
        n_values = chunk.n_values
        self._requests[request_id] = _Sent(chunk, n_values + chunk.n_copies, is_counted)
        self.meter.made(n_values, n_bytes)
        root = "{}:{}".format(*root_of(chunk))
        self.session.add(request_id, n_bytes, n_values, root=root, **options)

    def _publish(self, request_id: str) -> None:
        sent = self._requests[request_id]
        sent.sent_at = round(self.clock.wall() * 1000)
        payload = sent.chunk.pieces(request_id, self.order.policy)
        log.debug("request %s: %d bytes", request_id, len(payload))
        self.counts["published"] += 1
        if not sent.is_counted:
            self.sent_now, sent.is_counted = self.sent_now + sent.n_values, True
        n_sent = self.transport.publish(batch_topic(*self.connection.device), payload)
        n_sent, now = len(payload) if n_sent is None else n_sent, self.clock.now()
        self.session.travelled(len(payload), n_sent, now)
        self.meter.published(n_sent, now, len(payload))

    def _settle(self, settled: list[Settled]) -> None:
        """Record the ends of requests and the fates of their values."""
        for one in settled:
            sent = self._requests.pop(one.request_id)
            log.debug("request %s: %s, code %s", one.request_id, one.outcome, one.code)
            if one.outcome == "divided" and one.code is not None:
                self._divide(one, sent, self.isolation.divide(sent.chunk, one.code))
                continue
            refused = self.sub_devices.refused
            corrections, rejects, n_skipped = fates_of(
                sent.chunk, one, refused, self.order.policy, lists_unsent=self.lists_unsent
            )
            self.journal.settle(one, sent.sent_at, corrections, rejects)
            self.meter.settled(one.outcome, sent.n_values, self.clock.now(), n_skipped)
            if self.isolation.learn(sent.chunk, one.code):
                self._set_aside(list(self._requests))

    def _divide(self, settled: Settled, sent: _Sent, parts: list[Chunk]) -> None:
        """Record the division of a request, and queue its parts before all other requests."""
        intents = self._named(parts)
        self.journal.divide(settled, sent.sent_at, intents)
        for request_id, chunk, _, n_bytes in reversed(intents):
            after = awaited(chunk, [(one, other) for one, other, *_ in intents])
            counted = sent.is_counted
            self._queue(request_id, chunk, n_bytes, is_counted=counted, first=True, after=after)

    def _set_aside(self, request_ids: list[str]) -> None:
        """Divide queued requests with declined devices, so that other devices travel apart."""
        for request_id in request_ids:
            sent = self._requests[request_id]
            if self.isolation.wants_aside(sent.chunk):
                for one in self.session.withdraw(request_id, self.clock.now()):
                    del self._requests[request_id]
                    self._divide(one, sent, self.isolation.set_aside(sent.chunk))

    def _counted(self) -> dict[str, int]:
        """Return the counts of the run so far."""
        late = ("strangers", "doubles", "contradictions")
        found = self.nearby or self.preparer.duplicates
        return {
            **self.counts,
            **{name: self.counts[name] + getattr(self.session, name) for name in late},
            "connects": self.counts["connects"] + self.link.n_connects,
            "sub_devices_refused": len(self.sub_devices.refused),
            "disordered_slabs": found.n_disordered,
            "equal_copies": found.n_copies,
            **counts_of_packing(self.transport, self.unfinished.counts),
        }

    def _note_end(self) -> None:
        """Record the end of the run."""
        session = self.session
        search = self.nearby if self._exhausted else None
        found = {} if search is None else {"duplicates": search.found().as_dict()}
        self.journal.note(
            ended_at=round(self.clock.wall() * 1000),
            ended=session.ended,
            read_all=self._exhausted,
            **found,
        )
        log.info("run ended%s", f": {ended_in_words(session.ended)}" if session.ended else "")
