"""A fleet sends everything once, whatever happens to its workers, and tells it as one."""

from __future__ import annotations

import importlib.util
import os
import pickle
import re
import signal
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.cli.commands import main
from mpreplay.fleet import driving, fleeting
from mpreplay.fleet.pool import PRELOADED, Pool
from mpreplay.fleet.unit import RECORD_FILE, STOP_FILE
from tests.fleet.fleets import (
    MODEL,
    die,
    frame_of,
    gateways_of,
    history_of,
    outlive,
    rows_of,
    stored_of,
)

POLICY: dict[str, Any] = {"on_invalid": "withhold", "allow_offline_sub_device": True}
NO_CONNECTS = mp.PlatformLimits(connects=None)


def topology(platform: Any, gateways: dict[Any, Any]) -> dict[str, mp.Gateway]:
    """Return the gateways with their connections."""
    return {
        f"site {key}": mp.Gateway(platform.connection_for(product, key), subs)
        for (product, key), subs in gateways.items()
    }


def test_a_fleet_sends_everything_and_tells_it_as_one(tmp_path: Path) -> None:
    """Each gateway has a session and a journal; the tables say which one."""
    gateways = gateways_of(4, 2)
    frame = frame_of(gateways, 60)
    history = history_of(tmp_path / "history.parquet", frame)
    told: list[dict[str, Any]] = []
    with mp.simulate(MODEL, gateways=gateways) as platform:
        known = topology(platform, gateways)
        run = mp.replay_fleet(
            history, MODEL, known, journal=tmp_path / "runs", on_event=told.append, **POLICY
        )
        stored, sessions = platform.stored(), platform.sessions()
        again = mp.replay_fleet(history, MODEL, known, journal=tmp_path / "runs", **POLICY)
        assert (
            len(platform.sessions()) == len(sessions) == 4
        )  # a fleet that is done connects to nothing

    n_bad = int((frame["P"] > 90).sum())
    assert rows_of(stored) == stored_of(frame)
    assert run.complete
    summary = run.summary()
    assert (summary["gateways"], summary["gateways_done"]) == (4, 4)
    assert (summary["read"], summary["withheld"]) == (2 * len(frame), n_bad)
    assert summary["sent_now"] == summary["accepted"]
    settled = {**summary, "sent_now": 0}
    assert settled == again.summary() == mp.open_fleet(tmp_path / "runs").summary()
    for table in (run.results, run.rejects, run.books, run.causes, run.touched()):
        assert list(table.columns[:2]) == ["gateway", "gateway_key"]
        assert set(table["gateway"]) == set(known)
        assert set(table["gateway_key"]) == {"/".join(key) for key in gateways}
    assert run.books["balanced"].all()
    assert sum(map(len, run.iter_rejects())) == len(run.rejects) == n_bad
    counts = {"gateways": 4, "done": 4, "open": 0, "failed": 0}
    assert told[-1] == {"event": "fleet", **counts, "values_per_second": 0}
    assert (tmp_path / "runs" / "site gw-0.db").exists()
    assert run.run("site gw-0").complete


