"""The advice about a value that did not arrive, as a key of the table of words.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..display.reasons import ADVICE_BY_CHECK
from ..protocol.codes import return_code

if TYPE_CHECKING:
    from ..display.facts import Detail

__all__ = ["advice_of", "is_alone"]


def advice_of(check: str, code: int | None, outcome: str, *, alone: bool = False) -> str:
    """Return the key of the advice for a check, and for the platform's code if it decided.

    Examples
    --------
    >>> advice_of("platform", 1204, "declined", alone=True), advice_of("mine", None, "withheld")
    ('model alone', 'withheld')
    """
    row = return_code(code) if check == "platform" and code is not None else None
    if row is not None and row.advice:
        # The culprit is known: the only value, or for a code about devices the only device.
        return f"{row.advice} alone" if alone and row.about != "request" else row.advice
    if check in ADVICE_BY_CHECK:
        return check
    return "withheld" if outcome == "withheld" else "declined"


def is_alone(detail: Detail) -> bool:
    """Return True if the platform declined a value, or its device, by itself."""
    one: Detail | None = detail
    while one is not None and one.kind in {"copy", "refused"}:
        one = one.of
    return one is not None and one.kind == "platform" and bool(one.facts[2])
