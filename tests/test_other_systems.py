"""macOS and Windows, simulated: what they lack is taken away, and the rest must do.

Neither is at hand where these tests run. What only one system has is used nowhere without another
form beside it.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.conversation import paho_client
from mpreplay.files.reading import by_position
from mpreplay.fleet.pool import MOST, Pool, workers_worth
from mpreplay.journal import locks, private
from mpreplay.journal.locks import is_written, lock_journal
from mpreplay.journal.private import write_private
from mpreplay.runner.interrupts import signals_of
from mpreplay.simulator import handle
from tests.fleet.fleets import MODEL, frame_of, gateways_of, history_of, rows_of, stored_of

ROOT = Path(mp.__file__).parent
# What one system has and another has not: modules, and names of modules that both have.
MODULES = {"fcntl", "grp", "msvcrt", "pty", "pwd", "resource", "termios", "tty", "winreg"}
NAMES = {
    "os": {
        "chown", "fork", "getegid", "geteuid", "getgid", "getuid", "killpg", "mkfifo", "pread",
        "pwrite", "sched_getaffinity", "setsid", "startfile", "statvfs", "uname", "O_NOFOLLOW",
    },
    "signal": {
        "SIGALRM", "SIGBREAK", "SIGHUP", "SIGKILL", "SIGUSR1", "alarm", "pthread_kill",
        "pthread_sigmask", "setitimer", "sigwait",
    },
    "socket": {"AF_UNIX", "SO_REUSEPORT"},
    "time": {"tzset"},
}  # fmt: skip


def test_nothing_is_used_that_only_one_system_has() -> None:
    """Whoever needs it asks by getattr, and says what is done without."""
    found = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found += [(path.name, one.name) for one in node.names if one.name in MODULES]
            elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
                found.append((path.name, node.module))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.attr in NAMES.get(node.value.id, ()):
                    found.append((path.name, f"{node.value.id}.{node.attr}"))
            elif isinstance(node, ast.Constant) and str(node.value).startswith("/proc/"):
                found.append((path.name, node.value))
    assert found == []


def test_bytes_are_read_by_position_without_pread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows moves the position of the file, and several readers must not mix theirs."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)))
    monkeypatch.delattr(os, "pread")

    with by_position(path) as at:
        assert at(3, 10) == bytes([10, 11, 12])
        assert at(5, 254) == bytes([254, 255])
        assert at(2, 0) == bytes([0, 1])


def test_a_history_is_read_and_compared_without_pread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows, and the same file afterwards."""
    monkeypatch.delattr(os, "pread")
    times = pd.date_range("2024", periods=20, freq="min", tz="UTC")
    frame = pd.DataFrame({"ts": times, "P": np.arange(20.0), "Q": np.float32(1.5)})
    frame.to_parquet(tmp_path / "history.parquet")
    history = mp.read_history(tmp_path / "history.parquet", time_column="ts", device_key="M1",
                              product_key="meter")  # fmt: skip
    with mp.simulate(MODEL, sub_devices=[("meter", "M1")]) as platform:
        run = mp.replay(
            history, MODEL, platform.connection, allow_offline_sub_device=True, progress=False,
            journal=tmp_path / "run.db",
        )  # fmt: skip
    assert run.summary()["accepted"] == 40


@pytest.fixture
def _binding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let locks bind as on Windows, where a signal 0 would be Ctrl-C for a group of processes."""

    def kill(*_: Any) -> None:
        raise AssertionError("os.kill() ends processes there")

    monkeypatch.setattr(locks, "LOCKS_BIND", True)
    monkeypatch.setattr(os, "kill", kill)


@pytest.mark.usefixtures("_binding")
def test_where_locks_bind_a_journal_is_written_as_long_as_its_lock_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody asks the process of a note that is left: it may be another's by now."""
    path = tmp_path / "run.db"
    lock = lock_journal(path)
    note = lock.path.read_bytes()
    lock.free()
    assert not is_written(path)
    lock.path.write_bytes(note)  # as it is left where it cannot be removed
    assert not is_written(path)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "locked")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert is_written(path)


@pytest.mark.parametrize("n_refused", [2, private.TRIES])
def test_a_file_takes_its_place_once_its_reader_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_refused: int
) -> None:
    """Windows replaces no file that somebody reads."""
    refused: list[Path] = []
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if len(refused) < n_refused:
            refused.append(path)
            raise PermissionError(13, "in use")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(private, "PAUSE", 0.0)
    if n_refused == private.TRIES:
        with pytest.raises(PermissionError):
            write_private(tmp_path / "pulse", "told")
        return
    write_private(tmp_path / "pulse", "told")
    assert (tmp_path / "pulse").read_text() == "told"


def test_a_run_hears_the_signals_that_a_system_has() -> None:
    """Ctrl-Break is all that a process of Windows can be sent from outside."""
    windows = SimpleNamespace(SIGINT=2, SIGTERM=15, SIGBREAK=21)

    assert signals_of(windows) == (2, 15, 21)
    assert signals_of(SimpleNamespace(SIGINT=2)) == (2,)
    assert signals_of()[:2] == (signal.SIGINT, signal.SIGTERM)


def test_the_rehearsal_platform_runs_where_no_file_is_inherited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also after a kill, when it reads its memory again."""
    monkeypatch.setattr(handle, "IS_WINDOWS", True)
    times = pd.date_range("2024", periods=3, tz="UTC")
    history = mp.read_history(pd.DataFrame({"P": [1.5, 2.5, 3.5]}, index=times))
    with mp.simulate(MODEL, gateway=("meter", "m-1")) as platform:
        memory = Path(str(platform._memory))
        run = mp.replay(history, MODEL, platform.connection, progress=False)
        platform.kill()
        platform.restart()
        assert len(platform.stored()) == 3
    assert run.complete
    assert not memory.exists()


def test_without_a_rate_of_the_kernel_a_socket_is_made_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whole requests go out at once then, and the session holds the rate between them."""
    monkeypatch.setattr(paho_client, "_SO_MAX_PACING_RATE", None)
    with socket.socket() as sock:
        paho_client._set_options(sock, 1_000_000.0)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_fleet_runs_where_processes_are_spawned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has neither fork nor forkserver, and nobody there tells how much memory is free."""
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.delattr(os, "sysconf")
    gateways = gateways_of(2, 1)
    frame = frame_of(gateways, 5)
    history = history_of(tmp_path / "history.parquet", frame)
    with mp.simulate(MODEL, gateways=gateways) as platform:
        known = {
            key: mp.Gateway(platform.connection_for(product, key), subs)
            for (product, key), subs in gateways.items()
        }
        run = mp.replay_fleet(
            history, MODEL, known, journal=tmp_path / "runs", on_invalid="withhold",
            allow_offline_sub_device=True,
        )  # fmt: skip
        assert rows_of(platform.stored()) == stored_of(frame)
    assert run.complete


def test_a_pool_has_no_more_processes_than_windows_can_wait_for() -> None:
    """concurrent.futures refuses more than 61 there."""
    assert MOST == 61
    assert workers_worth(1_000, mp.Limits(bytes_per_second=1_000)) <= MOST
    pool = Pool(1_000)
    assert pool._pool._max_workers == MOST
    pool.shutdown()