def test_a_fleet_is_shown_in_a_notebook_on_a_page_and_as_a_picture(tmp_path: Path) -> None:
    """Those gateways come first that ask for attention."""
    gateways = gateways_of(3, 1)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 40))
    with mp.simulate(MODEL, gateways=gateways) as platform:
        known = topology(platform, gateways)
        known["site gw-1"] = mp.Gateway("env:NOT_SET_ANYWHERE", gateways[("gateway", "gw-1")])
        with ThreadPoolExecutor(1) as executor:
            run = mp.replay_fleet(
                history, MODEL, known, journal=tmp_path / "runs", executor=executor, **POLICY
            )

    assert run.status["state"].tolist() == ["done", "failed", "done"]
    assert "NOT_SET_ANYWHERE is not set" in run.status["error"][1]
    assert repr(run).endswith("not complete)")
    run.report(tmp_path / "fleet.html")
    page = (tmp_path / "fleet.html").read_text(encoding="utf-8")
    for shown in (page, run._repr_html_()):
        assert re.search(r"3 gateways: 1 failed, 2 done\.", shown)
        assert shown.index("NOT_SET_ANYWHERE") < shown.index("site gw-2")
    told_of_all = ("add up to what", "mpreplay verify FOLDER", "<dt>Started</dt>", 'id="words"')
    for told in ('class="tone-open"', "Not complete", 'id="checked"', "Gateways on", *told_of_all):
        assert told in page
    assert page.count('href="data:text/csv;') == len(run.causes["reason"].unique())
    assert "<svg" in run.plot().svg
    with pytest.raises(mp.ReplayFailed, match="the run is not complete"):
        run.raise_for_rejects()
    head = run.audit(tmp_path / "audit")
    assert len(head) == 64
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [
        "heads.json", "site gw-0", "site gw-2",
    ]  # fmt: skip
    assert mp.verify_audit(tmp_path / "audit" / "site gw-0").empty
    _check_audit(tmp_path / "audit", head, tmp_path / "history.parquet")


