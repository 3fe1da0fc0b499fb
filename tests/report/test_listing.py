"""The runs in a folder: what went on last night, and what is to be continued."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import Play
from scripted import Clock, always

import mpreplay as mp
from mpreplay.journal.locks import is_written, lock_journal
from mpreplay.report.listing import LISTED_COLUMNS, runs_in


def test_the_runs_of_a_folder_are_told_in_the_order_of_their_beginning(
    play: Play, tmp_path: Path
) -> None:
    """With their state and their numbers, as their summaries have them."""
    folder = tmp_path / "runs"
    folder.mkdir()
    first, _ = play(journal=folder / "z.db")
    later = Clock(1_700_001_000.0)
    second, _ = play(
        lambda n, _: [(0.0, 705 if n == 3 else 200)], journal=folder / "a.db", clock=later
    )
    found, others = runs_in(folder)

    assert others == []
    assert list(found.columns) == list(LISTED_COLUMNS)
    assert found["file"].tolist() == ["z.db", "a.db"]
    for row, run in zip(found.to_dict("records"), (first, second), strict=True):
        summary = run.summary()
        assert row["state"] == ("complete" if run is first else "ended")
        assert {name: row[name] for name in ("read", "accepted", "not_sent")} == {
            name: summary[name] for name in ("read", "accepted", "not_sent")
        }


def test_what_is_no_journal_is_left_out_with_its_reason(tmp_path: Path, play: Play) -> None:
    """One damaged file must not hide the others."""
    play(always, journal=tmp_path / "run.db")
    play(always, journal=tmp_path / "yesterday")
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "notes.db").write_text("no journal")
    (tmp_path / "notes.txt").write_text("of no interest")
    found, others = runs_in(tmp_path)

    assert sorted(found["file"]) == ["run.db", "yesterday"]
    assert [path.name for path, _ in others] == ["notes.db"]


def test_an_empty_folder_has_no_runs(tmp_path: Path) -> None:
    """It has the columns all the same."""
    found, _ = runs_in(tmp_path)
    assert list(found.columns) == list(LISTED_COLUMNS)
    assert found.empty


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    """A typo must not look like a quiet night."""
    (tmp_path / "run.db").write_text("")
    with pytest.raises(mp.ConfigError, match="there is no such folder; give a folder of journals"):
        runs_in(tmp_path / "none")
    with pytest.raises(mp.ConfigError, match="mpreplay report"):
        runs_in(tmp_path / "run.db")


def test_a_journal_is_written_as_long_as_its_process_lives(tmp_path: Path) -> None:
    """After a kill its lock stays, and says nothing any more."""
    path = tmp_path / "run.db"
    assert not is_written(path)
    lock = lock_journal(path)
    assert is_written(path)
    lock.free()
    assert not is_written(path)

    script = f"""
        import sys
        from pathlib import Path
        from mpreplay.journal.locks import lock_journal
        lock = lock_journal(Path({str(path)!r}))
        print("taken", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "taken\n"
        assert is_written(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not is_written(path)


def test_a_lock_of_another_machine_is_believed(tmp_path: Path) -> None:
    """Nobody here can know whether its process lives."""
    lock = tmp_path / ".run.db.lock"
    lock.write_text(f"held by process 1 on {socket.gethostname()}-not")
    assert is_written(tmp_path / "run.db")
