"""A contestant: a whole replay. ``python send_with_mpreplay.py HOST PORT READINGS MODEL [frame]``.

Read, validate, chunk, encode, send, journal, books; with ``frame`` from a DataFrame in memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from turns import serve
from wire import connection
from year import NO_RATES, OPTIONS, history_of

import mpreplay as mp


def main(host: str, port: str, readings: str, model_path: str, form: str = "file") -> None:
    """Replay once a turn."""
    model = mp.ThingModel.load(model_path)
    history = history_of(pd.read_parquet(readings) if form == "frame" else readings)
    gateway = connection(host, int(port))

    def turn() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            begin, cpu = time.perf_counter(), sum(os.times()[:2])
            journal = Path(folder) / "run.db"
            run = mp.replay(history, model, gateway, journal=journal, limits=NO_RATES, **OPTIONS)
            books = run.books
            took, cpu = time.perf_counter() - begin, sum(os.times()[:2]) - cpu
            assert run.complete and books["balanced"].all()
            return {
                "seconds": took,
                "cpu_seconds": cpu,
                "n_values": int(books["accepted"].sum()),
                "n_bytes": int(run.results["n_bytes"].sum()),
                "n_requests": len(run.results),
            }

    serve(turn)


if __name__ == "__main__":
    main(*sys.argv[1:])
