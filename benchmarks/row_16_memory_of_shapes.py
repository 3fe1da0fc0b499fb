"""Peak memory of 100 million values of other shapes: wide, sparse, of many devices.

Above that of the imports, as in row 8. The shapes go side by side: memory is what counts.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from contest import HERE, Child, Given, Row, run
from wire import platform

import mpreplay as mp

FEW, MANY = 10_000_000, 100_000_000
GROUP = 1 << 20  # rows a group at most, as the writer has it by default
CELLS = 1 << 23  # of a group: about as many as in row 8
BAR, BAR_MB, AIM_MB = 1.1, 300.0, 180.0


class Shape(NamedTuple):
    """A shape of data; ``step`` is the time between two readings of a device in milliseconds."""

    name: str
    n_points: int
    n_devices: int = 4
    present: float = 1.0
    step: int = 60_000


SHAPES = (
    Shape("200 points", 200),
    Shape("90 % absent", 20, present=0.1, step=20_000),
    Shape("2,000 devices", 3, n_devices=2_000),
)


def measure(given: Given) -> Row:
    """Replay ten times as many values as before, in a fresh process each time."""
    few, many = (100_000, 1_000_000) if given.quick else (FEW, MANY)
    with (
        platform() as to,
        ProcessPoolExecutor(len(SHAPES), mp_context=get_context("spawn")) as processes,
    ):
        turns = [
            processes.submit(megabytes, to.host, int(to.port or 0), shape, (few, many))
            for shape in SHAPES
        ]
        taken = [turn.result() for turn in turns]
    largest, growth = max(b for _, b in taken), max(b / a for a, b in taken)
    told = ", ".join(f"{one.name} {mb:.0f} MB" for one, (_, mb) in zip(SHAPES, taken, strict=True))
    return Row(
        number=16,
        name="peak memory of other shapes, 100 million values each; against 10 million",
        figure=f"{told}; at most {growth:.2f} ×",
        bar=f"≤ {BAR_MB:.0f} MB; ≤ {BAR} ×",
        aim=f"≤ {AIM_MB:.0f} MB; ≤ {BAR} ×",
        met=largest <= BAR_MB and growth <= BAR,
        aim_met=largest <= AIM_MB and growth <= BAR,
        measured={
            f"{shape.name}, {n:,} values [MB]": mb
            for shape, both in zip(SHAPES, taken, strict=True)
            for n, mb in zip((few, many), both, strict=True)
        },
        rounds=1,
    )


def megabytes(host: str, port: int, shape: Shape, numbers: tuple[int, ...]) -> list[float]:
    """Return the peak for each number of values."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        points = {name: mp.Measurepoint(name, "DOUBLE") for name in names_of(shape)}
        model = folder / "model.json"
        model.write_text(mp.ThingModel("Shape", points).to_json(), "utf-8")
        taken = []
        for n_values in numbers:
            path, journal = folder / "readings.parquet", folder / f"{n_values}.db"
            write(path, shape, n_values)
            ours = [sys.executable, HERE / "replay_once.py", host, str(port), path, model, journal]
            with Child([*ours, f"gw-{shape.n_points}"]) as child:
                told = child.go()
            taken.append(told["peak_mb"] - told["imports_mb"])
    return taken


def names_of(shape: Shape) -> list[str]:
    """Return the names of its points."""
    return [f"P{number:03}" for number in range(shape.n_points)]


def write(path: Path, shape: Shape, n_values: int) -> None:
    """Write so many values; the values of one group serve for all."""
    n_rows = round(n_values / shape.n_points / shape.present)
    at_most = min(n_rows, GROUP, CELLS // shape.n_points)
    rows = np.arange(at_most // shape.n_devices * shape.n_devices)
    random = np.random.default_rng(shape.n_points)
    keys = pa.array([f"D{number:04}" for number in range(shape.n_devices)])
    device = pa.DictionaryArray.from_arrays((rows % shape.n_devices).astype(np.int32), keys)
    values = []
    for _ in range(shape.n_points):
        gone = random.random(len(rows)) >= shape.present if shape.present < 1 else None
        values.append(pa.array(np.round(1_000 * random.random(len(rows)), 2), mask=gone))
    names = ["turbine", "time", *names_of(shape)]
    kind = pa.timestamp("ms", "UTC")
    begin = 1_262_304_000_000 + rows // shape.n_devices * shape.step
    later = len(rows) // shape.n_devices * shape.step
    writer = None
    for number in range(max(1, n_rows // len(rows))):
        time = pa.array(begin + number * later).cast(kind)
        group = pa.table([device.cast(pa.string()), time, *values], names)
        writer = writer or pq.ParquetWriter(path, group.schema)
        writer.write_table(group)
    assert writer is not None
    writer.close()


if __name__ == "__main__":
    run(measure)
