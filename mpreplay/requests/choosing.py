"""Some values of a chunk, as parts of their own, and the order in which values are separated.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..values.plain_text import plain_texts
from .encoding import encode_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.device import Device
    from ..values.typed_column import TypedColumn
    from .chunk import Chunk, ProductSlab
    from .entries import Entries

__all__ = ["Choice", "Spans", "all_of", "chosen_of", "none_of", "orders", "singles_of"]

Spans = list[tuple["ProductSlab", int, int]]
# For each span of a chunk, and each column of its part: a mask of the chosen values.
Choice = list[list["NDArray[np.bool_]"]]


def orders(
    chunk: Chunk,
) -> Iterator[tuple[int, int, NDArray[np.int64], NDArray[np.float64] | None]]:
    """Yield span, column and places of the column's values, in ascending order of the values.

    Last, the values in this order as numbers, of texts the lengths; None if they have no sizes.
    """
    for number, (part, start, stop) in enumerate(chunk.spans):
        for column, cells in enumerate(part.entries.cells):
            places = np.flatnonzero(cells[start:stop] >= 0)
            if len(places):
                chosen = cells[start:stop][places]
                order, sizes = _order(part.readings.columns[column], chosen)
                yield number, column, places[order], sizes


def _order(
    column: TypedColumn, positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Return the order of some values: by number, else by length and text; misfits last."""
    kind = column.values.type
    has_sizes = not pa.types.is_boolean(kind)
    if pa.types.is_timestamp(kind) or pa.types.is_boolean(kind):
        kind = pa.int64()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = column.values.take(pa.array(positions)).cast(kind)
        numbers = values.to_numpy(zero_copy_only=False).astype(float)
        order = np.argsort(numbers, kind="stable")
        return order, numbers[order] if has_sizes else None
    texts = plain_texts(column, positions)
    order = np.array(sorted(range(len(texts)), key=lambda n: (len(texts[n]), texts[n])), np.int64)
    return order, np.array([len(texts[n]) for n in order.tolist()], float)


def none_of(chunk: Chunk) -> Choice:
    """Return a choice of no value."""
    return [
        [np.zeros(stop - start, bool) for _ in part.entries.cells]
        for part, start, stop in chunk.spans
    ]


def all_of(chunk: Chunk) -> Choice:
    """Return a choice of all values."""
    return [
        [cells[start:stop] >= 0 for cells in part.entries.cells]
        for part, start, stop in chunk.spans
    ]


def chosen_of(chunk: Chunk, choice: Choice, own: Device) -> Spans:
    """Return spans that hold the chosen values of a chunk and nothing else."""
    spans = []
    for (part, start, stop), masks in zip(chunk.spans, choice, strict=True):
        filled = np.logical_or.reduce(masks)
        if filled.any():
            narrowed = _narrowed(part, start, stop, masks, np.flatnonzero(filled), own)
            spans.append((narrowed, 0, int(filled.sum())))
    return spans


def singles_of(chunk: Chunk, own: Device) -> list[Spans]:
    """Return spans for each value of a chunk alone, in the order of points and values.

    The values of a product's part are entries of one part, each of one value, written together.
    """
    ranked: dict[int, list[tuple[int, NDArray[np.int64]]]] = {}
    for number, column, order, _ in orders(chunk):
        ranked.setdefault(number, []).append((column, order))
    found: list[Spans] = []
    for number, columns in ranked.items():
        part, start, _ = chunk.spans[number]
        alone = _one_by_one(part, [(column, order + start) for column, order in columns], own)
        found += [[(alone, n, n + 1)] for n in range(len(alone.entries.time))]
    return found


def _one_by_one(
    part: ProductSlab, columns: list[tuple[int, NDArray[np.int64]]], own: Device
) -> ProductSlab:
    """Return a part with an entry for each of some values, given as the entries of columns."""
    entries = part.entries
    entry = np.concatenate([some for _, some in columns])
    cells = [np.full(len(entry), -1, np.int64) for _ in entries.cells]
    begin = 0
    homes: dict[tuple[int, int], int] = {}
    for column, some in columns:
        cells[column][begin : begin + len(some)] = entries.cells[column][some]
        if entries.copies:
            homes |= {(column, one): n for n, one in enumerate(some.tolist(), begin)}
        begin += len(some)
    copies = [
        copy._replace(entry=homes[copy.column, copy.entry])
        for copy in entries.copies
        if (copy.column, copy.entry) in homes
    ]
    alone = replace(
        entries,
        device=entries.device[entry],
        time=entries.time[entry],
        cells=cells,
        copies=sorted(copies),
    )
    return replace(part, entries=alone, encoded=encode_entries(_compact(alone), own))


def _narrowed(
    part: ProductSlab,
    start: int,
    stop: int,
    masks: list[NDArray[np.bool_]],
    kept: NDArray[np.int64],
    own: Device,
) -> ProductSlab:
    """Return a product's part reduced to some entries, and to some values of these."""
    entries = part.entries
    cells = [
        np.where(mask, cell[start:stop], -1)[kept]
        for mask, cell in zip(masks, entries.cells, strict=True)
    ]
    home = np.full(stop - start, -1, np.int64)
    home[kept] = np.arange(len(kept))
    narrowed = replace(
        entries,
        device=entries.device[start:stop][kept],
        time=entries.time[start:stop][kept],
        cells=cells,
        copies=[
            copy._replace(entry=int(home[copy.entry - start]))
            for copy in part.copies(start, stop)
            if masks[copy.column][copy.entry - start]
        ],
    )
    return replace(part, entries=narrowed, encoded=encode_entries(_compact(narrowed), own))


def _compact(entries: Entries) -> Entries:
    """Return entries without the other values of their columns, so that writing a few is quick."""
    columns, cells = [], []
    for column, places in zip(entries.readings.columns, entries.cells, strict=True):
        there = places >= 0
        if not there.any():
            continue  # neither its name nor a value is written
        columns.append(column.taken(places[there]))
        cells.append(np.where(there, np.cumsum(there) - 1, -1))
    return replace(entries, readings=replace(entries.readings, columns=columns), cells=cells)
