"""Values that do not fit their measurement point, and the JSON text they would travel as.

Pure.
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
import pandas as pd

__all__ = ["Odd", "json_text", "shown"]


class Odd(NamedTuple):
    """A value that does not fit: its position, how it would travel, the check and the reason.

    ``text`` is None where no JSON text can carry it; ``shown`` is the value for people to read.
    """

    position: int
    text: bytes | None
    check: str
    reason: str
    shown: str = ""

    @classmethod
    def of(cls, position: int, value: Any, check: str, reason: str) -> Odd:
        """Return a value as it was read, with what is wrong with it."""
        return cls(position, json_text(value), check, reason, shown(value))


def shown(value: Any) -> str:
    """Return a value as people read it: a text without quotes, the rest as JSON if that can be."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    text = json_text(value)
    return str(value) if text is None else text.decode()


def json_text(value: Any) -> bytes | None:
    """Return a value as the JSON text it would travel as; None where there is none.

    Examples
    --------
    >>> json_text({"a": 1.5}), json_text(float("inf"))
    (b'{"a":1.5}', None)
    """
    if _holds_nonfinite(value):
        return None
    try:
        return orjson.dumps(value, default=_default, option=_JSON)
    except (TypeError, orjson.JSONEncodeError):
        if isinstance(value, int):  # beyond 64 bits
            return str(value).encode()
        return None


_JSON: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME


def _default(value: Any) -> Any:
    if isinstance(value, dt.datetime):  # a TIMESTAMP travels as milliseconds in a text
        return str(round(value.timestamp() * 1000)) if value.tzinfo else value.isoformat(" ")
    if isinstance(value, dt.date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.timedelta | pd.Timedelta | complex | bytes):
        return str(value)
    raise TypeError


def _holds_nonfinite(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_nonfinite, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_nonfinite, value))
    return isinstance(value, float | np.floating) and not np.isfinite(value)
