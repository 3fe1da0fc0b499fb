"""Run all benchmarks, print the table, and keep it: ``python benchmarks/all.py FOLDER``.

FOLDER holds the year (``la_haute_borne_2014.parquet`` and ``senvion_mm82.export.json``). With
``--only 3 4`` some rows, with ``--quick`` a smoke run on the stand-in that keeps nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import scoreboard
from contest import add_arguments, given_by, machine


def main() -> int:
    """Run each row in a process of its own; return 1 if a bar is not met."""
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
    rows = []
    for path in chosen.values():
        rows.append(_row(path, options))
        if keeps:  # each as soon as it is there: the next may fail
            scoreboard.keep(rows, machine(), date=dt.datetime.now(dt.UTC).date().isoformat())
    print()
    print(scoreboard.table({"rows": rows, "machine": machine()}))
    if given.quick:
        print("\nA smoke run on little data: the figures, and what they meet, mean nothing.")
        return 0
    if keeps:
        told = ", ".join(str(path) for path in (scoreboard.RESULTS, *scoreboard.READMES))
        print(f"\nkept in {told}")
    return 0 if all(row["met"] for row in rows) else 1


def _row(path: Path, options: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "row.json"
        subprocess.run([sys.executable, path, *options, "--json", written], check=True)
        row: dict[str, Any] = json.loads(written.read_text("utf-8"))
    return row


if __name__ == "__main__":
    sys.exit(main())
