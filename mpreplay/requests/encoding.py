"""Readings as the JSON text of the wire, a column at a time.

Pure. Every value becomes a piece of text, as do the keys and brackets around it, and all pieces are
laid side by side in one step. No Python object is made for a value or a row. Where the compiled
pass is at hand, it writes plain numbers and lays all texts: the bytes are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa

from ..cells.absent import valid_in
from ..fast.laying import Numbers, Pieces, is_number, lay_entries
from ..fast.library import lane
from ..model.device_table import Devices
from ..values.column_json import pieces_of
from ..values.number_texts import texts_of_numbers
from ..values.text_pool import NOWHERE, Member, Texts, key_of, lay_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..model.device import Device
    from ..values.typed_column import TypedColumn
    from .entries import Entries

__all__ = ["Encoded", "encode_entries"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """JSON texts of entries, one after the other, a comma behind each.

    Parameters
    ----------
    text : memoryview
        All texts.
    offsets : ndarray of int64, shape (n_entries + 1,)
        Start of each text, and the end of the last. [bytes]
    n_values : ndarray of int64, shape (n_entries,)
        Number of values in each entry.
    """

    text: memoryview
    offsets: NDArray[np.int64]
    n_values: NDArray[np.int64]


def encode_entries(entries: Entries, own: Device) -> Encoded:
    """Return the JSON text of each entry.

    Parameters
    ----------
    entries : Entries
        The entries to send.
    own : Device
        The connection's own device. Its keys are left out: the platform then takes the
        gateway's [1]_.

    Returns
    -------
    Encoded

    References
    ----------
    .. [1] EnOS Device Connection 2.3, "Reporting Offline Measurement Points in Batch",
       productKey and deviceKey.
    """
    devices = Devices.of(entries.readings.devices)
    heads = devices.facts(("heads", own), lambda some: _heads(some, own))
    return _laid_at_once(entries, heads) or _laid(entries, heads)


def _laid(entries: Entries, pool: pa.Array) -> Encoded:
    """Lay the texts of all columns side by side; ``pool`` has the head of each device."""
    n = len(entries.time)
    heads = Texts(pool, entries.device.astype(np.int32))
    members = []
    for column, cells in zip(entries.readings.columns, entries.cells, strict=True):
        rows = np.flatnonzero(cells >= 0)
        if len(rows):
            is_whole = len(rows) == n
            positions = cells if is_whole else cells[rows]
            pieces = pieces_of(column, positions, key_of(column.point.identifier))
            members.append(Member(pieces, None if is_whole else rows))
    tail = texts_of_numbers(entries.time, '},"time":', "},")
    return Encoded(*lay_objects([heads], members, [tail], n))


def _laid_at_once(entries: Entries, pool: pa.Array) -> Encoded | None:
    """Lay the entries by the compiled pass; None if it is not used, or cannot do it."""
    if (library := lane()) is None:
        return None
    heads = Pieces("", pool, np.arange(len(pool), dtype=np.int32), entries.device)
    columns: list[Numbers | Pieces] = []
    for column, cells in zip(entries.readings.columns, entries.cells, strict=True):
        key = key_of(column.point.identifier)
        found = None if column.misfits else list(_numbers(column, key, cells))
        columns += found or _pieces(column, key, cells)
    laid = lay_entries(library, heads, entries.time, columns)
    return None if laid is None else Encoded(*laid)


def _numbers(column: TypedColumn, key: str, cells: NDArray[np.int64]) -> Iterator[Numbers | Pieces]:
    """Yield a column of numbers, with the quality of each if all that are sent have one.

    Nothing, if they are no numbers, or some have a quality and some do not.
    """
    values, quality = column.values, column.quality
    before, after = key, ""
    if pa.types.is_timestamp(values.type):
        values, before, after = values.view(pa.int64()), before + '"', '"'
    if not is_number(values.type):
        return
    if quality is None or quality.null_count == len(quality):
        yield Numbers(before, values, cells)
    elif not quality.null_count or valid_in(quality)[cells[cells >= 0]].all():
        yield Numbers(f'{key}{{"value":{before.removeprefix(key)}', values, cells)
        yield Numbers(f'{after},"quality":', quality, cells, counts=False)
        after = "}"
    else:
        return
    if after:
        always = np.zeros(len(values), np.int32)
        yield Pieces("", pa.array([after], pa.string()), always, cells, counts=False)


def _pieces(column: TypedColumn, key: str, cells: NDArray[np.int64]) -> Iterator[Pieces]:
    """Yield the pieces of a column's texts, each with its place in the entries that have one."""
    there = cells >= 0
    if there.any():
        places = np.where(there, np.cumsum(there) - 1, NOWHERE)
        for number, texts in enumerate(pieces_of(column, cells[there], key)):
            yield Pieces("", texts.pool, texts.index, places, counts=not number)


def _heads(devices: Sequence[Device], own: Device) -> pa.Array:
    heads = []
    for device in devices:
        keys = {} if device == own else {"productKey": device[0], "deviceKey": device[1]}
        text = orjson.dumps(keys).decode()[:-1]
        heads.append(text + ("," if keys else "") + '"measurepoints":')
    return pa.array(heads, pa.string())
