"""Words for each kind of reason, and for the advice.

Pure: a detail in, a clause out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import Argument, Message, clipped, message
from ..model.point_types import POINT_TYPES
from ..model.rules import RULE_WORDS
from ..protocol.codes import return_code
from .facts import Detail
from .plain_words import PLAIN, PLAIN_ADVICE, PLAIN_OF_MANY, Apart, Words, known, span

__all__ = ["ADVICE_BY_CHECK", "advice", "cause_reason", "plain_advice", "reason", "reason_column"]


def _kind(name: str) -> str:
    return POINT_TYPES[name].a_value


def _platform(code: int, words: str, alone: bool, within: str = "") -> str:
    del alone  # matters only for the advice
    meaning = return_code(code).meaning
    known = f"; by the thing model given here: {within}" if within else ""
    return f"{meaning} ({words}){known}" if words else f"{meaning}{known}"


def _refused(code: int, words: str, within: str) -> str:
    return f"{within}; its sign-in was refused with {code}: {words or return_code(code).meaning}"


# Parts of a text that its form does not allow; the hints say how to read such a column.
_LACKS: Final = {
    "comma": "it has a decimal comma",
    "comma?": "its comma is a decimal one, or one of thousands, which are not read",
    "point": "it has a decimal point",
    "point?": "its point is a decimal one, or one of thousands, which are not read",
    "groups": "it has separators of thousands, which are not read; write it without them",
    "suffix": "{0!r} follows it",
    "blanks": "it has blanks around it",
}


def _lacks(needs: Iterable[str], suffix: str) -> str:
    """Return what keeps a text from being a number."""
    return ", and ".join(
        _LACKS[need].format(suffix) if need == "suffix" else _LACKS[need] for need in needs
    )


def _labels(pairs: Iterable[tuple[Any, str]], n: int) -> str:
    told = [f"{key} = {label!r}" for key, label in pairs]
    return f"{', '.join(told)}{', …' if n > len(told) else ''}"


# Words of each kind of reason, from its facts, the instance's facts, and the reason within.
_REASONS: Final[dict[str, Callable[..., str]]] = {
    **RULE_WORDS,
    # A value does not fit its type.
    "infinite": lambda: "infinite",
    "beyond_64": lambda: "beyond 64 bits",
    "beyond_float": lambda: "beyond the 32 bits of a FLOAT",
    "inexact": lambda: "an integer with more digits than a DOUBLE holds",
    "not_integer": lambda: "not an integer",
    "misspelt": lambda kind, needs, suffix: (
        f"not {_kind(kind)} as it is written: {_lacks(needs, suffix)}"
    ),
    "scaled_part": lambda scale: f"times {scale!r} it is not an integer",
    "unmapped": lambda texts, n: f"none of the texts that values= names: {known(texts, n)}",
    "no_label": lambda pairs, n: f"no label of the enumeration, which has {_labels(pairs, n)}",
    "a_label": lambda pairs, n: f"a label of the enumeration ({_labels(pairs, n)}), not a key",
    "not_a": lambda kind: f"not {_kind(kind)}",
    "arrow_type": lambda found, kind: f"a value of type {found} is not {_kind(kind)}",
    "class": lambda found, kind: f"a {found} is not {_kind(kind)}",
    "naive": lambda: "a naive time; a TIMESTAMP needs a zone",
    "file": lambda: "a FILE travels over the HTTP channel only",
    "timestamp_too_fine": lambda: "a TIMESTAMP holds whole milliseconds",
    "date_too_fine": lambda: "a DATE holds whole seconds",
    "beyond_years": lambda: "not within the years 1 to 9999",
    "no_moment": lambda: "the last of 64 bits, which stands for no time",
    "unknown_zone": lambda zone: (
        f"the zone {zone!r} is not known here, so neither is its local time"
    ),
    "surrogate": lambda: "holds a lone surrogate, which UTF-8 cannot carry",
    "twice": lambda name: f"has the member {name!r} twice",
    "no_json": lambda: "JSON cannot carry it",
    "wrong_items": lambda kind: f"its items are not all {POINT_TYPES[kind].values}",
    "stranger": lambda name: f"has no member {name!r}",
    "absent_item": lambda: "an item is absent",
    "wrong_quality": lambda low, high: f"its quality is not an integer from {low} to {high}",
    "lone_quality": lambda: "a quality without a value",
    # The time, device, product or point of a row is unreadable or unknown.
    "no_time": lambda: "no time",
    "not_a_time": lambda value: f"{value} is not a time",
    "not_iso": lambda value: f"{value} is not an ISO 8601 time",
    "far_time": lambda value: f"{value} does not lie within the years 1 to 9999",
    "stand_in": lambda value: f"{value} stands for no time",
    "naive_time": lambda value: f"{value} is a time without a zone; give tz=, or an offset",
    "no_unit": lambda value: f"{value} is a number without a unit; give time_unit=",
    "fold": lambda tz, value: (
        f"{value} occurs twice in {tz}, where the clock is changed (put back); give ambiguous=, or "
        "times with an offset"
    ),
    "fold_not_told": lambda tz, value: (
        f"{value} occurs twice in {tz}, where the clock is changed (put back), and the order of "
        "the device's rows does not tell which of the two it is; give ambiguous='earliest' or "
        "'latest', or times with an offset"
    ),
    "gap": lambda tz, value: (
        f"{value} does not exist in {tz}, where the clock is changed (put forward); give "
        "nonexistent=, another tz= if the clock was not put forward, or times with an offset"
    ),
    "leap_second": lambda value: (
        f"{value} is a leap second, which no time since the epoch holds; give it as :59"
    ),
    "end_of_day": lambda value: f"{value} is the end of a day; give it as 00:00 of the next day",
    "not_of_format": lambda form, value: f"{value} is not a time of the format {form!r}",
    "implausible": lambda first, last, value: (
        f"{value} does not lie {span(first, last)}, where times are plausible (plausible=)"
    ),
    "no_device": lambda: "no device key or no product key",
    "not_a_key": lambda kind, value: f"{value} is not a {kind}, which is a text",
    "no_model": lambda product: f"there is no thing model for product {product!r}",
    "no_point": lambda: "no point is named",
    "unknown_point": lambda name: f"{name!r} is not in the thing model",
    "file_point": lambda name: f"{name!r} is a FILE, which travels over the HTTP channel only",
    # A check failed.
    "check": str,
    "too_large": lambda most: f"alone larger than a request may be ({most} bytes)",
    "superseded": lambda row, source: (
        f"superseded by row {row} of {source}, which has the same device, time and point"
    ),
    "set_aside": lambda: "superseded by another reading in the run that these rejects are of",
    # A request did not deliver the value.
    "platform": _platform,
    "refused": _refused,
    "no_reply": lambda attempts: f"no reply after {attempts} attempts",
    "unsent": lambda: "the run ended before it was sent",
    "unsent_again": lambda attempts: (
        f"the run ended before it was sent again; attempts that were refused: {attempts}"
    ),
    "copy": lambda within: f"{within}; a copy of another reading",
    "expected_skip": lambda within: f"expected to be skipped by the platform: {within}",
    "skipped_copy": lambda: (
        "expected to be skipped by the platform, as the reading it is a copy of"
    ),
}
# The words for many values whose reasons differ only in the instance, with an example.
_OF_MANY: Final[dict[str, Callable[..., str]]] = {
    "superseded": lambda _row, _source: (
        "superseded by a row that has the same device, time and point"
    ),
    "not_a_time": lambda value: f"not a time, such as {value}",
    "not_iso": lambda value: f"not an ISO 8601 time, such as {value}",
    "far_time": lambda value: f"not within the years 1 to 9999, such as {value}",
    "stand_in": lambda value: f"stand for no time, such as {value}",
    "naive_time": lambda value: f"times without a zone, such as {value}; give tz=, or offsets",
    "no_unit": lambda value: f"numbers without a unit, such as {value}; give time_unit=",
    "not_a_key": lambda kind, value: f"not a {kind}, which is a text, such as {value}",
    "fold": lambda tz, value: (
        f"occur twice in {tz}, where the clock is changed (put back), such as {value}; give "
        "ambiguous=, or times with an offset"
    ),
    "fold_not_told": lambda tz, value: (
        f"occur twice in {tz}, where the clock is changed (put back), and the order of the rows "
        f"does not tell which of the two is meant, such as {value}; give ambiguous='earliest' or "
        "'latest', or times with an offset"
    ),
    "gap": lambda tz, value: (
        f"do not exist in {tz}, where the clock is changed (put forward), such as {value}; give "
        "nonexistent=, another tz= if the clock was not put forward, or times with an offset"
    ),
    "leap_second": lambda value: f"leap seconds, such as {value}; give them as :59",
    "end_of_day": lambda value: (
        f"the end of a day, such as {value}; give it as 00:00 of the next day"
    ),
    "not_of_format": lambda form, value: f"not a time of the format {form!r}, such as {value}",
    "implausible": lambda first, last, value: (
        f"not {span(first, last)}, where times are plausible (plausible=), such as {value}"
    ),
}


def reason(detail: Detail) -> str:
    """Return the reason of a single value.

    Examples
    --------
    >>> reason(Detail("not_iso", (), ("'noon'",)))
    "'noon' is not an ISO 8601 time"
    """
    return _worded(_REASONS, detail)


def cause_reason(example: Detail, n: int, *, plain: bool = False) -> str:
    """Return the reason of n values from the reason of one of them; ``plain`` without arguments.

    Examples
    --------
    >>> cause_reason(Detail("not_iso", (), ("'noon'",)), 5)
    "not an ISO 8601 time, such as 'noon'"
    """
    words = _REASONS if n == 1 else {**_REASONS, **_OF_MANY}
    own = {} if not plain else PLAIN if n == 1 else {**PLAIN, **PLAIN_OF_MANY}
    return _worded({**words, **own}, example)


def reason_column(
    details: pa.ChunkedArray, instances: pa.ChunkedArray, *, plain: bool = False
) -> pa.ChunkedArray:
    """Return the reasons of a column of details, as :func:`reason` words them.

    Parameters
    ----------
    details : ChunkedArray of str
        Few are distinct: each distinct detail is read once.
    instances : ChunkedArray of str
        The facts of each value alone as JSON; null where the detail says all.
    plain : bool, optional
        True for reasons that name no argument.
    """
    words = {**_REASONS, **PLAIN} if plain else _REASONS
    coded = details.combine_chunks().dictionary_encode()
    distinct = [Detail.from_text(text) for text in coded.dictionary.to_pylist()]
    alone = instances.is_null().combine_chunks()
    used = set(coded.indices.filter(alone).unique().to_pylist())
    told = [_sendable(_worded(words, one)) if n in used else "" for n, one in enumerate(distinct)]
    reasons = pa.array(told, pa.string()).take(coded.indices)
    if instances.null_count == len(instances):
        return pa.chunked_array([reasons])
    told_apart = pc.invert(alone)
    codes = coded.indices.filter(told_apart).to_pylist()
    facts = json.loads(f"[{','.join(instances.filter(told_apart).to_pylist())}]")
    of_instances = [
        _sendable(words[distinct[code].kind](*_short(distinct[code].facts), *_short(one)))
        for code, one in zip(codes, facts, strict=True)
    ]
    filled = pc.replace_with_mask(reasons, told_apart, pa.array(of_instances, pa.string()))
    return pa.chunked_array([filled])


def _sendable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _worded(words: Words, detail: Detail) -> str:
    within = [] if detail.of is None else [_worded(words, detail.of)]
    return words[detail.kind](*_short(detail.facts), *_short(detail.instance), *within)


def _short(facts: Iterable[Any]) -> list[Any]:
    """Return facts with their texts clipped: a cell may hold megabytes, a sentence may not."""
    return [_short_fact(one) for one in facts]


def _short_fact(fact: Any) -> Any:
    if isinstance(fact, tuple | list):
        return _short(fact)
    return clipped(fact) if isinstance(fact, str) else fact


_ALLOW: Final = Argument("allow_offline_sub_device", True)
# Advice about a value that failed a check of this name.
ADVICE_BY_CHECK: Final = {
    "range": "correct the value, or widen the range in the platform's thing model",
    "type": "give the value the type that the thing model names",
    "enum": "use one of the keys, or add this one to the thing model",
    "length": "shorten the text, or raise maxLength in the thing model",
    "finite": "leave infinite values out",
    "text": "replace what UTF-8 cannot carry",
    "point": "name the point as the thing model does, or add it there",
    "time": "give the row a time that can be read",
    "inexact": "round the integer to 15 digits, or make its point a STRING in the platform's thing "
    "model",
    "misspelt": "write it as a plain number, such as 1234.5, or say in text= or points= how the "
    "numbers are written",
    "implausible": "correct the time, or widen the span of plausible times",
    "device": "give the row a device key and a product key",
    "product": "pass a thing model for this product",
    "quality": "give a quality from 0 to 9, together with a value",
    "too_large": "shorten the value: it does not fit into a request even alone",
    "superseded": "nothing, if the other reading is the right one; else remove that one",
    "expected_skip": "correct the value and replay it: the platform is expected to have skipped it",
    "no_reply": "replay it: whether it arrived is not known, and sending it twice does no harm",
    "not_sent": "replay it: it was never sent, or declined for now and not sent again",
}
# Advice about any value that did not arrive, by its key.
_ADVICE: Final[dict[str, str | Message]] = {
    **ADVICE_BY_CHECK,
    "": "",
    "withheld": "correct the value",
    "declined": "see the platform's documents",
    # About a value declined alone, or declined for its device, with no other device.
    "model alone": "correct the value, or change the platform's thing model: it declines this "
    "value alone",
    "format alone": "correct the format of the value: the platform declines it alone",
    "permission alone": message(
        "sign the device in (",
        Argument("sub_device_secrets"),
        "), or set ",
        _ALLOW,
        "; if it is declined then too, add it to the gateway's topology",
    ),
    "model": "find the value that the platform's thing model forbids: one of this request's is it",
    "format": "find the value whose format is wrong: one of this request's is to blame",
    "permission": message(
        "one of this request's devices is to blame: sign it in (",
        Argument("sub_device_secrets"),
        "), or set ",
        _ALLOW,
        "; one that is declined then too is not in the gateway's topology",
    ),
    "refused": message(
        "mend its sign-in, which was refused for the reason given: its secret in ",
        Argument("sub_device_secrets"),
        ", or the device itself on the platform",
    ),
    "size": message("make the requests smaller: ", Argument("max_bytes")),
    # About a device that is declined although it may be offline.
    "topology alone": "add the device to the gateway's topology: offline devices were allowed in "
    "this run",
    "topology": "add the device that is to blame to the gateway's topology: offline devices were "
    "allowed in this run",
}


def advice(key: str) -> str | Message:
    """Return the advice of a key."""
    return _ADVICE[key]


def plain_advice(key: str) -> Apart:
    """Return the advice of a key, with its arguments apart.

    Examples
    --------
    >>> plain_advice("size")
    Apart(said='make the requests smaller', arguments='max_bytes=…')
    """
    return PLAIN_ADVICE.get(key) or Apart(str(advice(key)))
