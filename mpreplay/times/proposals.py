"""Proposals for columns of times that cannot be read as they are: what to state, and why. Pure.

A proposal names an argument; it is never applied. Where two forms fit all cells, both are shown.
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import Argument, HistoryError, Message, clipped, message
from .time_format import parsed
from .time_numbers import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["lacking_format", "lacking_unit", "wrong_unit"]

_LOOKED_AT: Final = 2_000  # cells of a column that decide about a proposal
# Readings are taken to be of these years when a unit or a form is looked for.
_FIRST: Final = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
_LAST: Final = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EXCEL: Final = dt.datetime(1899, 12, 30, tzinfo=dt.UTC)
_EXCEL_DAYS: Final = ((_FIRST - _EXCEL).days, (_LAST - _EXCEL).days)
_NUMBER: Final = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?\Z")
_DATES: Final = (
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%d/%m/%y", "%m/%d/%y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}-\d{1,2}-\d{2}", ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d")),
    (r"\d{1,2}[ -]?[A-Za-z]{3}[ -]?\d{4}", ("%d{0}%b{0}%Y",)),
    (r"\d{1,2}[ -]?[A-Za-z]{3}[ -]?\d{2}", ("%d{0}%b{0}%y",)),
    (r"\d{1,2}\.? [A-Za-z]{4,} \d{4}", ("%d %B %Y", "%d. %B %Y")),
    (r"[A-Za-z]{3} \d{1,2},? \d{4}", ("%b %d %Y", "%b %d, %Y")),
    (r"[A-Za-z]{4,} \d{1,2},? \d{4}", ("%B %d %Y", "%B %d, %Y")),
    (r"\d{8}", ("%Y%m%d", "%d%m%Y")),
)
_TIMES: Final = (
    ("", ""),
    (r"\d{1,2}:\d{2}", "%H:%M"),
    (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S"),
    (r"\d{1,2}:\d{2}:\d{2}\.\d{1,9}", "%H:%M:%S.%f"),
    (r"\d{1,2}:\d{2}:\d{2},\d{1,9}", "%H:%M:%S,%f"),
    (r"\d{1,2}:\d{2}:\d{2}:\d{3}", "%H:%M:%S:%f"),
    (r"\d{1,2}\.\d{2}", "%H.%M"),
    (r"\d{1,2}\.\d{2}\.\d{2}", "%H.%M.%S"),
    (r"\d{4}", "%H%M"),
    (r"\d{6}", "%H%M%S"),
)
_REST: Final = re.compile(
    r"(?P<gap>[T_, -]*)(?P<time>{times})(?P<half> ?[AaPp][Mm])?"
    r"(?P<zone> ?(?:[Zz]|[+-]\d\d(?::?\d\d)?))?\Z".replace(
        "{times}", "|".join(sorted((shape for shape, _ in _TIMES), key=len, reverse=True))
    )
)
_TIME_ALONE: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?\Z")
_DAY_AND_MONTH: Final = "whether the day or the month comes first cannot be seen"


def lacking_unit(name: str, cells: pa.Array) -> HistoryError:
    """Return the error for a column of numbers without a unit."""
    number = _first_number(cells)
    proposal = _of_number(cells, number)
    told = message(
        f"column {name!r} holds numbers as times; give ",
        Argument("time_unit"),
        " ('s', 'ms', 'us' or 'ns'), counted from 1970-01-01 UTC",
    )
    argument = "time_unit"
    return HistoryError(message(told, *proposal), argument=argument)


def _of_number(cells: pa.Array, number: float | None) -> Sequence[str | Message | Argument]:
    """Return the words that follow: which unit, or what else these numbers are."""
    if number is None:
        return ()
    if excel := _told_of_excel(number):
        return ("; but ", *excel)
    if formats := _fitting(cells) if number >= 10**7 and float(number).is_integer() else []:
        return ("; or, since ", *_told_of_formats(cells, formats, "are dates written as numbers"))
    if unit := _unit_of(number):
        return (
            f": numbers near {_brief(number)} are times near {_dated(number, unit)} under ",
            Argument("time_unit", unit),
        )
    if 0 <= number < 10**7:
        return ("; numbers this small may be row numbers, and no times",)
    return ()


def wrong_unit(name: str, cells: pa.Array, unit: str) -> HistoryError | None:
    """Return the error for numbers that are no plausible times in the unit given.

    None if no other unit makes times of them.
    """
    number = _first_number(cells)
    if number is None:
        return None
    near = message(f"column {name!r}: numbers near {_brief(number)} read as {unit} ")
    lie = _dated(number, unit)
    told = message(near, f"lie in {lie}" if lie else "lie beyond the year 9999")
    if other := _unit_of(number):
        if other == unit:
            return None
        is_them = message(Argument("time_unit", other), f" makes them {_dated(number, other)}")
        return HistoryError(
            message(told, ": ", is_them, "? Or widen ", Argument("plausible")),
            argument="time_unit",
            value=unit,
        )
    if excel := _told_of_excel(number):
        return HistoryError(message(told, "; ", *excel), argument="time_unit", value=unit)
    return None


def lacking_format(name: str, cells: pa.Array, given: str | None) -> Message | None:
    """Return what to give for a column of texts not of the form; None without a proposal."""
    cells = cells.drop_null()
    first = next((text for text in cells.slice(0, 50).to_pylist() if text.strip()), None)
    if first is None:
        return None
    form = "ISO 8601" if given is None else f"of the format {given!r}"
    told = message(f"column {name!r} holds {clipped(first)!r} and the like, which is not {form}; ")
    if formats := _fitting(cells):
        words = _told_of_formats(cells, formats, "")
        return message(told, *words)
    if _TIME_ALONE.match(first):
        words = (
            "it is a time of day without a date: join it with the column of the date first, for "
            f"example frame['date'] + ' ' + frame[{name!r}]",
        )
        return message(told, *words)
    number = _first_number(cells) if _NUMBER.match(first) else None
    if number is None or given is not None:
        return None
    if excel := _told_of_excel(number):
        return message(told, *excel)
    if unit := _unit_of(number):
        words = (
            "as numbers they are times near ",
            f"{_dated(number, unit)} under ",
            Argument("time_unit", unit),
        )
        return message(told, *words)
    return None


def _told_of_formats(cells: pa.Array, formats: list[str], what: str) -> Sequence[str | Argument]:
    first = next((text for text in cells.to_pylist() if text and text.strip()), "")
    lead = f"{clipped(first)!r} and the like {what}, " if what else ""
    if len(formats) == 1:
        hint = "" if "%H" in formats[0] or "%I" in formats[0] else " (midnight of each day)"
        return (f"{lead}give ", Argument("time_format", formats[0]), hint)
    choice: list[str | Argument] = [f"{lead}{_DAY_AND_MONTH} in these cells: give "]
    for one in formats:
        choice += [Argument("time_format", one), f" ({_as_read(first, one)})", " or "]
    return choice[:-1]


def _as_read(text: str, time_format: str) -> str:
    ms = int(parsed(pa.array([text]), time_format).local.ms[0])
    return str(np.datetime64(ms, "ms").astype("datetime64[D]"))


def _fitting(cells: pa.Array) -> list[str]:
    """Return the formats that fit the most cells; more than one if nothing tells them apart."""
    sample = cells.drop_null().slice(0, _LOOKED_AT)
    sample = sample.filter(pc.not_equal(pc.utf8_trim_whitespace(sample), ""))
    best: list[tuple[int, str]] = []
    for text in dict.fromkeys(sample.slice(0, 50).to_pylist()):
        best = [(_n_fitting(sample, one), one) for one in _formats_of(text)]
        if any(n for n, _ in best):
            break
    most = max((n for n, _ in best), default=0)
    if most * 2 <= len(sample):
        return []
    return [one for n, one in best if n == most]


def _n_fitting(sample: pa.Array, time_format: str) -> int:
    """Return how many cells are times of a format, within the years of readings."""
    times = parsed(sample, time_format).local
    low, high = (round((end - _EPOCH).total_seconds() * 1_000) for end in (_FIRST, _LAST))
    return int((~times.is_unread & (times.ms >= low) & (times.ms < high)).sum())


def _formats_of(text: str) -> Iterator[str]:
    """Yield the formats that a text may have been written in.

    Examples
    --------
    >>> list(_formats_of("31.12.2024 23:50")), list(_formats_of("3/4/2024 1:05 PM"))
    (['%d.%m.%Y %H:%M'], ['%d/%m/%Y %I:%M %p', '%m/%d/%Y %I:%M %p'])
    """
    for shape, forms in _DATES:
        found = re.match(shape, text)
        if found is None:
            continue
        rest = re.match(_REST, text[found.end() :])
        if rest is None:
            continue
        time = next(form for one, form in _TIMES if re.fullmatch(one, rest["time"] or ""))
        if rest["half"]:
            time = time.replace("%H", "%I") + " " * rest["half"].startswith(" ") + "%p"
        zone = " " * rest["zone"].startswith(" ") + "%z" if rest["zone"] else ""
        mark = next((one for one in found[0] if one in " -"), "")
        with suppress(IndexError):
            yield from (form.format(mark) + rest["gap"] + time + zone for form in forms)
        return


def _first_number(cells: pa.Array) -> float | None:
    """Return the middle of the first numbers, as an example of all."""
    found = [_number(text) for text in cells.drop_null().slice(0, 50).to_pylist()]
    known = sorted(one for one in found if one is not None)
    return known[len(known) // 2] if known else None


def _number(text: str) -> float | None:
    return float(text.replace(",", ".")) if _NUMBER.match(text) else None


def _unit_of(number: float) -> str | None:
    """Return the unit in which a number is a time of a reading.

    Examples
    --------
    >>> [_unit_of(n) for n in (1.7e9, 1.7e12, 1.7e15, 1.7e18, 45292.5)]
    ['s', 'ms', 'us', 'ns', None]
    """
    for unit, nanoseconds in NANOSECONDS.items():
        second = number * nanoseconds / 10**9
        if (_FIRST - _EPOCH).total_seconds() <= second < (_LAST - _EPOCH).total_seconds():
            return unit
    return None


def _told_of_excel(number: float) -> Sequence[str]:
    """Return the words for serial numbers of a spreadsheet, days since 1899-12-30; else nothing."""
    if not _EXCEL_DAYS[0] <= number < _EXCEL_DAYS[1]:
        return ()
    moment = _EXCEL + dt.timedelta(seconds=round(number * 86_400))
    return (
        f"numbers near {_brief(number)} look like serial numbers of Excel, which are local times "
        f"({_brief(number)} is {moment:%Y-%m-%d %H:%M}): show the column as yyyy-mm-dd hh:mm:ss "
        "in the spreadsheet before it is exported, or convert it with pandas.to_datetime(numbers, "
        "unit='D', origin='1899-12-30').round('ms')",
    )


def _brief(number: float) -> str:
    if abs(number) < 10**6:
        return f"{number:.12g}"
    digits, _, power = f"{number:.1e}".partition("e")
    return f"{digits}e{int(power)}"


def _dated(number: float, unit: str) -> str:
    """Return a number of a unit as a date; the empty text beyond the calendar."""
    try:
        moment = _EPOCH + dt.timedelta(seconds=number * NANOSECONDS[unit] / 10**9)
    except OverflowError:
        return ""
    return f"{moment:%B} {moment.year}" if moment.year < 1980 else f"{moment:%Y-%m-%d}"
