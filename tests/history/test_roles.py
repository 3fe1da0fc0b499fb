"""The roles of columns as the caller gives them: what cannot be is refused at the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.history.roles import spelled

MODEL = ThingModel("M", {"x": Measurepoint("x", "DOUBLE"), "y": Measurepoint("y", "DOUBLE")})
TIMES = pd.date_range("2024", periods=2, freq="s", tz="UTC")


class Shy:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


SHY = Shy()


def frame(*names: Any) -> pd.DataFrame:
    """Return a frame with these columns, where x holds 1 and 2."""
    columns = pd.Index(names, dtype=object, tupleize_cols=False)
    cells = np.array([[1.0] * len(names), [2.0] * len(names)])
    return pd.DataFrame(cells, columns=columns, index=TIMES)


@pytest.mark.parametrize(
    ("names", "ignore"),
    [
        (["x", "u", "u"], ["u"]),
        (["x", "u", "u"], "u"),
        (["x", 7, "v"], [7, "v"]),
        (["x", 7, "7"], [7, "7"]),
        (["x", ("a", "b"), ("a", "c")], [("a", "b"), ("a", "c")]),
        (["x", None], [None]),
        (["x", 1.5, TIMES[0]], {1.5, TIMES[0]}),
        (["x", pd.NA], [pd.NA]),
        (["x", float("nan")], [np.nan]),
        (["x", float("nan"), pd.NaT], [float("nan"), pd.NaT]),
        (["x", SHY], iter([SHY])),
        (["x", SHY, SHY], (SHY,)),
        (["x", b"u"], [b"u"]),
        (["x", "\ud800"], ["\ud800"]),
    ],
)
def test_a_column_that_is_left_out_may_have_any_name(names: list[Any], ignore: Any) -> None:
    """ignore= is the way out for such a column, so its name is no reason to stop."""
    history = mp.read_history(frame(*names), product_key="p", device_key="d", ignore=ignore)

    assert mp.validate(history, MODEL).n_values == 2
    assert mp.plan(history, MODEL).n_sent == 2


def test_columns_that_are_left_out_of_tables_and_files_may_be_namesakes(tmp_path: Path) -> None:
    """A join in SQL or in Arrow gives two columns the same name."""
    columns = [pa.array(TIMES), pa.array([1.0, 2.0]), pa.array([1, 2]), pa.array(["a", "b"])]
    table = pa.Table.from_arrays(columns, ["t", "x", "u", "u"])
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)

    for source in (table, table.to_batches()[0], path):
        history = mp.read_history(source, time_column="t", ignore=["u"])
        assert mp.plan(history, MODEL, gateway=("p", "d")).n_sent == 2
        with pytest.raises(HistoryError, match="the column 'u' occurs twice"):
            mp.validate(mp.read_history(source, time_column="t"), MODEL)


def test_names_of_the_long_form_that_are_not_read_may_be_anything() -> None:
    """Other columns are remarks there."""
    long = frame("p", "v", "u", "u", 7)
    long["p"] = ["x", "y"]
    history = mp.read_history(long, point_column="p", value_column="v")

    assert mp.validate(history, MODEL).n_values == 2


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["x", "u", "u"], {}, "the column 'u' occurs twice; rename one, or leave both out"),
        (["x", "x", "u", "u"], {"ignore": ["u"]}, "the column 'x' occurs twice"),
        (["x", 7], {}, r"column names must be text, got 7 \(int\).*leave it out with ignore="),
        (["x", SHY], {}, r"column names must be text, got \S*Shy"),
        (["x", ("a", "b")], {}, r"column names must be text, got \('a', 'b'\) \(tuple\)"),
        (["x", "t", "t"], {"device_column": "t", "product_key": "p", "ignore": "t"}, "'t' occurs"),
    ],
)
def test_a_column_that_is_read_has_one_name_that_is_text(
    names: list[Any], options: dict[str, Any], message: str
) -> None:
    """Which of two columns counts is not for us to guess."""
    with pytest.raises(HistoryError, match=message) as caught:
        mp.validate(mp.read_history(frame(*names), **options), MODEL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"ignore": ["remrk"]},
            r"ignore= names 'remrk', but DataFrame has no such column .*remark",
        ),
        ({"ignore": ["7"]}, r"ignore= names '7', but DataFrame has no such .*known: 7 \(int\),"),
        ({"ignore": [SHY]}, r"ignore= names '\S*Shy', but"),
        ({"points": {"X": "x"}}, r"there is no column 'X' \(nearest: x\)"),
        ({"quality": {"x": "qu"}}, "there is no column 'qu'"),
        ({"quality": {"X": "q"}}, "there is no column 'X'"),
        ({"time_column": "tme"}, "there is no column 'tme'"),
        ({"device_column": "d", "product_key": "p"}, "there is no column 'd'"),
        ({"point_column": "p", "value_column": "x"}, "there is no column 'p'"),
    ],
)
def test_a_name_that_no_column_has_is_an_error_where_it_is_given(
    options: dict[str, Any], message: str
) -> None:
    """A typo in ignore= sends a column, or stops hours later with another message."""
    with pytest.raises(HistoryError, match=message):
        mp.read_history(frame("x", "q", "remark", 7), **options)


def test_of_many_files_one_with_the_column_is_enough(tmp_path: Path) -> None:
    """Years of exports differ, and a remark came with the last."""
    pq.write_table(pa.table({"t": TIMES, "x": [1.0, 2.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"t": TIMES, "y": [1.0, 2.0], "r": [1, 2]}), tmp_path / "b.parquet")

    assert mp.read_history(tmp_path, time_column="t", ignore=["r"]).n_rows == 4
    with pytest.raises(HistoryError, match=r"ignore= names 's', but the 2 files have no such"):
        mp.read_history(tmp_path, time_column="t", ignore=["r", "s"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"time_column": "q", "device_column": "q", "product_key": "p"},
            "the column 'q' is named both in time_column= and in device_column=",
        ),
        (
            {"device_column": "q", "product_column": "q"},
            "named both in device_column= and in product_column=",
        ),
        ({"point_column": "q", "value_column": "q"}, "point_column= and in value_column="),
        ({"time_column": "q", "quality": {"x": "q"}}, "'q' is also named in time_column="),
        ({"quality": {"x": "x"}}, "the column 'x' is also that reading itself"),
        ({"points": {"x": "y"}, "ignore": ["x"]}, "'x' is named both in points= and in ignore="),
        ({"quality": {"x": "q"}, "ignore": ["x"]}, "'x' is named both in quality= and in ignore="),
    ],
)
def test_a_column_has_one_role(options: dict[str, Any], message: str) -> None:
    """A time that is also a device key is a slip of the hand."""
    with pytest.raises(HistoryError, match=message) as caught:
        mp.read_history(frame("x", "q"), **options)
    assert "\n" not in str(caught.value)


def test_a_key_may_be_a_reading_too_if_points_says_so() -> None:
    """points= is explicit; a key that is ignored besides is read as the key it is."""
    data = frame("x", "q").assign(q=["d1", "d2"])
    model = ThingModel("M", {"x": Measurepoint("x", "DOUBLE"), "s": Measurepoint("s", "STRING")})
    keys = {"device_column": "q", "product_key": "p"}

    both = mp.validate(mp.read_history(data, points={"q": "s"}, **keys), model)
    assert (both.n_values, both.ok) == (4, True)
    assert mp.validate(mp.read_history(data, ignore=["q"], **keys), model).n_values == 2


@pytest.mark.parametrize("tz", ["Foo/Bar", "Paris", "/etc/passwd", "", "Europe", "x" * 300, "a\0b"])
def test_a_zone_that_is_none_is_refused_although_every_time_has_its_own(tz: str) -> None:
    """The next file may have none, and the run stops in the night."""
    with pytest.raises(HistoryError, match=r"tz=.* cannot be used .*expected a zone like"):
        mp.read_history(frame("x"), tz=tz)


def test_a_name_is_spelled_with_its_type_unless_it_is_text() -> None:
    """7 and '7' look alike in a message, and are two columns."""
    assert spelled("7") == "7"
    assert spelled(7) == "7 (int)"
    assert spelled(SHY).endswith("Shy")
