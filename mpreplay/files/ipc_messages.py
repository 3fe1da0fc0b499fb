"""Messages of an Arrow IPC file or stream: their kind, rows and lengths, read without their bodies.

Pure: bytes in, numbers out. The metadata of a message is a FlatBuffer (``Message.fbs`` and
``File.fbs`` of the Arrow columnar format); pyarrow shows the rows of a batch only after reading
the batch, and never the rows of a batch missing from the footer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

__all__ = ["BATCH", "Block", "Message", "blocks_of", "is_end", "message_at", "messages"]

SCHEMA, DICTIONARY, BATCH = 1, 2, 3
_CONTINUATION: Final = b"\xff\xff\xff\xff"
_HEAD: Final = 8  # continuation and length of the metadata [bytes]
_MOST: Final = 268_435_456  # bytes of a message's metadata
_ALIGNED: Final = 8  # where a message may begin [bytes]
_BLOCK: Final = struct.Struct("<qi4xq")  # of a footer: place, metadata, body


class Message(NamedTuple):
    """A message: its kind, place, rows of its batch, and its lengths in bytes."""

    kind: int
    at: int
    n_rows: int
    length: int  # with its head and its body
    body: int
    is_compressed: bool


class Block(NamedTuple):
    """A message according to the footer."""

    at: int
    metadata: int
    body: int


Read = Callable[[int, int], bytes]


def message_at(read: Read, at: int) -> Message | None:
    """Return the message at a place; None at the end, or if there is none.

    ``read`` returns the bytes of a size at a place.
    """
    head = read(_HEAD, at)
    if len(head) < _HEAD and not head.startswith(b"\0\0\0\0"):
        return None
    skipped = _HEAD if head.startswith(_CONTINUATION) else 4  # before Arrow 0.15
    (size,) = struct.unpack_from("<i", head, skipped - 4)
    if not 0 < size <= _MOST:
        return None
    data = read(size, at + skipped)
    if len(data) < size:
        return None
    try:
        return _parsed(data, at, skipped)
    except (struct.error, ValueError):
        return None


def messages(read: Read, at: int, stop: int) -> Iterator[Message]:
    """Yield the messages from a place on, each behind the other."""
    while at < stop and (found := message_at(read, at)):
        yield found
        at += found.length


def is_end(read: Read, at: int) -> bool:
    """Return True if a stream says at a place that it has ended."""
    head = read(_HEAD, at)
    return head in {_CONTINUATION + bytes(4), bytes(4), bytes(8)}


def blocks_of(footer: bytes) -> tuple[list[Block], list[Block]]:
    """Return the dictionaries and the batches that a footer lists.

    Raises
    ------
    ValueError
        If the footer is damaged.
    """
    try:
        root = _Table(footer, struct.unpack_from("<I", footer, 0)[0])
        return _blocks(root, 2), _blocks(root, 3)
    except struct.error as error:
        raise ValueError("the footer is damaged") from error


def _blocks(table: _Table, number: int) -> list[Block]:
    at, n = table.vector(number)
    if n * _BLOCK.size > len(table.data):
        raise ValueError("the footer is damaged")
    return [Block(*_BLOCK.unpack_from(table.data, at + k * _BLOCK.size)) for k in range(n)]


def _parsed(data: bytes, at: int, skipped: int) -> Message:
    root = _Table(data, struct.unpack_from("<I", data, 0)[0])
    kind, body = root.number(1, "<B"), root.number(3, "<q")
    if kind not in {SCHEMA, DICTIONARY, BATCH}:
        raise ValueError("a message of another kind")
    n_rows, is_compressed = 0, False
    if kind != SCHEMA:
        batch = root.table(2) if kind == BATCH else root.table(2).table(1)
        n_rows, is_compressed = batch.number(0, "<q"), batch.has(3)
        nodes, n = batch.vector(1)
        if (body and not n) or (n and struct.unpack_from("<q", data, nodes)[0] != n_rows):
            raise ValueError("the first column has other rows than the batch")
    if body < 0 or n_rows < 0:
        raise ValueError("negative lengths")
    length = skipped + len(data) + body
    return Message(kind, at, n_rows, length + -length % _ALIGNED, body, is_compressed)


class _Table:
    """A table of a FlatBuffer: fields by number.

    Parameters
    ----------
    data : bytes
        The buffer.
    at : int
        Place of the table.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self._at = data, at
        self._vtable = at - struct.unpack_from("<i", data, at)[0]
        if self._vtable < 0:
            raise ValueError("no table")
        (self._size,) = struct.unpack_from("<H", data, self._vtable)

    def _field(self, number: int) -> int:
        """Return the place of a field; 0 if it is absent."""
        place = 4 + 2 * number
        if place + 2 > self._size:
            return 0
        (offset,) = struct.unpack_from("<H", self.data, self._vtable + place)
        return self._at + offset if offset else 0

    def has(self, number: int) -> bool:
        return bool(self._field(number))

    def number(self, number: int, kind: str) -> int:
        at = self._field(number)
        return int(struct.unpack_from(kind, self.data, at)[0]) if at else 0

    def table(self, number: int) -> _Table:
        at = self._field(number)
        if not at:
            raise ValueError("no header")
        return _Table(self.data, at + struct.unpack_from("<I", self.data, at)[0])

    def vector(self, number: int) -> tuple[int, int]:
        """Return the place of the first element and the number of elements."""
        at = self._field(number)
        if not at:
            return 0, 0
        at += struct.unpack_from("<I", self.data, at)[0]
        return at + 4, struct.unpack_from("<I", self.data, at)[0]
