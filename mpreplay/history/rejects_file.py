"""Rejects as a history: how they are known, and their reading from a CSV file.

A shell: it reads a file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from ..errors import HistoryError
from ..values.arrays import without
from .columns import Columns
from .sources import TableSource, first_line

__all__ = [
    "NO_POINT",
    "REJECTS",
    "REJECT_NAMES",
    "RUN_ATTRIBUTE",
    "is_rejects",
    "lacking",
    "read_rejects",
]

REJECT_NAMES: Final = (
    "source", "row", "product_key", "device_key", "time", "measurepoint", "value", "check",
    "reason", "outcome", "code", "request_id", "mend",
)  # fmt: skip
# What its columns are, read as a history.
REJECTS: Final = Columns(
    time="time",
    tz="UTC",  # what a spreadsheet leaves of a time
    device="device_key",
    product="product_key",
    point="measurepoint",
    value="value",
    check="check",
)
# Under this name pandas keeps beside ``run.rejects`` which run they are of, in Parquet, too.
RUN_ATTRIBUTE: Final = "mpreplay_run"
NO_POINT: Final = "?"  # how a point that has no name is called


def is_rejects(columns: Iterable[Any]) -> bool:
    """Return whether columns are those of a rejects frame, whatever stands beside them."""
    return not lacking(columns)


def lacking(columns: Iterable[Any]) -> list[str]:
    """Return which columns of a rejects frame are not there."""
    found = {name for name in columns if isinstance(name, str)}
    return [name for name in REJECT_NAMES if name not in found]


_LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
_NO_UTF8: Final = b"\xff"  # a byte that no text in UTF-8 has


def read_rejects(path: Path) -> TableSource:
    """Return a CSV file of rejects, all of it as text.

    What is empty is absent, save for a value: a reject always has one, and writers of CSV do not
    tell the empty text from none.

    Raises
    ------
    HistoryError
        If it cannot be read, or is no file of rejects.
    """
    try:
        written = path.read_bytes()
        # With a mark at its beginning, as spreadsheets write one, or without.
        head = written.partition(b"\n")[0].decode("utf-8-sig").rstrip("\r")
        delimiter = max(",;\t", key=head.count)
        names = next(csv.reader([head], delimiter=delimiter), [])
        if gone := lacking(names):
            raise HistoryError(
                f"{path}: a CSV file, and none of rejects (there is no column {gone[0]!r}): read "
                "it with pandas and pass the DataFrame"
            )
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
        if isinstance(error, HistoryError):
            raise
        raise HistoryError(f"{path}: cannot be read as CSV ({first_line(error)})") from error
    texts = [
        column if name == "value" else without(column, np.asarray(pc.equal(column, ""), bool))
        for name, column in zip(names, columns, strict=True)
    ]
    return TableSource(pa.Table.from_arrays(texts, names), str(path))
