"""A thousand gateways with little data each: ``python tests/many_gateways.py [GATEWAYS [TIMES]]``.

They sign in at one rehearsal platform, through the process pool. What the driver needs for each of
them is told, and must be below 100 kB; so are the times of what a user looks at.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import mpreplay as mp
from tests.fleet.fleets import MODEL, frame_of, gateways_of, history_of, rows_of, stored_of

MOST = 100_000  # bytes of the driver by gateway
OPTIONS: dict[str, Any] = {"on_invalid": "withhold", "allow_offline_sub_device": True}


def resident() -> int:
    """Return the memory of this process, in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def open_files() -> int:
    """Return the number of files that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def timed(what: str, action: Callable[[], Any]) -> Any:
    """Do something, and print how long it took."""
    begin, before = time.perf_counter(), resident()
    found = action()
    took, more = time.perf_counter() - begin, resident() - before
    print(f"{what}: {took:.2f} s, {more / 1e6:+.1f} MB", flush=True)
    return found


def main(n: int, n_times: int) -> None:
    """Run the fleet, and measure its driver."""
    gateways = gateways_of(n, 1)
    frame = frame_of(gateways, n_times)
    told: list[tuple[int, int, int]] = []

    def measure(_: object) -> None:
        told.append((resident(), open_files(), threading.active_count()))

    with tempfile.TemporaryDirectory() as place, mp.simulate(MODEL, gateways=gateways) as platform:
        os.environ["MPREPLAY_STATE"] = f"{place}/state"
        folder = Path(place)
        history = history_of(folder / "history.parquet", frame)
        known = {
            key: mp.Gateway(platform.connection_for(product, key), subs)
            for (product, key), subs in gateways.items()
        }
        small = dict(list(known.items())[:2])  # whatever is loaded once is loaded before
        devices = [device for one in small.values() for device in one.devices]
        part = mp.read_history(
            folder / "history.parquet", time_column="ts", device_column="meter",
            product_key="meter", devices=devices,
        )  # fmt: skip
        mp.replay_fleet(part, MODEL, small, journal=folder / "warm", **OPTIONS)
        measure(None)
        run = timed(
            f"{n} gateways, {len(frame):,} rows",
            lambda: mp.replay_fleet(
                history, MODEL, known, journal=folder / "runs", on_event=measure, **OPTIONS
            ),
        )
        summary = timed("summary", run.summary)
        status = timed("status", lambda: run.status)
        timed("notebook", run._repr_html_)
        timed("books", lambda: run.books)
        timed("again", lambda: mp.replay_fleet(
            history, MODEL, known, journal=folder / "runs", **OPTIONS
        ))  # fmt: skip
        assert run.complete, status[status["error"].ne("")].head()
        assert rows_of(platform.stored()) == stored_of(frame)
        print(summary)
    (begin, files, threads), rest = told[0], told[1:]
    by_gateway = (max(one[0] for one in rest) - begin) / n
    print(f"driver: {by_gateway / 1e3:.1f} kB a gateway, from {begin / 1e6:.0f} MB")
    print(f"open files: {files} before, {max(one[1] for one in rest)} at most")
    print(f"threads: {threads} before, {max(one[2] for one in rest)} at most")
    assert by_gateway < MOST
    assert max(one[1] for one in rest) - files < 200
    assert max(one[2] for one in rest) - threads < 10


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sizes = [int(word) for word in sys.argv[1:]]
    main(*(sizes + [1_000, 4][len(sizes) :]))
