"""What became of a run, in sentences: the verdict, and one sentence a cause of rejects.

Pure: counts and texts in, plain text out. Whoever shows it escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from .results import FATES

__all__ = [
    "FATE_WORDS",
    "Standing",
    "cause_in_words",
    "count",
    "span_in_words",
    "standing_of",
    "verdict",
    "visible",
]

MAX_NAME: Final = 60  # characters of a name or value that came from data
MAX_TEXT: Final = 300  # characters of a reason or message
# How a fate is called, and what it means.
FATE_WORDS: Final = {
    "accepted": ("accepted", "the platform answered 200"),
    "declined": ("declined", "the platform answered with another code"),
    "withheld": ("withheld", "mpreplay did not send it, for the reason given"),
    "in_doubt": ("in doubt", "sent, but no reply came; it may have arrived"),
    "not_sent": ("not sent", "the run ended before its turn came"),
}
# What a unit of a thing model is written as, where its identifier is not what people write.
_UNITS: Final = {"degC": "°C", "degF": "°F", "deg": "°", "percent": "%"}
_RANGE: Final = re.compile(r"outside ([\[(])(-?[^,\s]+), ([^,\s]+)([\])])(?: (.+))?", re.DOTALL)
# Control characters, halves of surrogate pairs and marks that turn or hide what follows them: a
# report shows their numbers, so that no text can pretend to be another and every file has UTF-8.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands, in numbers.

    Parameters
    ----------
    totals : dict of str to int
        ``read`` and every fate, in values.
    is_complete : bool
        Whether everything was read, and every request has an answer.
    stopped : str
        Why it ended before its end, or the empty text.
    unread_rows, open_requests : int
        Rows that were not read, requests that have no final answer.
    """

    totals: Mapping[str, int] = field(default_factory=dict)
    is_complete: bool = True
    stopped: str = ""
    unread_rows: int = 0
    open_requests: int = 0

    def n(self, fate: str) -> int:
        """Return how many values met a fate, or were ``read``."""
        return int(self.totals.get(fate, 0))

    @property
    def n_rejects(self) -> int:
        """How many values did not arrive, as far as is known."""
        return sum(self.n(fate) for fate in FATES[1:])

    @property
    def is_balanced(self) -> bool:
        """Whether what was read is the sum of the fates."""
        return self.n("read") == sum(self.n(fate) for fate in FATES)


def standing_of(
    facts: Mapping[str, Any], totals: Mapping[str, int], *, n_open: int, n_rows: int
) -> Standing:
    """Return how a run stands, from what its journal says.

    Examples
    --------
    >>> standing_of({"n_rows": 5}, {}, n_open=0, n_rows=3).unread_rows
    2
    """
    is_read = bool(facts.get("read_all"))
    unread = 0 if is_read else max(0, int(facts.get("n_rows") or 0) - n_rows)
    return Standing(totals, is_read and not n_open, str(facts.get("stopped") or ""), unread, n_open)


def count(n: int, what: str = "") -> str:
    """Return a number with its noun, in the plural where it needs one.

    Examples
    --------
    >>> count(1, "value"), count(1468215, "value"), count(2, "reply")
    ('1 value', '1,468,215 values', '2 replies')
    """
    if not what:
        return f"{n:,}"
    plural = f"{what[:-1]}ies" if re.search("[^aeiou]y$", what) else f"{what}s"
    return f"{n:,} {what if n == 1 else plural}"


def visible(text: Any, most: int = MAX_TEXT) -> str:
    r"""Return a text that came from data as it can be shown: short, and without hidden marks.

    Examples
    --------
    >>> visible("T\u202e1"), visible("abcdef", 4)
    ('T\\u202e1', 'abc…')
    """
    if pd.isna(text):
        return ""
    shown = str(text)
    shown = shown if len(shown) <= most else f"{shown[: most - 1]}…"
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)


def verdict(standing: Standing) -> tuple[str, str]:
    """Return what became of a run: how many values were accepted, and whether that is all.

    Returns
    -------
    tuple of str
        A headline without a full stop, and a sentence or two.

    Examples
    --------
    >>> verdict(Standing({"read": 3, "accepted": 3}))[0]
    'All 3 values were accepted'
    >>> verdict(Standing({"read": 3, "accepted": 1, "declined": 2}))[0]
    '1 of 3 values were accepted'
    """
    return _headline(standing), _completeness(standing)


def _headline(standing: Standing) -> str:
    read, accepted = standing.n("read"), standing.n("accepted")
    if not read:
        return "There was no value to send" if standing.is_complete else "No value was read"
    if accepted == read:
        return "The one value was accepted" if read == 1 else f"All {read:,} values were accepted"
    if not accepted:
        return f"None of {count(read, 'value')} was accepted"
    return f"{accepted:,} of {count(read, 'value')} were accepted"


