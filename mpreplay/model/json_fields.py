"""Fields of a JSON document: its text read strictly, and each field in the shape that is expected.

Pure. What has another shape is a ConfigError that names the field, never an error of Python's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from ..errors import ConfigError, clipped
from .json_faults import decoded, fault_of, line_of

__all__ = ["as_list", "as_mapping", "as_number", "as_text", "as_unit", "kind_of", "read_json"]

_SHOWN: Final = 60  # characters of a value
_KINDS: Final = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value in words.

    Examples
    --------
    >>> kind_of([1]), kind_of(None)
    ('a list', 'null')
    """
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def read_json(text: str | bytes) -> Any:
    """Return the JSON in a text, which may begin with a byte-order mark.

    Raises
    ------
    ValueError
        If it is no JSON, or JSON that readers understand differently: a name that occurs twice in
        an object, a number beyond 64 bits, brackets nested too deep.
    """
    if isinstance(text, bytes):
        text = decoded(text)
    text = text.removeprefix("\ufeff")

    def no_constant(name: str) -> NoReturn:
        at = text.find(name)
        line = f"line {text.count(chr(10), 0, at) + 1}, {line_of(text, at)}"
        raise ValueError(f"{line}: {name} is no JSON number; leave the key out for no bound")

    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_float, parse_constant=no_constant
        )
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(fault_of(text, error)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        first, second, *_ = (_shown(value) for name, value in pairs if name == twice)
        raise ValueError(
            f"{clipped(twice, _SHOWN)!r} occurs twice in one object, with {first} and {second}; "
            "keep one of the two"
        )
    return found


def _float(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"the number {clipped(text, _SHOWN)} is beyond 64 bits")
    return value


def as_mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Return an object; an empty one for null."""
    return {} if value is None else _expected(value, what, Mapping, "an object")


def as_list(value: Any, what: str) -> list[Any]:
    """Return a list; an empty one for null."""
    return [] if value is None else _expected(value, what, list, "a list")


def as_text(value: Any, what: str) -> str:
    """Return a text; an empty one for null, and a number as text."""
    if value is None:
        return ""
    return str(_expected(value, what, str | int | float, "a text"))


def as_number(value: Any, what: str) -> int | float | None:
    """Return a number, also from a text, as exports have it; None for null and the empty text."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        text = _expected(value, what, str, "a number").strip()
        return int(text) if text.lstrip("+-").isdecimal() and text.isascii() else float(text)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{what} must be a number, got {_shown(value)}") from None


# EnOS writes a unit as its id and a multiplier; people write kW.
_MULTIPLIERS: Final = {
    "YOTTA": "Y",
    "ZETTA": "Z",
    "EXA": "E",
    "PETA": "P",
    "TERA": "T",
    "GIGA": "G",
    "MEGA": "M",
    "KILO": "k",
    "HECTO": "h",
    "DECA": "da",
    "ONE": "",
    "DECI": "d",
    "CENTI": "c",
    "MILLI": "m",
    "MICRO": "µ",
    "NANO": "n",
    "PICO": "p",
    "FEMTO": "f",
    "ATTO": "a",
    "ZEPTO": "z",
    "YOCTO": "y",
}


def as_unit(value: Any) -> str:
    """Return a unit as people write it."""
    if not isinstance(value, Mapping):
        return as_text(value, "'unit'")
    multiplier = str(value.get("multiplier") or "ONE").upper()
    return f"{_MULTIPLIERS.get(multiplier, '')}{value.get('unitId') or ''}"


def _expected(value: Any, what: str, kind: Any, words: str) -> Any:
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    raise ConfigError(f"{what} must be {words}, got {kind_of(value)}: {_shown(value)}")


def _shown(value: Any) -> str:
    return clipped(repr(value), _SHOWN)
