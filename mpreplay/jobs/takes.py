"""Kinds of values in a job file: in words, with an example, as a test and as JSON Schema. Pure."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

__all__ = [
    "DEVICES",
    "FLAG",
    "NAME",
    "NUMBER",
    "PAIR",
    "PATHS",
    "PLAUSIBLE",
    "REFERENCE",
    "TEXT",
    "TIME",
    "TRUTHS",
    "URI",
    "WORDS",
    "Takes",
    "any_of",
    "list_of",
    "map_of",
    "matching",
    "number",
    "one_of",
    "or_off",
    "whole",
]

MOST: Final = 2**53  # of any number: beyond it, JSON and floats lose numbers


class Takes(NamedTuple):
    """The kind of values that a key takes.

    Parameters
    ----------
    words : str
        The kind, as a message says it.
    example : str
        A value, as it stands in a file.
    holds : callable
        Return True for a value of the kind.
    schema : mapping
        The same as JSON Schema, for editors.
    """

    words: str
    example: str
    holds: Callable[[Any], bool]
    schema: Mapping[str, Any]


def matching(words: str, example: str, pattern: str) -> Takes:
    """Return the kind of texts in which a pattern is found."""
    found = re.compile(pattern).search
    schema = {"type": "string", "pattern": pattern}
    return Takes(
        words, example, lambda value: isinstance(value, str) and bool(found(value)), schema
    )


def one_of(*words: str) -> Takes:
    """Return the kind of a few words."""
    told = ", ".join(f'"{word}"' for word in words[:-1])
    return Takes(
        f'{told} or "{words[-1]}"',
        f'"{words[-1]}"',
        lambda value: isinstance(value, str) and value in words,
        {"enum": list(words)},
    )


def whole(least: int, example: int) -> Takes:
    """Return the kind of whole numbers from ``least`` on."""
    return Takes(
        f"a whole number of at least {least}",
        str(example),
        lambda value: type(value) is int and least <= value <= MOST,
        {"type": "integer", "minimum": least, "maximum": MOST},
    )


def number(words: str, example: str, least: float) -> Takes:
    """Return the kind of numbers from ``least`` on."""
    return Takes(
        words,
        example,
        lambda value: type(value) in (int, float) and least <= value <= MOST,
        {"type": "number", "minimum": least, "maximum": MOST},
    )


def any_of(words: str, *kinds: Takes) -> Takes:
    """Return the kind of the values of several kinds."""
    return Takes(
        words,
        kinds[0].example,
        lambda value: any(kind.holds(value) for kind in kinds),
        {"anyOf": [kind.schema for kind in kinds]},
    )


def or_off(kind: Takes) -> Takes:
    """Return a kind that also takes ``false``, to switch something off."""
    return any_of(f"{kind.words}, or false to switch it off", kind, OFF)


def list_of(kind: Takes, words: str, example: str, *, least: int = 0, most: int = MOST) -> Takes:
    """Return the kind of lists of a kind."""
    schema: dict[str, Any] = {"type": "array", "items": kind.schema, "minItems": least}
    return Takes(
        words,
        example,
        lambda value: (
            isinstance(value, list) and least <= len(value) <= most and all(map(kind.holds, value))
        ),
        schema if most == MOST else schema | {"maxItems": most},
    )


def map_of(kind: Takes, words: str, example: str) -> Takes:
    """Return the kind of tables of the user's names to a kind."""
    return Takes(
        words,
        example,
        lambda value: isinstance(value, dict) and all(map(kind.holds, value.values())),
        {"type": "object", "additionalProperties": kind.schema},
    )


def _is_time(value: Any) -> bool:
    return (isinstance(value, str) and bool(value)) or isinstance(value, dt.date)


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and bool(value)


OFF: Final = Takes("false", "false", lambda value: value is False, {"const": False})
FLAG: Final = Takes(
    "true or false", "true", lambda value: isinstance(value, bool), {"type": "boolean"}
)
TEXT: Final = Takes("a text", '"text"', lambda value: isinstance(value, str), {"type": "string"})
NAME: Final = Takes(
    "a text that is not empty",
    '"name"',
    lambda value: isinstance(value, str) and bool(value),
    {"type": "string", "minLength": 1},
)
TIME: Final = Takes(
    "a time in ISO 8601", '"2024-03-01"', _is_time, {"type": "string", "minLength": 1}
)
NUMBER: Final = Takes(
    "a number other than 0",
    "1000",
    _is_finite,
    {"type": "number", "not": {"const": 0}},
)
WORDS: Final = list_of(TEXT, "a list of texts", '["-", "Bad"]')
PATH: Final = matching(
    "a path, without credentials", '"history/*.parquet"', r"^(?!\w+://[^/]*@)[\s\S]"
)
PATHS: Final = any_of(
    "a path or a list of paths, without credentials, which belong in the environment",
    PATH,
    list_of(PATH, "", "", least=1),
)
DEVICE: Final = any_of(
    "a device key, or a product key and a device key",
    NAME,
    list_of(NAME, "", "", least=2, most=2),
)
DEVICES: Final = list_of(
    DEVICE,
    "a list of device keys, or of pairs of product key and device key",
    '["T01", ["wind-turbine", "T02"]]',
    least=1,
)
PLAUSIBLE: Final = any_of(
    "a first and a last time (false: no bound), or false for all times",
    list_of(any_of("", TIME, OFF), "", '["1980-01-01", "+1d"]', least=2, most=2),
    OFF,
)
TRUTHS: Final = any_of(
    "numbers, texts, true or false",
    TEXT,
    FLAG,
    Takes(
        "",
        "",
        lambda value: type(value) in (int, float) and math.isfinite(value),
        {"type": "number"},
    ),
)
# Where a secret belongs: a job file is read by many, kept in repositories and copied.
REFERENCE: Final = matching(
    'a reference to the secret, "env:NAME" or "file:PATH"', '"env:GW_SECRET"', r"^(env|file):."
)
PAIR: Final = matching('"PRODUCT/DEVICE", in quotes', '"wind-turbine/T01"', "^[^/]+/.")
URI: Final = matching(
    'a reference to the URI, "env:NAME" or "file:PATH", or a URI whose secret is a reference',
    '"env:MPREPLAY_CONNECTION"',
    r"^((env|file):.|mqtts?://[^:@/]+:(env|file)(:|%3[Aa])[^@]+@)",
)
