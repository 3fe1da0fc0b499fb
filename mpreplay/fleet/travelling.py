"""Histories that travel: what other processes cannot read is written to files they can.

A shell: writes files into the folder of a fleet. Equal rows make equal bytes, so that a fleet is
continued with the same frame or the same stream in another process.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa

from ..doors.kinds import unread
from ..errors import HistoryError, JournalMismatch
from ..files.counting import Counts
from ..files.file_mark import FileMark, sha256_of
from ..files.held_file import HeldFile
from ..journal.private import create_private
from ..sources.csv import CsvSource
from ..sources.ipc import IpcSource
from ..sources.parquet import ParquetSource
from ..sources.source import INDEX, FrameSource, TableSource
from ..streams.file_view import FileView
from ..streams.pieces import plain_table, table_of_frame
from ..streams.spool import GROUP_ROWS, Spool
from ..streams.stream_source import StreamSource

if TYPE_CHECKING:
    from ..history.columns import Columns
    from ..history.history import History
    from ..sources.source import Source

__all__ = ["travelling"]

_SPOOLED: Final = (FrameSource, TableSource, StreamSource)
# Options by which a file system is given its credentials, of pyarrow's and of fsspec's.
_CREDENTIALS: Final = frozenset(
    (
        *("secret_key", "session_token", "secret", "token", "password", "account_key"),
        *("sas_token", "connection_string", "client_secret", "credential", "credentials"),
        *("key_file", "passphrase"),
    )
)


def travelling(history: History, folder: Path, *, is_new: bool) -> History:
    """Return a history that other processes can read, in the order of its sources.

    Frames, tables, streams and open files are written into the folder; a file is digested, once
    for all its readers.

    Parameters
    ----------
    history : History
        The history.
    folder : Path
        Folder of the fleet.
    is_new : bool
        True if no fleet lies there yet: the remains of a fleet that never began are overwritten.

    Raises
    ------
    HistoryError
        If a source cannot travel.
    JournalMismatch
        If a fleet with other readings lies in the folder.
    """
    sources = []
    for number, source in enumerate(history.sources, 1):
        place = folder / f"source{'' if number == 1 else f'-{number}'}"
        sources.append(_travelling(source, history.columns, place, is_new=is_new))
    return replace(history, sources=tuple(sources))


def _travelling(source: Source, columns: Columns, place: Path, *, is_new: bool) -> Source:
    if isinstance(source, FileView):
        inner = _travelling(source.inner, columns, place, is_new=is_new)
        return replace(source, inner=inner)  # type: ignore[arg-type] # as it was
    if isinstance(source, ParquetSource | CsvSource | IpcSource):
        found: Source = _digested(_file(source, columns, place, is_new=is_new))
        return found
    if not isinstance(source, _SPOOLED):
        raise HistoryError(f"{source.name}: cannot be read by other processes; write it to Parquet")
    path = place.with_suffix(".parquet")
    with _Fresh(path, source.name, is_new=is_new) as fresh:
        if isinstance(source, StreamSource):
            shutil.copyfile(source.path, fresh.part)
        else:
            _spooled(source, columns, fresh.part)
    spooled = _digested(replace(ParquetSource.open(path, {}), name=source.name))
    has_index = INDEX in spooled.columns
    return FileView(spooled, time_from_index=True) if has_index else spooled


def _file(
    source: ParquetSource | CsvSource | IpcSource, columns: Columns, place: Path, *, is_new: bool
) -> Source:
    """Return a file that all processes of this machine find by its path."""
    if isinstance(source.path, Path):
        path = source.path.absolute()
        changes: dict[str, Any] = {"path": path, "mark": replace(source.mark, path=path)}
        if isinstance(source, ParquetSource):
            changes["counts"] = Counts(path)
        return replace(source, **changes)
    if not isinstance(source.path, HeldFile):
        _check_store(source.path)
        return source
    path = place.with_name(f"{place.name}{''.join(source.path.suffixes)}")
    with (
        _Fresh(path, source.name, is_new=is_new) as fresh,
        source.path.open() as held,
        fresh.part.open("wb") as file,
    ):
        shutil.copyfileobj(held, file)
    if isinstance(source, CsvSource):
        return replace(CsvSource.open(path, source.partitions, columns.text), name=source.name)
    return replace(type(source).open(path, source.partitions), name=source.name)


def _digested(source: Any) -> Any:  # a file, of whatever kind
    """Return a file with its digest, which holds for all processes as long as its stamp does."""
    mark: FileMark = source.mark
    if not mark.stamp.tag:
        mark.digest()
    return replace(source, mark=replace(mark, is_proven=True))


def _check_store(path: Any) -> None:
    """Raise if the file system of a store holds credentials, which would travel."""
    store = path.store
    options: dict[str, Any] = dict(getattr(store.by_fsspec, "storage_options", None) or {})
    if store.by_fsspec is None:
        parts = store.system.__reduce__()[1]
        options = next((one for one in parts if isinstance(one, dict)), {})
    if held := sorted(name for name in _CREDENTIALS & set(options) if options[name]):
        raise HistoryError(
            f"{path}: its file system was given {held[0]}, which would travel to other processes; "
            "leave it out, and let each find its own (environment, profile, role)"
        )


class _Fresh:
    """A file written beside its place, and compared with the file there.

    Parameters
    ----------
    path : Path
        Its place.
    name : str
        Name of the source.
    is_new : bool
        True if what lies there may be overwritten.
    """

    def __init__(self, path: Path, name: str, *, is_new: bool) -> None:
        self._path, self._name, self._is_new = path, name, is_new
        self.part = path.with_name(f".{path.name}.{os.getpid()}.new")

    def __enter__(self) -> _Fresh:
        self.part.unlink(missing_ok=True)
        create_private(self.part)
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if kind is None:
                self._place()
        finally:
            self.part.unlink(missing_ok=True)

    def _place(self) -> None:
        path = self._path
        if path.exists() and sha256_of(path) == sha256_of(self.part):
            return
        if path.exists() and not self._is_new:
            raise JournalMismatch(
                f"{path.parent}: the fleet in this folder has other readings ({self._name} differs "
                f"from {path.name}); give it the same to continue it, or another folder",
                ("history",),
            )
        self.part.replace(path)


def _spooled(source: FrameSource | TableSource, columns: Columns, path: Path) -> None:
    """Write a frame or a table to a Parquet file."""
    empty = frozenset(unread(source.columns, columns))
    keys = tuple(name for name in columns.keys if name in source.columns)
    told = {b"PANDAS_ATTRS": json.dumps(source.attributes, default=str).encode()}
    try:
        first = next(_tables(source, empty, at_most=GROUP_ROWS))
        schema = first.schema.with_metadata(told if source.attributes else None)
        with Spool(path, keys, schema) as spool:
            for table in _tables(source, empty):
                spool.add(table)
    except HistoryError as error:
        raise HistoryError(f"{source.name}: {error}") from error


def _tables(
    source: FrameSource | TableSource, empty: frozenset[str], at_most: int | None = None
) -> Iterator[pa.Table]:
    n_rows = source.n_rows if at_most is None else min(at_most, source.n_rows)
    for first in range(0, max(1, n_rows), GROUP_ROWS):
        if isinstance(source, TableSource):
            part = source.table.slice(first, GROUP_ROWS)
        else:
            rows: pd.DataFrame = source.frame.iloc[first : first + GROUP_ROWS]
            part = table_of_frame(rows, by_index=source.time_from_index, empty=empty)
        yield plain_table(part, empty)
