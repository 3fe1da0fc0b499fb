"""Counts of values by device and day, and other tables of whole numbers, packed for a journal.

Pure. A blob names devices and points by numbers, which the journal keeps once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from ..cells.epoch import NO_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.slab import Readings
    from ..model.device_table import DeviceTable, Renumbered
    from ..requests.tallies import Counted

__all__ = ["Names", "pack", "pack_tally", "unpack"]

LONG: Final = 256  # blobs are compressed from here on [bytes]
_Name = TypeVar("_Name")
_PLAIN, _COMPRESSED = b"\0", b"\1"


@dataclass(slots=True)
class Names:
    """Numbers of the devices and points of a run, in the order of their first use."""

    devices: dict[tuple[str, str], int] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)
    _of_tables: Renumbered | None = field(default=None, init=False, repr=False, compare=False)

    def of_devices(self, devices: Iterable[tuple[str, str]]) -> list[int]:
        """Return the numbers of devices, given by product key and device key."""
        return _numbers(self.devices, list(devices))

    def of_table(self, table: DeviceTable, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of devices, given by their numbers in a table."""
        from ..model.device_table import Renumbered

        if self._of_tables is None:  # who only reads has no use for it
            self._of_tables = Renumbered(self.devices)
        return self._of_tables.of(table, numbers)

    def of_readings(self, readings: Readings, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of devices, given by their places among those of readings."""
        from ..model.device_table import Devices

        devices = Devices.of(readings.devices)
        return self.of_table(devices.table, devices.numbers[codes])

    def of_points(self, identifiers: Iterable[str]) -> list[int]:
        """Return the numbers of points."""
        return _numbers(self.points, list(identifiers))


def _numbers(known: dict[_Name, int], names: list[_Name]) -> list[int]:
    if all(map(known.__contains__, names)):  # mostly so, and then in no time
        return list(map(known.__getitem__, names))
    return [known.setdefault(one, len(known)) for one in names]


def pack(columns: Sequence[NDArray[np.int64]] | NDArray[np.int64]) -> bytes:
    """Return columns of whole numbers, all of one length, as bytes."""
    plain = np.asarray(columns, "<i8").tobytes()
    return _PLAIN + plain if len(plain) < LONG else _COMPRESSED + zlib.compress(plain, level=1)


def unpack(blob: bytes, n_columns: int, what: str = "of counts") -> NDArray[np.int64]:
    """Return packed columns, shape (n_columns, n); ``what`` names the record in an error.

    Raises
    ------
    ValueError
        If the blob is damaged.

    Examples
    --------
    >>> unpack(pack([np.array([1, 2]), np.array([3, 4])]), 2).tolist()
    [[1, 2], [3, 4]]
    """
    try:
        plain = zlib.decompress(blob[1:]) if blob[:1] == _COMPRESSED else blob[1:]
        return np.frombuffer(plain, "<i8").reshape(n_columns, -1)
    except (zlib.error, ValueError, TypeError) as error:
        raise ValueError(f"the record {what} is damaged") from error


def pack_tally(tally: Counted, names: Names) -> bytes:
    """Return a tally as bytes: columns of devices, days and counts."""
    from ..requests.tallies import NONE, Tally

    if isinstance(tally, Tally) and tally:
        [counts] = (tally if len(tally.parts) == 1 else tally.summed()).parts or [NONE]
        return pack([names.of_table(counts.table, counts.device), counts.day, counts.n])
    products, keys, days = zip(*tally, strict=True) if tally else ((), (), ())
    devices = names.of_devices(zip(products, keys, strict=True))
    if None in days:
        days = tuple(NO_DAY if day is None else day for day in days)
    return pack([np.array([*column], np.int64) for column in (devices, days, tally.values())])
