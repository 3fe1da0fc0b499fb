"""Words about the texts of a column: what they lack to be numbers, and what to give.

Pure: facts in, clauses out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["lacks_in_words"]

# What a text has that its form does not allow for, in the order in which it is told.
_LACKS: Final = {
    "text": "it is a text (text=TextFormat())",
    "comma": "it has a decimal comma (text=TextFormat(decimal=','))",
    "comma?": "its comma is a decimal one (text=TextFormat(decimal=',')), or one of thousands, "
    "which are not read",
    "point": "it has a decimal point (text=TextFormat(decimal='.'))",
    "point?": "its point is a decimal one (text=TextFormat(decimal='.')), or one of thousands, "
    "which are not read",
    "groups": "it has separators of thousands, which are not read; write it without them",
    "blanks": "it has blanks around it (text=TextFormat(strip=True))",
}


def lacks_in_words(needs: Iterable[str], suffix: str) -> str:
    """Return what keeps a text from being a number, and the argument that would read it.

    Examples
    --------
    >>> lacks_in_words(("suffix",), "kW")
    "'kW' follows it (mp.Column(suffix='kW'))"
    """
    told = [
        f"{suffix!r} follows it (mp.Column(suffix={suffix!r}))"
        if need == "suffix"
        else _LACKS[need]
        for need in needs
    ]
    return ", and ".join(told)
