"""Sources that are not taken, each with the way out. Pure."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.typing import DataFrameGroupBy

from ..errors import HistoryError
from ..errors.arguments import kind_of
from ..streams.capsules import is_capsule

__all__ = ["is_refused", "refusal"]

_SERIES: Final = "it has a single column: pass the frame, or make one with .to_frame()"
_ROWS: Final = "pass pd.DataFrame(rows)"
_CURSOR: Final = (
    "pass its rows as a frame or a stream: pd.read_sql(query, connection), or of ADBC "
    "cursor.fetch_record_batch()"
)
# (Library, class) to the way out; a class counts with all that are derived from it.
_OF_LIBRARIES: Final[dict[tuple[str, str], str]] = {
    ("polars", "LazyFrame"): "pass frame.collect()",
    ("polars", "Series"): _SERIES,
    ("narwhals", "LazyFrame"): "pass frame.collect()",
    ("narwhals", "Series"): _SERIES,
    ("dask", "DataFrame"): "pass frame.compute(), or its parts one by one: "
    "(part.compute() for part in frame.partitions)",
    ("pyspark", "DataFrame"): "pass frame.toArrow() or frame.toPandas(), or the folder of Parquet "
    "files that frame.write.parquet(folder) makes",
    ("modin", "DataFrame"): "pass frame.modin.to_pandas()",
    ("xarray", "Dataset"): "pass dataset.to_dataframe().reset_index()",
    ("xarray", "DataArray"): "pass array.to_dataframe(name).reset_index()",
    ("duckdb", "DuckDBPyConnection"): "pass a query's result: connection.sql('SELECT ...')",
    ("datafusion", "SessionContext"): "pass a query's result: context.sql('SELECT ...')",
    ("sqlalchemy", "CursorResult"): "pass pd.read_sql(query, connection)",
    ("sqlalchemy", "Engine"): "pass pd.read_sql(query, engine)",
    ("adbc_driver_manager", "Cursor"): "pass cursor.fetch_record_batch()",
    ("adbc_driver_manager", "Connection"): "pass cursor.fetch_record_batch() of a cursor",
    ("pyarrow", "ParquetFile"): "pass the path of the file",
    ("pyarrow", "RecordBatchFileReader"): "pass reader.read_all()",
    ("pyarrow", "Schema"): "it has no rows: pass the table",
}


def _is_frame(value: Any) -> bool:
    return isinstance(value, pd.DataFrame) or is_capsule(value)


def _is_cursor(source: Any) -> bool:
    return hasattr(source, "fetchall") and hasattr(source, "execute")


def _is_rows(source: Any) -> bool:
    """Return True for a list of rows, each a dict or a list of cells."""
    first = source[0] if isinstance(source, list | tuple) and source else ""
    if isinstance(first, list | tuple):
        return not any(is_capsule(cell) for cell in first)
    return isinstance(first, Mapping) or first is None


def _is_numbers(source: Any) -> bool:
    return isinstance(source, list | tuple) and any(
        isinstance(one, int | float) for one in source[:1]
    )


# How a source is known, and the way out.
_OTHERS: Final[tuple[tuple[Callable[[Any], bool], str], ...]] = (
    (lambda one: isinstance(one, pd.Series), _SERIES),
    (
        lambda one: isinstance(one, pa.Array | pa.ChunkedArray),
        "it has a single column: pass pa.table({name: array, ...}) with the times",
    ),
    (lambda one: isinstance(one, pd.Index | np.ndarray), "pass pd.DataFrame(array, columns=[...])"),
    (
        lambda one: isinstance(one, type),
        "it is a class, and holds no rows: pass an object of it",
    ),
    (
        lambda one: isinstance(one, bytes | bytearray | memoryview),
        "of a file's content pass io.BytesIO(content), of a CSV file's a path",
    ),
    (
        lambda one: isinstance(one, str) and ("\n" in one or "\r" in one),
        "a text is a path, and this one has several lines: pass the path of a file, or "
        "pd.read_csv(io.StringIO(text))",
    ),
    (lambda one: isinstance(one, io.TextIOBase), "pass its path, or the file opened as binary"),
    (
        lambda one: isinstance(one, Mapping) and any(map(_is_frame, one.values())),
        "pass list(frames.values()), each frame with a column of its device",
    ),
    (lambda one: isinstance(one, Mapping), "pass pd.DataFrame(columns), or pa.table(columns)"),
    (
        lambda one: isinstance(one, DataFrameGroupBy),
        "pass the frame itself, with the column that it is grouped by as a column of keys",
    ),
    (_is_rows, _ROWS),
    (_is_numbers, "pass a frame with named columns"),
    (lambda one: isinstance(one, set | frozenset), "it has no order: pass a list"),
    (
        lambda one: hasattr(type(one), "__aiter__") and not is_capsule(one),
        "it is asynchronous: pass a list of its batches",
    ),
    (inspect.iscoroutine, "it is not awaited: pass what awaiting it gives"),
    (
        inspect.isgeneratorfunction,
        "it is not called: pass what calling it gives",
    ),
    (inspect.isroutine, "pass what calling it gives"),
    (_is_cursor, _CURSOR),
)


def _way_out(source: Any) -> str:
    for kind in type(source).__mro__:
        library = kind.__module__.partition(".")[0].lstrip("_")
        library = "dask" if library == "dask_expr" else library
        if told := _OF_LIBRARIES.get((library, kind.__name__)):
            return told
    return next((told for is_one, told in _OTHERS if is_one(source)), "")


def is_refused(source: Any) -> bool:
    """Return True for a source that is known, and not taken."""
    return bool(_way_out(source))


def refusal(source: Any, where: str = "") -> HistoryError:
    """Return the error for a source that is not taken.

    Parameters
    ----------
    source : object
        The source.
    where : str, optional
        Its place in a list.
    """
    way_out = _way_out(source)
    return HistoryError(
        f"{where}a history is a frame, an Arrow table, a list or a stream of these, or a file, "
        f"folder or pattern of files, not {kind_of(source)}"
        f"{f': {way_out}' if way_out else ''}",
        argument="source",
        value=source,
    )
