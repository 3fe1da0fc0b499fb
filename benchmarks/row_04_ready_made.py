"""A whole replay against paho publishing ready-made payloads of the same bytes."""

from __future__ import annotations

from contest import Given, Row, in_both_lanes, run
from lanes import COMPILED, GENERAL
from wholes import READY, Costs, against_ready_made, measured, ratio, responder
from year import Year

BARS, AIMS = {GENERAL: 0.30, COMPILED: 0.45}, {GENERAL: 0.35, COMPILED: 0.55}


def measure(given: Given) -> Row:
    """Compare seconds from the call to the last reply, and CPU seconds of all processes."""
    costs = against_ready_made(given)
    fastest = 1 / min(cost["seconds"] for cost in costs.values())
    alone = responder(given, Year.of(given).path, fastest)
    return in_both_lanes(costs, lambda lane: row_of(costs, lane, alone))


def row_of(costs: Costs, lane: str, alone: dict[str, float]) -> Row:
    """Return the row of one lane."""
    found = ratio(costs, lane, READY)
    return Row(
        number=4,
        name="whole replay, against paho publishing ready-made payloads",
        figure=f"{found.figure:.2f} × {found.told}",
        bar=f"≥ {BARS[lane]:.2f} ×",
        aim=f"≥ {AIMS[lane]:.2f} ×",
        met=found.figure >= BARS[lane],
        aim_met=found.figure >= AIMS[lane],
        measured={**found.named("ratio"), **measured(costs, lane), **alone},
    )


if __name__ == "__main__":
    run(measure)
