"""Devices with numbers, so that what is known of a device is found without its keys.

Pure. A slab of a history may have thousands of devices, and the next slab the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
import pyarrow as pa

from .device import Device

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOBODY", "DeviceTable", "Devices", "Renumbered"]

NOBODY: Final = 0  # the number of rows without a device


class DeviceTable:
    """Devices in the order in which they were met; their numbers never change.

    Attributes
    ----------
    devices : list of Device
        The devices by their numbers; the first has no keys.
    """

    __slots__ = ("_facts", "_numbers", "devices")

    def __init__(self) -> None:
        self.devices = [Device("", "")]
        self._numbers = {self.devices[NOBODY]: NOBODY}
        self._facts: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.devices)

    def numbers(self, devices: Iterable[Device]) -> NDArray[np.int64]:
        """Return the numbers of devices; those that are new are added."""
        found = []
        for one in devices:
            number = self._numbers.setdefault(one, len(self.devices))
            if number == len(self.devices):
                self.devices.append(one)
            found.append(number)
        return np.array(found, np.int64)

    def facts(self, name: Hashable, make: Callable[[Sequence[Device]], Any]) -> Any:
        """Return a fact of each device, as an Arrow or a NumPy array, made once a device.

        Parameters
        ----------
        name : hashable
            What the fact is called.
        make : callable
            Returns the facts of some devices, as an array.

        Examples
        --------
        >>> table = DeviceTable()
        >>> table.numbers([Device("p", "T1"), Device("p", "T22")]).tolist()
        [1, 2]
        >>> table.facts("length", lambda some: np.array([len(one.device_key) for one in some]))
        array([0, 2, 3])
        """
        known = self._facts.get(name)
        n = 0 if known is None else len(known)
        if n < len(self.devices):
            more = make(self.devices[n:])
            if known is not None:
                is_arrow = isinstance(more, pa.Array)
                more = (pa.concat_arrays if is_arrow else np.concatenate)([known, more])
            self._facts[name] = known = more
        return known


class Devices(Sequence[Device]):
    """Devices of a table, in an order of their own.

    Parameters
    ----------
    table : DeviceTable
        The table.
    numbers : ndarray of int64, shape (n,)
        Number of each device in the table.

    Examples
    --------
    >>> devices = Devices.of([Device("p", "T2"), Device("p", "T1")])
    >>> devices[0].device_key, len(devices), devices.products
    ('T2', 2, ('p',))
    """

    __slots__ = ("_products", "numbers", "table")

    def __init__(self, table: DeviceTable, numbers: NDArray[np.int64]) -> None:
        self.table, self.numbers = table, numbers
        self._products: tuple[str, ...] | None = None

    @classmethod
    def of(cls, devices: Sequence[Device]) -> Devices:
        """Return devices with numbers, those of a table of their own if they have none."""
        if isinstance(devices, Devices):
            return devices
        table = DeviceTable()
        return cls(table, table.numbers(devices))

    @property
    def products(self) -> tuple[str, ...]:
        """Their product keys, sorted."""
        if self._products is None:
            self._products = tuple(sorted({one.product_key for one in self}))
        return self._products

    def facts(self, name: Hashable, make: Callable[[Sequence[Device]], Any]) -> Any:
        """Return a fact of each device, as :meth:`DeviceTable.facts` makes it."""
        found = self.table.facts(name, make)
        numbers = self.numbers
        return found.take(pa.array(numbers)) if isinstance(found, pa.Array) else found[numbers]

    def taken(self, index: NDArray[np.int64]) -> Devices:
        """Return the devices at some places."""
        return Devices(self.table, self.numbers[index])

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Device: ...
    @overload
    def __getitem__(self, index: slice) -> list[Device]: ...
    def __getitem__(self, index: Any) -> Any:
        found = self.numbers[index]
        named = self.table.devices
        return [named[n] for n in found.tolist()] if isinstance(index, slice) else named[found]

    def __iter__(self) -> Iterator[Device]:
        return map(self.table.devices.__getitem__, self.numbers.tolist())

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


class Renumbered:
    """Numbers of devices in the order of their first use, whatever tables they come from.

    Parameters
    ----------
    numbers : dict
        The numbers so far, by product key and device key; new ones are added.

    Examples
    --------
    >>> table, numbers = DeviceTable(), {("p", "T2"): 0}
    >>> places = table.numbers([Device("p", "T1"), Device("p", "T2")])
    >>> Renumbered(numbers).of(table, places[[1, 0, 1]]).tolist(), numbers
    ([0, 1, 0], {('p', 'T2'): 0, Device(product_key='p', device_key='T1'): 1})
    """

    __slots__ = ("_known", "_table", "numbers")

    def __init__(self, numbers: dict[tuple[str, str], int]) -> None:
        self.numbers = numbers
        self._table: DeviceTable | None = None
        self._known = np.zeros(0, np.int64)  # by the numbers of the latest table; -1: not used

    def of(self, table: DeviceTable, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of devices, given by their numbers in a table."""
        if table is not self._table:
            self._table, self._known = table, self._known[:0]
        if (more := len(table) - len(self._known)) > 0:
            self._known = np.append(self._known, np.full(more, -1, np.int64))
        found = self._known[numbers]
        fresh = numbers[found < 0].tolist()
        if not fresh:
            return found
        for one in fresh:
            self._known[one] = self.numbers.setdefault(table.devices[one], len(self.numbers))
        return self._known[numbers]
