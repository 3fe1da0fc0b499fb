"""What outlives a run: one lease for each device, and when it connected."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock
import pytest
from conftest import history_of
from hypothesis import given
from hypothesis import strategies as st
from scripted import GATEWAY, Clock, always, scripted_replay

import mpreplay as mp
from mpreplay.conversation.pacing import next_connect
from mpreplay.journal.locks import KEPT, FileLock, Lease, lock_journal, state_folder
from mpreplay.journal.recent_runs import remember_run

# Holds a device, says so, and waits to be ended.
HOLDER = """
import sys
import mpreplay as mp
from mpreplay.journal.locks import Lease
connection = mp.Connection("h", product_key="gateway", device_key="gw-1", device_secret="s")
with Lease(connection, "the other one"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give each test a state folder of its own."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_state_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rules of the desktop, or wherever a container says."""
    assert state_folder().name == "state"
    monkeypatch.delenv("MPREPLAY_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert state_folder() == Path("/x/mpreplay")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert state_folder() == Path("/h/.local/state/mpreplay")


def test_a_second_lease_is_refused_with_the_holders_name() -> None:
    """Two connections of one device take the session from each other until both are blocked."""
    with (
        Lease(GATEWAY, "a replay with the journal night.db"),
        pytest.raises(mp.ConnectError, match="gw-1 at h:") as caught,
    ):
        Lease(GATEWAY, "another")

    text = str(caught.value)
    assert "in use by this process, a replay with the journal night.db;" in text
    assert "wait for it to end, or end it" in text
    with Lease(GATEWAY, "and again once it is free"):
        pass


@pytest.mark.parametrize(
    "changes", [{"host": "other"}, {"port": 1}, {"product_key": "p"}, {"device_key": "a&..b"}]
)
def test_another_device_has_a_lease_of_its_own(changes: dict[str, Any], folder: Path) -> None:
    """Many gateways are replayed at once, each by a process of its own; keys are any text."""
    with Lease(GATEWAY, "one"), Lease(dataclasses.replace(GATEWAY, **changes), "other"):
        assert len(list(folder.iterdir())) == 2


def test_a_lease_ends_with_its_process() -> None:
    """A killed run leaves nothing behind that somebody has to remove."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(mp.ConnectError, match=rf"process {holder.pid} on .*, the other one"):
            Lease(GATEWAY, "mine")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with Lease(GATEWAY, "mine"):
        pass


def test_a_second_run_for_a_gateway_is_refused_before_it_connects(
    monkeypatch: pytest.MonkeyPatch, history: mp.History, model: mp.ThingModel
) -> None:
    """The run that is going on is not disturbed."""
    clock = Clock()
    refused: list[Any] = []

    def again(_n: int, _message: Any) -> None:
        refused.append(scripted_replay(monkeypatch, always, history, model, clock=clock))

    run, _ = scripted_replay(monkeypatch, again, history, model, clock=clock)

    assert run.complete
    error, transport = refused[0]
    assert isinstance(error, mp.ConnectError)
    assert "in use by this process, a replay with the journal" in str(error)
    assert transport.connects == []


def test_connects_are_remembered_across_leases() -> None:
    """The platform counts them, whoever made them."""
    with Lease(GATEWAY, "one") as lease:
        assert lease.connects() == []
        lease.remember(1.5)
    with Lease(GATEWAY, "two") as lease:
        lease.remember(2.5)
        assert lease.connects() == [1.5, 2.5]
    with Lease(dataclasses.replace(GATEWAY, device_key="gw-2"), "three") as lease:
        assert lease.connects() == []


def test_only_the_last_connects_are_kept(folder: Path) -> None:
    """A service that runs for a year must not gather a file of a year."""
    with Lease(GATEWAY, "one") as lease:
        for n in range(KEPT + 10):
            lease.remember(float(n))
        assert lease.connects() == [float(n) for n in range(10, KEPT + 10)]
    assert not list(folder.glob("*.new"))


@pytest.mark.parametrize("content", ["", "{", "5", "[null]", '["x"]', "\x00" * 20])
def test_a_torn_record_counts_as_a_used_up_limit_when_it_was_written(
    folder: Path, content: str
) -> None:
    """A power cut a week ago does not hold tonight's run back; one a minute ago does."""
    with Lease(GATEWAY, "one") as lease:
        lease.remember(1.0)
        (record,) = folder.glob("*.connects.json")
        record.write_text(content)
        os.utime(record, (500.0, 500.0))
        connects = lease.connects()
        assert next_connect(connects, 501.0, limit=4, period=120.0) > 620.0
        assert next_connect(connects, 700.0, limit=4, period=120.0) == 700.0
        lease.remember(701.0)
        assert json.loads(record.read_text())[-2:] == [500.0, 701.0]


def test_a_state_folder_that_cannot_be_used_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a container the home folder is often read-only."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "file"))
    with pytest.raises(mp.ConfigError, match=r"cannot be used .*; set MPREPLAY_STATE to one that"):
        Lease(GATEWAY, "one")


def test_neither_lock_nor_record_holds_a_secret(folder: Path) -> None:
    """Other users of the machine may read the state folder."""
    connection = dataclasses.replace(GATEWAY, device_secret="Zebra")
    with Lease(connection, "one") as lease:
        lease.remember(1.0)
        for path in folder.iterdir():
            assert "Zebra" not in path.name + path.read_text()


def test_a_lock_names_its_present_holder(tmp_path: Path) -> None:
    """And not one that held it last week."""
    path = tmp_path / "lock"
    for holder in ("a long name of the first", "second"):
        lock, other = FileLock(path), FileLock(path)
        assert lock.take(holder) is None
        assert other.take("mine") == holder
        lock.free()
        lock.free()


def test_a_journals_lock_stands_beside_it(tmp_path: Path) -> None:
    """The locks of SQLite are let go between two steps."""
    lock = lock_journal(tmp_path / "run.db")
    with pytest.raises(mp.JournalError, match=r"run\.db: the run in this journal is going on in"):
        lock_journal(tmp_path / "run.db")
    lock_journal(tmp_path / "other.db").free()
    lock.free()
    lock_journal(tmp_path / "run.db").free()


@pytest.mark.parametrize("kind", ["folder", "file", "link", "pipe"])
def test_what_stands_in_the_way_of_a_lock_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    """The file may be a user's own; a pipe would be waited for without end."""
    way, elsewhere = tmp_path / ".run.db.lock", tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    make: dict[str, Any] = {
        "folder": way.mkdir, "file": lambda: way.write_text("mine"),
        "link": lambda: way.symlink_to(elsewhere), "pipe": lambda: os.mkfifo(way),
    }  # fmt: skip
    make[kind]()
    before = way.lstat()
    with pytest.raises(mp.JournalError, match=r"run\.db: the journal cannot be locked: .*lock: "):
        lock_journal(tmp_path / "run.db")

    assert (way.lstat().st_mtime_ns, way.lstat().st_mode) == (before.st_mtime_ns, before.st_mode)
    assert elsewhere.read_text() == "mine"


def test_a_journals_lock_leaves_nothing_behind_and_touches_no_file_of_a_user(
    tmp_path: Path,
) -> None:
    """A folder of journals holds journals; ``run.db.lock`` may be anybody's."""
    (tmp_path / "run.db.lock").write_text("mine")
    lock_journal(tmp_path / "run.db").free()
    lock_journal(tmp_path / ("x" * 250)).free()  # its lock has a shorter name

    assert [path.name for path in tmp_path.iterdir()] == ["run.db.lock"]
    assert (tmp_path / "run.db.lock").read_text() == "mine"


def test_a_killed_runs_lock_is_taken_by_the_next(tmp_path: Path) -> None:
    """Its file stays behind, with a note on a process that is no more."""
    (tmp_path / ".run.db.lock").write_text("held by process 1 on another")
    lock_journal(tmp_path / "run.db").free()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "key",
    ["x" * 64, "\u98a8" * 300, "a&..b", "CON", "con.", "a:b*?<>|", "..", " ", "\U0001f32c" * 100],
)
def test_any_key_makes_a_name_that_any_file_system_takes(key: str, folder: Path) -> None:
    """A key in another alphabet is nine times as long once it is escaped."""
    with Lease(dataclasses.replace(GATEWAY, client_id="c", device_key=key), "one") as lease:
        lease.remember(1.0)
        assert lease.connects() == [1.0]
        names = [path.name for path in folder.iterdir()]

    assert len(names) == 2
    for name in names:
        assert len(name) <= 140
        assert not set(name) & set('<>:"/\\|?*')


def test_long_names_with_the_same_beginning_stay_apart() -> None:
    """Two gateways of one farm are often told apart by their last letter."""
    one, two = "x" * 300 + "1", "x" * 300 + "2"
    with (
        Lease(dataclasses.replace(GATEWAY, client_id="c", device_key=one), "one"),
        Lease(dataclasses.replace(GATEWAY, client_id="c", device_key=two), "two"),
    ):
        pass


@pytest.mark.parametrize("is_kept", [False, True])
def test_where_a_file_system_has_no_locks_a_file_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_kept: bool
) -> None:
    """Some network folders have none; filelock then goes by whether the file exists."""
    monkeypatch.setattr(filelock, "FileLock", filelock.SoftFileLock)
    lock, other = (FileLock(tmp_path / "lock", is_kept=is_kept) for _ in range(2))
    for _ in range(2):
        assert lock.take("one") is None
        with suppress(FileExistsError):
            assert other.take("two")
        lock.free()
    assert other.take("two") is None
    other.free()

    assert list(tmp_path.iterdir()) == []


