"""Bytes a second of sixteen gateways at 1 MB/s each, against those of one; the same with Dask.

Through the pool of processes, and through a local cluster; each fleet takes more than twenty
seconds, and its time is that of the whole call.
"""

from __future__ import annotations

import logging

from contest import Given, Row, run
from fleet_rates import RATE, Fleet
from year import Year

import mpreplay as mp
from mpreplay.fleet.pool import PRELOADED, Pool

GATEWAYS, SECONDS = 16, 21.0
BARS, AIMS = (15.0, 0.95), (15.5, 1.0)
LIMITS = mp.Limits(bytes_per_second=RATE, connects=None)


def measure(given: Given) -> Row:
    """Compare one turn of each: a figure of so many seconds has little chance in it."""
    n, n_seconds = (2, 1.0) if given.quick else (GATEWAYS, SECONDS)
    with Fleet.of(Year.of(given), n, n_seconds * RATE) as fleet:
        warm_up()
        one = fleet.replayed(1, "one", None, LIMITS)
        pool = fleet.replayed(n, "pool", None, LIMITS)
        dask = through_dask(fleet, n)
    rates = {
        name: told["n_bytes"] / told["seconds"]
        for name, told in (("one", one), ("pool", pool), ("Dask", dask))
    }
    figures = (rates["pool"] / rates["one"], rates["Dask"] / rates["pool"])
    return Row(
        number=20,
        name=f"{GATEWAYS} gateways at 1 MB/s each through the pool, against one; through Dask, "
        "against the pool",
        figure="{:.1f} ×; {:.2f} ×".format(*figures),
        bar="≥ {:.0f} ×; ≥ {} ×".format(*BARS),
        aim="≥ {} ×; ≥ {} ×".format(*AIMS),
        met=all(map(float.__ge__, figures, BARS)),
        aim_met=all(map(float.__ge__, figures, AIMS)),
        measured={f"{name} [MB/s]": rate / 1e6 for name, rate in rates.items()}
        | {"one [s]": one["seconds"], "pool [s]": pool["seconds"], "Dask [s]": dask["seconds"]},
        rounds=1,
    )


def warm_up() -> None:
    """Have imported what the pool's processes are forked with: this process does it once."""
    pool = Pool(1)
    pool.submit(abs, 1).result()
    pool.shutdown()


def through_dask(fleet: Fleet, n: int) -> dict[str, float]:
    """Replay the same fleet on a cluster of as many workers; its start and imports do not count."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
            memory_limit=0,
            preload=list(PRELOADED),
        ) as cluster,
        Client(cluster) as client,
    ):
        return fleet.replayed(n, "dask", client.get_executor(), LIMITS)


if __name__ == "__main__":
    run(measure)
