"""Entries carried from slab to slab: requests stay full, and every value keeps its fate."""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest import mock

import pandas as pd
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Limits, Measurepoint, ThingModel, read_history
from mpreplay.history import history as history_module
from mpreplay.history.history import History
from mpreplay.model.device import Device
from mpreplay.outcome.recording import Ready
from mpreplay.outcome.rejects import rejects_of_chunk
from mpreplay.outcome.settled import Settled
from mpreplay.requests.chunk import Prepared
from mpreplay.requests.dividing import chunk_at, divide
from mpreplay.requests.preparing import MOST_CARRIED
from mpreplay.requests.succession import Kept, Succession
from mpreplay.settings import Policy

OWN = Device(*strategies.OWN)
SKIP = Policy(False, True, "send", "last")
P = ThingModel("M", {"P": Measurepoint("P", "DOUBLE")})
ROWS = st.sampled_from([1, 2, 3, 7])
CUTS = st.lists(st.integers(0, 12), max_size=2)


def in_slabs(n_rows: int) -> Any:
    """Read slabs of so many rows at most."""
    return mock.patch.object(history_module, "SLAB_ROWS", n_rows)


def carried_between(slabs: list[Prepared]) -> list[int]:
    """Return the numbers of the slabs with entries that waited."""
    return [slab.number for slab in slabs if slab.rest is not None]


def fates(slabs: list[Prepared], outcome: Any, code: int | None) -> Counter[tuple[Any, ...]]:
    """Return the rejects of requests that all ended alike, without the requests' ids."""
    how = Settled("7", outcome, code, "", 1, None)
    rows: Counter[tuple[Any, ...]] = Counter()
    for chunk in (chunk for slab in slabs for chunk in slab.chunks()):
        table = rejects_of_chunk(chunk, how)
        rows.update(tuple(row.values()) for row in table.to_pylist())
    for slab in slabs:
        rows.update(tuple(row.values()) for row in Ready.of(slab).rejects.to_pylist())
    return rows


@given(
    strategies.cases(unreadable=True),
    st.sampled_from(["withhold", "send"]),
    st.sampled_from([("accepted", 200), ("declined", 1204), ("in_doubt", None)]),
    ROWS,
    CUTS,
)
def test_a_slab_of_any_size_gives_the_same_fates(
    case: strategies.Case, on_invalid: Any, ended: Any, n_rows: int, cuts: list[int]
) -> None:
    """Where a slab ends is a matter of memory, and of nothing that a user sees."""
    history = strategies.in_sources(case.frame, cuts)
    policy = Policy(False, True, on_invalid, "last")
    limits = Limits(max_values=1)  # whether a value is alone in its request is no accident then
    whole = strategies.prepare(history, case.model, policy, limits)
    with in_slabs(n_rows):
        slabs = strategies.prepare(history, case.model, policy, limits)

    assert fates(slabs, *ended) == fates(whole, *ended)


@given(strategies.cases(unreadable=True), ROWS, CUTS, st.integers(1, 5))
def test_only_the_last_request_of_a_source_is_not_full(
    case: strategies.Case, n_rows: int, cuts: list[int], most: int
) -> None:
    """A small slab must not cost a request: each is an entry in a platform's accounts."""
    history = strategies.in_sources(case.frame, cuts)
    with in_slabs(n_rows):
        slabs = strategies.prepare(history, case.model, SKIP, Limits(max_entries=most))

    sources: dict[str, list[int]] = {}
    for chunk in (chunk for slab in slabs for chunk in slab.chunks()):
        [source] = {part.readings.source for part, _, _ in chunk.spans}
        sources.setdefault(source, []).append(chunk.n_entries)
    assert all(n == most for ns in sources.values() for n in ns[:-1])


@given(strategies.cases(unreadable=True), ROWS, CUTS, st.integers(1, 5))
def test_whatever_is_written_down_of_each_slab_balances(
    case: strategies.Case, n_rows: int, cuts: list[int], most: int
) -> None:
    """A run may be killed after any slab: what waits is not read yet."""
    history = strategies.in_sources(case.frame, cuts)
    with in_slabs(n_rows):
        slabs = strategies.prepare(history, case.model, SKIP, Limits(max_entries=most))

    taken = 0
    for ready in map(Ready.of, slabs):
        sent = [chunk.tally() for chunk in ready.chunks]
        accounted = sum(sent, ready.tallies["withheld"])
        assert accounted == ready.tallies["read"]
        taken += ready.prepared.n_taken
    assert taken == len(case.rows)


@given(strategies.cases(), ROWS, st.integers(1, 5), st.data())
def test_any_slab_can_be_made_again_from_what_a_journal_keeps(
    case: strategies.Case, n_rows: int, most: int, data: st.DataObject
) -> None:
    """A run that is continued sends the same bytes, and reads no more slabs than it must."""
    limits = Limits(max_entries=most)
    with in_slabs(n_rows):
        slabs = strategies.prepare(case.history, case.model, SKIP, limits)
        n_kept = data.draw(st.integers(0, len(slabs)))
        kept = {slab.number: Kept.of(slab) for slab in slabs[:n_kept]}
        chosen = data.draw(st.sets(st.sampled_from(sorted(kept)))) if kept else set()
        again = made_again(case, limits, kept, chosen)

    wanted = [s for s in slabs if s.number in chosen or s.number >= n_kept]
    assert [one.number for one in again] == [one.number for one in wanted]
    for one, other in zip(again, wanted, strict=True):
        assert [c.payload("7", SKIP) for c in one.chunks()] == [
            c.payload("7", SKIP) for c in other.chunks()
        ]
        for chunk in other.chunks():
            if chunk.n_values > 1:
                for part in divide(chunk, OWN):
                    found = chunk_at(one.chunks(), part.cuts, OWN)
                    assert found.payload("7", SKIP) == part.payload("7", SKIP)


def made_again(
    case: strategies.Case, limits: Limits, kept: dict[int, Kept], chosen: set[int]
) -> list[Prepared]:
    """Return the chosen slabs and all new ones, as a run that is continued makes them."""
    order = strategies.order_of(case.history, case.model, SKIP, limits)
    made = Succession(order.preparer(order.duplicates()), order.window, kept, chosen)
    without = kept.keys() - made.needed
    return list(made.prepared(case.history.slabs(order.models.all(), without=without)))


def sparse(n_rows: int, every: int) -> History:
    """Return a history with a value in few rows."""
    values = [float(n) if n % every == 0 else None for n in range(n_rows)]
    times = pd.date_range("2024", periods=n_rows, freq="s", tz="UTC")
    return read_history(pd.DataFrame({"P": values}, times))


def test_entries_wait_for_as_many_slabs_as_it_takes() -> None:
    """A column of events has a value in a thousand rows: its requests are full all the same."""
    with in_slabs(10):
        slabs = strategies.prepare(sparse(400, 10), P, limits=Limits(max_entries=25))

    assert [c.n_entries for s in slabs for c in s.chunks()] == [25, 15]
    assert carried_between(slabs) == [*range(24), *range(24, 39)]
    waiting = slabs[20].carry[0].parts[0]
    assert len(waiting.readings.rows) == len(waiting.encoded.n_values) == 1


def test_entries_do_not_wait_for_ever() -> None:
    """A source without any more values must not keep thousands of slabs in memory."""
    with in_slabs(1):
        slabs = strategies.prepare(sparse(200, 1), P, limits=Limits(max_entries=150))

    assert [c.n_entries for s in slabs for c in s.chunks()] == [MOST_CARRIED + 1] * 3 + [5]
