"""A fleet on a cluster that is hit again and again: ``python tests/storm.py [GATEWAYS [DEVICES]]``.

A scheduler and four workers of Dask are started by their command lines on loopback; the rehearsal
platform makes faults. Workers are killed twice, and the driver (the scheduler's client) once; then
it is started anew. At the end all books must balance, the platform must hold what the source holds,
no gateway may ever have had two sessions at a time, and the process pool must make the same tables.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from brokers import free_port

import mpreplay as mp
from tests.fleet.fleets import MODEL, frame_of, gateways_of, history_of, rows_of, stored_of

LIMITS = mp.Limits(bytes_per_second=6_000, max_entries=60, connects=None, reply_timeout=3.0)
OPTIONS: dict[str, Any] = {
    "on_invalid": "withhold", "allow_offline_sub_device": True, "limits": LIMITS,
    "progress": False,
}  # fmt: skip
N_TIMES = 120


def topology(connections: list[str], gateways: dict[Any, Any]) -> dict[str, mp.Gateway]:
    """Return the gateways with their connections, whose secrets are references."""
    return {
        key: mp.Gateway(uri, subs)
        for uri, ((_, key), subs) in zip(connections, gateways.items(), strict=True)
    }


def drive(folder: Path, scheduler: str, n: int, each: int) -> None:
    """Replay the fleet on the cluster: the part that is killed once, in a process of its own."""
    from distributed import Client

    gateways = gateways_of(n, each)
    known = topology((folder / "connections").read_text().split(), gateways)
    history = mp.read_history(
        folder / "history.parquet", time_column="ts", device_column="meter", product_key="meter"
    )
    with Client(scheduler) as client:
        run = mp.replay_fleet(
            history, MODEL, known, journal=folder / "runs", executor=client.get_executor(),
            **OPTIONS,
        )  # fmt: skip
    print(run)
    print(run.status.loc[run.status["error"].ne(""), ["gateway", "error"]].to_string())


def main(n: int, each: int) -> None:
    """Run the storm, and look what is left."""
    gateways = gateways_of(n, each)
    frame = frame_of(gateways, N_TIMES)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["MPREPLAY_STATE"] = f"{place}/state"
        history = history_of(folder / "history.parquet", frame)
        with mp.simulate(
            MODEL, gateways=gateways, faults="seed=5 rate=0.05",
            limits=mp.PlatformLimits(connects=None),
        ) as platform:  # fmt: skip
            uris = [platform.connection_for(*key).to_uri(reveal_secret=True) for key in gateways]
            (folder / "connections").write_text("\n".join(uris))
            _storm(folder, n, each)
            stored, sessions = platform.stored(), platform.sessions()
        run = mp.open_fleet(folder / "runs")
        print(run.summary())
        assert run.complete, run.status["state"].value_counts().to_dict()
        assert run.books["balanced"].all()
        assert rows_of(stored) == stored_of(frame)
        assert not sessions["how"].eq("taken over").any(), sessions["how"].value_counts()
        print(sessions["how"].value_counts().to_dict())
        with mp.simulate(MODEL, gateways=gateways) as platform:
            uris = [platform.connection_for(*key).to_uri(reveal_secret=True) for key in gateways]
            options = {**OPTIONS, "limits": mp.Limits(max_entries=60)}
            known = topology(uris, gateways)
            pool = mp.replay_fleet(history, MODEL, known, journal=folder / "pool", **options)
            assert rows_of(platform.stored()) == rows_of(stored)
        assert pool.books.equals(run.books)
        assert pool.touched().equals(run.touched())
    print("as it should be")


def _storm(folder: Path, n: int, each: int) -> None:
    address = f"127.0.0.1:{(port := free_port())}"
    options = ["--host", "127.0.0.1", "--no-dashboard"]
    log = (folder / "dask.log").open("wb")
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        running.append(process)
        return process

    def worker() -> subprocess.Popen[bytes]:
        return start("dask", "worker", address, "--nthreads", "1", "--no-nanny", *options)

    def driver() -> subprocess.Popen[bytes]:
        command = [__file__, "drive", str(folder), address, str(n), str(each)]
        process = subprocess.Popen([sys.executable, *command])
        running.append(process)
        return process

    try:
        start("dask", "scheduler", "--port", str(port), *options)
        workers = [worker() for _ in range(4)]
        first = driver()
        for number in range(2):
            _wait_for_done(folder, (number + 1) * n // 8)
            workers[number].send_signal(signal.SIGKILL)
            print(f"a worker is killed, {_done(folder)} gateways done", flush=True)
            worker()
        _wait_for_done(folder, n // 2)
        first.send_signal(signal.SIGKILL)
        print(f"the driver is killed, {_done(folder)} gateways done", flush=True)
        assert driver().wait(600) == 0
    finally:
        for process in running:
            process.kill()
            process.wait()
        log.close()
        secrets = [uri.split(":")[2] for uri in (folder / "connections").read_text().split()]
        seen = (folder / "dask.log").read_text(errors="replace")
        assert not any(secret in seen for secret in secrets if "%3A" not in secret)


def _done(folder: Path) -> int:
    try:
        return int(mp.open_fleet(folder / "runs").summary().get("gateways_done", 0))
    except mp.JournalError:
        return 0


def _wait_for_done(folder: Path, n_wanted: int) -> None:
    end = time.monotonic() + 600
    while _done(folder) < n_wanted:
        assert time.monotonic() < end, "the fleet does not get on"
        time.sleep(0.5)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    if sys.argv[1:2] == ["drive"]:
        drive(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        sizes = [int(word) for word in sys.argv[1:]]
        main(*(sizes + [64, 16][len(sizes) :]))
