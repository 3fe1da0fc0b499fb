"""Pieces of text, to be laid side by side.

Pure. Pieces lie in a pool, and an index gives the piece of each row; one ``take`` writes the text
of all rows. A piece may be in some rows only: dense and sparse rows share one path, and no Python
object is made for a piece or a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "NOWHERE",
    "Member",
    "Texts",
    "always",
    "key_of",
    "laid",
    "laid_texts",
    "lay_objects",
    "texts_at",
]

NOWHERE: Final = -1
MOST_BYTES: Final = 2**31 - 1  # reached by 32-bit offsets
# Share of places with a piece, below which empty places are left out.
SPARSE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: ``pool[index[n]]`` in row n, absent where the index is -1."""

    pool: pa.Array
    index: NDArray[np.int32]

    def lengths(self) -> NDArray[np.int64]:
        """Return the length of each row's text, in bytes; 0 where absent."""
        return np.append(_sizes(self.pool).astype(np.int64), 0)[self.index]

    def array(self) -> pa.Array:
        """Return the text of each row, null where absent."""
        return self.pool.take(pa.array(self.index, mask=self.index == NOWHERE))

    def taken(self, positions: NDArray[np.int64]) -> Texts:
        """Return the texts of some rows, in the order of the positions."""
        return Texts(self.pool, self.index[positions])

    def spread(self, positions: NDArray[np.int64], n: int) -> Texts:
        """Return the texts in n rows: at the positions, and absent from all others."""
        index = np.full(n, NOWHERE, np.int32)
        index[positions] = self.index
        return Texts(self.pool, index)


class Member(NamedTuple):
    """A member of objects: its texts, key included, as pieces to lay side by side.

    Parameters
    ----------
    pieces : sequence of Texts
        A text for each row that has the member. The first begins with :func:`key_of` the member.
    rows : ndarray of int64, optional
        The rows that have it, in ascending order; None: all.
    """

    pieces: Sequence[Texts]
    rows: NDArray[np.int64] | None = None


def always(text: str, n: int) -> Texts:
    """Return the same text for each of n rows."""
    return Texts(pa.array([text], pa.string()), np.zeros(n, np.int32))


