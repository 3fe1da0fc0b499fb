"""The span of plausible times, and what else the caller says of times. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..display.facts import Detail
from ..errors import Argument, HistoryError, message
from ..errors.arguments import CLEAN_TEXT, Kind, check_kinds, one_of, shown_briefly
from ..times.bounds import bound_of
from ..times.time_format import check_format
from ..times.time_numbers import dated
from .slab import Unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..times.time_numbers import Times
    from .roles import Columns

__all__ = [
    "PLAUSIBLE",
    "Bounds",
    "bounds_of",
    "check_times",
    "implausible",
    "others",
    "plausible",
]

Bounds = tuple[int | None, int | None]  # the first time within, and the first beyond [ms]
PLAUSIBLE: Final = ("1980-01-01", "+1d")
_FORMAT: Final = Kind(
    f"{CLEAN_TEXT.words}, or None", lambda value: value is None or CLEAN_TEXT.holds(value)
)
_AFTER: Final = re.compile(r"([+-]\d+) ?(s|min|h|d)")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def check_times(columns: Columns) -> None:
    """Raise HistoryError if what the caller says of times cannot be."""
    check_kinds(
        {
            "time_format": (columns.time_format, _FORMAT),
            "ambiguous": (columns.ambiguous, one_of("raise", "earliest", "latest", "infer")),
            "nonexistent": (
                columns.nonexistent,
                one_of("raise", "shift_forward", "shift_backward"),
            ),
        },
        HistoryError,
    )
    if columns.time_format is None:
        return
    check_format(columns.time_format)
    if columns.time_unit is not None:
        raise HistoryError(
            message(
                "give ",
                Argument("time_format"),
                ", of texts, or ",
                Argument("time_unit"),
                ", of numbers, not both",
            ),
            argument="time_format",
            value=columns.time_format,
        )


def plausible(given: Any) -> tuple[str | None, str | None] | None:
    """Return the span of plausible times as texts, as a journal keeps it; None without bounds.

    Examples
    --------
    >>> plausible(("1980-01-01", "+1d"))
    ('1980-01-01', '+1d')
    """
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise HistoryError(
            message(
                Argument("plausible"),
                f" takes a first and a last time, such as {PLAUSIBLE}, or None, not "
                f"{shown_briefly(given)}",
            ),
            argument="plausible",
            value=given,
        )
    span = (_as_text(given[0]), _as_text(given[1]))
    first, last = bounds_of(span, 0)
    if first is not None and last is not None and first >= last and not _is_relative(span):
        raise HistoryError(
            message(Argument("plausible", given), ": the first time is not before the last"),
            argument="plausible",
            value=given,
        )
    return span


def _is_relative(span: tuple[str | None, str | None]) -> bool:
    return any(end is not None and _AFTER.fullmatch(end) for end in span)


def _as_text(end: Any) -> str | None:
    if isinstance(end, str) and _AFTER.fullmatch(end):
        return end
    ms = bound_of(end, "plausible")
    return None if ms is None else dated_briefly(ms)


def dated_briefly(ms: int) -> str:
    """Return an instant as a text, in UTC, without a time of day at midnight."""
    text: str = dated(np.array([ms], np.int64))[0].as_py()
    return text.removesuffix(" 00:00:00")


def bounds_of(span: tuple[Any, Any] | None, now: int) -> Bounds:
    """Return the span of plausible times in milliseconds, for a run that begins ``now``."""
    first, last = span or (None, None)
    return _resolved(first, now), _resolved(last, now)


def _resolved(end: str | None, now: int) -> int | None:
    found = None if end is None else _AFTER.fullmatch(end)
    if found is None:
        return bound_of(end, "plausible")
    return (now // 1_000 + int(found[1]) * _SECONDS[found[2]]) * 1_000


def implausible(times: Times, bounds: Bounds) -> Unreadable | None:
    """Return the times outside the plausible ones, if there are any."""
    first, last = bounds
    ms = times.ms
    if not len(ms) or ((first is None or ms.min() >= first) and (last is None or ms.max() < last)):
        return None
    mask = np.zeros(len(ms), bool)
    if first is not None:
        mask |= ms < first
    if last is not None:
        mask |= ms >= last
    mask &= ~times.is_unread
    if not mask.any():
        return None
    positions = np.flatnonzero(mask)
    told = tuple(None if end is None else dated_briefly(end) for end in bounds)
    return Unreadable("time", Detail("implausible", told), positions, dated(ms[positions]))


def others(one: Unreadable, mask: NDArray[np.bool_]) -> Unreadable | None:
    """Return rows that are not in a mask; None if there are none."""
    kept = ~mask[one.positions]
    if not kept.any():
        return None
    shown = None if one.shown is None else one.shown.filter(kept)
    return replace(one, positions=one.positions[kept], shown=shown)
