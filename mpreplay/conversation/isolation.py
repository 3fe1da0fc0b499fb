"""Which declined requests to take apart, and how: until what the platform minds stands alone.

Pure. The platform answers a whole request with the first error it meets, and does not say where.
Taken apart, the good parts are accepted, and the code of each other part says what to look for in
it. For k culprits in a request of n values the parts are at most k · (2 · log2(n) + 4): every part
that is declined holds a culprit, and none is cut more than ``dividing.levels_of`` times. A culprit
is one value, for 1212 one device.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from ..protocol.codes import NO_SUB_DEVICE, return_code
from ..requests.dividing import (
    devices_of,
    divide,
    divide_devices,
    divide_suspects,
    divide_values,
    is_even,
    set_devices_aside,
)

if TYPE_CHECKING:
    from ..model.device import Device
    from ..requests.chunk import Chunk

__all__ = ["Isolation", "Level", "root_of", "waits_for"]

Level = Literal["point", "entry", "device", False]
HALVES: Final = 2


class Isolation:
    """Decides about declined requests, and remembers which devices were declined.

    Parameters
    ----------
    level : {"point", "entry", "device", False}
        How far requests are taken apart; False: only those that are too large.
    own : Device
        The connection's own device.
    most : int, optional
        How many requests taking one apart may cost; what is then left is declined as a group.
    spent : mapping of (int, str) to int, optional
        How many an earlier run made of each chunk, by slab and number.
    """

    def __init__(
        self,
        level: Level,
        own: Device,
        most: int | None = None,
        spent: dict[tuple[int, str], int] | None = None,
    ) -> None:
        self._level = level
        self._own = own
        self._most = most
        self._spent = dict(spent or {})
        self._offline: set[Device] = set()

    def may_divide(self, chunk: Chunk, code: int) -> bool:
        """Return whether a request that was declined with a code is to be taken apart."""
        asks = return_code(code).asks
        if asks == "split":
            return chunk.n_values > 1
        if asks != "isolate" or not self._level or not self._may_spend(chunk, HALVES):
            return False
        if code == NO_SUB_DEVICE or self._level == "device":
            return len(devices_of(chunk)) > 1
        return (chunk.n_values if self._level == "point" else chunk.n_entries) > 1

    def divide(self, chunk: Chunk, code: int) -> list[Chunk]:
        """Return the parts of a request that was declined with a code, in the order to send."""
        return self._noted(self._parts(chunk, code))

    def learn(self, chunk: Chunk, code: int | None) -> bool:
        """Take a final answer; return whether it says of one more device that it is offline."""
        devices = devices_of(chunk)
        if code != NO_SUB_DEVICE:
            if code is not None and return_code(code).asks == "accepted":
                self._offline.difference_update(devices)
            return False
        if not self._level or len(devices) > 1 or devices[0] in self._offline:
            return False
        self._offline.add(devices[0])
        return True

    def wants_aside(self, chunk: Chunk) -> bool:
        """Return whether a request that was not sent holds devices that were declined before."""
        if not self._offline or "+" in chunk.cuts:
            return False
        offline = [device for device in devices_of(chunk) if device in self._offline]
        # Two for each of them, and one for all the others.
        return bool(offline) and self._may_spend(chunk, 2 * len(offline) + 1)

    def set_aside(self, chunk: Chunk) -> list[Chunk]:
        """Return such a request without these devices, and for each a small one and the rest.

        The small one asks whether the device is still declined; the rest waits for the answer.
        """
        return self._noted(self._aside(chunk))

    def _aside(self, chunk: Chunk) -> list[Chunk]:
        offline = [n for n, device in enumerate(devices_of(chunk)) if device in self._offline]
        return set_devices_aside(chunk, offline)

    def _noted(self, parts: list[Chunk]) -> list[Chunk]:
        root = root_of(parts[0])
        self._spent[root] = self._spent.get(root, 0) + len(parts)
        return parts

    def _parts(self, chunk: Chunk, code: int) -> list[Chunk]:
        if return_code(code).asks == "split":
            return list(divide(chunk, self._own))
        if code == NO_SUB_DEVICE:
            known = self.wants_aside(chunk)
            return self._aside(chunk) if known else list(divide_devices(chunk, self._own))
        if self._level == "device":
            return list(divide_devices(chunk, self._own))
        if self._level == "entry":
            return list(divide(chunk, self._own))
        if suspects := divide_suspects(chunk, self._own):
            return list(suspects)
        way = divide if len(devices_of(chunk)) > 1 and is_even(chunk) else divide_values
        return list(way(chunk, self._own))

    def _may_spend(self, chunk: Chunk, n_parts: int) -> bool:
        spent = self._spent.get(root_of(chunk), 0)
        return self._most is None or spent + n_parts <= self._most


def root_of(chunk: Chunk) -> tuple[int, str]:
    """Return which chunk this is, or is a part of: its slab, and its number in that."""
    return chunk.slab, chunk.cuts.partition("/")[0]


def waits_for(chunk: Chunk, others: Iterable[Chunk]) -> Chunk | None:
    """Return which of others has to be answered before a request may be sent: the small one."""
    if not chunk.cuts.endswith("q"):
        return None
    cuts = f"{chunk.cuts[:-1]}p"
    return next((c for c in others if (c.slab, c.cuts) == (chunk.slab, cuts)), None)
