"""The readings that benchmarks run on: the year of four turbines, repeated, or generated.

All that they use of mpreplay's inside stands here, in one place.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from contest import SHARED, Given

import mpreplay as mp
from mpreplay.history.slab import Readings
from mpreplay.model.device import Device
from mpreplay.order import Order
from mpreplay.requests.chunk import Prepared
from mpreplay.requests.cutting import cut
from mpreplay.requests.encoding import encode_entries
from mpreplay.requests.entries import entries_of
from mpreplay.requests.succession import Succession
from mpreplay.settings import Policy

STAND_IN = Path(__file__).parents[1] / "data"
PRODUCT = "senvion-mm82"  # 12 characters
OWN = Device("gateway", "gw-1")
# Whatever a replay does at full speed: nothing is left out, and no rate holds it back.
NO_RATES = mp.Limits(bytes_per_second=None, values_per_second=None, connects=None)
DEFAULTS: dict[str, Any] = {"allow_offline_sub_device": True, "progress": False}
OPTIONS: dict[str, Any] = DEFAULTS | {"on_invalid": "withhold", "duplicates": "last"}
POLICY = Policy(True, False, "withhold", "last")
LEAP_YEAR = 366 * 86_400_000  # [ms]
GROUP = 1 << 20  # rows a group, as the writer has it by default


@dataclass(frozen=True)
class Year:
    """A Parquet file of readings with its thing model."""

    path: Path
    model_path: Path

    @classmethod
    def of(cls, given: Given) -> Year:
        """Return the year, or its stand-in."""
        if given.data is None or given.quick:
            return cls(STAND_IN / "wind_farm.parquet", STAND_IN / "wind_farm.model.json")
        return cls(
            given.data / "la_haute_borne_2014.parquet", given.data / "senvion_mm82.export.json"
        )

    @cached_property
    def model(self) -> mp.ThingModel:
        """Its thing model."""
        return mp.ThingModel.load(self.model_path)

    @cached_property
    def table(self) -> pa.Table:
        """All its rows."""
        return pq.read_table(self.path)

    @property
    def points(self) -> list[str]:
        """The columns that hold readings."""
        return [name for name in self.table.column_names if name not in {"turbine", "time"}]

    @cached_property
    def clean(self) -> pa.Table:
        """The rows of which a replay by default sends every value."""
        frame = self.table.to_pandas()
        kept = self.table.take(pa.array(np.flatnonzero(~frame.duplicated(["turbine", "time"]))))
        for name in self.points:
            at = kept.column_names.index(name)
            kept = kept.set_column(at, name, self.in_range(kept, name))
        return kept

    @cached_property
    def as_typed(self) -> pa.Table:
        """The rows with a column of 32 bits for each FLOAT."""
        table = self.table
        for name in self.points:
            if self.model.measurepoints[name].type == "FLOAT":
                at, column = table.column_names.index(name), table[name]
                table = table.set_column(at, name, column.cast(pa.float32(), safe=False))
        return table

    def in_range(self, table: pa.Table, name: str) -> Any:
        """Return a column in which what is outside its point's range is at the bound."""
        low, high = self.model.measurepoints[name].bounds
        values = table[name].combine_chunks().cast(pa.float64())
        at_most = values if high is None else pc.min_element_wise(values, high, skip_nulls=False)
        return at_most if low is None else pc.max_element_wise(at_most, low, skip_nulls=False)

    @property
    def devices(self) -> list[tuple[str, str]]:
        """The turbines."""
        return [(PRODUCT, key) for key in sorted(self.table["turbine"].unique().to_pylist())]


def history_of(source: Any, product_key: str = PRODUCT) -> mp.History:
    """Return readings in the form of the year as a history of sub-devices."""
    return mp.read_history(
        source, time_column="time", device_column="turbine", product_key=product_key
    )


def repeated(table: pa.Table, times: int) -> pa.Table:
    """Return the year several times, one after the other."""
    at = table.column_names.index("time")
    kind = table.schema.field("time").type

    def later(number: int) -> pa.Table:
        moved = table["time"].cast(pa.int64()).to_numpy() + number * LEAP_YEAR
        return table.set_column(at, "time", pa.array(moved).cast(kind))

    return pa.concat_tables([later(number) for number in range(times)]).unify_dictionaries()


def sparse(table: pa.Table, share: float) -> pa.Table:
    """Return readings of which a share is absent."""
    random = np.random.default_rng(1)
    for number, name in enumerate(table.column_names):
        if name not in {"turbine", "time"}:
            values = table[name].combine_chunks()
            gone = pa.array(random.random(len(values)) < share)
            kept = pc.if_else(gone, pa.scalar(None, values.type), values)
            table = table.set_column(number, name, kept)
    return table


