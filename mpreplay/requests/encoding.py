"""Readings as the JSON text of the wire, a column at a time.

Pure. Every value becomes a piece of text, as do the keys and brackets around it, and all pieces are
laid side by side in one step. No Python object is made for a value or a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa

from ..model.device_table import Devices
from ..values.column_json import pieces_of
from ..values.number_texts import texts_of_numbers
from ..values.text_pool import Member, Texts, key_of, lay_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..model.device import Device
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
    n = len(entries.time)
    devices = Devices.of(entries.readings.devices)
    heads = devices.facts(("heads", own), lambda some: _heads(some, own))
    heads = Texts(heads, entries.device.astype(np.int32))
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


def _heads(devices: Sequence[Device], own: Device) -> pa.Array:
    heads = []
    for device in devices:
        keys = {} if device == own else {"productKey": device[0], "deviceKey": device[1]}
        text = orjson.dumps(keys).decode()[:-1]
        heads.append(text + ("," if keys else "") + '"measurepoints":')
    return pa.array(heads, pa.string())
