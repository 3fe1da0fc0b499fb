"""The progress of a replay, shown while it goes on. A shell over terminal, notebook and stderr.

Everything is drawn by the thread of the replay, and by time: a reply costs no more than a
comparison. A drawing that fails ends the drawing, never the run.
"""

from __future__ import annotations

import html
import logging
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..display.progress import Progress, line_of, percent

if TYPE_CHECKING:
    from ..display.progress import Hold
    from .clock import Clock

__all__ = ["Events", "OnEvent", "Telling", "drawings", "is_notebook", "tell_of_waiting"]

log = logging.getLogger("mpreplay")
OnEvent = Callable[[dict[str, Any]], object]
# The colour of accepted values in the pictures; text has the colours of the notebook's theme.
_HTML_BAR: Final = '<progress{} style="width:100%;accent-color:#23806e"></progress>'
_HTML: Final = (
    '<div style="max-width:44em">{bar}'
    '<div style="font-variant-numeric:tabular-nums">{line}</div></div>'
)
LEAST_BAR: Final = 5  # columns of a bar in a terminal


class Teller(Protocol):
    """A place where the progress is shown."""

    every: float  # least time between two showings [s]

    def show(self, progress: Progress, event: str) -> None:
        """Show the progress; ``event`` is "begun", "progress", "waiting" or "ended"."""

    def close(self) -> None:
        """Tidy up."""


class Telling:
    """The showing of the progress, in all places that are wanted.

    Parameters
    ----------
    clock : Clock
        The clock of the run.
    tellers : list of Teller
        The places.

    Attributes
    ----------
    look : callable
        Called with the clock's reading for the progress; set by the driver.
    """

    def __init__(self, clock: Clock, tellers: list[Teller]) -> None:
        self.look: Callable[[float], Progress] | None = None
        self._clock = clock
        self._due: dict[Teller, float] = dict.fromkeys(tellers, math.inf)
        self._next = math.inf

    def __enter__(self) -> Telling:
        return self

    def __exit__(self, *_: object) -> None:
        for teller in self._due:
            _attempt(teller.close)

    def begin(self) -> None:
        """Show that the run begins."""
        now = self._clock.now()
        self._show(dict.fromkeys(self._due, now), now, "begun")

    def tick(self) -> None:
        """Show the progress wherever it is time to."""
        now = self._clock.now()
        if now >= self._next:
            self._show({one: at for one, at in self._due.items() if now >= at}, now)

    def end(self) -> None:
        """Show how far the run came, whenever it was shown last."""
        self._show(dict(self._due), self._clock.now(), "ended")

    def wait(self, now: float) -> float:
        """Return the seconds until it is time to show the progress."""
        return max(0.0, self._next - now)

    def _show(self, due: dict[Teller, float], now: float, event: str = "") -> None:
        if not due or self.look is None:
            return
        progress = self.look(now)
        if event == "ended":
            progress = replace(progress, seconds_left=0.0, limited_by=None, waiting_seconds=None)
        event = event or ("progress" if progress.waiting_seconds is None else "waiting")
        for teller in due:
            if _attempt(partial(teller.show, progress, event)):
                # From now on: a slow one must leave time for the run.
                self._due[teller] = self._clock.now() + teller.every
            else:
                del self._due[teller]
                _attempt(teller.close)
        self._next = min(self._due.values(), default=math.inf)


def _attempt(action: Callable[[], object]) -> bool:
    """Do something that must not end the run; return False if it fails."""
    try:
        action()
    except Exception as error:  # of a closed stream, a lost kernel, a terminal of some kind
        log.info("the progress cannot be shown (%s: %s)", type(error).__name__, error)
        return False
    return True


class Events:
    """A function of the caller, called with the progress as a dict.

    Parameters
    ----------
    on_event : callable
        The function.
    run : str or None
        Id of the run, once it has one.
    """

    every = 0.34  # so that no second has more than four, the last one included [s]

    def __init__(self, on_event: OnEvent, run: str | None) -> None:
        self._on_event, self._run = on_event, run
        self._has_failed = False

    def show(self, progress: Progress, event: str) -> None:
        """Call the function; its first error is logged."""
        try:
            self._on_event({"event": event, "run": self._run, **progress.as_dict()})
        except Exception as error:
            if not self._has_failed:
                log.warning(
                    "on_event failed (%s: %s); the run goes on, and later errors of it are not "
                    "logged",
                    type(error).__name__,
                    error,
                )
            self._has_failed = True

    def close(self) -> None:
        """Do nothing."""


