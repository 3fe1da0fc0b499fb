"""CPU seconds a value of two processes that send at the same time, against those of one."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from contest import Given, Row, run, told_in_turn
from fleet_rates import Fleet, cpu_of_the_dead
from year import NO_RATES, Year

N_BYTES = 200_000_000  # of each gateway: seven million values
TURNS = 3
BAR, AIM = 1.1, 1.05


def measure(given: Given) -> Row:
    """Compare fleets of one and of two gateways, without a rate; imports count."""
    names, rounds = itertools.count(), min(given.rounds, TURNS)
    with Fleet.of(Year.of(given), 2, 1_000_000 if given.quick else N_BYTES) as fleet:

        def turn(n: int) -> dict[str, float]:
            before = cpu_of_the_dead()
            with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as executor:
                told = fleet.replayed(n, f"journals-{next(names)}", executor, NO_RATES)
            return {
                "CPU s/M values": (cpu_of_the_dead() - before) / told["n_values"] * 1e6,
                "values/s": told["n_values"] / told["seconds"],
            }

        told = told_in_turn({"one": lambda: turn(1), "two": lambda: turn(2)}, rounds, warm=False)
    ratio = told["two"]["CPU s/M values"] / told["one"]["CPU s/M values"]
    return Row(
        number=19,
        name="CPU seconds a value of two processes that send at the same time, against one",
        figure=f"{ratio:.2f} ×",
        bar=f"≤ {BAR} ×",
        aim=f"≤ {AIM} ×",
        met=ratio <= BAR,
        aim_met=ratio <= AIM,
        measured={
            f"{name} [{what}]": number for name, one in told.items() for what, number in one.items()
        },
        rounds=rounds,
    )


if __name__ == "__main__":
    run(measure)
