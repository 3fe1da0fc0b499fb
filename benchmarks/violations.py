"""Validate histories in which every row violates: ``python benchmarks/violations.py``.

Prints, for each kind of violation, the seconds of ``validate`` and their ratio to those of a clean
history of the same shape, measured in turns with it; the median of three. ``--rows`` (1,000,000)
sets the length, ``--only`` takes some kinds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

import mpreplay as mp
from mpreplay import Measurepoint as Point

ROUNDS = 3
MOST = 3.0  # what a history of violations may take, as a multiple of a clean one


class Kind(NamedTuple):
    """A kind of violation: a clean column and its like in which every cell violates."""

    point: Point | None
    clean: Any
    dirty: Any
    column: str = "x"  # that differs
    long: bool = False


def kinds(n: int) -> dict[str, Kind]:
    """Return all kinds of violations, with ``n`` rows each."""
    numbers = np.arange(n) * 0.5
    whole = np.arange(n) % 1_000
    texts = pa.array([f"text {k % 997}" for k in range(n)])
    stamps = pa.array(np.arange(n) * 1_000 + 1_704_067_200_000, pa.timestamp("ms", "UTC"))
    iso = pa.array(
        np.datetime_as_string(stamps.to_numpy().astype("datetime64[ms]"), timezone="UTC")
    )
    german = pa.array(pd.DatetimeIndex(stamps.to_pandas()).strftime("%d.%m.%Y %H:%M:%S").to_list())
    far = pa.array(np.full(n, 2**62)).cast(pa.timestamp("ms", "UTC"))
    double, ints, string = Point("x", "DOUBLE"), Point("x", "INT"), Point("x", "STRING")
    ranged = Point("x", "DOUBLE", minimum=-1.0)
    struct = Point("x", "STRUCT", members=(Point("a", "DOUBLE"), Point("b", "INT")))
    array = Point("x", "ARRAY", item_type="INT")
    marked = Point("x", "DOUBLE", has_quality=True)
    pair = pa.array(numbers), pa.array(whole)
    halves = pa.array(numbers), pa.array(whole + 0.5)
    offsets = pa.array(np.arange(n + 1, dtype=np.int32))
    keys, names = pa.array(np.full(n, "d")), pa.array(np.full(n, "x"))
    moments = objects_of(stamps.to_pylist())
    return {
        "type": Kind(double, numbers, texts),
        "type, texts": Kind(string, texts, numbers),
        "type, booleans": Kind(double, numbers, whole % 2 == 0),
        "not an integer": Kind(ints, whole * 1.0, whole + 0.5),
        "range": Kind(ranged, numbers, -2.0 - numbers),
        "32 bits": Kind(ints, whole, whole + 2**40),
        "overflow of a FLOAT": Kind(Point("x", "FLOAT"), numbers, numbers + 1e39),
        "infinity": Kind(double, numbers, np.full(n, np.inf)),
        "length": Kind(Point("x", "STRING", max_length=9), texts, pc_add(texts, " and much more")),
        "ENUM": Kind(Point("x", "ENUM", keys=tuple(range(1_000))), whole, whole + 5_000),
        "ENUM, texts": Kind(
            Point("x", "ENUM", keys=tuple(f"text {k}" for k in range(997))),
            texts,
            pc_add(texts, "!"),
        ),
        "BOOL": Kind(Point("x", "BOOL"), whole % 2, whole + 2),
        "DATE": Kind(Point("x", "DATE"), pc_cut(iso), german),
        "DATE, far": Kind(Point("x", "DATE"), stamps, far),
        "TIMESTAMP": Kind(Point("x", "TIMESTAMP"), iso, german),
        "TIMESTAMP, far": Kind(Point("x", "TIMESTAMP"), stamps, far),
        "lone surrogate": Kind(string, objects("text", n), objects("text \ud800", n)),
        "objects": Kind(double, objects(1.5, n), objects("1.5", n)),
        "dicts": Kind(double, objects(1.5, n), objects({"a": 1}, n)),
        "member": Kind(struct, structs(*pair), structs(*halves)),
        "stranger": Kind(struct, structs(*pair), structs(*pair, pair[0])),
        "item": Kind(array, lists(offsets, pair[1]), lists(offsets, halves[1])),
        "no array": Kind(array, lists(offsets, pair[1]), pair[1]),
        "quality": Kind(marked, whole % 9, whole + 10, "quality"),
        "no quality": Kind(marked, whole % 9, whole + 0.5, "quality"),
        "no time": Kind(double, stamps, pa.nulls(n, stamps.type), "t"),
        "text of a time": Kind(double, iso, german, "t"),
        "clock change": Kind(double, pc_cut(iso), pa.array(["2024-03-31 02:30:00"] * n), "t"),
        "far time": Kind(double, stamps, far, "t"),
        "object as time": Kind(double, moments, objects(b"t", n), "t"),
        "no device": Kind(double, keys, pa.nulls(n, pa.string()), "d"),
        "object as device": Kind(double, objects("d", n), objects(1.5, n), "d"),
        "no model": Kind(double, pa.array(np.full(n, "p")), pa.array(np.full(n, "q")), "p"),
        "unknown point": Kind(double, names, pa.array(np.full(n, "y")), "n", True),
        "many unknown points": Kind(double, names, texts, "n", True),
        "no point": Kind(double, names, pa.nulls(n, pa.string()), "n", True),
        "texts of the long form": Kind(double, pc_text(whole), pc_add(texts, "?"), "x", True),
        "too large": Kind(Point("x", "STRING"), texts, pa.array([" " * 200] * n)),
        "conflict": Kind(double, stamps, pa.array(np.full(n, 0)).cast(stamps.type), "t"),
    }  # fmt: skip


def pc_add(texts: pa.Array, end: str) -> pa.Array:
    """Return texts with another end."""
    return pa.compute.binary_join_element_wise(texts, end, "")


def pc_cut(iso: pa.Array) -> pa.Array:
    """Return ISO 8601 texts as dates of the wire."""
    return pa.compute.replace_substring(pa.compute.utf8_slice_codeunits(iso, 0, 19), "T", " ")


def pc_text(numbers: Any) -> pa.Array:
    """Return numbers as texts."""
    return pa.array(numbers).cast(pa.string())


def objects(value: Any, n: int) -> Any:
    """Return an array of the same object in every cell."""
    return objects_of([value] * n)


def objects_of(values: list[Any]) -> Any:
    """Return an array of objects."""
    column = np.empty(len(values), object)
    column[:] = values
    return column


def structs(*members: pa.Array) -> pa.Array:
    """Return structs of columns named a, b, c."""
    return pa.StructArray.from_arrays(list(members), list("abc"[: len(members)]))


def lists(offsets: pa.Array, items: pa.Array) -> pa.Array:
    """Return lists of one item."""
    return pa.ListArray.from_arrays(offsets, items)


def history_of(kind: Kind, column: Any, n: int) -> mp.History:
    """Return a history with the column of a kind in its place, as a frame if it holds objects."""
    stamps = pa.array(np.arange(n) * 1_000 + 1_704_067_200_000, pa.timestamp("ms", "UTC"))
    columns = {"t": stamps, "d": pa.array(np.full(n, "d")), "p": pa.array(np.full(n, "p"))}
    columns |= {"x": pa.array(np.arange(n) * 0.5)}
    columns |= {"n": pa.array(np.full(n, "x"))} if kind.long else {}
    columns[kind.column] = column
    roles: dict[str, Any] = {"time_column": "t", "device_column": "d", "product_column": "p"}
    if kind.long:
        roles |= {"point_column": "n", "value_column": "x"}
    if kind.column == "quality":
        roles["quality"] = {"x": "quality"}
    if isinstance(column, np.ndarray) and column.dtype == object:
        plain = {
            name: pd.Series(cells, dtype=object) if cells is column else cells.to_pandas()
            for name, cells in columns.items()
        }
        return mp.read_history(pd.DataFrame(plain), **roles, tz="Europe/Paris")
    return mp.read_history(pa.table(columns), **roles, tz="Europe/Paris")


def measured(name: str, kind: Kind, n: int) -> tuple[float, float]:
    """Return the seconds of a history of violations, and their ratio to those of a clean one."""
    model = {"p": mp.ThingModel("M", {"x": kind.point})}
    limits = mp.Limits(max_bytes=400) if name == "too large" else None
    pair = [history_of(kind, kind.clean, n), history_of(kind, kind.dirty, n)]
    seconds: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for history, taken in zip(pair, seconds, strict=True):
            begun = time.perf_counter()
            found = mp.validate(history, model, limits=limits)
            taken.append(time.perf_counter() - begun)
            wrong = found.n_violations + found.n_conflicts
            assert wrong >= n - 1 if history is pair[1] else not wrong, f"{name}: {found}"
    clean, dirty = map(statistics.median, seconds)
    return dirty, dirty / clean


def main() -> int:
    """Print the table; return 1 if a kind takes more than three times as long as clean rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", metavar="KIND", help="kinds that contain these words")
    arguments = parser.parse_args()
    slow = 0
    print(f"{'kind':28} {'seconds':>8} {'to clean':>9}")
    for name, kind in kinds(arguments.rows).items():
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        seconds, ratio = measured(name, kind, arguments.rows)
        slow += ratio > MOST
        print(f"{name:28} {seconds:8.2f} {ratio:9.1f}", flush=True)
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
