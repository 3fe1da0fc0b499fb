"""Values that do not fit their measurement point, and the JSON text they would travel as.

Pure.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Odd", "Unsendable", "absent_in", "has_lone_surrogate", "is_nan", "json_text", "parsed",
    "python_of", "shown", "told", "without",
]  # fmt: skip


class Odd(NamedTuple):
    """A value that does not fit: its position, how it would travel, the check and the reason.

    ``text`` is None where no JSON text can carry it; ``told`` is then what :func:`told` makes of
    it. ``shown`` is the value for people to read.
    """

    position: int
    text: bytes | None
    check: str
    reason: str
    shown: str = ""
    told: str = ""

    @classmethod
    def of(cls, position: int, value: Any, check: str, reason: str) -> Odd:
        """Return a value as it was read, with what is wrong with it."""
        text = json_text(value)
        untold = told(value) if text is None else ""
        return cls(position, text, check, reason, shown(value), untold)


def python_of(array: pa.Array) -> list[Any]:
    """Return Arrow's values as Python's; times beyond the year 9999 as texts."""
    try:
        return list(array.to_pylist())
    except (OverflowError, ValueError):
        return [value.cast(pa.string()).as_py() if value.is_valid else None for value in array]


def without(array: pa.Array, mask: NDArray[np.bool_]) -> pa.Array:
    """Return an array with null where a mask says so.

    Not by ``if_else``: in pyarrow 22 it reads beyond a slice of texts, and makes others of them.

    Examples
    --------
    >>> without(pa.array(["a", "b", "c"])[1:], np.array([True, False])).to_pylist()
    [None, 'c']
    """
    return array.take(pa.array(np.arange(len(array)), mask=mask))


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
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (value - epoch) // dt.timedelta(milliseconds=1)


def is_nan(value: Any) -> bool:
    """Return whether a value is the number that is none."""
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return isinstance(value, decimal.Decimal) and value.is_nan()


def absent_in(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of the objects of a column are absent: None, NaN, NaT or NA."""
    try:
        return np.asarray(pd.isna(column), bool)
    except decimal.InvalidOperation:  # pandas compares a signalling NaN, which may not be done
        return np.array([_is_absent(value) for value in column], bool)


def _is_absent(value: Any) -> bool:
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return value is None or value is pd.NA or value is pd.NaT or is_nan(value)


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
