"""Devices numbered in a slab: the same devices and numbers, whatever the order of the keys."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.history.keys import pair

KEYS = st.sampled_from(["", "a", "B", "é", "ÿ", "\U0001f600", "\uffff", "z9", None]).map(
    lambda key: key or None
)


def coded(keys: list[str | None]) -> pa.DictionaryArray:
    """Return keys as a dictionary array."""
    return pa.array(keys, pa.string()).dictionary_encode()


@given(st.lists(st.tuples(KEYS, KEYS), max_size=40))
def test_devices_are_sorted_and_each_row_has_its_own(rows: list[tuple[str | None, ...]]) -> None:
    """A value that goes to the neighbour's number goes to the neighbour."""
    devices, place = pair(*(coded([row[n] for row in rows]) for n in (0, 1)))

    assert devices == sorted({row for row in rows if None not in row})
    named = [tuple(devices[n]) if n >= 0 else None for n in place.tolist()]
    assert named == [None if None in row else row for row in rows]


def test_the_shortest_type_that_holds_the_keys_holds_rows_without_one() -> None:
    """A categorical of 128 keys has indices of eight bits, and no room for another."""
    names = pa.DictionaryArray.from_arrays(
        pa.array([*range(128), None], pa.int8()), pa.array([f"d{n:03}" for n in range(128)])
    )
    devices, place = pair(coded(["p"] * 129), names)

    assert [device.device_key for device in devices] == [f"d{n:03}" for n in range(128)]
    assert place.tolist() == [*range(128), -1]


def test_devices_handed_out_are_the_callers_own() -> None:
    """Slabs share what is found once: none may change another's."""
    products, names = coded(["p", "p"]), coded(["x", "y"])
    first, _ = pair(products, names)
    first.clear()
    second, place = pair(products, names)

    assert [device.device_key for device in second] == ["x", "y"]
    np.testing.assert_array_equal(place, [0, 1])