def laid(pieces: Sequence[Texts]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Lay pieces side by side, row by row; return the text, and the start of each row with the end.

    The text may be written to.
    """
    n = len(pieces[0].index)
    parts = [(one, None) if one.index.min(initial=0) >= 0 else _in_some(one) for one in pieces]
    text, offsets, starts = _lay(parts, n)
    return text, offsets[starts]


def laid_texts(pieces: Sequence[Texts], absent: NDArray[np.bool_] | None = None) -> Texts:
    """Lay pieces side by side into one text a row.

    Examples
    --------
    >>> letters = Texts(pa.array(["b", "c"]), np.array([1, -1, 0], np.int32))
    >>> laid_texts([always("a", 3), letters], np.array([False, False, True])).array().to_pylist()
    ['ac', 'a', None]
    """
    text, offsets = laid(pieces)
    return texts_at(text.data, offsets, absent)


def _in_some(texts: Texts) -> tuple[Texts, NDArray[np.int64]]:
    rows = np.flatnonzero(texts.index >= 0)
    return texts.taken(rows), rows


def texts_at(
    text: memoryview, offsets: NDArray[Any], absent: NDArray[np.bool_] | None = None
) -> Texts:
    """Return the texts of rows from one text, in which row n begins at ``offsets[n]``."""
    n = len(offsets) - 1
    index = np.arange(n, dtype=np.int32)
    if absent is not None:
        index[absent] = NOWHERE
    narrow = int(offsets[-1]) <= MOST_BYTES
    kind, width = (pa.StringArray, np.int32) if narrow else (pa.LargeStringArray, np.int64)
    buffers = pa.py_buffer(np.ascontiguousarray(offsets, width)), pa.py_buffer(text)
    return Texts(kind.from_buffers(n, *buffers), index)


def key_of(name: str) -> str:
    """Return the JSON key of a member with its separators, e.g. ``,"P":``."""
    return f",{orjson.dumps(name).decode()}:"


def lay_objects(
    before: Sequence[Texts],
    members: Sequence[Member],
    after: Sequence[Texts],
    n: int,
) -> tuple[memoryview, NDArray[np.int64], NDArray[np.int64]]:
    """Lay a JSON object a row, between the texts around it.

    Parameters
    ----------
    before, after : sequence of Texts
        Texts around the object, none absent; ``after`` begins with the closing brace.
    members : sequence of Member
        The members of the objects.
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
    >>> a = Member([always(',"a":0', 2)])
    >>> b = Member([always(',"b":', 1), always("1", 1)], np.array([0]))
    >>> text, begins, counts = lay_objects([], [a, b], [always("}", 2)], 2)
    >>> bytes(text), begins, counts
    (b'{"a":0,"b":1}{"a":0}', array([ 0, 13, 20]), array([2, 1]))
    """
    counts = np.zeros(n, np.int64)
    parts: list[tuple[Texts, NDArray[np.int64] | None]] = [(texts, None) for texts in before]
    for pieces, rows in members:
        parts += [(texts, rows) for texts in pieces]
        if rows is None:
            counts += 1
        else:
            counts[rows] += 1
    if not counts.all():
        empty = np.flatnonzero(counts == 0)
        parts.append((always("{", len(empty)), empty))
    parts += [(texts, None) for texts in after]
    text, offsets, starts = _lay(parts, n)
    # Every member begins with a comma, whether or not it is the first of its row; the first byte of
    # a row then becomes the brace.
    text[offsets[starts[:-1] + len(before)]] = ord("{")
    return text.data, offsets[starts].astype(np.int64), counts


def _lay(
    parts: Sequence[tuple[Texts, NDArray[np.int64] | None]], n: int
) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.int64]]:
    """Lay pieces side by side, row by row, each in its rows; None: in all.

    Return the text, the start of each place for a piece, and the first place of each row.
    """
    longest = sum(int(_sizes(texts.pool).max(initial=0)) for texts, _ in parts)
    wide = n * longest > MOST_BYTES
    kind, offset = (pa.large_string(), np.int64) if wide else (pa.string(), np.int32)
    n_held = sum(n if rows is None else len(rows) for _, rows in parts)
    is_sparse = n_held < SPARSE * n * len(parts)
    index, starts = (_sparse if is_sparse else _dense)(parts, n)
    if not len(index):
        return np.zeros(0, np.uint8), np.zeros(len(index) + 1, offset), starts
    # An empty text stands first: places without a piece lead there.
    pool = pa.concat_arrays([pa.array([""], kind), *(texts.pool.cast(kind) for texts, _ in parts)])
    _, offsets, text = pc.take(pool, pa.array(index), boundscheck=False).buffers()
    return np.frombuffer(text or b"", np.uint8), np.frombuffer(offsets, offset), starts


def _dense(
    parts: Sequence[tuple[Texts, NDArray[np.int64] | None]], n: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the index of the text at each place, one place for each piece in each row."""
    index = np.empty((n, len(parts)), np.int32)
    first = 1
    for number, (texts, rows) in enumerate(parts):
        if rows is None:
            np.add(texts.index, first, out=index[:, number], casting="unsafe")
        else:
            index[:, number] = 0
            index[rows, number] = texts.index + first
        first += len(texts.pool)
    return index.reshape(-1), np.arange(n + 1) * len(parts)


def _sparse(
    parts: Sequence[tuple[Texts, NDArray[np.int64] | None]], n: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the index of the text at each place, without places for absent pieces."""
    counts = np.zeros(n, np.int64)
    for _, rows in parts:
        if rows is None:
            counts += 1
        else:
            counts[rows] += 1
    starts = np.concatenate([[0], np.cumsum(counts)])
    index = np.empty(starts[-1], np.int32)
    place = starts[:-1].copy()
    first = 1
    for texts, rows in parts:
        if rows is None:
            index[place] = texts.index + first
            place += 1
        else:
            index[place[rows]] = texts.index + first
            place[rows] += 1
        first += len(texts.pool)
    return index, starts


def _sizes(pool: pa.Array) -> NDArray[Any]:
    """Return the length of each text, in bytes; of null, of whatever length."""
    buffers = pool.buffers()
    if not len(pool):
        return np.zeros(0, np.int32)
    kind = np.int64 if pa.types.is_large_string(pool.type) else np.int32
    return np.diff(np.frombuffer(buffers[1], kind)[pool.offset : pool.offset + len(pool) + 1])
