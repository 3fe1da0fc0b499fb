"""Pieces of text, to be laid side by side.

Pure. Pieces lie in a pool, and an index gives the piece of each row; one ``take`` writes the text
of all rows. An absent piece is empty, so sparse and dense rows share one path, and no Python object
is made for a piece or a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "NOWHERE",
    "Texts",
    "always",
    "key_of",
    "laid_texts",
    "lay_objects",
    "member",
    "texts_at",
]

NOWHERE: Final = -1
MOST_BYTES: Final = 2**31 - 1  # reached by 32-bit offsets
REPEATED: Final = 2  # occurrences of a text, from which its key is written with it


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: ``pool[index[n]]`` in row n, absent where the index is -1."""

    pool: pa.Array
    index: NDArray[np.int32]

    def lengths(self) -> NDArray[np.int64]:
        """Return the length of each row's text, in bytes; 0 where absent."""
        sizes = pc.binary_length(self.pool).to_numpy(zero_copy_only=False).astype(np.int64)
        return np.append(sizes, 0)[self.index]

    def array(self) -> pa.Array:
        """Return the text of each row, null where absent."""
        return self.pool.take(pa.array(self.index, mask=self.index == NOWHERE))

    def between(self, before: str, after: str) -> Texts:
        """Return the texts, each between ``before`` and ``after``."""
        return Texts(pc.binary_join_element_wise(before, self.pool, after, ""), self.index)


def always(text: str, n: int) -> Texts:
    """Return the same text for each of n rows."""
    return Texts(pa.array([text], pa.string()), np.zeros(n, np.int32))


def laid_texts(pieces: Sequence[Texts], absent: NDArray[np.bool_]) -> Texts:
    """Lay pieces side by side into one text a row.

    Examples
    --------
    >>> letters = Texts(pa.array(["b", "c"]), np.array([1, -1, 0], np.int32))
    >>> laid_texts([always("a", 3), letters], np.array([False, False, True])).array().to_pylist()
    ['ac', 'a', None]
    """
    text, offsets = _lay(pieces, len(absent))
    return texts_at(text.data, offsets[:: len(pieces)], absent)


def texts_at(text: memoryview, offsets: NDArray[Any], absent: NDArray[np.bool_]) -> Texts:
    """Return the texts of rows from one text, in which row n begins at ``offsets[n]``."""
    n = len(absent)
    buffers = pa.py_buffer(np.ascontiguousarray(offsets, np.int64)), pa.py_buffer(text)
    pool = pa.LargeStringArray.from_buffers(n, *buffers).cast(pa.string())
    return Texts(pool, np.where(absent, NOWHERE, np.arange(n)).astype(np.int32))


def key_of(name: str) -> str:
    """Return the JSON key of a member with its separators, e.g. ``,"P":``."""
    return f",{orjson.dumps(name).decode()}:"


def member(name: str, texts: Texts) -> tuple[str, Texts]:
    """Return the key to lay before a member's texts, and the texts.

    Fewer pieces are laid faster: texts that repeat are written anew with their key, and no key is
    left to lay.
    """
    if len(texts.pool) * REPEATED > len(texts.index):
        return key_of(name), texts
    return "", texts.between(key_of(name), "")


def lay_objects(
    before: Sequence[Texts],
    members: Sequence[tuple[str, Texts]],
    after: Sequence[Texts],
    n: int,
) -> tuple[memoryview, NDArray[np.int64], NDArray[np.int64]]:
    """Lay a JSON object a row, between the texts around it.

    Parameters
    ----------
    before, after : sequence of Texts
        Texts around the object; ``after`` begins with the closing brace.
    members : sequence of (str, Texts)
        As :func:`member` returns them.
    n : int
        Number of rows.

    Returns
    -------
    text : memoryview
        Text of all rows.
    offsets : ndarray of int64, shape (n + 1,)
        Start of each row, and the end of the last. [bytes]
    counts : ndarray of int64, shape (n,)
        Number of members of each object.

    Examples
    --------
    >>> a, b = always("0", 2), Texts(pa.array(["1"]), np.array([0, -1], np.int32))
    >>> members = [member("a", a), member("b", b)]
    >>> text, begins, counts = lay_objects([], members, [always("}", 2)], 2)
    >>> bytes(text), begins, counts
    (b'{"a":0,"b":1}{"a":0}', array([ 0, 13, 20]), array([2, 1]))
    """
    pieces = list(before)
    counts = np.zeros(n, np.int32)
    for key, texts in members:
        present = texts.index != NOWHERE
        pieces += [_where(present, key), texts] if key else [texts]
        counts += present
    if not counts.all():
        pieces.append(_where(counts == 0, "{"))
    pieces += after
    text, offsets = _lay(pieces, n)
    # Every member begins with a comma, whether or not it is the first of its row; the first byte of
    # a row then becomes the brace.
    text[offsets[len(before) : -1 : len(pieces)]] = ord("{")
    return text.data, offsets[:: len(pieces)].astype(np.int64), counts.astype(np.int64)


def _where(mask: NDArray[np.bool_], text: str) -> Texts:
    return Texts(pa.array([text], pa.string()), mask.astype(np.int32) - np.int32(1))


def _lay(pieces: Sequence[Texts], n: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Lay pieces side by side, row by row; return the text and the start of each piece."""
    longest = sum(pc.max(pc.binary_length(p.pool)).as_py() or 0 for p in pieces)
    wide = n * longest > MOST_BYTES
    kind, offset = (pa.large_string(), np.int64) if wide else (pa.string(), np.int32)
    index = np.empty((n, len(pieces)), np.int32)
    pools = []
    start = 0
    for number, piece in enumerate(pieces):
        # An empty text stands before each pool: index -1 leads there.
        pools += [pa.array([""], kind), piece.pool.cast(kind)]
        np.add(piece.index, start + 1, out=index[:, number], casting="unsafe")
        start += 1 + len(piece.pool)
    if not n:
        return np.zeros(0, np.uint8), np.zeros(1, offset)
    _, offsets, text = pa.concat_arrays(pools).take(pa.array(index.reshape(-1))).buffers()
    return np.frombuffer(text or b"", np.uint8), np.frombuffer(offsets, offset, index.size + 1)
