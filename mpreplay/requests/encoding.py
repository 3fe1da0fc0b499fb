"""Readings as the JSON text of the wire, a column at a time.

Pure. Every value becomes a piece of text, as do the keys and brackets around it, and all pieces are
laid side by side in one step. No Python object is made for a value or a row. Where the compiled
pass is at hand, it writes plain numbers and lays all texts: the bytes are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa

from ..fast.laying import Numbers, Pieces, is_number, lay_entries
from ..fast.library import lane
from ..values.column_json import texts_of
from ..values.number_texts import number_texts
from ..values.text_pool import NOWHERE, Texts, key_of, lay_objects, member

if TYPE_CHECKING:
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
    heads = _heads(tuple(entries.readings.devices), own)
    return _laid_at_once(entries, heads) or _laid(entries, heads)


def _laid(entries: Entries, pool: pa.Array) -> Encoded:
    """Lay the texts of all columns side by side; ``pool`` has the head of each device."""
    n = len(entries.time)
    heads = Texts(pool, entries.device.astype(np.int32))
    members = []
    for column, cells in zip(entries.readings.columns, entries.cells, strict=True):
        if (cells != NOWHERE).any():
            key, texts = _member(column)
            index = np.append(texts.index, np.int32(NOWHERE)).take(cells)
            members.append((key, Texts(texts.pool, index)))
    tail = number_texts(pa.array(entries.time), '},"time":', "},")
    return Encoded(*lay_objects([heads], members, [tail], n))


def _laid_at_once(entries: Entries, pool: pa.Array) -> Encoded | None:
    """Lay the entries by the compiled pass; None if it is not used, or cannot do it."""
    if (library := lane()) is None:
        return None
    heads = Pieces("", pool, np.arange(len(pool), dtype=np.int32), entries.device)
    columns: list[Numbers | Pieces] = []
    for column, cells in zip(entries.readings.columns, entries.cells, strict=True):
        key = key_of(column.point.identifier)
        if is_number(column.values.type) and _is_plain(column):
            columns.append(Numbers(key, column.values, cells))
        elif (cells != NOWHERE).any():
            texts = texts_of(column)
            columns.append(Pieces(key, texts.pool, texts.index, cells))
    laid = lay_entries(library, heads, entries.time, columns)
    return None if laid is None else Encoded(*laid)


def _member(column: TypedColumn) -> tuple[str, Texts]:
    """Return a column's texts as :func:`member` does; plain numbers are written with their key."""
    kind = column.values.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not is_number or not _is_plain(column):
        return member(column.point.identifier, texts_of(column))
    return "", number_texts(column.values, key_of(column.point.identifier))


def _is_plain(column: TypedColumn) -> bool:
    return not column.misfits and column.quality is None


@lru_cache(maxsize=4)  # slabs of a history mostly have the same devices
def _heads(devices: tuple[Device, ...], own: Device) -> pa.Array:
    heads = []
    for device in devices:
        keys = {} if device == own else {"productKey": device[0], "deviceKey": device[1]}
        text = orjson.dumps(keys).decode()[:-1]
        heads.append(text + ("," if keys else "") + '"measurepoints":')
    return pa.array(heads, pa.string())
