"""A search for cells that end the process, raise, or are read in two ways.

    python tests/fuzz_cells.py --seconds 600 [--seed 7] [--arrow]

A child process makes up nested objects of Python and NumPy, and converts them as points of every
type; a child that dies, or that ends with an exception, is reported with its seed, by which the
cells can be made again. With ``--arrow`` the objects are shown to ``pyarrow.array`` itself, to find
out which kinds of cells must never get there.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import decimal
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of
from mpreplay.values.conversion import convert

ROUNDS: Final = 300  # of one child process, each with a column of its own
LONGEST: Final = 60.0  # of one child process [s]
UNITS: Final = ["D", "h", "s", "ms", "us", "ns", "fs"]
DTYPES: Final = ["f4", ">i8", "M8[ns]", "g", "O", "U2"]
SCALARS: Final[list[Callable[[random.Random], Any]]] = [
    lambda _: None,
    lambda r: r.choice([True, np.bool_(False)]),
    lambda r: r.choice([0, 1, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**40]),
    lambda r: r.choice([0.0, 1.5, float("nan"), float("inf"), 1e300]),
    lambda r: r.choice(["", "a", "é", "a\ud800", "2024-01-01T00:00:00Z", "x" * 2000]),
    lambda r: r.choice([b"", b"a", b"\xb0C", bytearray(b"x"), memoryview(b"x")]),
    lambda r: decimal.Decimal(r.choice(["1.5", "NaN", "sNaN", "Infinity", "1e999", "1e-999", "7"])),
    lambda r: r.choice([dt.date(1, 1, 1), dt.time(12), dt.timedelta(1)]),
    lambda r: dt.datetime(2024, 1, 1, tzinfo=r.choice([None, dt.UTC])),
    lambda r: r.choice([pd.NA, pd.NaT, pd.Timestamp("2024"), pd.Timestamp("2024", tz="UTC")]),
    lambda r: r.choice([pd.Period("2024"), pd.Timedelta(1), pd.Interval(0, 1), pd.Series([1])]),
    lambda r: np.datetime64(r.choice([0, 1, 2**62]), r.choice(UNITS)),
    lambda r: np.timedelta64(r.choice([0, 1, 2**62]), r.choice(["D", "s", "ns"])),
    lambda r: np.dtype(r.choice("bBhHiIlLefdgFD")).type(1),
    lambda r: r.choice([np.str_("a"), np.bytes_(b"a"), np.void(b"ab"), np.array(5.0)]),
    lambda r: r.choice([object(), object, print, ..., 1j, range(3), {1, 2}, pa.scalar(1)]),
    lambda r: np.zeros(r.choice([(0,), (2,), (2, 2)]), r.choice(DTYPES)),
]  # fmt: skip
POINTS: Final = [
    *(Measurepoint("p", kind) for kind in ("INT", "FLOAT", "DOUBLE", "BOOL", "STRING", "DATE")),
    *(Measurepoint("p", kind) for kind in ("TIMESTAMP", "ANY")),
    Measurepoint("p", "ENUM", keys=(0, 1)),
    *(Measurepoint("p", "ARRAY", item_type=kind) for kind in ("INT", "FLOAT", "DOUBLE", "STRING")),
    Measurepoint("p", "STRUCT", members=(Measurepoint("x", "DOUBLE"), Measurepoint("y", "STRING"))),
    Measurepoint("p", "DOUBLE", has_quality=True),
]


def made_up(chance: random.Random, depth: int = 3) -> Any:
    """Return an object of any kind, nested up to a depth."""
    shape = chance.choice(["scalar", "scalar", "list", "tuple", "dict", "array"]) if depth else ""
    if shape in {"", "scalar"}:
        return chance.choice(SCALARS)(chance)
    parts = [made_up(chance, depth - 1) for _ in range(chance.randrange(4))]
    if shape == "dict":
        names = ["x", "y", "value", "quality", 1, "1", None]
        return {chance.choice(names): part for part in parts}
    if shape == "tuple":
        return tuple(parts)
    return objects_of(parts) if shape == "array" else parts


def search(seed: int, *, arrow: bool) -> None:
    """Convert columns of one seed; raise if any cell is read in two ways."""
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        cells = [made_up(chance) for _ in range(chance.randrange(1, 5))]
        if arrow:
            with contextlib.suppress(Exception):  # only a dead process counts
                pa.array(cells, from_pandas=True)
            continue
        for point in POINTS:
            _check(cells, point)


def _check(cells: list[Any], point: Measurepoint) -> None:
    whole = convert(objects_of(cells), point)
    whole.values.validate(full=True)
    for n, cell in enumerate(cells):
        alone = convert(objects_of([cell]), point)
        same = [one._replace(position=n) for one in alone.misfits]
        told = [one for one in whole.misfits if one.position == n]
        assert alone.values[0].equals(whole.values[n]), f"{point}: {cell!r} in {cells!r}"
        assert same == told, f"{point}: {cell!r} in {cells!r}: {same} {told}"


def main() -> int:
    """Search in child processes for some seconds; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="one seed, in this process")
    parser.add_argument("--first", type=int, default=0, help="the first seed of a search")
    parser.add_argument("--arrow", action="store_true", help="show the objects to pyarrow itself")
    options = parser.parse_args()
    if options.seed is not None:
        search(options.seed, arrow=options.arrow)
        return 0
    end, seed, found = time.monotonic() + options.seconds, options.first, 0
    while time.monotonic() < end:
        command = [sys.executable, "-W", "ignore", __file__, "--seed", str(seed)]
        command += ["--arrow"] if options.arrow else []
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LONGEST, check=False
            )
            status, last = done.returncode, done.stderr.strip().splitlines()[-1:]
        except subprocess.TimeoutExpired:
            status, last = -1, [f"no end within {LONGEST:g} s"]
        if status:
            found += 1
            sys.stdout.write(f"seed {seed}: exit status {status} {''.join(last)}\n")
        seed += 1
    sys.stdout.write(f"{seed - options.first} processes of {ROUNDS} columns, {found} found\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
