"""``validate`` of the year as it is, against the bare schema on a clean frame of its size."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from contest import Given, Row, in_turn, run, seconds
from year import Year, history_of

import mpreplay as mp

BAR, AIM = 2.0, 1.3


def measure(given: Given) -> Row:
    """Compare seconds; the file is read again for every turn."""
    year = Year.of(given)
    schema = year.model.schema()
    clean = clean_frame(year)
    frame = year.table.to_pandas()
    schema.validate(clean, lazy=True)  # else it would not be clean
    took = in_turn(
        {
            "validate, from the file": lambda: seconds(
                lambda: mp.validate(history_of(year.path), year.model)
            ),
            "validate, from a frame": lambda: seconds(
                lambda: mp.validate(history_of(frame), year.model)
            ),
            "bare schema": lambda: seconds(lambda: schema.validate(clean, lazy=True)),
        },
        given.rounds,
    )
    ratio = took["validate, from the file"] / took["bare schema"]
    return Row(
        number=7,
        name="validate, dirty, against the bare schema on a clean frame",
        figure=f"{ratio:.2f} × the time",
        bar=f"≤ {BAR:.0f} ×",
        aim=f"≤ {AIM} ×",
        met=ratio <= BAR,
        aim_met=ratio <= AIM,
        measured={
            **{f"{name} [s]": number for name, number in took.items()},
            "ratio, from a frame": took["validate, from a frame"] / took["bare schema"],
        },
    )


def clean_frame(year: Year) -> pd.DataFrame:
    """Return the year in the model's types, with what is outside its range at the bound."""
    columns = {}
    for name in year.points:
        low, high = year.model.measurepoints[name].bounds
        values = year.table[name].combine_chunks().cast(pa.float64())
        low_enough = pc.min_element_wise(values, high, skip_nulls=False)
        kept = pc.max_element_wise(low_enough, low, skip_nulls=False).cast(pa.float32(), safe=False)
        columns[name] = pd.Series(kept, dtype=pd.ArrowDtype(kept.type))
    return pd.DataFrame(columns)


if __name__ == "__main__":
    run(measure)
