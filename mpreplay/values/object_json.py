"""The JSON texts of Python objects, and what stands for an object that has none. Pure."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd

from .absent import is_nan
from .epoch import EPOCH, MILLISECOND

__all__ = ["Unsendable", "has_lone_surrogate", "json_text", "parsed", "shown", "told"]


def shown(value: Any) -> str:
    """Return a value as people read it: a text without quotes, the rest as JSON if that can be."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.isoformat()  # with all the digits that keep it from travelling
    text = json_text(value)
    return str(value) if text is None else text.decode()


def json_text(value: Any) -> bytes | None:
    """Return a value as the JSON text it would travel as; None where there is none.

    Within an array or a struct NaN is absent, as everywhere, and written as null.

    Examples
    --------
    >>> json_text({"a": 1.5}), json_text(float("inf"))
    (b'{"a":1.5}', None)
    """
    if is_nan(value) or _holds_infinity(value):
        return None
    try:
        return orjson.dumps(value, default=_default, option=_JSON)
    except (TypeError, orjson.JSONEncodeError):
        if isinstance(value, int):  # beyond 64 bits
            return str(value).encode()
        return None


class Unsendable:
    """What stands for a value that is neither JSON nor nearly so, such as bytes."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


UNSENDABLE: Final = "unsendable"


def told(value: Any) -> str:
    r"""Return a value that is no JSON as nearly that, so that :func:`parsed` gives it back.

    Infinity and half characters are written as Python's ``json`` writes them.

    Examples
    --------
    >>> told([1.5, float("inf")]), told("a\ud800"), told(b"7")
    ('[1.5,Infinity]', '"a\\ud800"', '{"unsendable":"b\'7\'"}')
    """
    try:
        text = json.dumps(value, default=_default, separators=(",", ":"))
        if json_text(parsed(text)) is None:
            return text
    except (TypeError, ValueError, RecursionError):
        pass
    seen = str(value).encode("utf-8", "backslashreplace").decode()
    return json.dumps({UNSENDABLE: seen}, ensure_ascii=False, separators=(",", ":"))


def parsed(text: str) -> Any:
    """Return what a text of JSON, or of :func:`told`, says; None where it is neither."""
    try:
        value = json.loads(text, parse_constant=_CONSTANTS.__getitem__)
    except (ValueError, RecursionError):
        return None
    is_unsendable = isinstance(value, dict) and value.keys() == {UNSENDABLE}
    return Unsendable(str(value[UNSENDABLE])) if is_unsendable else value


_CONSTANTS: Final = {"Infinity": np.inf, "-Infinity": -np.inf, "NaN": None}
# orjson's own path for NumPy refuses what is big-endian and takes naive times for UTC.
_JSON: Final = orjson.OPT_PASSTHROUGH_DATETIME


def _default(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return list(value)
    if isinstance(value, np.floating):
        return float(str(value))  # a float32 in its shortest form
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    if isinstance(value, np.bool_ | np.integer | np.str_):
        return value.item()
    if isinstance(value, dt.datetime):  # a TIMESTAMP travels as milliseconds in a text
        return str(_milliseconds(value)) if value.tzinfo else value.isoformat(" ")
    if isinstance(value, dt.date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.timedelta | pd.Timedelta | complex):
        return str(value)
    raise TypeError


def _milliseconds(value: dt.datetime) -> int:
    return (value - EPOCH) // MILLISECOND


def _holds_infinity(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_infinity, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_infinity, value))
    if isinstance(value, np.ndarray):
        numeric = value.dtype.kind == "f"
        return bool(np.isinf(value).any()) if numeric else any(map(_holds_infinity, value.tolist()))
    if isinstance(value, decimal.Decimal):
        return value.is_infinite() or (value.is_finite() and bool(np.isinf(float(value))))
    return isinstance(value, float | np.floating) and bool(np.isinf(value))


def has_lone_surrogate(value: Any) -> bool:
    """Return whether a text, or one within a value, holds half a character."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, dict):
        return any(map(has_lone_surrogate, [*value, *value.values()]))
    if isinstance(value, list | tuple | np.ndarray):
        return any(map(has_lone_surrogate, value))
    return False
