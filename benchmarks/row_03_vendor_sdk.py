"""A whole replay against the vendor's SDK sending the same DataFrame, in values per second."""

from __future__ import annotations

from contest import Given, Row, in_both_lanes, run
from lanes import COMPILED, GENERAL
from wholes import SDK, SDK_TRICKS, Costs, against_sdk, measured, ratio, responder
from year import Year

# As its samples use it; with all tricks.
BARS = {GENERAL: (12.0, 8.0), COMPILED: (20.0, 14.0)}
AIMS = {GENERAL: (15.0, 8.0), COMPILED: (28.0, 21.0)}


def measure(given: Given) -> Row:
    """Compare seconds from the call to the last reply, and CPU seconds of all processes."""
    costs = against_sdk(given)
    fastest = 1 / min(cost["seconds"] for cost in costs.values())
    alone = responder(given, Year.of(given).path, fastest)
    return in_both_lanes(costs, lambda lane: row_of(costs, lane, alone))


def row_of(costs: Costs, lane: str, alone: dict[str, float]) -> Row:
    """Return the row of one lane."""
    ratios = [ratio(costs, lane, other) for other in (SDK, SDK_TRICKS)]
    figures = [one.figure for one in ratios]
    return Row(
        number=3,
        name="whole replay, against the vendor's SDK as its samples use it; with all tricks",
        figure="; ".join(f"{one.figure:.1f} × {one.told}" for one in ratios),
        bar="≥ {:.0f} ×; ≥ {:.0f} ×".format(*BARS[lane]),
        aim="≥ {:.0f} ×; ≥ {:.0f} ×".format(*AIMS[lane]),
        met=all(map(float.__ge__, figures, BARS[lane])),
        aim_met=all(map(float.__ge__, figures, AIMS[lane])),
        measured={
            **ratios[0].named("ratio"),
            **ratios[1].named("ratio, SDK with all tricks"),
            **measured(costs, lane),
            **alone,
        },
    )


if __name__ == "__main__":
    run(measure)
