"""Compare the memory of a generated stream with that of the same rows in a Parquet file.

    python tests/stream_memory.py [--values 30000000] [--kind generator] [--most 1.1]

Each is validated in a process of its own, which tells the most memory that it held beyond its
imports. The exit status is 1 if the stream took more than ``--most`` times what the file and the
generating of the rows took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

import mpreplay as mp

POINTS: Final = 5
ALONE: Final = "making the "  # a kind of stream whose rows nobody reads
ROWS: Final = 100_000  # of a batch
MODEL: Final = mp.ThingModel(
    "M",
    {f"p{n}": mp.Measurepoint(f"p{n}", "DOUBLE") for n in range(POINTS - 1)}
    | {"state": mp.Measurepoint("state", "STRING")},
)
STATES: Final = pa.array(["running", "standing", "service", "idling at low wind"])


def batches(n_rows: int) -> Iterator[pa.Table]:
    """Yield readings of 100 devices, all numbers distinct."""
    for first in range(0, n_rows, ROWS):
        at = np.arange(first, min(first + ROWS, n_rows))
        numbers = {f"p{n}": np.sqrt(at + n) for n in range(POINTS - 1)}
        units = pa.array([f"unit {n}" for n in range(100)]).take(pa.array(at % 100))
        yield pa.table(
            {
                "t": pa.array(1_700_000_000_000 + at // 100 * 1_000, pa.timestamp("ms", "UTC")),
                "unit": units,
                **numbers,
                "state": STATES.take(pa.array(at // 500 % len(STATES))),
            }
        )


def reader(n_rows: int) -> pa.RecordBatchReader:
    """Return the same rows as a reader."""
    schema = next(batches(1)).schema
    rows = (batch for table in batches(n_rows) for batch in table.to_batches())
    return pa.RecordBatchReader.from_batches(schema, rows)


KINDS: Final[dict[str, Callable[[int], Any]]] = {
    "generator": batches,
    "frames": lambda n_rows: (table.to_pandas() for table in batches(n_rows)),
    "reader": reader,
}


def peak() -> float:
    """Return the most megabytes of memory that this process has held."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1_000


def source_of(kind: str, n_rows: int, kept: Path) -> tuple[Any, dict[str, Any]]:
    """Return a source and the arguments that only it takes."""
    if kind.removeprefix(ALONE) in KINDS:
        return KINDS[kind.removeprefix(ALONE)](n_rows), {"spool": kept}
    if kind == "dataset":
        return ds.dataset(kept), {}
    if kind == "filtered dataset":  # which is a stream, too
        return ds.dataset(kept).filter(ds.field("p0") >= 0), {}
    return kept, {}


def measured(kind: str, n_rows: int, kept: Path) -> dict[str, float]:
    """Validate a source; return megabytes and seconds."""
    warm = pd.DataFrame({"t": ["2024-01-01T00:00:00Z"], "unit": ["a"], "p0": [1.0], "state": ["x"]})
    roles = {"time_column": "t", "device_column": "unit", "product_key": "p"}
    mp.validate(mp.read_history(iter([warm]), **roles), MODEL)  # what is imported late is imported
    before, began = peak(), time.perf_counter()
    source, options = source_of(kind, n_rows, kept)
    n_values = 0
    if kind.startswith(ALONE):
        deque(source, maxlen=0)
    else:
        validation = mp.validate(mp.read_history(source, **roles, **options), MODEL)
        n_values = validation.n_values
    took = time.perf_counter() - began
    return {"values": n_values, "megabytes": peak() - before, "seconds": took}


def in_a_process(kind: str, n_rows: int, kept: Path) -> dict[str, float]:
    """Measure a source in a process of its own."""
    command = [sys.executable, __file__, "--child", kind, str(n_rows), str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def main(arguments: list[str] | None = None) -> int:
    """Print the memory of a stream and of a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--values", type=int, default=30_000_000)
    parser.add_argument("--kind", choices=list(KINDS), default="generator")
    parser.add_argument("--most", type=float, default=1.1, help="times the memory of the file")
    parser.add_argument("--datasets", action="store_true", help="measure datasets of the file, too")
    options = parser.parse_args(arguments)
    n_rows = options.values // POINTS
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept.parquet"
        others = ["dataset", "filtered dataset"] if options.datasets else []
        taken = {}
        for kind in [ALONE + options.kind, options.kind, "parquet", *others]:
            taken[kind] = told = in_a_process(kind, n_rows, kept)
            print(
                f"{kind:22} {told['values']:12,} values {told['megabytes']:6.0f} MB "
                f"{told['seconds']:6.1f} s",
                flush=True,
            )
        print(f"{kept.stat().st_size / 1e6:,.0f} MB of Parquet")
    alone = taken[ALONE + options.kind]["megabytes"] + taken["parquet"]["megabytes"]
    ratio = taken[options.kind]["megabytes"] / alone
    print(f"the stream takes {ratio:.2f} times the memory of the file and of its own batches")
    return int(ratio > options.most or taken[options.kind]["values"] != n_rows * POINTS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(measured(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
    else:
        sys.exit(main())
