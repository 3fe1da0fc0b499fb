"""What a validation says point by point: true numbers, also where nothing is wrong, and safe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.test_run_page import Page

import mpreplay as mp
from mpreplay.frames import POINT_COLUMNS

EVIL = "<script>alert(1)</script>\u202e"
MODEL = mp.ThingModel(
    "M",
    {
        "P": mp.Measurepoint("P", "FLOAT", unit="degC", minimum=0, maximum=10),
        "S": mp.Measurepoint("S", "STRING", max_length=4),
        "Unused": mp.Measurepoint("Unused", "INT"),
    },
)
ONE_VALUE = st.one_of(st.none(), st.floats(-5, 15, width=32), st.just(float("inf")))


def frame_of(**columns: list[Any]) -> pd.DataFrame:
    """Return a frame with a time for each row."""
    n = len(next(iter(columns.values())))
    times = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC", name="ts")
    return pd.DataFrame(columns, index=times).reset_index()


def checked(frame: pd.DataFrame, model: Any = MODEL, **roles: Any) -> mp.Validation:
    """Return the validation of a frame."""
    return mp.validate(mp.read_history(frame, time_column="ts", **roles), model)


@given(st.lists(ONE_VALUE, min_size=1, max_size=30), st.sets(st.integers(0, 29)))
def test_values_invalid_and_absent_are_what_a_count_by_hand_finds(
    values: list[float | None], untimed: set[int]
) -> None:
    """A value is invalid once, whatever is wrong with it: its row, its range, or both."""
    frame = frame_of(P=values)
    lost = [n in untimed for n in range(len(values))]
    frame.loc[lost, "ts"] = pd.NaT
    validation = checked(frame)
    one = validation.points.iloc[0]
    there = [value is not None for value in values]
    wrong = [value is not None and not 0 <= value <= 10 for value in values]

    assert one["values"] == sum(there) == validation.n_values
    assert one["absent"] == len(values) - sum(there)
    assert one["invalid"] == sum(a and (b or c) for a, b, c in zip(there, wrong, lost, strict=True))
    assert one["violations"] == sum(wrong)


def test_a_point_without_a_fault_has_a_row_too() -> None:
    """Who sees only what failed cannot tell what was looked at."""
    points = checked(frame_of(P=[1.0, 99.0], S=["ab", None])).points

    assert points["measurepoint"].tolist() == ["P", "S"]
    assert points["found"].tolist() == [
        "1 range, such as row 1 of DataFrame (2024-01-01 01:00:00): 99.0, outside [0, 10] degC",
        "all valid",
    ]
    assert points["allowed"].tolist() == ["[0, 10]", "at most 4 bytes"]
    assert points[["values", "absent", "invalid"]].to_numpy().tolist() == [[2, 0, 1], [1, 1, 0]]
    assert points.dtypes.to_dict() == {
        name: pd.Series([], dtype=kind).dtype for name, kind in POINT_COLUMNS.items()
    }


def test_a_point_that_two_products_know_differently_has_a_row_for_each() -> None:
    """The range of one is not the range of the other."""
    other = mp.ThingModel("N", {"P": mp.Measurepoint("P", "INT", maximum=5)})
    frame = frame_of(P=[1.0, 7.0, 7.0], product=["m", "m", "n"], device=["a", "a", "b"])
    points = checked(
        frame, {"m": MODEL, "n": other}, product_column="product", device_column="device"
    ).points  # fmt: skip

    assert points[["type", "allowed", "values", "invalid"]].to_numpy().tolist() == [
        ["FLOAT", "[0, 10]", 2, 0],
        ["INT", "(-inf, 5]", 1, 1],
    ]


def test_the_long_form_has_the_same_points() -> None:
    """A row a value, and a row for each point that occurs."""
    frame = frame_of(point=["P", "P", "S", "?"], value=["1", "99", "x", "y"])
    points = checked(frame, point_column="point", value_column="value").points

    assert points[["measurepoint", "type", "values", "invalid"]].to_numpy().tolist() == [
        ["?", "not in the model", 1, 1],
        ["P", "FLOAT", 2, 1],
        ["S", "STRING", 1, 0],
    ]


def test_a_failed_check_beyond_the_first_ten_thousand_has_its_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand violations of one kind must not hide the one of another."""
    monkeypatch.setattr("mpreplay.checks.validation.MAX_SHOWN", 5)
    validation = checked(frame_of(P=[99.0] * 50, S=["a"] * 49 + ["too long"]))

    assert len(validation.violations) == 5
    assert "row 49" in validation.points["found"][1]
    assert "1 S length, such as row 49" in repr(validation)


