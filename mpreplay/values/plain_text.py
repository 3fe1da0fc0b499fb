"""Rejects as a history: how they are known, and how their values are written and read back.

Pure. A value of a rejects frame is a text, and stands beside a point that says what type it has:
texts are written bare, all else as JSON. Where that would be read as something else, and where a
value has a quality, it is written as the object of the wire: ``{"value":…,"quality":…}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from ..history.columns import Columns
from ..model.measurepoint import Measurepoint
from .misfits import Odd, Unsendable, has_lone_surrogate, json_text, parsed, told

__all__ = [
    "NO_POINT",
    "REJECTS",
    "REJECT_NAMES",
    "RUN_ATTRIBUTE",
    "SET_ASIDE",
    "SUPERSEDED",
    "is_rejects",
    "lacking",
    "plain_of",
    "plain_of_odd",
    "plain_text",
    "read_plain",
]

REJECT_NAMES: Final = (
    "source", "row", "product_key", "device_key", "time", "measurepoint", "value", "check",
    "reason", "outcome", "code", "request_id", "mend",
)  # fmt: skip
# What its columns are, read as a history.
REJECTS: Final = Columns(
    time="time",
    tz="UTC",  # what a spreadsheet leaves of a time
    device="device_key",
    product="product_key",
    point="measurepoint",
    value="value",
    check="check",
)
SUPERSEDED: Final = "superseded"
SET_ASIDE: Final = "superseded by another reading in the run that these rejects are of"
# Under this name pandas keeps beside ``run.rejects`` which run they are of, in Parquet, too.
RUN_ATTRIBUTE: Final = "mpreplay_run"
NO_POINT: Final = "?"  # how a point that has no name is called
_TEXTUAL: Final = frozenset({"STRING", "DATE", "TIMESTAMP"})
_MEMBERS: Final = frozenset({"value", "quality"})
_INFINITE: Final = {"inf": np.inf, "-inf": -np.inf}
# A time with an offset and more digits than milliseconds.
_TOO_FINE: Final = re.compile(r"\d{4}-.*[T ].*[.,]\d{3}\d*[1-9]\d*\s?(Z|z|[+-]\d{2}(:?\d{2})?)")


def is_rejects(columns: Iterable[Any]) -> bool:
    """Return whether columns are those of a rejects frame, whatever stands beside them."""
    return not lacking(columns)


def lacking(columns: Iterable[Any]) -> list[str]:
    """Return which columns of a rejects frame are not there."""
    found = {name for name in columns if isinstance(name, str)}
    return [name for name in REJECT_NAMES if name not in found]


def read_plain(text: str, point: Measurepoint) -> tuple[Any, Any]:
    """Return the value that a text of a rejects frame says, and its quality.

    Parameters
    ----------
    text : str
        As :func:`plain_text` writes it, or as a person does.
    point : Measurepoint
        What it should be.

    Examples
    --------
    >>> read_plain("007", Measurepoint("serial", "STRING"))
    ('007', None)
    >>> read_plain('{"value":7.5,"quality":1}', Measurepoint("power", "FLOAT"))
    (7.5, 1)
    """
    textual = _is_textual(point)
    if textual and not text.lstrip().startswith("{"):
        return _instant(text) if point.type == "TIMESTAMP" else text, None
    if text in _INFINITE:
        return _INFINITE[text], None
    value = parsed(text)
    if isinstance(value, dict) and _is_wrapped(value, point):
        return value.get("value"), value.get("quality")
    if value is None or (textual and not isinstance(value, Unsendable)):
        return text, None
    return value, None


def _is_textual(point: Measurepoint) -> bool:
    return point.type in _TEXTUAL or (point.type == "ENUM" and not point.has_int_keys)


def _is_wrapped(value: dict[str, Any], point: Measurepoint) -> bool:
    """Return whether an object is a value with its quality, and no value that is an object."""
    if not value.keys() <= _MEMBERS or all(part is None for part in value.values()):
        return False
    own = any(member.identifier in _MEMBERS for member in point.members)
    return not own or isinstance(value.get("value"), dict)


def _instant(text: str) -> Any:
    """Return a time that is too fine for its point as a time; a text would travel as another."""
    try:
        return pd.Timestamp(text) if _TOO_FINE.fullmatch(text) else text
    except ValueError:
        return text


def plain_text(value: Any, point: Measurepoint) -> str:
    """Return a value as the text that :func:`read_plain` reads as the same.

    Examples
    --------
    >>> serial = Measurepoint("serial", "STRING")
    >>> plain_text("007", serial), plain_text(7, serial)
    ('007', '{"value":7}')
    """
    if isinstance(value, float) and np.isinf(value) and not _is_textual(point):
        return str(value)
    written = _written(value)
    bare = [value] if isinstance(value, str) and not has_lone_surrogate(value) else []
    for text in (*bare, written):
        if _is_same(read_plain(text, point), value):
            return text
    return f'{{"value":{written}}}'


def _written(value: Any) -> str:
    text = json_text(value)
    return told(value) if text is None else text.decode()


def _is_same(read: tuple[Any, Any], value: Any) -> bool:
    return read[1] is None and type(read[0]) is type(value) and _written(read[0]) == _written(value)


def plain_of(texts: list[str | None], point: Measurepoint) -> list[str | None]:
    """Return values that fit their point, bare or as JSON, as a rejects frame writes them."""
    if not (_is_textual(point) or point.type in {"STRUCT", "ANY"}):
        return texts
    return [
        _unmistakable(text, point) if text is not None and text.lstrip()[:1] == "{" else text
        for text in texts
    ]


def _unmistakable(text: str, point: Measurepoint) -> str:
    """Return the text of an object, or one that looks like it, so that it is read as what it is."""
    if _is_textual(point):
        return plain_text(text, point)
    value, quality = read_plain(text, point)
    if point.type == "ANY" and value is not None and type(quality) is int and 0 <= quality <= 9:
        return text  # on the wire both are the same
    value = json.loads(text)
    return text if _is_same(read_plain(text, point), value) else f'{{"value":{text}}}'


def plain_of_odd(odd: Odd, point: Measurepoint) -> str:
    """Return a value that does not fit its point as a rejects frame writes it."""
    if odd.check in {SUPERSEDED, "quality"}:  # as it stood there; what is wrong is the quality
        return odd.shown
    if point.type == "TIMESTAMP" and _TOO_FINE.fullmatch(odd.shown):
        is_text = odd.text == json_text(odd.shown)
        return plain_text(odd.shown, point) if is_text else odd.shown
    if odd.text is None:
        return plain_text(parsed(odd.told), point)
    text = odd.text.decode()
    if text[:1] not in '{"' and not _is_textual(point):
        return text  # a number, a truth value or an array is itself
    return plain_text(json.loads(text), point)
