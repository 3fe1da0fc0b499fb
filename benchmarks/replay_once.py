"""A contestant that replays once: ``replay_once.py HOST PORT READINGS MODEL JOURNAL [GATEWAY]``.

Its turn tells the seconds of the call, and how much the process has held at most, before and after:
imports come before.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

from turns import serve
from wire import NAME, connection
from year import NO_RATES, OPTIONS, history_of

import mpreplay as mp


def peak() -> float:
    """Return the most memory that this process has had, in megabytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1000


def main(
    host: str, port: str, readings: str, model_path: str, journal: str, name: str = NAME
) -> None:
    """Replay, or continue what the journal has."""
    model = mp.ThingModel.load(model_path)
    mp.replay, mp.Run  # noqa: B018 - what is imported on first use is imported
    gc.collect()
    before = peak()

    def turn() -> dict[str, float]:
        history, gateway = history_of(readings), connection(host, int(port), name)
        begin = time.perf_counter()
        run = mp.replay(history, model, gateway, journal=journal, limits=NO_RATES, **OPTIONS)
        books = run.books
        took = time.perf_counter() - begin
        after = peak()
        summary = run.summary()
        assert run.complete and books["balanced"].all()
        assert summary["accepted"] + summary["withheld"] == summary["read"]
        return {
            "seconds": took,
            "imports_mb": before,
            "peak_mb": after,
            "n_values": summary["accepted"],
        }

    serve(turn)


if __name__ == "__main__":
    main(*sys.argv[1:])
