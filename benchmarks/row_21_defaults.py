"""Rows 3, 4 and 12 with the defaults: a year in which nothing is wrong, judged before it is sent.

``on_invalid="raise"`` and ``duplicates="raise"`` look through the whole history first.
"""

from __future__ import annotations

import dataclasses

from contest import Given, Row, in_both_lanes, run
from wholes import READY, SDK, TURNS, Costs, measured, ratio, with_the_defaults


def measure(given: Given) -> Row:
    """Let the same contestants have their turns with the clean year."""
    ready, sdk = with_the_defaults(given)
    rounds = min(given.rounds, TURNS)
    row = in_both_lanes(ready, lambda lane: row_of(ready, sdk, lane))
    return dataclasses.replace(row, rounds=rounds)


def row_of(ready: Costs, sdk: Costs, lane: str) -> Row:
    """Return the row of one lane."""
    third, fourth = ratio(sdk, lane, SDK), ratio(ready, lane, READY)
    twelfth = ready[lane]["own"] / ready[READY]["own"]
    return Row(
        number=21,
        name="rows 3, 4 and 12 with the defaults, on a clean year",
        figure=f"{third.figure:.1f} × {third.told}; {fourth.figure:.2f} × {fourth.told}; "
        f"{twelfth:.1f} ×",
        bar="reported",
        aim="reported",
        met=True,
        aim_met=True,
        measured={
            **third.named("row 3"),
            **fourth.named("row 4"),
            "row 12": twelfth,
            **measured(ready, lane),
        },
    )


if __name__ == "__main__":
    run(measure)
