"""Sources that are not taken: each is named by its full type, with the way out."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import datafusion
import duckdb
import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpreplay as mp
from mpreplay import HistoryError

FRAME = pd.DataFrame({"t": ["2024-01-01T00:00:00Z"], "P": [1.5]})


def class_of(module: str, name: str, **members: Any) -> Any:
    """Return an object of a library that is not installed here."""
    return type(name, (), {"__module__": module, **members})()


async def asynchronous() -> AsyncIterator[pd.DataFrame]:
    """Yield frames in an event loop."""
    yield FRAME


def batches() -> Iterator[pd.DataFrame]:
    """Yield a frame."""
    yield FRAME


REFUSED: dict[str, tuple[Any, str]] = {
    "polars lazy": (pl.LazyFrame({"P": [1]}), r"polars\.\S*LazyFrame: pass frame.collect\(\)"),
    "narwhals lazy": (narwhals.from_native(pl.LazyFrame()), r"narwhals\S*LazyFrame: .*collect"),
    "polars series": (pl.Series([1]), r"polars\S*Series: .* \.to_frame\(\)"),
    "narwhals series": (
        narwhals.from_native(pl.Series([1]), series_only=True), r"narwhals\S*Series: .*to_frame"
    ),
    "pandas series": (FRAME["P"], r"pandas\S*Series: .* \.to_frame\(\)"),
    "dask": (class_of("dask.dataframe.dask_expr._collection", "DataFrame"), r"frame.compute\(\)"),
    "spark": (
        class_of("pyspark.sql.classic.dataframe", "DataFrame"), r"toArrow\(\) or frame.toPandas"
    ),
    "modin": (class_of("modin.pandas.dataframe", "DataFrame"), r"modin.to_pandas\(\)"),
    "xarray": (class_of("xarray.core.dataset", "Dataset"), r"to_dataframe\(\).reset_index\(\)"),
    "connection": (duckdb.connect(), r"DuckDBPyConnection: .* connection.sql\('SELECT"),
    "context": (datafusion.SessionContext(), r"SessionContext: .* context.sql\('SELECT"),
    "cursor": (sqlite3.connect(":memory:").cursor(), r"sqlite3.Cursor: .* pd.read_sql"),
    "ADBC cursor": (
        class_of("adbc_driver_manager.dbapi", "Cursor"), r"cursor.fetch_record_batch\(\)"
    ),
    "columns": ({"P": [1, 2]}, r"not dict: pass pd.DataFrame\(columns\)"),
    "frames by device": ({"T1": FRAME}, r"not dict: pass list\(frames.values\(\)\)"),
    "rows": ([{"P": 1}], r"not list: pass pd.DataFrame\(rows\)"),
    "rows of cells": ([(1, 2), (3, 4)], r"not list: pass pd.DataFrame\(rows\)"),
    "numbers": ([1, 2], r"not list: pass a frame with named columns"),
    "groups": (FRAME.groupby("P"), r"DataFrameGroupBy: pass the frame itself"),
    "ndarray": (np.arange(3), r"numpy.ndarray: pass pd.DataFrame\(array, columns"),
    "array": (pa.array([1]), r"pyarrow.lib.Int64Array: .* single column"),
    "schema": (pa.schema([]), r"pyarrow.lib.Schema: it has no rows"),
    "CSV text": ("t,P\n2024,1\n", r"not str: a text is a path, and this one has several lines"),
    "content": (b"PAR1", r"not bytes: .* io.BytesIO\(content\)"),
    "text file": (io.StringIO("t,P"), r"_io.StringIO: pass its path"),
    "class": (pd.DataFrame, r"it is a class, and holds no rows"),
    "function": (batches, r"not function: it is not called"),
    "asynchronous": (asynchronous(), r"async_generator: it is asynchronous"),
    "set": ({1}, r"not set: it has no order: pass a list"),
    "nested": ([FRAME, [FRAME]], r"^item 2 of the list: a history is .*, not list"),
    "within a list": ([FRAME, pl.LazyFrame()], r"^item 2 of the list: .*LazyFrame: .*collect"),
    "nothing": ([], r"the list is empty"),
    "rows one by one": (iter([{"P": 1}]), r"list_iterator: batch 1 is dict; expected a DataFrame"),
    "paths one by one": (iter([Path("x")]), r"batch 1 is pathlib.*pass a list of their paths"),
    "a series among batches": (iter([FRAME["P"]]), r"batch 1 is pandas\S*Series; expected"),
    "object": (object(), r"not object$"),
    "None": (None, r"not NoneType$"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_taken_is_named_with_the_way_out(kind: str) -> None:
    """The next line to type stands in the message, whoever's frame it is."""
    source, told = REFUSED[kind]

    with pytest.raises(HistoryError, match=told) as caught:
        mp.read_history(source, time_column="t")

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_coroutine_is_not_awaited() -> None:
    """The classic of a notebook with an event loop."""

    async def fetch() -> pd.DataFrame:
        return FRAME

    waiting = fetch()
    with pytest.raises(HistoryError, match="coroutine: it is not awaited"):
        mp.read_history(waiting, time_column="t")
    assert len(asyncio.run(waiting)) == 1


def test_an_open_parquet_file_has_a_path(tmp_path: Path) -> None:
    """Its batches are taken as a stream, and its path as a file."""
    path = tmp_path / "x.parquet"
    FRAME.to_parquet(path)
    with pq.ParquetFile(path) as file:
        with pytest.raises(HistoryError, match="ParquetFile: pass the path of the file"):
            mp.read_history(file, time_column="t")
        assert mp.read_history(file.iter_batches(), time_column="t").n_rows == 1


def test_columns_that_hold_no_table_say_so() -> None:
    """A capsule of numbers alone has no names."""

    class Numbers:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return pa.chunked_array([[1, 2]]).__arrow_c_stream__(requested_schema)

    with pytest.raises(HistoryError, match=r"Numbers: it gives no rows through Arrow's C interf"):
        mp.read_history(Numbers(), time_column="t")
