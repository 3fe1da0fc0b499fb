"""Merging readings into entries: one for each device and time, each value in exactly one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.history.slab import Readings
from mpreplay.model.device import Device
from mpreplay.requests.entries import Copy, Entries, entries_of, split_entries
from mpreplay.values.typed_column import TypedColumn

DEVICES = [Device("p", "a"), Device("p", "b")]


def readings_of(keys: list[tuple[int, int]], cells: list[list[int | None]]) -> Readings:
    """Return readings with a row for each device and time, and these columns."""
    at = np.arange(len(keys))
    columns = [
        TypedColumn(Measurepoint(f"x{n}", "INT"), pa.array(cell, pa.int64()), None, [], at)
        for n, cell in enumerate(cells)
    ]
    device, time = (np.array([key[n] for key in keys], np.int64) for n in (0, 1))
    return Readings(0, "DataFrame", at, time, device, DEVICES, {}, columns)


@st.composite
def sendable(draw: Any) -> tuple[Readings, list[Any]]:
    """Draw readings, and which of their values are sent: at most one a device, time and point."""
    keys = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), max_size=12))
    cell = st.lists(st.none() | st.integers(0, 9), min_size=len(keys), max_size=len(keys))
    cells = draw(st.lists(cell, min_size=1, max_size=4))
    masks = []
    for column in cells:
        taken: set[tuple[int, int]] = set()
        mask = np.zeros(len(keys), bool)
        for n, key in enumerate(keys):
            if column[n] is not None and key not in taken and draw(st.booleans()):
                taken.add(key)
                mask[n] = True
        masks.append(mask)
    return readings_of(keys, cells), masks


def carried(entries: Entries) -> list[tuple[int, int, int, int]]:
    """Return device, time, column and position of each value."""
    return [
        (device, time, number, position)
        for n, (device, time) in enumerate(
            zip(entries.device.tolist(), entries.time.tolist(), strict=True)
        )
        for number, cells in enumerate(entries.cells)
        if (position := int(cells[n])) >= 0
    ]


@given(sendable())
def test_each_value_is_in_the_entry_of_its_device_and_time(drawn: Any) -> None:
    """Nothing is lost when rows meet, and nothing lands at another time."""
    readings, masks = drawn

    entries = entries_of(readings, masks)

    keys = list(zip(entries.device.tolist(), entries.time.tolist(), strict=True))
    assert keys == sorted(set(keys)), "one entry each, in ascending order"
    assert sorted(carried(entries)) == sorted(
        (int(readings.device[n]), int(readings.time[n]), number, int(n))
        for number, mask in enumerate(masks)
        for n in np.flatnonzero(mask)
    )
    assert {(d, t) for d, t, _, _ in carried(entries)} == set(keys), "none is empty"


@given(sendable(), st.data())
def test_splitting_moves_values_and_copies_and_changes_neither(drawn: Any, data: Any) -> None:
    """A copy must follow its twin, or it would share a stranger's fate."""
    entries = entries_of(*drawn)
    before = carried(entries)
    for n in range(len(entries.time)):
        for column, cells in enumerate(entries.cells):
            if cells[n] >= 0 and data.draw(st.booleans()):
                entries.copies.append(Copy(n, column, "twin", int(cells[n])))
    groups = {}
    for n in range(len(entries.time)):
        there = [c for c, cells in enumerate(entries.cells) if cells[n] >= 0]
        stops = sorted(data.draw(st.sets(st.integers(1, len(there)), max_size=2)) | {len(there)})
        if data.draw(st.booleans()):
            starts = [0, *stops[:-1]]
            groups[n] = [np.array(there[a:b]) for a, b in zip(starts, stops, strict=True)]

    split = split_entries(entries, groups)

    assert carried(split) == before
    assert len(split.time) == len(entries.time) + sum(len(g) - 1 for g in groups.values())
    assert len(split.copies) == len(entries.copies)
    for copy in split.copies:
        assert split.cells[copy.column][copy.entry] == copy.row
    assert len({entry for entry, *_ in split.copies}) <= len(split.time)


def test_a_day_begins_at_midnight_utc_also_before_1970() -> None:
    """Rounding towards zero would put the last second of 1969 into 1970."""
    readings = readings_of([(0, -1), (0, 0), (0, 86_399_999), (0, 86_400_000)], [[1, 1, 1, 1]])

    entries = entries_of(readings, [np.ones(4, bool)])

    assert entries.days().tolist() == [-1, 0, 0, 1]
