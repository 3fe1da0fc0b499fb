"""The gateways of a fleet under way: submitted, awaited, tried again, stopped.

A shell over an executor. Ends are taken from a queue, so that a thousand gateways cost no more to
wait for than one.
"""

from __future__ import annotations

import logging
import queue
import time
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ..errors import MpReplayError
from ..journal.private import PRIVATE
from ..run import open_run
from .cluster import client_of, mark_stopped
from .pool import Pool, run_packed
from .unit import Unit, UnitEnd

if TYPE_CHECKING:
    from ..runner.interrupts import Interrupts
    from .record import Record
    from .telling import Telling

__all__ = ["Drive"]

log = logging.getLogger("mpreplay")
ATTEMPTS: Final = 3  # of a gateway whose worker dies before it gets any further
MOST_BROKEN: Final = 8  # pools in a row that have lost a process
LOOK: Final = 0.25  # for ends, interrupts and the progress, every so often [s]
GRACE: Final = 20.0  # for the gateways to end, once the fleet is to stop [s]
WRITE: Final = 1.0  # the record, at most so often [s]


@dataclass(slots=True)
class Drive:
    """The gateways under way.

    Parameters
    ----------
    record : Record
        The record of the fleet, kept up to date.
    work : bytes
        What all gateways share.
    executor : Executor or None
        The caller's executor; None: processes of our own.
    n_workers : int
        Number of processes, if they are our own.
    """

    record: Record
    work: bytes
    executor: Executor | None
    n_workers: int
    _own: Pool | None = None
    _tries: dict[str, tuple[int, int]] = field(default_factory=dict)  # deaths, values settled then
    _begun: set[str] = field(default_factory=set)  # gateways that an executor has run
    _open: dict[Future[UnitEnd], tuple[Unit, Executor]] = field(default_factory=dict)
    _ended: queue.SimpleQueue[Future[UnitEnd]] = field(default_factory=queue.SimpleQueue)
    _written: float = 0.0
    _stopped_at: float | None = None
    _broken: int = 0  # pools that have lost a process since a gateway ended
    _left: list[tuple[float, Pool]] = field(default_factory=list)  # such pools, and since when
    sent_now: int = 0  # values, by the workers that have lived to tell
    warned: dict[str, list[str]] = field(default_factory=dict)  # warnings, and their gateways

    def run(self, units: list[Unit], interrupts: Interrupts, tell: Telling) -> None:
        """Replay all gateways; return when they are done, or have ended after an interrupt."""
        self._mark(is_stopped=False)
        for unit in units:
            self._submit(unit)
        while self._open:
            for future in self._next_ends():
                self._take(future)
            self._begun.update(
                unit.journal for future, (unit, _) in self._open.items() if future.running()
            )
            tell(self.record, len(units) - len(self._open), len(self._open))
            self._tidy(time.monotonic() - GRACE)
            if self._own is not None:
                self._own.look()
            if interrupts.name and self._stopped_at is None:
                self._stop(interrupts.name)
            if self._stopped_at is not None and time.monotonic() > self._stopped_at + GRACE:
                log.warning("%d gateways have not ended in time", len(self._open))
                break
        if self._stopped_at is not None and not self._open:
            self._mark(is_stopped=False)
        self.record.write()

    def _submit(self, unit: Unit) -> None:
        executor = self.executor
        if executor is None:
            executor = self._own = self._own or Pool(self.n_workers)
        has_journal = (self.record.folder / unit.journal).exists()
        future = executor.submit(run_packed, self.work, unit, has_journal)
        self._open[future] = (replace(unit, kept=None), executor)
        future.add_done_callback(self._ended.put)

    def _next_ends(self) -> list[Future[UnitEnd]]:
        """Return the gateways that have ended, after a while if there are none."""
        found = []
        try:
            found.append(self._ended.get(timeout=LOOK))
            while True:
                found.append(self._ended.get_nowait())
        except queue.Empty:
            return [future for future in found if future in self._open]

    def _stop(self, why: str) -> None:
        log.warning("%s: the gateways end in order", why)
        self._stopped_at = time.monotonic()
        self._mark(is_stopped=True)
        if client_of(self.executor) is None:
            self._cancel()

    def _mark(self, *, is_stopped: bool) -> None:
        if is_stopped:
            self.record.ask_to_stop()
        else:
            self.record.forget_stop()
        if (client := client_of(self.executor)) is not None:
            mark_stopped(client, self.record.token, is_stopped=is_stopped)

    def _cancel(self) -> None:
        """Cancel the gateways that have not begun; a cluster cancels those that go on, too."""
        for future in list(self._open):
            if future.cancel():
                del self._open[future]

    def _take(self, future: Future[UnitEnd]) -> None:
        """Note the end of a gateway; one whose worker has died is tried again."""
        unit, executor = self._open.pop(future)
        try:
            end = future.result()
        except CancelledError:
            return
        except Exception as error:  # whatever an executor raises for a worker that has died
            if self._own is not None and executor is self._own:  # it takes no more
                self._own.shutdown(wait=False)
                self._left.append((time.monotonic(), self._own))
                self._own = None
                self._broken += 1
            if self._stopped_at is not None:  # by the scheduler, too: it is continued
                return
            if self._may_try_again(unit, error):
                log.warning("%s: its worker has ended (%s); it is continued", unit.name, error)
                self._submit(unit)
                return
            end = UnitEnd(unit.name, f"its worker has ended: {error}", type(error).__name__)
        if end.needs_journal:
            self._submit(replace(unit, kept=(self.record.folder / unit.journal).read_bytes()))
            return
        self._note(unit, end)

    def _may_try_again(self, unit: Unit, error: Exception) -> bool:
        """Count a death; those do not count that hit a bystander, or come after some progress."""
        if self._broken > MOST_BROKEN:
            return False
        if isinstance(error, BrokenProcessPool) and unit.journal not in self._begun:
            return True
        settled = self._settled(unit)
        deaths, before = self._tries.get(unit.name, (0, settled))
        deaths = 1 if settled > before else deaths + 1
        self._tries[unit.name] = (deaths, settled)
        return deaths < ATTEMPTS

    def _settled(self, unit: Unit) -> int:
        """Return the number of values that have their fate, or -1 before the first slab."""
        try:
            summary = open_run(self.record.folder / unit.journal).summary()
        except MpReplayError:
            return -1
        return int(summary["accepted"]) + int(summary["declined"])

    def _note(self, unit: Unit, end: UnitEnd) -> None:
        self._broken = 0
        self.sent_now += end.sent_now
        for told in end.warned:
            self.warned.setdefault(told, []).append(end.name)
        if end.journal is not None:
            path = self.record.folder / unit.journal
            fresh = path.with_name(f"{path.name}.new")
            fresh.touch(PRIVATE)
            fresh.write_bytes(end.journal)
            fresh.replace(path)
        if end.error:
            self.record = self.record.failed(end.name, end.error, end.kind)
            if time.monotonic() > self._written + WRITE:
                self._written = time.monotonic()
                self.record.write()

    def end(self) -> None:
        """End the processes of our own, and let nothing begin from now on."""
        self._cancel()
        if self._own is not None:
            self._own.shutdown(wait=not self._open, cancel_futures=True)
            self._left.append((time.monotonic(), self._own))
        self._tidy(time.monotonic())

    def _tidy(self, before: float) -> None:
        """Kill what is left of the pools that were given up before a time."""
        for since, pool in list(self._left):
            if since <= before:
                pool.kill()
                self._left.remove((since, pool))
