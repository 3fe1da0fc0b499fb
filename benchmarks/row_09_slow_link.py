"""A link of 200 ms round trip and 1 MB/s, limits at their defaults: how well the cap is used.

What is given to the link is seen by a tap before it, which takes all that comes at once: whoever
publishes too much in a second is found out there. A tap behind the link sees what gets through.
"""

from __future__ import annotations

import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from contest import Given, Row, run
from tap import Tap
from wire import connection, platform
from year import OPTIONS, Year, history_of, parquet_of

import mpreplay as mp
from mpreplay.simulator.proxy import FaultProxy

CAP = 1_000_000  # [bytes/s]
ROUND_TRIP = 0.2  # [s]
BARS, AIMS = (0.95, 1.05), (0.98, 1.0)  # share of the cap; most in a second [MB]


def measure(given: Given) -> Row:
    """Replay the year over it, and look at the bytes of both sides."""
    year = Year.of(given)
    # At 1 MB/s each leaves most of a core idle, so that all have their turn at the same time.
    with (
        platform() as to,
        parquet_of(year.table) as path,
        ProcessPoolExecutor(given.rounds, mp_context=get_context("spawn")) as processes,
    ):
        turns = [
            processes.submit(once, year.model_path, path, to.host, int(to.port or 0), f"gw-{n}")
            for n in range(given.rounds)
        ]
        rounds = [turn.result() for turn in turns]
    measured = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    share, most = measured["share of the cap"], measured["most in a second, given [MB]"]
    return Row(
        number=9,
        name="a link of 200 ms and 1 MB/s: share of the cap; most in a second",
        figure=f"{share:.3f}; {most:.2f} MB",
        bar="≥ {}; ≤ {} MB".format(*BARS),
        aim="{}; ≤ {} MB".format(*AIMS),
        met=share >= BARS[0] and most <= BARS[1],
        aim_met=share >= AIMS[0] and most <= AIMS[1],
        measured=measured,
    )


def once(model: Path, path: Path, host: str, port: int, name: str) -> dict[str, float]:
    """Replay once."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Tap(host, port) as behind,
        FaultProxy(behind.host, behind.port, latency=ROUND_TRIP / 2, bytes_per_second=CAP) as link,
        Tap(link.host, link.port) as before,
    ):
        to, journal = connection(before.host, before.port, name), Path(folder) / "run.db"
        run = mp.replay(history_of(path), mp.ThingModel.load(model), to, journal=journal, **OPTIONS)
        assert run.complete and run.books["balanced"].all()
        return {
            "share of the cap": behind.n_bytes / behind.seconds / CAP,
            "most in a second, given [MB]": before.most_in_a_second() / 1e6,
            "most in a second, got through [MB]": behind.most_in_a_second() / 1e6,
            "megabytes": behind.n_bytes / 1e6,
        }


if __name__ == "__main__":
    run(measure)
