"""Streams: batches that come once, of readers, queries and iterators.

A shell: takes the first item of an iterator, to know its columns.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from ..errors import HistoryError
from ..errors.arguments import kind_of, without_credentials
from ..sources.source import first_line, names_of
from .capsules import reader_of, table_of

__all__ = ["Stream", "as_table", "failed", "items_of", "reader_stream", "relation_stream"]

# Streams whose rows are read or being read, and first items of the unread streams.
_BEGUN: Final[weakref.WeakValueDictionary[int, Any]] = weakref.WeakValueDictionary()
_FIRST: Final[weakref.WeakKeyDictionary[Any, Any]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Stream:
    """Batches that come once.

    Parameters
    ----------
    batches : callable
        Begins the stream: returns its batches, as frames and tables.
    columns : list of str
        Names of the columns.
    schema : Schema, optional
        Types of the columns, if they are known before the first batch.
    time_from_index : bool, optional
        True if the batches are DataFrames whose index is the time.
    may_be_empty : bool, optional
        False if a stream without a batch was read before, most likely.
    """

    batches: Callable[[], Iterator[Any]]
    columns: list[str]
    schema: pa.Schema | None = None
    time_from_index: bool = False
    may_be_empty: bool = True


def reader_stream(reader: pa.RecordBatchReader, name: str) -> Stream:
    """Return the stream of a reader of batches."""
    _check_unread(reader, name)
    schema = reader.schema
    return Stream(lambda: _begun(reader, name), names_of(schema, name), schema, may_be_empty=False)


def relation_stream(relation: Any, name: str) -> Stream:
    """Return the stream of a query, which is run when its rows are needed.

    An open result would be in the way of other queries of the same connection.
    """
    schema = reader_of(relation.limit(0)).schema
    return Stream(lambda: iter(reader_of(relation)), names_of(schema, name), schema)


def items_of(items: Iterator[Any], name: str, *, by_index: bool) -> Stream:
    """Return the stream of an iterator, whose first item tells the columns.

    Raises
    ------
    HistoryError
        If there is no item, or the first is no frame, table or batch.
    """
    _check_unread(items, name)
    try:
        first = _first(items)
    except StopIteration:
        raise HistoryError(
            f"{name}: there is no batch: it is empty, or was read before. It gives its batches "
            "once only: make it anew and pass it unread",
            argument="source",
            value=items,
        ) from None
    except Exception as error:
        raise failed(name, 1, error) from error
    table = as_table(first, name, 1)
    is_frame = isinstance(table, pd.DataFrame)
    columns = list(table.columns) if is_frame else names_of(table.schema, name)
    by_index = by_index and is_frame
    return Stream(lambda: chain([first], _begun(items, name)), columns, time_from_index=by_index)


def _first(items: Iterator[Any]) -> Any:
    """Return the first item, also if it was taken before, for a call that failed."""
    try:
        weakref.ref(items)
    except TypeError:  # nothing can be noted of it
        return next(items)
    if items not in _FIRST:
        _FIRST[items] = next(items)
    return _FIRST[items]


def _begun(stream: Any, name: str) -> Iterator[Any]:
    """Return the rest of a stream, and note that it is read from now on."""
    _check_unread(stream, name)
    with suppress(TypeError):
        _BEGUN[id(stream)] = stream
        _FIRST.pop(stream, None)
    return iter(stream)


def _check_unread(stream: Any, name: str) -> None:
    if _BEGUN.get(id(stream)) is stream:
        raise HistoryError(
            f"{name}: its rows were read by another history, and come once only: use that history "
            "again, or make the stream anew",
            argument="source",
            value=stream,
        )


def as_table(item: Any, name: str, number: int) -> pd.DataFrame | pa.Table:
    """Return an item of a stream as a DataFrame or a table.

    Raises
    ------
    HistoryError
        If it is neither, nor a frame of another library.
    """
    table = table_of(item)
    if table is None:
        is_path = isinstance(item, str | os.PathLike)
        raise HistoryError(
            f"{name}: batch {number} is {kind_of(item)}; expected a DataFrame, an Arrow table or "
            "batch, or another frame with __arrow_c_stream__"
            f"{'. Of files pass a list of their paths' if is_path else ''}",
            argument="source",
            value=item,
        )
    if isinstance(table, pd.DataFrame) and isinstance(table.columns, pd.MultiIndex):
        raise HistoryError(
            f"{name}: batch {number} has several levels of columns; flatten them first, for "
            "example with frame.columns.map('.'.join)"
        )
    return table


def failed(name: str, number: int, error: Exception) -> HistoryError:
    """Return the error of a stream whose batch could not be had."""
    why = without_credentials(first_line(error))
    return HistoryError(
        f"{name}: batch {number} failed ({type(error).__name__}: {why}); none of its rows is used. "
        "Mend what gives the batches, make it anew, and call read_history again"
    )
