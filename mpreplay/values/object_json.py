"""JSON texts of Python objects, and a substitute for objects without a JSON text. Pure."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd

from .absent import is_nan
from .epoch import microseconds_of

__all__ = ["Unsendable", "has_lone_surrogate", "json_text", "parsed", "shown", "told", "written"]


def shown(value: Any) -> str:
    """Return a value for people to read: texts without quotes, others as JSON if possible."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.isoformat()  # with all digits: too many digits are the fault
    text = json_text(value)
    return str(value) if text is None else text.decode()


def written(value: Any) -> str:
    """Return an object of any class for people to read, whatever happens when it is written."""
    try:
        return shown(value)
    except Exception:  # a class of a user's own may fail in any way
        return f"a {type(value).__name__}"


def json_text(value: Any) -> bytes | None:
    """Return the JSON text of a value on the wire; None for a value without a JSON text.

    NaN within an array or a struct is absent, as everywhere, and written as null.

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
    """Substitute for a value that even extended JSON cannot carry, such as bytes."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


UNSENDABLE: Final = "unsendable"


def told(value: Any) -> str:
    r"""Return a value without a JSON text as extended JSON, for :func:`parsed` to read back.

    Infinity and lone surrogates are written as in Python's ``json``.

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
    """Return the value of a text, JSON or extended JSON; None for any other text."""
    try:
        value = json.loads(text, parse_constant=_CONSTANTS.__getitem__)
    except (ValueError, RecursionError):
        return None
    is_unsendable = isinstance(value, dict) and value.keys() == {UNSENDABLE}
    return Unsendable(str(value[UNSENDABLE])) if is_unsendable else value


_CONSTANTS: Final = {"Infinity": np.inf, "-Infinity": -np.inf, "NaN": None}
# orjson's own path for NumPy rejects big-endian arrays and takes naive times for UTC.
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
        return str(microseconds_of(value) // 1_000) if value.tzinfo else value.isoformat(" ")
    if isinstance(value, dt.date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.timedelta | pd.Timedelta | complex):
        return str(value)
    raise TypeError


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
    """Return True if a text, or any text within a value, holds a lone surrogate."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, dict):
        return any(map(has_lone_surrogate, [*value, *value.values()]))
    if isinstance(value, list | tuple | np.ndarray):
        return any(map(has_lone_surrogate, value))
    return False
