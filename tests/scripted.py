"""A clock that moves when somebody waits, a platform that follows a script: no socket, no sleep."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

import mpreplay as mp
from mpreplay.conversation import sub_devices
from mpreplay.conversation.transport import Acknowledged, Lost, Message
from mpreplay.errors import ConnectError
from mpreplay.protocol.pieces import Pieces
from mpreplay.runner import replaying

GATEWAY = mp.Connection("h", product_key="gateway", device_key="gw-1", device_secret="s")
Script = Callable[[int, Any], Any]


def always(_n: int, _message: Any) -> None:
    """Accept everything at once."""


class Killed(BaseException):
    """The end of a process, as far as a test can have it."""


class Clock:
    """A clock that moves when somebody waits."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at
        self.module = SimpleNamespace(
            monotonic=self.now, time_ns=lambda: int(self.at * 1e9), sleep=self.sleep
        )

    def now(self) -> float:
        """Return the time."""
        return self.at

    wall = now

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.at += max(seconds, 1e-6)


class Scripted:
    """A transport whose platform does what the script says.

    ``script(n, message)`` is asked at the n-th publish to the batch topic and returns what
    follows: pairs of a delay and a code, raw bytes, or Lost. None: accepted at once.
    """

    def __init__(self, clock: Clock, script: Script, refusals: int = 0) -> None:
        self.clock, self.script, self.refusals = clock, script, refusals
        self.published: list[tuple[str, bytes]] = []
        self.other: list[tuple[str, Any]] = []
        self.connects: list[float] = []
        self.events: list[tuple[float, int, Any]] = []
        self.order = itertools.count()
        self.is_open = False

    @property
    def ids(self) -> list[str]:
        """The ids of what was published, in order."""
        return [str(orjson.loads(payload)["id"]) for _, payload in self.published]

    def connect(self) -> None:
        """Sign in, unless the script refuses it."""
        self.connects.append(self.clock.at)
        if len(self.connects) > 1 and self.refusals:
            self.refusals -= 1
            raise ConnectError("refused by the script")
        self.events, self.is_open = [], True

    def publish(self, topic: str, payload: bytes | Pieces) -> None:
        """Ask the script what becomes of a message."""
        payload = bytes(payload)
        if not self.is_open:
            return
        message = orjson.loads(payload)
        self._later(0.0, Acknowledged(topic))
        if not topic.endswith("resume/batch"):
            self.other.append((topic, message))
            self._reply(topic, 0.0, message, 200)
            return
        self.published.append((topic, payload))
        fate = self.script(len(self.published), message)
        for delay, what in [(0.0, 200)] if fate is None else fate:
            self._reply(topic, delay, message, what)

    def _reply(self, topic: str, delay: float, message: Any, what: Any) -> None:
        if isinstance(what, int):
            what = orjson.dumps({"id": message["id"], "code": what, "data": {}})
        self._later(delay, what if isinstance(what, Lost) else Message(f"{topic}_reply", what))

    def _later(self, delay: float, event: Any) -> None:
        heapq.heappush(self.events, (self.clock.at + delay, next(self.order), event))

    def receive(self, timeout: float) -> Any:
        """Let time pass until something happens."""
        if not self.events or self.events[0][0] > self.clock.at + timeout:
            self.clock.sleep(timeout)
            return None
        at, _, event = heapq.heappop(self.events)
        self.clock.at = max(self.clock.at, at)
        if isinstance(event, Lost):
            self.is_open, self.events = False, []
        return event

    def close(self) -> None:
        """Disconnect."""
        self.is_open = False


def scripted_replay(
    patch: pytest.MonkeyPatch, script: Script, history: mp.History, model: Any, *,
    refusals: int = 0, clock: Clock | None = None, kind: type[Scripted] = Scripted, **options: Any,
) -> tuple[Any, Scripted]:  # fmt: skip
    """Replay along a script; return the run, or the error that ended it, and the transport.

    The connects of a device are remembered in ``MPREPLAY_STATE``: a test that begins with a clock
    of its own should have a state folder of its own.
    """
    clock = clock or Clock()
    transport = kind(clock, script, refusals)
    options = {"allow_offline_sub_device": True, "connection": GATEWAY, "on_interrupt": "return",
               **options}  # fmt: skip
    with patch.context() as inner:
        inner.setattr(replaying, "MqttTransport", lambda *_, **__: transport)
        inner.setattr(replaying, "SystemClock", lambda: clock)
        inner.setattr(sub_devices, "time", clock.module)
        try:
            return mp.replay(history, model, **options), transport
        except (mp.MpReplayError, KeyboardInterrupt) as error:
            return error, transport
