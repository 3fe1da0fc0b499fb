"""How soon a run that is continued publishes again when a million entries have settled.

``python benchmarks/continue_settled.py`` makes a history of 1,060,000 entries, replays it against
the rehearsal platform until over a million have settled, breaks off, continues from the journal,
and prints the seconds from the call to the first publish (imports are done before).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mpreplay as mp
from mpreplay.conversation.mqtt import MqttTransport

ENTRIES, SETTLED, PER_REQUEST = 1_060_000, 1_010_000, 1_000
DEVICES = [("meter", f"M{n}") for n in range(4)]
LIMITS = mp.Limits(max_entries=PER_REQUEST, bytes_per_second=None, connects=None)


class BrokenOffError(Exception):
    """Ends a run as a crash would."""


@contextmanager
def watched(last: int | None) -> Iterator[list[float]]:
    """Note when requests are published, and break off after so many."""
    publish, times = MqttTransport.publish, []

    def noting(self: Any, topic: str, payload: bytes) -> None:
        if last is not None and len(times) == last:
            raise BrokenOffError
        times.append(time.perf_counter())
        publish(self, topic, payload)

    MqttTransport.publish = noting
    try:
        yield times
    finally:
        MqttTransport.publish = publish


def main() -> None:
    """Measure once."""
    model = mp.ThingModel("Meter", {name: mp.Measurepoint(name, "DOUBLE") for name in ("P", "Q")})
    per_device = ENTRIES // len(DEVICES)
    times = pd.date_range("2020-01-01", periods=per_device, freq="1s", tz="UTC").as_unit("ms")
    with tempfile.TemporaryDirectory() as folder:
        path, journal = Path(folder) / "history.parquet", Path(folder) / "run.db"
        pd.DataFrame(
            {
                "time": np.repeat(times, len(DEVICES)),
                "device": [name for _, name in DEVICES] * per_device,
                "P": np.arange(ENTRIES) / 8,
                "Q": np.arange(ENTRIES) / 16,
            }
        ).to_parquet(path)
        history = mp.read_history(
            path, time_column="time", device_column="device", product_key="meter"
        )
        options = {"limits": LIMITS, "allow_offline_sub_device": True, "journal": journal,
                   "progress": False}  # fmt: skip
        platform_limits = mp.PlatformLimits(connects=None)
        with mp.simulate(model, sub_devices=DEVICES, limits=platform_limits) as platform:
            try:
                with watched(SETTLED // PER_REQUEST + LIMITS.window):
                    mp.replay(history, model, platform.connection, **options)
            except BrokenOffError:
                settled = mp.open_run(journal).results.query("outcome == 'accepted'")
                print(f"{settled['n_entries'].sum():,} entries settled, then broken off")
            begin = time.perf_counter()
            with watched(None) as published:
                run = mp.replay(history, model, platform.connection, **options)
            print(f"{published[0] - begin:.2f} s from the call to the first publish")
            print(run)


if __name__ == "__main__":
    main()
