"""Isolating the culprits of the year, which the platform's model forbids, against a clean run.

The culprits are sent since the client's model has no ranges; in the clean run they are withheld.
Both go to a rehearsal platform of their own, as fast as it judges.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from contest import Given, Row, in_turn, run
from year import NO_RATES, OPTIONS, Year, history_of

import mpreplay as mp

BAR, AIM = 1.3, 1.1


def measure(given: Given) -> Row:
    """Compare seconds of the two replays."""
    year = Year.of(given)
    points = {
        name: dataclasses.replace(point, minimum=None, maximum=None)
        for name, point in year.model.measurepoints.items()
    }
    ignorant = dataclasses.replace(year.model, measurepoints=points)
    facts: dict[str, dict[str, float]] = {}

    def turn(name: str, model: mp.ThingModel, **options: Any) -> float:
        took, facts[name] = replayed(year, model, **options)
        return took

    try:
        took = in_turn(
            {
                "clean": lambda: turn("clean", year.model),
                "isolating": lambda: turn("isolating", ignorant, isolate="point"),
            },
            given.rounds,
        )
    except mp.ConfigError as error:
        return _row(f"not measured: {error}", 0.0, {})
    ratio = took["isolating"] / took["clean"]
    # Readings that a later one of the same time supersedes are withheld in both.
    culprits = facts["isolating"]["declined"]
    expected = facts["clean"]["withheld"] - facts["isolating"]["withheld"]
    extra = facts["isolating"]["requests"] - facts["clean"]["requests"]
    return _row(
        f"{ratio:.2f} × ({culprits:.0f} of {expected:.0f} culprits alone, {extra:.0f} requests "
        "more)",
        ratio if culprits == expected else 0.0,
        {f"{name} [s]": number for name, number in took.items()}
        | {"culprits": culprits, "expected": expected, "extra requests": extra},
    )


def _row(figure: str, ratio: float, measured: dict[str, float]) -> Row:
    return Row(
        number=13,
        name="isolating the culprits of the year, against the clean run",
        figure=figure,
        bar=f"≤ {BAR} ×",
        aim=f"≤ {AIM} ×",
        met=0 < ratio <= BAR,
        aim_met=0 < ratio <= AIM,
        measured=measured,
    )


def replayed(year: Year, model: mp.ThingModel, **options: Any) -> tuple[float, dict[str, float]]:
    """Return how long a replay took, and what came of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mp.simulate(
            year.model,
            sub_devices=year.devices,
            limits=mp.PlatformLimits(connects=None),
        ) as platform,
    ):
        journal = Path(folder) / "run.db"
        begin = time.perf_counter()
        run = mp.replay(
            history_of(year.path), model, platform.connection, limits=NO_RATES, journal=journal,
            **OPTIONS, **options,
        )  # fmt: skip
        took = time.perf_counter() - begin
        assert run.complete
        summary = run.summary()
        names = ("declined", "withheld")
        return took, {name: summary[name] for name in names} | {"requests": len(run.results)}


if __name__ == "__main__":
    run(measure)
