"""Devices of rows, from the columns of their keys.

Pure. What is found of the keys of a slab is kept: the next slab mostly has the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .device import Device
from .device_table import Devices, DeviceTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    # Keys in their order, and the place of each key of a dictionary in them, from 1; last, 0.
    Sorted = tuple[tuple[str, ...], NDArray[np.int64]]

__all__ = ["Pairing"]

DENSE: Final = 16  # pairs of keys a row, up to which rows are counted instead of sorted
KEPT: Final = 4  # dictionaries of keys whose order is known
MOST: Final = 1 << 20  # pairs of keys whose numbers are kept, and devices of one table


class Pairing:
    """The numbering of a history's devices by their pairs of keys, slab by slab."""

    def __init__(self) -> None:
        self._table = DeviceTable()
        self._distinct: list[tuple[pa.Array, pa.DictionaryArray]] = []
        self._sorted: list[tuple[pa.Array, Sorted]] = []
        # Of the latest keys: the number of each pair, -1 if it is not known yet.
        self._keys: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._numbers = np.zeros(0, np.int64)
        self._latest: tuple[NDArray[np.int64], Devices] | None = None

    def pair(
        self, products: pa.DictionaryArray, names: pa.DictionaryArray
    ) -> tuple[Devices, NDArray[np.int64]]:
        """Return the devices, sorted, and the device of each row as an index, -1 without a device.

        Product keys A, B and device keys x, y are numbered from 1, so ``width = 3``, and a row is
        the number 3 * product + device: (A, x) is 4, (B, y) is 8, and (A, null) is 3, a multiple of
        the width, so 0. Rows 8, 4, 0, 4 give the devices [(A, x), (B, y)] and the indices 1, 0, -1,
        0.
        """
        (p, product), (d, name) = self._ranked(products), self._ranked(names)
        width = len(d) + 1
        pairs = product * width + name
        if products.null_count or names.null_count:
            pairs[(pairs < width) | (pairs % width == 0)] = 0
        found, place = _numbered(pairs, (len(p) + 1) * width)
        n_without = int(len(found) > 0 and found[0] == 0)
        if n_without:
            place -= 1
        return self._devices(p, d, found[n_without:]), place

    def distinct(
        self, keys: pa.Array, make: Callable[[pa.Array], pa.DictionaryArray]
    ) -> pa.DictionaryArray:
        """Return what is made of the keys of a dictionary; kept for the next slab."""
        found = next((one for known, one in self._distinct if known.equals(keys)), None)
        if found is None:
            found = make(keys)
            self._distinct = [(keys, found), *self._distinct[: KEPT - 1]]
        return found

    def _ranked(self, keys: pa.DictionaryArray) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Return keys, sorted, and of each row the place of its key in them, from 1; 0: no key."""
        found = next((one for known, one in self._sorted if known.equals(keys.dictionary)), None)
        if found is None:
            texts, place = _sorted_keys(keys.dictionary)
            texts = next((same for _, (same, _) in self._sorted if same == texts), texts)
            found = texts, place
            self._sorted = [(keys.dictionary, found), *self._sorted[: KEPT - 1]]
        texts, place = found
        indices = keys.indices  # a short type may not hold the number for no key
        if keys.null_count:
            indices = indices.cast(pa.int64()).fill_null(len(texts))
        return texts, place[np.asarray(indices.to_numpy())]

    def _devices(self, p: tuple[str, ...], d: tuple[str, ...], pairs: NDArray[np.int64]) -> Devices:
        """Return the devices of pairs of keys; the same object as before if they are the same."""
        is_known = p is self._keys[0] and d is self._keys[1]
        if is_known and self._latest is not None and np.array_equal(pairs, self._latest[0]):
            return self._latest[1]
        width = len(d) + 1
        if len(self._table) > MOST:
            self._table, is_known = DeviceTable(), False
        if not is_known:
            self._keys = p, d
            size = (len(p) + 1) * width
            self._numbers = np.full(size if size <= MOST else 0, -1, np.int64)
        numbers = self._numbers[pairs] if len(self._numbers) else np.full(len(pairs), -1, np.int64)
        fresh = np.flatnonzero(numbers < 0)
        if len(fresh):
            numbers[fresh] = self._table.numbers(
                Device(p[n // width - 1], d[n % width - 1]) for n in pairs[fresh].tolist()
            )
            if len(self._numbers):
                self._numbers[pairs[fresh]] = numbers[fresh]
        devices = Devices(self._table, numbers)
        self._latest = pairs, devices
        return devices


def _sorted_keys(dictionary: pa.Array) -> Sorted:
    order = pc.sort_indices(dictionary)
    place = np.zeros(len(order) + 1, np.int64)
    place[order.to_numpy()] = np.arange(1, len(order) + 1)
    return tuple(dictionary.take(order).to_pylist()), place


def _numbered(codes: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different codes below ``width``, in order, and the index of each code in them."""
    if width > DENSE * len(codes) + MOST // DENSE:
        found, place = np.unique(codes, return_inverse=True)
        return found, place
    seen = np.zeros(width, bool)
    seen[codes] = True
    found = np.flatnonzero(seen)
    if len(found) and found[-1] - found[0] + 1 == len(found):  # each key has a row
        return found, codes - found[0]
    return found, (np.cumsum(seen) - 1)[codes]
