"""The record of a replay as its user reads it."""

from __future__ import annotations

import gc
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from journal.test_writer import KEY, NO_REJECTS, rejects, request, settled, slab

import mpreplay as mp
from mpreplay.cells.epoch import DAY, FIRST_TIME, LAST_TIME
from mpreplay.journal.packing import packed, unpacked
from mpreplay.journal.reader import read_journal
from mpreplay.journal.writer import Journal
from mpreplay.outcome.packed_counts import pack, unpack
from mpreplay.run import Run


def run_of(path: Path, **facts: Any) -> Run:
    """Return a run of two requests, one of which was declined, and two withheld values."""
    journal = Journal(path)
    journal.begin()
    tallies = {"read": {KEY: 8}, "withheld": {KEY: 2}}
    journal.intend(slab(0, 4), [request(1), request(2)], tallies, rejects(2))
    journal.settle(settled(1, "accepted", 200), 1, {}, NO_REJECTS)
    journal.settle(settled(2, "declined", 1204), 1, {}, rejects(3))
    journal.note(**{"read_all": True, **facts})
    journal.close()
    return mp.open_run(path)


def test_a_summary_is_small_and_plain(tmp_path: Path) -> None:
    """It goes into a job's log or a monitoring system as it is."""
    summary = run_of(tmp_path / "run.db", gateway="gw-1").summary()

    assert all(isinstance(value, int | str) for value in summary.values())
    assert summary["read"] == 8
    assert [summary[n] for n in ("accepted", "declined", "withheld", "in_doubt", "not_sent")] == [
        3, 3, 2, 0, 0
    ]  # fmt: skip
    assert (summary["requests"], summary["requests_accepted"]) == (2, 1)
    assert (summary["code_200"], summary["code_1204"]) == (1, 1)
    assert (summary["rows"], summary["gateway"], summary["complete"]) == (4, "gw-1", True)


def test_the_rejects_come_in_frames_too(tmp_path: Path) -> None:
    """A million rejects need not fit into memory; a frame of one row each would take for ever."""
    run = run_of(tmp_path / "run.db")
    assert [len(frame) for frame in run.iter_rejects()] == [5]
    with mock.patch("mpreplay.journal.reader.AT_ONCE", 2):
        frames = list(run.iter_rejects())

    assert [len(frame) for frame in frames] == [2, 3]
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), run.rejects)


def test_raising_for_rejects_says_how_many_and_carries_them(tmp_path: Path) -> None:
    """A scheduled script wants its exit status to tell."""
    run = run_of(tmp_path / "run.db")
    with pytest.raises(mp.ReplayFailed, match="of 8 values 3 were accepted; 3 declined") as caught:
        run.raise_for_rejects()

    assert len(caught.value.rejects) == 5
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_run_that_was_stopped_is_not_complete(tmp_path: Path) -> None:
    """Everything read may be accepted, and half of the history unread."""
    run = run_of(tmp_path / "run.db", read_all=False, ended=["code", [1220]])

    assert not run.complete
    assert run.summary()["complete"] is False
    assert "not complete: code 1220: the payload is not valid JSON" in repr(run)
    with pytest.raises(mp.ReplayFailed, match="the run is not complete"):
        run.raise_for_rejects()


def test_a_run_shows_what_matters_in_a_notebook(tmp_path: Path) -> None:
    """Counts first, then the causes; texts of the data are shown as text."""
    run = run_of(tmp_path / "run.db", read_all=False, ended=["refused", ["<b>"]])

    assert repr(run).startswith("Run(3 of 8 values accepted, 3 declined, 2 withheld, not complete")
    shown = run._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "outside its range of (-inf, 5]" in shown


def test_a_temporary_record_goes_with_its_run(tmp_path: Path) -> None:
    """Nobody tidies up after a notebook."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    run_of(folder / "run.db")
    run = Run(read_journal(folder / "run.db"), folder)
    assert len(run.results) == 2
    del run
    gc.collect()

    assert not folder.exists()


def test_a_record_that_was_asked_for_stays(tmp_path: Path) -> None:
    """Only what mpreplay made for itself is mpreplay's to remove."""
    run = run_of(tmp_path / "run.db")
    del run
    gc.collect()

    assert (tmp_path / "run.db").exists()


@pytest.mark.filterwarnings("ignore:these books:mpreplay.ReplayWarning")  # made up as they are
@pytest.mark.parametrize("far", [-(2**63), FIRST_TIME - 1, LAST_TIME + 1, 2**63 - 1])
def test_a_journal_with_times_that_nothing_can_show_is_read(tmp_path: Path, far: int) -> None:
    """Another version, or another writer, may have let them pass: the rest is still the record."""
    path = tmp_path / "run.db"
    run_of(path).audit(tmp_path / "before")
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE requests SET first_time = ?, last_time = ?", (far, far))
        for rowid, counts in db.execute("SELECT rowid, counts FROM tallies").fetchall():
            device, day, n = unpack(counts, 3)
            moved = pack([device, np.full_like(day, far // DAY), n])
            db.execute("UPDATE tallies SET counts = ? WHERE rowid = ?", (moved, rowid))
        db.execute("INSERT INTO points VALUES (0, 'P')")
        touched = pack([np.array([one]) for one in (0, 0, far, far, 3, 0)])
        db.execute("UPDATE requests SET touched = ?", (touched,))
        for number, frame in db.execute("SELECT number, frame FROM rejects").fetchall():
            table = unpacked(frame)
            place = table.schema.get_field_index("time")
            kind = table.schema.field(place).type
            times = pa.array([far] * len(table), pa.int64()).view(kind)
            table = table.set_column(place, table.schema.field(place), times)
            db.execute("UPDATE rejects SET frame = ? WHERE number = ?", (packed(table), number))
        db.commit()

    run = mp.open_run(path)
    run.report(tmp_path / "run.html")
    run.audit(tmp_path / "audit")

    assert run.rejects["time"].isna().all()
    assert run.results[["first_time", "last_time"]].isna().all(axis=None)
    assert run.touched()["last_time"].isna().all()
    assert run.books["day"].isna().all()
    assert run.books["balanced"].all()  # what has no day is accounted for together
    assert run.causes["values"].sum() == len(run.rejects) == sum(map(len, run.iter_rejects()))
    assert repr(run)
    assert run._repr_html_()
    found, found_before = (mp.verify_audit(tmp_path / one) for one in ("audit", "before"))
    assert set(found["file"]) <= set(found_before["file"])  # of far times, nothing more
