"""A platform, a network and a clock in which whole replays run without sockets and waiting.

The rules are the rehearsal platform's own; what is virtual is what moves the bytes. A message takes
``LATENCY`` each way and keeps its place in the line; time goes by when somebody waits.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from types import SimpleNamespace

import mpreplay as mp
from mpreplay.conversation.transport import Acknowledged, Event, Lost, Message
from mpreplay.errors import ConnectError
from mpreplay.protocol.pieces import Pieces
from mpreplay.protocol.signature import sign_in
from mpreplay.simulator.faults import Fault, FaultScript, Outbox, course_of
from mpreplay.simulator.platform import ACCEPTED, UNAVAILABLE, Platform
from mpreplay.simulator.world import Device, World

LATENCY = 0.01  # [s]
BEGINNING = 1_700_000_000.0  # of virtual time, since the Unix epoch [s]
TICK = 1e-6  # by so much time goes by even where nobody means to wait [s]
FINAL = frozenset({1, 2, 4})  # CONNACK codes that trying again cannot help

Action = Callable[[], None]


class VirtualClock:
    """A clock that moves when somebody waits, and does on its way what is due."""

    def __init__(self) -> None:
        self._now = 1_000.0
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Return a reading that only grows."""
        return self._now

    def wall(self) -> float:
        """Return the time since the Unix epoch."""
        return BEGINNING + self._now

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.wait_for(lambda: False, seconds)

    def later(self, seconds: float, action: Action) -> None:
        """Have something done after a while; what is due at one moment is done in order."""
        heapq.heappush(self._due, (self._now + seconds, next(self._order), action))

    def wait_for(self, is_there: Callable[[], bool], seconds: float) -> None:
        """Let time go by until something is there, or is over."""
        until = self._now + max(seconds, TICK)
        while not is_there():
            if not self._due or self._due[0][0] > until:
                self._now = until
                return
            at, _, action = heapq.heappop(self._due)
            self._now = max(self._now, at)
            action()

    @property
    def module(self) -> SimpleNamespace:
        """What stands in for the module ``time``."""
        return SimpleNamespace(
            monotonic=self.now, time_ns=lambda: int(self.wall() * 1e9), sleep=self.sleep
        )


class VirtualWorld:
    """The platform behind a network that fails as a script says; as the real endpoint does it.

    Parameters
    ----------
    world : World
        Who exists.
    faults : FaultScript
        What goes wrong with which message.
    """

    def __init__(self, world: World, faults: FaultScript) -> None:
        self.clock = VirtualClock()
        self.platform = Platform(world, faults)
        self.links: dict[Device, Link] = {}
        self.outbox = Outbox(self._deliver, self._later)
        self.away_until = 0.0
        self._stalled_until = 0.0

    @property
    def now_ms(self) -> int:
        """The platform's clock."""
        return int(self.clock.wall() * 1000)

    def do(self, action: Action) -> None:
        """Do something now, or, while everything stands still, afterwards in its turn."""
        if (wait := self._stalled_until - self.clock.now()) > 0:
            self.clock.later(wait, lambda: self.do(action))
        else:
            action()

    def take(self, link: Link, topic: str, payload: bytes) -> None:
        """Take a publish from a link that is still open."""
        if link.is_ended:
            return
        fault = self.platform.draw(topic)
        if fault is not None and fault.kind == "stall":
            self._stalled_until = max(self._stalled_until, self.clock.now() + fault.seconds)
        self.do(lambda: self._handle(link, topic, payload, fault))

    def _handle(self, link: Link, topic: str, payload: bytes, fault: Fault | None) -> None:
        course = course_of(fault)
        if course.acknowledged:
            link.send(Acknowledged(topic))
        if course.handled:
            code = 0 if fault is None else fault.code
            reply = self.platform.receive(link.device, topic, payload, self.now_ms, code)
            if reply is not None and course.replied:
                self.outbox.put(link.device, f"{topic}_reply", reply, fault)
        if course.ending == "away" and fault is not None:
            self.away_until = self.clock.now() + fault.seconds
        if course.ending:
            link.end("reset" if course.ending == "reset" else "kicked")

    def _deliver(self, device: Device, topic: str, payload: bytes) -> None:
        """Send a reply through the session that the device has by now."""
        if link := self.links.get(device):
            link.send(Message(topic, self.platform.travels(device, payload)))

    def _later(self, seconds: float, action: Action) -> None:
        self.clock.later(seconds, lambda: self.do(action))


