"""Runs: where one device's entries begin and end in each request."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from strategies import Case, cases, prepare

import mpreplay as mp
from mpreplay.cells.epoch import DAY
from mpreplay.requests.runs import runs_of


@given(cases(), st.integers(1, 8), st.booleans())
def test_the_runs_of_a_request_are_its_entries_each_once(
    case: Case, max_entries: int, by_day: bool
) -> None:
    """What is told of runs is told of every entry, of its own device, and of no other request."""
    slabs = prepare(case.history, case.model, limits=mp.Limits(max_entries=max_entries))
    chunks = [chunk for slab in slabs for chunk in slab.chunks()][::2]  # with gaps between them
    found: list[Any] = []
    for runs in runs_of(chunks, by_day=by_day):
        entries, devices = runs.part.entries, runs.part.readings.devices
        for place, start, stop in zip(runs.place, runs.start, runs.stop, strict=True):
            [device] = set(entries.device[start:stop].tolist())
            days = set((entries.time[start:stop] // DAY).tolist())
            assert len(days) == 1 or not by_day
            found += [(place, devices[device], time) for time in entries.time[start:stop].tolist()]

    assert sorted(found) == sorted(
        (place, part.readings.devices[part.entries.device[n]], int(part.entries.time[n]))
        for place, chunk in enumerate(chunks)
        for part, a, b in chunk.spans
        for n in range(a, b)
    )


@given(cases())
def test_no_run_could_be_joined_to_its_neighbour(case: Case) -> None:
    """As few runs as can be: a slab of one device is one, however many entries it has."""
    for slab in prepare(case.history, case.model):
        for runs in runs_of(slab.chunks()):
            device = runs.part.entries.device[runs.start]
            same = (device[1:] == device[:-1]) & (runs.place[1:] == runs.place[:-1])
            assert not same.any()