def _check_audit(audit: Path, head: str, source: Path) -> None:
    """Alter the audits of a fleet, and look whether it is found."""
    assert mp.verify_audit(audit, head=head, sources=[source]).empty
    assert main(["verify", str(audit), "--head", head, "--source", str(source)]) == 0
    assert "are not those" in mp.verify_audit(audit, head="0" * 64)["finding"][0]
    books = next((audit / "site gw-2").glob("books*"))
    told = books.read_bytes()
    books.write_bytes(told[:-1] + bytes([told[-1] ^ 1]))
    assert set(mp.verify_audit(audit, head=head)["file"]) == {f"site gw-2/{books.name}"}
    books.write_bytes(told)
    (audit / "site gw-2").rename(audit / "elsewhere")
    found = mp.verify_audit(audit, head=head)
    assert found["file"].tolist() == ["elsewhere", "site gw-2"]
    (audit / "heads.json").write_text('{"../x": "' + head + '"}')
    assert mp.verify_audit(audit)["file"].tolist() == ["heads.json"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"devices": [("meter", "M0-0")]}, "meter/M0-1 and 2 more: no gateway of the topology"),
        ({"blank": True}, "1 row has no device"),
        ({"column": False}, "device_column="),
    ],
)
def test_a_device_of_no_gateway_is_an_error_before_anything_is_sent(
    tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    """Nothing may be lost because nobody is responsible for it."""
    gateways = gateways_of(2, 2)
    frame = frame_of(gateways, 5)
    if change.get("blank"):
        frame.loc[3, "meter"] = None
    history = history_of(tmp_path / "history.parquet", frame)
    if change.get("column") is False:
        history = mp.read_history(
            tmp_path / "history.parquet", time_column="ts", device_key="M0-0", product_key="meter",
            ignore=["meter"],
        )  # fmt: skip
    everyone = [sub for subs in gateways.values() for sub in subs]
    known = {"one": mp.Gateway("env:ONE", change.get("devices") or everyone)}
    with pytest.raises(mp.HistoryError, match=match):
        mp.replay_fleet(history, MODEL, known, journal=tmp_path / "runs", **POLICY)
    assert not (tmp_path / "runs").exists()


class Dying(Executor):
    """Threads, of which the first calls end as those of a dead worker do."""

    def __init__(self, n_deaths: int) -> None:
        self.n_deaths = n_deaths
        self.sent: list[bytes] = []
        self._threads = ThreadPoolExecutor(2)

    def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
        """Queue a call, or fail it."""
        self.sent.append(pickle.dumps((given, named)))
        if self.n_deaths:
            self.n_deaths -= 1
            future: Future[Any] = Future()
            future.set_exception(RuntimeError("the worker was killed"))
            return future
        return self._threads.submit(call, *given, **named)


def test_a_gateway_whose_worker_dies_is_continued(tmp_path: Path) -> None:
    """Twice is bad luck; more often is told as a failure, and the rest of the fleet goes on."""
    gateways = gateways_of(2, 1)
    frame = frame_of(gateways, 20)
    history = history_of(tmp_path / "history.parquet", frame)
    with mp.simulate(MODEL, gateways=gateways) as platform:
        known = topology(platform, gateways)
        secrets = [one.connection.device_secret.reveal() for one in known.values()]  # type: ignore[union-attr]
        executor = Dying(2)
        run = mp.replay_fleet(
            history, MODEL, known, journal=tmp_path / "runs", executor=executor, **POLICY
        )
        assert run.complete
        assert rows_of(platform.stored()) == stored_of(frame)
        dead = mp.replay_fleet(
            history, MODEL, known, journal=tmp_path / "dead", executor=Dying(99), **POLICY
        )
    assert dead.status["state"].tolist() == ["failed", "failed"]
    assert "the worker was killed" in dead.status["error"][0]
    for secret in secrets:  # what travels holds no secret, nor does what is kept
        assert not any(secret.encode() in one for one in executor.sent)
        assert secret not in (tmp_path / "runs" / RECORD_FILE).read_text()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_process_of_the_pool_costs_nothing(tmp_path: Path) -> None:
    """The pool is made anew, and each journal continued."""
    gateways = gateways_of(3, 2)
    frame = frame_of(gateways, 400)
    history = history_of(tmp_path / "history.parquet", frame)
    limits = mp.Limits(bytes_per_second=20_000, max_entries=20, connects=None)
    killed: list[int] = []

    def kill(told: dict[str, Any]) -> None:
        if not killed:
            for process in _workers():
                killed.append(process)
                os.kill(process, signal.SIGKILL)
                return

    with mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform:
        run = mp.replay_fleet(
            history, MODEL, topology(platform, gateways), journal=tmp_path / "runs",
            limits=limits, on_event=kill, **POLICY,
        )  # fmt: skip
        sessions, stored = platform.sessions(), platform.stored()
    assert killed
    assert run.complete, run.status["error"].tolist()
    assert rows_of(stored) == stored_of(frame)
    assert run.books["balanced"].all()
    assert not sessions["how"].eq("taken over").any()  # never two sessions of one gateway


def _workers() -> list[int]:
    """Return the processes that replay gateways: they have a session's journal open."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (place / "fd").iterdir()]
        except OSError:
            continue
        if int(place.name) != os.getpid() and any(link.endswith("gw-1.db") for link in links):
            found.append(int(place.name))
    return found


def test_what_is_imported_before_processes_are_forked_exists() -> None:
    """A name that is gone is left out in silence, and each process imports by itself again."""
    assert all(importlib.util.find_spec(name) for name in PRELOADED)


def test_a_fleet_that_is_stopped_ends_in_order_and_is_continued(tmp_path: Path) -> None:
    """A scheduler's SIGTERM reaches the driver alone, and the driver tells the gateways."""
    gateways = gateways_of(2, 2)
    frame = frame_of(gateways, 300)
    history = history_of(tmp_path / "history.parquet", frame)
    limits = mp.Limits(bytes_per_second=5_000, max_entries=10, connects=None)

    sent: list[int] = []

    def stop(told: dict[str, Any]) -> None:
        if any((tmp_path / "runs").glob("*.db")) and told["open"] and not sent:
            sent.append(signal.SIGTERM)  # a second one would end it at once
            os.kill(os.getpid(), signal.SIGTERM)

    with mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform:
        known = topology(platform, gateways)
        begin = time.monotonic()
        with pytest.raises(mp.Interrupted, match="the same call continues it") as caught:
            mp.replay_fleet(
                history, MODEL, known, journal=tmp_path / "runs", limits=limits, on_event=stop,
                **POLICY,
            )  # fmt: skip
        assert time.monotonic() - begin < driving.GRACE
        assert not caught.value.run.complete
        assert not (tmp_path / "runs" / STOP_FILE).exists()
        done = mp.replay_fleet(
            history, MODEL, known, journal=tmp_path / "runs", **POLICY,
            limits=mp.Limits(max_entries=10, connects=None),
        )  # fmt: skip
        assert rows_of(platform.stored()) == stored_of(frame)
    assert done.complete
    assert done.summary()["gateways_done"] == 2


def test_nothing_is_left_of_a_pool_that_has_lost_a_process(tmp_path: Path) -> None:
    """A process that outlives SIGTERM would keep the interpreter from its end, for ever."""
    pool, mark = Pool(2), tmp_path / "begun"
    pool.submit(outlive, mark)
    while not mark.exists():
        time.sleep(0.01)
    died = pool.submit(die)
    while not died.done():
        pool.look()
        time.sleep(0.01)
    with pytest.raises(BrokenProcessPool):
        died.result()
    thread = pool._pool._executor_manager_thread
    pool.shutdown(wait=False)
    assert thread is not None
    thread.join(0.5)
    assert thread.is_alive()
    pool.kill()
    thread.join(20)

    assert not thread.is_alive()


def test_another_fleet_does_not_use_the_same_folder(tmp_path: Path) -> None:
    """Journals of other gateways must not be taken for those of this fleet."""
    gateways = gateways_of(1, 1)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 2))
    devices = gateways[("gateway", "gw-0")]
    with ThreadPoolExecutor(1) as executor:
        options: dict[str, Any] = {"journal": tmp_path / "runs", "executor": executor, **POLICY}
        mp.replay_fleet(history, MODEL, {"a": mp.Gateway("env:NO_SUCH", devices)}, **options)
        with pytest.raises(mp.ConfigError, match="a fleet of other gateways"):
            mp.replay_fleet(history, MODEL, {"b": mp.Gateway("env:NO_SUCH", devices)}, **options)
    assert repr(mp.open_fleet(tmp_path / "runs")).startswith("FleetRun(1 gateway, 0 of 0 values")
    with pytest.raises(mp.JournalError, match="no fleet lies there"):
        mp.open_fleet(tmp_path)


