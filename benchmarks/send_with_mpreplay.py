"""A contestant: a whole replay: read, validate, chunk, encode, send, journal, books.

``python send_with_mpreplay.py HOST PORT READINGS MODEL [file|frame [withheld|default]]``; with
``frame`` from a DataFrame in memory, with ``default`` by the default policy.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from turns import serve
from wire import connection
from year import DEFAULTS, NO_RATES, OPTIONS, history_of

import mpreplay as mp


def main(
    host: str,
    port: str,
    readings: str,
    model_path: str,
    form: str = "file",
    policy: str = "withheld",
) -> None:
    """Replay once a turn."""
    options = DEFAULTS if policy == "default" else OPTIONS
    model = mp.ThingModel.load(model_path)
    history = history_of(pd.read_parquet(readings) if form == "frame" else readings)
    gateway = connection(host, int(port))

    def turn() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            begin, cpu = time.perf_counter(), time.process_time()
            journal = Path(folder) / "run.db"
            run = mp.replay(history, model, gateway, journal=journal, limits=NO_RATES, **options)
            books = run.books
            took, cpu = time.perf_counter() - begin, time.process_time() - cpu
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
