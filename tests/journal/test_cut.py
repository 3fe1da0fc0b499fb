"""A journal torn at any byte reads back as it once was, and the run goes on from there."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from conftest import history_of
from scripted import Clock, always, scripted_replay

import mpreplay as mp
from mpreplay.history import history as history_module
from mpreplay.journal.writer import Journal

LOG_HEADER, FRAME_HEADER = 32, 24  # of SQLite's write-ahead log [bytes]
LIMITS = mp.Limits(max_entries=1, window=1, give_up_after=None)
SAME = ["n_entries", "n_values", "n_bytes", "first_time", "last_time", "code", "outcome"]
ENOUGH = 60  # frames; more of them make the test slow, not better


class Torn(NamedTuple):
    """The files of a run that died, and all states that its journal was ever in."""

    database: bytes
    log: bytes
    states: list[str]
    run: mp.Run

    @property
    def ends(self) -> list[int]:
        """Where the header and each frame of the log end, in bytes."""
        page = int.from_bytes(self.log[8:12], "big")
        return list(range(LOG_HEADER, len(self.log) + 1, FRAME_HEADER + page))


def state_of(path: Path) -> str:
    """Return all that a database holds."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return "\n".join(db.iterdump())


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Return a function that replays three rows along a script, with a journal."""
    numbers = count()
    clock = Clock(1_700_000_000.0)
    monkeypatch.setattr(history_module, "SLAB_ROWS", 2)

    def run_of(frame: pd.DataFrame, model: Any, journal: Path, script: Any = always) -> Any:
        monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / f"state-{next(numbers)}"))
        clock.at += 1_000.0
        run, transport = scripted_replay(
            monkeypatch, script, history_of(frame.iloc[:3]), model, clock=clock, journal=journal,
            limits=LIMITS, on_invalid="withhold", isolate=False,
        )  # fmt: skip
        assert isinstance(run, mp.Run), run
        return run, transport

    yield run_of


@pytest.fixture
def torn(
    replay: Any, monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame, model: Any, tmp_path: Path
) -> Torn:
    """Keep the files of a run as a death at its last moment leaves them."""
    frame.loc[0, "P"] = 9999.0
    path = tmp_path / "run.db"
    files: list[bytes] = []
    states: list[str] = []
    commit, close = Journal._commit, Journal.close

    def noted(journal: Journal) -> None:
        commit(journal)
        states.append(state_of(path))

    def copied(journal: Journal) -> None:
        files.extend([path.read_bytes(), path.with_name("run.db-wal").read_bytes()])
        close(journal)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_commit", noted)
        patch.setattr(Journal, "close", copied)
        run, _ = replay(frame, model, path, lambda n, _: [(0.0, 1204)] if n == 2 else None)
    return Torn(*files, ["BEGIN TRANSACTION;\nCOMMIT;", *states], run)


def laid_down(torn: Torn, folder: Path, stop: int) -> Path:
    """Return a journal whose log ends at a byte."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "run.db"
    path.write_bytes(torn.database)
    path.with_name("run.db-wal").write_bytes(torn.log[:stop])
    return path


def test_a_log_cut_at_any_frame_reads_as_a_state_that_was(torn: Torn, tmp_path: Path) -> None:
    """A power cut in the middle of a write loses the last step, and never half of one."""
    assert 20 < len(torn.ends) <= ENOUGH, "the whole run is in the log"
    latest = 0
    for end in torn.ends:
        found = [
            state_of(laid_down(torn, tmp_path / "cut", stop)) for stop in (end - 1, end, end + 1)
        ]
        before, now, after = (torn.states.index(one) for one in found)
        assert (before, after) == (latest, now)
        assert now in {latest, latest + 1}
        latest = now
    assert latest == len(torn.states) - 1


def test_a_log_with_a_wrong_byte_reads_as_a_state_that_was(torn: Torn, tmp_path: Path) -> None:
    """A bad sector: from there on nothing is believed."""
    for start, end in zip(torn.ends, torn.ends[1:], strict=False):
        path = laid_down(torn, tmp_path / "wrong", len(torn.log))
        log = bytearray(torn.log)
        log[(start * 7 + end * 3) % (end - start) + start] ^= 0x10
        path.with_name("run.db-wal").write_bytes(log)

        assert state_of(path) in torn.states


def test_a_run_goes_on_from_wherever_its_log_was_cut(
    torn: Torn, replay: Any, frame: pd.DataFrame, model: Any, tmp_path: Path
) -> None:
    """Whatever was lost is sent again, under the same ids: results and books are the same."""
    whole = torn.run.results, torn.run.books, torn.run.rejects
    second = str(whole[0]["request_id"].iloc[1])

    def script(_n: int, message: Any) -> Any:
        # Ids begin anew where nothing was kept: the entry tells which request it is.
        return [(0.0, 1204)] if message["params"][0]["time"] == late else None

    late = int(whole[0]["first_time"].iloc[1].timestamp() * 1000)
    for end in torn.ends:
        path = laid_down(torn, tmp_path / "cut", end)
        run, transport = replay(frame, model, path, script)

        assert run.complete
        pd.testing.assert_frame_equal(run.results[SAME], whole[0][SAME])
        pd.testing.assert_frame_equal(run.books, whole[1])
        pd.testing.assert_frame_equal(
            run.rejects.drop(columns="request_id"), whole[2].drop(columns="request_id")
        )
        assert len(transport.published) == len(set(transport.ids)) <= 3
        if second in set(run.results["request_id"]):
            assert list(run.results["request_id"]) == list(whole[0]["request_id"])
