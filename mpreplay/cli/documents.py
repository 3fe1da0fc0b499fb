"""The JSON documents of commands: one line, whatever the values are. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["document", "json_line", "records"]

_ABSENT: Final = frozenset({"NaTType", "NAType"})  # of pandas, which need not be loaded here
_PLAIN: Final = (str, int, bool, type(None))


def document(command: str | None, status: int, facts: Mapping[str, Any]) -> str:
    """Return the document of a command as a line.

    Examples
    --------
    >>> document("runs", 0, {"n": 1}).replace(_version(), "1.0")
    '{"command": "runs", "status": 0, "mpreplay": "1.0", "n": 1}'
    """
    return json_line({"command": command, "status": status, "mpreplay": _version(), **facts})


def json_line(facts: Mapping[str, Any]) -> str:
    r"""Return facts as one line of JSON in ASCII: a script reads it in any locale.

    Examples
    --------
    >>> json_line({"a": float("nan"), "b": [1, "\n\u00b0"]})
    '{"a": null, "b": [1, "\\n\\u00b0"]}'
    """
    return json.dumps(_plain(facts), ensure_ascii=True, allow_nan=False)


def records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame as dicts, with None where a value is absent."""
    plain = frame.astype(object).where(frame.notna(), None)
    found: list[dict[str, Any]] = plain.to_dict("records")
    return found


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: times as ISO 8601, what is absent as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if type(value).__name__ in _ABSENT:
        return None
    if hasattr(value, "item"):  # of NumPy
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, _PLAIN):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def _version() -> str:
    from ..version import __version__

    return __version__
