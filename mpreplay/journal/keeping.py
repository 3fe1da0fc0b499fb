"""Streams kept beside a journal, so that another process can continue their run. A shell."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JournalError
from ..files.file_mark import sha256_of
from ..streams.stream_source import StreamSource
from .private import create_private

if TYPE_CHECKING:
    from ..history.history import History

__all__ = ["streams_kept"]

log = logging.getLogger("mpreplay")


@contextmanager
def streams_kept(
    history: History, journal: Path, *, is_temporary: bool
) -> Iterator[Mapping[int, str]]:
    """Keep the streams of a history beside a journal, unless the context fails.

    Yields the names of the files, by the number of the stream among the sources.

    Raises
    ------
    JournalError
        If there is another file, or none can be written.
    """
    streams = {
        number: source
        for number, source in enumerate(history.sources)
        if isinstance(source, StreamSource) and not is_temporary
    }
    files = {
        number: journal.with_name(f"{journal.name}.source{'' if n == 1 else f'-{n}'}.parquet")
        for n, number in enumerate(streams, 1)
    }
    made: list[Path] = []
    try:
        for number, source in streams.items():
            if _put(source, files[number]):
                made.append(files[number])
        yield {number: path.name for number, path in files.items()}
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    for number, source in streams.items():
        log.info(
            "%s is kept in %s; another process continues the run with read_history(%r, ...)",
            source.name,
            files[number],
            str(files[number]),
        )


def _put(source: StreamSource, path: Path) -> bool:
    """Give the file of a stream a second name, or copy it; return False if it is there."""
    try:
        if os.path.lexists(path):
            if path.is_file() and (path.samefile(source.path) or _is_same(source, path)):
                return False
            raise JournalError(
                f"{path}: it lies where the stream of this run would be kept, and holds something "
                "else; move it away, or give the journal another name"
            )
        try:
            path.hardlink_to(source.path)
        except OSError:  # of another file system
            part = path.with_name(f".{path.name}.part")
            create_private(part)
            try:
                shutil.copyfile(source.path, part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise JournalError(
            f"{path}: the stream of this run cannot be kept ({error.strerror or error})"
        ) from error
    return True


def _is_same(source: StreamSource, path: Path) -> bool:
    return path.stat().st_size == source.path.stat().st_size and sha256_of(path) == source.digest()
