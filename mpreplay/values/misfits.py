"""Values that do not fit their measurement point, with the JSON text on the wire. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..display.facts import Detail
from .object_json import json_text, shown, told

__all__ = ["Misfit"]


class Misfit(NamedTuple):
    """A value that does not fit: its position, its JSON text, the check and the reason.

    ``text`` is None for a value without a JSON text; the last field then has extended JSON, see
    :mod:`.object_json`. ``shown`` is the value for people to read.
    """

    position: int
    text: bytes | None
    check: str
    why: Detail
    shown: str = ""
    told: str = ""

    @classmethod
    def of(cls, position: int, value: Any, check: str, why: Detail) -> Misfit:
        """Return the misfit of a value as read, with the failed check and the reason."""
        text = json_text(value)
        untold = told(value) if text is None else ""
        return cls(position, text, check, why, shown(value), untold)
