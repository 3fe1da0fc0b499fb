"""Rows of a file cut into the spans that are asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from .weights import Span

__all__ = ["in_lengths", "runs"]


def runs(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Yield runs of adjacent spans."""
    run: list[Span] = []
    for span in spans:
        if run and run[-1][1] != span[0]:
            yield run
            run = []
        run.append(span)
    if run:
        yield run


def in_lengths(batches: Iterable[pa.RecordBatch], run: list[Span]) -> Iterator[pa.Table]:
    """Join batches, which end with their row group, into a table for each of adjacent spans."""
    held: list[pa.RecordBatch] = []
    count = 0
    wanted = (stop - first for first, stop in run)
    length = next(wanted, None)
    for batch in batches:
        rest = batch
        while length is not None and count + rest.num_rows >= length:
            take = length - count
            yield pa.Table.from_batches([*held, rest.slice(0, take)])
            rest, held, count = rest.slice(take), [], 0
            length = next(wanted, None)
        if length is None:
            return
        if rest.num_rows:
            held.append(rest)
            count += rest.num_rows
