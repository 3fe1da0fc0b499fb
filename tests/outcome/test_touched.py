"""Touched ranges: where a run wrote or may have, as its requests say and as its books count."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from conftest import PRODUCT, SOLO, Play, history_of
from hypothesis import given
from hypothesis import strategies as st
from scripted import GATEWAY, Killed
from strategies import OWN, Case, cases, prepare

import mpreplay as mp
from mpreplay.frames import TOUCHED_COLUMNS, typed
from mpreplay.model.device import Device
from mpreplay.outcome.packed_counts import Names, pack, unpack
from mpreplay.outcome.sent_counts import pack_requests
from mpreplay.outcome.touched import touched_frame, touched_of
from mpreplay.requests.chunk import Chunk
from mpreplay.requests.dividing import divide
from mpreplay.settings import Policy

SEND = Policy(on_invalid="send", duplicates="last")


def expected(payloads: Iterable[bytes], own: tuple[str, str] = OWN) -> pd.DataFrame:
    """Return what requests write, counted entry by entry."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for payload in payloads:
        for entry in json.loads(payload)["params"]:  # reads integers of any length
            device = entry.get("productKey", own[0]), entry.get("deviceKey", own[1])
            for name in entry["measurepoints"]:
                found.setdefault((*device, name), []).append(entry["time"])
    rows = [(*key, min(t), max(t), len(t), 0) for key, t in sorted(found.items())]
    return typed(rows, TOUCHED_COLUMNS)


def chunks_of(case: Case, max_entries: int, policy: Policy) -> list[Chunk]:
    """Return the requests of a case, every second one as two parts."""
    slabs = prepare(case.history, case.model, policy, mp.Limits(max_entries=max_entries))
    chunks = []
    for number, chunk in enumerate(chunk for slab in slabs for chunk in slab.chunks()):
        parted = number % 2 and chunk.n_values > 1
        chunks += list(divide(chunk, Device(*OWN))) if parted else [chunk]
    return chunks


@given(cases(), st.integers(1, 8), st.sampled_from(["withhold", "send"]))
def test_the_records_say_what_the_requests_write(
    case: Case, max_entries: int, on_invalid: Any
) -> None:
    """Whatever is overwritten by them has to be found where it went to."""
    policy = replace(SEND, on_invalid=on_invalid)
    chunks = chunks_of(case, max_entries, policy)
    names = Names()
    records = [("accepted", record) for record in touched_of(chunks, names)]
    found = touched_frame(records, names, skips=False)

    pd.testing.assert_frame_equal(found, expected(chunk.payload("1", policy) for chunk in chunks))


@given(cases(), st.integers(1, 8))
def test_the_records_of_many_requests_are_those_of_each_alone(case: Case, max_entries: int) -> None:
    """The requests of a slab are recorded together, and are not mixed up by that."""
    chunks = chunks_of(case, max_entries, SEND)
    names = Names()
    touched, tallies = touched_of(chunks, names), pack_requests(chunks, names)

    for chunk, record, (n, counts) in zip(chunks, touched, tallies, strict=True):
        frames = [
            touched_frame([("accepted", one)], names, skips=False)
            for one in (record, *touched_of([chunk], names))
        ]
        pd.testing.assert_frame_equal(*frames)
        tally: dict[Any, int] = {}
        for device, day, count in unpack(counts, 3).T.tolist():
            key = (*list(names.devices)[device], day)
            tally[key] = tally.get(key, 0) + count
        assert tally == chunk.tally()
        assert n == sum(tally.values())


@given(cases(), st.integers(1, 8))
def test_what_the_platform_skips_is_not_written(case: Case, max_entries: int) -> None:
    """It said 200, and left out what the model check faults; in doubt it may hold all of it."""
    chunks = chunks_of(case, max_entries, SEND)
    names = Names()
    records = touched_of(chunks, names)
    n_sent = sum(chunk.n_values for chunk in chunks)
    n_suspects = sum(
        len(positions)
        for chunk in chunks
        for span in chunk.spans
        for _, positions in span[0].suspects(*span[1:])
    )
    accepted = touched_frame([("accepted", record) for record in records], names, skips=True)
    in_doubt = touched_frame([("in_doubt", record) for record in records], names, skips=True)

    assert accepted["n_values"].sum() == n_sent - n_suspects
    assert in_doubt["n_in_doubt"].sum() == n_sent
    assert accepted["n_in_doubt"].sum() == in_doubt["n_values"].sum() == 0


def test_nothing_written_is_a_frame_of_the_same_types() -> None:
    """Scripts put frames of many runs together."""
    names = Names({("p", "d"): 0}, {"P": 0})
    record = pack(np.array([[0], [0], [5], [6], [2], [0]]))
    full = touched_frame([("accepted", record)], names, skips=False)
    empty = touched_frame([], names, skips=False)

    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
    assert full["first_time"].dtype == pd.DatetimeTZDtype("ms", "UTC")
    assert full.iloc[0].tolist()[:3] == ["p", "d", "P"]


