"""A Parquet file as a source of rows.

A shell: reads a file by row groups, and never holds a whole file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import HistoryError
from ..files.counting import Counts, check_footer, disagreement
from ..files.file_mark import FileMark
from ..files.partitions import told_partitions, with_partitions
from ..files.reading import by_position
from ..files.spans import in_lengths, runs
from ..files.stores import advice_of
from .parquet_weights import Weights
from .row_groups import UNREADABLE, bounds_of, groups_in, groups_of, opened
from .source import FileFacts, attributes_of, columns_of, cut_spans, first_line, names_of
from .weights import light_spans

if TYPE_CHECKING:
    from .source import Span, Window

__all__ = ["ParquetSource"]

_TEXTS: Final = (pa.string(), pa.large_string())
NEARBY: Final = 8  # slabs whose rows may be decoded at once, where some are cut by their bytes


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file, read row group by row group."""

    path: Any
    name: str
    schema: pa.Schema
    n_rows: int
    partitions: Mapping[str, str | None]
    mark: FileMark
    counts: Counts = field(compare=False)
    cuts: dict[tuple[Any, ...], list[Span]] = field(default_factory=dict, compare=False, repr=False)
    keys: frozenset[str] = field(default=frozenset(), compare=False)

    @classmethod
    def open(cls, path: Any, partitions: Mapping[str, str | None]) -> ParquetSource:
        """Read the footer of a file."""
        try:
            mark = FileMark.of(path)
            with _parquet(path) as file:
                schema, n_rows = file.schema_arrow, file.metadata.num_rows
                list(schema.names)  # each is text
                check_footer(path, file.metadata)
        except HistoryError:
            raise
        except UNREADABLE as error:
            if not isinstance(path, Path) and (told := advice_of(error)):
                raise HistoryError(f"{path}: cannot be read: {told}") from error
            raise HistoryError(
                f"{path}: cannot be read as Parquet ({_why(error)}); expected a complete "
                "Parquet file. A CSV file ends in .csv, or is described with text=mp.TextFormat()"
            ) from error
        return cls(path, str(path), schema, n_rows, partitions, mark, Counts(path))

    def keyed(self, names: Iterable[str | None]) -> ParquetSource:
        """Return the source with columns of keys: their texts are read with a dictionary."""
        keys = {field.name for field in self.schema if field.type in _TEXTS and field.name in names}
        return replace(self, keys=frozenset(keys))

    @property
    def columns(self) -> list[str]:
        """Names of the columns, the file's before the folders'."""
        own = names_of(self.schema, self.name)
        return own + [name for name in self.partitions if name not in own]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes that pandas kept beside the written frame."""
        return attributes_of(self.schema)

    @property
    def file(self) -> FileFacts:
        """Size of the file, and its SHA-256 if that was needed."""
        return FileFacts(self.mark.stamp.n_bytes, self.mark.sha256, self.mark.stamp.tag)

    @property
    def is_text(self) -> bool:
        """False: a Parquet file has types."""
        return False

    def fingerprint(self, needed: list[str]) -> str:
        """Return the digest of the file's bytes, with the needed columns of its path.

        The name is no part of it: a file that was moved is the same.
        """
        return self.mark.identity() + told_partitions(needed, self.partitions, self.schema.names)

    def spans(
        self,
        n_rows: int,
        window: Window,
        time: str | None,
        weighty: Sequence[str] = (),
        keys: Mapping[str, frozenset[str]] | None = None,
    ) -> list[Span]:
        """Return the rows of each slab; ``keys`` are those wanted, by column, if not all are."""
        asked = (n_rows, window, time, tuple(weighty), frozenset((keys or {}).items()))
        if asked not in self.cuts:
            try:
                with _parquet(self.path) as file, by_position(self.path) as raw:
                    runs = list(groups_in(file, window, time, keys or {}))
                    for run in runs:  # what is weighed must be sound, and fit in memory
                        groups = groups_of(file.metadata, run)
                        self.counts.parts(file, raw, groups, self._own(weighty))
                weights = Weights(self.path, n_rows, weighty)
                spans = (span for first, stop in runs for span in cut_spans(first, stop, n_rows))
                self.cuts[asked] = list(light_spans(spans, weights.of))
            except HistoryError:
                raise
            except UNREADABLE as error:
                raise self._unreadable(error, self._own(weighty)) from error
        return self.cuts[asked]

    def _own(self, needed: Iterable[str]) -> list[str]:
        return [name for name in needed if name in self.schema.names]

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        own = self._own(needed)
        self._check_members(own)
        self.mark.check()
        try:
            keys = [name for name in own if name in self.keys]
            with _parquet(self.path, keys) as file, by_position(self.path) as raw:
                for run in runs(spans):
                    for part in in_lengths(self._batches(file, raw, own, run), run):
                        yield self._columns_of(part, needed)
        except HistoryError:
            self.mark.check()  # a change of the file explains the error
            raise
        except UNREADABLE as error:
            self.mark.check()
            raise self._unreadable(error, own) from error
        self.mark.check()

    def _check_members(self, names: list[str]) -> None:
        """Raise if a struct has two members of one name: a value can keep only one."""
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
        bounds = bounds_of(file.metadata)
        groups = groups_of(file.metadata, (first, stop))
        parts = self.counts.parts(file, raw, groups, names)
        if len({end - begin for begin, end in run[:-1]}) > 1:  # some are cut by their bytes
            parts = [[group] for group in groups]
        for part in parts:
            most = _at_once(run, bounds[part[0]][0], bounds[part[-1]][1])
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
        if not isinstance(self.path, Path) and (told := advice_of(error)):
            return HistoryError(f"{self.path}: cannot be read: {told}")
        place = _place_of_fault(self.path, list(names))
        return HistoryError(f"{self.path}: cannot be read: {place}{_why(error)}")

    def _columns_of(self, part: pa.Table, needed: list[str]) -> dict[str, Any]:
        self._check_indices(part)
        return with_partitions(columns_of(part), part.num_rows, needed, self.partitions, self.path)

    def _check_indices(self, part: pa.Table) -> None:
        """Raise if a place in a dictionary is beyond its end, which no reader of it checks."""
        for name, column in zip(part.column_names, part.columns, strict=True):
            if not pa.types.is_dictionary(column.type):
                continue
            for chunk in column.chunks:
                indices = chunk.indices.drop_null() if chunk.indices.null_count else chunk.indices
                if not len(indices):
                    continue
                places = (
                    indices.to_numpy()
                )  # in no time; Arrow's own min_max takes ten times as long
                low, high = int(places.min()), int(places.max())
                if not 0 <= low <= high < len(chunk.dictionary):
                    raise HistoryError(
                        f"{self.path}: column {name!r} has a value {high} of a "
                        f"dictionary of {len(chunk.dictionary)}: the file is damaged"
                    )


def _twice(kind: pa.DataType) -> str | None:
    """Return the name that two members of a struct have, at any depth."""
    inner = [kind.field(n) for n in range(kind.num_fields)]
    names = [one.name for one in inner]
    doubled = (name for name in names if names.count(name) > 1)
    return next(doubled, None) or next(filter(None, (_twice(one.type) for one in inner)), None)


def _parquet(path: Any, keys: Sequence[str] = ()) -> AbstractContextManager[pq.ParquetFile]:
    # Checksums cost nothing where a file has none, as pyarrow writes it. INT96 counts a day
    # and the nanoseconds in it; 64 bits of nanoseconds would wrap before 1677 and after 2262.
    return opened(
        path,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit="us",
        read_dictionary=list(keys),
    )


def _at_once(run: list[Span], first: int, stop: int) -> int:
    """Return how many rows to decode at once: about as many as there are in a slab nearby."""
    lengths = np.array([b - a for a, b in run if a < stop and b > first])
    if not len(lengths):
        return 1
    near = min(NEARBY, len(lengths))
    sums = np.convolve(lengths, np.ones(near, np.int64), "valid")
    # Slabs are all of one length, but for the last, unless some are cut by their bytes.
    return int(lengths.max() if len(set(lengths[:-1].tolist())) < 2 else max(1, sums.min() // near))


def _place_of_fault(path: Any, names: list[str]) -> str:
    """Return the row group and the column that cannot be read, found by reading each alone."""
    try:
        with _parquet(path) as file:
            for group, name in product(range(file.num_row_groups), names):
                try:
                    for _ in file.iter_batches(65_536, [group], columns=[name]):
                        pass
                except UNREADABLE:
                    return f"row group {group}, column {name!r}: "
    except UNREADABLE:
        pass
    return ""


def _why(error: Exception) -> str:
    told = first_line(error)
    if "crypt" in told.lower():
        return f"{told}: the file is encrypted; read it with pyarrow and its keys, pass the table"
    return told
