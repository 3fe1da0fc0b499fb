"""A slab made ready: nothing counted twice, nothing lost, the same requests from the same input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import oracle
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Limits, Measurepoint, ThingModel, read_history
from mpreplay.history import history as history_module
from mpreplay.history.history import History
from mpreplay.requests.chunk import Prepared
from mpreplay.requests.tallies import Key, Tally
from mpreplay.settings import Policy

DAY = 86_400_000
MODEL = ThingModel(
    "M", {"P": Measurepoint("P", "FLOAT", maximum=100), "s": Measurepoint("s", "STRING")}
)
POLICIES = st.builds(
    Policy,
    on_invalid=st.sampled_from(["withhold", "send"]),
    duplicates=st.sampled_from(["first", "last"]),
)


def added(tallies: list[Tally]) -> Tally:
    """Return tallies as one."""
    return sum(tallies, Tally())


def sent(slabs: list[Prepared]) -> Tally:
    """Return the values of all requests, copies among them."""
    return added([chunk.tally() for slab in slabs for chunk in slab.chunks()])


@given(
    strategies.cases(unreadable=True),
    POLICIES,
    st.sampled_from([2, 5, 100]),
    st.lists(st.integers(0, 12), max_size=2),
    st.none() | st.integers(1, 3),
)
def test_what_is_read_is_withheld_or_sent(
    case: strategies.Case, policy: Policy, slab: int, cuts: list[int], most: int | None
) -> None:
    """The books balance for each device and day before a byte is sent."""
    history = strategies.in_sources(case.frame, cuts)

    with mock.patch.object(history_module, "SLAB_ROWS", slab):
        slabs = strategies.prepare(history, case.model, policy, Limits(max_values=most))

    parts = [part for prepared in slabs for part in prepared.parts]
    read = added([part.tally_read() for part in parts])
    assert added([sent(slabs), *(part.tally_withheld() for part in parts)]) == read
    values = [v for row in case.rows for v in row.values.values() if not oracle.is_absent(v)]
    assert sum(read.values()) == sum(prepared.n_values for prepared in slabs) == len(values)
    assert sum(prepared.n_rows for prepared in slabs) == len(case.rows)


@given(strategies.cases(unreadable=True, repeats=False), POLICIES)
def test_values_are_booked_under_what_is_known_of_their_row(
    case: strategies.Case, policy: Policy
) -> None:
    """Where no time could be read there is no day, and the device is still named."""
    slabs = strategies.prepare(case.history, case.model, policy)

    meant: dict[Key, int] = {}
    for row in case.rows:
        n = sum(not oracle.is_absent(v) for v in row.values.values())
        device = ("", "") if None in (row.product, row.device) else (row.product, row.device)
        day = None if row.time is None else row.time // DAY
        key = (*map(str, device), day)
        meant[key] = meant.get(key, 0) + n
    read = added([part.tally_read() for slab in slabs for part in slab.parts])
    assert read == {key: n for key, n in meant.items() if n}


def rows_of(days: int = 3) -> pd.DataFrame:
    """Return readings of two products over some days, with a repeat and a bad value."""
    n = 24 * days
    return pd.DataFrame(
        {
            "(time)": [strategies.START + 3_600_000 * (k // 2 if k < 6 else k) for k in range(n)],
            "(device)": [f"d{k % 3}" for k in range(n)],
            "(product)": [f"p{k % 2}" for k in range(n)],
            "P": [200.0 if k == 7 else k / 7 for k in range(n)],
            "s": [None if k % 5 == 0 else f"text {k}" for k in range(n)],
        }
    )


def payloads(history: History, limits: Limits | None = None) -> list[bytes]:
    """Return all requests of a history, under one id."""
    policy = Policy(on_invalid="withhold", duplicates="last")
    slabs = strategies.prepare(history, MODEL, policy, limits)
    return [chunk.payload("7", policy) for slab in slabs for chunk in slab.chunks()]


OPTIONS: dict[str, Any] = {
    "time_column": "(time)", "time_unit": "ms", "device_column": "(device)",
    "product_column": "(product)", "plausible": None,
}  # fmt: skip


def test_requests_depend_on_nothing_else(tmp_path: Path) -> None:
    """However a file is laid out, however fast it is sent: the same bytes, which can be redone."""
    frame = rows_of()
    made = []
    with mock.patch.object(history_module, "SLAB_ROWS", 20):
        for size in (1, 7, 20, 64, 1_000):
            path = tmp_path / "history.parquet"
            pq.write_table(pa.Table.from_pandas(frame), path, row_group_size=size)
            for limits in (
                Limits(max_bytes=1_000),
                Limits(max_bytes=1_000, window=1, bytes_per_second=None, values_per_second=9),
            ):
                made.append(payloads(read_history(path, **OPTIONS), limits))
        made.append(payloads(read_history(frame, **OPTIONS), Limits(max_bytes=1_000)))

    assert len(made[0]) > 4
    assert all(one == made[0] for one in made)


def test_a_request_id_changes_its_own_bytes_and_no_others() -> None:
    """A request is the same after a restart, which gives it another id."""
    policy = Policy(on_invalid="withhold", duplicates="last")
    [slab] = strategies.prepare(read_history(rows_of(), **OPTIONS), MODEL, policy)
    [chunk] = slab.chunks()

    first, second = (json.loads(chunk.payload(name, policy)) for name in ("1", "9" * 20))

    assert (first.pop("id"), second.pop("id")) == ("1", "9" * 20)
    assert first == second


@pytest.mark.parametrize("gone", ["p0", "p1", "p2"])
def test_a_product_with_nothing_to_send_leaves_the_others_whole(gone: str) -> None:
    """The values of one product are all invalid; the request has to stay JSON."""
    rows = [
        oracle.Row(p, "d9", t, {"P": 200.0 if p == gone else 1.0})
        for p in ("p0", "p1", "p2")
        for t in (1, 2)
    ]

    [slab] = strategies.prepare(strategies.read(strategies.frame_of(rows, ["P"])), MODEL)
    [chunk] = slab.chunks()

    entries = json.loads(chunk.payload("7", Policy()))["params"]
    assert {e["productKey"] for e in entries} == {"p0", "p1", "p2"} - {gone}
    assert (chunk.n_entries, chunk.n_values, chunk.times) == (4, 4, (1, 2))


def test_rows_that_hold_no_value_are_counted() -> None:
    """They are in no request and no reject; the summary says how many they were."""
    values: list[dict[str, Any]] = [
        {"P": 1.0},
        {},
        {"P": 999.0},
        {"P": 999.0, "s": "a"},
        {"P": 1.0},
    ]
    times = [1, 2, 3, 4, 1]  # the last is a copy of the first, and carried with it
    rows = [oracle.Row("p1", "d1", t, v) for t, v in zip(times, values, strict=True)]

    [slab] = strategies.prepare(strategies.read(strategies.frame_of(rows, ["P", "s"])), MODEL)

    assert (slab.n_rows, slab.n_values, slab.n_empty) == (5, 5, 1)


def test_a_history_without_rows_makes_no_request() -> None:
    """An empty file is no error."""
    assert payloads(strategies.read(strategies.frame_of([], ["P"]))) == []


def test_what_the_model_faults_is_counted_where_it_is_sent_all_the_same() -> None:
    """Under skip the platform says 200 and drops these: the books must know how many."""
    rows = [oracle.Row("p1", "d1", t, {"P": p}) for t, p in ((1, 1.0), (2, 999.0), (2, 999.0))]
    policy = Policy(on_invalid="send", duplicates="last", skip_invalid_measurepoints=True)

    [slab] = strategies.prepare(strategies.read(strategies.frame_of(rows, ["P"])), MODEL, policy)
    [chunk] = slab.chunks()

    assert chunk.tally() == {("p1", "d1", 0): 3}
    assert chunk.tally_suspects() == {("p1", "d1", 0): 2}
