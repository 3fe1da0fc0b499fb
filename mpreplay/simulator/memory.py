"""The rehearsal platform's memory on disk, for a restart after a kill.

A shell around a file: an event is a line of JSON that begins with the size of its payload, then
the payload. The page cache survives a killed process, so nothing is forced to the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import orjson

__all__ = ["Memory"]

PRIVATE: Final = 0o600


class Memory:
    """The events of a platform, in order.

    Parameters
    ----------
    place : int or str
        A file open for reading and writing, without another writer; or its path.
    """

    def __init__(self, place: int | str) -> None:
        binary = getattr(os, "O_BINARY", 0)  # of Windows, which else changes the ends of lines
        flags = os.O_RDWR | os.O_CREAT | binary
        self._descriptor = place if isinstance(place, int) else os.open(place, flags, PRIVATE)

    def events(self) -> Iterator[tuple[list[Any], bytes]]:
        """Yield the kept events; cut off a last event whose writing was interrupted."""
        end = 0
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)
            while (line := file.readline()).endswith(b"\n"):
                size, *event = orjson.loads(line)
                payload = file.read(size)
                if len(payload) < size:
                    break
                end += len(line) + size
                yield event, payload
        os.ftruncate(self._descriptor, end)
        os.lseek(self._descriptor, end, os.SEEK_SET)

    def keep(self, event: list[Any], payload: bytes = b"") -> None:
        """Add an event, which survives the process as soon as this returns."""
        left = memoryview(b"".join((orjson.dumps([len(payload), *event]), b"\n", payload)))
        while left:
            left = left[os.write(self._descriptor, left) :]
