"""What holds rows: a DataFrame, an Arrow table, a Parquet file.

A shell: it reads, a slab at a time, and never holds a whole file.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from ..errors import HistoryError
from ..values.misfits import without
from ..values.plain_text import lacking

__all__ = [
    "EPOCH",
    "INDEX",
    "MILLISECOND",
    "FrameSource",
    "ParquetSource",
    "Source",
    "Span",
    "TableSource",
    "Window",
    "digest_of",
    "read_rejects",
]

INDEX: Final = "(index)"  # how the index of a DataFrame is called
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)
_LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
_NO_UTF8: Final = b"\xff"  # a byte that no text in UTF-8 has
FOOTER: Final = 65_536  # bytes at the end of a Parquet file that its fingerprint is made from

# Rows [first, stop) of a source.
Span = tuple[int, int]
# Times [start, end) in milliseconds; None: open.
Window = tuple[int | None, int | None]


class Source(Protocol):
    """One thing that holds rows: a frame, a table or a file."""

    @property
    def name(self) -> str:
        """How messages and frames call it."""
        ...

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        ...

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        ...

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """Columns that its path spells out."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What pandas keeps beside a frame (``frame.attrs``), also in a file."""
        ...

    @property
    def fingerprint(self) -> str:
        """What tells it from another source, and from itself after a change."""
        ...

    def spans(self, n_rows: int, window: Window, time: str | None) -> list[Span]:
        """Return the rows of each slab, those left out that cannot lie in the window."""
        ...

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span, which are in ascending order."""
        ...


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A pandas DataFrame; its memory is shared, never written to."""

    frame: pd.DataFrame
    time_from_index: bool
    name: str = "DataFrame"

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self.frame.columns)

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """None: a frame has no path."""
        return {}

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What is kept beside the frame."""
        return {str(key): value for key, value in self.frame.attrs.items()}

    @property
    def fingerprint(self) -> str:
        """A hash over the cells."""
        frame = _hashable(self.frame)
        hashes = pd.util.hash_pandas_object(frame, index=self.time_from_index)
        kinds = repr([(name, str(kind)) for name, kind in frame.dtypes.items()])
        digest = hashlib.sha256(kinds.encode("utf-8", "backslashreplace"))
        digest.update(hashes.to_numpy(np.uint64).tobytes())  # in order: rows have places
        return f"frame:{len(frame)}:{digest.hexdigest()}"

    def spans(self, n_rows: int, window: Window, time: str | None) -> list[Span]:
        """Return the rows of each slab."""
        del window, time  # rows are left out after their times are read
        return _cut(0, self.n_rows, n_rows)

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        for first, stop in spans:
            part = self.frame.iloc[first:stop]
            columns = {name: _raw(part[name]) for name in needed}
            if self.time_from_index:
                columns[INDEX] = _raw(part.index.to_series(index=pd.RangeIndex(len(part))))
            yield columns


def _hashable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose lists and dicts are texts, since those cannot be hashed."""
    kinds = list(frame.dtypes)
    odd = {
        n
        for n, kind in enumerate(kinds)
        if str(kind) == "object" or isinstance(kind, pd.ArrowDtype)
    }
    if not odd:
        return frame
    columns = [frame.iloc[:, n] for n in range(len(kinds))]
    texts = [c.astype(object).map(_spelled) if n in odd else c for n, c in enumerate(columns)]
    return pd.concat(texts, axis=1) if texts else frame


def _spelled(value: Any) -> str:
    # The repr of a long array leaves out its middle.
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


@dataclass(frozen=True, slots=True)
class TableSource:
    """An Arrow table."""

    table: pa.Table
    name: str = "Table"  # or the file it was read from

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return int(self.table.num_rows)

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self.table.column_names)

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """None: a table has no path."""
        return {}

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What pandas kept beside the frame that it was."""
        return _attributes(self.table.schema)

    @property
    def fingerprint(self) -> str:
        """A hash over the cells."""
        return f"table:{FrameSource(self.table.to_pandas(), False).fingerprint}"

    def spans(self, n_rows: int, window: Window, time: str | None) -> list[Span]:
        """Return the rows of each slab."""
        del window, time  # rows are left out after their times are read
        return _cut(0, self.n_rows, n_rows)

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        for first, stop in spans:
            yield _columns_of(self.table.select(needed).slice(first, stop - first))


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
        raise HistoryError(f"{path}: cannot be read as CSV ({_first_line(error)})") from error
    texts = [
        column if name == "value" else without(column, np.asarray(pc.equal(column, ""), bool))
        for name, column in zip(names, columns, strict=True)
    ]
    return TableSource(pa.Table.from_arrays(texts, names), str(path))


def digest_of(source: Source) -> dict[str, Any]:
    """Return what a source is known by to people: its name and, of a file, its size and SHA-256."""
    facts: dict[str, Any] = {"name": Path(source.name).name, "bytes": None, "sha256": None}
    if isinstance(source, FrameSource) or not Path(source.name).is_file():
        return facts
    with Path(source.name).open("rb") as file:
        facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        facts["bytes"] = file.seek(0, 2)
    return facts


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file, read row group by row group."""

    path: Path
    name: str
    schema: pa.Schema
    n_rows: int
    partitions: Mapping[str, str | None]
    stamp: str

    @classmethod
    def open(cls, path: Path, partitions: Mapping[str, str | None]) -> ParquetSource:
        """Read the footer of a file."""
        try:
            before = _stamp(path)
            with _parquet(path) as file:
                schema, n_rows = file.schema_arrow, file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise HistoryError(
                f"{path}: cannot be read as Parquet ({_first_line(error)}); expected a complete "
                "Parquet file. CSV and Excel files are read with pandas and passed as a DataFrame"
            ) from error
        return cls(path, str(path), schema, n_rows, partitions, before)

    @property
    def columns(self) -> list[str]:
        """The names of its columns, those of its folders after those of the file."""
        own = list(self.schema.names)
        return own + [name for name in self.partitions if name not in own]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What pandas kept beside the frame that was written."""
        return _attributes(self.schema)

    @property
    def fingerprint(self) -> str:
        """Its size and a digest of its footer, which lists every page with sizes and statistics."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - FOOTER))
            return f"file:{size}:{hashlib.sha256(file.read()).hexdigest()[:32]}"

    def spans(self, n_rows: int, window: Window, time: str | None) -> list[Span]:
        """Return the rows of each slab."""
        try:
            with _parquet(self.path) as file:
                runs = list(_row_groups(file.metadata, window, time))
        except (pa.ArrowException, OSError) as error:
            raise HistoryError(f"{self.path}: cannot be read ({_first_line(error)})") from error
        return [span for first, stop in runs for span in _cut(first, stop, n_rows)]

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        own = [name for name in needed if name in self.schema.names]
        self._check_unchanged()
        try:
            with _parquet(self.path) as file:
                for run in _runs(spans):
                    for part in _read_run(file, own, run):
                        yield self._columns_of(part, needed)
        except (pa.ArrowException, OSError) as error:
            self._check_unchanged()  # if it did change, that is why
            raise HistoryError(f"{self.path}: cannot be read ({_first_line(error)})") from error
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        try:
            stamp = _stamp(self.path)
        except OSError as error:
            raise HistoryError(f"{self.path}: cannot be read ({error.strerror})") from error
        if stamp != self.stamp:
            raise HistoryError(
                f"{self.path}: the file changed while it was read; start again once it is complete"
            )

    def _columns_of(self, part: pa.Table, needed: list[str]) -> dict[str, Any]:
        columns = _columns_of(part)
        for name in needed:
            if name not in columns:
                value = pa.scalar(self.partitions[name], pa.string())
                columns[name] = pa.repeat(value, part.num_rows)
        return columns


