"""The report and the audit of very many device-days."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from contest import HERE, Child, Given, Row, run
from wire import connection, platform
from year import NO_RATES

import mpreplay as mp

DEVICES, DAYS = 10_000, 365
BAR_S, BAR_MB = 60.0, 500.0
MODEL = mp.ThingModel("Meter", {"energy": mp.Measurepoint("energy", "DOUBLE")})


def measure(given: Given) -> Row:
    """Replay a reading a day of each device, then report on it in a fresh process."""
    devices, days = (100, 10) if given.quick else (DEVICES, DAYS)
    with tempfile.TemporaryDirectory() as folder, platform() as to:
        journal = Path(folder) / "run.db"
        replay(Path(folder) / "history.parquet", journal, to, devices, days)
        with Child([sys.executable, HERE / "report_once.py", journal, folder]) as child:
            told = child.go()
    assert told["n_books"] == devices * days
    met = told["report"] <= BAR_S and told["report_mb"] <= BAR_MB
    return Row(
        number=18,
        name=f"report of {DEVICES:,} devices × {DAYS} days",
        figure=f"{told['report']:.1f} s; {told['report_mb']:.0f} MB",
        bar=f"≤ {BAR_S:.0f} s and ≤ {BAR_MB:.0f} MB",
        aim="the same, audit included",
        met=met,
        aim_met=met and told["report"] + told["audit"] <= BAR_S and told["audit_mb"] <= BAR_MB,
        measured={name: number for name, number in told.items() if name != "n_books"},
        rounds=1,
    )


def replay(path: Path, journal: Path, to: mp.Connection, devices: int, days: int) -> None:
    """Write the history day by day, and send it."""
    schema = pa.schema(
        [("time", pa.timestamp("ms", "UTC")), ("meter", pa.string()), ("energy", pa.float64())]
    )
    meters = pa.array([f"M{number:05}" for number in range(devices)])
    with pq.ParquetWriter(path, schema) as writer:
        for day in range(days):
            time = pa.array(np.full(devices, 1_704_067_200_000 + day * 86_400_000), "int64")
            energy = pa.array(np.arange(devices) + day / 1_000)
            columns = [time.cast(schema.field("time").type), meters, energy]
            writer.write_table(pa.table(columns, schema=schema))
    history = mp.read_history(path, time_column="time", device_column="meter", product_key="meter")
    mp.replay(
        history, MODEL, connection(to.host, to.port), journal=journal, limits=NO_RATES,
        allow_offline_sub_device=True, progress=False,
    )  # fmt: skip


if __name__ == "__main__":
    run(measure)
