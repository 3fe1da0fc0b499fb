"""A chunk taken apart: the halves carry what the whole carried, and can be made again."""

from __future__ import annotations

import json
import math
from itertools import accumulate
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import OWN

from mpreplay import Limits, Measurepoint, ThingModel
from mpreplay.model.device import Device
from mpreplay.outcome.reject_table import joined, reject_frame
from mpreplay.outcome.rejects import rejects_of_chunk
from mpreplay.outcome.settled import Settled
from mpreplay.requests import choosing
from mpreplay.requests.chunk import Chunk
from mpreplay.requests.dividing import (
    chunk_at,
    devices_of,
    divide,
    divide_devices,
    divide_far,
    divide_singly,
    divide_suspects,
    divide_values,
    levels_of,
    set_devices_aside,
)
from mpreplay.requests.tallies import Tally
from mpreplay.settings import Policy

POLICY = Policy(on_invalid="send", duplicates="last")
OWNER = Device(*OWN)
SLABS = st.integers(1, 8).map(lambda n: Limits(max_entries=n)) | st.just(Limits())


def values_of(chunk: Chunk) -> list[tuple[Any, ...]]:
    """Return the values that a chunk's request carries, in the order of its text."""
    message = json.loads(chunk.payload("1", POLICY))
    return [
        (entry.get("productKey"), entry.get("deviceKey"), entry["time"], name, repr(value))
        for entry in message["params"]
        for name, value in entry["measurepoints"].items()
    ]


def counts_of(chunk: Chunk) -> list[int]:
    """Return how many values each entry carries."""
    message = json.loads(chunk.payload("1", POLICY))
    return [len(entry["measurepoints"]) for entry in message["params"]]


def total(*tallies: Tally) -> Tally:
    """Return tallies as one."""
    return sum(tallies, Tally())


def leaves(chunk: Chunk) -> list[Chunk]:
    """Return a chunk taken apart to the last value."""
    if chunk.n_values == 1:
        return [chunk]
    first, second = divide(chunk, OWNER)
    return leaves(first) + leaves(second)


def rejected(chunks: list[Chunk]) -> pd.DataFrame:
    """Return the rejects of declined chunks, in the order of the rows."""
    settled = Settled("1", "declined", 1220, "", 1, 0.1)
    frame = reject_frame(joined([rejects_of_chunk(chunk, settled) for chunk in chunks]))
    return frame.sort_values(["source", "row", "measurepoint"], ignore_index=True)


@given(strategies.cases(), SLABS)
def test_the_halves_carry_what_the_whole_carried(case: strategies.Case, limits: Limits) -> None:
    """In its order, nothing twice, nothing lost; copies and suspects among them."""
    for prepared in strategies.prepare(case.history, case.model, POLICY, limits):
        for chunk in prepared.chunks():
            if chunk.n_values == 1:
                continue
            halves = divide(chunk, OWNER)

            assert [half.cuts for half in halves] == [f"{chunk.cuts}/0", f"{chunk.cuts}/1"]
            assert all(half.slab == chunk.slab for half in halves)
            assert values_of(halves[0]) + values_of(halves[1]) == values_of(chunk)
            assert all(half.n_values == len(values_of(half)) > 0 for half in halves)
            assert total(*(half.tally() for half in halves)) == total(chunk.tally())
            suspects = [half.tally_suspects() for half in halves]
            assert total(*suspects) == total(chunk.tally_suspects())


@given(strategies.cases(), SLABS)
def test_the_halves_are_as_even_as_entries_allow(case: strategies.Case, limits: Limits) -> None:
    """A bad value is found in as few requests as can be."""
    for prepared in strategies.prepare(case.history, case.model, POLICY, limits):
        for chunk in prepared.chunks():
            if chunk.n_values == 1:
                continue
            first, second = divide(chunk, OWNER)
            counts = counts_of(chunk)
            if len(counts) == 1:
                assert abs(first.n_values - second.n_values) <= 1
                continue
            assert first.n_entries + second.n_entries == chunk.n_entries
            n_parted = len(devices_of(first)) + len(devices_of(second))
            is_fair = min(first.n_values, second.n_values) >= chunk.n_values / 4
            if is_fair and n_parted == len(devices_of(chunk)):
                continue  # between two devices: preferred to an even cut where it is fair
            best = min(abs(2 * before - sum(counts)) for before in [*accumulate(counts)][:-1])
            assert abs(first.n_values - second.n_values) == best


@given(strategies.cases(most_rows=8), SLABS)
def test_a_chunk_comes_apart_to_single_values_and_each_is_found_by_its_path(
    case: strategies.Case, limits: Limits
) -> None:
    """What a journal says of a part is enough to make its bytes again, in another process."""
    slabs = strategies.prepare(case.history, case.model, POLICY, limits)
    again = strategies.prepare(case.history, case.model, POLICY, limits)
    for prepared, other in zip(slabs, again, strict=True):
        for chunk in prepared.chunks():
            parts = leaves(chunk)

            assert len({part.cuts for part in parts}) == len(parts) == chunk.n_values
            assert [value for part in parts for value in values_of(part)] == values_of(chunk)
            pd.testing.assert_frame_equal(rejected(parts), rejected([chunk]))
            for part in [chunk, *parts]:
                found = chunk_at(other.chunks(), part.cuts, OWNER)
                assert found.cuts == part.cuts
                assert found.payload("17", POLICY) == part.payload("17", POLICY)
                assert found.tally() == part.tally()
                assert found.n_bytes("17", POLICY) == len(part.payload("17", POLICY))