@contextmanager
def parquet_of(table: pa.Table) -> Iterator[Path]:
    """Keep rows in a file for a while, written as the writer does by default."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.parquet"
        pq.write_table(table, path)
        yield path


@contextmanager
def generated(n_values: int, model: mp.ThingModel) -> Iterator[Path]:
    """Keep a file of so many generated values for a while, written a group at a time."""
    with file_for_a_while(f"generated-{n_values}") as path:
        if not path.exists():
            _generate(path, n_values, model)
        yield path


@contextmanager
def file_for_a_while(name: str) -> Iterator[Path]:
    """Keep the place of a Parquet file as long as it is needed: by all rows, under ``all.py``."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(os.environ.get(SHARED) or folder) / f"{name}.parquet"


def _generate(path: Path, n_values: int, model: mp.ThingModel) -> None:
    names = list(model.measurepoints)
    n_rows = n_values // len(names)
    random = np.random.default_rng(n_values)
    schema = pa.schema(
        [("turbine", pa.string()), ("time", pa.timestamp("ms", "UTC"))]
        + [(name, pa.float64()) for name in names]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, n_rows, GROUP):
            rows = np.arange(first, min(first + GROUP, n_rows))
            writer.write_table(_generated(rows, model, schema, random))


def _generated(
    rows: np.ndarray[Any, Any], model: mp.ThingModel, schema: pa.Schema, random: np.random.Generator
) -> pa.Table:
    turbines = pa.DictionaryArray.from_arrays(
        pa.array((rows % 4).astype(np.int32)), pa.array([f"R8{n:04}" for n in range(4)])
    )
    columns: list[Any] = [
        turbines.cast(pa.string()),
        pa.array(1_262_304_000_000 + rows // 4 * 60_000).cast(pa.timestamp("ms", "UTC")),
    ]
    for point in model.measurepoints.values():
        low, high = (0.0 if bound is None else float(bound) for bound in point.bounds)
        columns.append(np.round(low + (high - low) * random.random(len(rows)), 2))
    return pa.table(columns, schema)


class Pipeline:
    """The steps of a replay one by one, as the replay takes them."""

    def __init__(
        self, history: mp.History, model: mp.ThingModel, limits: mp.Limits = NO_RATES
    ) -> None:
        self.history = history
        order = Order.of("replay", history, model, OWN, POLICY, limits)
        self.models = order.models
        self.preparer = order.preparer(order.duplicates())

    def prepared(self) -> Iterator[Prepared]:
        """Yield the slabs, made ready."""
        slabs = self.history.slabs(self.models.all())
        yield from Succession(self.preparer, (None, None)).prepared(slabs)

    def slabs(self) -> list[Slab]:
        """Return the slabs in Arrow, each with masks of what is sent of its columns."""
        return [
            Slab(
                part.readings,
                [
                    column.present() & ~gone
                    for column, gone in zip(part.readings.columns, part.withheld, strict=True)
                ],
            )
            for prepared in self.prepared()
            for part in prepared.parts
        ]

    def requests(self) -> Requests:
        """Return all requests of a replay."""
        chunks = [chunk for prepared in self.prepared() for chunk in prepared.chunks()]
        payloads = [chunk.payload(str(n), POLICY) for n, chunk in enumerate(chunks)]
        return Requests(payloads, sum(chunk.n_values for chunk in chunks))


class Requests(NamedTuple):
    """The bytes of requests, and how many values they carry."""

    payloads: list[bytes]
    n_values: int

    @property
    def n_bytes(self) -> int:
        """How long they are together."""
        return sum(map(len, self.payloads))


class Slab(NamedTuple):
    """Readings in Arrow, and what of each column is sent."""

    readings: Readings
    sent: list[np.ndarray[Any, Any]]

    @property
    def n_values(self) -> int:
        """How many values are sent."""
        return int(sum(mask.sum() for mask in self.sent))

    def encode(self) -> list[bytes]:
        """Return the bytes of the requests that it comes to."""
        head, tail = POLICY.envelope("1")
        encoded = encode_entries(entries_of(self.readings, self.sent), OWN)
        room = NO_RATES.max_bytes - POLICY.overhead()
        cuts = cut(np.diff(encoded.offsets), encoded.n_values, room=room)
        ends = encoded.offsets[cuts].tolist()
        return [
            b"".join([head, encoded.text[begin : end - 1], tail]) for begin, end in pairwise(ends)
        ]
