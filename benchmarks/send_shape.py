"""A contestant: a whole replay of generated readings. ``send_shape.py HOST PORT SHAPE VALUES``.

Read, validate, chunk, encode, send, journal, books, as ``send_with_mpreplay.py`` has it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from shapes import made
from turns import serve
from wire import connection
from year import NO_RATES, OPTIONS

import mpreplay as mp


def main(host: str, port: str, name: str, n_values: str) -> None:
    """Replay once a turn."""
    gateway = connection(host, int(port))
    shape = made(name, int(n_values))
    with tempfile.TemporaryDirectory() as kept:
        path = Path(kept) / "readings.parquet"
        shape.write(path)
        history, model = shape.history(path), shape.model
        del shape

        def turn() -> dict[str, float]:
            with tempfile.TemporaryDirectory() as folder:
                journal = Path(folder) / "run.db"
                cpu = time.process_time()
                run = mp.replay(
                    history, model, gateway, journal=journal, limits=NO_RATES, **OPTIONS
                )
                books = run.books
                cpu = time.process_time() - cpu
                assert run.complete and books["balanced"].all()
                return {
                    "cpu_seconds": cpu,
                    "n_values": int(books["accepted"].sum()),
                    "n_bytes": int(run.results["n_bytes"].sum()),
                }

        serve(turn)


if __name__ == "__main__":
    main(*sys.argv[1:])