def parts_by(way: str, chunk: Chunk, data: st.DataObject) -> list[Chunk]:
    """Return the parts that a way of cutting makes; none where it does not apply."""
    n_devices = len(devices_of(chunk))
    if way == "values" and chunk.n_values > 1:
        return list(divide_values(chunk, OWNER))
    if way == "devices" and n_devices > 1:
        return list(divide_devices(chunk, OWNER))
    if way == "suspects":
        return list(divide_suspects(chunk, OWNER) or ())
    if way == "far":
        return list(divide_far(chunk, OWNER) or ())
    if way == "singly":
        return divide_singly(chunk, OWNER)
    if way == "aside":
        numbers = st.lists(st.integers(0, n_devices - 1), min_size=1, unique=True)
        return set_devices_aside(chunk, sorted(data.draw(numbers)))
    return list(divide(chunk, OWNER)) if chunk.n_values > 1 else []


WAYS = st.sampled_from(["values", "devices", "suspects", "far", "singly", "aside", "entries"])


@given(strategies.cases(most_rows=8), SLABS, st.data())
def test_however_a_chunk_is_taken_apart_its_parts_carry_it_and_are_found_by_their_paths(
    case: strategies.Case, limits: Limits, data: st.DataObject
) -> None:
    """An isolation that is killed goes on in another process, with what the paths say."""
    slabs = strategies.prepare(case.history, case.model, POLICY, limits)
    again = strategies.prepare(case.history, case.model, POLICY, limits)
    for prepared, other in zip(slabs, again, strict=True):
        for chunk in prepared.chunks():
            whole = chunk
            for way in data.draw(st.lists(WAYS, min_size=1, max_size=4)):
                parts = parts_by(way, whole, data)
                if not parts:
                    continue
                carried = [value for part in parts for value in values_of(part)]
                assert sorted(carried, key=repr) == sorted(values_of(whole), key=repr)
                assert all(p.n_values == len(values_of(p)) > 0 for p in parts)
                assert total(*(p.tally() for p in parts)) == total(whole.tally())
                suspects = [p.tally_suspects() for p in parts]
                assert total(*suspects) == total(whole.tally_suspects())
                pd.testing.assert_frame_equal(rejected(parts), rejected([whole]))
                for part in parts:
                    found = chunk_at(other.chunks(), part.cuts, OWNER)
                    assert found.payload("17", POLICY) == part.payload("17", POLICY)
                    assert (found.cuts, found.levels) == (part.cuts, part.levels)
                    times: dict[Any, list[int]] = {}
                    for product, device, time, *_ in values_of(part):
                        times.setdefault((product, device), []).append(time)
                    assert all(one == sorted(one) for one in times.values())
                whole = parts[data.draw(st.integers(0, len(parts) - 1))]


@given(strategies.cases(), st.data())
def test_no_value_is_cut_off_more_often_than_its_chunk_has_levels(
    case: strategies.Case, data: st.DataObject
) -> None:
    """That is what bounds how many requests a culprit costs."""
    for prepared in strategies.prepare(case.history, case.model, POLICY):
        for chunk in prepared.chunks():
            most = levels_of(chunk)
            assert most <= math.log2(chunk.n_values) + 2
            part, depth = chunk, 0
            while part.n_values > 1:
                ways = data.draw(st.permutations([divide_suspects, divide_far]))
                parts = ways[0](part, OWNER) or ways[1](part, OWNER)
                if parts is None:
                    parts = divide_values(part, OWNER)
                    # Exactly the middle, or between two points near it.
                    fewest = min(half.n_values for half in parts)
                    assert fewest >= part.n_values / 4
                part, depth = parts[data.draw(st.integers(0, 1))], depth + 1
            assert depth <= most


@given(strategies.cases(), st.data())
def test_no_device_is_cut_off_more_often_than_halving_asks(
    case: strategies.Case, data: st.DataObject
) -> None:
    """However unevenly values are shared between devices."""
    for prepared in strategies.prepare(case.history, case.model, POLICY):
        for chunk in prepared.chunks():
            part, depth = chunk, 0
            while len(devices_of(part)) > 1:
                part, depth = divide_devices(part, OWNER)[data.draw(st.integers(0, 1))], depth + 1
            assert depth <= math.ceil(math.log2(len(devices_of(chunk))))


@given(strategies.cases())
def test_a_path_that_a_slab_does_not_have_is_a_lookup_error(case: strategies.Case) -> None:
    """The history is another one: the caller says so."""
    slabs = strategies.prepare(case.history, case.model, POLICY)
    assume(slabs)
    chunks = slabs[0].chunks()
    with pytest.raises(LookupError):
        chunk_at(chunks, str(len(chunks)), OWNER)


def test_values_told_apart_one_by_one_are_written_in_one_go() -> None:
    """Sixty values on their own cost about as much to write as a request of sixty values."""
    frame = pd.DataFrame({"(time)": range(40), "(device)": "d0", "(product)": "p1", "P": 1.5})
    model = ThingModel("M", {"P": Measurepoint("P", "FLOAT")})
    [slab] = strategies.prepare(strategies.read(frame), model, POLICY)
    [chunk] = slab.chunks()
    with mock.patch.object(choosing, "encode_entries", wraps=choosing.encode_entries) as write:
        parts = divide_singly(chunk, OWNER)

    assert write.call_count == 1
    assert [values_of(part) for part in parts] == [[value] for value in values_of(chunk)]
