"""The progress of a replay: its numbers, and its line.

Pure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final, Literal

from .amounts import count, duration

__all__ = ["Hold", "Progress", "line_of", "percent"]

# What a replay waits for; "sending" is no wait: this machine writes down and publishes.
Hold = Literal[
    "rate",
    "replies",
    "window",
    "reading",
    "sending",
    "pause",
    "connect_limit",
    "connection",
    "gateway",
    "journal",
]
_LIMITED: Final[dict[Hold, str]] = {
    "rate": "limited by the rate",
    "replies": "limited by replies",
    "window": "limited by the window",
    "reading": "limited by reading",
    "sending": "limited by this machine",
    "pause": "pausing before a retry",
    "connect_limit": "limited by connects",
    "connection": "not connected",
    "gateway": "the gateway is in use",
    "journal": "the journal is in use",
}
_WAITING: Final[dict[Hold, str]] = {
    "connect_limit": "waiting {} for the connect limit",
    "connection": "connecting again in {}",
    "gateway": "waiting up to {} for the gateway",
    "journal": "waiting up to {} for the journal",
}
_NOW: Final[dict[Hold, str]] = {
    "connect_limit": "connecting",
    "connection": "connecting again",
    "gateway": "taking the gateway",
    "journal": "taking the journal",
}
# The parts of a line, in the order in which a narrow line omits them.
_SPARED: Final = ("bytes", "limited", "rate", "lost", "left")


@dataclass(frozen=True, slots=True)
class Progress:
    """The numbers of a replay at one moment; all counts are of values.

    Parameters
    ----------
    values_total : int or None
        Values to settle, in the interval asked for; None: nothing is known yet.
    total_is_exact : bool
        False if the total is estimated from rows and the values a row seen so far.
    accepted, declined, withheld, in_doubt, not_sent : int
        Values of each fate, those of earlier legs of the run included.
    in_flight : int
        Values published and not answered.
    values_per_second, bytes_per_second : float or None
        Values answered and bytes published, over the latest seconds.
    seconds : float
        Time since the replay began to send. [s]
    seconds_left : float or None
        Predicted time to the end. [s]
    limited_by : str or None
        What the latest seconds were spent on, or the run waits for.
    waiting_seconds : float or None
        Time to the next connect, while the run waits for it. [s]
    """

    values_total: int | None = None
    total_is_exact: bool = False
    accepted: int = 0
    declined: int = 0
    withheld: int = 0
    in_doubt: int = 0
    not_sent: int = 0
    in_flight: int = 0
    values_per_second: float | None = None
    bytes_per_second: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    limited_by: Hold | None = None
    waiting_seconds: float | None = None

    @property
    def settled(self) -> int:
        """Number of values accepted, declined or withheld."""
        return self.accepted + self.declined + self.withheld

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return asdict(self)


def percent(progress: Progress) -> int | None:
    """Return the settled values in percent, rounded down; None if the total is unknown.

    An estimated total never shows 100.

    Examples
    --------
    >>> percent(Progress(values_total=3, total_is_exact=True, accepted=2))
    66
    """
    if progress.values_total is None:
        return None
    whole = 100 * progress.settled // progress.values_total if progress.values_total else 100
    return min(whole, 100 if progress.total_is_exact else 99)


def line_of(progress: Progress, width: int | None = None) -> str:
    """Return the progress in words, in ASCII; a narrow line does without the lesser parts.

    Examples
    --------
    >>> state = Progress(values_total=900, accepted=200, declined=1, values_per_second=50.0,
    ...                 bytes_per_second=2_000.0, seconds_left=14.0, limited_by="rate")
    >>> line_of(state)
    '201 of ~900 values, 1 declined, 50/s, 2.0 kB/s, 14 s left, limited by the rate'
    >>> line_of(state, 45)
    '201 of ~900 values, 1 declined, 14 s left'
    """
    parts = _parts(progress)
    for spared in ("", *_SPARED):
        parts.pop(spared, None)
        line = ", ".join(parts.values())
        if width is None or len(line) <= width:
            break
    return line


def _parts(progress: Progress) -> dict[str, str]:
    """Return the parts of a line by name."""
    total = progress.values_total
    mark = "" if progress.total_is_exact else "~"
    whole = "" if total is None else f" of {mark}{total:,}"
    parts = {"count": f"{progress.settled:,}{whole} values"}
    lost = [
        f"{n:,} {word}"
        for n, word in (
            (progress.declined, "declined"),
            (progress.withheld, "withheld"),
            (progress.in_doubt, "in doubt"),
            (progress.not_sent, "not sent"),
        )
        if n
    ]
    if lost:
        parts["lost"] = ", ".join(lost)
    hold = progress.limited_by
    if progress.waiting_seconds is not None and hold in _WAITING:
        whole_seconds = ceil(progress.waiting_seconds)
        words = _WAITING[hold] if whole_seconds > 0 else _NOW[hold]
        return {**parts, "waiting": words.format(_lasting(whole_seconds))}
    if progress.values_per_second is not None:
        parts["rate"] = f"{_amount(progress.values_per_second)}/s"
    if progress.bytes_per_second is not None:
        parts["bytes"] = f"{_size(progress.bytes_per_second)}/s"
    if progress.seconds_left is not None:
        is_over = hold is None and not progress.seconds_left
        left, gone = _lasting(progress.seconds_left), duration(progress.seconds)
        parts["left"] = f"in {gone}" if is_over else f"{left} left"
    if hold is not None:
        parts["limited"] = _LIMITED[hold]
    return parts


def _lasting(seconds: float) -> str:
    return duration(max(1, ceil(seconds)))


def _amount(rate: float) -> str:
    return count(round(rate)) if rate >= 10 else f"{rate:.2g}"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"
