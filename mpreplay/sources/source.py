"""Sources of rows: a DataFrame, an Arrow table, a Parquet file.

A shell: reads a slab at a time, and never holds a whole file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from ..cells.arrays import in_one_piece, plain_column
from ..errors import HistoryError
from .digest import digest_of_cells
from .weights import Span, has_weight, light_spans, weights

__all__ = [
    "INDEX",
    "FileFacts",
    "FrameSource",
    "Source",
    "Span",
    "TableSource",
    "Window",
    "digest_of",
]

INDEX: Final = "(index)"  # how the index of a DataFrame is called
# Times [start, end) in milliseconds; None: open.
Window = tuple[int | None, int | None]
# Rows whose cells are digested at a time; another number makes other digests of the same data.
_DIGESTED: Final = 65_536


class FileFacts(NamedTuple):
    """Size and SHA-256 of a file; None if the bytes were not digested, as if a tag tells them."""

    n_bytes: int
    sha256: str | None
    tag: str = ""  # version or ETag of a file in a store


class Source(Protocol):
    """A source of rows: a frame, a table or a file."""

    @property
    def name(self) -> str:
        """Name in messages and frames."""
        ...

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        ...

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """Columns of the path (``year=2014``), with their values."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes that pandas keeps beside a frame (``frame.attrs``), also in a file."""
        ...

    @property
    def file(self) -> FileFacts | None:
        """Size and SHA-256 of the file that is read; None for data in memory."""
        ...

    @property
    def is_text(self) -> bool:
        """True if every cell is a text, whatever it means: a file that knows no types."""
        ...

    def fingerprint(self, needed: list[str]) -> str:
        """Return a text that tells whether other values would be read of the needed columns."""
        ...

    def spans(
        self, n_rows: int, window: Window, time: str | None, weighty: Sequence[str] = ()
    ) -> list[Span]:
        """Return the rows of each slab, without rows that cannot lie in the window.

        ``weighty`` are the columns whose bytes are bounded, too.
        """
        ...

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span; spans are in ascending order."""
        ...


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A pandas DataFrame; its memory is shared, never written to."""

    frame: pd.DataFrame
    time_from_index: bool
    name: str = "DataFrame"

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.frame.columns)

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """Empty: a frame has no path."""
        return {}

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes kept beside the frame."""
        return {str(key): value for key, value in self.frame.attrs.items()}

    @property
    def file(self) -> FileFacts | None:
        """None: a frame is no file."""
        return None

    @property
    def is_text(self) -> bool:
        """False: a frame has types."""
        return False

    def fingerprint(self, needed: list[str]) -> str:
        """Return the digest of the needed cells, and of the index if it is the time."""
        return f"frame:{self.n_rows}:{_digest(self, needed)}"

    def spans(
        self, n_rows: int, window: Window, time: str | None, weighty: Sequence[str] = ()
    ) -> list[Span]:
        """Return the rows of each slab."""
        del window, time  # rows are left out after their times are read
        spans = cut_spans(0, self.n_rows, n_rows)
        columns = [self.frame[name] for name in weighty if _is_weighty(self.frame[name])]
        if not columns:
            return spans
        return list(
            light_spans(
                spans, lambda one: weights([raw_column(c.iloc[slice(*one)]) for c in columns])
            )
        )

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        for first, stop in spans:
            part = self.frame.iloc[first:stop]
            columns = {name: raw_column(part[name]) for name in needed}
            if self.time_from_index:
                columns[INDEX] = raw_column(part.index.to_series(index=pd.RangeIndex(len(part))))
            yield columns


@dataclass(frozen=True, slots=True)
class TableSource:
    """An Arrow table."""

    table: pa.Table
    name: str = "Table"  # or the file it was read from
    file: FileFacts | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return names_of(self.table.schema, self.name)

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """Empty: a table has no path."""
        return {}

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes that pandas kept beside the original frame."""
        return attributes_of(self.table.schema)

    @property
    def is_text(self) -> bool:
        """False: a table has types."""
        return False

    def fingerprint(self, needed: list[str]) -> str:
        """Return the digest of the needed cells."""
        return f"table:{self.n_rows}:{_digest(self, needed)}"

    def spans(
        self, n_rows: int, window: Window, time: str | None, weighty: Sequence[str] = ()
    ) -> list[Span]:
        """Return the rows of each slab."""
        del window, time  # rows are left out after their times are read
        spans = cut_spans(0, self.n_rows, n_rows)
        columns = [self.table[name] for name in weighty if has_weight(self.table[name].type)]
        if not columns:
            return spans
        return list(light_spans(spans, lambda one: weights([c[slice(*one)] for c in columns])))

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        for first, stop in spans:
            yield columns_of(self.table.select(needed).slice(first, stop - first))


def digest_of(source: Source) -> dict[str, Any]:
    """Return a source's description for people: name and, of a file, size and SHA-256."""
    n_bytes, sha256, tag = source.file or (None, None, "")
    told = {"name": Path(source.name).name, "bytes": n_bytes, "sha256": sha256}
    return told | ({"tag": tag} if tag else {})


def _digest(source: Source, needed: list[str]) -> str:
    """Return the digest of the cells of a source in memory, which is not copied."""
    spans = cut_spans(0, source.n_rows, _DIGESTED)
    names = "\0".join([*needed, ""]).encode("utf-8", "surrogatepass")
    cells = digest_of_cells(source.read(needed, spans))
    return hashlib.sha256(names + cells.encode()).hexdigest()


def attributes_of(schema: pa.Schema) -> Mapping[str, Any]:
    try:
        kept = json.loads((schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def cut_spans(first: int, stop: int, n_rows: int) -> list[Span]:
    return [(start, min(start + n_rows, stop)) for start in range(first, stop, n_rows)]


def names_of(schema: pa.Schema, source: str) -> list[str]:
    """Return the names of a schema's columns.

    Raises
    ------
    HistoryError
        If the name of a column, or of a part of one, is not UTF-8.
    """
    try:
        names = list(schema.names)
        _ = [name for field in schema for name in _inner_names(field.type)]
    except UnicodeDecodeError as error:
        escaped = error.object.decode("utf-8", "backslashreplace")
        raise HistoryError(
            f"{source}: the column name '{escaped}' is not UTF-8; rename the column"
        ) from error
    return names


def _inner_names(kind: pa.DataType) -> Iterator[str]:
    for number in range(kind.num_fields):
        yield kind.field(number).name
        yield from _inner_names(kind.field(number).type)


def columns_of(table: pa.Table) -> dict[str, Any]:
    return {
        name: in_one_piece(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def raw_column(series: pd.Series) -> Any:
    """Return a Series as Arrow if its values have a single type, else as Python objects."""
    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if isinstance(series.dtype, pd.CategoricalDtype) and series.cat.categories.dtype == object:
        series = series.astype(object)
    if isinstance(series.dtype, pd.SparseDtype):
        series = series.astype(series.dtype.subtype)
    if series.dtype == object:
        return series.to_numpy()
    if isinstance(series.dtype, np.dtype) and not series.dtype.isnative:
        series = series.astype(series.dtype.newbyteorder("="))
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        return series.astype(object).to_numpy()
    return in_one_piece(array) if isinstance(array, pa.ChunkedArray) else plain_column(array)


def _is_weighty(series: pd.Series) -> bool:
    kind = series.dtype
    return not isinstance(kind, np.dtype) or kind.kind == "O"
