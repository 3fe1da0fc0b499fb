"""A stream as a source: its rows, in a Parquet file from their first use on.

A shell: takes the batches of a stream, and writes the file. Once it is written, the file is the
source: it has a digest, is read again and again, and can be continued from in another process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..errors import Argument, HistoryError, message
from ..errors.arguments import kind_of
from ..sources.parquet import ParquetSource
from ..sources.source import FileFacts, first_line
from .file_view import FileView
from .pieces import plain_schema, plain_table, table_of_frame
from .spool import GROUP_ROWS, Place, Spool
from .stream import Stream, as_table, failed

if TYPE_CHECKING:
    from ..sources.source import Span, Window

__all__ = ["StreamSource"]

log = logging.getLogger("mpreplay")


@dataclass(slots=True, eq=False, weakref_slot=True)
class StreamSource:
    """A stream, written to a Parquet file when its rows are first needed.

    Parameters
    ----------
    name : str
        Name in messages and frames.
    stream : Stream
        The batches.
    place : Place
        The place of the file.
    keys : tuple of str, optional
        Columns that each batch must have.
    empty : container of str, optional
        Columns that are not read, and kept by their names alone.
    """

    name: str
    stream: Stream
    place: Place = field(default_factory=Place)
    keys: tuple[str, ...] = ()
    empty: Container[str] = ()
    _file: ParquetSource | None = None
    _is_begun: bool = False
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def time_from_index(self) -> bool:
        """True if the batches are DataFrames whose index is the time."""
        return self.stream.time_from_index

    @property
    def is_waiting(self) -> bool:
        """True until the stream is read."""
        return self._file is None

    @property
    def n_rows(self) -> int:
        """Number of rows; the stream is read for it."""
        return self._read().n_rows

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.stream.columns)

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """Empty: a stream has no path."""
        return {}

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Empty: what pandas keeps beside a frame is not in a stream."""
        return {}

    @property
    def file(self) -> FileFacts:
        """Size and SHA-256 of the file that holds the stream."""
        return self._read().file

    @property
    def path(self) -> Path:
        """The file that holds the stream."""
        return Path(self._read().path)

    @property
    def is_text(self) -> bool:
        """False: a stream has types."""
        return False

    def fingerprint(self, needed: list[str]) -> str:
        """Return the digest of the file that holds the stream."""
        return self._read().fingerprint(needed)

    def spans(
        self, n_rows: int, window: Window, time: str | None, weighty: Sequence[str] = ()
    ) -> list[Span]:
        """Return the rows of each slab."""
        return self._rows().spans(n_rows, window, time, weighty)

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        return self._rows().read(needed, spans)

    def _rows(self) -> FileView:
        file = self._read().keyed(self.keys)
        return FileView(file, time_from_index=self.time_from_index)

    def as_rejects(self) -> StreamSource:
        """Return the source with its time in a column."""
        return replace(self, stream=replace(self.stream, time_from_index=False))

    def digest(self) -> str:
        """Return the SHA-256 of the file that holds the stream."""
        mark = self._read().mark
        return mark.sha256 or mark.digest()

    def _read(self) -> ParquetSource:
        with self._lock:
            if self._file is None:
                self._file = self._written()
            return self._file

    def _written(self) -> ParquetSource:
        if self._is_begun:
            raise HistoryError(
                f"{self.name}: its rows could not be read to the end, and come once only: make the "
                "stream anew, and call read_history again"
            )
        path = self.place.file(self)
        log.info("%s is written to %s", self.name, path)
        self._is_begun = True
        try:
            with self._spool(path) as spool:
                for number, table in self._tables():
                    try:
                        spool.add(table)
                    except HistoryError as error:
                        raise self._unfit(number, error) from error
        except OSError as error:
            raise self._no_room(path, error) from error
        log.info("%s: %d rows are in %s", self.name, spool.n_rows, path)
        return replace(ParquetSource.open(path, {}), name=self.name)

    def _spool(self, path: Path) -> Spool:
        try:
            return Spool(path, self.keys, self._schema())
        except HistoryError as error:
            raise HistoryError(message(f"{self.name}: ", error.message)) from error

    def _schema(self) -> pa.Schema | None:
        schema = self.stream.schema
        return None if schema is None else plain_schema(schema, self.empty)

    def _tables(self) -> Iterator[tuple[int, pa.Table]]:
        """Yield the batches with their numbers, in plain layouts and of few rows."""
        batches = self._begun()
        number = 0
        while True:
            try:
                item = next(batches)
            except StopIteration:
                break
            except Exception as error:
                raise failed(self.name, number + 1, error) from error
            number += 1
            for part in self._parts(item, number):
                yield number, part
        if not number and not self.stream.may_be_empty:
            raise HistoryError(
                f"{self.name}: there is no batch: it is empty, or was read before. It gives its "
                "batches once only: pass it unread; of an empty one pass schema.empty_table()"
            )

    def _begun(self) -> Iterator[Any]:
        try:
            return self.stream.batches()
        except HistoryError:
            raise
        except Exception as error:
            raise failed(self.name, 1, error) from error

    def _parts(self, item: Any, number: int) -> Iterator[pa.Table]:
        table = as_table(item, self.name, number)
        if self.time_from_index and isinstance(getattr(table, "index", None), pd.MultiIndex):
            raise HistoryError(
                f"{self.name}: batch {number} has an index of several levels; flatten it first "
                "with frame.reset_index()"
            )
        if self.time_from_index and not isinstance(table, pd.DataFrame):
            raise HistoryError(
                message(
                    f"{self.name}: batch {number} is {kind_of(item)}, which has no index, and the "
                    "batches before are DataFrames with the time in theirs; name the time with ",
                    Argument("time_column"),
                )
            )
        for first in range(0, max(1, len(table)), GROUP_ROWS):
            try:
                if isinstance(table, pd.DataFrame):
                    rows = table.iloc[first : first + GROUP_ROWS]
                    part = table_of_frame(rows, by_index=self.time_from_index, empty=self.empty)
                else:
                    part = table.slice(first, GROUP_ROWS)
                yield plain_table(part, self.empty)
            except HistoryError as error:
                raise self._unfit(number, error) from error

    def _unfit(self, number: int, error: HistoryError) -> HistoryError:
        return HistoryError(message(f"{self.name}: batch {number}: ", error.message))

    def _no_room(self, path: Path, error: Exception) -> HistoryError:
        why = getattr(error, "strerror", None) or first_line(error)
        return HistoryError(
            message(
                f"{self.name}: cannot be kept in {path} ({why}); name another place with ",
                Argument("spool"),
            )
        )
