"""Histories of other shapes than the year's: many devices, few values a row, other types.

Each holds about as many values as it is asked for; the same ones in every run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from year import GROUP, PRODUCT

import mpreplay as mp

BEGIN: Final = 1_400_000_000_000  # [ms]
DEVICES: Final = 4  # as many as the year has
MANY: Final = 2_000
ABSENT: Final = 0.9
RANGE: Final[dict[str, Any]] = {"minimum": -1e6, "maximum": 1e6}
Columns = dict[str, Any]
Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shape:
    """A table of readings, with the thing model and the roles of its columns."""

    columns: Columns
    points: dict[str, mp.Measurepoint]
    roles: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the readings, a row group as long as the writer has it by default."""
        pq.write_table(pa.table(self.columns), path, row_group_size=GROUP)

    def history(self, path: Path) -> mp.History:
        """Return the written readings as a history."""
        of_devices = {"device_column": "device", "product_key": PRODUCT}
        roles = of_devices if "device" in self.columns else {}
        return mp.read_history(path, time_column="time", **roles, **self.roles)

    @property
    def model(self) -> mp.ThingModel:
        """The thing model."""
        return mp.ThingModel("shape", self.points)


def _float(name: str, kind: Any = "FLOAT") -> mp.Measurepoint:
    return mp.Measurepoint(name, kind, **RANGE)


def _rounded(n: int, random: np.random.Generator) -> Numbers:
    return np.round(random.normal(20, 5, n), 2)


def _times(steps: Numbers) -> pa.Array:
    return pa.array(BEGIN + steps * 60_000).cast(pa.timestamp("ms", "UTC"))


def _keys(numbers: Numbers) -> pa.Array:
    names = pa.array([f"sensor-{n:05}" for n in range(int(numbers.max()) + 1)])
    return names.take(pa.array(numbers))


def _rows(n_rows: int, n_devices: int = DEVICES) -> Columns:
    """Return the keys of rows in the order of their times, a row of each device at each time."""
    rows = np.arange(n_rows)
    return {"device": _keys(rows % n_devices), "time": _times(rows // n_devices)}


def _wide(n: int, random: np.random.Generator, kind: str) -> Shape:
    """Return one device with 200 points: rounded, or with all digits of a double."""
    names = [f"point_{number:03}" for number in range(200)]
    n_rows = n // len(names)
    columns: Columns = {"time": _times(np.arange(n_rows))}
    for name in names:
        of = _rounded(n_rows, random) if kind == "FLOAT" else random.normal(20, 5, n_rows)
        columns[name] = of
    return Shape(columns, {name: _float(name, kind) for name in names})


def _many(n: int, random: np.random.Generator, n_points: int) -> Shape:
    """Return 2,000 devices, a row of each at each time."""
    names = [f"p{number}" for number in range(n_points)]
    n_rows = n // n_points
    columns = _rows(n_rows, MANY) | {name: _rounded(n_rows, random) for name in names}
    return Shape(columns, {name: _float(name) for name in names})


def _in_turn(n: int, random: np.random.Generator) -> Shape:
    """Return 2,000 devices of 3 points, one after the other."""
    each = n // 3 // MANY
    rows = np.arange(each * MANY)
    keys: Columns = {"device": _keys(rows // each), "time": _times(rows % each)}
    names = ["p0", "p1", "p2"]
    columns = keys | {name: _rounded(len(rows), random) for name in names}
    return Shape(columns, {name: _float(name) for name in names})


def _sparse(n: int, random: np.random.Generator) -> Shape:
    """Return 20 points, each absent from nine rows of ten."""
    names = [f"p{number}" for number in range(20)]
    n_rows = round(n / (1 - ABSENT)) // len(names)
    columns = _rows(n_rows)
    for name in names:
        gone = random.random(n_rows) < ABSENT
        columns[name] = pa.array(_rounded(n_rows, random), mask=gone)
    return Shape(columns, {name: _float(name) for name in names})


def _long(n: int, random: np.random.Generator) -> Shape:
    """Return a row a value, of 4 devices with 7 points."""
    names = [f"point_{number}" for number in range(7)]
    rows = np.arange(n)
    columns: Columns = {
        "device": _keys(rows // len(names) % DEVICES),
        "time": _times(rows // (len(names) * DEVICES)),
        "point": pa.array(names).take(pa.array(rows % len(names))),
        "value": _rounded(n, random),
    }
    roles = {"point_column": "point", "value_column": "value"}
    return Shape(columns, {name: _float(name) for name in names}, roles)


def _typed(n: int, random: np.random.Generator, make: Callable[..., Any]) -> Shape:
    """Return 4 devices with 4 points of another type than numbers."""
    n_rows = n // 4
    columns, points = _rows(n_rows), {}
    for number in range(4):
        name = f"p{number}"
        columns[name], points[name] = make(name, n_rows, random, number < 2)
    return Shape(columns, points)


def _quality(n: int, random: np.random.Generator) -> Shape:
    """Return 4 devices with 4 numbers, each with a quality."""
    shape = _many(n, random, 4)
    columns = _rows(n // 4) | {name: shape.columns[name] for name in shape.points}
    columns |= {f"q{name}": random.integers(0, 2, n // 4) for name in shape.points}
    points = {
        name: mp.Measurepoint(name, "FLOAT", has_quality=True, **RANGE) for name in shape.points
    }
    return Shape(columns, points, {"quality": {name: f"q{name}" for name in points}})


def _strings(name: str, n: int, random: np.random.Generator, repeats: bool) -> Any:
    numbers = random.integers(0, 50 if repeats else 10**9, n).tolist()
    texts = pa.array([f"alarm text {number}" for number in numbers])
    return texts, mp.Measurepoint(name, "STRING")


def _structs(name: str, n: int, random: np.random.Generator, repeats: bool) -> Any:
    del repeats
    members = (_float("a"), mp.Measurepoint("b", "INT"))
    parts = [pa.array(_rounded(n, random)), pa.array(random.integers(0, 9, n))]
    values = pa.StructArray.from_arrays(parts, ["a", "b"])
    return values, mp.Measurepoint(name, "STRUCT", members=members)


def _arrays(name: str, n: int, random: np.random.Generator, repeats: bool) -> Any:
    del repeats
    offsets = np.arange(n + 1, dtype=np.int32) * 3
    values = pa.ListArray.from_arrays(pa.array(offsets), pa.array(_rounded(n * 3, random)))
    return values, mp.Measurepoint(name, "ARRAY", item_type="FLOAT")


SHAPES: Final[dict[str, Callable[[int, np.random.Generator], Shape]]] = {
    "200 points": partial(_wide, kind="FLOAT"),
    "200 points, random doubles": partial(_wide, kind="DOUBLE"),
    "2,000 devices × 1 point": partial(_many, n_points=1),
    "2,000 devices × 3 points": partial(_many, n_points=3),
    "2,000 devices, one after the other": _in_turn,
    "90 % absent": _sparse,
    "long form": _long,
    "quality": _quality,
    "strings": partial(_typed, make=_strings),
    "structs": partial(_typed, make=_structs),
    "arrays": partial(_typed, make=_arrays),
}


def made(name: str, n_values: int) -> Shape:
    """Return a history of a shape."""
    return SHAPES[name](n_values, np.random.default_rng(7))