def test_the_text_names_each_kind_once_and_has_an_end() -> None:
    """A hundred points that fail are no reason to print a hundred lines."""
    names = [f"P{n}" for n in range(30)]
    model = mp.ThingModel("M", {n: mp.Measurepoint(n, "INT", maximum=1) for n in names})
    told = repr(checked(frame_of(**{name: [5] for name in names}), model)).splitlines()

    assert sum(" range, such as " in line for line in told) == 8
    assert told[9].strip() == "… 22 kinds more in .points"
    assert len(told) < 24


def test_a_notebook_shows_numbers_of_every_point_and_both_rows_of_a_contradiction() -> None:
    """Today's question is which of the two is right; both have to be seen for that."""
    frame = frame_of(P=[1.25, 2.5, 3.0], S=["a", None, "b"])
    frame["ts"] = frame["ts"].iloc[[0, 0, 1]].to_numpy()
    shown = checked(frame)._repr_html_()

    assert "1 of 5 values contradicts another reading" in shown
    assert "duplicates=&#x27;first&#x27; or duplicates=&#x27;last&#x27;" in shown
    assert "1.25" in shown
    assert "2.5" in shown
    assert "No column of the history holds Unused of the model." in shown
    assert "all valid" in shown


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, 2.0], "All 2 values are valid"),
        ([1.0], "The one value is valid"),
        ([None], "There is no value to check"),
        ([99.0, 1.0], "1 of 2 values is invalid"),
        ([99.0, -1.0], "None of 2 values is valid"),
        ([99.0], "The one value is invalid"),
    ],
)
def test_the_first_line_says_all(values: list[float | None], said: str, tmp_path: Path) -> None:
    """In a notebook and on a page alike."""
    validation = checked(frame_of(P=values))
    validation.report(tmp_path / "x.html")

    assert said in validation._repr_html_()
    assert Page((tmp_path / "x.html").read_text("utf-8")).texts["h1"] == [said]


def hostile() -> mp.Validation:
    """Return a validation in which all that data can say is meant to break a page."""
    model = mp.ThingModel("M", {EVIL: mp.Measurepoint(EVIL, "STRING", unit=EVIL, max_length=4)})
    frame = frame_of(**{EVIL: [EVIL, "b", "c"]})
    frame["ts"] = frame["ts"].iloc[[0, 1, 1]].to_numpy()
    frame["device"] = EVIL
    return checked(frame, model, device_column="device", product_key=EVIL)


