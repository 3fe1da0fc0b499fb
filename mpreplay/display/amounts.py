"""The texts of times, durations, shares and settings in a report.

Pure.
"""

from __future__ import annotations

import json
import re
from math import isnan
from typing import Any, Final

import pandas as pd

from ..errors import MAX_TEXT, clipped

__all__ = [
    "MAX_NAME",
    "count",
    "duration",
    "masked",
    "moment",
    "seconds",
    "setting",
    "share",
    "shares",
    "size",
    "span_in_words",
    "time_in_words",
    "visible",
]

_PER_CENT: Final = 100  # in hundredths: shares are shown in hundredths of a percent
# A journal holds no secrets; should a secret ever get in, it must not reach a report.
_SECRET: Final = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")


def shares(counts: list[int], total: int) -> list[str]:
    """Return shares in percent, rounded without a loss in their sum."""
    if not total:
        return [share(0, 0) for _ in counts]
    whole = 100 * _PER_CENT
    parts = [whole * n // total for n in counts]
    missing = whole * sum(counts) // total - sum(parts)
    # The hundredths that rounding down cut off go to the shares that lost most.
    for place in sorted(range(len(counts)), key=lambda i: -(whole * counts[i] % total))[:missing]:
        parts[place] += 1
    return [_in_percent(part, n, total) for part, n in zip(parts, counts, strict=True)]


def share(n: int, total: int) -> str:
    """Return a share in percent."""
    return _in_percent(round(100 * _PER_CENT * n / total) if total else 0, n, total)


def _in_percent(hundredths: int, n: int, total: int) -> str:
    """Return a share; only none reads as 0 %, and only all as 100 %."""
    if 0 < n < total and not 0 < hundredths < 100 * _PER_CENT:
        return "> 99.99 %" if hundredths else "< 0.01 %"
    return f"{hundredths / _PER_CENT:.2f} %"


def setting(value: Any) -> str:
    """Return a setting as text, without secrets."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return visible(masked(text), MAX_TEXT)


def masked(text: str) -> str:
    """Return a text without the secrets of connections.

    Examples
    --------
    >>> masked("mqtt://gw:secret@host:1883/p")
    'mqtt://gw:***@host:1883/p'
    """
    return _SECRET.sub(r"\1***@", text)


def size(n_bytes: int) -> str:
    """Return a number of bytes as people say it.

    Examples
    --------
    >>> size(812), size(16_430), size(2_400_000)
    ('812 bytes', '16.4 kB', '2.4 MB')
    """
    for unit, name in ((1_000_000, "MB"), (1_000, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.1f} {name}"
    return count(n_bytes, "byte")


def moment(ms: int | None) -> str:
    """Return an instant of the run; the empty text for None, and beyond the years 1 to 9999."""
    if ms is None:
        return ""
    try:
        return pd.Timestamp(ms, unit="ms", tz="UTC").strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, NotImplementedError):
        return ""


def time_in_words(time: Any) -> str:
    """Return the time of a value, with milliseconds only if any; the empty text for no time."""
    if pd.isna(time):
        return ""
    shown = str(time.strftime("%Y-%m-%d %H:%M:%S.%f"))[:-3]
    return shown.removesuffix(".000")


def seconds(value: float) -> str:
    """Return seconds as a table shows them; the empty text if unknown."""
    return "" if isnan(value) else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


MAX_NAME: Final = 60  # characters of a name or value that came from data
# Control characters, halves of surrogate pairs, and marks that turn or hide the following text: a
# report shows their numbers, so that no text can pass for another and every file is valid UTF-8.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def count(n: int, what: str = "") -> str:
    """Return a number with its noun, in the singular or the plural.

    Examples
    --------
    >>> count(1, "value"), count(1468215, "value"), count(2, "reply")
    ('1 value', '1,468,215 values', '2 replies')
    """
    if not what:
        return f"{n:,}"
    plural = f"{what[:-1]}ies" if re.search("[^aeiou]y$", what) else f"{what}s"
    return f"{n:,} {what if n == 1 else plural}"


def visible(text: Any, most: int | None = None) -> str:
    r"""Return a text in a form fit for display: without hidden marks, and clipped if asked.

    Texts from outside are clipped; a sentence of ours is never, since its end matters.

    Examples
    --------
    >>> visible("T\u202e1"), visible("abcdef", 4)
    ('T\\u202e1', 'abc…')
    """
    if pd.isna(text):
        return ""
    shown = clipped(str(text), most)
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)


def span_in_words(first: Any, last: Any) -> str:
    """Return a span of time in UTC days; the empty text if unknown.

    Examples
    --------
    >>> span_in_words(pd.Timestamp("2014-05-03"), pd.Timestamp("2014-11-02"))
    'from 2014-05-03 to 2014-11-02'
    """
    if first is None or pd.isna(first) or pd.isna(last):
        return ""
    begin, end = first.strftime("%Y-%m-%d"), last.strftime("%Y-%m-%d")
    return f"on {begin}" if begin == end else f"from {begin} to {end}"
