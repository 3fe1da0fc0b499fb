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

from contest import Given, Row, run, told_in_turn
from lanes import COMPILED, GENERAL, current
from year import NO_RATES, OPTIONS, Year, history_of

import mpreplay as mp

# Time of the clean run; extra requests; share of the bytes that is sent again.
BARS = {GENERAL: (1.25, 120, 0.05), COMPILED: (1.2, 120, 0.05)}
AIMS = {GENERAL: (1.15, 120, 0.05), COMPILED: (1.1, 120, 0.05)}


def measure(given: Given) -> Row:
    """Compare the two replays."""
    year = Year.of(given)
    points = {
        name: dataclasses.replace(point, minimum=None, maximum=None)
        for name, point in year.model.measurepoints.items()
    }
    ignorant = dataclasses.replace(year.model, measurepoints=points)
    told = told_in_turn(
        {
            "clean": lambda: replayed(year, year.model),
            "isolating": lambda: replayed(year, ignorant, isolate="point"),
        },
        given.rounds,
    )
    clean, isolating = told["clean"], told["isolating"]
    # Readings that a later one of the same time supersedes are withheld in both.
    culprits = isolating["declined"]
    expected = clean["withheld"] - isolating["withheld"]
    extra = isolating["requests"] - clean["requests"]
    again = isolating["bytes"] / clean["bytes"] - 1
    figures = (isolating["seconds"] / clean["seconds"], extra, again)
    is_exact = culprits == expected
    bars, aims = BARS[current()], AIMS[current()]
    return Row(
        number=13,
        name="isolating the culprits of the year, against the clean run; extra requests; bytes "
        "again",
        figure="{:.2f} ×; {:.0f}; {:.1%}".format(*figures)
        + f" ({culprits:.0f} of {expected:.0f} culprits alone)",
        bar="≤ {} ×; ≤ {}; ≤ {:.0%}".format(*bars),
        aim="≤ {} ×; ≤ {}; ≤ {:.0%}".format(*aims),
        met=is_exact and all(figure <= bar for figure, bar in zip(figures, bars, strict=True)),
        aim_met=is_exact and all(figure <= aim for figure, aim in zip(figures, aims, strict=True)),
        measured={
            "clean [s]": clean["seconds"],
            "isolating [s]": isolating["seconds"],
            "client's CPU, clean [s]": clean["cpu"],
            "client's CPU, isolating [s]": isolating["cpu"],
            "client's CPU, an extra request [ms]": 1e3
            * (isolating["cpu"] - clean["cpu"])
            / max(extra, 1),
            "culprits": culprits,
            "expected": expected,
            "extra requests": extra,
            "bytes again": isolating["bytes"] - clean["bytes"],
        },
    )


def replayed(year: Year, model: mp.ThingModel, **options: Any) -> dict[str, float]:
    """Return how long a replay took, what it cost this process, and what came of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mp.simulate(
            year.model,
            sub_devices=year.devices,
            limits=mp.PlatformLimits(connects=None),
        ) as platform,
    ):
        journal = Path(folder) / "run.db"
        begin, cpu = time.perf_counter(), time.process_time()
        run = mp.replay(
            history_of(year.path), model, platform.connection, limits=NO_RATES, journal=journal,
            **OPTIONS, **options,
        )  # fmt: skip
        books = run.books
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
        assert run.complete and books["balanced"].all()
        summary, results = run.summary(), run.results
        return {
            "seconds": took,
            "cpu": cpu,
            "declined": float(summary["declined"]),
            "withheld": float(summary["withheld"]),
            "requests": float(len(results)),
            "bytes": float((results["n_bytes"] * results["attempts"]).sum()),
        }


if __name__ == "__main__":
    run(measure, twice=True)
