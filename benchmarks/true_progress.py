"""How true the progress of a rate-limited replay is, over a real socket.

``python benchmarks/true_progress.py`` replays against the rehearsal platform twice, limited by
bytes and by values a second, compares the latest event with the journal five times a second, and
prints the largest distance and the end that was foreseen after a fifth of the run. Half a minute.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mpreplay as mp

ROWS, POINTS = 40_000, 4
EVERY = 0.2  # [s] between samples
LIMITS = {
    "bytes": mp.Limits(bytes_per_second=250_000, max_bytes=60_000, connects=None),
    "values": mp.Limits(
        bytes_per_second=None, values_per_second=12_000, max_bytes=60_000, connects=None
    ),
}
ARRIVED = ("accepted", "declined", "withheld")


def readings() -> pd.DataFrame:
    """Return readings of one device, one in a hundred of a point infinite."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"p{n}": rng.normal(size=ROWS).round(3) for n in range(POINTS)})
    frame.loc[rng.random(ROWS) < 0.01, "p0"] = np.inf
    frame["time"] = pd.date_range("2024", periods=ROWS, freq="min", tz="UTC")
    return frame


def sampled(history: mp.History, model: mp.ThingModel, limits: mp.Limits) -> bool:
    """Replay once; return True if the progress was true."""
    events: list[dict[str, Any]] = []
    distances: list[int] = []
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "run.db"

        def sample() -> None:
            while not over.wait(EVERY):
                if events:
                    shown, now = events[-1], mp.open_run(journal).summary()
                    distances.append(abs(sum(shown[one] - now[one] for one in ARRIVED)))

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            with mp.simulate(model, gateway=("gateway", "gw-1")) as platform:
                began = time.monotonic()
                run = mp.replay(
                    history, model, platform.connection, on_invalid="withhold", limits=limits,
                    journal=journal, progress=False, on_event=events.append,
                )  # fmt: skip
                seconds = time.monotonic() - began
        finally:
            over.set()
            sampler.join()
        n_values, largest = run.summary()["read"], int(run.results["n_values"].max())
    took = events[-1]["seconds"]
    fifth = next(one for one in events if one["seconds"] >= took / 5)
    foreseen = fifth["seconds"] + fifth["seconds_left"]
    away = max(distances)
    print(
        f"{n_values:,} values in {seconds:.1f} s: at most {away:,} values away from the journal "
        f"({away / n_values:.1%}; a request has {largest:,}) in {len(distances)} samples; after a "
        f"fifth the end was foreseen at {foreseen:.1f} of {took:.1f} s ({foreseen / took - 1:+.1%})"
    )
    return away <= max(0.05 * n_values, largest) and abs(foreseen / took - 1) <= 0.1


def main() -> int:
    """Replay under each limit; return 0 if the progress was true under all."""
    points = {f"p{n}": mp.Measurepoint(f"p{n}", "DOUBLE") for n in range(POINTS)}
    model = mp.ThingModel("Meter", points)
    history = mp.read_history(
        readings(), time_column="time", device_key="gw-1", product_key="gateway"
    )
    were_true = [sampled(history, model, limits) for limits in LIMITS.values()]
    return 0 if all(were_true) else 1


if __name__ == "__main__":
    sys.exit(main())
