"""``only=True``: the wanted columns are read, and every other column is named as left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel

POWER = Measurepoint("P_avg", "DOUBLE", has_quality=True)
STATE = Measurepoint("st", "STRUCT", members=(Measurepoint("x", "INT"), Measurepoint("y", "INT")))
MODEL = ThingModel("M", {"P_avg": POWER, "Ws": Measurepoint("Ws", "DOUBLE"), "st": STATE})
TIMES = pd.date_range("2024", periods=2, freq="s", tz="UTC")


def frame(*names: Any) -> pd.DataFrame:
    """Return a frame with these columns, all of numbers."""
    columns = pd.Index(names, dtype=object, tupleize_cols=False)
    return pd.DataFrame([[1.0] * len(names), [2.0] * len(names)], columns=columns, index=TIMES)


def needed(given: Any, **options: Any) -> list[str]:
    """Return the columns of a source that are read."""
    (layout,) = mp.read_history(given, only=True, **options).layouts([MODEL])
    return layout.needed


@pytest.mark.parametrize(
    ("names", "options", "read"),
    [
        (["a", "P_avg", "Ws"], {"points": {"a": "Ws"}}, ["a"]),
        (["a", "m", "Ws"], {"points": {"a": "P_avg"}, "quality": {"a": "m"}}, ["a", "m"]),
        (["P_avg", "m", "Ws"], {"quality": {"P_avg": "m"}}, ["P_avg", "m"]),
        (["t", "a", "Ws"], {"points": {"a": "Ws"}, "time_column": "t"}, ["t", "a"]),
        (["a", 7, "u", "u", None], {"points": {"a": "Ws"}}, ["a"]),
        (["a", "P_avg", "Ws"], {}, ["P_avg", "Ws"]),
        (["a", "P_avg", 7, "u", "u"], {}, ["P_avg"]),
        (["P_avg.value", "P_avg.quality", "P_avg.z"], {}, ["P_avg.value", "P_avg.quality"]),
        (["st.x", "st.z", "st.y"], {}, ["st.x", "st.y"]),
        (["P_avg", "Ws"], {"ignore": ["Ws"]}, ["P_avg"]),
    ],
)
def test_only_reads_what_is_mapped_or_else_what_the_model_lists(
    names: list[Any], options: dict[str, Any], read: list[str]
) -> None:
    """An export has 40 columns of which 5 are wanted; nobody lists the other 35."""
    given = frame(*names)
    if "time_column" in options:
        given["t"] = TIMES

    assert needed(given, **options) == read


def test_a_model_that_passes_unknown_points_lists_no_more_than_it_lists() -> None:
    """Everything would be wanted else, and only=True would mean nothing."""
    passes = ThingModel("M", MODEL.measurepoints, pass_through=True)
    (layout,) = mp.read_history(frame("Ws", "other"), only=True).layouts([passes])

    assert layout.needed == ["Ws"]
    assert layout.left_out == ["other"]


def test_columns_left_out_are_not_read_from_a_file(tmp_path: Path) -> None:
    """A column that nobody wants costs nothing, and may even be damaged."""
    path = tmp_path / "x.parquet"
    table = pa.table({"t": TIMES, "a": [1.0, 2.0], "junk": [b"J" * 999, b"J" * 999]})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    path.write_bytes(path.read_bytes().replace(b"J" * 999, b"K" * 999))
    options: dict[str, Any] = {"time_column": "t", "points": {"a": "Ws"}}

    whole = mp.read_history(path, **options | {"points": {"a": "Ws", "junk": "P_avg"}})
    with pytest.raises(HistoryError, match=r"cannot be read"):
        mp.validate(whole, MODEL)
    assert mp.validate(mp.read_history(path, only=True, **options), MODEL).n_values == 2


def test_what_is_left_out_is_told_by_the_history_and_recorded(tmp_path: Path) -> None:
    """Data that is not sent must be found by whoever looks for it."""
    history = mp.read_history(
        frame("a", "b", "c", 7), only=True, points={"a": "Ws"}, ignore=["c"],
    )  # fmt: skip
    assert repr(history).endswith("; 2 columns left out: 'b', '7 (int)')")
    by_model = mp.read_history(frame("Ws", "b"), only=True)
    assert repr(by_model).endswith("; only the columns of the thing model)")

    with mp.simulate(MODEL) as platform:
        run = mp.replay(history, MODEL, platform.connection, progress=False)
    run.audit(tmp_path / "audit")
    manifest = json.loads((tmp_path / "audit" / "manifest.json").read_text())
    assert manifest["columns_left_out"] == ["b", "7 (int)"]
    assert manifest["settings"]["only"] is True


@pytest.mark.parametrize(
    ("names", "options", "told"),
    [
        (["a"], {"points": {"b": "Ws"}}, "no column 'b' (known: a); it is named in points="),
        (["Leistung"], {"points": {"leistung ": "Ws"}}, "'leistung ' (nearest: Leistung)"),
        (["Leistung"], {"points": {"Leistung": "Ws"}, "quality": {"Leistung": "M"}}, "in quality="),
        (["\ufeffa", "b"], {"points": {"a": "Ws"}}, r"(nearest: '\ufeffa')"),
        (["Leistung [kW]\xa0", "b"], {"points": {"Leistung [kW]": "Ws"}}, r"'Leistung [kW]\xa0')"),
        (["Tür", "b"], {"points": {"Tuer": "Ws"}}, "(nearest: Tür)"),
        (["Tu\u0308r", "b"], {"points": {"Tür": "Ws"}}, r"(nearest: 'Tu\u0308r')"),
        (["a", "b"], {"ignore": ["B "]}, "'B ', but DataFrame has no such column (nearest: b)"),
        (["a", "b"], {"points": {"a": "Ws"}, "time_column": "A"}, "'A' (nearest: a)"),
    ],
)  # fmt: skip
def test_a_name_that_no_column_has_is_refused_where_the_file_is_known(
    names: list[Any], options: dict[str, Any], told: str
) -> None:
    """Case, blanks, umlauts and a byte-order mark are what the eye does not see."""
    with pytest.raises(HistoryError) as caught:
        mp.read_history(frame(*names), **options)
    assert told in str(caught.value)


def test_a_mapped_column_may_be_missing_in_one_file_but_not_in_all(tmp_path: Path) -> None:
    """Folders grow columns over the years; a column that no file has is a typo."""
    for name in ("a", "b"):
        pq.write_table(pa.table({"t": TIMES, name: [1.0, 2.0]}), tmp_path / f"{name}.parquet")
    options: dict[str, Any] = {"time_column": "t", "only": True}

    both = mp.read_history(tmp_path, points={"a": "Ws", "b": "P_avg"}, **options)
    assert mp.validate(both, MODEL).n_values == 4
    with pytest.raises(HistoryError, match=r"no column 'B' \(nearest: b\); it is named in points="):
        mp.read_history(tmp_path, points={"a": "Ws", "B": "P_avg"}, **options)


def test_a_history_of_which_nothing_would_be_read_is_refused() -> None:
    """A replay of nothing would end well."""
    with pytest.raises(HistoryError, match=r"only=True leaves no column to read: 'a', 'b' of"):
        mp.validate(mp.read_history(frame("a", "b"), only=True), MODEL)


def test_a_column_is_not_left_out_for_its_case_or_its_blanks() -> None:
    """Whoever trusts the names of the model would not miss it."""
    history = mp.read_history(frame("p avg", "Ws"), only=True)
    with pytest.raises(HistoryError, match=r"which has P_avg, .* points=\{'p avg': 'P_avg'\}"):
        mp.validate(history, MODEL)
    history = mp.read_history(frame("p avg", "Ws"), only=True, ignore=["p avg"])
    assert mp.validate(history, MODEL).n_values == 2


def test_many_columns_that_the_model_lacks_are_not_all_listed() -> None:
    """The first tells the mistake; only=True is the way out for the rest."""
    names = [f"other{n}" for n in range(40)]
    with pytest.raises(HistoryError) as caught:
        mp.validate(mp.read_history(frame("Ws", *names)), MODEL)
    assert "'other6' and 33 more" in str(caught.value)
    assert "columns of the model alone, give only=True" in str(caught.value)


def test_only_is_a_truth_value() -> None:
    """A list of columns would be taken for True."""
    with pytest.raises(HistoryError, match=r"only= must be True or False"):
        mp.read_history(frame("Ws"), only=["Ws"])  # type: ignore[arg-type]


def long_form(*names: str | None) -> pd.DataFrame:
    """Return a row for each name of a point."""
    return pd.DataFrame({"m": names, "v": 1.0}, index=pd.date_range("2024", periods=len(names),
                        tz="UTC"))  # fmt: skip


LONG: dict[str, Any] = {"point_column": "m", "value_column": "v"}


def test_in_the_long_form_only_the_points_of_the_model_are_read(tmp_path: Path) -> None:
    """The points of an export that nobody wants are no violations; a row without one is."""
    given = long_form("Ws", "x", "P_avg", "y", None)
    history = mp.read_history(given, only=True, **LONG)

    found = mp.validate(history, MODEL)

    assert (found.n_values, found.violations["row"].tolist()) == (3, [4])
    assert history.columns_left_out([MODEL]) == ["x", "y"]
    assert repr(history).endswith("; only the points of the thing model)")
    both = given.assign(d=["T1", "T1", "T1", "T2", "T2"])
    keys: dict[str, Any] = {"device_column": "d", "product_key": "p", "devices": "T1"}
    assert mp.validate(mp.read_history(both, only=True, **keys, **LONG), MODEL).n_values == 2


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("x", "y"), r"only=True leaves no point to read: 'x', 'y' of the history"),
        (("Ws", "p-avg"), r"the point 'p-avg' is not in the thing model, which has P_avg"),
    ],
)
def test_points_of_the_long_form_are_not_left_out_for_their_spelling(
    names: tuple[str, ...], told: str
) -> None:
    """As columns are not."""
    with pytest.raises(HistoryError, match=told):
        mp.validate(mp.read_history(long_form(*names), only=True, **LONG), MODEL)
