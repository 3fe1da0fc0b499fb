"""Peak memory of replaying 100 million generated values, above that of the imports."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from contest import HERE, Child, Given, Row, in_turn, run
from wire import platform
from year import Year, generated

FEW, MANY = 10_000_000, 100_000_000
BAR, BAR_MB, AIM_MB = 1.1, 300.0, 150.0


def measure(given: Given) -> Row:
    """Compare megabytes of fresh processes, one a turn."""
    year = Year.of(given)
    few, many = (100_000, 1_000_000) if given.quick else (FEW, MANY)
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
            {"few": megabytes(small), "many": megabytes(large)}, given.rounds, warm=False
        )
    ratio = taken["many"] / taken["few"]
    return Row(
        number=8,
        name="peak memory, 100 million values against 10 million",
        figure=f"{ratio:.2f} ×; {taken['many']:.0f} MB",
        bar=f"≤ {BAR} × and ≤ {BAR_MB:.0f} MB",
        aim=f"≤ {AIM_MB:.0f} MB",
        met=ratio <= BAR and taken["many"] <= BAR_MB,
        aim_met=ratio <= BAR and taken["many"] <= AIM_MB,
        measured={
            f"{few:,} values [MB]": taken["few"],
            f"{many:,} values [MB]": taken["many"],
            "fastest [values/s]": max(rates),
        },
    )


if __name__ == "__main__":
    run(measure)
