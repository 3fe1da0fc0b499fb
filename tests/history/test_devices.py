"""``devices=``: rows of other devices are as if they were not there, and are not read."""

from __future__ import annotations

import json
from decimal import Decimal
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
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.history import census as census_module
from mpreplay.history import history as history_module
from mpreplay.history.readings import read_slab
from mpreplay.model.device import Device
from mpreplay.model.model_set import ModelSet
from mpreplay.sources.parquet import ParquetSource

MODEL = ThingModel("M", {"P": Measurepoint("P", "INT"), "Q": Measurepoint("Q", "STRING")})
MODELS = {"a": MODEL, "b": MODEL}
FIXED: dict[str, Any] = {"time_column": "t", "device_column": "d", "product_key": "a"}
BOTH: dict[str, Any] = {"time_column": "t", "device_column": "d", "product_column": "p"}
QUIET: dict[str, Any] = {"progress": False, "allow_offline_sub_device": True}
DAY = pd.Timestamp("2024-01-01", tz="UTC")


def frame(keys: list[Any], products: list[Any] | None = None) -> pd.DataFrame:
    """Return a row for each key, with its number as the reading."""
    n = len(keys)
    times = DAY + pd.to_timedelta(np.arange(n), unit="s")
    found = pd.DataFrame({"t": times, "d": keys, "P": np.arange(n)})
    return found if products is None else found.assign(p=products)


def readings(history: mp.History, models: Any = MODELS) -> list[tuple[Any, ...]]:
    """Return the values of a history with their row, device, time and point, and the misfits."""
    found = ModelSet.of(models)
    window = (history.start, history.end)
    values = []
    for raw in history.slabs(found.all()):
        for part in read_slab(raw, found, Device("", ""), window):
            for column in part.columns:
                cells = column.values.to_pylist()
                cells += [None] * (len(column.at) - len(cells))
                for misfit in column.misfits:
                    cells[misfit.position] = ("misfit", misfit.check, misfit.text)
                for at, cell in zip(column.at.tolist(), cells, strict=True):
                    if cell is not None:
                        code = part.device[at]
                        device = tuple(part.devices[code]) if code >= 0 else None
                        point = column.point.identifier
                        values.append((int(part.rows[at]), device, int(part.time[at]), point, cell))
            for one in part.unreadable:
                values += [(int(part.rows[at]), one.check) for at in one.positions.tolist()]
    return sorted(values, key=repr)


def chosen(given: pd.DataFrame, wanted: list[Any]) -> pd.Series:
    """Return a mask of the rows of devices, by keys as texts or by pairs."""
    keys = given["d"].map(lambda key: None if pd.isna(key) else str(key))
    products = given["p"] if "p" in given else pd.Series(["a"] * len(given), index=given.index)
    pairs = pd.Series(list(zip(products, keys, strict=True)), index=given.index, dtype=object)
    return keys.isin([w for w in wanted if isinstance(w, str)]) | pairs.map(
        lambda pair: pair in {w for w in wanted if not isinstance(w, str)}
    ).astype(bool)


KEYS = st.sampled_from(["T1", "T2", "T10", "t1", "Tü", "", None])


@st.composite
def histories(draw: st.DrawFn) -> tuple[pd.DataFrame, list[Any], dict[str, Any]]:
    """Return a frame, some of its devices, and the roles of its columns."""
    whole = draw(st.booleans())
    keys = draw(st.lists(st.integers(1, 12) if whole else KEYS, min_size=1, max_size=40))
    by_product = draw(st.booleans())
    n = len(keys)
    products = draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=n, max_size=n))
    found = frame(keys, products if by_product else None)
    found["P"] = found["P"].astype(object)
    found.loc[draw(st.lists(st.integers(0, n - 1), max_size=4)), "P"] = "no number"
    found["t"] = found["t"].astype(object)
    found.loc[draw(st.lists(st.integers(0, n - 1), max_size=3)), "t"] = "no time"
    there = sorted({str(key) for key in keys if key not in (None, "")})
    pairs = sorted(
        {
            (product, str(key))
            for product, key in zip(products, keys, strict=True)
            if key not in (None, "")
        }
    )
    every: list[Any] = there + (pairs if by_product else [])
    wanted = draw(st.lists(st.sampled_from(every), min_size=1, max_size=4)) if every else []
    return found, wanted, BOTH if by_product else FIXED


