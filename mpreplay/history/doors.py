"""Doors of ``read_history``: for each kind of source, how its rows become sources of a history.

A shell: opens files. A kind is a row of ``DOORS``, and a kind of file one of ``FILES``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa

from ..errors import HistoryError
from ..errors.arguments import kind_of
from ..files.finding import PARQUET, Found, LeftOut, begins_as_parquet, find_files
from ..sources.csv import CsvSource
from ..sources.csv_text import ENDINGS, refuse_other
from ..sources.parquet import ParquetSource
from ..sources.source import FrameSource, Source, TableSource
from .columns import Columns
from .devices import check_devices, check_folders, may_be
from .rejects_file import holds_rejects, is_rejects, read_rejects

__all__ = ["DOORS", "FILES", "Door", "Given", "Opened", "opened"]


class Given(NamedTuple):
    """A source as it was given, and what was said of how to open it."""

    source: Any
    columns: Columns
    name: str | None = None
    filesystem: Any = None
    spool: Any = None

    @property
    def may_be_rejects(self) -> bool:
        """True if no argument names a column or says how cells are read."""
        return self.columns == Columns(devices=self.columns.devices)


class Opened(NamedTuple):
    """The sources behind a door, and the files that are left out."""

    sources: tuple[Source, ...]
    left_out: tuple[LeftOut, ...] = ()


class Door(NamedTuple):
    """A kind of source: how it is known, and how it is opened."""

    takes: Callable[[Any], bool]
    open: Callable[[Given], Opened]


def opened(given: Given) -> Opened:
    """Return the sources of what was given.

    Raises
    ------
    HistoryError
        If it is of no kind that holds readings, or cannot be read.
    """
    for door in DOORS:
        if door.takes(given.source):
            return door.open(given)
    raise HistoryError(
        "a history is a DataFrame, an Arrow table, or a Parquet file, folder or glob, not "
        f"{kind_of(given.source)}",
        argument="source",
        value=given.source,
    )


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda source: isinstance(source, kinds)


def _open_frame(given: Given) -> Opened:
    frame, by_index = given.source, given.columns.time is None
    if isinstance(frame.columns, pd.MultiIndex) or (
        by_index and isinstance(frame.index, pd.MultiIndex) and not is_rejects(frame.columns)
    ):
        raise HistoryError(
            "DataFrame: several levels of columns or index; flatten them first, for example "
            "with frame.reset_index() and frame.columns.map('.'.join)"
        )
    return Opened((FrameSource(frame, by_index),))


def _open_table(given: Given) -> Opened:
    return Opened((TableSource(given.source),))


def _open_batch(given: Given) -> Opened:
    return Opened((TableSource(pa.Table.from_batches([given.source])),))


def _open_path(given: Given) -> Opened:
    """Open a file, the files of a folder, or those of a pattern."""
    files = _of_devices(find_files(given.source), given.columns)
    sources = [_opener(path)(path, partitions, given) for path, partitions in files.files]
    return Opened(tuple(sources), files.left_out)


def _of_devices(files: Found, columns: Columns) -> Found:
    """Return files without those whose folders say that they are of other devices."""
    if columns.devices is None:
        return files
    check_devices(columns)
    check_folders([folders for _, folders in files.files], columns)
    kept, gone = [], []
    for path, folders in files.files:
        if may_be(folders, columns):
            kept.append((path, folders))
        else:  # nobody has to be warned of data that was not asked for
            gone.append(LeftOut("device", "", str(path), False))
    return Found(kept, (*files.left_out, *gone))


_Partitions = Mapping[str, str | None]
_Opener = Callable[[Path, _Partitions, Given], Source]


def _open_parquet(path: Path, partitions: _Partitions, given: Given) -> Source:
    return ParquetSource.open(path, partitions)


def _open_csv(path: Path, partitions: _Partitions, given: Given) -> Source:
    if given.may_be_rejects and holds_rejects(path):
        return read_rejects(path)
    return CsvSource.open(path, partitions, given.columns.text)


def _open_other(path: Path, partitions: _Partitions, given: Given) -> Source:
    """Open a file whose ending says nothing: Parquet, or CSV where its texts were described."""
    if given.columns.text is not None and not begins_as_parquet(path):
        refuse_other(path)
        return CsvSource.open(path, partitions, given.columns.text)
    return _open_parquet(path, partitions, given)


def _opener(path: Path) -> _Opener:
    name = path.name.lower()
    return next((one for ending, one in FILES.items() if name.endswith(ending)), _open_other)


# Ending of a file to how the file is opened.
FILES: Final[dict[str, _Opener]] = {
    **dict.fromkeys(PARQUET, _open_parquet),
    **dict.fromkeys(ENDINGS, _open_csv),
}
# The first row that takes a source opens it.
DOORS: Final[tuple[Door, ...]] = (
    Door(_is_a(pd.DataFrame), _open_frame),
    Door(_is_a(pa.Table), _open_table),
    Door(_is_a(pa.RecordBatch), _open_batch),
    Door(_is_a(str, os.PathLike), _open_path),
)
