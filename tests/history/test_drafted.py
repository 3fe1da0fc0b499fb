"""A model drafted from a history accepts that history, however it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay import ConfigError, Measurepoint
from mpreplay.history import history as history_module

ROLES: dict[str, Any] = {"time_column": "t", "device_column": "d", "product_key": "p"}
DAY = pd.Timestamp("2024-01-01", tz="UTC")


def frame(n: int, **columns: Any) -> pd.DataFrame:
    """Return rows of two devices with these columns."""
    times = DAY + pd.to_timedelta(np.arange(n), unit="s")
    return pd.DataFrame({"t": times, "d": [f"T{i % 2}" for i in range(n)], **columns})


def types(model: mp.ThingModel) -> dict[str, str]:
    """Return the type of each point."""
    return {name: point.type for name, point in model.measurepoints.items()}


VALUES = st.one_of(
    st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=6, max_size=6),
    st.lists(st.none() | st.integers(-9, 9), min_size=6, max_size=6),
    st.lists(st.none() | st.floats(-1e300, 1e300), min_size=6, max_size=6),
    st.lists(st.none() | st.booleans(), min_size=6, max_size=6),
    st.lists(st.none() | st.text("aü", max_size=3), min_size=6, max_size=6),
    st.lists(st.lists(st.integers(-9, 2**33), max_size=2), min_size=6, max_size=6),
)


@given(st.lists(VALUES, min_size=1, max_size=3), st.integers(1, 6), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_draft_accepts_the_history_that_it_is_drafted_from(
    tmp_path_factory: pytest.TempPathFactory,
    columns: list[list[Any]],
    slab: int,
    as_file: bool,
    as_objects: bool,
) -> None:
    """Its types and ranges hold for all slabs, not for the first."""
    given = frame(6)
    for number, values in enumerate(columns):
        given[f"c{number}"] = pd.Series(values, dtype=object if as_objects else None)
    source: Any = given
    if as_file:
        source = tmp_path_factory.mktemp("x") / "x.parquet"
        pq.write_table(pa.Table.from_pandas(given, preserve_index=False), source, row_group_size=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "SLAB_ROWS", slab)
        model = mp.read_history(source, **ROLES).draft_model(ranges="observed")
    history = mp.read_history(source, ignore=list(model.left_out), **ROLES)

    if model.measurepoints:
        found = mp.validate(history, model)
        assert found.ok, (found.violations.to_string(), model.measurepoints)
    assert {*model.measurepoints, *model.left_out} == {f"c{n}" for n in range(len(columns))}


def test_types_widen_from_slab_to_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first slab of a year says little of the last."""
    monkeypatch.setattr(history_module, "SLAB_ROWS", 2)
    given = frame(
        4,
        i=[1, 2, 3, 2**40],
        late=[None, None, True, False],
        f=pd.Series([1, 2, 3.5, None], dtype=object),
        s=["a", "b", "c", "x" * 2000],
        st=[{"x": 1}, {"x": 2}, {"y": "a"}, {"x": 2**33}],
        l=[[1], [2], [1.5], [2]],
    )

    model = mp.read_history(given, **ROLES).draft_model(ranges="observed")

    assert types(model) == {
        "i": "DOUBLE", "late": "BOOL", "f": "DOUBLE", "s": "STRING", "st": "STRUCT", "l": "ARRAY",
    }  # fmt: skip
    assert model.measurepoints["i"].bounds == (1, 2**40)
    assert model.measurepoints["s"].max_length == 2000
    assert [member.type for member in model.measurepoints["st"].members] == ["DOUBLE", "STRING"]
    assert mp.validate(mp.read_history(given, **ROLES), model).ok


