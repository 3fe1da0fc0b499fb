"""Objects of other libraries with Arrow's C interface, as Arrow tables and readers.

Pure: nothing is imported for it; the object brings its rows itself, by its dunder methods.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from ..errors import HistoryError
from ..errors.arguments import kind_of
from ..sources.source import first_line

__all__ = [
    "in_memory",
    "is_capsule",
    "is_frame_in_memory",
    "is_relation",
    "is_wrapper",
    "library_of",
    "native",
    "reader_of",
    "table_of",
]


def library_of(value: Any) -> str:
    """Return the library that the class of an object comes from."""
    return type(value).__module__.partition(".")[0].lstrip("_")


def is_capsule(value: Any) -> bool:
    """Return True for an object that gives its rows through Arrow's C interface."""
    return not isinstance(value, type) and any(
        hasattr(type(value), name) for name in ("__arrow_c_stream__", "__arrow_c_array__")
    )


def is_wrapper(value: Any) -> bool:
    """Return True for a frame of narwhals, which wraps another."""
    return library_of(value) == "narwhals" and type(value).__name__ == "DataFrame"


def native(value: Any) -> Any:
    """Return the frame within a frame of narwhals."""
    return value.to_native()


def is_frame_in_memory(value: Any) -> bool:
    """Return True for a frame whose cells are in memory, and can be read again and again."""
    if library_of(value) == "polars" and type(value).__name__ == "DataFrame":
        return True
    return is_capsule(value) and not hasattr(type(value), "__arrow_c_stream__")


def is_relation(value: Any) -> bool:
    """Return True for a query that is run anew each time that its rows are asked for."""
    return library_of(value) in {"duckdb", "datafusion", "ibis"} and hasattr(value, "limit")


def in_memory(value: Any) -> pa.Table:
    """Return an object's rows as a table, which shares its memory where it can.

    Raises
    ------
    HistoryError
        If it has no columns, as a Series, or cannot be read.
    """
    try:
        if not hasattr(type(value), "__arrow_c_stream__"):
            return pa.Table.from_batches([pa.record_batch(value)])
        return reader_of(value).read_all()
    except HistoryError:
        raise
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise _no_columns(value, error) from error


def reader_of(value: Any) -> pa.RecordBatchReader:
    """Return an object's rows as a reader of batches.

    Raises
    ------
    HistoryError
        If it has no columns, as a Series, or cannot be read.
    """
    try:
        return pa.RecordBatchReader.from_stream(value)
    except Exception as error:  # whatever the library of the object raises
        raise _no_columns(value, error) from error


def _no_columns(value: Any, error: Exception) -> HistoryError:
    return HistoryError(
        f"{kind_of(value)} gives no table through Arrow's C interface ({first_line(error)}); a "
        "history has named columns: pass a frame or a table",
        argument="source",
        value=value,
    )


def table_of(item: Any) -> pa.Table | pd.DataFrame | None:
    """Return an item of a stream as a table or a DataFrame; None if it is neither."""
    if is_wrapper(item):
        item = native(item)
    if isinstance(item, pd.DataFrame | pa.Table):
        return item
    if isinstance(item, pa.RecordBatch):
        return pa.Table.from_batches([item])
    is_one = isinstance(item, pa.Array | pa.ChunkedArray | pd.Series)
    return in_memory(item) if is_capsule(item) and not is_one else None
