"""Replays one after another over real sockets, under all kinds of faults, for as long as one likes.

For half an hour, with a line a minute: ``pytest tests/runner/test_soak.py --soak-seconds 1800 -s``.
"""

from __future__ import annotations

import gc
import itertools
import os
import statistics
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from conftest import FARM, history_of

import mpreplay as mp

FAULTS = (
    "lose_request=0.02 lose_reply=0.02 delay=0.04:0.05 delay=0.01:0.5 double=0.04 reorder=0.03:0.1 "
    "garble=0.02 code=0.02:500 throttle=0.02 stall=0.01:0.05 reset_before=0.004 reset_during=0.004 "
    "reset_after=0.004 kick=0.004 away=0.002:0.1"
)
LIMITS = mp.Limits(
    max_entries=4, window=8, reply_timeout=0.3, attempts=8, connects=None, give_up_after=None,
    bytes_per_second=None,
)  # fmt: skip
CONTINUATIONS = 20
GROWTH = 24.0  # what chance and the allocator may bring, over any length of time [MB]


class Sample(NamedTuple):
    """What the process holds after a replay."""

    megabytes: float
    threads: int
    files: int


def sample() -> Sample:
    """Return what this process holds now, garbage aside: paho's clients are parts of cycles."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Sample(megabytes, threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))


def readings(n: int) -> pd.DataFrame:
    """Return so many readings of two turbines."""
    times = pd.date_range("2024-05-01", periods=n // 2, freq="10min", tz="UTC")
    return pd.DataFrame(
        {
            "ts": [*times, *times],
            "unit": ["T1"] * (n // 2) + ["T2"] * (n // 2),
            "P": np.arange(n) / 4,
            "wind": np.arange(n) / 16,
            "state": "run",
        }
    )


def rehearse(model: mp.ThingModel, frame: pd.DataFrame, seed: int, journal: Path) -> None:
    """Replay until all is settled, and check that all has arrived."""
    with mp.simulate(
        model, sub_devices=FARM, limits=mp.PlatformLimits(connects=None),
        faults=f"{FAULTS} seed={seed}",
    ) as platform:  # fmt: skip
        for _ in range(1 + CONTINUATIONS):
            try:
                run = mp.replay(
                    history_of(frame), model, platform.connection, journal=journal, limits=LIMITS,
                    allow_offline_sub_device=True, progress=False,
                )  # fmt: skip
            except mp.ConnectError:  # away when it began
                continue
            if run.complete:
                break
        assert run.complete, run
        assert run.books["balanced"].all()
        assert run.summary()["accepted"] == len(platform.stored())
    for path in journal.parent.glob(f"{journal.name}*"):
        path.unlink()


def test_memory_and_threads_stay_flat_under_faults(
    model: mp.ThingModel, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A scheduled backfill runs for months: what a fault leaves behind would add up."""
    frame = readings(400)
    rehearse(model, frame, 0, tmp_path / "run.db")  # what is made once is made
    samples = [sample()]
    begun = told = time.monotonic()
    for seed in itertools.count(1):
        rehearse(model, frame, seed, tmp_path / "run.db")
        samples.append(sample())
        now = time.monotonic()
        if now - told > 60:
            told = now
            print(f"{now - begun:.0f} s, {seed} replays: {samples[-1]}")  # noqa: T201 - with -s
        if now - begun > request.config.getoption("--soak-seconds"):
            break

    quarter = max(1, len(samples) // 4)
    early = statistics.median(one.megabytes for one in samples[:quarter])
    late = statistics.median(one.megabytes for one in samples[-quarter:])
    assert late - early < GROWTH, samples
    assert {one.threads for one in samples} == {samples[0].threads}
    assert max(one.files for one in samples) <= samples[0].files
