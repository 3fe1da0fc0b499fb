"""Run all benchmarks, print the table, and keep it: ``python benchmarks/all.py FOLDER``.

FOLDER holds the year (``la_haute_borne_2014.parquet`` and ``senvion_mm82.export.json``). With
``--only 3 4`` some rows, with ``--quick`` a smoke run on the stand-in that keeps nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import scoreboard
from contest import SHARED, add_arguments, given_by, machine


def main() -> int:
    """Run each row in a process of its own; return 1 if one fails, or a bar is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    numbers = sorted(scoreboard.scripts())
    parser.add_argument(
        "--only", type=int, nargs="+", metavar="ROW", choices=numbers,
        help="these rows; they are kept only with --keep",
    )  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="as a run of all rows always is")
    arguments = parser.parse_args()
    given = given_by(parser, arguments)
    chosen = {
        number: path
        for number, path in scoreboard.scripts().items()
        if not arguments.only or number in arguments.only
    }
    options = ["--rounds", str(given.rounds), "--env", str(given.environments)]
    options += ["--quick"] if given.quick else []
    options += [str(given.data)] if given.data else []
    keeps = not given.quick and (arguments.keep or not arguments.only)
    rows, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, path in chosen.items():
            began = time.monotonic()
            if row := _row(path, options, Path(folder)):
                rows.append(row)
            else:
                failed.append(number)
            print(f"    ({time.monotonic() - began:.0f} s)", flush=True)
            if keeps:  # each as soon as it is there
                scoreboard.keep(rows, machine(), date=dt.datetime.now(dt.UTC).date().isoformat())
    print()
    print(scoreboard.table({"rows": rows, "machine": machine()}, chosen))
    if failed:
        print(f"\nnot measured, since their scripts failed: {', '.join(map(str, failed))}")
    if given.quick:
        print("\nA smoke run on little data: the figures, and what they meet, mean nothing.")
    if keeps:
        print(f"\nkept in {scoreboard.RESULTS}, {scoreboard.PAGE}")
    return 1 if failed or not (given.quick or all(map(is_met, rows))) else 0


def is_met(row: Mapping[str, Any]) -> bool:
    """Return True if a row reaches its bar in every lane that was measured."""
    return bool(row["met"] and (row["compiled"] or row)["met"])


def _row(path: Path, options: list[str], folder: Path) -> dict[str, Any]:
    """Run a script; return nothing if it fails, since the others can still be measured."""
    written = folder / "row.json"
    written.unlink(missing_ok=True)
    environment = os.environ | {SHARED: str(folder)}
    command = [sys.executable, path, *options, "--json", written]
    if subprocess.run(command, check=False, env=environment).returncode:
        return {}
    row: dict[str, Any] = json.loads(written.read_text("utf-8"))
    return row


if __name__ == "__main__":
    sys.exit(main())
