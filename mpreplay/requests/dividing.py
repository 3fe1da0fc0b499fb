"""Division of a chunk: the ways to cut it, and the parts of each way.

Pure and repeatable: the same chunk always falls into the same parts, so a row of turns
(``Chunk.cuts``) names a part for good. ``"5/d0/v1"`` is the second half, by points and values, of
the first half, by devices, of chunk 5.

======== ==========================================================================================
turns    parts
======== ==========================================================================================
0 1      halves by value count: between devices if possible, else between entries, else points
d0 d1    halves between devices
v0 v1    halves in the order of points and, within a point, of values: values outside a range lie at
         an end of the order, so that few cuts separate them from the rest
g s      good values by the model check, and suspects
x y      values far from all others of their point, and the others
n3       value number 3 in the order of points and values
-2.5     all but the devices number 2 and 5
+2p +2q  the first entry of device number 2, and its other entries
======== ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .choosing import all_of, chosen_of, none_of, orders, singles_of
from .far_values import FAR, far_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.device import Device
    from .choosing import Spans
    from .chunk import Chunk, ProductSlab

__all__ = [
    "chunk_at",
    "devices_of",
    "divide",
    "divide_devices",
    "divide_far",
    "divide_singly",
    "divide_suspects",
    "divide_values",
    "is_even",
    "is_suspected",
    "levels_of",
    "set_devices_aside",
]


def divide(chunk: Chunk, own: Device) -> tuple[Chunk, Chunk]:
    """Cut a chunk in two by value count.

    Parameters
    ----------
    chunk : Chunk
        A chunk of at least two values.
    own : Device
        The connection's own device.

    Returns
    -------
    tuple of Chunk
        The halves: together, all values of the chunk in its order.
    """
    n = chunk.n_entries
    if n == 1:
        return _pair(chunk, "", *_halves_of_entry(chunk, own))
    at = _even_cut(chunk) or _middle(np.cumsum(_counts(chunk)), np.arange(1, n))
    return _pair(chunk, "", _spans(chunk, 0, at), _spans(chunk, at, n))


def is_even(chunk: Chunk) -> bool:
    """Return whether a chunk can be cut between entries, with enough levels left for the halves."""
    return bool(_even_cut(chunk))


def _even_cut(chunk: Chunk) -> int:
    """Return the place to cut a chunk, best between devices; 0 if no cut is even enough."""
    ends = np.cumsum(_counts(chunk))
    most = 2 ** (levels_of(chunk) - 1)
    return _middle(ends, _bounds(chunk), most) or _middle(ends, np.arange(1, len(ends)), most)


def divide_devices(chunk: Chunk, own: Device) -> tuple[Chunk, Chunk]:
    """Cut a chunk of several devices in two between devices, near the middle of its values.

    Every device stands alone after at most log2(n_devices) such cuts, rounded up.
    """
    del own
    counts = _counts(chunk)
    bounds = _bounds(chunk)
    most = 1 << ((len(bounds) - 1).bit_length() - 1)  # devices in one half
    allowed = bounds[len(bounds) - most - 1 : most]
    at = _middle(np.cumsum(counts), allowed)
    halves = _pair(chunk, "d", _spans(chunk, 0, at), _spans(chunk, at, len(counts)))
    first, second = (replace(half, levels=chunk.levels) for half in halves)
    return first, second


def divide_values(chunk: Chunk, own: Device) -> tuple[Chunk, Chunk]:
    """Cut a chunk in two in the order of its points and their values.

    The cut lies between points near the middle if enough levels are left, else exactly in the
    middle.
    """
    ranked = list(orders(chunk))
    ends = np.cumsum([len(order) for _, _, order, _ in ranked])
    most = 2 ** (levels_of(chunk) - 1)
    at = int(ends[-1]) // 2
    if number := _middle(ends, np.arange(1, len(ends)), most):
        at = int(ends[number - 1])
    first, second = none_of(chunk), none_of(chunk)
    for (span, column, order, _), end in zip(ranked, ends.tolist(), strict=True):
        rank = max(0, at - end + len(order))
        first[span][column][order[:rank]] = True
        second[span][column][order[rank:]] = True
    return _pair(chunk, "v", chosen_of(chunk, first, own), chosen_of(chunk, second, own))


def divide_suspects(chunk: Chunk, own: Device) -> tuple[Chunk, Chunk] | None:
    """Separate good values from suspects of the model check; None if there is one kind only.

    Also None if the larger part could no longer be taken apart in the levels left.
    """
    suspect, good = none_of(chunk), none_of(chunk)
    n_suspects = 0
    for number, (part, start, stop) in enumerate(chunk.spans):
        for column, cells in enumerate(part.entries.cells):
            there = cells[start:stop] >= 0
            suspected = there.copy()
            if part.entries.suspects:
                suspected[there] = part.entries.suspects[column][cells[start:stop][there]]
            suspect[number][column][:] = suspected
            good[number][column][:] = there & ~suspected
            n_suspects += int(suspected.sum())
    larger = max(n_suspects, chunk.n_values - n_suspects)
    if larger == chunk.n_values or larger > 2 ** (levels_of(chunk) - 1):
        return None
    halves = _pair(chunk, "", chosen_of(chunk, good, own), chosen_of(chunk, suspect, own))
    first, second = (
        replace(half, cuts=f"{chunk.cuts}/{turn}") for half, turn in zip(halves, "gs", strict=True)
    )
    return first, second


def divide_far(chunk: Chunk, own: Device) -> tuple[Chunk, Chunk] | None:
    """Separate the values of a point that lie far from its others; None if there are none.

    Also None if the others could no longer be taken apart in the levels left.
    """
    if chunk.n_values - FAR > 2 ** (levels_of(chunk) - 1):
        return None
    best, place = 0.0, None
    for span, column, order, numbers in orders(chunk):
        far = None if numbers is None else far_of(numbers)
        if far is not None and far.score > best:
            best, place = far.score, (span, column, order[far.start : far.stop])
    if place is None or chunk.n_values - len(place[2]) > 2 ** (levels_of(chunk) - 1):
        return None
    span, column, chosen = place
    far_ones, others = none_of(chunk), all_of(chunk)
    far_ones[span][column][chosen], others[span][column][chosen] = True, False
    halves = _pair(chunk, "", chosen_of(chunk, far_ones, own), chosen_of(chunk, others, own))
    first, second = (
        replace(half, cuts=f"{chunk.cuts}/{turn}") for half, turn in zip(halves, "xy", strict=True)
    )
    return first, second


def is_suspected(chunk: Chunk) -> bool:
    """Return whether a part holds suspects alone: of the model check, or far from all others."""
    return not {"s", "x"}.isdisjoint(chunk.cuts.split("/"))


def divide_singly(chunk: Chunk, own: Device) -> list[Chunk]:
    """Take a chunk apart into its single values, in the order of :func:`divide_values`."""
    return [
        replace(chunk, spans=spans, cuts=f"{chunk.cuts}/n{number}", levels=0)
        for number, spans in enumerate(singles_of(chunk, own))
    ]


def set_devices_aside(chunk: Chunk, numbers: Sequence[int]) -> list[Chunk]:
    """Separate some devices from the rest, and the first entry of each from its other entries.

    ``numbers`` are the places of the devices in ``devices_of(chunk)``.
    """
    turns = []
    if len(numbers) < len(devices_of(chunk)):
        turns.append("-" + ".".join(map(str, numbers)))
    turns += [f"+{number}{which}" for number in numbers for which in "pq"]
    parts = [_aside(chunk, turn) for turn in turns]
    return [part for part in parts if part.spans]


def chunk_at(chunks: Sequence[Chunk], cuts: str, own: Device) -> Chunk:
    """Return the chunk, or the part of a chunk, with these cuts; ``chunks`` are those of the slab.

    Raises
    ------
    LookupError
        If the slab has no such chunk.
    """
    number, *turns = cuts.split("/")
    chunk = chunks[int(number)]
    for turn in turns:
        if turn[0] in "+-":
            chunk = _aside(chunk, turn)
            continue
        if turn[0] == "n":
            chunk = divide_singly(chunk, own)[int(turn[1:])]
            continue
        way, which = _WAYS[turn]
        parts = way(chunk, own)
        if parts is None:
            raise LookupError(f"{cuts}: there is nothing to part at {turn}")
        chunk = parts[which]
    return chunk


_Way = Callable[["Chunk", "Device"], "tuple[Chunk, Chunk] | None"]
_WAYS: dict[str, tuple[_Way, int]] = {
    "0": (divide, 0),
    "1": (divide, 1),
    "d0": (divide_devices, 0),
    "d1": (divide_devices, 1),
    "v0": (divide_values, 0),
    "v1": (divide_values, 1),
    "g": (divide_suspects, 0),
    "s": (divide_suspects, 1),
    "x": (divide_far, 0),
    "y": (divide_far, 1),
}


def devices_of(chunk: Chunk) -> list[Device]:
    """Return the devices of a chunk in its order; a device's entries are adjacent."""
    return [
        part.readings.devices[code]
        for part, a, b in chunk.spans
        for code in part.entries.device[a:b][_new_device(part, a, b)].tolist()
    ]


