"""Texts of a history: in every kind of source, in wide and long form, in keys and times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint

MODEL = mp.ThingModel(
    "M",
    {
        point.identifier: point
        for point in (
            Measurepoint("P", "DOUBLE"),
            Measurepoint("Run", "INT"),
            Measurepoint("State", "ENUM", keys=(0, 1), labels=("Stop", "Run")),
            Measurepoint("Bare", "ENUM", keys=(0, 1)),
            Measurepoint("Twice", "ENUM", keys=(0, 1), labels=("Stop", "Stop")),
            Measurepoint("st", "STRUCT", members=(Measurepoint("x", "DOUBLE"),)),
            Measurepoint("q", "DOUBLE", has_quality=True),
            Measurepoint("s", "STRING"),
        )
    },
)
FORMAT = mp.TextFormat(decimal=",", absent=("", "-"), strip=True)
FRAME = pd.DataFrame(
    {
        "t": ["2024-01-01T00:00:00Z", " 2024-01-01T00:10:00Z", "-"],
        "d": ["T1 ", "T1", "T1"],
        "Leistung": ["1,5 kW", "-", "Bad"],
        "Betrieb": ["ON", "OFF ", "ON"],
        "Zustand": ["Run", "Stop", "-"],
        "st.x": ["0,5", "-", "1"],
        "q": ["7,5", "8", "9"],
        "q.quality": ["1", "-", "9"],
        "s": [" a ", "-", "1,5"],
    }
)
POINTS = {
    "Leistung": mp.Column("P", suffix="kW", scale=1000),
    "Betrieb": mp.Column("Run", values={"ON": 1, "OFF": 0}),
    "Zustand": mp.Column("State", labels=True),
}


def read(source: Any, **given: Any) -> mp.History:
    """Return a history of these texts."""
    return mp.read_history(
        source,
        **{
            "time_column": "t",
            "device_column": "d",
            "product_key": "p",
            "points": POINTS,
            "text": FORMAT,
            **given,
        },
    )


def stored(history: mp.History) -> pd.DataFrame:
    """Return the values that arrive on the platform."""
    with mp.simulate(MODEL, sub_devices=[("p", "T1")], online=[("p", "T1")]) as platform:
        run = mp.replay(
            history,
            MODEL,
            platform.connection,
            on_invalid="withhold",
            progress=False,
            allow_offline_sub_device=True,
        )
        assert run.complete
        return platform.stored()


AS: dict[str, Any] = {
    "objects": lambda frame: frame,
    "Arrow texts": lambda frame: frame.astype("string[pyarrow]"),
    "categories": lambda frame: frame.astype("category"),
    "table": pa.Table.from_pandas,
    "dictionaries": lambda frame: pa.table(
        {name: pa.array(frame[name]).dictionary_encode() for name in frame}
    ),
    "large texts": lambda frame: pa.table(
        {name: pa.array(frame[name], pa.large_string()) for name in frame}
    ),
    "views": lambda frame: pa.table(
        {name: pa.array(frame[name], pa.string_view()) for name in frame}
    ),
}


@pytest.mark.parametrize("kind", AS)
def test_texts_mean_the_same_in_every_source(kind: str) -> None:
    """A library's type for texts is no business of the user's."""
    validation = mp.validate(read(AS[kind](FRAME)), MODEL)

    found = validation.violations[["row", "device_key", "measurepoint", "value", "check"]]
    assert found.to_numpy().tolist() == [[2, "T1", "", "", "time"], [2, "T1", "P", "Bad", "type"]]
    assert validation.n_values == 14


def test_values_arrive_as_their_texts_say() -> None:
    """Decimal comma, unit, factor, mapping, label, member, quality: all of it at once."""
    found = stored(read(FRAME)).set_index("measurepoint")

    assert found.loc["P", "value"] == 1500.0
    assert found.loc["Run", "value"].tolist() == [1, 0]
    assert found.loc["State", "value"].tolist() == [1, 0]
    assert found.loc["st", "value"] == {"x": 0.5}
    assert found.loc["q", "value"].tolist() == [7.5, 8.0]
    assert found.loc["q", "quality"].astype(object).tolist()[0] == 1
    assert found.loc["s", "value"] == "a"


def test_a_number_in_a_column_of_another_unit_is_scaled() -> None:
    """scale= is about a unit, and not about texts."""
    frame = pd.DataFrame({"P": [0.3, 7.0]}, index=pd.date_range("2024", periods=2, tz="UTC"))
    history = mp.read_history(frame, points={"P": mp.Column("P", scale=1000)})

    (slab,) = history.slabs([MODEL])
    assert slab.layout.forms["P"].scale == 1000
    assert mp.validate(history, MODEL).ok


def test_the_long_form_reads_texts_in_their_form() -> None:
    """One column holds the values of all points, each read by the type of its own."""
    frame = pd.DataFrame(
        {
            "t": "2024-01-01T00:00:00Z",
            "d": "T1",
            "point": ["P ", "s", "State", "q"],
            "value": ["1,5", "1,5", "1", "-"],
        }
    )
    history = read(frame, points=None, point_column="point", value_column="value")

    validation = mp.validate(history, MODEL)

    assert validation.ok
    assert validation.n_values == 3


def test_without_a_format_a_text_is_no_number() -> None:
    """In a frame a text in a column of numbers is a fault of the frame, until it is said to be."""
    frame = FRAME[["t", "d", "q"]].head(1)

    validation = mp.validate(read(frame, text=None, points=None), MODEL)

    assert validation.violations["value"].tolist() == ["7,5"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (mp.Column("P", labels=True), "labels is said of an ENUM, and P is of type DOUBLE"),
        (
            mp.Column("Bare", labels=True),
            "gives no labels to the keys of Bare; .*values={'text': 0}",
        ),
        (mp.Column("Twice", labels=True), "two keys of Twice have the label 'Stop'"),
        (mp.Column("s", scale=2), "scale is said of a number"),
        (mp.Column("State", scale=2), "scale is said of a number"),
        (mp.Column("s", suffix="m"), "suffix is said of a number"),
        (mp.Column("st", values={"A": 1}), "values is said of a point whose values are single"),
        (mp.Column("Q"), r"points=\{'v': 'Q'\}: 'Q' is not in the thing model"),
    ],
)
def test_what_cannot_be_said_of_a_point_is_refused(column: mp.Column, message: str) -> None:
    """The model is known only now, and nothing is read before."""
    frame = pd.DataFrame({"t": ["2024-01-01T00:00:00Z"], "d": ["T1"], "v": ["1"]})

    with pytest.raises(HistoryError, match=message):
        mp.validate(read(frame, points={"v": column}), MODEL)


@pytest.mark.parametrize("text", ["comma", {"decimal": ","}, mp.TextFormat])
def test_a_format_is_a_text_format(text: Any) -> None:
    """A dict would be read as no format at all."""
    with pytest.raises(HistoryError, match=r"text= must be an mp.TextFormat or None"):
        read(FRAME, text=text)


def test_a_mended_reject_goes_back_in() -> None:
    """A reject is read by the type of its point, and not by the form of a column."""
    frame = FRAME.iloc[[0, 0]].reset_index(drop=True)
    frame["Leistung"] = ["1.500 kW", "Bad"]
    frame["Zustand"] = ["1", "Off"]
    with mp.simulate(MODEL, sub_devices=[("p", "T1")], online=[("p", "T1")]) as platform:
        given = {
            "duplicates": "first",
            "on_invalid": "withhold",
            "progress": False,
            "allow_offline_sub_device": True,
        }
        run = mp.replay(read(frame), MODEL, platform.connection, **given)
        rejects = run.rejects

        again = mp.validate(mp.read_history(rejects), MODEL)
        assert again.n_violations == 4  # none of them has become a value by itself
        rejects.loc[rejects["measurepoint"] == "P", "value"] = "1.5"
        rejects.loc[rejects["measurepoint"] == "State", "value"] = "1"
        assert mp.validate(mp.read_history(rejects), MODEL).n_violations == 0


@pytest.mark.parametrize("as_file", [False, True])
def test_devices_are_found_however_their_keys_are_padded(as_file: bool, tmp_path: Path) -> None:
    """A key that is stripped is the key that the user names."""
    frame = FRAME.head(2).assign(d=["T1  ", "T2"])
    source: Any = frame
    if as_file:
        source = tmp_path / "a.parquet"
        frame.to_parquet(source)
    history = read(source, devices=["T1"])

    assert history.n_rows_wanted == 1
    assert mp.validate(history, MODEL).n_values == 6


def test_a_word_for_absent_is_no_device() -> None:
    """A row without a device is not sent to a device of the name '-'."""
    found = mp.validate(read(FRAME.head(1).assign(d="-")), MODEL).violations

    assert found["check"].tolist() == ["device"]


def test_blanks_in_what_is_said_mean_as_little_as_those_in_cells() -> None:
    """A word is copied out of a file with the blanks around it."""
    frame = FRAME.head(2)[["t", "d", "Betrieb"]].assign(Betrieb=["ON ", " n/a "])
    column = mp.Column("Run", values={"ON  ": 1}, absent=(" n/a",))

    validation = mp.validate(read(frame, points={"Betrieb": column}), MODEL)
    assert validation.ok
    assert validation.n_values == 1


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ({"strip": True}, {"values": {"ON": 1, "ON ": 0}}, "'ON' and 'ON ' of values= are one"),
        ({"absent": ("OFF",)}, {"values": {"ON": 1, "OFF": 0}}, "'OFF' is a value by values="),
        ({}, {"values": {"ON": 1, "": 0}}, "'' is a value by values="),
        ({"strip": True}, {"values": {"ON": 1, " ": 0}}, "' ' is a value by values="),
        ({"strip": True}, {"values": {"-": 0}, "absent": ("- ",)}, "'-' is a value by values="),
    ],
)
def test_a_text_has_one_meaning(text: dict[str, Any], column: dict[str, Any], told: str) -> None:
    """Of two meanings one would win in silence: the readings of a state would vanish."""
    with pytest.raises(HistoryError, match=told):
        read(FRAME.head(1), text=mp.TextFormat(**text), points={"v": mp.Column("Run", **column)})


def test_a_text_may_say_one_thing_twice() -> None:
    """Spellings of one state, and an empty text that is one, are no contradiction."""
    text = mp.TextFormat(strip=True, absent=("-",))
    for values, absent in (({"ON": 1, "ON ": 1}, None), ({"ON": 1, "": 0}, ()), ({"": 0}, None)):
        column = mp.Column("Run", values=values, absent=absent)
        read(FRAME.head(1), text=text, points={"Betrieb": column})


def test_a_label_is_no_word_for_absent() -> None:
    """The readings of a state would vanish."""
    frame = pd.DataFrame({"t": ["2024-01-01T00:00:00Z"], "d": ["T1"], "v": ["Stop"]})
    column = mp.Column("State", labels=True, absent=("Stop",))
    with pytest.raises(HistoryError, match="'Stop' is a label of State"):
        mp.validate(read(frame, points={"v": column}), MODEL)


@pytest.mark.parametrize("dtype", ["object", "string[pyarrow]"])
def test_a_point_that_is_passed_through_is_a_text(dtype: str) -> None:
    """Of what it is nobody has said anything; blanks and absent words are told apart."""
    model = mp.ThingModel("M", {}, pass_through=True)
    frame = FRAME.head(2)[["t", "d"]].assign(x=pd.Series([" 1,5 ", "-"], dtype=dtype))
    history = read(frame, points=None)

    with mp.simulate(model, sub_devices=[("p", "T1")], online=[("p", "T1")]) as platform:
        mp.replay(
            history, model, platform.connection, allow_offline_sub_device=True, progress=False
        )
        assert platform.stored()["value"].tolist() == ["1,5"]


def test_what_utf_8_cannot_carry_is_refused_where_it_is_said() -> None:
    """Half of a character would be a foreign error deep within."""
    with pytest.raises(HistoryError, match="time_format= must be a text that UTF-8 can carry"):
        read(FRAME.head(1), time_format="%Y-%m-%d\udc80")
    for make in (mp.TextFormat, lambda **given: mp.Column("P", **given)):
        with pytest.raises(mp.ConfigError, match="absent= must be a list of texts"):
            make(absent=("\ud800",))


@pytest.mark.parametrize("kind", ["object", "string[pyarrow]", "category"])
def test_the_long_form_reads_texts_as_a_csv_file_does(tmp_path: Path, kind: str) -> None:
    """The values of points of all types share its column, so that most of them are texts."""
    rows = [
        ("P", "1.5"), ("P", "+2"), ("P", "1_000"), ("P", "1,5"), ("Run", "1"), ("Run", "TRUE"),
        ("Run", "on"), ("State", "1"), ("Note", "007"), ("Note", ""),
    ]  # fmt: skip
    points = [
        mp.Measurepoint("P", "DOUBLE"),
        mp.Measurepoint("Run", "BOOL"),
        mp.Measurepoint("State", "ENUM", keys=(0, 1)),
        mp.Measurepoint("Note", "STRING"),
    ]
    model = mp.ThingModel("M", {point.identifier: point for point in points})
    frame = pd.DataFrame(rows, columns=["p", "v"]).astype({"v": kind})
    frame["t"] = pd.date_range("2024", periods=len(rows), freq="h", tz="UTC")
    frame.to_csv(tmp_path / "x.csv", index=False)
    given = {"time_column": "t", "point_column": "p", "value_column": "v"}
    found = [
        mp.validate(mp.read_history(source, **given), model)
        for source in (frame, tmp_path / "x.csv")
    ]

    assert [one.violations["value"].tolist() for one in found] == [["1_000", "1,5", "on"]] * 2
    # Only a CSV file takes an empty cell for an absent value.
    assert [one.n_values for one in found] == [10, 9]
