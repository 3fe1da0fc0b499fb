"""What a history shows of itself: true, safe, and without a look at its rows."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpreplay as mp
from mpreplay.history.history import History
from mpreplay.history.roles import Columns
from mpreplay.history.shown import in_notebook
from mpreplay.sources.source import FrameSource

EVIL = "<script>alert(1)</script>\u202e"


def text_of(shown: str) -> str:
    """Return the text of what a notebook shows, each cell a word."""
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", shown)))


def frame_of(n: int = 3, **columns: Any) -> pd.DataFrame:
    """Return a frame with times, a device and a point."""
    times = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC")
    return pd.DataFrame({"ts": times, "unit": "T1", "P": 1.5, **columns})


def history_of(source: Any, **roles: Any) -> History:
    """Return a history with the roles of its keys."""
    keys = {"time_column": "ts", "device_column": "unit", "product_key": "wind"}
    return mp.read_history(source, **{**keys, **roles})


def test_a_file_is_shown_without_a_look_at_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history of a year must show itself at once."""
    frame_of().to_parquet(tmp_path / "x.parquet")
    history = history_of(tmp_path / "x.parquet")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("rows are read")

    for name in ("iter_batches", "read", "read_row_group", "read_row_groups"):
        monkeypatch.setattr(pq.ParquetFile, name, refuse)
    said = text_of(history._repr_html_())

    assert "3 rows of" in said
    assert "Times 2024-01-01 00:00:00 to 2024-01-01 02:00:00 UTC." in said
    assert "ts time timestamp" in said
    assert "unit device key string P point P double" in said
    assert "Of each row: product wind." in said


@pytest.mark.parametrize(
    ("times", "roles", "said"),
    [
        (pd.date_range("2024-01-01", periods=2, freq="D"), {"tz": "Europe/Paris"},
         "Times 2024-01-01 00:00:00 to 2024-01-02 00:00:00 (Europe/Paris)."),
        ([1_704_067_200, 1_704_067_260], {"time_unit": "s"},
         "Times 2024-01-01 00:00:00 to 2024-01-01 00:01:00 UTC."),
        (["2024-01-01T00:00Z", "2024-01-02T00:00Z"], {}, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_file", [True, False])
def test_the_span_is_that_of_the_times_as_they_stand(
    times: Any, roles: dict[str, str], said: str | None, is_file: bool, tmp_path: Path
) -> None:
    """Local times are called so, and the order of texts is no order of times."""
    frame = pd.DataFrame({"ts": times, "unit": "T1", "P": 1.5})
    frame.to_parquet(tmp_path / "x.parquet")
    shown = text_of(history_of(tmp_path / "x.parquet" if is_file else frame, **roles)._repr_html_())

    if said is None or (not is_file and "time_unit" in roles):
        assert "Times" not in shown
    else:
        assert said in shown


def test_one_file_without_statistics_leaves_the_span_unknown(tmp_path: Path) -> None:
    """Half a truth is no span."""
    frame_of().to_parquet(tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pandas(frame_of()), tmp_path / "b.parquet", write_statistics=False)
    shown = text_of(history_of(tmp_path)._repr_html_())

    assert "6 rows, of 2 sources" in shown
    assert "Times" not in shown


def test_a_file_that_has_gone_is_shown_all_the_same(tmp_path: Path) -> None:
    """A cell that is shown again must not fail."""
    frame_of().to_parquet(tmp_path / "x.parquet")
    history = history_of(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").unlink()

    assert "3 rows of" in text_of(history._repr_html_())


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    """Files, columns, times."""
    frame_of(Note="x").to_parquet(tmp_path / "x.parquet")
    (tmp_path / "notes.txt").write_text("x")
    history = history_of(tmp_path, ignore=["Note"], start="2024-01-01", end="2024-01-02")
    shown = text_of(history._repr_html_())

    assert "Left out: 1 of another ending (.txt)." in shown
    assert "Only times from 2024-01-01 00:00:00 UTC and before 2024-01-02 00:00:00 UTC" in shown
    assert "Note left out string" in shown


def test_columns_are_shown_with_what_they_are() -> None:
    """A mapping is wrong in one line of forty; it has to be seen."""
    frame = frame_of(Leistung=1, Q=0).rename(columns={"P": "Run"})
    history = history_of(frame, points={"Leistung": "P"}, quality={"Leistung": "Q"})
    shown = text_of(history._repr_html_())

    assert "wide, time ts, device unit, Leistung as P" in repr(history)
    assert "Leistung point P int64" in shown
    assert "Q quality of Leistung int64" in shown
    assert "Run point Run float64" in shown


def test_the_long_form_names_its_columns() -> None:
    """The rest of them is left out."""
    frame = frame_of(point="P", value=1.5, other=0)
    history = history_of(frame, point_column="point", value_column="value")
    shown = text_of(history._repr_html_())

    assert "point name of the point" in shown
    assert "value value float64" in shown
    assert "other left out int64" in shown
    assert "long, time ts, device unit, point point" in repr(history)


def test_how_cells_become_values_is_told() -> None:
    """A factor of a thousand is what one looks for."""
    form = mp.Column("P", scale=0.001, suffix=" W", absent=("-",), values={"ON": 1}, labels=True)
    columns = Columns(time="ts", points={"P": "P"}, forms={"P": form}, device_key="T1")
    source = FrameSource(frame_of(), time_from_index=False)
    shown = text_of(in_notebook([source], columns, (None, None), ()))

    assert "point P (1 word; labels; times 0.001; without W; absent: -)" in shown
    assert "Of each row: device T1." in shown


def test_the_index_of_a_frame_is_a_column_too() -> None:
    """It holds the times."""
    shown = text_of(mp.read_history(frame_of().set_index("ts")[["P"]])._repr_html_())

    assert "(index) time datetime64" in shown
    assert "No device is named: values are those of the connection's own device." in shown


def test_names_from_data_stay_text(tmp_path: Path) -> None:
    """Columns of others, folders of others."""
    folder = tmp_path / "a&lt;b>"
    folder.mkdir()
    frame_of(**{EVIL: 1}).to_parquet(folder / "x.parquet")
    shown = history_of(folder / "x.parquet", points={EVIL: EVIL})._repr_html_()

    assert "<script" not in shown
    assert "\u202e" not in shown
    assert "a&amp;lt;b&gt;" in shown


def test_a_history_of_many_files_and_columns_fits_a_screen(tmp_path: Path) -> None:
    """What is not shown is counted."""
    wide = frame_of(**{f"P{n}": 1.0 for n in range(60)})
    for n in range(9):
        wide.to_parquet(tmp_path / f"{n}.parquet")
    shown = history_of(tmp_path, ignore=[f"P{n}" for n in range(50, 60)])._repr_html_()

    assert shown.count("<tr") < 30
    assert "Sources, the first 6 of 9" in shown
    assert "47 more, 10 of them left out" in shown
