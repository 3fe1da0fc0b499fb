"""Folders whose files are not all of their rows: tables of Delta, Iceberg and Hudi.

A shell: looks for the log of a table. Such a table keeps files whose rows were removed or replaced,
and only its log says which; reading the files alone would send what is no longer there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Final

from ..errors import HistoryError

__all__ = ["LOGS", "refuse_tables", "table_error"]

# Format to the places of its log in the folder of a table, and a reader of it.
LOGS: Final = {
    "Delta": (("_delta_log",), "deltalake.DeltaTable(folder).to_pyarrow_table()"),
    "Iceberg": (
        ("metadata/*.metadata.json", "metadata/version-hint.text"),
        "pyiceberg's table.scan().to_arrow()",
    ),
    "Hudi": ((".hoodie", ".hoodie_partition_metadata"), "hudi's HudiTable(folder).read_snapshot()"),
}


def refuse_tables(folders: Iterable[Path]) -> None:
    """Raise HistoryError if a folder is, or lies in, a table with a log of its files."""
    given = [folder.absolute() for folder in folders]
    real = {folder.resolve() for folder in given}
    for folder in sorted({*chain.from_iterable((one, *one.parents) for one in {*given, *real})}):
        for name, (places, reader) in LOGS.items():
            if any(next(folder.glob(place), None) for place in places):
                raise table_error(folder, name, reader)


def table_error(folder: object, name: str, reader: str) -> HistoryError:
    """Return the error of a folder that is such a table."""
    return HistoryError(
        f"{folder}: a table of {name}: its log says which of its files count, and the others hold "
        f"rows that were removed. Read it with {reader} and pass the table, or write it as plain "
        "Parquet files"
    )
