"""Quotes of a CSV file that end before their cell does, as in ``"1"2``. Pure.

A parser reads such a cell as 12, and nobody wrote that. Every file is searched for quotes that may
be such, at next to no cost; only a file that has one is parsed once more, by the strict rules.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        self._tail = b"\n\n"
        around = delimiter.encode() + _ENDS
        self._is_behind = _table(around + _BLANKS)  # what may stand behind a cell's last quote
        self._is_before = _table(around)

    def see(self, block: bytes) -> None:
        """Look at the next bytes of a file."""
        if not self.is_suspect and (b'"' in block or b'"' in self._tail):
            self._search(self._tail + block)
        self._tail = (self._tail + block)[-2:]

    def _search(self, block: bytes) -> None:
        held = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(held == _QUOTE)
        is_first = np.append(True, np.diff(quotes) > 1)
        firsts = quotes[is_first]
        sizes = np.diff(np.append(np.flatnonzero(is_first), len(quotes)))
        ends = firsts + sizes
        inside = ends < len(held)
        firsts, sizes, ends = firsts[inside], sizes[inside], ends[inside]
        within = ~self._is_behind[held[ends]]
        firsts, sizes = firsts[within], sizes[within]
        # An even number of quotes in a quoted cell is text; at the begin of a cell it is empty.
        at_begin = self._is_before[held[np.maximum(firsts - 1, 0)]]
        is_odd = sizes % 2 == 1
        self.is_suspect = bool((np.where(at_begin, ~is_odd, is_odd) | (firsts == 0)).any())


def _table(members: bytes) -> Any:
    table = np.zeros(256, bool)
    table[list(members)] = True
    return table


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
