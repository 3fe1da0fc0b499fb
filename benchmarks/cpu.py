"""CPU seconds of processes while they run: those that a busy machine does not lengthen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

APART = 0.05  # by so much the two ratios may differ to be one figure


class Ratio(NamedTuple):
    """A ratio of times, and the same of CPU seconds."""

    by_time: float
    by_cpu: float

    @property
    def figure(self) -> float:
        """The ratio of times; where the two disagree, that of CPU seconds."""
        return self.by_cpu if self._is_apart else self.by_time

    @property
    def told(self) -> str:
        """By what the figure is taken."""
        return "by CPU" if self._is_apart else "by time"

    def named(self, name: str) -> dict[str, float]:
        """Return both under a name."""
        return {f"{name}, by time": self.by_time, f"{name}, by CPU": self.by_cpu}

    @property
    def _is_apart(self) -> bool:
        return abs(self.by_time - self.by_cpu) > APART * self.by_cpu


class Meter:
    """The CPU seconds, from now on, of this process and of its descendants that go on."""

    def __init__(self) -> None:
        self._others = {pid: _cpu_of(pid) for pid in _descendants(os.getpid())}
        self._own = time.process_time()  # last: looking for the others is no part of it

    def used(self) -> float:
        """Return what they have used together."""
        own = time.process_time() - self._own
        # One that has ended in between counts for nothing.
        others = (_cpu_of(pid) - before for pid, before in self._others.items())
        return own + sum(max(0.0, used) for used in others)


def cost_of(action: Callable[[], object]) -> dict[str, float]:
    """Return the seconds that an action takes, and the CPU seconds of all processes."""
    meter, begin = Meter(), time.perf_counter()
    action()
    took = time.perf_counter() - begin
    return {"seconds": took, "cpu": meter.used()}


def _cpu_of(pid: int) -> float:
    try:
        # The clock of a process, as Linux numbers it: to the nanosecond, with all its threads.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(words[1]), []).append(int(path.parent.name))
    found = list(children.get(pid, ()))
    for one in found:  # which grows
        found += children.get(one, ())
    return found
