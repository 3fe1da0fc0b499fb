"""Taking a chunk apart: in two by value count, between entries where it can, else between points.

Pure and repeatable: the same chunk always falls into the same parts, so that a path of halves
names a part for good (``"5/0/1"``: the second half of the first half of chunk 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .encoding import encode_entries
from .preparing import Chunk, Part

if TYPE_CHECKING:
    from .readings import Device

__all__ = ["chunk_at", "divide"]


def divide(chunk: Chunk, own: Device) -> tuple[Chunk, Chunk]:
    """Cut a chunk in two.

    Parameters
    ----------
    chunk : Chunk
        With at least two values.
    own : Device
        The connection's own device.

    Returns
    -------
    tuple of Chunk
        Together they carry what the chunk carried, in its order.
    """
    counts = np.concatenate([part.encoded.n_values[a:b] for part, a, b in chunk.spans])
    if len(counts) > 1:
        before = np.cumsum(counts)[:-1]
        at = int(np.abs(before - before[-1] / 2 - counts[-1] / 2).argmin()) + 1
        halves = _spans(chunk, 0, at), _spans(chunk, at, len(counts))
    else:
        halves = _halves_of_entry(chunk, own)
    first, second = (
        replace(chunk, spans=spans, path=f"{chunk.path}/{n}") for n, spans in enumerate(halves)
    )
    return first, second


def chunk_at(chunks: Sequence[Chunk], path: str, own: Device) -> Chunk:
    """Return the chunk or part of a chunk that a path names, of the chunks of its slab.

    Raises
    ------
    LookupError
        If the slab has no such chunk.
    """
    number, *turns = path.split("/")
    chunk = chunks[int(number)]
    for turn in turns:
        chunk = divide(chunk, own)[int(turn)]
    return chunk


def _spans(chunk: Chunk, start: int, stop: int) -> list[tuple[Part, int, int]]:
    """Return the entries [start, stop) of a chunk, counted over its spans."""
    found = []
    begin = 0
    for part, a, b in chunk.spans:
        end = begin + b - a
        low, high = max(start, begin), min(stop, end)
        if low < high:
            found.append((part, a + low - begin, a + high - begin))
        begin = end
    return found


def _halves_of_entry(
    chunk: Chunk, own: Device
) -> tuple[list[tuple[Part, int, int]], list[tuple[Part, int, int]]]:
    """Return the one entry of a chunk as two, each with half of its points."""
    part, entry, _ = chunk.spans[0]
    columns = [n for n, cells in enumerate(part.entries.cells) if cells[entry] >= 0]
    half = len(columns) // 2
    first, second = (
        [(_narrowed(part, entry, set(chosen), own), 0, 1)]
        for chosen in (columns[:half], columns[half:])
    )
    return first, second


def _narrowed(part: Part, entry: int, columns: set[int], own: Device) -> Part:
    """Return a part with one entry, and of that some columns only."""
    entries = part.entries
    one = slice(entry, entry + 1)
    narrowed = replace(
        entries,
        device=entries.device[one],
        time=entries.time[one],
        cells=[
            cells[one] if n in columns else np.full(1, -1, np.int64)
            for n, cells in enumerate(entries.cells)
        ],
        copies=[
            copy._replace(entry=0)
            for copy in entries.copies
            if copy.entry == entry and copy.column in columns
        ],
    )
    return replace(part, entries=narrowed, encoded=encode_entries(narrowed, own))
