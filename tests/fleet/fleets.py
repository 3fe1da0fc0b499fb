"""Small fleets for the tests: gateways with meters, and a history of them in a file."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd

import mpreplay as mp

MODEL = mp.ThingModel(
    "Meter", {"P": mp.Measurepoint("P", "DOUBLE", maximum=90), "Q": mp.Measurepoint("Q", "FLOAT")}
)
Device = tuple[str, str]


def gateways_of(n: int, each: int) -> dict[Device, list[Device]]:
    """Return gateways with their meters."""
    return {("gateway", f"gw-{k}"): [("meter", f"M{k}-{m}") for m in range(each)] for k in range(n)}


def frame_of(gateways: dict[Device, list[Device]], n_times: int) -> pd.DataFrame:
    """Return readings of all meters, a row a meter and time, of which P is sometimes too large."""
    meters = [key for subs in gateways.values() for _, key in subs]
    times = pd.date_range("2024-01-01", periods=n_times, freq="10min", tz="UTC")
    n = len(meters) * n_times
    return pd.DataFrame(
        {
            "ts": np.repeat(times, len(meters)),
            "meter": meters * n_times,
            "P": (np.arange(n) % 97).astype(float),
            "Q": np.arange(n, dtype=np.float32) / 8,
        }
    )


def history_of(path: Path, frame: pd.DataFrame, **options: object) -> mp.History:
    """Write readings into a file, and return its history."""
    frame.to_parquet(path, row_group_size=500)
    return read(path, **options)


def read(source: object, **options: object) -> mp.History:
    """Return the history of a file or a frame of readings."""
    return mp.read_history(
        source, time_column="ts", device_column="meter", product_key="meter", **options
    )  # type: ignore[arg-type]


def stored_of(frame: pd.DataFrame) -> set[tuple[str, pd.Timestamp, str, float]]:
    """Return what the platform is to hold of a frame: device, time, point, value."""
    long = frame.melt(["ts", "meter"], ["P", "Q"], "point", "value")
    fits = ~(long["point"].eq("P") & (long["value"] > 90))
    return set(long.loc[fits, ["meter", "ts", "point", "value"]].itertuples(index=False, name=None))


def rows_of(stored: pd.DataFrame) -> set[tuple[str, pd.Timestamp, str, float]]:
    """Return what a platform holds, in the same form."""
    columns = ["device_key", "time", "measurepoint", "value"]
    return set(stored[columns].itertuples(index=False, name=None))


def die() -> None:
    """End the process as a system short of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


def outlive(mark: Path) -> None:
    """Take SIGTERM as a replay does that waits for replies, and tell so by a file."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    mark.touch()
    time.sleep(120)