def _completeness(standing: Standing) -> str:
    rejects = [
        f"{standing.n(fate):,} {FATE_WORDS[fate][0]}" for fate in FATES[1:] if standing.n(fate)
    ]
    others = f"The others: {_listed(rejects)}. " if rejects and standing.n("accepted") else ""
    if rejects and not others:
        others = f"They are {_listed(rejects)}. "
    if standing.is_complete:
        told = "every row was read and every request has an answer"
        return f"{others}The run is complete: {told}."
    left = [f"{count(standing.unread_rows, 'row')} not read"] if standing.unread_rows else []
    if standing.open_requests:
        left.append(f"{count(standing.open_requests, 'request')} without a final answer")
    why = f": {visible(standing.stopped)}" if standing.stopped else ""
    rest = f" There are {_listed(left)}." if left else ""
    remedy = "The same replay with the same journal continues it."
    return f"{others}The run is not complete{why}.{rest} {remedy}"


def cause_in_words(cause: Mapping[str, Any]) -> tuple[str, str]:
    """Return a cause of rejects as a sentence, and what to do about it.

    Parameters
    ----------
    cause : mapping
        A row of ``Run.causes`` or of :func:`mpreplay.gathering.gather`, by column.

    Returns
    -------
    tuple of str
        Both without a full stop; the second may be empty.

    Examples
    --------
    >>> time = pd.Timestamp("2014-06-08 20:40", tz="UTC")
    >>> said, mend = cause_in_words({
    ...     "values": 34, "outcome": "withheld", "check": "range", "devices": "R80721",
    ...     "reason": "outside [-60, 60] degC", "measurepoints": "Ot_avg", "lowest": -273.2,
    ...     "highest": -92.02, "first_time": time, "last_time": time, "mend": "widen it",
    ... })
    >>> said
    '34 withheld: Ot_avg of R80721 below its minimum of -60 °C (-273.2 … -92.02), on 2014-06-08'
    """
    outcome = FATE_WORDS.get(cause["outcome"], (str(cause["outcome"]), ""))[0]
    subject = _subject(cause)
    when = span_in_words(cause["first_time"], cause["last_time"])
    told = f"{_joint(cause)}{when and f', {when}'}"
    said = f"{cause['values']:,} {outcome}: {subject}{told}"
    return said, visible(cause["mend"])


def _subject(cause: Mapping[str, Any]) -> str:
    points = visible(cause["measurepoints"], 3 * MAX_NAME) or "rows"
    devices = visible(cause["devices"], 3 * MAX_NAME)
    return f"{points} of {devices}" if devices else points


def _joint(cause: Mapping[str, Any]) -> str:
    """Return what is said of the subject, with what stands before it."""
    reason = visible(cause["reason"])
    if cause["check"] == "range" and (bound := _bound(cause)):
        return f" {bound}{_found(cause)}"
    if cause["check"] == "platform":
        n = _number(cause.get("requests"))
        code = _number(cause.get("code"))
        within = f" in {count(n, 'request')}" if n else ""
        return f"{_found(cause)}{within}, {f'code {code}, ' if code else ''}{reason}"
    return f", {reason}" if reason else ""


def _bound(cause: Mapping[str, Any]) -> str:
    """Return which bound was missed, or the empty text where that is not known."""
    found = _RANGE.fullmatch(str(cause["reason"]))
    if not found:
        return ""
    opening, low, high, closing, unit = found.groups()
    unit = visible(unit or "", MAX_NAME)
    unit = _UNITS.get(unit, unit)
    unit = unit if unit in {"", "°", "%"} else f" {unit}"
    least, most = (_number(cause.get(name), float) for name in ("lowest", "highest"))
    if most is not None and low != "-inf" and most <= float(low):
        return f"{'below' if opening == '[' else 'not above'} its minimum of {low}{unit}"
    if least is not None and high != "inf" and least >= float(high):
        return f"{'above' if closing == ']' else 'not below'} its maximum of {high}{unit}"
    return f"outside its range of {opening}{low}, {high}{closing}{unit}"


def _found(cause: Mapping[str, Any]) -> str:
    """Return which values they were, in brackets; the empty text where they are no numbers."""
    lowest, highest = (_number(cause.get(name), float) for name in ("lowest", "highest"))
    if lowest is None or highest is None:
        return ""
    shown = [f"{lowest:.6g}", f"{highest:.6g}"]
    return f" ({' … '.join(dict.fromkeys(shown))})"


def _number(value: Any, kind: type[Any] = int) -> Any:
    return None if pd.isna(value) else kind(value)


def span_in_words(first: Any, last: Any) -> str:
    """Return when, by the day in UTC; the empty text where no time is known.

    Examples
    --------
    >>> span_in_words(pd.Timestamp("2014-05-03"), pd.Timestamp("2014-11-02"))
    'from 2014-05-03 to 2014-11-02'
    """
    if first is None or pd.isna(first) or pd.isna(last):
        return ""
    begin, end = first.strftime("%Y-%m-%d"), last.strftime("%Y-%m-%d")
    return f"on {begin}" if begin == end else f"from {begin} to {end}"


def _listed(parts: list[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
