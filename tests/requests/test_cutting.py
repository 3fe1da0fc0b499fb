"""Cutting: nothing lost, nothing over a limit, nothing split that fits."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import oracle
import pandas as pd
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import ConfigError, Limits, Measurepoint, ThingModel, read_history
from mpreplay.cells.epoch import FIRST_TIME
from mpreplay.history import history as history_module
from mpreplay.requests.cutting import cut, group_columns
from mpreplay.settings import Policy

LONG = ThingModel(
    "M",
    {
        **{f"s{n}": Measurepoint(f"s{n}", "STRING") for n in range(3)},
        "a": Measurepoint("a", "ARRAY", item_type="INT"),
    },
)
WITHHOLD = Policy(on_invalid="withhold", duplicates="last")


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9)), max_size=30),
    st.integers(30, 90),
    st.none() | st.integers(1, 9),
    st.none() | st.integers(9, 40),
)
def test_chunks_follow_one_another_and_keep_every_limit(
    entries: list[tuple[int, int]], room: int, most_entries: int | None, most_values: int | None
) -> None:
    """Whatever the sizes: the chunks together are the entries, and none could take one more."""
    sizes = np.array([size for size, _ in entries], np.int64)
    counts = np.array([count for _, count in entries], np.int64)

    cuts = cut(sizes, counts, room=room, max_entries=most_entries, max_values=most_values)

    def fits(a: int, b: int) -> bool:
        return (
            int(sizes[a:b].sum()) <= room
            and (most_entries is None or b - a <= most_entries)
            and (most_values is None or int(counts[a:b].sum()) <= most_values)
        )

    assert cuts.tolist()[0] == 0
    assert cuts.tolist()[-1] == len(sizes)
    assert all(a < b and fits(a, b) for a, b in pairwise(cuts.tolist()))
    assert not any(fits(a, b + 1) for a, b in pairwise(cuts.tolist()) if b < len(sizes))


def test_an_entry_that_cannot_fit_is_an_error_of_the_caller() -> None:
    """It has to be split before; sending it anyway would be declined."""
    with pytest.raises(ConfigError, match="31 bytes does not fit in 30"):
        cut(np.array([31]), np.array([1]), room=30)


@given(
    st.lists(st.just(0) | st.integers(1, 20), max_size=12),
    st.integers(20, 50),
    st.none() | st.integers(1, 4),
)
def test_groups_hold_every_value_once(sizes: list[int], room: int, most: int | None) -> None:
    """A split entry loses no point and doubles none."""
    groups = group_columns(np.array(sizes, np.int64), room=room, max_values=most)

    assert [n for group in groups for n in group.tolist()] == [n for n, s in enumerate(sizes) if s]
    assert all(sum(sizes[n] for n in group) <= room for group in groups)
    assert all(len(group) <= (most or 99) for group in groups)


@st.composite
def long_rows(draw: Any) -> list[oracle.Row]:
    """Draw rows whose values are up to a good part of the smallest request."""
    text = st.builds(
        lambda c, n: c * n, st.sampled_from(["x", "é", "\x01", '"']), st.integers(0, 90)
    )
    value = {"s0": text, "s1": text, "s2": text, "a": st.lists(st.integers(0, 9**9), max_size=12)}
    who = st.tuples(st.sampled_from(["p1", "π"]), st.sampled_from(["d0", "device" * 6]),
                    st.integers(-5, 5) | st.integers(10**12, 10**13))  # fmt: skip
    keys = draw(st.lists(who, max_size=8, unique=True))
    return [
        oracle.Row(*key, {n: draw(s) for n, s in value.items() if draw(st.booleans())})
        for key in keys
    ]


@given(
    long_rows(),
    st.sampled_from([300, 340, 500, 2_000]),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(1, 5),
    st.booleans(),
    st.sampled_from([3, 100]),
)
def test_no_request_is_over_a_limit_and_no_value_is_lost(
    rows: list[oracle.Row],
    max_bytes: int,
    max_entries: int | None,
    max_values: int | None,
    flag: bool,
    slab_rows: int,
) -> None:
    """The platform refuses a request of a byte too many, with all that is in it."""
    limits = Limits(max_bytes=max_bytes, max_entries=max_entries, max_values=max_values)
    policy = Policy(flag, flag, "withhold", "last")
    history = strategies.read(strategies.frame_of(rows, list(LONG.measurepoints)))

    with mock.patch.object(history_module, "SLAB_ROWS", slab_rows):
        slabs = strategies.prepare(history, LONG, policy, limits)
    chunks = [chunk for slab in slabs for chunk in slab.chunks()]
    payloads = [chunk.payload("9" * 20, policy) for chunk in chunks]
    sent = [entry for p in payloads for entry in json.loads(p)["params"]]

    for chunk, payload in zip(chunks, payloads, strict=True):
        entries = json.loads(payload)["params"]
        assert len(payload) == chunk.n_bytes("9" * 20, policy) < max_bytes
        assert len(entries) == chunk.n_entries <= (max_entries or 99)
        n_values = sum(len(e["measurepoints"]) for e in entries)
        assert n_values == chunk.n_values <= (max_values or 99)
    _check_whole(rows, slabs, sent, policy.overhead(), limits)


def _check_whole(
    rows: list[oracle.Row], slabs: Any, sent: list[Any], overhead: int, limits: Limits
) -> None:
    """Hold what was sent against the rows: each value once, or withheld as too large."""
    gone = {
        (int(fault_row), part.readings.columns[fault.column].point.identifier)
        for slab in slabs
        for part in slab.parts
        for fault in part.faults
        if fault.check == "too_large"
        for fault_row in part.readings.rows[
            part.readings.columns[fault.column].at[fault.positions]
        ]
    }  # fmt: skip
    meant, parts = {}, {}
    for n, row in enumerate(rows):
        keys = (row.product, row.device, row.time)
        left = {k: v for k, v in row.values.items() if (n, k) not in gone}
        [entry] = oracle.entries([oracle.Row(*keys, left)], LONG, strategies.OWN) or [None]
        if entry:
            meant[keys] = entry["measurepoints"]
            too_many = limits.max_values is not None and len(left) > limits.max_values
            size = len(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()) + 1
            parts[keys] = too_many or size > limits.max_bytes - overhead
    found: dict[Any, dict[str, Any]] = {}
    for entry in sent:
        named = (entry.get("productKey", "p1"), entry.get("deviceKey", "d0"), entry["time"])
        assert named not in found or parts[named], "only an entry too large alone is split"
        assert not set(found.setdefault(named, {})) & set(entry["measurepoints"])
        found[named] |= entry["measurepoints"]
    assert found == meant
    for n, name in gone:
        value = {name: rows[n].values[name]}
        entry = {"productKey": rows[n].product, "deviceKey": rows[n].device, "measurepoints": value}
        size = len(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        assert size + 30 > limits.max_bytes - overhead, "what fits alone is not withheld"


def test_a_value_too_large_alone_is_withheld_and_its_neighbours_go() -> None:
    """One runaway text must not hold back a day of readings, nor vanish."""
    frame = strategies.frame_of(
        [
            oracle.Row("p1", "d1", n, {"s0": "x" * size, "s1": "y"})
            for n, size in enumerate([9, 400])
        ],
        ["s0", "s1"],
    )

    [slab] = strategies.prepare(strategies.read(frame), LONG, WITHHOLD, Limits(max_bytes=400))
    [chunk] = slab.chunks()

    sent = [e["measurepoints"] for e in json.loads(chunk.payload("7", WITHHOLD))["params"]]
    assert sent == [{"s0": "x" * 9, "s1": "y"}, {"s1": "y"}]
    assert [(f.check, f.positions.tolist()) for f in slab.parts[0].faults] == [("too_large", [1])]


@pytest.mark.parametrize("on_invalid", ["withhold", "send"])
def test_a_value_that_just_fits_is_sent(on_invalid: Any) -> None:
    """Find the largest text that goes: its request is as near the limit as can be."""
    policy, limits = Policy(on_invalid=on_invalid, duplicates="last"), Limits(max_bytes=400)
    lengths = []
    for size in range(100, 200):
        frame = strategies.frame_of(
            [oracle.Row("p1", "d1", FIRST_TIME, {"s0": "x" * size})], ["s0"]
        )
        [slab] = strategies.prepare(strategies.read(frame), LONG, policy, limits)
        lengths += [len(c.payload("9" * 20, policy)) for c in slab.chunks()]

    assert max(lengths) == 399


def test_many_entries_too_large_are_split_at_once() -> None:
    """A wide history under a small max_values takes no longer than it has to."""
    n = 2_000
    frame = pd.DataFrame({f"s{k}": ["text"] * n for k in range(3)})
    frame.index = pd.date_range("2024", periods=n, freq="s", tz="UTC")
    [slab] = strategies.prepare(read_history(frame), LONG, WITHHOLD, Limits(max_values=2))

    chunks = slab.chunks()
    assert sum(chunk.n_values for chunk in chunks) == 3 * n
    assert max(chunk.n_values for chunk in chunks) == 2
