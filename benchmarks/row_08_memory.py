"""Peak memory of replaying 100 million generated values, above that of the imports."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from contest import HERE, Child, Given, Row, in_turn, run
from lanes import COMPILED, GENERAL, current
from wire import platform
from year import Year, generated

FEW, MANY = 10_000_000, 100_000_000
TURNS = 1  # there is hardly any chance in it, and more would take minutes
# Many against few; megabytes of many.
BARS = {GENERAL: (1.1, 180.0), COMPILED: (1.05, 120.0)}
AIMS = {GENERAL: (1.1, 150.0), COMPILED: (1.05, 80.0)}


def measure(given: Given) -> Row:
    """Compare megabytes of fresh processes, one a turn."""
    year = Year.of(given)
    few, many = (100_000, 1_000_000) if given.quick else (FEW, MANY)
    rounds = min(given.rounds, TURNS)
    rates: list[float] = []
    with (
        platform() as to,
        generated(few, year.model) as small,
        generated(many, year.model) as large,
    ):
        where = (to.host, str(to.port))

        def megabytes(path: Path) -> Callable[[], float]:
            def turn() -> float:
                command = [sys.executable, HERE / "replay_once.py", *where, path, year.model_path]
                with (
                    tempfile.TemporaryDirectory() as folder,
                    Child([*command, Path(folder) / "run.db"]) as child,
                ):
                    told = child.go()
                rates.append(told["n_values"] / told["seconds"])
                return told["peak_mb"] - told["imports_mb"]

            return turn

        taken = in_turn(
            {"few": megabytes(small), "many": megabytes(large)},
            rounds,
            warm=False,
        )
    figures = (taken["many"] / taken["few"], taken["many"])
    bars, aims = BARS[current()], AIMS[current()]
    return Row(
        number=8,
        name="peak memory, 100 million values against 10 million",
        figure="{:.2f} ×; {:.0f} MB".format(*figures),
        bar="≤ {} × and ≤ {:.0f} MB".format(*bars),
        aim="≤ {} × and ≤ {:.0f} MB".format(*aims),
        met=all(map(float.__le__, figures, bars)),
        aim_met=all(map(float.__le__, figures, aims)),
        measured={
            f"{few:,} values [MB]": taken["few"],
            f"{many:,} values [MB]": taken["many"],
            "fastest [values/s]": max(rates),
        },
        rounds=rounds,
    )


if __name__ == "__main__":
    run(measure, twice=True)
