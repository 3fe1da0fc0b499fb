"""Bytes of a file by position, whether it lies on a disk or in a store. A shell."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

__all__ = ["At", "by_position"]

# Returns the bytes of a size at a place.
At = Callable[[int, int], bytes]
_BLOCK: Final = 65_536  # bytes that are asked of a store at once


@contextmanager
def by_position(path: Any) -> Iterator[At]:
    """Yield a function that reads bytes of a file at a place."""
    if isinstance(path, Path):
        with path.open("rb", buffering=0) as file:
            pread = getattr(os, "pread", None)  # Windows has none
            yield _Seeking(file).read if pread is None else partial(pread, file.fileno())
        return
    with path.open("rb") as file:
        yield _Blocks(file).read


class _Seeking:
    """A file on a disk that is read by moving its position, one reader at a time.

    Parameters
    ----------
    file : BinaryIO
        Open, without a buffer.
    """

    def __init__(self, file: Any) -> None:
        self._file, self._lock = file, Lock()

    def read(self, size: int, at: int) -> bytes:
        """Return the bytes of a size at a place, fewer at the end of the file."""
        with self._lock:
            self._file.seek(at)
            found: bytes = self._file.read(size)
            return found


class _Blocks:
    """The latest block of a file, since each question to a store costs its time.

    Parameters
    ----------
    file : NativeFile
        Open, with a position of its own.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at, self._block = 0, b""

    def read(self, size: int, at: int) -> bytes:
        """Return the bytes of a size at a place, fewer at the end of the file."""
        if not self._at <= at <= at + size <= self._at + len(self._block):
            self._file.seek(at)
            self._at, self._block = at, self._file.read(max(size, _BLOCK))
        begin = at - self._at
        return self._block[begin : begin + size]
