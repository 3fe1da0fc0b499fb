"""Isolation of rejected values: declined requests are taken apart until a culprit stands alone.

Pure. The platform answers a whole request with its first error, and does not say where. Once a
request is taken apart, the good parts are accepted, and the code of each declined part says where
to look next. Values of a point that lie far from all its others are asked about first: where they
are the culprits, all else is through with one more request. For k culprits in a request of n values
there are at most k · (2 · log2(n) + 4) parts: every declined part holds a culprit, no part is cut
in two more than ``dividing.levels_of`` times, and a part is taken apart into single values only if
these are no more than the parts of as many cuts. A culprit is a value, for code 1212 a device.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from ..protocol.codes import NO_SUB_DEVICE, return_code
from ..requests.dividing import (
    devices_of,
    divide,
    divide_devices,
    divide_far,
    divide_singly,
    divide_suspects,
    divide_values,
    is_even,
    is_suspected,
    levels_of,
    set_devices_aside,
)

if TYPE_CHECKING:
    from ..model.device import Device
    from ..requests.chunk import Chunk

__all__ = ["Isolation", "Level", "root_of", "waits_for"]

Level = Literal["point", "entry", "device", False]
HALVES: Final = 2


class Isolation:
    """Decisions on declined requests, with a memory of declined devices.

    Parameters
    ----------
    level : {"point", "entry", "device", False}
        Depth to which requests are taken apart; False: only requests too large are.
    own : Device
        The connection's own device.
    most : int, optional
        Largest number of extra requests for one chunk; the rest of it is declined as a group.
    spent : mapping of (int, str) to int, optional
        Extra requests of an earlier run for each chunk, by slab and number.
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
        """Return whether to take apart a request that was declined with a code."""
        asks = return_code(code).asks
        if asks == "split":
            return chunk.n_values > 1
        if asks != "isolate" or not self._level or not self._may_spend(chunk, HALVES):
            return False
        if code == NO_SUB_DEVICE or self._level == "device":
            return len(devices_of(chunk)) > 1
        return (chunk.n_values if self._level == "point" else chunk.n_entries) > 1

    def divide(self, chunk: Chunk, code: int) -> list[Chunk]:
        """Return the parts of a request that was declined with a code, in the order of sending."""
        return self._noted(self._parts(chunk, code))

    def learn(self, chunk: Chunk, code: int | None) -> bool:
        """Take a final answer; return whether it shows one more device to be offline."""
        if code != NO_SUB_DEVICE:
            if self._offline and code is not None and return_code(code).asks == "accepted":
                self._offline.difference_update(devices_of(chunk))
            return False
        devices = devices_of(chunk)
        if not self._level or len(devices) > 1 or devices[0] in self._offline:
            return False
        self._offline.add(devices[0])
        return True

    def wants_aside(self, chunk: Chunk) -> bool:
        """Return whether a request not yet sent holds devices declined before."""
        if not self._offline or "+" in chunk.cuts:
            return False
        offline = [device for device in devices_of(chunk) if device in self._offline]
        # Two requests for each offline device, and one for the rest.
        return bool(offline) and self._may_spend(chunk, 2 * len(offline) + 1)

    def set_aside(self, chunk: Chunk) -> list[Chunk]:
        """Return such a request without its offline devices, and a probe and a rest for each.

        The probe asks whether the device is still declined; the rest waits for the answer.
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
        return self._by_value(chunk)

    def _by_value(self, chunk: Chunk) -> list[Chunk]:
        n = chunk.n_values
        if is_suspected(chunk):
            if HALVES < n <= HALVES * levels_of(chunk) and self._may_spend(chunk, n):
                return divide_singly(chunk, self._own)
        elif halves := divide_suspects(chunk, self._own) or divide_far(chunk, self._own):
            return list(halves)
        way = divide if len(devices_of(chunk)) > 1 and is_even(chunk) else divide_values
        return list(way(chunk, self._own))

    def _may_spend(self, chunk: Chunk, n_parts: int) -> bool:
        spent = self._spent.get(root_of(chunk), 0)
        return self._most is None or spent + n_parts <= self._most


def root_of(chunk: Chunk) -> tuple[int, str]:
    """Return the slab and the number of a chunk, or of the chunk that a part was cut from."""
    return chunk.slab, chunk.cuts.partition("/")[0]


def waits_for(chunk: Chunk, others: Iterable[Chunk]) -> Chunk | None:
    """Return the probe among ``others`` for which a rest waits, if any."""
    if not chunk.cuts.endswith("q"):
        return None
    cuts = f"{chunk.cuts[:-1]}p"
    return next((c for c in others if (c.slab, c.cuts) == (chunk.slab, cuts)), None)
