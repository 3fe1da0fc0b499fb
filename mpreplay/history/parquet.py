"""A Parquet file as a source of rows.

A shell: reads a file by row groups, and never holds a whole file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import HistoryError
from ..values.epoch import EPOCH, MILLISECOND
from .counting import Counts, check_footer, disagreement, leaves_of, prove
from .sources import attributes_of, columns_of, cut_spans, first_line

if TYPE_CHECKING:
    from .sources import Span, Window

__all__ = ["ParquetSource"]

FOOTER: Final = 65_536  # end of a Parquet file, the basis of its fingerprint [bytes]
# What pyarrow raises for files that it cannot read: its own errors, and those of its Python parts.
_UNREADABLE: Final = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file, read row group by row group."""

    path: Path
    name: str
    schema: pa.Schema
    n_rows: int
    partitions: Mapping[str, str | None]
    stamp: str
    counts: Counts = field(compare=False)

    @classmethod
    def open(cls, path: Path, partitions: Mapping[str, str | None]) -> ParquetSource:
        """Read the footer of a file."""
        try:
            before = _stamp(path)
            with _parquet(path) as file:
                schema, n_rows = file.schema_arrow, file.metadata.num_rows
                list(schema.names)  # each is text
                check_footer(path, file.metadata)
        except HistoryError:
            raise
        except _UNREADABLE as error:
            raise HistoryError(
                f"{path}: cannot be read as Parquet ({_why(error)}); expected a complete "
                "Parquet file. CSV and Excel files are read with pandas and passed as a DataFrame"
            ) from error
        return cls(path, str(path), schema, n_rows, partitions, before, Counts(path))

    @property
    def columns(self) -> list[str]:
        """Names of the columns, the file's before the folders'."""
        own = list(self.schema.names)
        return own + [name for name in self.partitions if name not in own]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes that pandas kept beside the written frame."""
        return attributes_of(self.schema)

    @property
    def fingerprint(self) -> str:
        """Size of the file and digest of its footer, which has the statistics of every page."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - FOOTER))
            return f"file:{size}:{hashlib.sha256(file.read()).hexdigest()[:32]}"

    def spans(self, n_rows: int, window: Window, time: str | None) -> list[Span]:
        """Return the rows of each slab."""
        try:
            with _parquet(self.path) as file:
                runs = list(_row_groups(file, window, time))
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        return [span for first, stop in runs for span in cut_spans(first, stop, n_rows)]

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        own = [name for name in needed if name in self.schema.names]
        self._check_members(own)
        self._check_unchanged()
        try:
            with _parquet(self.path) as file, self.path.open("rb", buffering=0) as raw:
                for run in _runs(spans):
                    for part in _in_lengths(self._batches(file, raw, own, run), run):
                        yield self._columns_of(part, needed)
        except HistoryError:
            self._check_unchanged()  # a change of the file explains the error
            raise
        except _UNREADABLE as error:
            self._check_unchanged()
            raise self._unreadable(error, own) from error
        self._check_unchanged()

    def _check_members(self, names: list[str]) -> None:
        """Raise if a struct has two members of one name, of which a value can keep one."""
        for name in names:
            if twice := _twice(self.schema.field(name).type):
                raise HistoryError(
                    f"{self.path}: column {name!r} has a struct with two members {twice!r}; "
                    "rename one"
                )

    def _batches(
        self, file: pq.ParquetFile, raw: Any, names: list[str], run: list[Span]
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows from the first to the last of adjacent spans, row group by row group."""
        first, stop = run[0][0], run[-1][1]
        most = max(end - begin for begin, end in run)
        bounds = _bounds(file.metadata)
        groups = [n for n, (begin, end) in enumerate(bounds) if begin < stop and end > first]
        for part in self.counts.parts(file, raw, groups, names):
            row, end = bounds[part[0]][0], bounds[part[-1]][1]
            for batch in file.iter_batches(most, part, columns=names, use_threads=False):
                yield batch.slice(max(0, first - row))
                row += batch.num_rows
            if row != end:
                others = f" to {part[-1]}" if part[1:] else ""
                what = f"row group {part[0]}{others} promises"
                n_rows = end - bounds[part[0]][0]
                raise disagreement(self.path, what, n_rows, "its pages hold", row - end + n_rows)

    def _unreadable(self, error: Exception, names: Iterable[str] = ()) -> HistoryError:
        place = _place_of_fault(self.path, list(names))
        return HistoryError(f"{self.path}: cannot be read: {place}{_why(error)}")

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
        columns = columns_of(part)
        for name in needed:
            if name not in columns:
                value = pa.scalar(self.partitions[name], pa.string())
                columns[name] = pa.repeat(value, part.num_rows)
            elif name in self.partitions:
                self._check_partition(name, columns[name])
        return columns

    def _check_partition(self, name: str, column: pa.Array) -> None:
        """Raise if a column contradicts the folder that names its value."""
        told = self.partitions[name]
        for value in pc.unique(column):
            if not _is_told(value, told):
                raise HistoryError(
                    f"{self.path}: the folder says {name}={told if told is not None else 'null'}, "
                    f"and the file's own column {name!r} says {value.as_py()!r}: one of them is "
                    "wrong; rename the folder, or write the file anew"
                )


def _twice(kind: pa.DataType) -> str | None:
    """Return the name that two members of a struct have, at any depth."""
    inner = [kind.field(n) for n in range(kind.num_fields)]
    names = [one.name for one in inner]
    doubled = (name for name in names if names.count(name) > 1)
    return next(doubled, None) or next(filter(None, (_twice(one.type) for one in inner)), None)


def _is_told(value: pa.Scalar, told: str | None) -> bool:
    """Return True if a folder's text may stand for a value: ``01`` for the number 1."""
    if not value.is_valid or told is None:
        return not value.is_valid and told in {None, ""}
    for kind in (value.type, pa.float64()):  # 5.0 for the number 5
        with suppress(*_UNREADABLE):
            if pa.scalar(told).cast(kind).equals(value.cast(kind)):
                return True
    return str(value.as_py()) == told


def _parquet(path: Path) -> pq.ParquetFile:
    # Memory-mapping, pre-buffering and threads make memory grow with the file. Checksums cost
    # nothing where a file has none, as pyarrow writes it. INT96 counts a day
    # and the nanoseconds in it; 64 bits of nanoseconds would wrap before 1677 and after 2262.
    return pq.ParquetFile(
        path,
        pre_buffer=False,
        memory_map=False,
        buffer_size=65_536,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit="us",
    )


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"file:{stat.st_size}:{stat.st_mtime_ns}"


def _runs(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Yield runs of adjacent spans."""
    run: list[Span] = []
    for span in spans:
        if run and run[-1][1] != span[0]:
            yield run
            run = []
        run.append(span)
    if run:
        yield run


def _bounds(metadata: Any) -> list[Span]:
    """Return the rows of each row group."""
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    return list(pairwise([0, *accumulate(sizes)]))


def _place_of_fault(path: Path, names: list[str]) -> str:
    """Return the row group and the column that cannot be read, found by reading each alone."""
    try:
        with _parquet(path) as file:
            for group, name in product(range(file.num_row_groups), names):
                try:
                    for _ in file.iter_batches(65_536, [group], columns=[name]):
                        pass
                except _UNREADABLE:
                    return f"row group {group}, column {name!r}: "
    except _UNREADABLE:
        pass
    return ""


def _why(error: Exception) -> str:
    told = first_line(error)
    if "crypt" in told.lower():
        return f"{told}: the file is encrypted; read it with pyarrow and its keys, pass the table"
    return told


def _row_groups(file: pq.ParquetFile, window: Window, time: str | None) -> Iterator[Span]:
    """Yield the rows of row groups that may hold times of the window, neighbours joined."""
    held: Span | None = None
    column = None if window == (None, None) else _column_of(file.metadata.schema, time)
    for number, (first, stop) in enumerate(_bounds(file.metadata)):
        if column is None or _may_hold(file, number, column, window):
            held = (first if held is None else held[0], stop)
        elif held is not None:
            yield held
            held = None
    if held is not None:
        yield held


def _column_of(schema: Any, time: str | None) -> int | None:
    """Return the stored column of the times, None for none and for a member that is named alike."""
    found = [n for n in leaves_of(schema, [time or ""]) if schema.column(n).path == time]
    return found[0] if len(found) == 1 else None


def _may_hold(file: pq.ParquetFile, group: int, column: int, window: Window) -> bool:
    try:
        prove(file, group, [column])
        one = file.metadata.row_group(group).column(column)
        return not one.is_stats_set or _meets(one.statistics, window)
    except _UNREADABLE:  # statistics that are no times, as year 10000
        return True


def _meets(statistics: Any, window: Window) -> bool:
    """Return True unless all times of a column lie outside the window."""
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


def _in_lengths(batches: Iterable[pa.RecordBatch], run: list[Span]) -> Iterator[pa.Table]:
    """Join batches, which end with their row group, into a table for each of adjacent spans."""
    held: list[pa.RecordBatch] = []
    count = 0
    wanted = (stop - first for first, stop in run)
    length = next(wanted, None)
    for batch in batches:
        rest = batch
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
