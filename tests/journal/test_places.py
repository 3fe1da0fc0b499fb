"""Where a journal lies: what was there before a refused run is there afterwards, as it was."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import Play, history_of

import mpreplay as mp
from mpreplay.journal.places import PARTS, journal_place

LONG = "x" * 300


def state_of(folder: Path) -> dict[str, Any]:
    """Return everything in a folder, with type, mode, time and content."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode, path.lstat().st_mtime_ns,
            path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else None,
        )
        for path in sorted(folder.rglob("*"))
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder for journals."""
    made = tmp_path / "journals"
    made.mkdir()
    return made


@pytest.fixture
def refused(play: Play, frame: Any) -> Any:
    """Replay a history that is refused before its run begins; return the error."""
    wrong = history_of(frame.assign(P=1e9))

    def run(journal: Any) -> Any:
        return play(history=wrong, journal=journal)[0]

    return run


def test_a_refused_run_leaves_nothing(folder: Path, refused: Any) -> None:
    """No journal, no lock, nothing of SQLite's, and no folder that it made."""
    assert isinstance(refused(folder / "run.db"), mp.InvalidHistory)
    assert isinstance(refused(folder), mp.InvalidHistory)
    assert isinstance(refused(f"{folder}/runs/"), mp.InvalidHistory)

    assert state_of(folder) == {}


def test_a_run_that_cannot_be_continued_leaves_one_file(
    folder: Path, play: Play, refused: Any
) -> None:
    """A journal is archived as one file, whoever has looked into it since."""
    run, _ = play(journal=folder / "run.db")
    error = refused(folder / "run.db")

    assert isinstance(error, mp.JournalMismatch)
    assert [path.name for path in folder.iterdir()] == ["run.db"]
    assert run.complete


def test_an_empty_file_outlives_a_refused_run(folder: Path, refused: Any) -> None:
    """The name may come from mktemp: whoever made it reckons with it, and with its mode."""
    path = folder / "run.db"
    path.touch(0o640)
    before = state_of(folder)

    assert isinstance(refused(path), mp.InvalidHistory)
    assert state_of(folder) == before


def test_an_empty_file_becomes_the_journal_and_keeps_its_mode(folder: Path, play: Play) -> None:
    """Whoever made it has said who may read it."""
    path = folder / "run.db"
    path.touch()
    path.chmod(0o640)
    run, _ = play(journal=path)

    assert run.complete
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_a_run_has_left_that_died_at_once_outlives_a_refused_run(
    folder: Path, refused: Any, play: Play
) -> None:
    """It is a database without a table; whose it is nobody knows."""
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
    before = state_of(folder)
    assert isinstance(refused(folder / "run.db"), mp.InvalidHistory)
    assert state_of(folder) == before

    assert play(journal=folder / "run.db")[0].complete


@pytest.mark.parametrize("ending", [KeyboardInterrupt, MemoryError, OSError(28, "No space left")])
def test_whatever_ends_a_run_before_it_begins_leaves_nothing(
    folder: Path, play: Play, monkeypatch: pytest.MonkeyPatch, ending: Any
) -> None:
    """An interrupt comes while a long history is looked through, a full disk when it is noted."""

    def end(*_: Any, **__: Any) -> None:
        raise ending

    for where in ("mpreplay.order.Order.surveyed", "mpreplay.journal.writer.Journal._note"):
        with monkeypatch.context() as patch:
            patch.setattr(where, end)
            with suppress(MemoryError, OSError):
                play(journal=f"{folder}/runs/")
            with suppress(MemoryError, OSError):
                play(journal=folder / "run.db")
        assert state_of(folder) == {}


def test_a_new_journal_is_for_its_owner_alone(folder: Path, play: Play) -> None:
    """So is the folder of journals, if the run has made it."""
    run, _ = play(journal=folder / "run.db")
    other, _ = play(journal=f"{folder}/runs/")

    assert stat.S_IMODE(run.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(other.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(other.path.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["run.db", "runs"]


@pytest.mark.parametrize("target", ["there", "missing"])
def test_a_link_is_followed_and_outlives_a_refused_run(
    folder: Path, refused: Any, play: Play, target: str
) -> None:
    """Journal and lock lie at its end: two names of one journal are one journal."""
    (folder / "disk").mkdir()
    end = folder / "disk" / "real.db"
    if target == "there":
        end.touch()
    link = folder / "run.db"
    link.symlink_to(end)
    before = state_of(folder)
    assert isinstance(refused(link), mp.InvalidHistory)
    after = state_of(folder)
    run, _ = play(journal=link)

    assert {**after, "disk": None} == {**before, "disk": None}  # the time of the folder aside
    assert link.is_symlink()
    assert run.complete
    assert [path.name for path in (folder / "disk").iterdir()] == ["real.db"]
    assert mp.open_run(link).complete


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "circle", "link to a device"])
def test_what_is_no_regular_file_is_refused_and_left(folder: Path, refused: Any, kind: str) -> None:
    """As root a device node could be removed, and a pipe would be waited for without end."""
    path = folder / "run.db"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, 0o600 | stat.S_IFSOCK)
    elif kind == "device":
        if os.getuid():
            pytest.skip("only root makes a device")
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    else:
        path.symlink_to(path if kind == "circle" else "/dev/null")
    before = state_of(folder)

    assert isinstance(refused(path), mp.JournalError)
    assert state_of(folder) == before


@pytest.mark.parametrize("suffix", PARTS)
@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_that_sqlite_would_overwrite_is_left(
    folder: Path, play: Play, suffix: str, is_there: bool
) -> None:
    """Beside a new journal, SQLite removes what has the names of its own files."""
    (folder / f"notes{suffix}").write_text("mine")
    if is_there:
        (folder / "notes").touch()
    before = state_of(folder)
    error, transport = play(journal=folder / "notes")

    assert isinstance(error, mp.JournalError)
    assert f"notes{suffix} lies beside it" in str(error)
    assert transport.connects == []
    assert state_of(folder) == before


@pytest.mark.parametrize(
    "given",
    ["", "a\0b", "none/run.db", "none/runs/", f"{LONG}.db", f"{LONG}/", "file/", "file/run.db",
     "\ud800.db", 5, object()],
    ids=lambda given: ascii(given) if isinstance(given, str | int) else type(given).__name__,
)  # fmt: skip
def test_a_path_where_no_journal_can_be_is_an_error_at_the_call(
    folder: Path, play: Play, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by its argument, and before anything is connected."""
    (folder / "file").touch()
    monkeypatch.chdir(folder)
    error, transport = play(journal=given)

    assert isinstance(error, mp.ConfigError)
    assert error.argument == "journal"
    assert str(error).startswith("journal=")
    assert transport.connects == []
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "name", ["\udcff.db", "\u98a8.db", "a b'c\"d.db", "run.db?mode=ro", "-wal"]
)
def test_a_name_that_the_file_system_takes_is_a_journals(
    folder: Path, play: Play, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Names of files are bytes: one in another encoding is a name, too."""
    caplog.set_level("CRITICAL", "mpreplay")  # test runners cannot pass on a name that is no text
    run, _ = play(journal=str(folder / name))

    assert run.complete
    assert [path.name for path in folder.iterdir()] == [name]
    assert play(journal=str(folder / name))[0].summary()["sent_now"] == 0


def test_runs_that_begin_in_the_same_second_get_a_file_each(tmp_path: Path) -> None:
    """A night's backfill of many gateways begins all at once."""
    places = []

    def choose() -> None:
        places.append(journal_place(tmp_path, {}))

    threads = [threading.Thread(target=choose) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({place.path for place in places}) == 8
