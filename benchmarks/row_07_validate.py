"""``validate`` of the year as it is, against the bare schema on a clean frame of its size."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
from contest import Given, Row, run, told_in_turn
from cpu import Ratio, cost_of
from lanes import COMPILED, GENERAL, current
from year import Year, history_of

import mpreplay as mp

TURNS = 3  # of so short a time more are needed: for each round
BARS, AIMS = {GENERAL: 1.8, COMPILED: 1.0}, {GENERAL: 1.3, COMPILED: 0.7}


def measure(given: Given) -> Row:
    """Compare seconds, and CPU seconds; the file is read again for every turn."""
    year = Year.of(given)
    schema = year.model.schema()
    clean = clean_frame(year)
    frame = year.table.to_pandas()
    schema.validate(clean, lazy=True)  # else it would not be clean
    costs = told_in_turn(
        {
            "validate, from the file": lambda: cost_of(
                lambda: mp.validate(history_of(year.path), year.model)
            ),
            "validate, from a frame": lambda: cost_of(
                lambda: mp.validate(history_of(frame), year.model)
            ),
            "bare schema": lambda: cost_of(lambda: schema.validate(clean, lazy=True)),
        },
        given.rounds * TURNS,
    )
    bar, aim = BARS[current()], AIMS[current()]
    by_file, by_frame = (
        Ratio(*(costs[name][what] / costs["bare schema"][what] for what in ("seconds", "cpu")))
        for name in ("validate, from the file", "validate, from a frame")
    )
    return Row(
        number=7,
        name="validate, dirty, against the bare schema on a clean frame",
        figure=f"{by_file.figure:.2f} × {by_file.told}",
        bar=f"≤ {bar} ×",
        aim=f"≤ {aim} ×",
        met=by_file.figure <= bar,
        aim_met=by_file.figure <= aim,
        measured={
            **by_file.named("ratio"),
            **by_frame.named("ratio, from a frame"),
            **{f"{name} [s]": cost["seconds"] for name, cost in costs.items()},
            **{f"{name} [CPU s]": cost["cpu"] for name, cost in costs.items()},
        },
    )


def clean_frame(year: Year) -> pd.DataFrame:
    """Return the year in the model's types, with what is outside its range at the bound."""
    columns = {}
    for name in year.points:
        kept = year.in_range(year.table, name).cast(pa.float32(), safe=False)
        columns[name] = pd.Series(kept, dtype=pd.ArrowDtype(kept.type))
    return pd.DataFrame(columns)


if __name__ == "__main__":
    run(measure, twice=True)