class Link:
    """One connection: what is on its way to the client, and how it ended."""

    def __init__(self, world: VirtualWorld, device: Device, session: int) -> None:
        self.device = device
        self.inbox: deque[Event] = deque()
        self.is_ended = False
        self._world, self._session = world, session
        self._is_reset = False

    def send(self, event: Event) -> None:
        """Send something to the client; a reset overtakes it, an orderly end does not."""
        if not self.is_ended:
            self._world.clock.later(
                LATENCY, lambda: None if self._is_reset else self.inbox.append(event)
            )

    def end(self, how: str) -> None:
        """End the connection from the platform's side."""
        if self.is_ended:
            return
        self.is_ended, self._is_reset = True, how == "reset"
        world = self._world
        world.platform.end(self._session, how, world.now_ms)
        if world.links.get(self.device) is self:
            del world.links[self.device]
        loss = Lost(how, closed_by_peer=how != "reset")
        world.clock.later(LATENCY, lambda: self.inbox.append(loss))


class VirtualTransport:
    """A transport into a virtual world; it keeps to what ``transport.Transport`` says."""

    def __init__(
        self, world: VirtualWorld, connection: mp.Connection, topics: Iterable[str]
    ) -> None:
        self._world, self._connection, self._topics = world, connection, list(topics)
        self._link: Link | None = None

    def connect(self) -> None:
        """Sign in and subscribe; raise ConnectError if that fails."""
        self.close()
        world, device = self._world, self._connection.device
        answered: list[int] = []
        world.clock.later(LATENCY, lambda: world.do(lambda: answered.append(self._sign_in())))
        world.clock.wait_for(lambda: bool(answered), 15.0)
        code = answered[0] if answered else UNAVAILABLE
        if code != ACCEPTED:
            raise ConnectError(f"refused with code {code}", code in FINAL)
        assert all(world.platform.may_subscribe(device, topic) for topic in self._topics)
        world.clock.sleep(LATENCY)

    def _sign_in(self) -> int:
        world, connection = self._world, self._connection
        signed = sign_in(
            *connection.device, connection.device_secret.reveal(), client_id=connection.device_key,
            timestamp=world.now_ms, compression=connection.compression,
        )  # fmt: skip
        admission = world.platform.connect(
            signed.client_id, signed.username, signed.password, world.now_ms,
            away=world.clock.now() < world.away_until,
        )  # fmt: skip
        if admission.code == ACCEPTED:
            self._link = Link(world, connection.device, admission.session)
            if former := world.links.pop(connection.device, None):
                former.end("taken over")
            world.links[connection.device] = self._link
        return admission.code

    def publish(self, topic: str, payload: bytes | Pieces) -> None:
        """Send one message; what is sent into a connection that is gone is lost."""
        payload = bytes(payload)
        world, link = self._world, self._link
        if link is not None:
            arrive = lambda: world.take(link, topic, payload)  # noqa: E731 - said once, used once
            world.clock.later(LATENCY, lambda: world.do(arrive))

    def receive(self, timeout: float) -> Event | None:
        """Return what happens next, or None after ``timeout`` seconds."""
        inbox = deque() if self._link is None else self._link.inbox
        self._world.clock.wait_for(lambda: bool(inbox), timeout)
        return inbox.popleft() if inbox else None

    def close(self) -> None:
        """Disconnect; what was sent before arrives before."""
        world, link = self._world, self._link
        self._link = None
        if link is not None:
            world.clock.later(LATENCY, lambda: world.do(lambda: link.end("disconnected")))