@given(histories(), st.sampled_from(["frame", "table", "categorical"]), st.booleans())
@settings(deadline=None)
def test_devices_equals_filtering_the_frame_before(
    drawn: tuple[pd.DataFrame, list[Any], dict[str, Any]], form: str, long: bool
) -> None:
    """What is asked for is sent as if the rest were not there: values, misfits, unreadable rows."""
    whole, wanted, roles = drawn
    if not wanted:
        return
    models = {**MODELS, "c": MODEL} if "c" not in whole.get("p", ()) else MODELS
    if long:
        whole = whole.rename(columns={"P": "v"}).assign(m="P")
        roles = roles | {"point_column": "m", "value_column": "v"}
    mask = chosen(whole, wanted).to_numpy()
    part = whole[mask]
    given: Any = whole
    if form == "categorical":
        given = whole.assign(d=whole["d"].astype("category"))
    if form == "table":
        given = pa.Table.from_pandas(whole.astype({"t": str, ("v" if long else "P"): str}))
        given = given.drop_columns([n for n in given.column_names if n.startswith("__")])
        part = part.astype({"t": str, ("v" if long else "P"): str})

    found = readings(mp.read_history(given, devices=wanted, **roles), models)

    rows = np.flatnonzero(mask)
    expected = [
        (int(rows[row]), *rest) for row, *rest in readings(mp.read_history(part, **roles), models)
    ]
    assert found == sorted(expected, key=repr)
    assert mp.read_history(given, devices=wanted, **roles).n_rows_wanted == mask.sum()


@given(
    st.lists(st.sampled_from(["T1", "T2", "T3", None]), min_size=1, max_size=200),
    st.integers(1, 40),
    st.integers(1, 30),
    st.booleans(),
    st.sampled_from([None, 20, 90]),
)
@settings(deadline=None, max_examples=60)
def test_devices_of_a_file_are_those_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[str | None],
    group: int,
    slab: int,
    is_sorted: bool,
    start: int | None,
) -> None:
    """Row groups and slabs without a wanted row are left out, and no row with one."""
    if "T2" not in keys:
        keys = [*keys, "T2"]
    given = frame(sorted(keys, key=str) if is_sorted else keys)
    path = tmp_path_factory.mktemp("x") / "x.parquet"
    pq.write_table(pa.Table.from_pandas(given, preserve_index=False), path, row_group_size=group)
    begin = None if start is None else DAY + pd.Timedelta(seconds=start)
    mask = (given["d"] == "T2") & ((given["t"] >= begin) if begin is not None else True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "SLAB_ROWS", slab)
        patch.setattr(census_module, "ROWS", 7)
        history = mp.read_history(path, devices="T2", start=begin, **FIXED)

        assert [value[-1] for value in readings(history)] == sorted(
            given["P"][mask].tolist(), key=repr
        )


def test_row_groups_of_other_devices_are_not_read(tmp_path: Path) -> None:
    """A year of a park holds one device in a few row groups; the rest may even be damaged."""
    path = tmp_path / "x.parquet"
    given = frame(["T1"] * 100 + ["T2"] * 100 + [None] * 100 + ["T3"] * 100)
    given["Q"] = given["d"].map({"T1": "J" * 999}).fillna("ok")
    table = pa.Table.from_pandas(given, preserve_index=False)
    pq.write_table(table, path, row_group_size=100, compression="none", use_dictionary=["d"],
                   write_page_checksum=True)  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"J" * 999, b"K" * 999))

    with pytest.raises(HistoryError, match="cannot be read"):
        mp.validate(mp.read_history(path, devices="T1", **FIXED), MODEL)
    history = mp.read_history(path, devices=["T3"], **FIXED)
    assert mp.validate(history, MODEL).n_values == 200
    (source,) = history.sources
    assert isinstance(source, ParquetSource)
    assert list(source.cuts.values()) == [[(300, 400)], [(300, 400)]]


def test_whole_numbers_as_keys_are_ruled_out_by_their_size(tmp_path: Path) -> None:
    """As texts 9 lies behind 10, and as numbers before."""
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.Table.from_pandas(frame([9, 9, 10, 10, 111, 111]), preserve_index=False),
        path,
        row_group_size=2,
    )
    for key, rows in (("9", [0, 1]), (10, [2, 3]), ("111", [4, 5])):
        history = mp.read_history(path, devices=[key], **FIXED)
        assert [value[-1] for value in readings(history)] == rows


