"""The status of a fleet says what each gateway waits for, from this process and from elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mpreplay as mp
from mpreplay.fleet import pulse
from mpreplay.fleet.fleet_words import live_form, live_line, state_of
from mpreplay.fleet.pool import at_a_time
from mpreplay.fleet.pulse import Pulse, pulse_of
from mpreplay.fleet.record import Entry
from tests.fleet.fleets import MODEL, frame_of, gateways_of, history_of, rows_of, stored_of

POLICY: dict[str, Any] = {"on_invalid": "withhold", "allow_offline_sub_device": True}
LOOK = """
import json, sys
import pandas
import mpreplay as mp
mp.open_fleet  # imported now: what runs may have ended by then
print(flush=True)
fleet = mp.open_fleet(input())
print(json.dumps([fleet.summary(), json.loads(fleet.status.to_json(orient="records"))]))
"""


def topology(platform: Any, gateways: dict[Any, Any]) -> dict[str, mp.Gateway]:
    """Return the gateways with their connections."""
    return {
        key: mp.Gateway(platform.connection_for(product, key), subs)
        for (product, key), subs in gateways.items()
    }


def test_another_process_sees_what_a_running_gateway_waits_for(tmp_path: Path) -> None:
    """Whoever looks after a backfill at night is not the script that runs it."""
    gateways = gateways_of(2, 2)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 120))
    limits = mp.Limits(bytes_per_second=6_000, max_entries=10, connects=None)
    seen: list[Any] = []

    def look(told: dict[str, Any]) -> None:
        if told["values_per_second"] and not seen:
            seen.append(json.loads(other.communicate(f"{tmp_path / 'runs'}\n")[0]))

    with (
        subprocess.Popen(
            [sys.executable, "-c", LOOK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
        mp.simulate(MODEL, gateways=gateways) as platform,
    ):
        assert other.stdout is not None
        other.stdout.readline()  # it is ready
        run = mp.replay_fleet(
            history, MODEL, topology(platform, gateways), journal=tmp_path / "runs",
            limits=limits, on_event=look, **POLICY,
        )  # fmt: skip
    [[summary, status]] = seen
    running = [row for row in status if row["state"] == "running"]
    assert running
    assert summary["gateways_running"] == len(running)
    assert {row["waiting_for"] for row in running} <= {"its rate", "replies", "this machine"}
    assert any(row["values_per_second"] for row in running)
    assert any(row["seconds_left"] for row in running)
    assert run.complete
    assert run.status["waiting_for"].eq("").all()
    assert not list((tmp_path / "runs").glob("*.now"))


def test_a_pulse_that_has_grown_old_is_no_pulse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process leaves its file behind."""
    Pulse(tmp_path / "gw.db").begin("lease")
    entry = Entry("gw", "p/gw", "gw.db", 1, 1)

    assert state_of(entry, None, pulse_of(tmp_path / "gw.db")).state == "running"
    assert state_of(entry, None, pulse_of(tmp_path / "gw.db")).waiting_for.startswith("another")
    monkeypatch.setattr(pulse, "OLD", 0.0)
    assert pulse_of(tmp_path / "gw.db") == {}
    assert state_of(entry, None, {}).state == "waiting"
    (tmp_path / "gw.now").write_text("[1")
    assert pulse_of(tmp_path / "gw.db") == {}


def test_a_line_and_a_notebook_tell_how_a_fleet_goes_on() -> None:
    """A thousand gateways fit into a line, and those that run into a screen."""
    pulses = {
        f"gw-{n}<b>": {"accepted": n, "values_per_second": 10.0, "limited_by": "rate"}
        for n in range(40)
    }
    counts = {"gateways": 1_000, "done": 200, "open": 800, "failed": 0}
    line = live_line(counts, pulses.values())

    assert line == "replay_fleet: 200 of 1,000 gateways done, 40 going on, 400/s"
    shown = live_form(line, pulses)
    assert "its rate" in shown
    assert "gw-0&lt;b&gt;" in shown
    assert shown.count("<tr") <= 14


class Elsewhere(Executor):
    """Threads with a disk of their own: the folder of the fleet is another one for them."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.n_asked = 0
        self._threads = ThreadPoolExecutor(2)

    def submit(self, call: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Queue a call, on the other disk."""
        work, unit, has_journal = given
        self.n_asked += unit.kept is not None
        return self._threads.submit(call, work, replace(unit, folder=str(self.disk)), has_journal)


def test_journals_of_workers_with_disks_of_their_own_come_back(tmp_path: Path) -> None:
    """And go to another worker that continues them, so that nothing is sent twice."""
    gateways = gateways_of(2, 2)
    frame = frame_of(gateways, 40)
    history = history_of(tmp_path / "history.parquet", frame)
    options: dict[str, Any] = {"journal": tmp_path / "runs", **POLICY}
    with mp.simulate(MODEL, gateways=gateways) as platform:
        known = topology(platform, gateways)
        run = mp.replay_fleet(
            history, MODEL, known, executor=Elsewhere(tmp_path / "one"), **options
        )
        assert run.complete
        assert run.books["balanced"].all()
        assert rows_of(platform.stored()) == stored_of(frame)
        assert (tmp_path / "runs" / "gw-0.db").stat().st_mode & 0o777 == 0o600
        n_sessions = len(platform.sessions())
        other = Elsewhere(tmp_path / "two")
        again = mp.replay_fleet(history, MODEL, known, executor=other, **options)
        assert len(platform.sessions()) == n_sessions
    assert other.n_asked == 2
    assert again.summary() == run.summary()


def test_a_rate_is_shared_among_those_that_run_at_a_time() -> None:
    """Four workers of a thousand gateways may each send a quarter."""
    with ThreadPoolExecutor(4) as executor:
        assert at_a_time(executor, 1_000) == 4
        assert at_a_time(executor, 3) == 3

    class Client(Executor):
        _client = type("C", (), {"nthreads": staticmethod(lambda: {"a": 2, "b": 2})})

    assert at_a_time(Client(), 1_000) == 4
    assert at_a_time(Executor(), 1_000) == 1_000


def test_a_fleet_of_fifty_grows_nothing_by_gateway(tmp_path: Path) -> None:
    """No thread and no open file for each gateway is kept by whoever drives them."""
    gateways = gateways_of(50, 1)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 3))
    files: list[int] = []
    threads: list[int] = []

    def count(_: object) -> None:
        files.append(len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0)
        threads.append(threading.active_count())

    with mp.simulate(MODEL, gateways=gateways) as platform:
        begin = time.monotonic()
        run = mp.replay_fleet(
            history, MODEL, topology(platform, gateways), journal=tmp_path / "runs",
            on_event=count, **POLICY,
        )  # fmt: skip
        assert time.monotonic() - begin < 120
    assert run.complete
    assert max(files) - min(files) < 40
    assert max(threads) < 12
    assert len(run.status) == 50
    assert run._repr_html_().count("<tr") <= 16
