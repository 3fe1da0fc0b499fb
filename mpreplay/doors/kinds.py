"""Doors of ``read_history``: for each kind of source, how its rows become sources of a history.

A shell: opens files. A kind is a row of ``DOORS``, and a kind of file one of ``FILES``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa

from ..errors import Argument, HistoryError, message
from ..errors.arguments import CLEAN_TEXT, Kind, wrong
from ..files.endings import format_of_bytes, format_of_name
from ..files.held_file import is_open_file
from ..files.locating import find_anywhere, is_place
from ..files.search_rules import Found, LeftOut
from ..history.columns import Columns
from ..history.devices import check_devices, check_folders, may_be
from ..history.rejects_file import holds_rejects, is_rejects, read_rejects
from ..history.wanted import is_mapped, left_out
from ..sources.csv import CsvSource
from ..sources.csv_text import refuse_other
from ..sources.ipc import IpcSource
from ..sources.parquet import ParquetSource
from ..sources.source import INDEX, FrameSource, Source, TableSource
from ..streams.capsules import (
    in_memory,
    is_capsule,
    is_frame_in_memory,
    is_relation,
    is_wrapper,
    native,
    reader_of,
)
from ..streams.datasets import dataset_stream, is_dataset, is_scanner, sources_of
from ..streams.file_view import FileView
from ..streams.spool import Place
from ..streams.stream import Stream, items_of, reader_stream, relation_stream
from ..streams.stream_source import StreamSource
from .refusals import is_refused, refusal

__all__ = ["DOORS", "FILES", "Door", "Given", "Opened", "opened", "unread"]


class Given(NamedTuple):
    """A source as given, and the options for opening it."""

    source: Any
    columns: Columns
    name: str | None = None
    filesystem: Any = None
    spool: Any = None

    def named(self, kind: str) -> str:
        """Return the name of the source: the given one, or else its kind."""
        return kind if self.name is None else self.name

    @property
    def may_be_rejects(self) -> bool:
        """True if no argument names a column or says how cells are read."""
        columns = self.columns
        return columns == Columns(devices=columns.devices, plausible=columns.plausible)


_NAME: Final = Kind(
    "a text that UTF-8 can carry, and not empty, or None",
    lambda value: value is None or (CLEAN_TEXT.holds(value) and value != ""),
)


class Opened(NamedTuple):
    """The sources behind a door, and the files that are left out."""

    sources: tuple[Source, ...]
    left_out: tuple[LeftOut, ...] = ()


class Door(NamedTuple):
    """A kind of source: its test, and its opener."""

    takes: Callable[[Any], bool]
    open: Callable[[Given], Opened]


def opened(given: Given) -> Opened:
    """Return the sources of what was given.

    Raises
    ------
    HistoryError
        If it is of no kind that holds readings, or cannot be read.
    """
    if not _NAME.holds(given.name):
        raise wrong("name", given.name, _NAME.words, HistoryError)
    found = _opened(given)
    if given.spool is not None:
        _check_spool(found.sources, given)
    return found


def _opened(given: Given, where: str = "") -> Opened:
    source = given.source
    if not is_refused(source):
        for door in DOORS:
            if door.takes(source):
                return door.open(given)
    raise refusal(source, where)


def _check_spool(sources: tuple[Source, ...], given: Given) -> None:
    """Raise if a place for streams is given where there is none, or one file for several."""
    place = Place.of(given.spool)
    n = sum(isinstance(one, StreamSource) for one in sources)
    if n == 0:
        why = "is for streams, which give their rows once; this source can be read again: leave out"
    elif n > 1 and not place.is_folder:
        why = f"is one file, and there are {n} streams: name a folder in"
    else:
        return
    raise HistoryError(
        message(Argument("spool", is_named=True), f" {why} ", Argument("spool")),
        argument="spool",
        value=given.spool,
    )


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda source: isinstance(source, kinds)


def _open_frame(given: Given) -> Opened:
    frame, by_index = given.source, given.columns.time is None
    name = given.named("DataFrame")
    if isinstance(frame.columns, pd.MultiIndex) or (
        by_index and isinstance(frame.index, pd.MultiIndex) and not is_rejects(frame.columns)
    ):
        raise HistoryError(
            f"{name}: several levels of columns or index; flatten them first, for example "
            "with frame.reset_index() and frame.columns.map('.'.join)"
        )
    return Opened((FrameSource(frame, by_index, name),))


def _open_table(given: Given) -> Opened:
    return Opened((TableSource(given.source, given.named("Table")),))


def _open_batch(given: Given) -> Opened:
    return _open_table(given._replace(source=pa.Table.from_batches([given.source])))


def _open_wrapper(given: Given) -> Opened:
    return _opened(given._replace(source=native(given.source)))


def _open_memory(given: Given) -> Opened:
    name = given.named(type(given.source).__name__)
    return Opened((TableSource(in_memory(given.source), name),))


def _open_dataset(given: Given) -> Opened:
    """Open the files of a dataset, or its rows as a stream."""
    name = given.named("Dataset")
    if (sources := sources_of(given.source, name)) is not None:
        return Opened(tuple(sources))
    return _streamed(given, name, dataset_stream(given.source, name))


def _open_scanner(given: Given) -> Opened:
    return _open_reader(given._replace(source=given.source.to_reader()), "Scanner")


def _open_relation(given: Given) -> Opened:
    name = given.named(type(given.source).__name__)
    return _streamed(given, name, relation_stream(given.source, name))


def _open_reader(given: Given, kind: str = "RecordBatchReader") -> Opened:
    name = given.named(kind)
    return _streamed(given, name, reader_stream(given.source, name))


def _open_capsule(given: Given) -> Opened:
    kind = type(given.source).__name__
    return _open_reader(given._replace(source=reader_of(given.source)), kind)


def _open_iterator(given: Given) -> Opened:
    name = given.named(type(given.source).__name__)
    by_index = given.columns.time is None
    return _streamed(given, name, items_of(given.source, name, by_index=by_index))


def _streamed(given: Given, name: str, stream: Stream) -> Opened:
    columns = given.columns
    keys = tuple(k for k in columns.keys if k in stream.columns)
    empty = frozenset(unread(stream.columns, columns))
    return Opened((StreamSource(name, stream, Place.of(given.spool), keys, empty),))


def unread(names: list[str], columns: Columns) -> list[str]:
    """Return the columns without a reader: a stream need not keep their cells."""
    if columns.is_long:
        return [name for name in names if name not in columns.named]
    gone = {*columns.ignore, *(left_out(names, columns) if is_mapped(columns) else ())}
    return [name for name in names if name in gone and name not in columns.named]


def _open_list(given: Given) -> Opened:
    """Open the items of a list, each a source of its own, and no file twice."""
    sources: list[Source] = []
    left_out: list[LeftOut] = []
    seen: set[Any] = set()
    for number, item in enumerate(given.source, 1):
        is_path = _is_named(item)
        kind = "Table" if isinstance(item, pa.RecordBatch) else type(item).__name__
        name = None if is_path else f"{given.named(kind)} {number}"
        if isinstance(item, list | tuple):
            raise refusal(item, f"item {number} of the list: ")
        found = _opened(given._replace(source=item, name=name), f"item {number} of the list: ")
        left_out += found.left_out
        for one in found.sources:
            key = (os.path.realpath(one.name), *one.partitions.items()) if is_path else object()
            if key in seen:
                left_out.append(LeftOut("again", "", one.name, False))
            else:
                sources.append(one)
            seen.add(key)
    if not given.source:
        raise HistoryError(
            "the list is empty: there is nothing to read", argument="source", value=given.source
        )
    if given.name is not None and all(map(_is_named, given.source)):
        raise _no_name(given.name)
    return Opened(tuple(sources), tuple(left_out))


def _is_named(source: Any) -> bool:
    """Return True for a source that has a name of its own: a path, not an open file."""
    return is_place(source) and not is_open_file(source)


def _no_name(name: Any) -> HistoryError:
    return HistoryError(
        message(
            Argument("name", is_named=True),
            " is for frames, tables and streams; a file is known by its own name: leave out ",
            Argument("name"),
        ),
        argument="name",
        value=name,
    )


def _open_path(given: Given) -> Opened:
    """Open a file, the files of a folder, or those of a pattern, wherever they are."""
    if given.name is not None and not is_open_file(given.source):
        raise _no_name(given.name)
    found = find_anywhere(given.source, given.filesystem, given.name)
    files = _of_devices(found, given.columns)
    sources = [_opener(path)(path, partitions, given) for path, partitions in files.files]
    return Opened(tuple(sources), files.left_out)


def _of_devices(files: Found, columns: Columns) -> Found:
    """Return the files outside the folders of other devices."""
    if columns.devices is None:
        return files
    check_devices(columns)
    check_folders([folders for _, folders in files.files], columns)
    kept, gone = [], []
    for path, folders in files.files:
        if may_be(folders, columns):
            kept.append((path, folders))
        else:  # data that was not asked for needs no warning
            gone.append(LeftOut("device", "", str(path), False))
    return Found(kept, (*files.left_out, *gone))


_Partitions = Mapping[str, str | None]
_Opener = Callable[[Any, _Partitions, Given], Source]


def _open_parquet(path: Any, partitions: _Partitions, given: Given) -> Source:
    source = ParquetSource.open(path, partitions)
    if given.columns.time is None and INDEX in source.columns:
        return FileView(source, time_from_index=True)
    return source


def _open_ipc(path: Any, partitions: _Partitions, given: Given) -> Source:
    return IpcSource.open(path, partitions)


def _open_csv(path: Any, partitions: _Partitions, given: Given) -> Source:
    if given.may_be_rejects and holds_rejects(path):
        return read_rejects(path)
    return CsvSource.open(path, partitions, given.columns.text)


def _open_other(path: Any, partitions: _Partitions, given: Given) -> Source:
    """Open a file by its first bytes; without a mark it is CSV where its texts were described."""
    with path.open("rb") as file:
        kind = format_of_bytes(file.read(8))
    if kind is None:
        refuse_other(path)
        if given.columns.text is not None:
            return CsvSource.open(path, partitions, given.columns.text)
    return (_open_ipc if kind == "ipc" else _open_parquet)(path, partitions, given)


def _opener(path: Any) -> _Opener:
    return FILES.get(format_of_name(path.name) or "", _open_other)


# Format that the name of a file tells to how the file is opened.
FILES: Final[dict[str, _Opener]] = {
    "parquet": _open_parquet,
    "ipc": _open_ipc,
    "csv": _open_csv,
}
# The first row that takes a source opens it.
DOORS: Final[tuple[Door, ...]] = (
    Door(_is_a(pd.DataFrame), _open_frame),
    Door(_is_a(pa.Table), _open_table),
    Door(_is_a(pa.RecordBatch), _open_batch),
    Door(is_place, _open_path),
    Door(_is_a(list, tuple), _open_list),
    Door(is_dataset, _open_dataset),
    Door(is_scanner, _open_scanner),
    Door(_is_a(pa.RecordBatchReader), _open_reader),
    Door(is_wrapper, _open_wrapper),
    Door(is_relation, _open_relation),
    Door(is_frame_in_memory, _open_memory),
    Door(is_capsule, _open_capsule),
    Door(_is_a(Iterator), _open_iterator),
)
