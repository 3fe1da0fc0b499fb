"""What many gateways carry: ``python fleet_rates.py FOLDER [--gateways 16] [--seconds 25]``.

Three figures, on a machine with nothing else to do:

- CPU seconds a value of two processes that send at the same time, over those of one;
- bytes a second of many gateways at 1 MB/s each through the process pool, over those of one;
- the same of a local cluster of Dask, over the pool.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from contest import add_arguments, given_by
from wire import platform
from year import NO_RATES, OPTIONS, Year, history_of

import mpreplay as mp

RATE = 1_000_000  # of each gateway [bytes/s]


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def readings(year: Year, folder: Path, n_gateways: int, seconds: float) -> dict[str, list[Any]]:
    """Write a file a gateway, that takes so long at its rate; return the devices of each."""
    sample = year.table.slice(0, 20_000)
    pq.write_table(sample, folder / "sample.parquet")
    plan = mp.plan(history_of(folder / "sample.parquet"), year.model, on_invalid="withhold",
                   duplicates="last")  # fmt: skip
    n_rows = max(1, int(seconds * RATE * len(sample) / plan.n_bytes))
    (folder / "sample.parquet").unlink()
    times = -(-n_rows // len(year.table))
    devices = {}
    for number in range(n_gateways):
        parts = [
            year.table.set_column(
                year.table.column_names.index("turbine"), "turbine",
                pc.binary_join_element_wise(
                    year.table["turbine"].cast(pa.string()), f"{number}", f"{turn}", "-"
                ),
            )
            for turn in range(times)
        ]  # fmt: skip
        table = pa.concat_tables(parts).slice(0, n_rows)
        pq.write_table(table, folder / f"gw-{number:02}.parquet")
        keys = pc.unique(table["turbine"]).to_pylist()
        devices[f"gw-{number:02}"] = [("senvion-mm82", key) for key in keys]
    return devices


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    add_arguments(parser)
    parser.add_argument("--gateways", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=25.0, help="of a gateway at its rate")
    arguments = parser.parse_args()
    given = given_by(parser, arguments)
    year = Year.of(given)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        os.environ["MPREPLAY_STATE"] = f"{place}/state"
        (folder / "secret").write_text("secret")
        (folder / "history").mkdir()
        devices = readings(year, folder / "history", arguments.gateways, arguments.seconds)
        to = stack.enter_context(platform())
        secret = f"file%3A{place}/secret".replace("/", "%2F")
        topology = {
            name: mp.Gateway(f"mqtt://{name}:{secret}@{to.host}:{to.port}/gateway", own)
            for name, own in devices.items()
        }

        def carried(n: int, executor: Executor | None, name: str) -> float:
            own = dict(list(topology.items())[:n])
            files = [str(folder / "history" / f"{one}.parquet") for one in own]
            options = OPTIONS | {"limits": mp.Limits(bytes_per_second=RATE, connects=None)}
            begin = time.perf_counter()
            run = mp.replay_fleet(
                history_of(files), year.model, own, journal=folder / name, executor=executor,
                **options,
            )  # fmt: skip
            took = time.perf_counter() - begin
            assert run.complete, run.status["error"].tolist()
            n_bytes = int(run.results["n_bytes"].sum())
            print(f"{name}: {n} gateways, {n_bytes / 1e6:,.0f} MB in {took:.1f} s", flush=True)
            return n_bytes / took

        def cpu_a_value(n: int, turn: int) -> float:
            """Return the CPU seconds of as many processes as gateways, without a rate."""
            own = dict(list(topology.items())[:n])
            files = [str(folder / "history" / f"{one}.parquet") for one in own]
            before = cpu_of_children()
            with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as executor:
                run = mp.replay_fleet(
                    history_of(files), year.model, own, journal=folder / f"cpu-{n}-{turn}",
                    executor=executor, **(OPTIONS | {"limits": NO_RATES}),
                )  # fmt: skip
            return (cpu_of_children() - before) / int(run.summary()["accepted"])

        turns = range(given.rounds)
        cpu = [cpu_a_value(2, turn) / cpu_a_value(1, turn) for turn in turns]
        one = carried(1, None, "one")
        pool = carried(arguments.gateways, None, "pool")
        from distributed import Client, LocalCluster

        with LocalCluster(
            n_workers=arguments.gateways, threads_per_worker=1, host="127.0.0.1",
            dashboard_address=":0", silence_logs=logging.CRITICAL, memory_limit=0,
        ) as cluster, Client(cluster) as client:  # fmt: skip
            dask = carried(arguments.gateways, client.get_executor(), "dask")
    print(f"{arguments.gateways} gateways through the pool: {pool / one:.2f} × one")
    print(f"Dask: {dask / pool:.2f} × the pool")
    told = ", ".join(f"{one:.2f}" for one in cpu)
    print(f"CPU a value of two processes: {statistics.median(cpu):.2f} × one ({told})")


if __name__ == "__main__":
    main()
