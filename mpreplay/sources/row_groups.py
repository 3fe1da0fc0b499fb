"""The row groups of a Parquet file: their rows, and those that may hold times of a window.

A shell: asks an open file about its metadata, and reads no page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
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
# Errors of pyarrow for unreadable files: its own, and Python's from its Python parts.
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


def groups_in(
    file: pq.ParquetFile, window: Window, time: str | None, keys: Mapping[str, frozenset[str]]
) -> Iterator[Span]:
    """Yield the rows of row groups that may hold times of the window and wanted keys, joined."""
    held: Span | None = None
    tests = list(_tests(file.metadata.schema, window, time, keys))
    for number, (first, stop) in enumerate(bounds_of(file.metadata)):
        if all(_may_hold(file, number, column, meets) for column, meets in tests):
            held = (first if held is None else held[0], stop)
        elif held is not None:
            yield held
            held = None
    if held is not None:
        yield held


def _tests(
    schema: Any, window: Window, time: str | None, keys: Mapping[str, frozenset[str]]
) -> Iterator[tuple[int, Callable[[Any], bool]]]:
    """Yield stored columns, each with what its statistics must meet."""
    if window != (None, None) and (column := _column_of(schema, time)) is not None:
        yield column, partial(_meets, window=window)
    for name, wanted in keys.items():
        if (column := _column_of(schema, name)) is not None:
            yield column, partial(_may_have, wanted=wanted)


def _column_of(schema: Any, time: str | None) -> int | None:
    """Return the stored column of the times, None for none and for a member that is named alike."""
    found = [n for n in leaves_of(schema, [time or ""]) if schema.column(n).path == time]
    return found[0] if len(found) == 1 else None


def _may_hold(file: pq.ParquetFile, group: int, column: int, meets: Callable[[Any], bool]) -> bool:
    try:
        prove(file, group, [column])
        one = file.metadata.row_group(group).column(column)
        return not one.is_stats_set or meets(one.statistics)
    except UNREADABLE:  # statistics that are no times, as year 10000
        return True


def _may_have(statistics: Any, wanted: frozenset[str]) -> bool:
    """Return True unless all keys of a column lie outside the wanted ones.

    A row without a key has no device that could be asked for.
    """
    if not statistics.has_min_max:  # as of a column of no values
        return not statistics.has_null_count or statistics.num_values > 0
    low, high = statistics.min, statistics.max
    if isinstance(low, str) and isinstance(high, str):  # in the order of their bytes, as Python's
        return any(low <= key <= high for key in wanted)
    if type(low) is int and type(high) is int:
        numbers = [int(key) for key in wanted if _WHOLE.fullmatch(key)]
        return any(low <= number <= high for number in numbers)
    return True


_WHOLE: Final = re.compile(r"-?\d{1,20}", re.ASCII)


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