def test_markup_in_data_stays_text_everywhere(tmp_path: Path) -> None:
    """Names of points, devices and units come from files of others."""
    validation = hostile()
    validation.report(tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text("utf-8")

    for shown in (page, validation._repr_html_(), validation.plot()._repr_svg_()):
        assert "<script" not in shown
        assert "\u202e" not in shown
        assert "&lt;s" in shown


def test_the_page_is_well_formed_and_complete(tmp_path: Path) -> None:
    """Points, violations and contradictions, each with a heading and its table."""
    hostile().report(tmp_path / "x.html")
    parsed = Page((tmp_path / "x.html").read_text("utf-8"))

    assert parsed.stack == []
    assert parsed.texts["h2"] == ["Points", "Devices and times", "Violations", "Contradictions"]
    assert parsed.count("caption") == parsed.count("table") == 4
    assert not [tag for tag, _ in parsed.tags if tag in {"script", "link", "img"} - {"link"}]


def test_the_page_of_many_points_stays_small(tmp_path: Path) -> None:
    """A validation of 200 points must still open."""
    names = [f"P{n}" for n in range(200)]
    model = mp.ThingModel("M", {n: mp.Measurepoint(n, "INT", maximum=1) for n in names})
    validation = checked(frame_of(**{name: [5] for name in names}), model)
    validation.report(tmp_path / "x.html")

    assert (tmp_path / "x.html").stat().st_size < 200_000
    assert len(validation._repr_html_()) < 30_000
    assert len(validation.points) == 200


def test_a_page_never_takes_the_place_of_what_was_read(tmp_path: Path) -> None:
    """The page can be made again, the readings cannot."""
    frame_of(P=[1.0]).to_parquet(tmp_path / "x.parquet")
    validation = checked(tmp_path / "x.parquet")  # type: ignore[arg-type]
    before = (tmp_path / "x.parquet").read_bytes()

    with pytest.raises(mp.ConfigError, match="is a file of the history, and would be overwritten"):
        validation.report(tmp_path / "x.parquet")
    with pytest.raises(mp.ConfigError, match="there is no folder"):
        validation.report(tmp_path / "no" / "x.html")
    assert (tmp_path / "x.parquet").read_bytes() == before


def test_without_jinja2_a_page_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same words as for the report of a run."""
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(mp.ConfigError, match=r"pip install 'mpreplay\[report\]'"):
        checked(frame_of(P=[1.0])).report(tmp_path / "x.html")


def test_the_picture_shows_a_single_invalid_value_among_many(tmp_path: Path) -> None:
    """One in ten thousand is the one that matters."""
    values = np.ones(10_000)
    values[77] = 99
    picture = checked(frame_of(P=values.tolist(), S=[None] * 10_000)).plot()
    picture.save(tmp_path / "x.svg")

    assert "10,000 values, 1 invalid" in picture._repr_svg_()
    assert "absent" in picture._repr_svg_()
    assert (tmp_path / "x.svg").read_text("utf-8") == picture._repr_svg_()


def test_points_of_two_products_are_told_apart(tmp_path: Path) -> None:
    """The same identifier twice in a table says nothing of either."""
    other = mp.ThingModel("N", {"P": mp.Measurepoint("P", "FLOAT", maximum=3)})
    frame = frame_of(P=[1.0, 20.0, 2.0, 4.0, 5.0], product=["a", "a", "b", "b", "b"], d="x")
    roles = {"product_column": "product", "device_column": "d"}
    validation = checked(frame, {"a": MODEL, "b": other}, **roles)
    validation.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")

    assert validation.points[["product_key", "measurepoint", "invalid"]].values.tolist() == [
        ["a", "P", 1],
        ["b", "P", 2],
    ]
    assert "2 P (b) range" in repr(validation)
    assert "2 values of P (b) fail the check range" in page
    assert "P (a)" in validation.plot().svg
    only = frame[frame["product"] == "a"].reset_index(drop=True)
    one = checked(only, {"a": MODEL}, **roles)
    assert one.points["product_key"].isna().all()


def test_a_file_is_named_only_where_all_rows_are_of_it(tmp_path: Path) -> None:
    """'5 of 20 of one.parquet' is wrong where fifteen are of another file."""
    for name, n in (("one", 6), ("two", 14)):
        frame_of(P=[99.0] * n).to_parquet(tmp_path / f"{name}.parquet")
    history = mp.read_history(tmp_path, time_column="ts")
    mp.validate(history, MODEL, duplicates="last").report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")

    assert "5 of 20. Row counts" in page
    assert '<th scope="col">Source</th>' in page or ">Source<" in page


def test_contradictions_that_are_settled_are_told_as_such() -> None:
    """Whoever said which to send is not asked again; times that look equal are explained."""
    times = pd.to_datetime(["2024-01-01T00:00:00.1230001Z", "2024-01-01T00:00:00.1230009Z"])
    history = mp.read_history(pd.DataFrame({"ts": times, "P": [1.0, 2.0]}), time_column="ts")
    asked, settled = (mp.validate(history, MODEL, duplicates=one) for one in ("raise", "last"))

    assert "1 in conflict with another reading of their time)" in repr(asked)
    assert "1 in conflict with another reading of their time (the last is sent))" in repr(settled)
    assert "P at 2024-01-01T00:00:00.123000+00:00 (to the millisecond) is 1.0" in repr(asked)
