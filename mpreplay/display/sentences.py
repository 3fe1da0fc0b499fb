"""Sentences: the only place where facts about values and runs become prose.

Pure: facts in, plain text out; escaping is the caller's task. No code reads a sentence back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import pandas as pd

from ..errors import Message, clipped
from ..model.rules import range_text
from ..protocol.codes import return_code
from .amounts import MAX_NAME, count, span_in_words, visible
from .facts import NAMES_SHOWN, OPEN, SHOWN_FATES, Cause, Conflict, Ended, HourTwice, Standing
from .reasons import advice, cause_reason

__all__ = [
    "FATE_WORDS",
    "Told",
    "cause_in_words",
    "conflict_in_words",
    "ended_in_words",
    "headline",
    "left_out_in_words",
    "listed",
    "names",
    "to_continue",
    "unit_in_words",
    "unsettled_in_words",
]

# The name of a fate, and its meaning.
FATE_WORDS: Final = {
    "accepted": ("accepted", "the platform answered 200"),
    "declined": (
        "declined",
        "the platform answered with another code, to it or to its device before",
    ),
    "withheld": ("withheld", "mpreplay did not send it, for the reason given"),
    "in_doubt": ("in doubt", "sent, but no reply came; it may have arrived"),
    "not_sent": ("not sent", "the run ended before its turn came, or came again"),
    OPEN: (
        "not settled",
        "in a request without an end on record; it may or may not have been sent",
    ),
}
_TO_CONTINUE: Final = (
    "continue the run with the same command and the same journal, which sends them again: that "
    "does no harm; they are in no table of rejects before they have settled"
)
_TO_REPEAT: Final = (
    "replay the history again, with a journal, if this run has ended: sending values twice does no "
    "harm"
)
# The ends of a run by people and systems, by signal.
_ENDED_BY: Final = {
    "SIGINT": "by the user (Ctrl-C)",
    "SIGTERM": "by the system (SIGTERM)",
    "SIGBREAK": "by the system (Ctrl-Break)",
    "stop": "by its caller (stop=)",
}
# The rules of ``files.search_rules``, said of what they leave out.
_LEFT_OUT: Final = {
    "hidden": "hidden",
    "underscore": "whose name begins with _",
    "set_aside": "unfinished or set aside",
    "ending": "of another ending",
    "again": "linked to what is read already",
    "special": "neither file nor folder",
    "device": "of other devices, by their folders",
}
# Usual notation of units, by their identifier in a thing model.
_UNITS: Final = {"degC": "°C", "degF": "°F", "deg": "°", "percent": "%"}
# The words for an end before the last request, by its kind.
_ENDED: Final[dict[str, Callable[..., str]]] = {
    "interrupted": lambda signal: f"interrupted ({signal})",
    "rival": lambda device: (
        "the platform closed the connection twice, each time within seconds of the sign-in. It "
        f"does so when another client signs in as {device}; it may also have a reason of its own. "
        "End the other client, if there is one, then continue"
    ),
    "not_regained": lambda seconds: f"the connection was not regained within {seconds:.0f} s",
    "refused": str,
    "declined_alike": lambda n, code: (
        f"the first {n} requests were all declined with code {code}: {return_code(code).meaning}"
    ),
    "code": lambda code: f"code {code}: {return_code(code).meaning}",
    "code_again": lambda code: f"code {code} again after signing in: {return_code(code).meaning}",
    "given_up": lambda: "given up",
}


def ended_in_words(ended: Ended | None) -> str:
    """Return why a run ended before its last request; the empty text for any other run.

    Examples
    --------
    >>> ended_in_words(Ended("interrupted", ("SIGTERM",)))
    'interrupted (SIGTERM)'
    """
    return "" if ended is None else _ENDED[ended.kind](*ended.detail)


def conflict_in_words(conflict: Conflict) -> str:
    """Return two different readings of the same device, time and point as a clause."""
    time = pd.Timestamp(conflict.time, unit="ms", tz="UTC").isoformat()
    text, other_text = (clipped(one) for one in (conflict.text, conflict.other_text))
    device = f" of {clipped(conflict.device_key)}" if conflict.device_key else ""
    # Times of the same millisecond look equal, and may differ in what a millisecond does not hold.
    cut = " (to the millisecond)" if conflict.time % 1_000 else ""
    return (
        f"{clipped(conflict.point)}{device} at {time}{cut} is {text} in row "
        f"{conflict.row} of {conflict.source} and {other_text} in row "
        f"{conflict.other_row} of {conflict.other_source}"
    )


def hour_twice_in_words(hour: HourTwice) -> str:
    """Return the explanation of an hour that stands twice in a history, as a sentence."""
    start = pd.Timestamp(hour.start, unit="ms", tz="UTC").isoformat(" ", "minutes")
    return (
        f"The hour from {start} stands twice, with other readings, for {hour.devices:,} "
        f"device{'s' * (hour.devices > 1)} ({hour.rows:,} rows), and an hour is missing elsewhere: "
        "the clock was changed wrongly at the source, as where times without summer time were "
        "taken for times with it. Times between the two hours may be an hour off: read the "
        "source's own times in the zone that its clock kept"
    )


def headline(standing: Standing) -> tuple[str, str]:
    """Return the fate of a run's values in a line, and the state of the run in a few sentences.

    Returns
    -------
    tuple of str
        A headline without a full stop, and one or more sentences.

    Examples
    --------
    >>> headline(Standing({"read": 3, "accepted": 3}))[0]
    'All 3 values were accepted'
    >>> headline(Standing({"read": 3, "accepted": 1, "declined": 2}))[0]
    '1 of 3 values were accepted'
    """
    return _first_line(standing), _completeness(standing)


def _first_line(standing: Standing) -> str:
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
    return f"{'The others:' if standing.n('accepted') else 'They are'} {listed(fates)}."


def _end(standing: Standing) -> list[str]:
    """Return sentences about the end of a run, its rest, and the way to continue."""
    if standing.is_complete:
        return ["The run is complete: every row was read and every request has an answer."]
    rest = (
        f"The same replay with the same journal continues it{_from_streams(standing)}."
        if standing.is_kept
        else "It kept no journal to continue from: replay the history again, with a journal."
    )
    return [*_why_not_complete(standing), rest]


def _from_streams(standing: Standing) -> str:
    """Return the words for a history that another process reads from the files of its streams."""
    if not standing.streams:
        return ""
    files = ", ".join(repr(one) for one in standing.streams)
    given = f"[{files}]" if len(standing.streams) > 1 else files
    return (
        "; its stream was kept beside the journal, and is read from there "
        f"(read_history({given}, ...))"
    )


def _why_not_complete(standing: Standing) -> list[str]:
    known = standing.requests
    left = [(standing.unread_rows, "row", "not read")]
    left += [
        (known.get(outcome, 0), "request", FATE_WORDS[outcome][0])
        for outcome in ("in_doubt", "not_sent")
    ]
    left = [one for one in left if one[0]]
    parts = [f"{count(n, what)} {state}" for n, what, state in left]
    there = "is" if left and left[0][0] == 1 else "are"
    rest = [f"There {there} {listed(parts)}."] if left else []
    open_ones = [f"{unsettled_in_words(standing)}."] if known.get(OPEN) else []
    return [f"{_ended(standing)}.", *rest, *open_ones]


def _ended(standing: Standing) -> str:
    ended = standing.ended
    if ended is not None and ended.kind == "interrupted":
        return f"The run was stopped {_ENDED_BY[ended.detail[0]]} before its end"
    if ended is not None:
        return f"The run stopped before its end: {visible(ended_in_words(ended))}"
    if standing.is_going:
        return "The run is going on or was killed: it has noted no end"
    return "The run has ended, and not everything is settled"


def unsettled_in_words(standing: Standing) -> str:
    """Return a sentence about the values of unsettled requests, without a full stop.

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