def levels_of(chunk: Chunk) -> int:
    """Return how many cuts deep a chunk may be taken apart: log2(n_values), rounded down, + 2.

    Halving alone needs one or two levels fewer. The spare levels leave the latitude to cut between
    entries or devices rather than exactly in the middle: a side of a cut may have
    ``2 ** (levels - 1)`` values.
    """
    return chunk.n_values.bit_length() + 1 if chunk.levels is None else chunk.levels


def _pair(chunk: Chunk, way: str, first: Spans, second: Spans) -> tuple[Chunk, Chunk]:
    left = levels_of(chunk) - 1
    return (
        replace(chunk, spans=first, cuts=f"{chunk.cuts}/{way}0", levels=left),
        replace(chunk, spans=second, cuts=f"{chunk.cuts}/{way}1", levels=left),
    )


def _counts(chunk: Chunk) -> NDArray[np.int64]:
    """Return the number of values in each entry."""
    return np.concatenate([part.encoded.n_values[a:b] for part, a, b in chunk.spans])


def _bounds(chunk: Chunk) -> NDArray[np.int64]:
    """Return the end of each device's entries in a chunk."""
    new = np.concatenate([_new_device(*span) for span in chunk.spans])
    return np.append(np.flatnonzero(new)[1:], len(new))


