"""Rows of a Parquet file, counted against the promises of its footer.

A shell: reads the headers of pages. A reader of Parquet believes the footer: where it promises
fewer rows than the pages hold, the rest would be left out in silence.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..errors import HistoryError
from .pages import Page, read_page
from .reading import At

__all__ = ["LARGEST", "Counts", "check_footer", "disagreement", "leaves_of", "prove"]

# Files that Spark and others write beside the files of a folder.
_SUMMARIES: Final = frozenset({"_metadata", "_common_metadata"})
_TAIL: Final = 8  # length of the footer, and the last mark [bytes]
_SIGNATURE: Final = 28  # nonce and tag behind a footer in plain text; parquet-format, Encryption
# Most bytes of a page, unpacked; writers end them at 1 MB (Arrow, Spark) to 100 MB (DuckDB).
LARGEST: Final = 268_435_456
# Bytes in which a page's header is looked for; a header with long statistics is rare.
_HEADS: Final = (256, 65_536)


def disagreement(path: Any, one: str, promised: int, other: str, held: int) -> HistoryError:
    """Return the error of two counts that differ."""
    return HistoryError(
        f"{path}: {one} {promised:,} rows, {other} {held:,}: the file is damaged, or was not "
        "written to its end; nothing of it can be trusted, so write it anew"
    )


def check_footer(path: Any, metadata: Any) -> None:
    """Raise unless the row groups of a file have the rows of the whole, in this file."""
    if path.name in _SUMMARIES:
        raise HistoryError(
            f"{path}: a summary of other Parquet files, without rows of its own; give their folder"
        )
    with path.open("rb") as file:
        file.seek(-_TAIL, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
    if length == metadata.serialized_size + _SIGNATURE:
        raise HistoryError(
            f"{path}: the footer is signed, so columns are encrypted; read the file with pyarrow "
            "and its keys, and pass the table"
        )
    if length != metadata.serialized_size:
        raise HistoryError(
            f"{path}: the footer has {length:,} bytes, and is complete with "
            f"{metadata.serialized_size:,}: the file is damaged; write it anew"
        )
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    if sum(sizes) != metadata.num_rows or min(sizes, default=0) < 0:
        raise disagreement(
            path, "the footer promises", metadata.num_rows, "its row groups", sum(sizes)
        )


def prove(file: Any, group: int, columns: list[int]) -> None:
    """Raise what pyarrow has against some columns of a row group; no page is read.

    To be called before pyarrow is asked about them: for unknown columns, such as encrypted ones
    below a plain footer, the question would end the process.
    """
    for _ in file.reader.iter_batches(0, [group], columns, use_threads=False):
        pass


class Counts:
    """The counts of a file's columns; each column of a row group is counted once.

    Parameters
    ----------
    path : Path, RemoteFile or HeldFile
        The file.
    """

    def __init__(self, path: Any) -> None:
        self.path = path
        self._exact: dict[tuple[int, int], bool] = {}

    def parts(self, file: Any, raw: At, groups: list[int], names: Iterable[str]) -> list[list[int]]:
        """Return the row groups to read at once, in order.

        A column with fewer values than promised would continue into the next row group, so row
        groups are read at once only if their pages have exactly their rows.

        Raises
        ------
        HistoryError
            If a column has other counts than its row group.
        """
        leaves = list(leaves_of(file.metadata.schema, names))
        for group in groups:
            if new := [leaf for leaf in leaves if (group, leaf) not in self._exact]:
                prove(file, group, new)
                for leaf in new:
                    self._exact[group, leaf] = self._counted(raw, file.metadata, group, leaf)
        known = (self._exact[group, leaf] for group in groups for leaf in leaves)
        return [groups] if all(known) else [[group] for group in groups]

    def _counted(self, file: At, metadata: Any, group: int, number: int) -> bool:
        """Return True if the pages of a column show exactly the rows of their row group."""
        n_rows = metadata.row_group(group).num_rows
        column = metadata.row_group(group).column(number)
        exact = bool(metadata.schema.column(number).max_repetition_level == 0)
        if exact or column.total_uncompressed_size > LARGEST:
            n_values, largest = _pages_of(file, column)
            if largest > LARGEST:
                raise self._too_large(group, column, largest)
        if exact:  # one value a row
            for found in (column.num_values, max(n_values, n_rows)):
                if found != n_rows:
                    what = f"its column {column.path_in_schema!r} holds"
                    one = f"row group {group} promises"
                    raise disagreement(self.path, one, n_rows, what, found)
            exact = n_values == n_rows
        return exact

    def _too_large(self, group: int, column: Any, n_bytes: int) -> HistoryError:
        return HistoryError(
            f"{self.path}: row group {group}, column {column.path_in_schema!r}: a page has "
            f"{n_bytes / 1e6:,.0f} MB when it is unpacked, and must fit in memory; write the file "
            f"with pages below {LARGEST / 1e6:,.0f} MB, or leave the column out"
        )


def leaves_of(schema: Any, names: Iterable[str]) -> Iterator[int]:
    """Yield the numbers of the stored columns that belong to columns of these names."""
    wanted = set(names)
    heads = tuple(f"{name}." for name in wanted)
    for number in range(len(schema)):
        path = schema.column(number).path
        if path in wanted or path.startswith(heads):
            yield number


def _pages_of(file: At, column: Any) -> tuple[int, int]:
    """Return the values in the pages of a column and the size of the largest, by their headers."""
    at = column.data_page_offset
    first = min(at, column.dictionary_page_offset or at)
    end = first + column.total_compressed_size
    if column.total_uncompressed_size > LARGEST:  # perhaps in the dictionary
        at = first
    n_values = largest = 0
    while at < end and (page := _page_at(file, at, end)):
        n_values += page.n_values or 0
        largest = max(largest, page.size)
        at += page.length
    return n_values, largest


def _page_at(file: At, at: int, end: int) -> Page | None:
    for size in _HEADS:
        if page := read_page(file(min(size, end - at), at)):
            return page
    return None