def test_kinds_that_no_point_holds_together_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft of one of the kinds would refuse the other."""
    monkeypatch.setattr(history_module, "SLAB_ROWS", 2)
    given = frame(4, m=pd.Series([1, 2, "a", "b"], dtype=object))

    with pytest.raises(ConfigError, match=r"'m' holds values of several kinds \(INT and STRING\)"):
        mp.read_history(given, **ROLES).draft_model()


def test_what_is_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    """A column that is missing in the model is missing in every run."""
    (tmp_path / "year=2024").mkdir()
    given = frame(2, P=[1.5, 2.5], none=None, other=[DAY, DAY], remark="x")
    path = tmp_path / "year=2024" / "x.parquet"
    pq.write_table(pa.Table.from_pandas(given, preserve_index=False), path)

    model = mp.read_history(tmp_path, ignore=["remark"], **ROLES).draft_model()

    reasons = {"none": "no values", "other": "times or bytes", "year": "named by a folder"}
    assert model.left_out == reasons
    assert "; left out: none (no values), other (times or bytes), year (named by" in repr(model)
    assert mp.ThingModel.load(model.to_json()) == model  # no part of the model itself
    only = mp.read_history(given, only=True, points={"P": "Power"}, **ROLES).draft_model()
    assert types(only) == {"Power": "DOUBLE"}
    assert only.left_out == dict.fromkeys(["none", "other", "remark"], "not asked for by only=True")


def test_a_draft_is_of_the_rows_and_the_names_that_are_asked_for() -> None:
    """What is not sent needs no room in the model."""
    given = frame(4, a=[1, 2**40, 3, 2**40], m=[1, 1, 2, 2])
    options: dict[str, Any] = {"points": {"a": "P"}, "quality": {"a": "m"}, **ROLES}

    model = mp.read_history(given, devices="T0", **options).draft_model("observed")

    assert repr(model.measurepoints["P"]) == "Measurepoint(P: INT [1, 3] with quality)"
    assert types(mp.read_history(given, start=DAY, end=DAY + pd.Timedelta("1s"), **options)
                 .draft_model()) == {"P": "INT"}  # fmt: skip


def test_the_long_form_gives_each_point_its_type() -> None:
    """A single column of texts has the values of all types."""
    given = frame(4, m=["P", "S", "P", "S"], v=["1", "on", "2.5", "7a"])

    history = mp.read_history(given, point_column="m", value_column="v", **ROLES)
    model = history.draft_model(ranges="observed")

    assert types(model) == {"P": "DOUBLE", "S": "STRING"}
    assert model.measurepoints["P"].range_text == "[1, 2.5]"
    assert mp.validate(history, model).ok


def test_texts_that_are_all_numbers_are_drafted_as_numbers(tmp_path: Path) -> None:
    """A CSV file has texts alone; a code with a leading zero is no number."""
    path = tmp_path / "x.csv"
    lines = ["t;d;P;W;Run;n;code;s", "2024-01-01T00:00Z;T1;1,5;3 m/s;ON;-;007;on",
             "2024-01-01T00:01Z;T1;-2,5;4 m/s;OFF;8;010;1"]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    points = {"W": mp.Column("Ws", suffix="m/s", scale=0.5),
              "Run": mp.Column("Run", values={"ON": 1, "OFF": 0})}  # fmt: skip
    text = mp.TextFormat(delimiter=";", decimal=",", absent=("-",))

    model = mp.read_history(path, text=text, points=points, **ROLES).draft_model("observed")

    assert {name: repr(point)[13:-1] for name, point in model.measurepoints.items()} == {
        "P": "P: DOUBLE [-2.5, 1.5]", "Ws": "Ws: DOUBLE [1.5, 2]", "Run": "Run: INT [0, 1]",
        "n": "n: INT [8, 8]", "code": "code: STRING", "s": "s: STRING",
    }  # fmt: skip


@pytest.mark.parametrize("ranges", ["yes", True, 1, ["observed"]])
def test_ranges_are_observed_or_none(ranges: Any) -> None:
    """Another word would mean no ranges, in silence."""
    with pytest.raises(ConfigError, match="ranges= must be 'observed'"):
        mp.read_history(frame(1, P=[1]), **ROLES).draft_model(ranges=ranges)
    with pytest.raises(ConfigError, match="ranges= must be 'observed'"):
        mp.ThingModel.from_frame(pd.DataFrame({"P": [1]}), ranges=ranges)


def test_a_frame_gives_ranges_on_request() -> None:
    """FLOAT bounds are 32-bit numbers, as the values travel."""
    given = pd.DataFrame({"f": np.array([7.12, np.nan], "f4"), "i": [1, 2**31]})
    points = mp.ThingModel.from_frame(given, ranges="observed").measurepoints

    assert points["f"] == Measurepoint("f", "FLOAT", minimum=float(np.float32(7.12)),
                                       maximum=float(np.float32(7.12)))  # fmt: skip
    assert points["i"] == Measurepoint("i", "DOUBLE", minimum=1, maximum=2**31)


@pytest.mark.parametrize("suffix", ["°C", "€/kWh", "%", "m³/h", "1/min", "$ (x)"])
def test_a_unit_of_any_letters_is_read_in_a_draft(suffix: str) -> None:
    """A sign that is no letter of ASCII is none of a regular expression either."""
    frame = pd.DataFrame({"time": ["2024-01-01T00:00Z"], "x": [f"1,5 {suffix}"]})
    history = mp.read_history(
        frame,
        time_column="time",
        points={"x": mp.Column("x", suffix=suffix)},
        text=mp.TextFormat(decimal=","),
    )

    assert history.draft_model().measurepoints["x"].type == "DOUBLE"


NUMBERS = st.from_regex(
    r"[+-]?[0-9]{1,20}([.,][0-9]{0,4})?( kW)?|0[0-9]{2}|-|1e400", fullmatch=True
)


@given(
    st.lists(NUMBERS, min_size=3, max_size=3),
    st.sampled_from(".,"),
    st.sampled_from(["", "kW"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_a_draft_reads_texts_as_a_validation_does(
    cells: list[str], decimal: str, suffix: str, is_long: bool
) -> None:
    """Else the draft has a number of which the validation says that it is none."""
    rows = frame(3, x=cells)
    text = mp.TextFormat(decimal=decimal)
    given: dict[str, Any] = {"text": text, **ROLES}
    if is_long:
        rows["point"] = "x"
        given |= {"point_column": "point", "value_column": "x"}
    elif suffix:
        given["points"] = {"x": mp.Column("x", suffix=suffix)}
    history = mp.read_history(rows, **given)
    model = history.draft_model(ranges="observed")

    if model.measurepoints["x"].is_text and suffix and not is_long:
        return  # a suffix is said of numbers, and there are none
    found = mp.validate(history, model)
    if suffix and not is_long:  # what is no number stays a violation, and nothing else does
        assert set(found.violations["check"]) <= {"type", "range"}
    else:
        assert found.ok, (found, model.measurepoints)


def test_thousands_are_not_taken_for_decimals(tmp_path: Path) -> None:
    """1.450 kWh of a German export is 1450, and a draft of 1.45 would be believed."""
    path = tmp_path / "x.csv"
    path.write_text("t;x\n2024-01-01T00:00Z;1.450\n2024-01-01T01:00Z;8.740\n")
    text = mp.TextFormat(delimiter=";", decimal=",")
    model = mp.read_history(path, time_column="t", text=text).draft_model()

    assert model.measurepoints["x"].type == "STRING"
    assert model.hints == (
        "x: 2 of 2 cells are numbers with a point before three digits; it is a decimal one, or one "
        "of thousands, which are not read",
    )


def test_a_draft_says_which_texts_would_be_values(tmp_path: Path) -> None:
    """A model of texts alone is accepted by every validation, and useless."""
    path = tmp_path / "x.csv"
    rows = "".join(
        f"2024-01-01T0{n}:00Z;19,{n} °C;{'AN' if n % 2 else 'AUS'};-;Pumpe {n}\n" for n in range(9)
    )
    path.write_text(
        f"t;T;Run;W;name\n{rows}2024-01-02T00:00Z;-;AN;2,5;Pumpe 9\n2024-01-03T00:00Z;19 °C;AN;;x\n"
    )
    text = mp.TextFormat(delimiter=";")
    model = mp.read_history(path, time_column="t", text=text).draft_model()

    assert set(types(model).values()) == {"STRING"}
    assert [one.partition(": ")[2] for one in model.hints] == [
        "9 of 11 cells are numbers with a decimal comma and followed by '°C': "
        "text=TextFormat(decimal=','), points={'T': Column('T', suffix='°C')}; 1 is a number "
        "followed by '°C': points={'T': Column('T', suffix='°C')}; 1 is '-': "
        "text=TextFormat(absent=('-',))",
        "11 of 11 cells are 'AN' or 'AUS': "
        "points={'Run': Column('Run', values={'AN': '?', 'AUS': '?'})}",
    ]
    assert all(hint in repr(model) for hint in model.hints)


def test_a_draft_says_that_a_slip_makes_texts_of_numbers(tmp_path: Path) -> None:
    """One wrong cell of thousands decides the type: whoever knows mends the one or the other."""
    path = tmp_path / "x.csv"
    cells = [*(f"{n}.5" for n in range(1, 9)), "#ERR"]
    rows = "".join(f"2024-01-0{n}T00:00Z,{cell}\n" for n, cell in enumerate(cells, 1))
    path.write_text(f"t,x\n{rows}")
    model = mp.read_history(path, time_column="t").draft_model()

    assert types(model) == {"x": "STRING"}
    assert model.hints == (
        "x: 1 of 9 cells is '#ERR', so that all are drafted as texts: mend the cells, or the draft",
    )
