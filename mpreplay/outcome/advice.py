"""The advice about a value that did not arrive, as a key of the table of words.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..display.facts import Detail

__all__ = ["advice_of", "is_alone"]

# The return codes that have an advice of their own; and those that have another where the culprit
# is known: the one value, or for a code about devices the one device.
_BY_CODE: Final = frozenset({1008, 1204, 1206, 1212})
_ALONE: Final = frozenset({1204, 1206, 1212})
_BY_CHECK: Final = frozenset(
    {
        "range",
        "type",
        "enum",
        "length",
        "finite",
        "text",
        "point",
        "time",
        "device",
        "product",
        "quality",
        "too_large",
        "superseded",
        "expected_skip",
        "no_reply",
        "not_sent",
    }
)


def advice_of(check: str, code: int | None, outcome: str, *, alone: bool = False) -> str:
    """Return the key of the advice for a check, and for the platform's code if it decided.

    Examples
    --------
    >>> advice_of("platform", 1204, "declined", alone=True), advice_of("mine", None, "withheld")
    ('1204 alone', 'withheld')
    """
    if check == "platform" and alone and code in _ALONE:
        return f"{code} alone"
    if check == "platform" and code in _BY_CODE:
        return str(code)
    if check in _BY_CHECK:
        return check
    return "withheld" if outcome == "withheld" else "declined"


def is_alone(detail: Detail) -> bool:
    """Return whether the platform declined a value, or its device, by itself."""
    one: Detail | None = detail
    while one is not None and one.kind in {"copy", "refused"}:
        one = one.of
    return one is not None and one.kind == "platform" and bool(one.facts[2])
