"""Sources for people: the types of their columns, and the span of their times.

A shell: reads the footer of a Parquet file, and no page of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .row_groups import UNREADABLE
from .source import INDEX

if TYPE_CHECKING:
    from .source import Source

__all__ = ["Span", "rows_of", "span_of", "types_of"]

FOOTERS: Final = 200  # that are read for a span; a millisecond each
FAR_FOOTERS: Final = 8  # of files in a store, a request each


class Span(NamedTuple):
    """The first and the last time of a source, as it has them: instants, local times or numbers."""

    first: Any
    last: Any


def rows_of(source: Source) -> int | None:
    """Return the number of rows, or None of a stream that has not been read."""
    return None if getattr(source, "is_waiting", False) else source.n_rows


def types_of(source: Source) -> dict[str, str]:
    """Return the type of each column by its name, as far as the source has types."""
    if getattr(source, "is_text", False):
        return dict.fromkeys(source.columns, "text")
    frame = getattr(source, "frame", None)
    if isinstance(frame, pd.DataFrame):
        index = {INDEX: str(frame.index.dtype)} if getattr(source, "time_from_index", False) else {}
        types = [str(dtype) for dtype in frame.dtypes]
        return index | dict(zip(map(str, frame.columns), types, strict=True))
    schema = _schema_of(source)
    folders = dict.fromkeys(source.partitions, "folder")
    return folders | ({} if schema is None else {one.name: _type(one.type) for one in schema})


def _schema_of(source: Source) -> pa.Schema | None:
    holders = (source, *(getattr(source, name, None) for name in ("table", "stream", "inner")))
    schemas = (getattr(holder, "schema", None) for holder in holders)
    return next((one for one in schemas if isinstance(one, pa.Schema)), None)


def _type(kind: pa.DataType) -> str:
    """Return a type, of a dictionary the type of its values."""
    told = str(kind.value_type if pa.types.is_dictionary(kind) else kind)
    return told.removeprefix("large_").removesuffix("_view")


def span_of(sources: Iterable[Source], time: str | None) -> Span | None:
    """Return the first and the last time of sources; None if any does not tell.

    Of files the statistics in their footers are read; of data in memory, the column of times.
    """
    sources = [getattr(one, "inner", one) for one in sources]
    paths = [getattr(one, "path", "") for one in sources if not getattr(one, "is_waiting", False)]
    n_far = sum(not isinstance(path, str | os.PathLike) for path in paths)
    if len(sources) > FOOTERS or n_far > FAR_FOOTERS:
        return None
    spans = []
    for source in sources:
        try:
            found = _span(source, time)
        except UNREADABLE:  # statistics that are no times; a file that has gone
            found = None
        if found is None:
            return None
        spans.append(found)
    try:
        return Span(min(one.first for one in spans), max(one.last for one in spans))
    except (TypeError, ValueError):  # local times beside instants; no source
        return None


def _span(source: Source, time: str | None) -> Span | None:
    frame, table = getattr(source, "frame", None), getattr(source, "table", None)
    if isinstance(frame, pd.DataFrame):
        return _span_of_cells(frame.index if time is None else frame[time])
    if isinstance(table, pa.Table):
        return _span_of_column(table[time]) if time is not None else None
    if time is None or getattr(source, "is_waiting", False):
        return None
    if _schema_of(source) is None or not hasattr(source, "path"):
        return None
    return _span_of_footer(_footer(source), time)


def _span_of_cells(cells: Any) -> Span | None:
    if not pd.api.types.is_datetime64_any_dtype(cells.dtype) or not cells.notna().any():
        return None
    return Span(cells.min(), cells.max())


def _span_of_column(column: pa.ChunkedArray) -> Span | None:
    if not pa.types.is_timestamp(column.type):
        return None
    ends = pc.min_max(column)
    if not ends["min"].is_valid:
        return None
    return Span(*(pd.Timestamp(ends[name].as_py()) for name in ("min", "max")))


def _footer(source: Any) -> Any:
    with source.path.open("rb") as raw, pq.ParquetFile(raw, pre_buffer=False) as file:
        return file.metadata


def _span_of_footer(metadata: Any, time: str) -> Span | None:
    """Return the span of the statistics of a column; None unless all row groups have them."""
    names = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
    if names.count(time) != 1:
        return None
    column = names.index(time)
    firsts, lasts = [], []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if not group.num_rows:
            continue
        one = group.column(column)
        if not one.is_stats_set or not one.statistics.has_min_max:
            return None
        firsts.append(one.statistics.min)
        lasts.append(one.statistics.max)
    if not firsts or isinstance(firsts[0], str | bytes | bool):
        return None
    return Span(min(firsts), max(lasts))