def test_the_record_of_a_large_request_is_small() -> None:
    """A journal is kept for years, and a device may report every second."""
    times = pd.date_range("2024", periods=20_000, freq="s", tz="UTC")
    history = mp.read_history(pd.DataFrame({"P": range(20_000)}, times))
    model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE")})
    [chunk] = [c for slab in prepare(history, model, limits=mp.Limits()) for c in slab.chunks()][:1]

    assert chunk.n_values > 5_000
    assert len(touched_of([chunk], Names())[0]) < 100


def test_the_records_of_very_many_devices_are_small() -> None:
    """A fleet reports a few times for each of thousands of devices, point by point."""
    keys = [f"device-{n:05}" for n in range(3_000)]
    frame = pd.DataFrame({"unit": keys, "ts": pd.Timestamp("2024", tz="UTC"), "P": 1.5, "Q": 2.5})
    history = mp.read_history(frame, time_column="ts", device_column="unit", product_key="p")
    points = {name: mp.Measurepoint(name, "DOUBLE") for name in "PQ"}
    [slab] = prepare(history, mp.ThingModel("M", points))
    names = Names()
    records = touched_of(slab.chunks(), names)

    assert sum(map(len, records)) < sum(c.n_bytes("1", SEND) for c in slab.chunks()) / 10
    found = touched_frame([("accepted", record) for record in records], names, skips=False)
    assert len(found) == found["n_values"].sum() == 6_000


# Of whole runs, from their journals.


def test_accepted_and_in_doubt_are_counted_and_declined_are_not(play: Play, tmp_path: Path) -> None:
    """A request without an answer may have arrived; one that was declined did not."""

    def script(_n: int, message: Any) -> Any:
        time = message["params"][0]["time"] % 3_600_000 // 60_000
        return {40: None, 50: [(0.0, 1204)], 0: [], 10: None}[time]

    run, transport = play(script, isolate=False)
    found = mp.open_run(tmp_path / "run.db").touched()
    books = run.books.sum(numeric_only=True)

    assert found["n_values"].sum() == books["accepted"] > 0
    assert found["n_in_doubt"].sum() == books["in_doubt"] > 0
    times = [pd.Timestamp(text, tz="UTC") for text in ("2024-05-31 23:40", "2024-06-01 00:10")]
    wind = found[found["measurepoint"] == "wind"].set_index("device_key")
    assert wind.loc["T1", ["first_time", "last_time"]].tolist() == times
    assert set(found["product_key"]) == {PRODUCT}
    assert len(transport.published) > len(run.results)  # what is in doubt was sent again


def test_a_killed_run_says_what_it_may_have_written(play: Play, tmp_path: Path) -> None:
    """Nobody was left to note the end of the request on its way; who mends the data must know."""

    def script(n: int, _message: Any) -> None:
        if n == 3:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("mpreplay.runner.driver.Driver._note_end", lambda _: None)
        play(script)
    killed = mp.open_run(tmp_path / "run.db")
    books = killed.books.sum(numeric_only=True)

    assert killed.touched()["n_values"].sum() == books["accepted"] > 0
    assert killed.touched()["n_in_doubt"].sum() == books["in_doubt"] > 0
    run, _ = play()
    assert run.complete
    assert run.touched()["n_in_doubt"].sum() == 0
    assert run.touched()["n_values"].sum() == run.books["accepted"].sum()


def test_a_damaged_record_is_named(play: Play, tmp_path: Path) -> None:
    """A journal that was copied badly says so, and does not say that nothing was written."""
    run, _ = play()
    with closing(sqlite3.connect(tmp_path / "run.db")) as db, db:
        db.execute("UPDATE requests SET touched = X'789C00' WHERE rowid = 3")

    with pytest.raises(mp.JournalError, match=r"run\.db: .*what a request writes is damaged"):
        run.touched()


def test_a_doubt_that_is_resolved_leaves_no_trace(play: Play) -> None:
    """Continued, the requests in doubt are declined: nothing of them was written."""
    run, _ = play(lambda n, _: [] if n > 4 else None)
    assert run.touched()["n_in_doubt"].sum() > 0
    run, _ = play(lambda _n, _: [(0.0, 1204)], isolate=False)

    assert run.touched()["n_in_doubt"].sum() == 0
    assert run.touched()["n_values"].sum() == run.books["accepted"].sum()


def test_only_the_parts_of_a_divided_request_count(play: Play) -> None:
    """What was taken apart was not written as a whole."""
    whole = replace(SOLO, max_entries=None)
    run, transport = play(
        lambda _n, message: [(0.0, 1008)] if len(message["params"]) > 2 else None, limits=whole
    )
    accepted = [p for _, p in transport.published if len(orjson.loads(p)["params"]) <= 2]

    assert (run.results["outcome"] == "divided").any()
    pd.testing.assert_frame_equal(run.touched(), expected(accepted, GATEWAY.device))


def test_copies_of_a_value_are_written_once(
    play: Play, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """The books count rows of the history, this what lies in the platform."""
    twice = history_of(pd.concat([frame, frame.iloc[:2]], ignore_index=True))
    run, _ = play(history=twice)
    once, _ = play(journal=tmp_path / "once.db")

    assert run.books["accepted"].sum() == once.books["accepted"].sum() + 6
    pd.testing.assert_frame_equal(run.touched(), once.touched())
