"""CPU of the worst shape of readings against that of the year: per value, and per byte sent.

Without the compiled pass, which has columns of some types only.
``--only "long form" quality`` measures these shapes alone, and ``--values N`` shorter histories.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from contest import HERE, Child, Given, Row, in_turn, run
from lanes import GENERAL
from shapes import SHAPES
from wire import platform
from year import Year

BARS, AIMS = (3.0, 2.0), (2.0, 1.5)
VALUES, FEW = 800_000, 50_000  # half as many as the year has; of a smoke run
TURNS = 3  # of CPU seconds, which have little chance in them
YEAR = "the year"


def measure(given: Given, names: Sequence[str] = tuple(SHAPES), n_values: int | None = None) -> Row:
    """Take user and system time of whole replays, all threads together, in the general lane."""
    n_values = n_values or (FEW if given.quick else VALUES)
    rounds = min(given.rounds, TURNS)
    year = Year.of(given)
    scripts = {YEAR: ("send_with_mpreplay.py", str(year.path), str(year.model_path))}
    scripts |= {name: ("send_shape.py", name, str(n_values)) for name in names}
    told: dict[str, dict[str, float]] = {}
    with platform() as to, ExitStack() as stack:

        def contestant(name: str) -> Callable[[], float]:
            script, *arguments = scripts[name]
            command = [sys.executable, HERE / script, to.host, str(to.port), *arguments]
            child = stack.enter_context(Child(command, GENERAL))

            def turn() -> float:
                told[name] = child.go()
                return told[name]["cpu_seconds"]

            return turn

        took = in_turn({name: contestant(name) for name in scripts}, rounds)
    costs = {
        name: (took[name] / told[name]["n_values"], took[name] / told[name]["n_bytes"])
        for name in scripts
    }
    ratios = {
        name: [own / whole for own, whole in zip(costs[name], costs[YEAR], strict=True)]
        for name in names
    }
    worst = [max(ratios, key=lambda name: ratios[name][which]) for which in (0, 1)]
    figures = [ratios[name][which] for which, name in enumerate(worst)]
    return Row(
        number=14,
        name="cost of the worst shape of readings against the year: per value; per byte sent",
        figure=f"{figures[0]:.1f} × ({worst[0]}); {figures[1]:.1f} × ({worst[1]})",
        bar="≤ {:.0f} ×; ≤ {:.0f} ×".format(*BARS),
        aim="≤ {:.0f} ×; ≤ {} ×".format(*AIMS),
        met=all(map(float.__le__, figures, BARS)),
        aim_met=all(map(float.__le__, figures, AIMS)),
        measured={
            f"{name} [ms per million values]": 1e9 * cost for name, (cost, _) in costs.items()
        }
        | {f"{name}, per value [× the year]": ratio for name, (ratio, _) in ratios.items()}
        | {f"{name}, per byte [× the year]": ratio for name, (_, ratio) in ratios.items()},
        rounds=rounds,
    )


def main() -> None:
    """Run the row, or some of its shapes."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--only", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--values", type=int)
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    run(lambda given: measure(given, own.only, own.values))


if __name__ == "__main__":
    main()
