"""The bytes of a message in pieces, which are sent one after the other and never joined.

Pure. A request is half a megabyte: to copy it once more takes as long as to write down its record.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

__all__ = ["Pieces"]


class Pieces:
    """Bytes in pieces.

    Parameters
    ----------
    pieces : iterable of bytes-like
        The pieces, which must not change.

    Examples
    --------
    >>> pieces = Pieces([b"[", b"1,2", b"]"])
    >>> len(pieces), bytes(pieces), bytes(pieces[2:])
    (5, b'[1,2]', b',2')
    """

    __slots__ = ("_ends", "_pieces")

    def __init__(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        self._pieces = [memoryview(one) for one in pieces if len(one)]
        self._ends = list(accumulate(map(len, self._pieces)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)

    def __iter__(self) -> Iterator[memoryview]:
        return iter(self._pieces)

    def __getitem__(self, rest: slice) -> memoryview:
        """Return the bytes from a place on, as far as they lie in one piece."""
        place = rest.start or 0
        at = bisect_right(self._ends, place)
        if at == len(self._pieces):
            return memoryview(b"")
        return self._pieces[at][place - (self._ends[at - 1] if at else 0) :]