class _Bar(logging.Filter):
    """A bar in a terminal, drawn by tqdm; a filter of the log that clears it before a record."""

    every = 0.1

    def __init__(self) -> None:
        super().__init__()
        tqdm = import_module("tqdm").tqdm
        # Without a monitor, tqdm leaves no thread behind.
        quiet = type("Bar", (tqdm,), {"monitor_interval": 0})
        self._bar = quiet(total=1, leave=False, dynamic_ncols=True, bar_format=" ", delay=1e9)
        log.addFilter(self)

    def filter(self, _record: logging.LogRecord) -> bool:
        """Clear the bar: the next redraw brings it back below what is logged."""
        self._bar.clear()
        return True

    def show(self, progress: Progress, event: str) -> None:
        """Draw the bar and the line behind it."""
        if event == "ended":
            return
        columns = self._bar.format_dict["ncols"] or 80
        share = percent(progress)
        head = "replay" if share is None else f"replay {share:3d} % "
        line = line_of(progress, columns - len(head) - LEAST_BAR - 4)
        text = f"{head}|{{bar}}| {line}"
        self._bar.bar_format = text
        self._bar.total = max(1, progress.values_total or 1)
        self._bar.n = min(progress.settled, self._bar.total)
        self._bar.delay = 0
        self._bar.refresh()

    def close(self) -> None:
        """Remove the bar."""
        log.removeFilter(self)
        self._bar.close()


class _Display:
    """A bar in a notebook, as an output that is updated: it needs no widgets, and none to be kept.

    Text stands beside the HTML for places that show none.
    """

    every = 0.2

    def __init__(self) -> None:
        self._display = import_module("IPython.display")
        self._handle: Any = None

    def show(self, progress: Progress, event: str) -> None:
        """Show the bar, or update it."""
        share = percent(progress)
        line = line_of(progress) if share is None else f"{share} %, {line_of(progress)}"
        value = "" if share is None else f' value="{share}" max="100"'
        bar = "" if event == "ended" else _HTML_BAR.format(value)
        shown = {
            "text/plain": f"replay: {line}",
            "text/html": _HTML.format(bar=bar, line=html.escape(line)),
        }
        if self._handle is None:
            self._handle = self._display.display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def close(self) -> None:
        """Leave the last state."""


class _Lines:
    """A line now and then on stderr, where nothing can be redrawn.

    Parameters
    ----------
    is_forced : bool
        True if begin and end are shown, too: otherwise a short run shows nothing.
    """

    every = 30.0

    def __init__(self, is_forced: bool) -> None:
        self._is_forced = is_forced

    def show(self, progress: Progress, event: str) -> None:
        """Write a line."""
        if event not in {"begun", "ended"} or self._is_forced:
            share = percent(progress)
            head = "" if share is None else f" {share} %,"
            sys.stderr.write(f"mpreplay:{head} {line_of(progress)}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Do nothing."""


def drawings(progress: bool | str) -> list[Teller]:
    """Return what draws the progress of a run on this machine: one, or none if it is not wanted."""
    if progress is False or sys.stderr is None:
        return []
    if is_notebook():
        return [_Display()]
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return [_Bar()]
    return [_Lines(progress is True)]


def tell_of_waiting(on_event: OnEvent | None) -> Callable[[Hold, float], None]:
    """Return what tells of the wait for another replay, before a run begins: at most each second.

    A run that has not begun has no id.
    """
    events = None if on_event is None else Events(on_event, None)
    due = math.inf

    def tell(what: Hold, left: float) -> None:
        nonlocal due
        if events is not None and left <= due:
            due = left - 1.0
            events.show(Progress(limited_by=what, waiting_seconds=left), "waiting")

    return tell


def is_notebook() -> bool:
    """Return whether this code runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
