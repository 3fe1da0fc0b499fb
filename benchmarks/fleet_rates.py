"""What many gateways carry: the histories, topologies and turns that rows 19 and 20 share."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from wire import platform
from year import OPTIONS, PRODUCT, Year, history_of

import mpreplay as mp

RATE = 1_000_000  # of each gateway [bytes/s]


@dataclass(frozen=True)
class Fleet:
    """Gateways with a file of readings each, and the platform they send to.

    Parameters
    ----------
    folder : Path
        Where files, journals and the secret lie.
    model : ThingModel
        The turbines' model.
    topology : dict of str to Gateway
        The gateways by name.
    """

    folder: Path
    model: mp.ThingModel
    topology: dict[str, mp.Gateway]

    @classmethod
    @contextmanager
    def of(cls, year: Year, n_gateways: int, n_bytes: float) -> Iterator[Fleet]:
        """Make a fleet in which each gateway has about so many bytes of requests to send."""
        with TemporaryDirectory() as place, platform() as to:
            folder = Path(place)
            os.environ["MPREPLAY_STATE"] = f"{place}/state"
            (folder / "secret").write_text("secret")
            secret = f"file%3A{place}/secret".replace("/", "%2F")
            n_rows = rows_of(year, n_bytes, folder)
            topology = {}
            for number in range(n_gateways):
                name = f"gw-{number:02}"
                devices = write_readings(year, number, n_rows, folder / f"{name}.parquet")
                where = f"mqtt://{name}:{secret}@{to.host}:{to.port}/gateway"
                topology[name] = mp.Gateway(where, devices)
            yield cls(folder, year.model, topology)

    def replayed(
        self, n: int, name: str, executor: Executor | None, limits: mp.Limits
    ) -> dict[str, float]:
        """Replay the first gateways; return the time, the bytes, the values and the CPU seconds."""
        own = dict(list(self.topology.items())[:n])
        files = [str(self.folder / f"{one}.parquet") for one in own]
        begin = time.perf_counter()
        run = mp.replay_fleet(
            history_of(files), self.model, own, journal=self.folder / name, executor=executor,
            limits=limits, **OPTIONS,
        )  # fmt: skip
        took = time.perf_counter() - begin
        assert run.complete and run.books["balanced"].all(), run.status["error"].tolist()
        n_bytes, n_values = run.results["n_bytes"].sum(), run.summary()["accepted"]
        return {"seconds": took, "n_bytes": float(n_bytes), "n_values": float(n_values)}


def rows_of(year: Year, n_bytes: float, folder: Path) -> int:
    """Return how many rows make about so many bytes of requests."""
    sample = year.table.slice(0, 20_000)
    pq.write_table(sample, folder / "sample.parquet")
    history = history_of(folder / "sample.parquet")
    plan = mp.plan(history, year.model, on_invalid="withhold", duplicates="last")
    (folder / "sample.parquet").unlink()
    return max(1, int(n_bytes * len(sample) / plan.n_bytes))


def write_readings(year: Year, number: int, n_rows: int, path: Path) -> list[Any]:
    """Write the file of a gateway, with devices of its own; return these."""
    parts = []
    for turn in range(-(-n_rows // len(year.table))):
        # Keys of one gateway lie between those of others: no statistics tell their files apart.
        keys = pc.binary_join_element_wise(
            year.table["turbine"].cast(pa.string()), f"{number}", f"{turn}", "-"
        )
        at = year.table.column_names.index("turbine")
        parts.append(year.table.set_column(at, "turbine", keys))
    table = pa.concat_tables(parts).slice(0, n_rows)
    pq.write_table(table, path)
    return [(PRODUCT, key) for key in pc.unique(table["turbine"]).to_pylist()]


def cpu_of_the_dead() -> float:
    """Return the CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
