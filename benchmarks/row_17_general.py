"""A whole replay without the compiled pass (``MPREPLAY_FAST=0``), against the same with it."""

from __future__ import annotations

from contest import Given, Row, run
from lanes import COMPILED, GENERAL, at_hand
from wholes import Costs, against_ready_made, measured, ratio

BAR, AIM = 1.0, 1.5


def measure(given: Given) -> Row:
    """Compare seconds from the call to the last reply, and CPU seconds of all processes."""
    costs = against_ready_made(given)
    is_at_hand = COMPILED in at_hand()
    general = costs[GENERAL]
    alone = f"{1 / general['seconds'] / 1e6:.1f} M values/s without"
    told, figure, numbers = faster(costs) if is_at_hand else ("no pass at hand", BAR, {})
    return Row(
        number=17,
        name="whole replay without the compiled pass; with it, against that",
        figure=f"{alone}; {told}",
        bar=f"reported; ≥ {BAR} ×",
        aim=f"reported; ≥ {AIM} ×",
        met=figure >= BAR,
        aim_met=figure >= AIM,
        measured=numbers | measured(costs, GENERAL),
    )


def faster(costs: Costs) -> tuple[str, float, dict[str, float]]:
    """Return how much faster the compiled pass makes it."""
    found = ratio(costs, COMPILED, GENERAL)
    with_it = {f"with it, {name}": number for name, number in measured(costs, COMPILED).items()}
    return f"{found.figure:.2f} × {found.told}", found.figure, found.named("ratio") | with_it


if __name__ == "__main__":
    run(measure)