def test_folders_of_other_devices_are_not_opened(tmp_path: Path) -> None:
    """A tree by device has thousands of files, of which one device has a few."""
    for key in ("T1", "T2", "01"):
        (tmp_path / f"d={key}").mkdir()
        path = tmp_path / f"d={key}" / "x.parquet"
        pq.write_table(pa.Table.from_pandas(frame(["?"])[["t", "P"]], preserve_index=False), path)
    (tmp_path / "d=T2" / "x.parquet").write_bytes(b"PAR1 is all that is right here")

    history = mp.read_history(tmp_path, devices=["T1"], **FIXED)
    assert mp.validate(history, MODEL).n_values == 1
    assert len(history.sources) == 1
    assert "only of device T1; left out: 2 of other devices, by their folders" in repr(history)
    with pytest.raises(
        HistoryError, match=r"'T3', which occurs nowhere in column 'd' \(nearest: T"
    ):
        mp.read_history(tmp_path, devices=["T1", "T3"], **FIXED)
    # A folder's text may stand for a number in the file; here the file has no column of its own.
    with pytest.raises(
        HistoryError, match=r"'1', which occurs nowhere in column 'd' \(nearest: 01"
    ):
        mp.validate(mp.read_history(tmp_path, devices=[1], **FIXED), MODEL)


@pytest.mark.parametrize("as_file", [False, True])
def test_a_device_that_occurs_nowhere_is_told_before_anything_is_sent(
    tmp_path: Path, as_file: bool
) -> None:
    """A misspelt device would be a replay of nothing, which ends well."""
    given: Any = frame(["T1", "T2 ", "T10"])
    if as_file:
        pq.write_table(pa.Table.from_pandas(given, preserve_index=False), tmp_path / "x.parquet")
        given = tmp_path / "x.parquet"
    for wanted, told in [
        (["T2"], r"'T2', which occurs nowhere in column 'd' \(nearest: 'T2 '\)"),
        (["T1", "x", "y"], r"'x', which .*, nor do 1 more of them"),
        ([("b", "T1")], r"'b/T1', which occurs nowhere in column 'd' \(nearest: a/T1"),
        (("a", "T1"), r"a device by both its keys is a pair in a list: \[\('a', 'T1'\)\]"),
    ]:
        with pytest.raises(HistoryError, match=told):
            mp.plan(mp.read_history(given, devices=wanted, **FIXED), MODEL)


def test_a_device_without_a_reading_in_the_window_is_no_mistake(tmp_path: Path) -> None:
    """A job of one day must not end because a device stood still that day."""
    path = tmp_path / "x.parquet"
    table = pa.Table.from_pandas(frame(["T1", "T1", "T2", "T2"]), preserve_index=False)
    pq.write_table(table, path, row_group_size=2)

    history = mp.read_history(path, devices=["T1"], start=DAY + pd.Timedelta("2s"), **FIXED)

    assert mp.validate(history, MODEL).n_values == 0


def test_rows_of_other_devices_are_neither_read_nor_unread(tmp_path: Path) -> None:
    """The books of a run are of what was asked for, and its record says what that was."""
    given = frame(["T1", "T2", "T1", "T2", "T2"])
    given["P"] = given["P"].astype(object)
    given.loc[1, "P"] = "no number"
    history = mp.read_history(given, devices="T1", **FIXED)
    with mp.simulate(MODEL, sub_devices=[("a", "T1")], online=[("a", "T1")]) as platform:
        run = mp.replay(history, MODEL, platform.connection, **QUIET)
        stored = platform.stored()
    summary = run.summary()
    run.audit(tmp_path / "audit")
    manifest = json.loads((tmp_path / "audit" / "manifest.json").read_text())

    assert run.complete
    assert summary["read"] == summary["accepted"] == len(stored) == 2
    assert summary["rows"] == 2
    assert summary["unread_rows"] == 0
    assert manifest["settings"]["devices"] == ["T1"]


