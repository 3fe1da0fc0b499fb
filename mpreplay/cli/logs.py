"""Logs of a command on stderr: lines for people, or a JSON document a line for programs.

A shell over stderr and the ``logging`` of this process.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from .documents import json_line
from .speech import with_options

__all__ = ["FORMS", "Stderr", "telling"]

FORMS: Final = ("plain", "json")
EVERY: Final = 30.0  # between two lines of progress [s]
_ALWAYS: Final = frozenset({"begun", "ended"})


class Stderr(logging.Handler):
    """The lines that a command writes to stderr: logs, warnings, errors, progress.

    Parameters
    ----------
    is_json : bool
        True for a JSON document a line.
    shows_time : bool, optional
        True if plain lines begin with the time.
    """

    def __init__(self, *, is_json: bool, shows_time: bool = False) -> None:
        super().__init__(logging.NOTSET)
        self.is_json = is_json
        self._shows_time = shows_time
        self._last, self._due = "", 0.0  # of the progress: the last kind, and when to tell again

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of the log; named figures of its message become fields."""
        try:
            figures = record.args if isinstance(record.args, Mapping) else {}
            if self.is_json:
                self._write(record.created, record.levelname.lower(), record.getMessage(), figures)
            else:
                at = f"{self._clock(record.created)} " if self._shows_time else ""
                _print(f"{at}mpreplay: {record.getMessage()}")
        except Exception:
            self.handleError(record)

    def tell(self, level: str, message: str, **facts: Any) -> None:
        """Write a warning or an error."""
        if self.is_json:
            self._write(time.time(), level, message, facts)
        else:
            _print(": ".join(filter(None, ("mpreplay", level, message))))

    def say(self, text: str) -> None:
        """Write what is for people, where stdout is for data."""
        if self.is_json:
            self._write(time.time(), "info", text, {})
        else:
            _print(text)

    def warn(self, message: Warning | str, *_: Any, **__: Any) -> None:
        """Write a warning, as ``warnings.showwarning`` is called."""
        from ..errors import ReplayWarning

        told = message.message if isinstance(message, ReplayWarning) else str(message)
        self.tell("warning", with_options(told))

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Write the progress of a replay: begin and end, each wait, and a line now and then."""
        kind, now = event["event"], time.monotonic()
        is_wait = kind == "waiting" != self._last
        self._last = kind
        if kind in _ALWAYS or is_wait or now >= self._due:
            self._due = now + EVERY
            figures = {name: one for name, one in event.items() if name != "event"}
            self._write(time.time(), "info", kind, {"event": kind, **figures})

    def _write(self, at: float, level: str, message: str, facts: Mapping[str, Any]) -> None:
        _print(json_line({"time": self._clock(at), "level": level, "message": message, **facts}))

    def _clock(self, at: float) -> str:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _print(line: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):  # a closed pipe is no reason to end a run
            print(line, file=sys.stderr, flush=True)


@contextmanager
def telling(handler: Stderr, *, verbose: bool) -> Iterator[Callable[..., None]]:
    """Send the logs and the warnings of this process to a handler for a while."""
    log = logging.getLogger("mpreplay" if not verbose else None)
    before, level = warnings.showwarning, log.level
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    log.addHandler(handler)
    if verbose:
        log.setLevel(logging.INFO)
    warnings.showwarning = handler.warn
    try:
        yield handler.tell
    finally:
        warnings.showwarning = before
        log.setLevel(level)
        log.removeHandler(handler)
