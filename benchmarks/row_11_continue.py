"""Continuing a settled run of 100 million values, against the time of the run itself."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from contest import HERE, Child, Given, Row, run
from wire import platform
from year import Year, generated

VALUES = 100_000_000
BAR, AIM = (0.02, 3.0), (0.01, 2.0)  # share of the run's time, and seconds


def measure(given: Given) -> Row:
    """Run once, then continue in fresh processes; imports do not count."""
    year = Year.of(given)
    n_values = 1_000_000 if given.quick else VALUES
    with (
        platform() as to,
        generated(n_values, year.model) as path,
        tempfile.TemporaryDirectory() as folder,
    ):
        journal = Path(folder) / "run.db"
        command = [
            sys.executable, HERE / "replay_once.py", to.host, str(to.port), path, year.model_path,
            journal,
        ]  # fmt: skip

        def turn() -> float:
            with Child(command) as child:
                return child.go()["seconds"]

        whole = turn()
        continued = statistics.median(turn() for _ in range(given.rounds))
        size = journal.stat().st_size / 1e6
    bar, aim = (share * whole + rest for share, rest in (BAR, AIM))
    return Row(
        number=11,
        name="continuing a settled run of 100 million values",
        figure=f"{continued:.2f} s after a run of {whole:.0f} s",
        bar=f"≤ 2 % of the run's time + 3 s ({bar:.1f} s)",
        aim=f"1 % + 2 s ({aim:.1f} s)",
        met=continued <= bar,
        aim_met=continued <= aim,
        measured={
            "run [s]": whole,
            "continuing [s]": continued,
            "run [values/s]": n_values / whole,
            "journal [MB]": size,
        },
    )


if __name__ == "__main__":
    run(measure)
