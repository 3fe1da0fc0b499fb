"""Devices with numbers: what is known of a device is found by its number, and of no other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.model.device import Device
from mpreplay.model.device_table import NOBODY, Devices, DeviceTable, Renumbered

DEVICES = st.builds(Device, st.sampled_from(["p", "q"]), st.sampled_from(["a", "b", "é", "z9"]))


def told(some: Sequence[Device]) -> pa.Array:
    """Return a fact of devices: their keys as one text."""
    return pa.array(["/".join(one) for one in some], pa.string())


@given(st.lists(st.lists(DEVICES, max_size=6), max_size=5))
def test_a_fact_of_a_device_is_its_own_however_the_table_grows(slabs: list[list[Device]]) -> None:
    """A request with the key of the neighbour is a reading of the neighbour."""
    table = DeviceTable()
    n_made = 0

    def make(some: Sequence[Device]) -> pa.Array:
        nonlocal n_made
        n_made += len(some)
        return told(some)

    for slab in slabs:
        devices = Devices(table, table.numbers(slab))

        assert devices == slab
        assert devices.facts("told", make).to_pylist() == told(slab).to_pylist()
        assert devices.products == tuple(sorted({one.product_key for one in slab}))
    assert n_made <= len(table)


@given(st.lists(st.lists(DEVICES, max_size=6), max_size=5), st.booleans())
def test_numbers_are_given_in_the_order_of_use(slabs: list[list[Device]], one_table: bool) -> None:
    """A journal names devices by numbers, whatever the slab and the table they come from."""
    table = DeviceTable()
    numbers: dict[tuple[str, str], int] = {}
    given_out = Renumbered(numbers)
    for slab in slabs:
        table = table if one_table else DeviceTable()
        found = given_out.of(table, table.numbers(slab)).tolist()

        assert found == [numbers[one] for one in slab]
    order = dict.fromkeys(one for slab in slabs for one in slab)
    assert numbers == {one: n for n, one in enumerate(order)}


def test_a_row_without_a_device_has_a_number_too() -> None:
    """Its values are counted, under no key."""
    assert DeviceTable().devices[NOBODY] == ("", "")


def test_devices_are_read_like_a_list() -> None:
    """Tools of the package take either."""
    some = [Device("p", "b"), Device("p", "a")]
    devices = Devices.of(some)

    assert Devices.of(devices) is devices
    assert [devices[0], devices[-1], *devices[:1]] == [some[0], some[1], some[0]]
    assert repr(devices) == repr(some)
    assert devices.taken(np.array([1])) == some[1:]
    assert devices != some[:1]
