"""Devices numbered in a slab: the same devices and numbers, whatever the order of the keys."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.model.pairing import Pairing

KEYS = st.sampled_from(["", "a", "B", "é", "ÿ", "\U0001f600", "\uffff", "z9", None]).map(
    lambda key: key or None
)


def coded(keys: list[str | None]) -> pa.DictionaryArray:
    """Return keys as a dictionary array."""
    return pa.array(keys, pa.string()).dictionary_encode()


@given(st.lists(st.tuples(KEYS, KEYS), max_size=40))
def test_devices_are_sorted_and_each_row_has_its_own(rows: list[tuple[str | None, ...]]) -> None:
    """A value that goes to the neighbour's number goes to the neighbour."""
    devices, place = Pairing().pair(*(coded([row[n] for row in rows]) for n in (0, 1)))

    assert devices == sorted({row for row in rows if None not in row})
    named = [tuple(devices[n]) if n >= 0 else None for n in place.tolist()]
    assert named == [None if None in row else row for row in rows]


def test_the_shortest_type_that_holds_the_keys_holds_rows_without_one() -> None:
    """A categorical of 128 keys has indices of eight bits, and no room for another."""
    names = pa.DictionaryArray.from_arrays(
        pa.array([*range(128), None], pa.int8()), pa.array([f"d{n:03}" for n in range(128)])
    )
    devices, place = Pairing().pair(coded(["p"] * 129), names)

    assert [device.device_key for device in devices] == [f"d{n:03}" for n in range(128)]
    assert place.tolist() == [*range(128), -1]


@given(st.lists(st.lists(st.tuples(KEYS, KEYS), max_size=12), max_size=6))
def test_a_device_keeps_its_number_from_slab_to_slab(
    slabs: list[list[tuple[str | None, ...]]],
) -> None:
    """What is known of a device is found by its number, in whatever slab it comes again."""
    pairing = Pairing()
    numbers: dict[tuple[str, ...], int] = {}
    for rows in slabs:
        devices, place = pairing.pair(*(coded([row[n] for row in rows]) for n in (0, 1)))

        assert devices == sorted({row for row in rows if None not in row})
        named = [tuple(devices[n]) if n >= 0 else None for n in place.tolist()]
        assert named == [None if None in row else row for row in rows]
        for device, number in zip(devices, devices.numbers.tolist(), strict=True):
            assert numbers.setdefault(tuple(device), number) == number
            assert devices.table.devices[number] == device
    assert len(set(numbers.values())) == len(numbers)


def test_a_slab_of_the_same_devices_has_the_same_object() -> None:
    """Whoever has looked at the devices of a slab sees at once that nothing is new."""
    pairing = Pairing()
    first, _ = pairing.pair(coded(["p", "p"]), coded(["x", "y"]))
    second, place = pairing.pair(coded(["p", "p", "p"]), coded(["y", "x", "y"]))

    assert second is first
    np.testing.assert_array_equal(place, [1, 0, 1])
