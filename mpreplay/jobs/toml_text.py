"""The text of a job file, and where it is no TOML. Pure.

Nothing is raised here while the text stands in a frame: it may hold a secret by mistake.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from ..errors import clipped

__all__ = ["tables_in"]

_PLACE: Final = re.compile(r" \(at line (\d+), column (\d+)\)\Z")
_END: Final = re.compile(r" \(at end of document\)\Z")
# Lines, and headers of tables, behind which a secret may stand.
_SECRETIVE: Final = re.compile(r"connection|secret|uri|//|token|passw|pwd", re.IGNORECASE)
_LONGEST: Final = 120  # of a line in a message [characters]


def tables_in(data: bytes) -> dict[str, Any] | str:
    r"""Return the tables of a file, or what is wrong and in which line.

    Examples
    --------
    >>> tables_in(b"[limits]\nwindow = 16")
    {'limits': {'window': 16}}
    >>> tables_in(b"[limits]\nwindow 16")
    "line 2, column 8: Expected '=' after a key in a key/value pair: window 16"
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"line {line}: not UTF-8, as TOML is; save the file in that encoding"
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _placed(str(error.args[0]), text)
    except (ValueError, OverflowError):  # a number of very many digits
        return "a number has too many digits"
    except RecursionError:
        return "lists or tables lie too deep in each other"


def _placed(told: str, text: str) -> str:
    """Return what is wrong with the line where it is, unless a secret may stand in the line."""
    lines = text.split("\n")
    if found := _PLACE.search(told):
        number, column = int(found[1]), int(found[2])
        line = lines[number - 1] if number <= len(lines) else ""
        shown = "" if _may_hold_secrets(lines, number) else f": {_shown(line)}"
        return f"line {number}, column {column}: {told[: found.start()]}{shown}"
    if found := _END.search(told):
        number = max((n for n, line in enumerate(lines, 1) if line.strip()), default=1)
        shown = "" if _may_hold_secrets(lines, number) else f": {_shown(lines[number - 1])}"
        return f"line {number}, the last: {told[: found.start()]}{shown}"
    return told


def _shown(line: str) -> str:
    return clipped("".join(c if c.isprintable() else " " for c in line).strip(), _LONGEST)


def _may_hold_secrets(lines: list[str], number: int) -> bool:
    """Return True if a line names a secret, or stands below the header of a table that does."""
    above = lines[:number]
    headers = [line for line in above if line.lstrip().startswith("[")]
    return any(map(_SECRETIVE.search, [above[-1] if above else "", *headers[-1:]]))
