"""Reasons of a thing model's rules: facts, and their words.

Pure. A reason is a kind, its facts, and for a rule on a member or an item the reason within.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["KEYS_SHOWN", "RULE_WORDS", "Why", "in_words", "range_text"]

# Kind, facts, and the reason within, or None.
Why = tuple[str, tuple[Any, ...], Any]
KEYS_SHOWN: Final = 10


def _range(low: Any, high: Any, no_low: bool, no_high: bool, unit: str) -> str:
    return f"outside {range_text(low, high, no_low, no_high)}{f' {unit}' if unit else ''}"


def _enum(keys: list[Any]) -> str:
    shown = ", ".join(map(str, keys[:KEYS_SHOWN]))
    return f"not one of {shown}{', …' if len(keys) > KEYS_SHOWN else ''}"


# The words for each kind; the reason within comes last, in words.
RULE_WORDS: Final[dict[str, Callable[..., str]]] = {
    "range": _range,
    "int_range": lambda: "outside the 32 bits of an INT",
    "enum": _enum,
    "length": lambda most: f"longer than {most} bytes",
    "date": lambda: "not a date as yyyy-MM-dd HH:mm:ss",
    "items": lambda most: f"more than {most} items",
    "required": lambda name: f"member {name} is required and absent",
    "member": lambda name, within: f"member {name}: {within}",
    "item": lambda within: f"an item is {within}",
}


def in_words(why: Why) -> str:
    """Return the reason of a rule in words.

    Examples
    --------
    >>> in_words(("member", ("speed",), ("length", (8,), None)))
    'member speed: longer than 8 bytes'
    """
    kind, facts, within = why
    return RULE_WORDS[kind](*facts, *([] if within is None else [in_words(within)]))


def range_text(low: float | None, high: float | None, no_low: bool, no_high: bool) -> str:
    """Return a range in mathematical notation; the empty text without a range.

    Examples
    --------
    >>> range_text(0, None, True, False)
    '(0, inf)'
    """
    if low is None and high is None:
        return ""
    opening = "(" if no_low or low is None else "["
    closing = ")" if no_high or high is None else "]"
    return f"{opening}{_bound(low, '-inf')}, {_bound(high, 'inf')}{closing}"


def _bound(bound: float | None, absent: str) -> str:
    if bound is None:
        return absent
    return str(bound) if isinstance(bound, int) else f"{bound:.15g}"
