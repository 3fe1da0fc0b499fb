"""The connection of a run: made within the platform's limit, signed in, lost and regained.

A shell over a transport. Every wait is short, and heeds interrupts before it goes on.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..conversation.pacing import next_connect
from ..conversation.reconnect import Reconnect
from ..conversation.transport import Lost
from ..display.amounts import duration
from ..display.facts import Ended
from ..errors import ConfigError, ConnectError, ConnectionLost

if TYPE_CHECKING:
    from ..conversation.session import Session
    from ..conversation.sub_devices import SubDevices
    from ..conversation.transport import Event, Transport
    from ..display.progress import Hold
    from ..settings import Limits
    from .clock import Clock, ConnectRecord

__all__ = ["IDLE", "Link", "jitter"]

log = logging.getLogger("mpreplay")
IDLE: Final = 0.5  # longest wait for an event, so that interrupts are noticed [s]


@dataclass(slots=True)
class Link:
    """The connection of a run.

    Parameters
    ----------
    transport : Transport
        Transport of bytes to and from the platform.
    sub_devices : SubDevices
        Sub-devices signed in through the gateway.
    record : ConnectRecord
        Record of the device's connects.
    clock : Clock
        The clock.
    limits : Limits
        The connect limit.
    session : Session
        The session that is told of losses and sign-ins.
    heed : callable
        Function that heeds interrupts, and returns True once nothing more is published.
    handle : callable
        Function that takes the events received during a sign-in.

    Attributes
    ----------
    n_connects : int
        Number of connects.
    waits_for : (str, float) or None
        While there is no connection: what the next connect waits for, and until when. [s]
    """

    transport: Transport
    sub_devices: SubDevices
    record: ConnectRecord
    clock: Clock
    limits: Limits
    session: Session
    heed: Callable[[], bool]
    handle: Callable[[Event], None]
    n_connects: int = 0
    waits_for: tuple[Hold, float] | None = None
    _reconnect: Reconnect = field(default_factory=Reconnect)

    @property
    def is_lost(self) -> bool:
        """True from a loss until the next connect."""
        return self._reconnect.is_lost

    @property
    def has_rival(self) -> bool:
        """True if the losses look as if another client took the session over."""
        return self._reconnect.has_rival

    def begin(self) -> bool:
        """Make the first connection; return False if the user interrupts.

        Raises
        ------
        ConnectError
            If it cannot be made.
        """
        if not self._await_limit():
            return False
        try:
            self._connect()
        except ConnectError:
            if self.heed():
                return False  # it was not wanted any more
            raise
        return True

    def lose(self, loss: Lost) -> None:
        """Take note of a loss."""
        log.warning(
            "the connection is lost (%(reason)s); connecting again", {"reason": loss.reason}
        )
        self._reconnect.on_lost(self.clock.now(), closed_by_peer=loss.closed_by_peer)

    def regain(self) -> None:
        """Wait a little, or connect again once the platform's connect limit allows it."""
        now, by_limit = self.clock.now(), self._pause_by_limit()
        pause = self._reconnect.pause(now, by_limit)
        if pause is not None:
            self.waits_for = (
                ("connect_limit" if pause == by_limit > 0 else "connection"),
                now + pause,
            )
        if pause is None:
            self.session.end(Ended("not_regained", (self._reconnect.patience,)))
        elif pause > 0:
            self.clock.sleep(min(pause, IDLE))
        else:
            self._try_to_connect()

    def sign_in(self) -> None:
        """Sign the sub-devices in."""
        try:
            for event in self.sub_devices.sign_in(self.transport, self.heed):
                self.handle(event)
            if not self._reconnect.is_lost:
                self.session.on_connected(self.clock.now())
                self._reconnect.on_ready()
        except ConnectionLost as error:
            self.handle(Lost(str(error), error.closed_by_peer))

    def _await_limit(self) -> bool:
        """Wait until the connect limit allows a connect; return False if interrupted."""
        if (wait := self._pause_by_limit()) > 0:
            log.warning(
                "waiting %(told)s: the platform limits how often a device connects "
                "(Limits(connects=None), or --no-connect-limit, for one that does not)",
                {"told": duration(wait), "seconds": wait},
            )
        while (wait := self._pause_by_limit()) > 0:
            self.waits_for = "connect_limit", self.clock.now() + wait
            if self.heed():
                return False
            self.clock.sleep(min(wait, IDLE))
        return True

    def _pause_by_limit(self) -> float:
        now = self.clock.wall()
        period = self.limits.connect_period
        allowed = next_connect(
            # A connect in the future was noted before the clock was set back.
            [time for time in self.record.connects() if time <= now + period],
            now,
            limit=self.limits.connects,
            period=period,
        )
        return allowed - now

    def _connect(self) -> None:
        """Sign in, and the sub-devices with it."""
        self.record.remember(self.clock.wall())
        self.n_connects += 1
        self.transport.connect()
        self.waits_for = None
        if self._reconnect.is_lost:
            log.warning("connected again")
        self._reconnect.on_connected(self.clock.now())
        self.sign_in()

    def _try_to_connect(self) -> None:
        try:
            self._connect()
        except (ConnectError, ConfigError) as error:  # the latter: the file of a secret has gone
            if self.heed():
                return
            log.warning("%s", str(error))  # a log that keeps records must not keep the client
            self._reconnect.on_failed(self.clock.now(), jitter())
            if getattr(error, "is_final", True):
                self.session.end(Ended("refused", (str(error),)))


def jitter() -> float:
    """Return a random number in [0, 1)."""
    return random.random()  # noqa: S311 - spreads pauses; not a secret
