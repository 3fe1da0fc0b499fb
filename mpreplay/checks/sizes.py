"""Room in a request: the largest size of an entry, and values too large even alone.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

from ..cells.epoch import FIRST_TIME
from ..display.facts import Detail
from ..model.device_table import Devices
from ..values.column_json import longest_text, texts_of
from .faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..history.slab import Readings
    from ..model.device import Device
    from ..settings import Limits, Policy

__all__ = ["Room", "key_bytes"]

_FRAME = len(f'"measurepoints":{{}},"time":{FIRST_TIME},')  # of an entry, around its values


@dataclass(frozen=True, slots=True)
class Room:
    """Room of a request for its entries, in bytes.

    Parameters
    ----------
    max_bytes : int
        Size limit of a whole request, exclusive. [bytes]
    of_entries : int
        Room for entries, without the envelope. [bytes]
    own : Device
        The connection's own device; entries do not repeat its keys.
    """

    max_bytes: int
    of_entries: int
    own: Device

    @classmethod
    def of(cls, limits: Limits, policy: Policy, own: Device) -> Room:
        """Return the room of a request under some limits; the flags are part of its envelope."""
        return cls(limits.max_bytes, limits.max_bytes - policy.overhead(), own)

    def of_values(self, devices: Sequence[Device]) -> NDArray[np.int64]:
        """Return the room for values in an entry of each device, in bytes.

        The last number is the room of rows without a device.
        """
        own = self.own
        sizes = Devices.of(devices).facts(("key bytes", own), lambda some: _written(some, own))
        return self.of_entries - _FRAME - np.append(sizes, len(orjson.dumps({})))

    def too_large(self, readings: Readings) -> Iterator[Fault]:
        """Yield the faults of values too large for a request, even alone."""
        rooms = self.of_values(readings.devices)
        least = rooms.min()
        for number, column in enumerate(readings.columns):
            key = key_bytes(column.point.identifier)
            if longest_text(column) + key <= least:
                continue
            room = rooms[readings.device[column.at]]
            positions = np.flatnonzero(texts_of(column).lengths() + key > room)
            if len(positions):
                yield Fault(number, positions, "too_large", Detail("too_large", (self.max_bytes,)))


def _written(devices: Sequence[Device], own: Device) -> NDArray[np.int64]:
    """Return the size of each device's keys in an entry."""
    keys = [
        {} if d == own else {"productKey": d.product_key, "deviceKey": d.device_key}
        for d in devices
    ]
    return np.array([len(orjson.dumps(one)) for one in keys], np.int64)


def key_bytes(identifier: str) -> int:
    """Return the size of a point's identifier in an entry, with colon and comma, in bytes."""
    return len(orjson.dumps(identifier)) + len(":,")
