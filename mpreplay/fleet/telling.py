"""The progress of a fleet: a line in a terminal or on stderr, a display in a notebook, and events.

A shell. It reads the pulses of the gateways that are running, never the journals.
"""

from __future__ import annotations

import html
import logging
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from ..runner.progress import is_notebook
from .fleet_words import live_form, live_line
from .pulse import pulses_in
from .record import Record

__all__ = ["Telling"]

log = logging.getLogger("mpreplay")
EVENT: Final = 1.0  # [s]
LINE: Final = 30.0  # without a terminal [s]
SHOWN: Final = 64  # running gateways whose pulses are read at most


class Telling:
    """The progress of a fleet, reported at intervals.

    Parameters
    ----------
    progress : bool or "auto"
        As for ``replay_fleet``.
    on_event : callable or None
        Called with the numbers as a dict.
    n_units : int
        Number of gateways to replay.
    """

    def __init__(
        self,
        progress: bool | str,
        on_event: Callable[[dict[str, Any]], object] | None,
        n_units: int,
    ) -> None:
        self._is_notebook = progress is not False and is_notebook()
        self._is_terminal = bool(sys.stderr) and sys.stderr.isatty() and not self._is_notebook
        self._shows_end = progress is True or (
            progress == "auto" and (self._is_terminal or self._is_notebook)
        )
        self._shows = progress is not False and sys.stderr is not None
        self._on_event, self._n_units = on_event, n_units
        self._event_at, self._line_at = 0.0, time.monotonic()
        self._has_failed = False
        self._handle: Any = None

    def __enter__(self) -> Telling:
        return self

    def __exit__(self, *_: object) -> None:
        """End the line of a terminal that an error has left open."""
        if self._is_terminal and self._handle is not None:
            self._handle = None
            sys.stderr.write("\n")

    def __call__(self, record: Record, n_done: int, n_open: int) -> None:
        """Tell of a fleet: its record, numbers of gateways done and open."""
        now = time.monotonic()
        is_event = self._on_event is not None and (now >= self._event_at + EVENT or not n_open)
        every = EVENT if self._is_terminal or self._is_notebook else LINE
        is_line = (self._shows and now >= self._line_at + every) or (self._shows_end and not n_open)
        if not is_event and not is_line:
            return
        pulses = pulses_in(record.folder, SHOWN) if n_open else {}
        n_failed = sum(bool(one.error) for one in record.entries)
        counts = {"gateways": self._n_units, "done": n_done, "open": n_open, "failed": n_failed}
        if is_event:
            self._event_at = now
            rates = [one.get("values_per_second") for one in pulses.values()]
            rate = sum(one for one in rates if one is not None)
            self._tell({"event": "fleet", **counts, "values_per_second": rate})
        if is_line:
            self._line_at = now
            self._show(counts, pulses, is_last=not n_open)

    def _tell(self, told: dict[str, Any]) -> None:
        try:
            if self._on_event is not None:
                self._on_event(told)
        except Exception:
            if not self._has_failed:
                log.exception("on_event has failed; the fleet goes on")
            self._has_failed = True

    def _show(
        self, counts: dict[str, int], pulses: dict[str, dict[str, Any]], *, is_last: bool
    ) -> None:
        line = live_line(counts, pulses.values())
        try:
            if self._is_notebook:
                self._display(line, live_form(line, pulses))
            else:
                self._write(line, is_last=is_last)
        except Exception as error:  # of a closed stream, a lost kernel
            log.info("the progress cannot be shown (%s: %s)", type(error).__name__, error)
            self._shows = self._shows_end = False

    def _display(self, line: str, table: str) -> None:
        shown = {"text/plain": line, "text/html": table or html.escape(line)}
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def _write(self, line: str, *, is_last: bool) -> None:
        if self._is_terminal:
            self._handle = None if is_last else sys.stderr
            sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if is_last else ""))
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
