"""Counts by device and day: sums are what a dict of them gives, whatever tables they come from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.cells.epoch import NO_DAY
from mpreplay.model.device import Device
from mpreplay.model.device_table import DeviceTable
from mpreplay.outcome.packed_counts import Names, pack_tally, unpack
from mpreplay.requests.tallies import Counts, Key, Tally, total_of

DAYS = st.sampled_from([None, -719_162, -1, 0, 19_875, 19_876, 2_932_896])
KEYS = st.tuples(st.just("p"), st.sampled_from(["a", "b", "c"]), DAYS)
COUNTED = st.lists(st.tuples(KEYS, st.integers(-3, 5)), max_size=8)


def tally_of(counted: list[tuple[Key, int]], table: DeviceTable) -> Tally:
    """Return counts as columns."""
    device = table.numbers(Device(*key[:2]) for key, _ in counted)
    day = [NO_DAY if key[2] is None else key[2] for key, _ in counted]
    n = np.array([n for _, n in counted], np.int64)
    return Tally([Counts(table, device, np.array(day, np.int64), n)])


def summed(counted: list[tuple[Key, int]]) -> dict[Key, int]:
    """Return the sums of counts, without those that are zero."""
    sums: dict[Key, int] = {}
    for key, n in counted:
        sums[key] = sums.get(key, 0) + n
    return {key: n for key, n in sums.items() if n}


@given(st.lists(COUNTED, max_size=4), st.booleans())
def test_tallies_add_up_as_a_dict_of_them_does(
    parts: list[list[tuple[Key, int]]], one: bool
) -> None:
    """Slabs and requests are counted apart, and the books are their sum."""
    table = DeviceTable()
    tallies = [tally_of(part, table if one else DeviceTable()) for part in parts]
    whole = sum(tallies, Tally())
    meant = summed([counted for part in parts for counted in part])

    assert whole == meant
    assert whole.total == total_of(whole) == total_of(meant)
    assert dict(whole.summed()) == meant
    assert whole + -whole == {}


@given(COUNTED)
def test_a_tally_is_packed_as_a_dict_of_it_is(counted: list[tuple[Key, int]]) -> None:
    """The journal knows no difference."""
    names, others = Names(), Names()
    devices, days, sums = unpack(pack_tally(tally_of(counted, DeviceTable()).summed(), names), 3)
    keys = list(names.devices)
    found = {
        (*keys[device], None if day == NO_DAY else day): n
        for device, day, n in zip(devices.tolist(), days.tolist(), sums.tolist(), strict=True)
    }

    assert found == summed(counted)
    plain = unpack(pack_tally(summed(counted), others), 3)
    assert sorted(plain[2].tolist()) == sorted(sums.tolist())
