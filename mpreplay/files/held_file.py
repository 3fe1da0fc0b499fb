"""An open file that is passed by the caller: read by position, and left open as it was. A shell."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from threading import Lock
from typing import Any, Final

import pyarrow as pa

from ..errors import HistoryError
from .file_mark import Stamp

__all__ = ["HeldFile", "is_open_file"]

_PIECE: Final = 1_048_576  # bytes that are read at a time


def is_open_file(given: Any) -> bool:
    """Return True for a file object, of whatever library."""
    return hasattr(given, "read") and hasattr(given, "seek") and hasattr(given, "tell")


@dataclass(frozen=True, slots=True, eq=False)
class HeldFile:
    """An open binary file; asked as a ``Path`` is, as far as reading needs it."""

    file: Any
    name: str
    lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(cls, file: Any, name: str | None = None) -> HeldFile:
        """Return the file of a file object.

        Raises
        ------
        HistoryError
            If it is closed, a text file, or cannot be read by position.
        """
        told = getattr(file, "name", None)
        name = name or (told if isinstance(told, str) and told else type(file).__name__)
        if getattr(file, "closed", False):
            raise _refused(name, "the file is closed; pass it open, or pass its path")
        if isinstance(file, io.TextIOBase) or hasattr(file, "encoding"):
            raise _refused(name, 'a file of text; open it with mode "rb", or pass its path')
        if not (file.seekable() if hasattr(file, "seekable") else True):
            raise _refused(
                name, "the file cannot be read by position; write it to a disk and pass its path"
            )
        return cls(file, name)

    def read_at(self, size: int, at: int) -> bytes:
        """Return bytes from a place on; the position of the file stays as it was."""
        with self.lock:
            try:
                before = self.file.tell()
                try:
                    self.file.seek(at)
                    return bytes(self.file.read(size))
                finally:
                    self.file.seek(before)
            except ValueError as error:  # closed meanwhile
                raise HistoryError(f"{self.name}: cannot be read ({error})") from error

    def size(self) -> int:
        """Return the number of bytes."""
        with self.lock:
            try:
                before = self.file.tell()
                try:
                    self.file.seek(0, io.SEEK_END)
                    return int(self.file.tell())
                finally:
                    self.file.seek(before)
            except ValueError as error:
                raise HistoryError(f"{self.name}: cannot be read ({error})") from error

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def suffixes(self) -> list[str]:
        """The endings of the name, with their dots."""
        return PurePosixPath(self.name).suffixes

    def is_file(self) -> bool:
        """Return True: it is open."""
        return True

    def stamp(self) -> Stamp:
        """Return size and checksum of the bytes now: memory has no time of change."""
        size, found = self.size(), 0
        for at in range(0, size, _PIECE):
            found = zlib.crc32(self.read_at(_PIECE, at), found)
        return Stamp(size, found, 0, 0)

    def open(self, mode: str = "rb", buffering: int = -1) -> pa.NativeFile:
        """Return the file with a position of its own."""
        del mode, buffering
        return pa.PythonFile(_At(self), mode="r")

    def __str__(self) -> str:
        return self.name


class _At(io.RawIOBase):
    """A position in a held file; closing it leaves the file open.

    Parameters
    ----------
    held : HeldFile
        The file.
    """

    def __init__(self, held: HeldFile) -> None:
        super().__init__()
        self._held, self._at, self._size = held, 0, held.size()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        rest = max(0, self._size - self._at)
        data = self._held.read_at(rest if size is None or size < 0 else min(size, rest), self._at)
        self._at += len(data)
        return data


def _refused(name: str, why: str) -> HistoryError:
    return HistoryError(f"{name}: {why}", argument="source")
