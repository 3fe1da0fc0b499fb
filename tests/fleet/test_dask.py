"""The same fleet on a real cluster of Dask: processes, a scheduler, tasks that travel."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

import mpreplay as mp
from tests.fleet.fleets import MODEL, frame_of, gateways_of, read, rows_of, stored_of

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
    # A cluster that is closed leaves sockets and loops to the collector of garbage.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
POLICY: dict[str, Any] = {"on_invalid": "withhold", "allow_offline_sub_device": True}
NO_CONNECTS = mp.PlatformLimits(connects=None)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Return the client of a cluster of two processes on this machine."""
    with (
        dask.config.set({"distributed.scheduler.locks.lease-timeout": "5s",
                         "distributed.scheduler.locks.lease-validation-interval": "1s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
            host="127.0.0.1", silence_logs=logging.CRITICAL, memory_limit=0,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


def topology(platform: Any, gateways: dict[Any, Any]) -> dict[str, mp.Gateway]:
    """Return the gateways with their connections."""
    return {
        key: mp.Gateway(platform.connection_for(product, key), subs)
        for (product, key), subs in gateways.items()
    }


def never_two_sessions(sessions: Any) -> bool:
    """Return True if no device ever had a session that was taken over by another."""
    return not sessions["how"].eq("taken over").any()


def test_a_fleet_on_a_cluster_is_that_of_the_pool(client: Any, tmp_path: Path) -> None:
    """Where gateways are replayed changes no table; a worker that is killed costs nothing."""
    gateways = gateways_of(6, 3)
    frame = frame_of(gateways, 30)
    limits = mp.Limits(bytes_per_second=8_000, max_entries=15, connects=None, reply_timeout=2.0)
    options: dict[str, Any] = {"limits": limits, **POLICY}
    killed: list[int] = []

    def kill(told: dict[str, Any]) -> None:
        if told["done"] and not killed:
            killed.extend(list(client.run(os.getpid).values())[:1])
            os.kill(killed[0], signal.SIGKILL)

    with mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS, faults="seed=3") as platform:
        run = mp.replay_fleet(
            read(frame), MODEL, topology(platform, gateways), journal=tmp_path / "dask",
            executor=client.get_executor(), on_event=kill, **options,
        )  # fmt: skip
        assert killed
        assert run.complete, run.status["error"].tolist()
        assert run.books["balanced"].all()
        assert rows_of(platform.stored()) == stored_of(frame)
        assert never_two_sessions(platform.sessions())
    with mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform:
        known = topology(platform, gateways)
        pool = mp.replay_fleet(
            read(frame),
            MODEL,
            known,
            journal=tmp_path / "pool",
            **{**options, "limits": mp.Limits(max_entries=15)},
        )
        assert rows_of(platform.stored()) == stored_of(frame)
    assert run.books.equals(pool.books)
    assert run.touched().equals(pool.touched())
    columns = ["gateway", "row", "device_key", "time", "measurepoint", "value", "check", "outcome"]
    assert run.rejects[columns].equals(pool.rejects[columns])


def test_cancelling_ends_a_fleet_on_a_cluster_in_order(client: Any, tmp_path: Path) -> None:
    """And the next call continues it."""
    gateways = gateways_of(4, 1)
    frame = frame_of(gateways, 200)
    limits = mp.Limits(bytes_per_second=3_000, max_entries=5, connects=None)

    sent: list[int] = []

    def stop(told: dict[str, Any]) -> None:
        if told["values_per_second"] and told["open"] and not sent:  # a second one ends at once
            sent.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    with mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform:
        known = topology(platform, gateways)
        options: dict[str, Any] = {"journal": tmp_path, "executor": client.get_executor(), **POLICY}
        begin = time.monotonic()
        run = mp.replay_fleet(
            read(frame), MODEL, known, limits=limits, on_event=stop, on_interrupt="return",
            **options,
        )  # fmt: skip
        assert time.monotonic() - begin < 25
        assert not run.complete
        assert set(run.status["state"]) <= {"stopped", "waiting", "done"}
        done = mp.replay_fleet(
            read(frame), MODEL, known, limits=mp.Limits(max_entries=5, connects=None), **options
        )
        assert rows_of(platform.stored()) == stored_of(frame)
        assert never_two_sessions(platform.sessions())
    assert done.complete


def test_two_fleets_that_race_have_one_session_a_gateway(client: Any, tmp_path: Path) -> None:
    """Two schedulers start the same backfill: the second waits for the gateways of the first."""
    gateways = gateways_of(1, 2)
    frame = frame_of(gateways, 60)
    limits = mp.Limits(bytes_per_second=6_000, max_entries=10, connects=None)
    runs: dict[str, mp.FleetRun] = {}

    with mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform:
        known = topology(platform, gateways)

        def race(name: str) -> None:
            runs[name] = mp.replay_fleet(
                read(frame), MODEL, known, journal=tmp_path / name, limits=limits,
                executor=client.get_executor(), progress=False, **POLICY,
            )  # fmt: skip

        threads = [threading.Thread(target=race, args=(name,)) for name in ("one", "two")]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        sessions = platform.sessions()
        assert rows_of(platform.stored()) == stored_of(frame)
    assert {name: run.complete for name, run in runs.items()} == {"one": True, "two": True}
    assert len(sessions) == 2
    assert never_two_sessions(sessions)


class Recording(Executor):
    """An executor that keeps what it is given, as it travels."""

    def __init__(self, inner: Executor) -> None:
        self.inner, self.sent = inner, []  # type: ignore[var-annotated]

    def submit(self, call: Any, /, *given: Any, **named: Any) -> Any:
        """Pass a call on."""
        self.sent.append(pickle.dumps((call, given, named)))
        return self.inner.submit(call, *given, **named)


def test_no_secret_is_in_a_cluster(
    client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A scheduler shows its tasks to whoever opens its page."""
    caplog.set_level(logging.DEBUG)
    gateways = gateways_of(2, 1)
    frame = frame_of(gateways, 20)
    executor = Recording(client.get_executor())
    with mp.simulate(MODEL, gateways=gateways) as platform:
        secrets = [
            platform.connection_for(*key).device_secret.reveal().encode() for key in gateways
        ]
        run = mp.replay_fleet(
            read(frame), MODEL, topology(platform, gateways), journal=tmp_path,
            executor=executor, **POLICY,
        )  # fmt: skip
        state = client.run_on_scheduler(_all_of)
        logs = [*client.get_worker_logs().values(), client.get_scheduler_logs()]
    assert run.complete
    seen = b"".join(executor.sent) + state + repr(logs).encode() + caplog.text.encode()
    seen += b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"run_packed" in seen  # it was looked at in the right place
    for secret in secrets:
        assert secret not in seen


def _all_of(dask_scheduler: Any) -> bytes:
    """Return what a scheduler knows of its tasks, as bytes."""
    told = [repr((key, task.run_spec, task.state)) for key, task in dask_scheduler.tasks.items()]
    kept = [pickle.dumps(task.run_spec) for task in dask_scheduler.tasks.values()]
    events = repr([list(one) for one in dask_scheduler._broker._topics.items()][:50])
    return "".join([*told, events]).encode() + b"".join(kept)


def test_a_run_travels_by_its_journal(client: Any, tmp_path: Path) -> None:
    """One whose journal goes with it cannot."""
    gateways = gateways_of(1, 1)
    history = read(frame_of(gateways, 3))
    with mp.simulate(MODEL, gateways=gateways) as platform:
        connection = platform.connection_for("gateway", "gw-0")
        kept = mp.replay(history, MODEL, connection, journal=tmp_path / "run.db", **POLICY)
        gone = mp.replay(history, MODEL, connection, **POLICY)
    told = client.submit(lambda run: run.summary(), kept).result()
    elsewhere = {"sent_now": 0, "settled_before": kept.summary()["sent_now"]}  # not by this call
    assert told == kept.summary() | elsewhere
    with pytest.raises(mp.ConfigError, match="replay with journal="):
        pickle.dumps(gone)
