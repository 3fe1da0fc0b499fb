"""The row groups of a Parquet file: their rows, and those that may hold times of a window.

A shell: asks an open file about its metadata, and reads no page.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..cells.epoch import EPOCH, MILLISECOND
from ..files.counting import leaves_of, prove

if TYPE_CHECKING:
    from .source import Span, Window

__all__ = ["UNREADABLE", "bounds_of", "groups_in", "groups_of", "opened"]

PIECE: Final = 1_048_576  # bytes of a column that are asked of a store at once
# What pyarrow raises for files that it cannot read: its own errors, and those of its Python parts.
UNREADABLE: Final = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    RecursionError,
)


@contextmanager
def opened(path: Any, **options: Any) -> Iterator[pq.ParquetFile]:
    """Yield a file, read in little memory and of a store in few pieces.

    Memory-mapping, pre-buffering and threads make memory grow with the file.
    """
    options |= {"pre_buffer": False, "memory_map": False}
    if isinstance(path, Path):
        with pq.ParquetFile(path, buffer_size=65_536, **options) as file:
            yield file
        return
    with path.open("rb") as raw, pq.ParquetFile(raw, buffer_size=PIECE, **options) as file:
        yield file


def bounds_of(metadata: Any) -> list[Span]:
    """Return the rows of each row group."""
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    return list(pairwise([0, *accumulate(sizes)]))


def groups_of(metadata: Any, span: Span) -> list[int]:
    """Return the row groups with rows of a span."""
    first, stop = span
    return [n for n, (a, b) in enumerate(bounds_of(metadata)) if a < stop and b > first]


def groups_in(file: pq.ParquetFile, window: Window, time: str | None) -> Iterator[Span]:
    """Yield the rows of row groups that may hold times of the window, neighbours joined."""
    held: Span | None = None
    column = None if window == (None, None) else _column_of(file.metadata.schema, time)
    for number, (first, stop) in enumerate(bounds_of(file.metadata)):
        if column is None or _may_hold(file, number, column, window):
            held = (first if held is None else held[0], stop)
        elif held is not None:
            yield held
            held = None
    if held is not None:
        yield held


def _column_of(schema: Any, time: str | None) -> int | None:
    """Return the stored column of the times, None for none and for a member that is named alike."""
    found = [n for n in leaves_of(schema, [time or ""]) if schema.column(n).path == time]
    return found[0] if len(found) == 1 else None


def _may_hold(file: pq.ParquetFile, group: int, column: int, window: Window) -> bool:
    try:
        prove(file, group, [column])
        one = file.metadata.row_group(group).column(column)
        return not one.is_stats_set or _meets(one.statistics, window)
    except UNREADABLE:  # statistics that are no times, as year 10000
        return True


def _meets(statistics: Any, window: Window) -> bool:
    """Return True unless all times of a column lie outside the window."""
    if statistics.null_count != 0:  # a row without a time is a violation, wherever it stands
        return True
    if not statistics.has_min_max or not hasattr(statistics.min, "timestamp"):
        return True
    if statistics.min.tzinfo is None:  # a naive time means what tz= says; leave it to the rows
        return True
    # Rounded down as the rows' own times are, so that both agree at the window's edges.
    low, high = ((t - EPOCH) // MILLISECOND for t in (statistics.min, statistics.max))
    start, end = window
    return (start is None or high >= start) and (end is None or low < end)