def to_continue(standing: Standing) -> str:
    """Return the advice about values of unsettled requests."""
    return _TO_CONTINUE if standing.is_kept else _TO_REPEAT


def left_out_in_words(groups: Iterable[Mapping[str, Any]]) -> str:
    """Return how many files and folders each rule has left out.

    Examples
    --------
    >>> left_out_in_words([{"rule": "ending", "ending": ".csv", "n": 2}])
    '2 of another ending (.csv)'
    """
    groups = list(groups)
    parts = []
    for rule, words in _LEFT_OUT.items():
        found = [group for group in groups if group["rule"] == rule]
        endings = [group["ending"] or "none" for group in found if rule == "ending"]
        more = ", …" * (len(endings) > NAMES_SHOWN)
        told = f" ({', '.join(endings[:NAMES_SHOWN])}{more})" if endings else ""
        parts += [f"{sum(group['n'] for group in found):,} {words}{told}"] if found else []
    return ", ".join(parts)


class Told(NamedTuple):
    """A cause of rejects in words; no part ends in a full stop, and any part may be empty."""

    said: str
    when: str
    advice: str | Message

    @property
    def sentence(self) -> str:
        """The cause with its time."""
        return f"{self.said}{self.when and f', {self.when}'}"


def cause_in_words(cause: Cause, *, plain: bool = False) -> Told:
    """Return a cause of rejects as a sentence, with its advice; a ``plain`` one names no argument.

    Examples
    --------
    >>> from mpreplay.display.facts import Detail
    >>> time = pd.Timestamp("2014-06-08 20:40", tz="UTC")
    >>> detail = Detail("range", (-60, 60, False, False, "degC"))
    >>> cause_in_words(Cause(
    ...     34, "withheld", "range", detail, detail, "range", ("R80721",), ("Ot_avg",), time, time,
    ...     lowest=-273.2, highest=-92.02,
    ... )).sentence
    '34 withheld: Ot_avg of R80721 below its minimum of -60 °C (-273.2 … -92.02), on 2014-06-08'
    """
    outcome = FATE_WORDS.get(cause.outcome, (cause.outcome, ""))[0]
    said = f"{cause.n:,} {outcome}: {_subject(cause)}{_joint(cause, plain)}"
    when = span_in_words(cause.first_time, cause.last_time)
    return Told(said, when, advice(cause.advice))


