"""``import mpreplay`` and ``mpreplay --help``, above ``python -c pass``, byte code cached."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from contest import HERE, Given, Row, in_turn, run, seconds

TURNS = 8  # of so short a time more are needed: for each round
BARS, AIMS = (15.0, 60.0), (5.0, 35.0)  # [ms]


def measure(given: Given) -> Row:
    """Compare milliseconds of fresh processes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(HERE.parent)
    script = Path(sys.executable).with_name("mpreplay")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "mpreplay"]

    def process(*arguments: str) -> Callable[[], float]:
        return lambda: (
            1000
            * seconds(
                lambda: subprocess.run(
                    arguments, env=environment, stdout=subprocess.DEVNULL, check=True
                )
            )
        )

    took = in_turn(
        {
            "python -c pass": process(sys.executable, "-c", "pass"),
            "import mpreplay": process(sys.executable, "-c", "import mpreplay"),
            "mpreplay --help": process(*command, "--help"),
        },
        given.rounds if given.quick else given.rounds * TURNS,
    )
    nothing = took["python -c pass"]
    figures = (took["import mpreplay"] - nothing, took["mpreplay --help"] - nothing)
    return Row(
        number=10,
        name="import mpreplay; mpreplay --help, above python -c pass",
        figure="{:.1f} ms; {:.1f} ms".format(*figures),
        bar="≤ {:.0f} ms; ≤ {:.0f} ms".format(*BARS),
        aim="≤ {:.0f} ms; ≤ {:.0f} ms".format(*AIMS),
        met=all(map(float.__le__, figures, BARS)),
        aim_met=all(map(float.__le__, figures, AIMS)),
        measured={f"{name} [ms]": number for name, number in took.items()},
    )


if __name__ == "__main__":
    run(measure)
