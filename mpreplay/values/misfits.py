"""Values that do not fit their measurement point, and the JSON text they would travel as. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..display.facts import Detail
from .object_json import json_text, shown, told

__all__ = ["Misfit"]


class Misfit(NamedTuple):
    """A value that does not fit: its position, how it would travel, the check and the reason.

    ``text`` is None where no JSON text can carry it; ``told`` is then what :func:`told` makes of
    it. ``shown`` is the value for people to read.
    """

    position: int
    text: bytes | None
    check: str
    why: Detail
    shown: str = ""
    told: str = ""

    @classmethod
    def of(cls, position: int, value: Any, check: str, why: Detail) -> Misfit:
        """Return a value as it was read, with what is wrong with it."""
        text = json_text(value)
        untold = told(value) if text is None else ""
        return cls(position, text, check, why, shown(value), untold)