def _subject(cause: Cause) -> str:
    points = visible(names(cause.points, "points", MAX_NAME)) or "rows"
    devices = visible(names(cause.devices, "devices", MAX_NAME))
    return f"{points} of {devices}" if devices else points


def names(given: tuple[str, ...], what: str, most: int | None = None) -> str:
    """Return up to three names, each clipped if asked, or their number."""
    if len(given) > NAMES_SHOWN:
        return f"{len(given):,} {what}"
    return ", ".join(clipped(name, most) for name in given)


def _joint(cause: Cause, plain: bool) -> str:
    """Return the clause that follows the subject, with its separator in front."""
    if cause.detail.kind == "range" and cause.check == "range":
        return f" {_bound(cause)}{_found(cause)}"
    said = visible(cause_reason(cause.example, cause.n, plain=plain))
    if cause.check == "platform":
        within = f" in {count(cause.requests, 'request')}" if cause.requests else ""
        return f"{_found(cause)}{within}, {f'code {cause.code}, ' if cause.code else ''}{said}"
    return f", {said}" if said else ""


def _bound(cause: Cause) -> str:
    """Return the violated bound in words."""
    low, high, no_low, no_high, unit = cause.detail.facts
    unit = unit_in_words(unit)
    if low is not None and cause.highest is not None and cause.highest <= low:
        return f"{'not above' if no_low else 'below'} its minimum of {low:.15g}{unit}"
    if high is not None and cause.lowest is not None and cause.lowest >= high:
        return f"{'not below' if no_high else 'above'} its maximum of {high:.15g}{unit}"
    return f"outside its range of {range_text(low, high, no_low, no_high)}{unit}"


def unit_in_words(unit: str) -> str:
    """Return a unit as it follows a number, with its space; the empty text for none.

    Examples
    --------
    >>> unit_in_words("degC"), unit_in_words("percent"), unit_in_words("")
    (' °C', '%', '')
    """
    unit = visible(unit, MAX_NAME)
    unit = _UNITS.get(unit, unit)
    return unit if unit in {"", "°", "%"} else f" {unit}"


def _found(cause: Cause) -> str:
    """Return the lowest and the highest value in brackets; the empty text without numbers."""
    if cause.lowest is None or cause.highest is None:
        return ""
    shown = [f"{cause.lowest:.6g}", f"{cause.highest:.6g}"]
    return f" ({' … '.join(dict.fromkeys(shown))})"


def listed(parts: list[str], last: str = "and") -> str:
    """Return ``a, b and c``."""
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
