"""What the rehearsal platform keeps on disk, so that it survives being killed.

A shell around one file: an event is a line of JSON, begun with the size of the payload that
follows it. The page cache holds it when the process is killed; nothing is forced to the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import orjson

__all__ = ["Memory"]


class Memory:
    """The events of a platform, in order.

    Parameters
    ----------
    descriptor : int
        An open file, to read and to write. Nobody else writes to it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def events(self) -> Iterator[tuple[list[Any], bytes]]:
        """Read what is kept; what was being written when the process was killed is cut off."""
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
        """Add an event. Once this returns, it survives the process."""
        left = memoryview(b"".join((orjson.dumps([len(payload), *event]), b"\n", payload)))
        while left:
            left = left[os.write(self._descriptor, left) :]