def _new_device(part: ProductSlab, start: int, stop: int) -> NDArray[np.bool_]:
    """Return a mask of the first entry of each device."""
    device = part.entries.device[start:stop]
    new = np.ones(len(device), bool)
    new[1:] = device[1:] != device[:-1]
    return new


def _middle(ends: NDArray[np.int64], at: NDArray[np.int64], most: int | None = None) -> int:
    """Return the place nearest to the middle of a running count, 0 if no place will do.

    Parameters
    ----------
    ends : ndarray of int64
        Running count, after each element.
    at : ndarray of int64
        Places allowed for the cut: elements to cut before.
    most : int, optional
        Largest count on a side; if given, neither side may hold less than a quarter.
    """
    total = int(ends[-1])
    at = at[at < len(ends)]
    before = ends[at - 1]
    if most is not None:
        least = max(total - most, total / 4)
        kept = (before >= least) & (total - before >= least)
        at, before = at[kept], before[kept]
    return int(at[np.abs(before - total / 2).argmin()]) if len(at) else 0


def _spans(chunk: Chunk, start: int, stop: int) -> Spans:
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


def _aside(chunk: Chunk, turn: str) -> Chunk:
    """Return the part that a turn such as ``-2.5``, ``+2p`` or ``+2q`` cuts out."""
    bounds = [0, *_bounds(chunk).tolist()]
    cuts = f"{chunk.cuts}/{turn}"
    if turn[0] == "-":
        gone = {int(number) for number in turn[1:].split(".")}
        kept = [n for n in range(len(bounds) - 1) if n not in gone]
        spans = [span for n in kept for span in _spans(chunk, bounds[n], bounds[n + 1])]
        return replace(chunk, spans=spans, cuts=cuts)
    start, stop = bounds[int(turn[1:-1])], bounds[int(turn[1:-1]) + 1]
    ends = (start, start + 1) if turn.endswith("p") else (start + 1, stop)
    return replace(chunk, spans=_spans(chunk, *ends), cuts=cuts)


def _halves_of_entry(chunk: Chunk, own: Device) -> tuple[Spans, Spans]:
    """Return the only entry of a chunk as two, each with half of the points."""
    part, entry, _ = chunk.spans[0]
    columns = [n for n, cells in enumerate(part.entries.cells) if cells[entry] >= 0]
    first, second = none_of(chunk), none_of(chunk)
    for number, column in enumerate(columns):
        (first if number < len(columns) // 2 else second)[0][column][:] = True
    return chosen_of(chunk, first, own), chosen_of(chunk, second, own)
