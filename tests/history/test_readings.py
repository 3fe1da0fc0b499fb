"""A slab as readings: who, when and what, each value with the row it came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.display.facts import Detail
from mpreplay.display.reasons import reason
from mpreplay.history import history as history_module
from mpreplay.history.readings import read_slab
from mpreplay.history.slab import Readings
from mpreplay.model.device import Device
from mpreplay.model.model_set import ModelSet
from mpreplay.values.misfits import Misfit
from mpreplay.values.typed_column import TypedColumn

A = ThingModel(
    "A",
    {
        "P": Measurepoint("P", "FLOAT"),
        "l": Measurepoint("l", "ARRAY", item_type="INT"),
        "doc": Measurepoint("doc", "FILE"),
        "st": Measurepoint(
            "st", "STRUCT", has_quality=True, members=(Measurepoint("x", "INT"),)
        ),
    },
)  # fmt: skip
B = ThingModel("B", {"P": Measurepoint("P", "STRING")})


def read(frame: Any, models: Any = A, **options: Any) -> list[Readings]:
    """Return the readings of a frame, by product."""
    history = mp.read_history(frame, **options)
    given = ModelSet.of(models)
    window = (history.start, history.end)
    return [
        readings
        for raw in history.slabs(given.all())
        for readings in read_slab(raw, given, Device("own", "dev"), window)
    ]


def hours(n: int) -> pd.DatetimeIndex:
    """Return the first hours of 2024, UTC."""
    return pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC")


def test_without_keys_the_readings_are_of_the_connections_own_device() -> None:
    """A device that sends for itself needs no key column."""
    (readings,) = read(pd.DataFrame({"P": [1.0, 2.0]}, index=hours(2)))

    assert readings.devices == [Device("own", "dev")]
    assert readings.device.tolist() == [0, 0]
    assert not readings.is_unreadable().any()
    assert readings.n_values == 2


keys = st.sampled_from(["d0", "d1", "", None])


@given(st.lists(keys, max_size=6), st.data(), st.booleans())
def test_keys_of_a_dictionary_are_those_of_its_texts(
    names: list[str | None], data: Any, repeated: bool
) -> None:
    """What it holds twice, holds for nothing, or holds that is no key, makes no device."""
    length = 4 * len(names) + 9 if repeated else 3
    place = st.none() | st.integers(0, len(names) - 1) if names else st.none()
    places = data.draw(st.lists(place, min_size=length, max_size=length))
    coded = pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(names, "string"))
    time = pa.array(hours(length))

    plain, dictionary = (
        read(pa.table({"t": time, "d": column, "P": [1.0] * length}), time_column="t",
             device_column="d", product_key="A")
        for column in (coded.dictionary_decode(), coded)
    )  # fmt: skip

    assert [r.devices for r in dictionary] == [r.devices for r in plain]
    assert [r.device.tolist() for r in dictionary] == [r.device.tolist() for r in plain]
    lost, lost_of_texts = (
        [(one.check, one.why, one.positions.tolist()) for r in read for one in r.unreadable]
        for read in (dictionary, plain)
    )
    assert lost == lost_of_texts


@given(st.lists(st.sampled_from([1.5, None, "misfits", "∞"]), max_size=8), st.data())
def test_values_taken_from_a_column_are_those_of_their_places(cells: list[Any], data: Any) -> None:
    """A repeated reading is compared by its value, its quality and what does not fit."""
    n = len(cells)
    misfits = [
        Misfit(p, b"7", "type", Detail("check", (str(p),)))
        for p in range(n)
        if isinstance(cells[p], str)
    ]
    values = pa.array([c if isinstance(c, float) else None for c in cells], pa.float32())
    quality = pa.array(range(n), pa.int64())
    column = TypedColumn(A.measurepoints["P"], values, quality, misfits, np.arange(n) + 10)
    positions = sorted(data.draw(st.sets(st.integers(0, n - 1)))) if n else []

    taken = column.taken(np.array(positions, np.int64))

    assert taken.values.to_pylist() == [values[p].as_py() for p in positions]
    assert taken.quality.to_pylist() == positions
    assert taken.at.tolist() == [p + 10 for p in positions]
    assert {positions[o.position]: reason(o.why) for o in taken.misfits} == {
        o.position: reason(o.why) for o in misfits if o.position in positions
    }
    assert column.n_present == column.present().sum() == sum(c is not None for c in cells)


def test_each_product_gets_its_rows_and_its_model() -> None:
    """Rows keep the place they had in the source."""
    frame = pd.DataFrame(
        {"p": ["b", "a", "b"], "d": ["2", "1", "1"], "P": np.array(["x", 1.5, None], object)},
        index=hours(3),
    )

    first, second = read(frame, {"a": A, "b": B}, product_column="p", device_column="d")

    assert first.rows.tolist() == [1]
    assert first.columns[0].values.to_pylist() == [1.5]
    assert second.rows.tolist() == [0, 2]
    assert second.devices[second.device[0]] == Device("b", "2")
    assert second.columns[0].values.to_pylist() == ["x", None]


def test_the_window_leaves_rows_out_and_keeps_places() -> None:
    """A value outside was not asked for; one inside keeps its row."""
    frame = pd.DataFrame({"P": [1.0, 2.0, 3.0]}, index=hours(3))

    (readings,) = read(frame, start="2024-01-01T01:00", end="2024-01-01T02:00")

    assert readings.rows.tolist() == [1]
    assert readings.columns[0].values.to_pylist() == [2.0]


def test_a_point_that_a_products_model_lacks_is_odd_value_by_value() -> None:
    """Another product of the same history has it, so the column itself is no error."""
    frame = pd.DataFrame(
        {"p": ["a", "b", "b"], "l": [[1], [2, 3], None], "P": [None, "x", None]}, index=hours(3)
    )

    _, second = read(frame, {"a": A, "b": B}, product_column="p", device_key="d")
    (column,) = [c for c in second.columns if c.point.identifier == "l"]

    assert [(o.position, o.check, o.shown) for o in column.misfits] == [(0, "point", "[2,3]")]
    assert "'l' is not in the thing model" in reason(column.misfits[0].why)


def test_a_struct_of_columns_has_its_quality() -> None:
    """A quality column must not be lost where the value is made of several columns."""
    frame = pd.DataFrame({"st.x": [1, 2], "st.quality": [9, 10]}, index=hours(2))

    (readings,) = read(frame)
    (column,) = readings.columns

    assert column.values.to_pylist() == [{"x": 1}, None]
    assert column.quality.to_pylist() == [9, None]
    assert [o.check for o in column.misfits] == ["quality"]


def test_the_long_form_of_a_file_says_why_it_cannot_go() -> None:
    """It is in the model, but no message can carry it."""
    frame = pd.DataFrame({"t": hours(2), "p": ["doc", "P"], "v": ["x.bin", "1.5"]})

    (readings,) = read(frame, time_column="t", point_column="p", value_column="v")
    reasons = [reason(o.why) for c in readings.columns for o in c.misfits]

    assert reasons == ["'doc' is a FILE, which travels over the HTTP channel only"]
    assert readings.n_values == 2


def test_the_long_form_takes_a_quality_column() -> None:
    """Points without quality leave it empty."""
    frame = pd.DataFrame(
        {"t": hours(3), "p": ["q", "P", "P"], "v": [1.5, 2.5, 3.5], "m": [9, None, 1]}
    )
    model = ThingModel(
        "M", {"P": A.measurepoints["P"], "q": Measurepoint("q", "FLOAT", has_quality=True)}
    )

    (readings,) = read(
        frame, model, time_column="t", point_column="p", value_column="v", quality_column="m"
    )
    found = {c.point.identifier: c for c in readings.columns}

    assert found["q"].quality.to_pylist() == [9]
    assert found["P"].values.to_pylist() == [2.5, 3.5]


@pytest.mark.parametrize("keys", [[1.5, 2.5], [True, False]])
def test_keys_of_another_type_are_refused(keys: list[Any]) -> None:
    """1.0 is how a gap in a column of numbers looks: the key would be '1.0'."""
    frame = pd.DataFrame({"d": keys, "P": [1.0, 2.0]}, index=hours(2))

    with pytest.raises(HistoryError, match="as device keys; expected text"):
        read(frame, device_column="d", product_key="p")


def test_a_history_without_a_model_for_a_product_names_its_rows() -> None:
    """Also where the models are schemas that a user extended."""
    frame = pd.DataFrame({"p": ["a", "x"], "P": ["1", "2"]}, index=hours(2))

    validation = mp.validate(
        mp.read_history(frame, product_column="p", device_key="d"), {"a": B.schema()}
    )

    assert validation.violations["reason"].tolist() == ["there is no thing model for product 'x'"]
    assert validation.n_values == 2


def test_keys_of_a_slice_of_texts_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest supported pyarrow made other texts of them: values went to nobody's device."""
    monkeypatch.setattr(history_module, "SLAB_ROWS", 1)
    keys = pa.array(["p1", "", "d1"])
    table = pa.table({"t": [1, 2, 3], "d": keys, "p": keys, "P": [1.0, 2.0, 3.0]})
    named = {"time_column": "t", "device_column": "d", "product_column": "p"}

    slabs = read(table, time_unit="ms", **named)

    assert [slab.devices for slab in slabs] == [[("p1", "p1")], [], [("d1", "d1")]]
