"""Rows of a Parquet file, counted against the promises of its footer.

A shell: reads the headers of pages. A reader of Parquet believes the footer: where it promises
fewer rows than the pages hold, the rest would be left out in silence.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from ..errors import HistoryError
from .pages import Page, read_page

__all__ = ["Counts", "check_footer", "disagreement"]

# Bytes in which a page's header is looked for; a header with long statistics is rare.
_HEADS: Final = (256, 65_536)


def disagreement(path: Path, one: str, promised: int, other: str, held: int) -> HistoryError:
    """Return the error of two counts that differ."""
    return HistoryError(
        f"{path}: {one} {promised:,} rows, {other} {held:,}: the file is damaged, or was not "
        "written to its end; nothing of it can be trusted, so write it anew"
    )


def check_footer(path: Path, metadata: Any) -> None:
    """Raise unless the row groups of a file have the rows of the whole, in this file."""
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    if sum(sizes) != metadata.num_rows or min(sizes, default=0) < 0:
        raise disagreement(
            path, "the footer promises", metadata.num_rows, "its row groups", sum(sizes)
        )
    if sizes and metadata.num_columns and metadata.row_group(0).column(0).file_path:
        raise HistoryError(
            f"{path}: a summary of other Parquet files, without rows of its own; give their folder"
        )


class Counts:
    """The counts of a file's columns; each column of a row group is counted once.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._exact: dict[tuple[int, int], bool] = {}

    def parts(
        self, file: BinaryIO, metadata: Any, groups: list[int], names: Iterable[str]
    ) -> list[list[int]]:
        """Return the row groups to read at once, in order.

        A column with fewer values than promised would go on with those of the next row group, so
        that only row groups whose pages have exactly their rows are read at once.

        Raises
        ------
        HistoryError
            If a column has other counts than its row group.
        """
        leaves = list(_leaves(metadata.schema, names))
        known = [self._counted(file, metadata, g, n) for g in groups for n in leaves]
        return [groups] if all(known) else [[group] for group in groups]

    def _counted(self, file: BinaryIO, metadata: Any, group: int, number: int) -> bool:
        """Return True if the pages of a column show exactly the rows of their row group."""
        if (known := self._exact.get((group, number))) is not None:
            return known
        n_rows = metadata.row_group(group).num_rows
        exact = bool(metadata.schema.column(number).max_repetition_level == 0)
        if exact:  # one value a row
            column = metadata.row_group(group).column(number)
            in_pages = _values_in_pages(file, column)
            for n_values in (column.num_values, max(in_pages, n_rows)):
                if n_values != n_rows:
                    what = f"its column {column.path_in_schema!r} holds"
                    one = f"row group {group} promises"
                    raise disagreement(self.path, one, n_rows, what, n_values)
            exact = in_pages == n_rows
        self._exact[group, number] = exact
        return exact


def _leaves(schema: Any, names: Iterable[str]) -> Iterator[int]:
    """Yield the numbers of the stored columns that belong to columns of these names."""
    wanted = set(names)
    heads = tuple(f"{name}." for name in wanted)
    for number in range(len(schema)):
        path = schema.column(number).path
        if path in wanted or path.startswith(heads):
            yield number


def _values_in_pages(file: BinaryIO, column: Any) -> int:
    """Return the number of values in the pages of a column, as far as their headers tell."""
    at = column.data_page_offset
    end = min(at, column.dictionary_page_offset or at) + column.total_compressed_size
    n_values = 0
    while at < end and (page := _page_at(file, at, end)):
        n_values += page.n_values or 0
        at += page.length
    return n_values


def _page_at(file: BinaryIO, at: int, end: int) -> Page | None:
    for size in _HEADS:
        if page := read_page(os.pread(file.fileno(), min(size, end - at), at)):
            return page
    return None
