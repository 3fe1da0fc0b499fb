"""Bytes of the rows of a Parquet file, found before the rows are decoded.

A shell: reads the metadata, the dictionaries and, only where these leave it open, the texts and
arrays of a row group. A cell may stand once in a dictionary and in every row of the column, so that
the size of a file says nothing about its size in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .row_groups import opened
from .weights import NUMBER, SLAB_BYTES, row_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .source import Span

__all__ = ["Weights"]

_DICTIONARIES: Final = frozenset({"RLE_DICTIONARY", "PLAIN_DICTIONARY"})
# Encodings whose pages are at least as long as the values.
_PLAIN: Final = frozenset({"PLAIN", "RLE", "BIT_PACKED", "DELTA_LENGTH_BYTE_ARRAY"})
LONG: Final = 65_536  # texts of a dictionary from here on are not written out for weighing [bytes]


class Weights:
    """The bytes of a file's rows, as far as they may be too many for a slab.

    Parameters
    ----------
    path : Path, RemoteFile or HeldFile
        The file.
    n_rows : int
        Rows of a slab.
    names : iterable of str
        Columns that are read.
    """

    def __init__(self, path: Any, n_rows: int, names: Iterable[str]) -> None:
        self._path, self._n_rows = path, n_rows
        with opened(path) as file:
            self._metadata = file.metadata
            self._leaves = list(_leaves_of_no_size(file.metadata.schema, set(names)))
        groups = range(self._metadata.num_row_groups)
        sizes = [self._metadata.row_group(n).num_rows for n in groups]
        self._ends = np.cumsum([0, *sizes])
        self._bounds: dict[int, int] = {}
        self._weighed: dict[int, NDArray[np.int64]] = {}  # of the latest row groups

    def of(self, span: Span) -> NDArray[np.int64] | None:
        """Return the bytes of each row of a span; None if they cannot be too many."""
        first, stop = span
        groups = self._groups(first, stop)
        if not self._leaves or sum(map(self._bound, groups)) <= SLAB_BYTES:
            return None
        self._weighed = {g: self._weighed[g] for g in groups if g in self._weighed}
        for group in groups:
            if group not in self._weighed:
                self._weighed[group] = self._weigh(group)
        whole = np.concatenate([self._weighed[group] for group in groups])
        begin = int(self._ends[groups[0]])
        return whole[first - begin : stop - begin]

    def _groups(self, first: int, stop: int) -> list[int]:
        low = int(np.searchsorted(self._ends, first, side="right")) - 1
        high = int(np.searchsorted(self._ends, stop, side="left"))
        return [group for group in range(low, high) if self._ends[group] < self._ends[group + 1]]

    def _bound(self, group: int) -> int:
        """Return the most bytes that a slab's rows of a row group can have."""
        if group not in self._bounds:
            found = 0
            for leaf in self._leaves:
                found += self._leaf_bound(group, leaf)
                if found > SLAB_BYTES:
                    break
            self._bounds[group] = found
        return self._bounds[group]

    def _leaf_bound(self, group: int, leaf: int) -> int:
        column = self._metadata.row_group(group).column(leaf)
        is_repeated = self._metadata.schema.column(leaf).max_repetition_level
        if column.physical_type != "BYTE_ARRAY":
            return NUMBER * int(column.num_values)
        n = int(column.num_values) if is_repeated else min(self._n_rows, int(column.num_values))
        encodings = set(column.encodings)
        plain = int(column.total_uncompressed_size)
        if not encodings <= _PLAIN | _DICTIONARIES:
            return SLAB_BYTES + 1
        if not encodings & _DICTIONARIES or not n:
            return plain
        return n * self._longest(group, leaf) + plain if n * plain > SLAB_BYTES else n * plain

    def _longest(self, group: int, leaf: int) -> int:
        """Return the length of the longest text in the dictionary of a column."""
        path = self._metadata.schema.column(leaf).path
        for batch in self._read(group, [path], 1):
            return max((int(d.max()) for d in _dictionary_bytes(batch.column(0))), default=0)
        return 0

    def _weigh(self, group: int) -> NDArray[np.int64]:
        """Return the bytes of each row of a row group."""
        columns = self._metadata.row_group(group)
        weights = np.zeros(columns.num_rows, np.int64)
        for leaf in self._leaves:
            path = self._metadata.schema.column(leaf).path
            size = max(1, int(columns.column(leaf).total_uncompressed_size))
            most = max(1, min(self._n_rows, SLAB_BYTES * columns.num_rows // size))
            is_coded = bool(set(columns.column(leaf).encodings) & _DICTIONARIES)
            coded = [path] if is_coded and self._is_long(group, leaf) else []
            row = 0
            for batch in self._read(group, coded, most, path):
                weights[row : row + batch.num_rows] += row_bytes(batch.column(0))
                row += batch.num_rows
        return weights

    def _is_long(self, group: int, leaf: int) -> bool:
        is_text = self._metadata.schema.column(leaf).physical_type == "BYTE_ARRAY"
        return is_text and self._longest(group, leaf) >= LONG

    def _read(
        self, group: int, coded: list[str], most: int, path: str | None = None
    ) -> Iterator[Any]:
        """Yield the rows of one column of a row group; ``coded`` texts stay a dictionary."""
        with opened(self._path, read_dictionary=coded) as file:
            yield from file.iter_batches(
                most, [group], columns=[path or coded[0]], use_threads=False
            )


def _leaves_of_no_size(schema: Any, names: set[str]) -> Iterator[int]:
    """Yield the numbers of the stored columns whose cells have no fixed size."""
    heads = tuple(f"{name}." for name in names)
    for number in range(len(schema)):
        leaf = schema.column(number)
        is_named = leaf.path in names or leaf.path.startswith(heads)
        if is_named and (leaf.physical_type == "BYTE_ARRAY" or leaf.max_repetition_level):
            yield number


def _dictionary_bytes(column: Any) -> Iterator[NDArray[np.int64]]:
    """Yield the lengths of the texts in the dictionaries of a column or of its members."""
    kind = column.type
    if hasattr(column, "dictionary"):
        if len(column.dictionary):
            yield row_bytes(column.dictionary)
    elif hasattr(kind, "value_type") and hasattr(column, "values"):
        yield from _dictionary_bytes(column.values)
    elif hasattr(column, "field") and kind.num_fields:
        for number in range(kind.num_fields):
            yield from _dictionary_bytes(column.field(number))
