"""The batches of an Arrow IPC file or stream: found before any is read, and counted.

A shell: reads the heads of messages. A reader of the file format believes the footer, and one of a
stream takes its end for the end of the data; neither tells that a writer has stopped too early.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..errors import HistoryError
from .ipc_messages import BATCH, Block, Message, blocks_of, is_end, message_at, messages
from .reading import At, by_position

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows [first, stop).
Span = tuple[int, int]

__all__ = ["Layout", "layout_of"]

_MAGIC: Final = b"ARROW1"
_BEGIN: Final = 8  # where the messages of a file begin [bytes]
_TAIL: Final = 10  # length of the footer, and the last mark [bytes]
_FEATHER_1: Final = b"FEA1"


class Layout(NamedTuple):
    """The batches of a file: in the file format, or as a stream."""

    is_stream: bool
    batches: tuple[Message, ...]
    bounds: tuple[Span, ...]  # rows of each batch
    ends: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.bounds[-1][1] if self.bounds else 0

    def of(self, span: Span) -> range:
        """Return the numbers of the batches with rows of a span."""
        first, stop = span
        if stop <= first:
            return range(0)
        low = int(np.searchsorted(self.ends, first, side="right"))
        return range(low, int(np.searchsorted(self.ends, stop, side="left")) + 1)


def layout_of(path: Any, n_bytes: int) -> Layout:
    """Return the batches of a file.

    Raises
    ------
    HistoryError
        If it is no Arrow IPC, was not written to its end, or its parts contradict each other.
    """
    with by_position(path) as read:
        first = read(_BEGIN, 0)
        if first.startswith(_FEATHER_1):
            raise HistoryError(
                f"{path}: Feather in its first version, a format of its own that is no Arrow IPC; "
                "read it with pyarrow.feather.read_table and pass the table, or write it anew in "
                "version 2"
            )
        is_stream = not first.startswith(_MAGIC)
        found = _of_stream(path, read, n_bytes) if is_stream else _of_file(path, read, n_bytes)
    ends = list(accumulate(one.n_rows for one in found))
    bounds = tuple(pairwise([0, *ends]))
    return Layout(is_stream, tuple(found), bounds, np.array(ends, np.int64))


def _of_stream(path: Any, read: At, n_bytes: int) -> list[Message]:
    found = list(messages(read, 0, n_bytes))
    if not found:
        raise HistoryError(
            f"{path}: cannot be read as Arrow IPC: "
            + ("the file is empty" if not n_bytes else "it does not begin as a file or a stream")
        )
    end = found[-1].at + found[-1].length
    if end > n_bytes or not is_end(read, end):
        raise _cut(
            path,
            "the mark at the end of a stream is missing",
            [one for one in found if one.kind == BATCH],
        )
    if end + _BEGIN < n_bytes:
        raise HistoryError(
            f"{path}: {n_bytes - end:,} bytes follow the end of the stream, and would be left "
            "out; write one stream a file"
        )
    return [one for one in found if one.kind == BATCH]


def _of_file(path: Any, read: At, n_bytes: int) -> list[Message]:
    tail = read(_TAIL, max(0, n_bytes - _TAIL))
    size = int.from_bytes(tail[:4], "little", signed=True)
    if not tail.endswith(_MAGIC) or n_bytes < _BEGIN + _TAIL or size < 4:
        raise _cut(path, "it does not end with a footer", ())
    start = n_bytes - _TAIL - size
    if start < _BEGIN:
        raise _cut(path, "its footer is damaged", ())
    try:
        dictionaries, batches = blocks_of(read(size, start))
    except ValueError as error:
        raise _cut(path, str(error), ()) from error
    found = [_of_block(path, read, one, number, start) for number, one in enumerate(batches)]
    others = [message_at(read, one.at) for one in dictionaries]
    _refuse_hidden(path, read, sorted([*found, *filter(None, others)], key=_place), start)
    return found


def _place(message: Message) -> int:
    return message.at


def _of_block(path: Any, read: At, block: Block, number: int, end: int) -> Message:
    """Return a batch listed in the footer, after a check of its place, kind and size."""
    inside = _BEGIN <= block.at <= end
    one = message_at(read, block.at) if inside else None
    if one is None or one.kind != BATCH or one.body != block.body or one.at + one.body > end:
        raise HistoryError(
            f"{path}: the footer promises batch {number} at byte {block.at:,}, and there is none: "
            "the file is damaged; nothing of it can be trusted, so write it anew"
        )
    return one


def _refuse_hidden(path: Any, read: At, known: list[Message], end: int) -> None:
    """Raise if a batch between those of the footer is not listed there."""
    begin = _BEGIN
    places = {one.at for one in known}
    for at in [*(one.at for one in known), end]:
        for one in messages(read, begin, at) if begin + _BEGIN < at else ():
            if one.kind == BATCH and one.at not in places:
                raise HistoryError(
                    f"{path}: the file holds a batch of {one.n_rows:,} rows at byte {one.at:,} "
                    "that its footer does not list: the file is damaged; write it anew"
                )
        held = next((one for one in known if one.at == at), None)
        begin = held.at + held.length if held else at


def _cut(path: Any, what: str, found: Any) -> HistoryError:
    n_rows = sum(one.n_rows for one in found)
    told = f" behind {n_rows:,} rows" if n_rows else ""
    return HistoryError(
        f"{path}: cannot be read as Arrow IPC: {what}{told}, so the file was not written to its "
        "end; write it anew"
    )
