"""Rejects as a history: their recognition, and their reading from a CSV file.

A shell: reads a file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from ..cells.arrays import without
from ..errors import HistoryError
from ..frames import REJECT_COLUMNS
from ..sources.csv_text import unpacked
from ..sources.source import FileFacts, TableSource, first_line
from .columns import Columns

__all__ = [
    "NO_POINT",
    "REJECTS",
    "REJECT_NAMES",
    "RUN_ATTRIBUTE",
    "holds_rejects",
    "is_rejects",
    "lacking",
    "read_rejects",
]

REJECT_NAMES: Final = tuple(REJECT_COLUMNS)
# Columns that rejects of earlier versions lack.
_LATER: Final = ("time_text",)
# The roles of these columns in a history.
REJECTS: Final = Columns(
    time="time",
    tz="UTC",  # a spreadsheet drops the zone of a time
    device="device_key",
    product="product_key",
    point="measurepoint",
    value="value",
    check="check",
    time_text="time_text",
)
# Attribute of ``run.rejects`` that names their run; pandas keeps it in Parquet, too.
RUN_ATTRIBUTE: Final = "mpreplay_run"
NO_POINT: Final = "?"  # name of a point without a name


def is_rejects(columns: Iterable[Any]) -> bool:
    """Return True if all columns of a rejects frame are among these columns."""
    return not lacking(columns)


def lacking(columns: Iterable[Any]) -> list[str]:
    """Return the missing columns of a rejects frame."""
    found = {name for name in columns if isinstance(name, str)}
    return [name for name in REJECT_NAMES if name not in {*found, *_LATER}]


_LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
_HEAD: Final = 65_536  # bytes in which the first line ends
_NO_UTF8: Final = b"\xff"  # a byte that never occurs in UTF-8


def holds_rejects(path: Path) -> bool:
    """Return True if the first line of a CSV file names the columns of rejects."""
    try:
        with path.open("rb") as file:
            return is_rejects(_names_of(unpacked(path, file).read(_HEAD).partition(b"\n")[0])[1])
    except (OSError, ValueError, csv.Error):
        return False


def _names_of(head: bytes) -> tuple[str, list[str]]:
    """Return the delimiter and the names in a first line."""
    # With or without the byte-order mark of spreadsheets.
    line = head.decode("utf-8-sig").rstrip("\r")
    delimiter = max(",;\t", key=line.count)
    return delimiter, next(csv.reader([line], delimiter=delimiter), [])


def read_rejects(path: Path) -> TableSource:
    """Return a CSV file of rejects, with all cells as text.

    An empty cell is absent, except in the column ``value``: a reject always has a value, and
    writers of CSV do not distinguish an empty text from an absent text.

    Raises
    ------
    HistoryError
        If the file cannot be read.
    """
    try:
        packed = path.read_bytes()
        written = unpacked(path, io.BytesIO(packed)).read()
        delimiter, names = _names_of(written.partition(b"\n")[0])
        table = arrow_csv.read_csv(
            # pandas writes a carriage return alone without quotes, where it would end a line.
            pa.BufferReader(_LONE_RETURN.sub(_NO_UTF8, written)),
            # One block: a row may be as long as the file.
            arrow_csv.ReadOptions(use_threads=False, block_size=len(written) + 1),
            arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary())),
        )
        columns = [
            pc.replace_substring(column, _NO_UTF8, b"\r").cast(pa.string())
            for column in table.columns
        ]
    except (OSError, ValueError, OverflowError, csv.Error, pa.ArrowException) as error:
        raise HistoryError(f"{path}: cannot be read as CSV ({first_line(error)})") from error
    texts = [
        column if name == "value" else without(column, np.asarray(pc.equal(column, ""), bool))
        for name, column in zip(names, columns, strict=True)
    ]
    # The digest is of what was read here: the file may be edited again before the replay.
    facts = FileFacts(len(packed), hashlib.sha256(packed).hexdigest())
    return TableSource(pa.Table.from_arrays(texts, names), str(path), facts)
