"""An Arrow IPC file or stream (also Feather, version 2) as a source of rows.

A shell: reads a batch at a time, of it the needed columns, and never holds a whole file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..cells.arrays import plain_column
from ..errors import HistoryError
from ..files.file_mark import FileMark
from ..files.ipc_layout import Layout, layout_of
from ..files.partitions import told_partitions, with_partitions
from ..files.spans import in_lengths, runs
from ..files.stores import advice_of
from .row_groups import UNREADABLE
from .source import FileFacts, attributes_of, columns_of, cut_spans, first_line, names_of
from .weights import SLAB_BYTES, has_weight, light_spans, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .source import Span, Window

__all__ = ["IpcSource"]


_PACKED: Final = 64  # rows that a byte of a packed batch may expand to, if it is not unpacked


@dataclass(frozen=True, slots=True)
class IpcSource:
    """An Arrow IPC file or stream, read batch by batch."""

    path: Any
    name: str
    schema: pa.Schema
    partitions: Mapping[str, str | None]
    mark: FileMark
    layout: Layout = field(compare=False, repr=False)
    cuts: dict[tuple[Any, ...], list[Span]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def open(cls, path: Any, partitions: Mapping[str, str | None]) -> IpcSource:
        """Read the footer of a file, and the heads of its batches."""
        try:
            mark = FileMark.of(path)
            layout = layout_of(path, mark.stamp.n_bytes)
            with _reader(path, layout.is_stream) as reader:
                schema = reader.schema
                names_of(schema, str(path))  # each is text
                n_batches = None if layout.is_stream else reader.num_record_batches
        except HistoryError:
            raise
        except UNREADABLE as error:
            told = advice_of(error) if not isinstance(path, Path) else ""
            raise HistoryError(
                f"{path}: cannot be read as Arrow IPC ({told or first_line(error)})"
            ) from error
        if n_batches not in (None, len(layout.batches)):
            raise HistoryError(
                f"{path}: the footer promises {n_batches} batches, and {len(layout.batches)} are "
                "found: the file is damaged; write it anew"
            )
        own = cls(path, str(path), schema, partitions, mark, layout)
        own._prove()
        return own

    def _prove(self) -> None:
        """Raise if a batch promises more rows than its bytes are likely to hold."""
        name = self.schema.names[_narrowest(self.schema)] if self.schema.names else None
        for number, one in enumerate(self.layout.batches):
            if name and one.n_rows > one.body * (_PACKED if one.is_compressed else 1):
                for _ in self._batches([name], [self.layout.bounds[number]]):
                    pass

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.layout.n_rows

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
        """False: an Arrow file has types."""
        return False

    def fingerprint(self, needed: list[str]) -> str:
        """Return the digest of the file's bytes, with the needed columns of its path."""
        return self.mark.identity() + told_partitions(needed, self.partitions, self.schema.names)

    def spans(
        self,
        n_rows: int,
        window: Window,
        time: str | None,
        weighty: Sequence[str] = (),
    ) -> list[Span]:
        """Return the rows of each slab."""
        del window, time  # rows are left out after their times are read
        asked = (n_rows, *weighty)
        if asked not in self.cuts:
            spans = cut_spans(0, self.n_rows, n_rows)
            heavy = [
                name for name in self._own(weighty) if has_weight(self.schema.field(name).type)
            ]
            if heavy:
                spans = list(light_spans(spans, _Weights(self, heavy).of))
            self.cuts[asked] = spans
        return self.cuts[asked]

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        own = self._own(needed)
        self.mark.check()
        try:
            for run in runs(spans):
                for part in in_lengths(self._batches(own, run), run):
                    yield with_partitions(
                        columns_of(part), part.num_rows, needed, self.partitions, self.path
                    )
        except HistoryError:
            self.mark.check()  # a change of the file explains the error
            raise
        self.mark.check()

    def _own(self, needed: Iterable[str]) -> list[str]:
        return [name for name in needed if name in self.schema.names]

    def _batches(self, names: list[str], run: list[Span]) -> Iterator[pa.RecordBatch]:
        """Yield the rows from the first to the last of adjacent spans, batch by batch."""
        numbers = self.layout.of((run[0][0], run[-1][1]))
        for number, batch in zip(numbers, self._read(names, numbers), strict=True):
            begin, stop = self.layout.bounds[number]
            if batch.num_rows != stop - begin:
                raise HistoryError(
                    f"{self.path}: batch {number} promises {stop - begin:,} rows, and holds "
                    f"{batch.num_rows:,}: the file is damaged; write it anew"
                )
            yield batch.slice(max(0, run[0][0] - begin))

    def _read(self, names: list[str], numbers: range) -> Iterator[pa.RecordBatch]:
        """Yield some columns of batches, sound in all that a reader of them relies on."""
        if not numbers:
            return
        fields = [self.schema.names.index(name) for name in names] or [_narrowest(self.schema)]
        try:
            with _reader(self.path, self.layout.is_stream, fields) as reader:
                for number in range(numbers.stop if self.layout.is_stream else 0):
                    batch = self._sound(reader.read_next_batch(), number, numbers)
                    if number in numbers:
                        yield batch.select(names)
                for number in () if self.layout.is_stream else numbers:
                    batch = self._sound(reader.get_batch(number), number, numbers)
                    yield batch.select(names)
        except HistoryError:
            raise
        except StopIteration as error:
            raise HistoryError(f"{self.path}: the stream ends too early") from error
        except UNREADABLE as error:
            self.mark.check()
            told = advice_of(error) if not isinstance(self.path, Path) else ""
            raise HistoryError(
                f"{self.path}: cannot be read: {told or first_line(error)}"
            ) from error

    def _sound(self, batch: pa.RecordBatch, number: int, wanted: range) -> pa.RecordBatch:
        """Return a batch, or raise if a place in it leads beyond its bytes."""
        if number not in wanted:
            return batch
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                _as_bytes(column).validate(full=True)
            except (pa.ArrowException, ValueError, IndexError) as error:
                raise HistoryError(
                    f"{self.path}: batch {number}, column {name!r}: {first_line(error)}: the file "
                    "is damaged; write it anew"
                ) from error
        return batch


