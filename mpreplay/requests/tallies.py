"""Counts of values by device and UTC day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..cells.epoch import DAY
from ..model.device import Device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.slab import Readings

__all__ = ["Tally", "add_tally"]

# Number of values of a device (product key, device key) on a UTC day; the day is None if the time
# could not be read.
Tally = dict[tuple[str, str, int | None], int]


def add_tally(tally: Tally, other: Tally) -> None:
    """Add the counts of a tally to another."""
    if not tally:
        tally.update(other)
        return
    for key, count in other.items():
        tally[key] = tally.get(key, 0) + count


def tally_of(
    devices: Sequence[Device],
    device: NDArray[np.int64],
    day: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> Tally:
    if not len(device):
        return {}
    first = int(day.min())
    width = int(day.max()) - first + 1
    keys = device * width + day - first
    if len(devices) * width > len(keys):  # few of so many devices and days
        found, keys = np.unique(keys, return_inverse=True)
    else:
        found = np.arange(len(devices) * width)
    sums = np.bincount(keys, counts).astype(np.int64)
    there = np.flatnonzero(sums)
    codes, days = np.divmod(found[there], width)
    columns = (codes.tolist(), (days + first).tolist(), sums[there].tolist())
    return {(*devices[code], day): n for code, day, n in zip(*columns, strict=True)}


def tally_rows(readings: Readings, counts: NDArray[np.int64]) -> Tally:
    """Return counts of rows by device and day; of an unreadable row by what could be read."""
    devices, device = readings.devices, readings.device
    if readings.unreadable:  # perhaps without a device
        devices = [*devices, Device("", "")]
        device = np.where(device < 0, len(devices) - 1, device)
    untimed = readings.is_unreadable("time")
    index = np.flatnonzero(~untimed & (counts > 0))
    tally = tally_of(devices, device[index], readings.time[index] // DAY, counts[index])
    if untimed.any():
        sums = np.bincount(device[untimed], counts[untimed], len(devices)).astype(np.int64)
        add_tally(tally, {(*devices[code], None): int(sums[code]) for code in np.flatnonzero(sums)})
    return tally


def per_row(readings: Readings, masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return the number of values of each row in the masks, one mask a column."""
    counts = np.zeros(len(readings.rows), np.int64)
    for column, mask in zip(readings.columns, masks, strict=True):
        if len(mask) == len(counts):  # the wide form: a value for each row
            counts += mask
        else:
            counts[column.at] += mask
    return counts
