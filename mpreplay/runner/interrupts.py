"""Ctrl-C, a notebook's interrupt, a scheduler's SIGTERM, ``stop=``: requests to end.

A shell over signals. The first signal is noted, so that a run can wait for its replies; the second
ends the run at once. Before anything is sent, the first ends the run at once, too. The command line
notes signals from its first moment on: this module imports nothing that takes time.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Final

from ..errors import Interrupted

__all__ = ["STOP", "Interrupts", "signals_of"]

STOP: Final = "stop"  # the name of an end that was asked for by an event


def signals_of(system: Any = signal) -> tuple[signal.Signals, ...]:
    """Return the signals that end a run in order, as far as a system has them.

    SIGBREAK is Ctrl-Break, all that a process of Windows can be sent from outside; its SIGTERM
    ends it at once.
    """
    known = (getattr(system, name, None) for name in ("SIGINT", "SIGTERM", "SIGBREAK"))
    return tuple(number for number in known if number is not None)


_SIGNALS: Final = signals_of()


class Interrupts:
    """A context that notes signals; outside the main thread no signals are noted.

    Parameters
    ----------
    at_once : bool, optional
        The first signal raises KeyboardInterrupt; there is nothing to wait for. May be changed.
    stop : threading.Event, optional
        An event that asks for the end, too: from any thread, and wherever there are no signals.
    """

    def __init__(self, *, at_once: bool = False, stop: threading.Event | None = None) -> None:
        self.at_once = at_once
        self._signal = ""
        self._stop = stop
        self._before: dict[signal.Signals, Any] = {}
        self._is_over = self._is_last = False

    @property
    def name(self) -> str:
        """Name of the signal that came, or of the event that was set; else the empty text."""
        if self._signal or self._stop is None:
            return self._signal
        return STOP if self._stop.is_set() else ""

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        for handler in self._before.values():
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, Interrupts):  # what came before, but could not raise
                self._signal = self._signal or outer._signal
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_last:
            for number in self._before:
                signal.signal(number, signal.SIG_IGN)
            return
        for number, handler in self._before.items():
            # None is a handler that was not set from Python, and cannot be restored from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def heed(self) -> None:
        """Raise if the end was asked for, before anything is sent.

        Raises
        ------
        Interrupted
            If ``stop`` is set.
        KeyboardInterrupt
            If a signal has come that did not raise by itself.
        """
        if self.name == STOP:
            raise Interrupted("the replay was stopped before anything was sent")
        if self.name:
            raise KeyboardInterrupt

    def end(self, *, of_process: bool = False) -> None:
        """Let no further signal change the end, nor the end of the process after the context."""
        self._is_over, self._is_last = True, of_process

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._is_over:
            return
        again, self._signal = bool(self._signal), self._signal or signal.Signals(number).name
        if again or self.at_once:
            raise KeyboardInterrupt