def _attributes(schema: pa.Schema) -> Mapping[str, Any]:
    try:
        kept = json.loads((schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def _parquet(path: Path) -> pq.ParquetFile:
    # Memory-mapping, pre-buffering and threads make memory grow with the file.
    return pq.ParquetFile(path, pre_buffer=False, memory_map=False, buffer_size=65_536)


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"file:{stat.st_size}:{stat.st_mtime_ns}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _cut(first: int, stop: int, n_rows: int) -> list[Span]:
    return [(start, min(start + n_rows, stop)) for start in range(first, stop, n_rows)]


def _runs(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Yield spans that follow one another, together."""
    run: list[Span] = []
    for span in spans:
        if run and run[-1][1] != span[0]:
            yield run
            run = []
        run.append(span)
    if run:
        yield run


def _read_run(file: pq.ParquetFile, names: list[str], run: list[Span]) -> Iterator[pa.Table]:
    """Yield the rows of spans that follow one another, from the row groups that hold them."""
    starts = np.cumsum(
        [0] + [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    )
    first, stop = run[0][0], run[-1][1]
    groups = [n for n, (a, b) in enumerate(pairwise(starts.tolist())) if a < stop and b > first]
    most = max(end - begin for begin, end in run)
    batches = file.iter_batches(most, groups, columns=names, use_threads=False)
    skipped = first - int(starts[groups[0]])
    yield from _in_lengths(batches, skipped, [end - begin for begin, end in run])


def _row_groups(metadata: Any, window: Window, time: str | None) -> Iterator[Span]:
    """Yield the rows of row groups that may hold times of the window, neighbours as one."""
    held: Span | None = None
    row = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if _may_hold(group, time, window):
            held = (row if held is None else held[0], row + group.num_rows)
        elif held is not None:
            yield held
            held = None
        row += group.num_rows
    if held is not None:
        yield held


def _may_hold(group: Any, time: str | None, window: Window) -> bool:
    if window == (None, None) or time is None:
        return True
    for n in range(group.num_columns):
        column = group.column(n)
        if column.path_in_schema != time or not column.is_stats_set:
            continue
        statistics = column.statistics
        if statistics.null_count != 0:  # a row without a time is a violation, wherever it stands
            return True
        if not statistics.has_min_max or not hasattr(statistics.min, "timestamp"):
            return True
        if statistics.min.tzinfo is None:  # a naive time means what tz= says; leave it to the rows
            return True
        # Rounded down as the rows' own times are, so that both agree at the window's edges.
        low, high = ((t - EPOCH) // MILLISECOND for t in (statistics.min, statistics.max))
        start, end = window
        return (start is None or high >= start) and (end is None or low < end)
    return True


def _in_lengths(
    batches: Iterable[pa.RecordBatch], skipped: int, lengths: list[int]
) -> Iterator[pa.Table]:
    """Join batches, which end with their row group, into tables of the given lengths."""
    held: list[pa.RecordBatch] = []
    count = 0
    wanted = iter(lengths)
    length = next(wanted, None)
    for batch in batches:
        rest = batch.slice(skipped)
        skipped = max(0, skipped - batch.num_rows)
        while length is not None and count + rest.num_rows >= length:
            take = length - count
            yield pa.Table.from_batches([*held, rest.slice(0, take)])
            rest, held, count = rest.slice(take), [], 0
            length = next(wanted, None)
        if length is None:
            return
        if rest.num_rows:
            held.append(rest)
            count += rest.num_rows


def _columns_of(table: pa.Table) -> dict[str, Any]:
    table = table.unify_dictionaries()
    return {
        name: column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _raw(series: pd.Series) -> Any:
    """Return a Series as Arrow where it has one type, else as its Python objects."""
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
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
