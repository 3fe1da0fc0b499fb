"""JSON texts of Python objects, and a substitute for objects without a JSON text. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import re
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd

from .absent import is_nan
from .epoch import microseconds_of

__all__ = [
    "Doubled",
    "Spelled",
    "Unsendable",
    "has_lone_surrogate",
    "json_text",
    "parsed",
    "read_json",
    "shown",
    "told",
    "written",
]


def shown(value: Any) -> str:
    """Return a value for people to read: texts without quotes, others as JSON if possible."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.isoformat()  # with all digits: too many digits are the fault
    text = json_text(value)
    return _in_words(value) if text is None else text.decode()


def _in_words(value: Any) -> str:
    """Return a value as Python writes it; cells may hold objects of any class, even broken ones."""
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # whatever the class of the object raises
        return f"<{type(value).__name__}>"


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
    try:
        if is_nan(value) or _holds_infinity(value):
            return None
        return orjson.dumps(value, default=_default, option=_JSON)
    except (TypeError, ValueError, RecursionError):  # orjson's own error is a TypeError
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


class Doubled(Unsendable):
    """An object in which a name occurs twice: neither of the two values is the right one."""

    __slots__ = ("name",)

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name

    @classmethod
    def of(cls, pairs: list[tuple[Any, Any]]) -> Doubled:
        """Return the substitute for an object of these names and values."""
        names = [str(name) for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), "")
        members = (
            f"{json.dumps(name)}:{shown(value)}"
            for name, (_, value) in zip(names, pairs, strict=True)
        )
        return cls(f"{{{','.join(members)}}}", twice)


class Spelled(str):
    """The text of a value for which Python has no object; no text of the history."""

    __slots__ = ()


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
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    return json.dumps({UNSENDABLE: _in_words(value)}, ensure_ascii=False, separators=(",", ":"))


def parsed(text: str) -> Any:
    """Return the value of a text, JSON or extended JSON; None for any other text.

    An object with a name twice is a :class:`Doubled`.
    """
    try:
        value = json.loads(
            text, parse_constant=_CONSTANTS.__getitem__, object_pairs_hook=_object_of
        )
    except (ValueError, RecursionError):
        return None
    is_unsendable = isinstance(value, dict) and value.keys() == {UNSENDABLE}
    return Unsendable(str(value[UNSENDABLE])) if is_unsendable else value


def read_json(text: str) -> Any:
    """Return the value of a JSON text; integers keep all digits, a name twice is :class:`Doubled`.

    Raises
    ------
    ValueError
        If the text is not JSON.

    Examples
    --------
    >>> read_json("[36893488147419103233]"), read_json("7.5")
    ([36893488147419103233], 7.5)
    """
    value = orjson.loads(text)
    if "{" not in text and len(text) < _LONG and not _SMALL.search(text):
        return value
    try:
        return json.loads(text, object_pairs_hook=_object_of, parse_float=_float_of)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


_LONG: Final = 17  # characters from which a number may have more digits than a float
_SMALL: Final = re.compile("[eE]-")  # of a number that a float may have as 0


def _float_of(text: str) -> float | decimal.Decimal:
    """Return a number as a float; as a decimal, if the float is whole and another number."""
    number = float(text)
    if not number.is_integer() or (abs(number) >= _FIRST_GAP and "e" in text.lower()):
        return number
    exact = decimal.Decimal(text)
    return number if exact == number else exact


_FIRST_GAP: Final = 2.0**53  # from here on floats leave whole numbers out


def _object_of(pairs: list[tuple[str, Any]]) -> Any:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Doubled.of(pairs)


_CONSTANTS: Final = {"Infinity": np.inf, "-Infinity": -np.inf, "NaN": None}
# orjson's own path for NumPy rejects big-endian arrays and takes naive times for UTC.
_JSON: Final = orjson.OPT_PASSTHROUGH_DATETIME


def _default(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return list(value)
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.longdouble):
        return float(value)
    if isinstance(value, np.floating):
        return float(str(value))  # a float32 in its shortest form
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else pd.Timestamp(value)
    if isinstance(value, np.timedelta64):  # NumPy counts it among the integers
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.bool_ | np.integer | np.str_):
        return value.item()
    if isinstance(value, dt.datetime):  # a TIMESTAMP travels as milliseconds in a text
        return str(microseconds_of(value) // 1_000) if value.tzinfo else value.isoformat(" ")
    if isinstance(value, dt.date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, decimal.Decimal):
        return _number_of(value)
    if isinstance(value, dt.timedelta | pd.Timedelta | complex):
        return str(value)
    raise TypeError


def _number_of(value: decimal.Decimal) -> Any:
    """Return a decimal as a float if its text is the same number, else with all its digits."""
    if value.is_nan():
        return None
    number = float(value)
    same = decimal.Decimal(repr(number)) == value
    return number if same else orjson.Fragment(str(value))


def _holds_infinity(value: Any) -> bool:
    if value is None or isinstance(value, str | int):
        return False
    if isinstance(value, dict):
        return any(map(_holds_infinity, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_infinity, value))
    if isinstance(value, np.ndarray):
        numeric = value.dtype.kind == "f"
        return bool(np.isinf(value).any()) if numeric else any(map(_holds_infinity, value.tolist()))
    if isinstance(value, decimal.Decimal):
        return value.is_infinite() or (value.is_finite() and bool(np.isinf(float(value))))
    if isinstance(value, float | np.floating):
        return math.isinf(value)  # as a double: a long double may lie beyond
    if isinstance(value, enum.Enum):
        return _holds_infinity(value.value)
    # orjson writes dataclasses, too.
    return dataclasses.is_dataclass(value) and any(
        _holds_infinity(getattr(value, field.name, None)) for field in dataclasses.fields(value)
    )


def has_lone_surrogate(value: Any) -> bool:
    """Return True if a text, or any text within a value, holds a lone surrogate."""
    try:
        if isinstance(value, str):
            return not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)
        if isinstance(value, dict):
            return any(map(has_lone_surrogate, [*value, *value.values()]))
        if isinstance(value, list | tuple | np.ndarray):
            return any(map(has_lone_surrogate, value))
    except (TypeError, RecursionError):  # an array without dimensions; a list that holds itself
        pass
    return False