def test_a_run_is_continued_for_the_same_devices_only(tmp_path: Path) -> None:
    """Other devices are another history; their order is no difference."""
    given = frame(["T1", "T2", "T3"])
    online = [("a", "T1"), ("a", "T2"), ("a", "T3")]

    def replay(devices: Any) -> mp.Run:
        history = mp.read_history(given, devices=devices, **FIXED)
        return mp.replay(history, MODEL, platform.connection, journal=tmp_path / "run.db", **QUIET)

    with mp.simulate(
        MODEL, sub_devices=online, online=online, limits=mp.PlatformLimits(connects=None)
    ) as platform:
        replay(["T1", "T2"])
        replay(pd.Series(["T2", "T1"]))
        with pytest.raises(mp.JournalMismatch, match=r"devices was \['T1', 'T2'\] and is \['T1'\]"):
            replay("T1")


def test_devices_of_rejects_may_be_chosen(tmp_path: Path) -> None:
    """A user mends one device after the other."""
    given = frame(["T1", "T2"])
    given["P"] = ["x", "y"]
    with mp.simulate(
        MODEL, sub_devices=[("a", "T1"), ("a", "T2")], online=[("a", "T1"), ("a", "T2")]
    ) as platform:
        history = mp.read_history(given, **FIXED)
        run = mp.replay(history, MODEL, platform.connection, on_invalid="withhold", **QUIET)
    rejects = mp.read_history(run.rejects, devices=["T2"])
    assert [value[1] for value in readings(rejects)] == [("a", "T2")]


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        ([], "names no device"),
        (b"T1", "must be a list of device keys, .* got bytes"),
        (7, r"got 7 \(int\)"),
        ([None], "and has None"),
        ([True], r"and has True \(bool\)"),
        ([""], r"and has '' \(str\)"),
        ([("a", "b", "c")], r"and has \('a', 'b', 'c'\) \(tuple\)"),
        ([1.0], r"and has 1.0 \(float\)"),
    ],
)
def test_what_names_no_device_is_refused(devices: Any, told: str) -> None:
    """A frame would be taken for the list of its columns, and 1.0 for another key than 1."""
    with pytest.raises(HistoryError, match=told):
        mp.read_history(frame(["T1"]), devices=devices, **FIXED)
    with pytest.raises(HistoryError, match=r"got pandas\.DataFrame"):
        mp.read_history(frame(["T1"]), devices=frame(["T1"]), **FIXED)


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ({"product_key": "a", "device_key": "T1"}, "device_key='T1' is the device of all rows"),
        ({}, "all rows are of the connection's own device"),
    ],
)
def test_devices_are_chosen_from_a_column(roles: dict[str, Any], told: str) -> None:
    """With one device for all rows there is nothing to choose."""
    with pytest.raises(HistoryError, match=told):
        mp.read_history(frame(["T1"]), devices=["T1"], time_column="t", ignore=["d"], **roles)


def test_devices_come_from_any_list(tmp_path: Path) -> None:
    """Keys, pairs, both at once, numbers, and whatever can be gone through."""
    given = frame(["T1", "T2", "7", "T1"], ["a", "a", "b", "b"])
    for devices, rows in [
        ("T1", [0, 3]),
        (["T1"], [0, 3]),
        ({("b", "T1")}, [3]),
        ([["b", "T1"], "T2"], [1, 3]),
        ([Device("a", "T1"), "T1"], [0, 3]),
        (Device("a", "T1"), [0]),
        (iter([7]), [2]),
        (np.array([7]), [2]),
        (pd.Index(["T2", "7"]), [1, 2]),
        ({("b", "T1"): "secret"}, [3]),
    ]:
        history = mp.read_history(given, devices=devices, **BOTH)
        assert [value[-1] for value in readings(history)] == rows


@pytest.mark.parametrize("key", [b"1", Decimal(1), 1.0, True])
@pytest.mark.parametrize("as_table", [False, True])
def test_keys_that_are_no_texts_are_told_as_such(key: Any, as_table: bool) -> None:
    """That a device occurs nowhere would send a user to look for a misspelt key."""
    given: Any = frame([key]).astype({"d": object})
    if as_table:
        given = pa.table({"t": given["t"], "d": pa.array([key]), "P": [0]})
    with pytest.raises(HistoryError, match=r"column 'd' holds \w+.* as device keys; expected text"):
        mp.read_history(given, devices=["1"], **FIXED)
