"""A disk that is full while a run is written down, and clocks that jump."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SOLO, Play, history_of
from scripted import Clock, always, scripted_replay

import mpreplay as mp
from mpreplay.journal import locks
from mpreplay.journal.writer import Journal


def many(n: int = 60) -> mp.History:
    """Return a history of so many rows."""
    times = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC")
    return history_of(pd.DataFrame({"ts": times, "unit": "T1", "P": range(n)}))


def at_step(number: int, then: Any) -> Any:
    """Return a step of a journal that fails from the n-th on."""
    whole, steps = Journal.settle, []

    def settle(journal: Journal, *arguments: Any) -> None:
        steps.append(1)
        if len(steps) == number:
            then(journal)
        whole(journal, *arguments)

    return settle


def full(journal: Journal) -> None:
    """Fill the disk: the file cannot grow by another page."""
    db: sqlite3.Connection = journal._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize("number", [1, 5, 40])
def test_a_full_disk_stops_the_run_and_what_was_sent_is_known(
    play: Play, tmp_path: Path, number: int
) -> None:
    """Whatever is not written down is not relied on: the next run with the journal sends it."""
    path, history = tmp_path / "run.db", many()
    declines = lambda n, _: [(0.0, 1204)] if n % 2 else None  # noqa: E731 - rejects grow the file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "settle", at_step(number, full))
        error, transport = play(declines, history=history, limits=SOLO, journal=path, isolate=False)

    assert isinstance(error, mp.JournalError), error
    assert "cannot be written" in str(error)
    assert "disk is full" in str(error)
    assert not transport.is_open
    partial = mp.open_run(path)
    assert partial.books["balanced"].all()
    assert not partial.complete
    outcomes = partial.results.set_index("request_id")["outcome"]
    assert set(transport.ids) <= set(outcomes.index)

    run, again = play(always, history=history, limits=SOLO, journal=path, isolate=False)
    assert run.complete
    assert not set(again.ids) & set(outcomes[outcomes.isin(["accepted", "declined"])].index)
    assert run.books["balanced"].all()
    assert run.summary()["accepted"] + run.summary()["declined"] == 60


def test_a_disk_that_is_full_at_the_beginning_sends_nothing(play: Play, tmp_path: Path) -> None:
    """The intent comes before the publish."""

    def intend(journal: Journal, *_: Any) -> None:
        raise mp.JournalError(f"{journal.path}: the journal cannot be written (disk is full)")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "intend", intend)
        error, transport = play(always)

    assert isinstance(error, mp.JournalError)
    assert transport.published == []


def test_a_connect_that_cannot_be_remembered_is_not_made(play: Play) -> None:
    """A connect forgotten is one too many for the platform, which blocks the device."""

    def write(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "write_private", write)
        error, transport = play(always)

    assert isinstance(error, mp.ConfigError), error
    assert "No space left on device" in str(error)
    assert transport.connects == []


class Jumping(Clock):
    """A clock whose time of day jumps at each publish, while its seconds only grow."""

    def __init__(self, jump: float) -> None:
        super().__init__(1_700_000_000.0)
        self.jump, self.offset = jump, 0.0

    def wall(self) -> float:  # type: ignore[override]
        """Return the time of day."""
        return self.at + self.offset


@pytest.mark.parametrize("jump", [-86_400.0, -30.0, 30.0, 86_400.0, 1e9])
def test_a_clock_that_jumps_changes_no_fate_and_no_pause(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History, tmp_path: Path,
    jump: float,
) -> None:  # fmt: skip
    """Time-outs and pauses count seconds that passed; only stamps are of the time of day."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    clock = Jumping(jump)

    def script(n: int, _message: Any) -> Any:
        clock.offset += jump
        return [(2.0, 429)] if n == 2 else [] if n == 4 else [(1.0, 200)]

    began = clock.at
    run, transport = scripted_replay(
        monkeypatch, script, history, model, clock=clock, journal=tmp_path / "run.db",
        limits=mp.Limits(max_entries=1, window=1, attempts=5),
    )  # fmt: skip

    assert run.complete
    assert run.summary()["accepted"] == 22
    assert len(transport.published) == 10
    assert clock.at - began < 120.0
    latency = run.results["latency"].dropna()
    assert latency.between(0.5, 3.0).all()
    assert run.report(tmp_path / "report.html") is None
    assert "NaT" not in repr(run)


def test_a_clock_set_back_does_not_block_the_next_run(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> None:
    """Connects of the future are not waited for until then."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    clock = Clock(1_700_000_000.0)
    for _ in range(4):
        scripted_replay(monkeypatch, always, history, model, clock=clock, limits=SOLO)
    clock.at -= 7 * 86_400
    began = clock.at
    run, _ = scripted_replay(monkeypatch, always, history, model, clock=clock, limits=SOLO)

    assert run.complete
    assert clock.at - began < 300
