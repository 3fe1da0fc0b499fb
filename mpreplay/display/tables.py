"""The tables of a report, and tables as CSV files within it: ``data:`` links.

Pure. Such a link needs no script and loads nothing; all files of a page together are bounded.
"""

from __future__ import annotations

import re
from base64 import b64encode
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .amounts import count, size

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MAX_FILE_ROWS", "MAX_ROWS", "Download", "Table", "Wanted", "downloads"]

MAX_ROWS: Final = 30  # rows of a table that may be long
MAX_FILE_ROWS: Final = 2_000
MAX_BYTES: Final = 1_000_000  # of all files of a page, as they stand in it
_BASE64: Final = 4 / 3  # length of what base64 makes of a byte
_HEAD: Final = "data:text/csv;charset=utf-8;base64,"
WIDE: Final = 3  # columns from which a table is too wide for a phone


class Download(NamedTuple):
    """A file within a page: a ``data:`` link, the name of the file, and the words of the link."""

    href: str
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report; ``numbers`` are the columns aligned to the right.

    On a narrow screen a wide table is shown as a block for each row, or, if it ``is_lines``, as a
    line for each row, which is scrolled within the table's own width.
    """

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    numbers: frozenset[int] = frozenset()
    is_lines: bool = False
    download: Download | None = None

    @property
    def is_wide(self) -> bool:
        """True if a phone is too narrow for its rows."""
        return len(self.columns) >= WIDE and not self.is_lines


class Wanted(NamedTuple):
    """A table that a page is to hold as a file.

    Parameters
    ----------
    frame : DataFrame
        The rows, or the first of them.
    n : int
        Number of rows that there are.
    name : str
        Name of the file, without its ending.
    """

    frame: pd.DataFrame
    n: int
    name: str


def downloads(wanted: Sequence[Wanted], most: int = MAX_BYTES) -> list[Download | None]:
    """Return a link for each table, or None where not a single row has room.

    Small files are whole; large ones share what room the small ones leave.

    Examples
    --------
    >>> import pandas as pd
    >>> downloads([Wanted(pd.DataFrame({"a": [1]}), 1, "rows")])[0].href
    'data:text/csv;charset=utf-8;base64,YQoxCg=='
    """
    files = [_csv(one.frame.head(MAX_FILE_ROWS)) for one in wanted]
    order = sorted(range(len(files)), key=lambda n: len(files[n]))
    links: list[Download | None] = [None] * len(files)
    room = int((most - len(files) * (len(_HEAD) + 4)) / _BASE64)
    for place, n in enumerate(order):
        text, rows = _within(
            wanted[n].frame.head(MAX_FILE_ROWS), files[n], room // (len(files) - place)
        )
        room -= len(text)
        links[n] = _link(wanted[n], text, rows) if rows else None
    return links


def _link(one: Wanted, text: bytes, rows: int) -> Download:
    href = f"{_HEAD}{b64encode(text).decode()}"
    if rows < one.n:
        what = f"The first {rows:,} of {count(one.n, 'row')}"
    else:
        what = f"All {rows:,} rows" if rows > 1 else "The row"
    name = re.sub("[^a-z0-9]+", "-", one.name.lower()).strip("-") or "rows"
    return Download(href, f"{name}.csv", f"{what} as a CSV file ({size(len(text))})")


def _csv(frame: pd.DataFrame) -> bytes:
    """Return rows as CSV; a spreadsheet takes letters beyond ASCII for UTF-8 by the mark only."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return (b"" if text.isascii() else BOM_UTF8) + text.encode("utf-8", "backslashreplace")


def _within(frame: pd.DataFrame, text: bytes, most: int) -> tuple[bytes, int]:
    """Return as many of the first rows as have room, and their number."""
    n = len(frame)
    while n and len(text) > most:
        n = min(n - 1, n * most // len(text))
        text = _csv(frame.head(n))
    return (text, n) if n else (b"", 0)
