"""Quotes of a CSV file that end before their cell does, as in ``"1"2``. Pure.

A parser reads such a cell as 12, which is not in the file. Every file is searched for quotes that
may be such, at next to no cost; only a file that has one is parsed once more, by the strict rules.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["QuoteWatch", "first_broken"]

_QUOTE: Final = ord('"')
_ENDS: Final = b"\r\n"
_BLANKS: Final = b" \t"  # between a quote and the end of its cell; harmless


class QuoteWatch:
    r"""A watch for quotes that may end within a cell.

    Parameters
    ----------
    delimiter : str
        Between cells.

    Examples
    --------
    >>> watch = QuoteWatch(",")
    >>> watch.see(b'a,b\n"1","2 ""x"" y"\n'), watch.is_suspect
    (None, False)
    >>> watch.see(b'"1"2,3\n'), watch.is_suspect
    (None, True)
    """

    def __init__(self, delimiter: str) -> None:
        self.is_suspect = False
        self._around = delimiter.encode() + _ENDS + b'"'
        self._before, self._held = b"\n", b""
        self._is_open = False

    def see(self, block: bytes) -> None:
        """Look at the next bytes of a file."""
        if self.is_suspect or not block:
            return
        told = self._before + self._held + block
        if b'"' not in told:
            self._before = told[-1:]
            return
        # What stands behind the last byte is seen with the next block.
        self._held = told[-1:] if told.endswith(b'"') else b""
        self._search(np.frombuffer(told, np.uint8), len(told) - len(self._held))
        self._before = told[-2:-1] if self._held else told[-1:]

    def _search(self, held: NDArray[np.uint8], stop: int) -> None:
        """Look at the quotes behind the first byte: every second one closes the one before."""
        quotes = np.flatnonzero(held[1:stop] == _QUOTE) + 1
        first = int(self._is_open)
        opening, closing = quotes[first::2], quotes[1 - first :: 2]
        self._is_open ^= bool(len(quotes) % 2)
        is_well = _is_one_of(held[opening - 1], self._around).all()
        self.is_suspect = not (is_well and _is_one_of(held[closing + 1], self._around).all())


def _is_one_of(held: NDArray[np.uint8], members: bytes) -> NDArray[np.bool_]:
    found = np.zeros(len(held), bool)
    for one in members:
        found |= held == one
    return found


def first_broken(lines: Iterator[bytes], delimiter: str) -> int | None:
    """Return the first row with a quote that ends within its cell; None if there is none.

    Parameters
    ----------
    lines : iterator of bytes
        Lines in UTF-8, that of the names first.
    delimiter : str
        Between cells.
    """
    blanks = _BLANKS.replace(delimiter.encode(), b"")
    behind = re.escape(delimiter.encode()) + _ENDS
    padded = re.compile(rb'"[' + blanks + rb"]+(?=[" + behind + rb"]|$)")
    bare = (padded.sub(b'"', line).decode() for line in lines)
    rows = csv.reader(bare, delimiter=delimiter, strict=True)
    n_rows = -1
    while True:
        try:
            n_rows += bool(next(rows))
        except StopIteration:
            return None
        except csv.Error as error:
            if "expected after" in str(error):
                return n_rows
            return None  # a cell longer than csv reads