class _Weights:
    """Bytes of the rows of columns without a fixed size.

    Parameters
    ----------
    source : IpcSource
        The file.
    names : list of str
        The columns.
    """

    def __init__(self, source: IpcSource, names: list[str]) -> None:
        self._source, self._names = source, names
        # A dictionary may expand to many more bytes than it has, and so may a packed column.
        kinds = [source.schema.field(name).type for name in names]
        self._is_plain = not any(map(_is_folded, kinds))
        self._weighed: dict[int, NDArray[np.int64] | None] = {}  # of the latest batches

    def of(self, span: Span) -> NDArray[np.int64] | None:
        """Return the bytes of each row of a span; None if they cannot be too many."""
        layout = self._source.layout
        numbers = layout.of(span)
        ones = [layout.batches[number] for number in numbers]
        is_plain = self._is_plain and not any(one.is_compressed for one in ones)
        if is_plain and sum(one.body for one in ones) <= SLAB_BYTES:
            return None
        self._weighed = {n: self._weighed[n] for n in numbers if n in self._weighed}
        new = [number for number in numbers if number not in self._weighed]
        if new:
            asked = range(new[0], new[-1] + 1)
            for number, batch in zip(asked, self._source._read(self._names, asked), strict=True):
                self._weighed[number] = weights([plain_column(one) for one in batch.columns])
        found = [self._weighed[number] for number in numbers]
        if not found or all(one is None for one in found):
            return None
        whole = np.concatenate(
            [
                np.zeros(batch.n_rows, np.int64) if one is None else one
                for batch, one in zip(ones, found, strict=True)
            ]
        )
        begin = layout.bounds[numbers[0]][0]
        return whole[span[0] - begin : span[1] - begin]


@contextmanager
def _reader(path: Any, is_stream: bool, fields: list[int] | None = None) -> Iterator[Any]:
    """Yield the reader of a file or a stream, of some columns."""
    options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
    # Mapped into memory, a file that is cut meanwhile would end the process.
    with pa.OSFile(str(path)) if isinstance(path, Path) else path.open("rb") as file:
        opened = pa.ipc.open_stream if is_stream else pa.ipc.open_file
        with opened(file, options=options) as reader:
            yield reader


def _narrowest(schema: pa.Schema) -> int:
    """Return the number of a column that is quickly read, for the number of its rows."""
    light = [
        n
        for n, one in enumerate(schema)
        if not has_weight(one.type) and not pa.types.is_null(one.type)
    ]
    return light[0] if light else 0


def _is_folded(kind: pa.DataType) -> bool:
    """Return True for a type whose values may be more than its bytes."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return True
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return True
    return any(_is_folded(kind.field(n).type) for n in range(kind.num_fields))


def _as_bytes(column: pa.Array) -> pa.Array:
    """Return texts as bytes: a text that is not UTF-8 is a fault of its cell, not of the file."""
    if pa.types.is_string(column.type):
        return column.view(pa.binary())
    if pa.types.is_large_string(column.type):
        return column.view(pa.large_binary())
    return column