def test_no_module_needs_a_library_of_one_system() -> None:
    """Readers of journals and audits sit at other systems than the gateways' machines."""
    code = """
import sys
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "syslog", "readline"):
    sys.modules[name] = None
import importlib, pkgutil, mpreplay
names = [m.name for m in pkgutil.walk_packages(mpreplay.__path__, "mpreplay.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore:only soft", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert int(done.stdout) > 100


def test_what_a_run_keeps_is_for_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Journals and their names say who reports what; other users of the machine need not know."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "new" / "state"))
    remember_run(tmp_path / "run.db", "1", 1)
    with Lease(GATEWAY, "one") as lease:
        lease.remember(1.0)
        made = [tmp_path / "new", *(tmp_path / "new").rglob("*")]

    assert len(made) == 6
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_runs_in_a_row_keep_to_the_platforms_limit(
    monkeypatch: pytest.MonkeyPatch, frame: Any, model: mp.ThingModel
) -> None:
    """The fifth run in two minutes would block the device: it waits before it connects."""
    clock = Clock()
    connects: list[float] = []
    for n in range(9):
        history = history_of(frame.iloc[: n % 3 + 1])
        run, transport = scripted_replay(monkeypatch, always, history, model, clock=clock)
        assert run.complete
        connects += transport.connects

    assert len(connects) == 9
    for start in connects:
        assert sum(start <= at <= start + 120 for at in connects) <= 4
    assert connects[4] - connects[0] <= 125  # and no longer than it must


@given(st.lists(st.floats(0, 400), max_size=30), st.integers(1, 6), st.floats(1, 200))
def test_no_period_ever_sees_more_connects_than_the_limit(
    wishes: list[float], limit: int, period: float
) -> None:
    """Whenever somebody wishes to connect."""
    made: list[float] = []
    for wish in sorted(wishes):
        now = max(wish, made[-1] if made else 0.0)
        made.append(next_connect(made, now, limit=limit, period=period))

    assert made == sorted(made)
    for start in made:
        assert sum(start <= at <= start + period for at in made) <= limit
