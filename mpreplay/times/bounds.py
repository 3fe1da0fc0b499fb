"""The bounds of a time range, as an argument gives them. Pure.

A text is ISO 8601 or refused: ``01/02/2024`` is the first of February to some, and the second of
January to others.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

import numpy as np
import pandas as pd

from ..cells.epoch import FIRST_TIME, LAST_TIME, microseconds_of
from ..errors import Argument, HistoryError, message
from ..errors.arguments import shown_briefly

__all__ = ["bound_of"]

# ISO 8601, extended or basic: a year, a month or a day, with a time of day and an offset, if any.
_OFFSET: Final = r"(?: ?(?P<offset>[Zz]|[+-]\d{2}(?::?\d{2})?))?"
_ISO: Final = tuple(
    re.compile(pattern + r"\Z", re.ASCII)
    for pattern in (
        r"(?P<y>\d{4})(?:-(?P<m>\d{2}))?",
        r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"
        r"(?:[Tt ](?P<h>\d{2})(?::(?P<min>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?"
        + _OFFSET
        + r")?",
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"
        r"(?:[Tt](?P<h>\d{2})(?:(?P<min>\d{2})(?:(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?"
        + _OFFSET
        + r")?",
    )
)
# Dates as people write them: two numbers and a year, or a year and two numbers.
_YEAR_LAST: Final = re.compile(r"\s*(\d{1,2})([./-])(\d{1,2})\2(\d{4})(.*)", re.ASCII | re.DOTALL)
_YEAR_FIRST: Final = re.compile(r"\s*(\d{4})([./-])(\d{1,2})\2(\d{1,2})(.*)", re.ASCII | re.DOTALL)
_MOST_SECONDS: Final = 253_402_300_800  # the year 10000
_DIGITS: Final = re.compile(r"\s*[+-]?\d+(\.\d+)?\s*", re.ASCII)


def bound_of(value: Any, name: str) -> int | None:
    """Return a bound in milliseconds, rounded up; None for none.

    Parameters
    ----------
    value : str, datetime, date or None
        UTC unless it has a zone.
    name : str
        The argument, for messages.

    Raises
    ------
    HistoryError
        If it is no time, or a text that is not ISO 8601; with the text to write instead.

    Examples
    --------
    >>> bound_of("1970-01-01T01:00:01+01:00", "start")
    1000
    """
    if value is None:
        return None
    try:
        is_time = isinstance(value, dt.date | np.datetime64)
        instant = pd.Timestamp(value) if is_time else _read(value)
    except (TypeError, ValueError, OverflowError) as error:
        told = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise _refused(value, name, f" is not a time ({told})") from error
    if instant is None or pd.isna(instant):
        raise _refused(value, name, f" is not a time; give {_proposal(value)}")
    ms = -(-microseconds_of(instant) // 1_000)
    if not FIRST_TIME <= ms <= LAST_TIME + 1:
        raise HistoryError(
            message(Argument(name, is_named=True), f" {value!r} is not within the years 1 to 9999"),
            argument=name,
            value=value,
        )
    return ms


def _refused(value: Any, name: str, why: str) -> HistoryError:
    told = message(Argument(name, is_named=True), f" {shown_briefly(value)}{why}")
    return HistoryError(told, argument=name, value=value)


def _read(value: Any) -> pd.Timestamp | None:
    """Return the time in a text; None if it is not ISO 8601."""
    if not isinstance(value, str):
        return None
    found = next(filter(None, (pattern.match(value.strip()) for pattern in _ISO)), None)
    if found is None:
        return None
    part = {"m": "01", "d": "01", "h": "00", "min": "00", "s": "00", "f": "0"} | {
        key: given for key, given in found.groupdict().items() if given
    }
    offset = part.get("offset", "").upper()
    text = f"{part['y']}-{part['m']}-{part['d']}T{part['h']}:{part['min']}:{part['s']}.{part['f']}"
    if offset.startswith(("+", "-")) and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:] or '00'}"
    return pd.Timestamp(f"{text}{offset}")


def _proposal(value: Any) -> str:
    """Return the argument to give instead of a value that is not a time, or not a certain one."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        # Beyond so many seconds the number has another unit, or is none of a time.
        number: Any = value
        number = number if abs(number) < _MOST_SECONDS else "…"
        return f"a datetime, such as pd.Timestamp({number}, unit='s', tz='UTC')"
    plain = "a datetime or an ISO 8601 text"
    if not isinstance(value, str):
        return plain
    if _DIGITS.fullmatch(value):
        return f"{plain} (a number is a time only with its unit: pd.Timestamp(…, unit='s'))"
    if found := _YEAR_FIRST.fullmatch(value):
        year, _, month, day, rest = found.groups()
        texts = [_iso(year, month, day, rest)]
    elif found := _YEAR_LAST.fullmatch(value):
        one, mark, other, year, rest = found.groups()
        first_day, first_month = _iso(year, other, one, rest), _iso(year, one, other, rest)
        texts = [first_day] if mark == "." else [first_day, first_month]
    else:
        return f"{plain}, such as '2024-01-31' or '2024-01-31T06:00Z'"
    texts = list(dict.fromkeys(filter(None, texts)))
    if len(texts) == 2:
        return (
            f"an ISO 8601 text: {texts[0]!r} if the day stands first, {texts[1]!r} if the month "
            "does"
        )
    return f"an ISO 8601 text: {texts[0]!r}" if texts else plain


def _iso(year: str, month: str, day: str, rest: str) -> str | None:
    """Return a date with what follows it as ISO 8601; None if there is no such time."""
    date = f"{year}-{month:0>2}-{day:0>2}"
    time = rest.strip(" ,T\t\n")
    if time[1:2] == ":":
        time = f"0{time}"
    text = f"{date}T{time}" if time else date
    try:
        return None if _read(text) is None else text
    except (TypeError, ValueError, OverflowError):
        return None
