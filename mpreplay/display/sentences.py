"""What became of a run, in sentences: the verdict, and one sentence a cause of rejects.

Pure: counts and texts in, plain text out. Whoever shows it escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from .amounts import MAX_NAME, count, span_in_words, visible
from .facts import OPEN, SHOWN_FATES, Standing

__all__ = ["FATE_WORDS", "TO_CONTINUE", "cause_in_words", "unsettled_in_words", "verdict"]

# How a fate is called, and what it means.
FATE_WORDS: Final = {
    "accepted": ("accepted", "the platform answered 200"),
    "declined": ("declined", "the platform answered with another code"),
    "withheld": ("withheld", "mpreplay did not send it, for the reason given"),
    "in_doubt": ("in doubt", "sent, but no reply came; it may have arrived"),
    "not_sent": ("not sent", "the run ended before its turn came"),
    OPEN: (
        "not settled",
        "in a request without an end on record; it may or may not have been sent",
    ),
}
TO_CONTINUE: Final = (
    "continue the run with the same command and the same journal, which sends them again: that "
    "does no harm; they are in no table of rejects before they have settled"
)
# How the two ways in which people and systems end a run are told.
_ENDED_BY: Final = {
    "interrupted (SIGINT)": "by the user (Ctrl-C)",
    "interrupted (SIGTERM)": "by the system (SIGTERM)",
}
# What there is to do about a device that is declined although it may be offline.
_TOPOLOGY: Final = "add {} to the gateway's topology: offline devices were allowed in this run"
_NO_SUB_DEVICE: Final = 1212
# What a unit of a thing model is written as, where its identifier is not what people write.
_UNITS: Final = {"degC": "°C", "degF": "°F", "deg": "°", "percent": "%"}
_RANGE: Final = re.compile(r"outside ([\[(])(-?[^,\s]+), ([^,\s]+)([\])])(?: (.+))?", re.DOTALL)


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
    said = [_damage(standing), _others(standing), *_end(standing)]
    return " ".join(filter(None, said))


def _damage(standing: Standing) -> str:
    if standing.is_sound and standing.is_balanced:
        return ""
    return (
        "These books do not add up: the journal is damaged or was altered, and what follows is "
        "what it says."
    )


def _others(standing: Standing) -> str:
    fates = [
        f"{standing.n(fate):,} {FATE_WORDS[fate][0]}"
        for fate in SHOWN_FATES[1:]
        if standing.n(fate)
    ]
    if not fates:
        return ""
    return f"{'The others:' if standing.n('accepted') else 'They are'} {_listed(fates)}."


def _end(standing: Standing) -> list[str]:
    """Return how a run ended, what is left of it, and what to do."""
    if standing.is_complete:
        return ["The run is complete: every row was read and every request has an answer."]
    return [*_why_not_complete(standing), "The same replay with the same journal continues it."]


def _why_not_complete(standing: Standing) -> list[str]:
    known = standing.requests
    left = [f"{count(standing.unread_rows, 'row')} not read"] if standing.unread_rows else []
    left += [
        f"{count(known[outcome], 'request')} {FATE_WORDS[outcome][0]}"
        for outcome in ("in_doubt", "not_sent")
        if known.get(outcome)
    ]
    there = "is" if left and left[0].startswith("1 ") else "are"
    rest = [f"There {there} {_listed(left)}."] if left else []
    open_ones = [f"{unsettled_in_words(standing)}."] if known.get(OPEN) else []
    return [f"{_ended(standing)}.", *rest, *open_ones]


def _ended(standing: Standing) -> str:
    by = _ENDED_BY.get(standing.stopped)
    if by:
        return f"The run was stopped {by} before its end"
    if standing.stopped:
        return f"The run stopped before its end: {visible(standing.stopped)}"
    if standing.is_going:
        return "The run is going on or was killed: it has noted no end"
    return "The run has ended, and not everything is settled"


def unsettled_in_words(standing: Standing) -> str:
    """Return what is known of values whose requests have not settled, without a full stop.

    Examples
    --------
    >>> standing = Standing({"read": 5, "open": 5}, False, False, requests={"open": 2})
    >>> unsettled_in_words(standing)
    '5 values are in 2 requests that have not settled; whether they were sent is not known'
    """
    n, requests = standing.n(OPEN), standing.requests.get(OPEN, 0)
    have = "has" if requests == 1 else "have"
    return (
        f"{count(n, 'value')} {'is' if n == 1 else 'are'} in {count(requests, 'request')} that "
        f"{have} not settled; whether they were sent is not known"
    )


def cause_in_words(cause: Mapping[str, Any], *, allows_offline: bool = False) -> tuple[str, str]:
    """Return a cause of rejects as a sentence, and what to do about it.

    Parameters
    ----------
    cause : mapping
        A row of ``Run.causes`` or of :func:`mpreplay.report.causes.gather`, by column.
    allows_offline : bool, optional
        Whether the run already did what is advised for devices that are offline.

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
    return said, _mend(cause, allows_offline=allows_offline)


def _mend(cause: Mapping[str, Any], *, allows_offline: bool) -> str:
    mend = visible(cause["mend"])
    if not allows_offline or _number(cause.get("code")) != _NO_SUB_DEVICE:
        return mend
    is_known = not mend.startswith("one of this request's devices")
    return _TOPOLOGY.format("the device" if is_known else "the device that is to blame")


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


def _listed(parts: list[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
