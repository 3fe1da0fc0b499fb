"""The text of a time that could not be read: kept in violations and rejects, and mended there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from strategies import prepare

from mpreplay import Measurepoint, ThingModel, read_history, validate
from mpreplay.cells.arrays import objects_of
from mpreplay.history.history import History
from mpreplay.outcome.reject_table import joined, reject_frame
from mpreplay.outcome.rejects import rejects_withheld
from mpreplay.settings import Policy

MODEL = ThingModel("M", {"P": Measurepoint("P", "DOUBLE")})
GOOD = "2024-01-01T00:00:00Z"


def history_of(times: Any) -> History:
    """Return a history with these times, and 0, 1, … as readings."""
    frame = pd.DataFrame({"t": times, "P": np.arange(len(times)) * 1.0})
    keys = {"device_key": "d1", "product_key": "p1"}
    return read_history(frame, time_column="t", **keys)


def rejects(times: Any) -> pd.DataFrame:
    """Return the rejects of a history with these times."""
    policy = Policy(on_invalid="withhold", duplicates="last")
    slabs = prepare(history_of(times), MODEL, policy)
    return reject_frame(joined(rejects_withheld(part) for slab in slabs for part in slab.parts))


@pytest.mark.parametrize("kind", ["str", "object", "category"])
def test_a_violation_keeps_the_text_of_its_time(kind: str) -> None:
    """Whoever mends it must see what stood there, quotes and blanks included."""
    texts = [GOOD, " it's noon", "2024-02-30T00:00:00Z", None]

    found = validate(history_of(pd.Series(texts, dtype=kind)), MODEL).violations

    assert found["row"].tolist() == [1, 2, 3]
    assert found["time_text"].iloc[:2].tolist() == texts[1:3]
    assert found["time_text"].isna().tolist() == [False, False, True]


def test_a_cell_that_is_no_text_is_told_as_it_is_shown() -> None:
    """A spreadsheet has a time of day here and there."""
    cells = objects_of([GOOD, dt.time(12), ["x"]])

    found = validate(history_of(cells), MODEL).violations

    assert found["time_text"].tolist() == ["'12:00:00'", "'[\"x\"]'"]


def test_a_readable_time_has_no_text() -> None:
    """The column is for what cannot stand in ``time``."""
    frame = pd.DataFrame({"t": [GOOD], "P": ["x"]})

    found = validate(read_history(frame, time_column="t"), MODEL).violations

    assert found["check"].tolist() == ["type"]
    assert found["time_text"].isna().all()


@pytest.mark.parametrize("form", ["frame", "csv", "parquet"])
@pytest.mark.parametrize("column", ["time", "time_text"])
def test_a_mended_time_goes_back_in(tmp_path: Path, form: str, column: str) -> None:
    """Either the time is filled in, or its text is corrected: an offset says which instant."""
    found = rejects([GOOD, "noon", "midnight", "2024-01-01 07:00"])
    assert found["time_text"].tolist() == ["noon", "midnight", "2024-01-01 07:00"]
    found = found.astype({column: object})
    found.loc[found["row"] == 1, column] = "2024-01-01T13:00:00+01:00"
    path = tmp_path / f"rejects.{form}"
    if form == "csv":
        found.to_csv(path, index=False)
    else:
        if column == "time":
            found["time"] = pd.to_datetime(found["time"], utc=True)
        found.to_parquet(path)
    again = read_history(pd.read_parquet(path) if form == "frame" else path)

    slabs = prepare(again, MODEL, Policy(on_invalid="withhold", duplicates="last"))
    [readings] = [part.readings for slab in slabs for part in slab.parts]

    assert readings.is_unreadable("time").tolist() == [False, True, True]
    assert readings.time[0] == 1_704_110_400_000
    left = validate(again, MODEL).violations
    assert left["time_text"].tolist() == ["midnight", "2024-01-01 07:00"]
    assert "without a zone" in left["reason"].iloc[1]


def test_rejects_of_an_earlier_version_are_recognised() -> None:
    """A file that waited for its correction is not lost by an upgrade."""
    found = rejects([GOOD, "noon"]).drop(columns="time_text")

    history = read_history(found)

    assert history.columns.check == "check"
    assert validate(history, MODEL).violations["reason"].tolist() == ["no time"]