def test_a_rate_of_the_organisation_is_shared() -> None:
    """What all gateways send together stays below it."""
    shared = fleeting._shared_out(mp.Limits(), 1_000, 4)

    assert shared.values_per_second == 250
    assert fleeting._shared_out(mp.Limits(values_per_second=100), 1_000, 4).values_per_second == 100
    assert fleeting._shared_out(mp.Limits(), None, 4).values_per_second is None


def test_stop_ends_a_replay_in_a_thread(tmp_path: Path) -> None:
    """A thread hears no signals: its owner sets an event."""
    gateways = gateways_of(1, 2)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 500))
    stop, runs = threading.Event(), []
    limits = mp.Limits(bytes_per_second=2_000, max_entries=5)

    def work(connection: mp.Connection) -> None:
        runs.append(
            mp.replay(
                history,
                MODEL,
                connection,
                limits=limits,
                journal=tmp_path / "run.db",
                stop=stop,
                on_interrupt="return",
                on_event=lambda told: told["accepted"] and stop.set(),
                progress=False,
                **POLICY,
            )
        )

    with mp.simulate(MODEL, gateways=gateways) as platform:
        thread = threading.Thread(target=work, args=(platform.connection,))
        thread.start()
        thread.join(20)
    assert not thread.is_alive()
    [run] = runs
    assert not run.complete
    assert run.summary()["accepted"] > 0
    assert "by its caller (stop=)" in run._repr_html_()


def test_checks_of_ones_own_travel(tmp_path: Path) -> None:
    """A model extended with pandera's checks goes to other processes like any other."""
    schema = MODEL.schema()

    assert pickle.loads(pickle.dumps(schema)).columns.keys() == schema.columns.keys()
    frame = pd.DataFrame({"P": [91.0]}, index=pd.date_range("2024", periods=1, tz="UTC"))
    [violation] = mp.validate(
        mp.read_history(frame), pickle.loads(pickle.dumps(schema))
    ).violations.to_dict("records")
    assert violation["check"] == "range"
