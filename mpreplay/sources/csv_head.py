"""The first line of a CSV file: the names of its columns.

A shell: reads the beginning of a file.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Final

from ..cells.text_format import TextFormat
from ..errors import Argument, HistoryError, clipped, message
from .csv_text import TABBED, opened

__all__ = ["delimiter_of", "other_delimiter", "read_head"]

_DELIMITERS: Final = (";", "\t", ",", "|")
_SEP: Final = re.compile(r'"?sep=([,;|\t])"?[,;\t ]*', re.IGNORECASE)
_SHOWN: Final = 80  # of the first line in a message [characters]


def delimiter_of(path: Path, text: TextFormat | None) -> str:
    """Return the delimiter of a file; the ending of a ``.tsv`` file states a tab."""
    given = text or TextFormat()
    is_tabbed = TABBED in (suffix.lower() for suffix in Path(path.name).suffixes[-2:])
    return "\t" if is_tabbed and given.delimiter == TextFormat().delimiter else given.delimiter


def read_head(path: Path, text: TextFormat) -> list[str]:
    """Return the names of a file's columns.

    Raises
    ------
    HistoryError
        If there is none, or a single one, as with another delimiter.
    """
    with opened(path, text) as file:
        told = file.read().decode()
    if not told:
        raise HistoryError(
            f"{path}: the file is empty; expected names of columns in its first line"
        )
    line = told.splitlines()[0]
    if excel := _SEP.fullmatch(line):
        raise HistoryError(
            message(
                f"{path}: the first line is {line!r}, a note for Excel and no names: remove the "
                "line, and give ",
                Argument("text", TextFormat(delimiter=excel[1]))
                if excel[1] != TextFormat().delimiter
                else Argument("delimiter", excel[1]),
            ),
            argument="text",
        )
    if "\0" in line:
        wide = "utf-16-be" if line.startswith("\0") else "utf-16-le"
        raise HistoryError(
            message(
                f"{path}: the first line has a zero in place of a character, as UTF-16 has where "
                "it is read as another encoding: ",
                Argument("text", TextFormat(encoding=wide)),
            ),
            argument="text",
        )
    try:
        names = next(
            csv.reader(io.StringIO(told, newline=""), delimiter=text.delimiter, strict=True)
        )
    except csv.Error as error:
        raise HistoryError(
            f"{path}: the names of the columns cannot be read ({error}): {clipped(line, _SHOWN)!r}"
        ) from error
    if len(names) == 1:
        raise _one_column(path, line, text)
    return [name.strip() for name in names] if text.strip else names


def _one_column(path: Path, line: str, text: TextFormat) -> HistoryError:
    """Return the error of a file with a single column: a reading needs a time, too."""
    told = f"{path}: the first line has one column, {clipped(line, _SHOWN)!r}"
    if (other := other_delimiter(line, text.delimiter)) is None:
        return HistoryError(
            f"{told}; expected the names of at least two: a time and a "
            "reading. Lines above the names, such as a title, are to be removed from the file"
        )
    return HistoryError(
        message(
            f"{told}, when it is cut at {text.delimiter!r}: ",
            Argument("text", TextFormat(delimiter=other)),
        ),
        argument="text",
    )


def other_delimiter(line: str, given: str) -> str | None:
    """Return the delimiter that stands in a line more often than the given one.

    Examples
    --------
    >>> other_delimiter("time;P [kW];wind", ",")
    ';'
    """
    most = max(_DELIMITERS, key=line.count)
    return most if line.count(most) > line.count(given) else None
