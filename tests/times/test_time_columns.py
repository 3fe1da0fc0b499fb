"""Times of a history, from whatever it is read: the exact instant, or a violation of the row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint, ThingModel, read_history, validate
from mpreplay.cells.epoch import FIRST_TIME, LAST_TIME
from mpreplay.history.history import History
from mpreplay.history.readings import read_slab
from mpreplay.model.device import Device
from mpreplay.model.model_set import ModelSet

MODEL = ThingModel("M", {"x": Measurepoint("x", "DOUBLE")})
ENDS = [-(2**63), 2**63 - 1]
LENGTHS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
COUNTS = st.integers(*ENDS) | st.builds(
    lambda end, scale, off: max(ENDS[0], min(end * scale // 1_000 + off, ENDS[1])),
    st.sampled_from([*ENDS, FIRST_TIME, LAST_TIME + 1, 1_388_534_400_000]),
    st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]),
    st.integers(-2, 2),
)


def times_of(history: History) -> dict[int, int | None]:
    """Return the time of each row in milliseconds; None where it cannot be read."""
    models = ModelSet.of(MODEL)
    found: dict[int, int | None] = {}
    for raw in history.slabs(models.all()):
        for part in read_slab(raw, models, Device("p", "d"), (None, None)):
            lost = part.is_unreadable("time")
            for row, ms, is_lost in zip(part.rows.tolist(), part.time.tolist(), lost, strict=True):
                found[row] = None if is_lost else ms
    return found


@given(
    st.lists(COUNTS, min_size=1, max_size=4),
    st.sampled_from([*LENGTHS]),
    st.sampled_from(["UTC", "Asia/Tokyo", "Mars/Phobos", None]),
    st.sampled_from(["table", "frame", "file", "numbers"]),
    st.booleans(),
)
def test_a_row_has_its_exact_instant_or_is_a_violation(
    tmp_path_factory: pytest.TempPathFactory,
    counts: list[int],
    unit: str,
    zone: str | None,
    form: str,
    is_long: bool,
) -> None:
    """No integer wraps on its way, in whatever unit, zone and kind of source it stands."""
    if form == "file" and unit == "s":
        unit = "ms"  # a Parquet file has no seconds
    numbers = pa.array(counts)
    times = numbers if form == "numbers" else numbers.cast(pa.timestamp(unit, zone))
    columns: dict[str, Any] = {"t": times, "x": pa.array(np.arange(len(counts)) * 1.0)}
    roles: dict[str, Any] = {"time_column": "t", "tz": "UTC", "plausible": None}
    if form == "numbers":
        roles["time_unit"] = unit
    if is_long:
        columns["n"] = pa.array(["x"] * len(counts))
        roles |= {"point_column": "n", "value_column": "x"}
    source: Any = pa.table(columns)
    if form == "frame":
        arrow = pd.Series(times, dtype=pd.ArrowDtype(times.type)) if zone != "Mars/Phobos" else None
        plain = {name: cells.to_pandas() for name, cells in columns.items() if name != "t"}
        source = source if arrow is None else pd.DataFrame({"t": arrow, **plain})
    if form == "file":
        path = tmp_path_factory.mktemp("times") / "a.parquet"
        pq.write_table(source, path)
        source = path

    found = times_of(read_history(source, **roles))

    for row, count in enumerate(counts):
        ms = count * LENGTHS[unit] // 10**6
        exact = ms if count not in ENDS and FIRST_TIME <= ms <= LAST_TIME else None
        assert found[row] == exact


@pytest.mark.parametrize("store_schema", [True, False])
def test_int96_is_read_beyond_the_years_of_nanoseconds(tmp_path: Path, store_schema: bool) -> None:
    """Spark, Hive and Impala write 9999-12-31 for an open end: it must not become 1816."""
    years = [dt.datetime(y, 1, 1) for y in (1, 1000, 2024, 9999)]  # noqa: DTZ001 - in a column
    column = pa.array(years, pa.timestamp("ms"))
    expected = column.cast(pa.int64()).to_pylist()
    path = tmp_path / "a.parquet"
    table = pa.table({
        "t": column, "x": [1.0, 2.0, 3.0, 4.0], "d": column,
        "s": pa.StructArray.from_arrays([column], ["m"]),
    })  # fmt: skip
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=store_schema)
    date = Measurepoint("d", "DATE")
    struct = Measurepoint("s", "STRUCT", members=(Measurepoint("m", "DATE"),))
    model = ThingModel("M", {"x": MODEL.measurepoints["x"], "d": date, "s": struct})
    history = read_history(path, time_column="t", tz="UTC")

    [raw] = history.slabs([model])
    models = ModelSet.of(model)
    [part] = read_slab(raw, models, Device("p", "d"), (None, None))

    assert part.time.tolist() == expected
    assert not part.is_unreadable().any()
    texts = [f"{year.year:04}-01-01 00:00:00" for year in years]
    values = {column.point.identifier: column.values.to_pylist() for column in part.columns}
    assert values["d"] == texts
    assert values["s"] == [{"m": text} for text in texts]


@pytest.mark.parametrize(
    "text",
    ["0000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
     "9999-12-31T23:59:60Z", "2016-12-31T23:59:60Z", "2024-01-01T24:00:00Z", "2024-02-30T00:00Z",
     "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [object, "str"])
def test_a_text_beyond_the_calendar_is_a_violation_of_its_row(text: str, kind: Any) -> None:
    """Nor does it change how its neighbours are read, however far they lie."""
    texts = pd.Series([text, "1000-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z"], dtype=kind)
    history = read_history(pd.DataFrame({"t": texts, "x": [1.0, 2.0, 3.0]}), time_column="t")

    assert times_of(history) == {0: None, 1: -30_610_224_000_000, 2: 1_704_067_200_500}


@pytest.mark.parametrize(
    "cell",
    [dt.time(0, 0), dt.timedelta(hours=1), pd.Timedelta(1), b"t", True, [1], {"a": 1}, 10**400],
)  # fmt: skip
def test_an_object_that_is_no_time_is_a_violation_of_its_row(cell: Any) -> None:
    """A spreadsheet has a time of day where it was midnight: the other rows are still good."""
    cells = np.empty(3, object)
    cells[:] = [dt.datetime(2024, 1, 1), cell, "2024-01-02"]  # noqa: DTZ001 - tz= says which zone
    frame = pd.DataFrame({"t": pd.Series(cells, dtype=object), "x": [1.0, 2.0, 3.0]})

    found = validate(read_history(frame, time_column="t", tz="UTC", time_unit="ms"), MODEL)

    assert found.violations["row"].tolist() == [1]
    assert found.n_conflicts == 0


@pytest.mark.parametrize(
    ("zone", "expected"), [("America/New_York", None), ("Asia/Tokyo", LAST_TIME - 32_400_999)]
)
def test_the_open_end_is_its_zones(zone: str, expected: int | None) -> None:
    """9999-12-31 23:59:59 is the next year in UTC, or it is not: the zone tells."""
    frame = pd.DataFrame({"t": ["9999-12-31 23:59:59", "2023-12-31 19:00:00"], "x": [1.0, 2.0]})

    times = times_of(read_history(frame, time_column="t", tz=zone))

    assert times[0] == expected
    assert times[1] is not None


def test_a_later_slab_without_a_zone_ends_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is looked for where a source begins; further below, it is a row's fault."""
    monkeypatch.setattr("mpreplay.history.history.SLAB_ROWS", 1)
    frame = pd.DataFrame({"t": ["2024-01-01T00:00:00Z", "2024-01-01 00:00:00"], "x": [1.0, 2.0]})

    found = validate(read_history(frame, time_column="t"), MODEL)

    assert found.violations["row"].tolist() == [1]
    assert "without a zone" in found.violations["reason"].item()
