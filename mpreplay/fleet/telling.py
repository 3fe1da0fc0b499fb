"""The progress of a fleet: a line in a terminal or on stderr, and events. A shell."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from .record import Record

__all__ = ["Telling"]

log = logging.getLogger("mpreplay")
EVENT: Final = 1.0  # [s]
LINE: Final = 30.0  # without a terminal [s]


class Telling:
    """The progress of a fleet, told by time."""

    def __init__(
        self,
        progress: bool | str,
        on_event: Callable[[dict[str, Any]], object] | None,
        n_units: int,
    ) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shows_end = progress is True or (progress == "auto" and self._is_terminal)
        self._shows = progress is not False
        self._on_event, self._n_units = on_event, n_units
        self._event_at, self._line_at = 0.0, time.monotonic()
        self._has_failed = False

    def __call__(self, record: Record, n_done: int, n_open: int) -> None:
        """Tell of a fleet: its record, the numbers of gateways done and open."""
        now = time.monotonic()
        n_failed = sum(bool(one.error) for one in record.entries)
        if self._on_event is not None and (now >= self._event_at + EVENT or not n_open):
            self._event_at = now
            counts = {"gateways": self._n_units, "done": n_done, "open": n_open}
            self._tell({"event": "fleet", **counts, "failed": n_failed})
        due = now >= self._line_at + (EVENT if self._is_terminal else LINE)
        if (self._shows and due) or (self._shows_end and not n_open):
            self._line_at = now
            failed = f", {n_failed} failed" if n_failed else ""
            self._write(f"replay_fleet: {n_done} of {self._n_units} gateways done{failed}", n_open)

    def _tell(self, told: dict[str, Any]) -> None:
        try:
            if self._on_event is not None:
                self._on_event(told)
        except Exception:
            if not self._has_failed:
                log.exception("on_event has failed; the fleet goes on")
            self._has_failed = True

    def _write(self, line: str, n_open: int) -> None:
        begin, end = ("\r", "" if n_open else "\n") if self._is_terminal else ("", "\n")
        sys.stderr.write(f"{begin}{line}{end}")
        sys.stderr.flush()
