"""Texts in a stated format of ``strptime``, read as columns of numbers. Pure.

A directive is read as Python reads it, in English, with three differences: ``%f`` has up to nine
digits, ``%Y`` has four, and numbers that follow each other without a separator have all digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.epoch import DAY
from ..display.facts import Detail
from ..errors import Argument, HistoryError, message
from .iso import END_OF_DAY, LEAP_SECOND, quoted
from .time_numbers import NO_TIME, Times, Unread

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Parsed", "check_format", "parsed"]


class _Directive(NamedTuple):
    pattern: str
    is_number: bool = True
    fixed: str = ""  # the pattern next to another number


_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _short(names: tuple[str, ...]) -> str:
    return "|".join(name[:3] for name in names)


_DIRECTIVES: Final = {
    "Y": _Directive(r"\d{4}"),
    "y": _Directive(r"\d{2}"),
    "m": _Directive(r"\d{1,2}", fixed=r"\d{2}"),
    "d": _Directive(r"\d{1,2}", fixed=r"\d{2}"),
    "j": _Directive(r"\d{1,3}", fixed=r"\d{3}"),
    "H": _Directive(r"\d{1,2}", fixed=r"\d{2}"),
    "I": _Directive(r"\d{1,2}", fixed=r"\d{2}"),
    "M": _Directive(r"\d{1,2}", fixed=r"\d{2}"),
    "S": _Directive(r"\d{1,2}", fixed=r"\d{2}"),
    "f": _Directive(r"\d{1,9}"),
    "b": _Directive(_short(_MONTHS), is_number=False),
    "B": _Directive("|".join(_MONTHS), is_number=False),
    "a": _Directive(_short(_DAYS), is_number=False),
    "A": _Directive("|".join(_DAYS), is_number=False),
    "p": _Directive("am|pm", is_number=False),
    "z": _Directive(r"z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d(?::?[0-5]\d)?)?", is_number=False),
}
_WHOLE: Final = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M"}
_BLANKS: Final = r"[\s\x{00a0}\x{202f}]+"
_MONTH_NUMBER: Final = pa.array([name[:3] for name in _MONTHS])


@dataclass(frozen=True, slots=True)
class Parsed:
    """Texts of a format.

    Parameters
    ----------
    local : Times
        The times as if they were UTC, and the texts that are no time of the format.
    offset : ndarray of int64, shape (n,), optional
        Offset from UTC of each; None if the format has none. [ms]
    """

    local: Times
    offset: NDArray[np.int64] | None


@lru_cache(maxsize=64)
def check_format(given: str) -> str:
    r"""Return the pattern of a format.

    Raises
    ------
    HistoryError
        If the format has an unknown directive, or does not say the date.

    Examples
    --------
    >>> check_format("%d.%m.%Y")
    '(?i)^(?P<d>\\d{1,2})\\.(?P<m>\\d{1,2})\\.(?P<Y>\\d{4})$'
    """
    tokens = _tokens(given)
    names = [name for name, _ in tokens if name]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise _wrong(given, f"%{doubled} occurs twice")
    _check_whole(given, set(names))
    pieces = []
    for place, (name, text) in enumerate(tokens):
        if not name:
            pieces.append(_BLANKS if text.isspace() else re.escape(text))
            continue
        one = _DIRECTIVES[name]
        beside = [tokens[n][0] for n in (place - 1, place + 1) if 0 <= n < len(tokens)]
        is_tight = any(other and _DIRECTIVES[other].is_number for other in beside)
        pieces.append(f"(?P<{name}>{one.fixed if is_tight and one.fixed else one.pattern})")
    return f"(?i)^{''.join(pieces)}$"


def _tokens(given: str) -> list[tuple[str, str]]:
    """Return the directives of a format, and the text between them."""
    for whole, parts in _WHOLE.items():
        given = re.sub(rf"(?<!%)((?:%%)*)%{whole}", rf"\g<1>{parts}", given)
    tokens: list[tuple[str, str]] = []
    for found in re.finditer(r"%(.?)|\s+|[^%\s]+", given, re.DOTALL):
        name = found[1]
        if name is None:
            tokens.append(("", found[0]))
        elif name == "%":
            tokens.append(("", "%"))
        elif name in _DIRECTIVES:
            tokens.append((name, ""))
        else:
            raise _wrong(given, f"%{name} is not a directive that is read")
    return tokens


# Directives of which one at least, or none without the others, must be there.
_NEEDED: Final = (
    ({"Y", "y"}, "the year (%Y, or %y)"),
    ({"m", "b", "B", "j"}, "the month (%m, or its name %b or %B)"),
    ({"d", "j"}, "the day (%d)"),
)
_TOGETHER: Final = (
    ("I", {"p"}, "%I is an hour of twelve, and needs %p (AM or PM); %H is one of 24"),
    ("p", {"I"}, "%p belongs to %I, an hour of twelve, not to %H"),
    ("M", {"H", "I"}, "%M needs the hour (%H)"),
    ("S", {"M"}, "%S needs the minute (%M)"),
    ("f", {"S"}, "%f needs the second (%S)"),
)
_APART: Final = (
    {"Y", "y"}, {"m", "b", "B", "j"}, {"d", "j"}, {"H", "I"}, {"a", "A"},
)  # fmt: skip


def _check_whole(given: str, names: set[str]) -> None:
    for some, what in _NEEDED:
        if not names & some:
            raise _wrong(given, f"it does not say {what}")
    for one, others, told in _TOGETHER:
        if one in names and not names & others:
            raise _wrong(given, told)
    for some in _APART:
        if len(names & some) > 1:
            raise _wrong(
                given, f"{' and '.join(f'%{n}' for n in sorted(names & some))} say the same"
            )


def _wrong(given: str, what: str) -> HistoryError:
    known = " ".join(f"%{name}" for name in (*_DIRECTIVES, *_WHOLE))
    return HistoryError(
        message(
            Argument("time_format", given),
            f": {what}. Expected a format of strptime like '%d.%m.%Y %H:%M', of the directives "
            f"{known} and %%",
        ),
        argument="time_format",
        value=given,
    )


def parsed(texts: pa.Array, given: str) -> Parsed:
    """Return the times in texts of a format; null is no time.

    Examples
    --------
    >>> found = parsed(pa.array(["31.12.2024 23:50", "30.2.2024 0:00"]), "%d.%m.%Y %H:%M")
    >>> found.local.ms.tolist(), found.local.unreadable[1].kind
    ([1735689000000, 0], 'not_of_format')
    """
    fields = pc.extract_regex(texts, check_format(given))
    matched = np.asarray(fields.is_valid().to_numpy(zero_copy_only=False), bool)
    part = {field.name: fields.field(n) for n, field in enumerate(fields.type)}
    numbers = {
        name: _numbers(column, matched)
        for name, column in part.items()
        if _DIRECTIVES[name].is_number and name != "f"
    }
    days, is_date = _days(part, numbers, matched)
    ms, is_time = _time_of_day(part, numbers, matched)
    good = matched & is_date & is_time
    nothing = np.zeros(1, np.int64)
    leap = matched & is_date & (numbers.get("S", nothing) == 60)
    midnight = matched & is_date & (numbers.get("H", nothing) == 24) & (ms == DAY)
    offset = _offsets(part["z"], matched) if "z" in part else None
    present = np.asarray(texts.is_valid().to_numpy(zero_copy_only=False), bool)
    unread = []
    for why, mask in (
        (LEAP_SECOND, leap),
        (END_OF_DAY, midnight),
        (Detail("not_of_format", (given,)), present & ~good & ~leap & ~midnight),
    ):
        if mask.any():
            positions = np.flatnonzero(mask)
            unread.append(Unread(why, positions, quoted(texts.take(pa.array(positions)))))
    if not present.all():
        unread.append(Unread(NO_TIME, np.flatnonzero(~present)))
    return Parsed(Times(np.where(good, days * DAY + ms, 0), tuple(unread)), offset)


def _numbers(column: pa.Array, matched: NDArray[np.bool_]) -> NDArray[np.int64]:
    filled = column if matched.all() else pc.if_else(pa.array(matched), column, "0")
    return np.asarray(filled.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _days(
    part: dict[str, pa.Array], numbers: dict[str, NDArray[np.int64]], matched: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the days since the epoch, and a mask of the dates that exist."""
    if "Y" in numbers:
        year = numbers["Y"]
    else:  # as POSIX has it
        year = numbers["y"] + np.where(numbers["y"] < 69, 2000, 1900)
    if "j" in numbers:
        start, end = _first_day(year, 1), _first_day(year + 1, 1)
        days = start + numbers["j"] - 1
        return days, (numbers["j"] > 0) & (days < end) & (year > 0)
    month = numbers["m"] if "m" in numbers else _months(part, matched)
    there = (month >= 1) & (month <= 12) & (year > 0)
    month = np.where(there, month, 1)
    start = _first_day(year, month)
    end = _first_day(year + month // 12, month % 12 + 1)
    days = start + numbers["d"] - 1
    return days, there & (numbers["d"] > 0) & (days < end)


def _first_day(year: NDArray[np.int64], month: NDArray[np.int64] | int) -> NDArray[np.int64]:
    months = (year - 1970) * 12 + (month - 1)
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.asarray(days, np.int64)


def _months(part: dict[str, pa.Array], matched: NDArray[np.bool_]) -> NDArray[np.int64]:
    name = pc.utf8_slice_codeunits(pc.utf8_lower(part["b" if "b" in part else "B"]), 0, 3)
    found = pc.index_in(name, _MONTH_NUMBER).fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(np.where(matched, found + 1, 0), np.int64)


def _time_of_day(
    part: dict[str, pa.Array], numbers: dict[str, NDArray[np.int64]], matched: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the milliseconds since midnight, and a mask of the times that exist."""
    nothing = np.zeros(len(matched), np.int64)
    hour = numbers.get("H", nothing)
    good = hour < 24
    if "I" in numbers:
        twelve = numbers["I"]
        good &= (twelve >= 1) & (twelve <= 12)
        is_pm = pc.equal(pc.utf8_lower(part["p"]), "pm").fill_null(False)
        hour = twelve % 12 + 12 * np.asarray(is_pm.to_numpy(zero_copy_only=False), np.int64)
    minute, second = numbers.get("M", nothing), numbers.get("S", nothing)
    good &= (minute < 60) & (second < 60)
    ms = ((hour * 60 + minute) * 60 + second) * 1_000
    if "f" in part:  # rounded down
        thousandths = pc.utf8_slice_codeunits(pc.utf8_rpad(part["f"], 3, "0"), 0, 3)
        ms = ms + _numbers(thousandths, matched)
    return ms, good


def _offsets(column: pa.Array, matched: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return offsets such as ``+01:00`` and ``Z`` in milliseconds; few of them are distinct."""
    coded = column.dictionary_encode()
    known = [_offset_of(text) for text in coded.dictionary.to_pylist()]
    place = coded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
    return np.where(matched, np.array([*known, 0], np.int64)[place], 0)


def _offset_of(text: str) -> int:
    digits = text[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = (int(digits[n : n + 2]) for n in (0, 2, 4))
    size = ((hours * 60 + minutes) * 60 + seconds) * 1_000
    return -size if text[0] == "-" else size
