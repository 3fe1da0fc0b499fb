"""The Parquet file that a stream is written to, so that its rows can be read again.

A shell: writes a file, of which a reader sees all or nothing. Equal rows of equal types give equal
bytes, however the stream is cut into batches: the file's digest is that of the stream.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import Argument, HistoryError, message
from ..errors.arguments import shown_briefly
from ..sources.source import cut_spans, first_line
from ..sources.weights import SLAB_BYTES, has_weight, light_spans, weights
from .pieces import conformed, merged

__all__ = ["Place", "Spool"]

# Rows and cells of a row group, the same as of a slab: no slab reads more than it needs.
GROUP_ROWS: Final = 16_384
GROUP_CELLS: Final = 4_000_000
_PRIVATE: Final = 0o600


class Spool:
    """A Parquet file that is being written; it has its name once the context ends well.

    Parameters
    ----------
    path : Path
        The file.
    keys : tuple of str
        Columns that each batch must have.
    schema : Schema, optional
        The columns, if they are known before the first batch.
    """

    def __init__(
        self, path: Path, keys: tuple[str, ...] = (), schema: pa.Schema | None = None
    ) -> None:
        self._path, self._keys = path, keys
        self._schema = schema if schema is None else _writable(schema)
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._n_held = self._weight = 0  # rows, and bytes of texts and lists
        self.n_rows = 0

    def __enter__(self) -> Spool:
        """Make the file, under a name of its own."""
        os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the file its name, or remove it."""
        try:
            if kind is None:
                self._finish()
                self._part.replace(self._path)
        finally:
            self._close()
            self._part.unlink(missing_ok=True)

    def add(self, table: pa.Table) -> None:
        """Append a batch in plain layouts.

        Raises
        ------
        HistoryError
            If its columns or their types are not those of the batches before.
        """
        if self._schema is None:
            self._schema = _writable(table.schema)
        elif table.schema != self._schema:
            self._widen(_writable(self._merged(table.schema)))
            table = conformed(table, self._schema)
        self.n_rows += table.num_rows
        for first, stop in _light(table, cut_spans(0, table.num_rows, GROUP_ROWS)):
            self._hold(table.slice(first, stop - first))
            self._write_groups()

    def _hold(self, rows: pa.Table) -> None:
        self._held.append(rows)
        self._n_held += rows.num_rows
        self._weight += sum(column.nbytes for column in _weighty(rows))

    def _merged(self, schema: pa.Schema) -> pa.Schema:
        """Return the types that hold all batches so far."""
        known: pa.Schema = self._schema
        if new := [name for name in schema.names if name not in known.names]:
            raise HistoryError(
                f"there is a column {new[0]!r}, which the first batch does not have (it has "
                f"{', '.join(map(repr, known.names[:8]))}{', …' if known.names[8:] else ''}); give "
                "every batch the same columns, or pass a list of the batches"
            )
        if gone := [name for name in self._keys if name not in schema.names]:
            raise HistoryError(f"there is no column {gone[0]!r}, which the first batch has")
        fields = []
        for field in known:
            own = schema.field(field.name).type if field.name in schema.names else pa.null()
            kind = merged(field.type, own)
            if kind is None:
                raise HistoryError(
                    f"the column {field.name!r} is {own}, and {field.type} in the batches before; "
                    "give it one type in every batch"
                )
            fields.append(pa.field(field.name, kind))
        return pa.schema(fields, metadata=known.metadata)

    def _widen(self, schema: pa.Schema) -> None:
        """Rewrite the file if a batch needs other types than the batches before."""
        if schema == self._schema:
            return
        self._schema = schema
        self._held = [conformed(one, schema) for one in self._held]
        if self._writer is None:
            return
        self._close()
        narrow = self._part.with_name(f"{self._part.name}.narrow")
        self._part.replace(narrow)
        try:
            os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE))
            with pq.ParquetFile(narrow, pre_buffer=False) as file:
                for group in range(file.num_row_groups):
                    self._write(conformed(file.read_row_group(group, use_threads=False), schema))
        finally:
            narrow.unlink(missing_ok=True)

    def _write_groups(self) -> None:
        """Write the row groups that no later row can join."""
        most = self._most_rows
        if self._n_held < most and self._weight < 2 * SLAB_BYTES:
            return
        held = pa.concat_tables(self._held)
        start = 0
        while start < held.num_rows:
            stop = min(start + most, held.num_rows)
            spans = list(_light(held, [(start, stop)]))
            ended = spans if stop - spans[-1][0] == most else spans[:-1]
            for first, end in ended:
                self._write(held.slice(first, end - first))
                start = end
            if not ended:
                break
        self._held, self._n_held, self._weight = [], 0, 0
        self._hold(held.slice(start))

    @property
    def _most_rows(self) -> int:
        return min(GROUP_ROWS, max(1, GROUP_CELLS // max(1, len(self._schema or ()))))

    def _write(self, group: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._part, self._schema, compression="zstd", write_page_checksum=True
            )
        # In one piece: where a page ends must not depend on how the stream was cut.
        self._writer.write_table(group.combine_chunks(), row_group_size=max(1, group.num_rows))

    def _finish(self) -> None:
        held = pa.concat_tables(self._held) if self._held else None
        if held is not None and held.num_rows:
            for first, stop in _light(held, cut_spans(0, held.num_rows, self._most_rows)):
                self._write(held.slice(first, stop - first))
        elif self._writer is None:
            self._write((self._schema or pa.schema([])).empty_table())
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()


def _writable(schema: pa.Schema) -> pa.Schema:
    """Return a schema, or raise for a column that a Parquet file cannot hold."""
    for column in schema:
        try:
            pq.write_table(pa.schema([column]).empty_table(), pa.BufferOutputStream())
        except pa.ArrowException as error:
            raise HistoryError(
                message(
                    f"the column {column.name!r} is {column.type}, which a Parquet file cannot "
                    f"hold ({first_line(error)}); convert it, or name it in ",
                    Argument("ignore", [column.name]),
                )
            ) from error
    return schema


def _weighty(table: pa.Table) -> list[Any]:
    return [column for column in table.columns if has_weight(column.type)]


def _light(table: pa.Table, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans of a table, those of too many bytes cut into shorter ones."""
    columns = _weighty(table)
    return light_spans(spans, lambda one: weights([c[slice(*one)] for c in columns]))


@dataclass(slots=True)
class Place:
    """The place of a stream's file.

    Parameters
    ----------
    given : Path, optional
        The file, or a folder for it as long as the history lasts; None: a temporary folder.
    """

    given: Path | None = None

    @classmethod
    def of(cls, spool: Any) -> Place:
        """Return the place that ``spool=`` names.

        Raises
        ------
        HistoryError
            If no file can be made there.
        """
        if spool is None:
            return cls()
        try:
            path = Path(os.fsdecode(spool)).expanduser()
            problem = _problem(path)
        except (TypeError, ValueError, RuntimeError, OSError) as error:
            problem = first_line(error)
        if problem:
            raise HistoryError(
                message(Argument("spool", is_named=True), f" {shown_briefly(spool)}: {problem}"),
                argument="spool",
                value=spool,
            )
        return cls(path)

    def file(self, owner: object) -> Path:
        """Return the file to write; a temporary one is removed with its owner."""
        if self.given is not None and not self.is_folder:
            return self.given
        folder = Path(mkdtemp(prefix="mpreplay-", dir=self.given))
        weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
        return folder / "source.parquet"

    @property
    def is_folder(self) -> bool:
        """True if the place is a folder, in which several streams have room."""
        return self.given is None or self.given.is_dir()

    @property
    def is_kept(self) -> bool:
        """True if the file stays when the history is gone."""
        return not self.is_folder


def _problem(path: Path) -> str:
    """Return why a stream cannot be kept at a path, or the empty text."""
    if path.is_dir():
        return ""
    if not path.parent.is_dir():
        return f"there is no folder {str(path.parent)!r}"
    if os.path.lexists(path):
        return (
            "there is such a file, which would be overwritten; give another name, or read the file "
            f"itself: read_history({str(path)!r}, ...)"
        )
    return ""
