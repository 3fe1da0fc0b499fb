"""Reading histories: every source, lazily, and no more of it than is needed."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.history.history import SLAB_ROWS

MODEL = ThingModel("M", {n: Measurepoint(n, "DOUBLE") for n in ("P", "T", "year")})
STRICT = ThingModel("M", {"P": Measurepoint("P", "DOUBLE", maximum=-1)})  # faults every value


def table(first: str = "2024-01-01", n: int = 4, **columns: Any) -> pa.Table:
    """Return hourly readings of P, and other columns."""
    times = pd.date_range(first, periods=n, freq="h", tz="UTC")
    return pa.table({"t": pa.array(times), "P": np.arange(float(n)), **columns})


def rows(history: mp.History) -> list[tuple[str, int]]:
    """Return the file and the row of each value, by way of a model that forbids them all."""
    found = mp.validate(history, STRICT).violations
    return [(Path(s).name, int(r)) for s, r in zip(found["source"], found["row"], strict=True)]


@pytest.mark.parametrize("kind", ["frame", "table", "batch", "file", "text", "folder", "glob"])
def test_every_kind_of_source_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    """Moving from a notebook's frame to a folder of files changes nothing."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path)
    source = {
        "frame": table().to_pandas(), "table": table(), "batch": table().to_batches()[0],
        "file": path, "text": str(path), "folder": tmp_path, "glob": str(tmp_path / "*.parquet"),
    }[kind]  # fmt: skip

    history = mp.read_history(source, time_column="t")

    assert [row for _, row in rows(history)] == [0, 1, 2, 3]
    assert history.n_rows == 4
    assert "4 rows, wide" in repr(history)


def test_files_of_a_folder_are_read_in_order_without_leftovers_of_writers(tmp_path: Path) -> None:
    """Row places are per file, so the order must be the same on every machine."""
    for name in ("b", "a", "_tmp", ".hidden"):
        pq.write_table(table(n=1), tmp_path / f"{name}.parquet")

    assert rows(mp.read_history(tmp_path, time_column="t")) == [("a.parquet", 0), ("b.parquet", 0)]


def test_hive_partitions_are_columns_where_they_are_named(tmp_path: Path) -> None:
    """Spark puts the key into the folder; one that nobody named is left out."""
    for turbine in ("T1", "T%202", "__HIVE_DEFAULT_PARTITION__"):
        folder = tmp_path / "day=1" / f"turbine={turbine}"
        folder.mkdir(parents=True)
        pq.write_table(table(n=1), folder / "x.parquet")
    for source in (tmp_path, str(tmp_path / "*" / "*" / "*.parquet"), f"{tmp_path}/**/*.parquet"):
        history = mp.read_history(source, time_column="t", device_column="turbine", product_key="p")
        found = mp.validate(history, STRICT).violations

        values = found[found["check"] == "range"]
        assert sorted(values["device_key"]) == ["", "T 2", "T1"]
        assert found["check"].tolist().count("device") == 1


def test_the_time_itself_may_stand_in_the_folder(tmp_path: Path) -> None:
    """Daily totals are kept like this, and then no column of the file is a key."""
    for day in (1, 2):
        folder = tmp_path / f"day=2024-01-0{day}"
        folder.mkdir()
        pq.write_table(pa.table({"P": [float(day)]}), folder / "x.parquet")

    validation = mp.validate(mp.read_history(tmp_path, time_column="day", tz="UTC"), STRICT)

    assert validation.violations["time"].dt.day.tolist() == [1, 2]
    assert validation.n_conflicts == 0


@pytest.mark.parametrize("group", [1_000, 16_384, 200_000])
def test_slabs_hold_16384_rows_however_the_file_is_cut(tmp_path: Path, group: int) -> None:
    """Tiny row groups must not become tiny slabs, nor huge ones huge slabs."""
    n = 40_000
    path = tmp_path / "x.parquet"
    times = pd.date_range("2024", periods=n, freq="s", tz="UTC")
    pq.write_table(
        pa.table({"t": pa.array(times), "P": np.arange(float(n))}), path, row_group_size=group
    )
    for source in (path, pq.read_table(path), pq.read_table(path).to_pandas()):
        slabs = list(mp.read_history(source, time_column="t").slabs([MODEL]))

        assert [slab.n_rows for slab in slabs] == [SLAB_ROWS, SLAB_ROWS, n - 2 * SLAB_ROWS]
        assert [slab.first_row for slab in slabs] == [0, SLAB_ROWS, 2 * SLAB_ROWS]
        assert slabs[2].columns["P"][0].as_py() == 2 * SLAB_ROWS


def test_a_very_wide_history_has_shorter_slabs() -> None:
    """Memory goes by cells, not by rows."""
    model = ThingModel("M", {f"p{n}": Measurepoint(f"p{n}", "DOUBLE") for n in range(400)})
    frame = pd.DataFrame(
        np.zeros((12_000, 400)), columns=list(model.measurepoints),
        index=pd.date_range("2024", periods=12_000, freq="s", tz="UTC"),
    )  # fmt: skip

    assert [s.n_rows for s in mp.read_history(frame).slabs([model])] == [2_048] * 5 + [1_760]


def corrupted(path: Path, group: int) -> None:
    """Overwrite the pages of a row group."""
    metadata = pq.ParquetFile(path).metadata.row_group(group)
    data = bytearray(path.read_bytes())
    for n in range(metadata.num_columns):
        column = metadata.column(n)
        start = column.dictionary_page_offset or column.data_page_offset
        data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_row_groups_outside_the_window_are_not_read(tmp_path: Path, unit: str) -> None:
    """A month out of ten years must not cost ten years: here the rest is unreadable."""
    path = tmp_path / "x.parquet"
    times = pa.array(pd.date_range("1969-12-31", periods=72, freq="h", tz="UTC"))
    readings = pa.table({"t": times.cast(pa.timestamp(unit, tz="UTC")), "P": np.arange(72.0)})
    pq.write_table(readings, path, row_group_size=24, use_dictionary=False)
    corrupted(path, 0)
    corrupted(path, 2)
    window = {"start": "1970-01-01", "end": "1970-01-02"}

    inside = mp.read_history(path, time_column="t", plausible=None, **window)

    assert [row for _, row in rows(inside)] == list(range(24, 48))
    with pytest.raises(HistoryError, match=r"x\.parquet: cannot be read"):
        mp.validate(mp.read_history(path, time_column="t", plausible=None), MODEL)


def test_a_row_group_with_a_row_without_time_is_read_whatever_the_window(tmp_path: Path) -> None:
    """Such a row is a violation wherever it stands; skipping its group would hide it."""
    path = tmp_path / "x.parquet"
    times = pa.array([None, *pd.date_range("2020", periods=3, freq="h", tz="UTC")])
    readings = pa.table({"t": times, "P": [1.0, 2.0, 3.0, 4.0]})
    pq.write_table(readings, path)
    options = {"time_column": "t", "start": "2024-01-01"}

    for source in (path, readings):
        validation = mp.validate(mp.read_history(source, **options), MODEL)
        assert validation.violations["check"].tolist() == ["time"]


def test_start_is_inside_and_end_is_not() -> None:
    """Windows that meet must neither overlap nor leave a gap, whatever zone they are given in."""
    cuts = ["2024-01-01", "2024-01-01T03:00+01:00", "9999-12-31"]
    parts = [
        [row for _, row in rows(mp.read_history(table(), time_column="t", start=a, end=b))]
        for a, b in pairwise(cuts)
    ]

    assert parts == [[0, 1], [2, 3]]


@pytest.mark.parametrize("value", ["soon", 5, np.int64(5), None.__class__, pd.NaT])
def test_a_bound_that_is_no_time_is_refused(value: Any) -> None:
    """A number would be a time of 1970."""
    with pytest.raises(HistoryError, match=r"start .* is not a time"):
        mp.read_history(table(), time_column="t", start=value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "2024", "end": "2024"}, "must be before"),
        ({"device_column": "P"}, "product_key= or product_column="),
        ({"product_key": "p"}, "device_key= or device_column="),
        ({"device_column": "P", "device_key": "d", "product_key": "p"}, "not both"),
        ({"device_key": "d", "product_key": "p", "product_column": "P"}, "not both"),
        ({"point_column": "P"}, "needs both point_column= and value_column="),
        ({"quality_column": "P"}, "belongs to the long form"),
        ({"point_column": "P", "value_column": "P", "points": {"P": "P"}}, "the wide form"),
        ({"time_unit": "min"}, "time_unit must be one of"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused_at_once(
    options: dict[str, Any], message: str
) -> None:
    """The error stands at the call, not in the middle of a run."""
    with pytest.raises(HistoryError, match=message) as caught:
        mp.read_history(table(), time_column="t", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.parquet", "there is no such file, folder or pattern"),
        ("nowhere/*.parquet", "no file matches"),
        ([1, 2], "not list"),
        (None, "not NoneType"),
    ],
)
def test_a_source_that_is_none_is_refused(source: Any, message: str) -> None:
    """The message says what a history may be."""
    with pytest.raises(HistoryError, match=message):
        mp.read_history(source, time_column="t")


def test_an_empty_folder_and_a_missing_time_column_are_refused(tmp_path: Path) -> None:
    """Nothing found is more often a typo than nothing to do."""
    with pytest.raises(HistoryError, match="holds no file of readings"):
        mp.read_history(tmp_path, time_column="t")
    with pytest.raises(HistoryError, match="name the time with time_column="):
        mp.read_history(table())
    with pytest.raises(HistoryError, match="there is no column 'ts'"):
        mp.validate(mp.read_history(table(), time_column="ts"), MODEL)


def test_a_column_mapped_in_some_files_only_is_an_error_where_no_file_has_it(
    tmp_path: Path,
) -> None:
    """A typo in points= must not pass because files may differ."""
    pq.write_table(table(), tmp_path / "a.parquet")

    with pytest.raises(HistoryError, match="there is no column 'p2'"):
        mp.validate(mp.read_history(tmp_path, time_column="t", points={"p2": "T"}), MODEL)


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path) -> None:
    """Remarks and spare columns cost no reading."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(remark=["x"] * 4), path)

    (slab,) = mp.read_history(path, time_column="t", ignore=["remark"]).slabs([MODEL])

    assert list(slab.columns) == ["t", "P"]


def frames() -> list[pd.DataFrame]:
    """Return frames that differ from the first, each in one thing."""
    base = pd.DataFrame({"P": [1.0, 2.0], "l": [[1, 2], None]}, index=pd.Index(["a", "b"]))
    return [
        base, base.iloc[::-1], base.set_index(pd.Index(["a", "c"])),
        base.rename(columns={"P": "T"}), base.astype({"P": "float32"}),
        base.assign(P=[1.0, 2.5]), base.assign(l=[[1, 3], None]), base.iloc[:1],
        base.assign(l=[np.arange(5_000), None]),
        base.assign(l=[np.where(np.arange(5_000) == 2_500, -1, np.arange(5_000)), None]),
    ]  # fmt: skip


def print_of(source: Any, *ignore: Any) -> str:
    """Return the fingerprint of all columns of a source in memory, except ignored ones."""
    frame = isinstance(source, pd.DataFrame)
    history = mp.read_history(source, time_column=None if frame else "t", ignore=ignore)
    (found,) = history.sources
    return found.fingerprint([name for name in found.columns if name not in ignore])


def test_a_fingerprint_tells_any_change_and_is_the_same_for_a_copy() -> None:
    """A journal is continued only with the history it belongs to: order and kind count too."""
    prints = [print_of(f) for f in frames()]
    again = [print_of(f.copy()) for f in frames()]

    assert len(set(prints)) == len(prints)
    assert prints == again


def test_the_fingerprint_of_a_table_is_that_of_its_values() -> None:
    """How a table is cut into chunks, or that it holds structs, is no difference."""
    one = table(s=[{"x": 1}, None, {"x": 2}, {"x": 3}])
    two = pa.concat_tables([one.slice(0, 1), one.slice(1)])

    assert len({print_of(one), print_of(two)}) == 1


class Shy:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


UNREADABLE: dict[str, Any] = {
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
    ),
    "the year 10000": pa.array([2_932_897, 0], pa.int32()).view(pa.date32()),
    "dictionary with a null": pa.DictionaryArray.from_arrays([0, 1], pa.array(["a", None])),
    "objects": [Shy(), Shy()],
    "views": pd.array(["a", "b"], dtype=pd.ArrowDtype(pa.string_view())),
    "longdouble": np.ones(2, np.longdouble),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_column_that_is_left_out_is_not_looked_at(name: str) -> None:
    """ignore= is the way out for a column that nothing can read."""
    other = UNREADABLE[name]
    if isinstance(other, pa.Array):
        one: Any = table(n=2, u=other)
        two: Any = table(n=2, u=[1.0, 2.0])
    else:
        one = table(n=2).to_pandas().set_index("t").assign(u=other)
        two = one.assign(u=[1.0, 2.0])

    assert print_of(one, "u") == print_of(two, "u")
    time = {} if isinstance(one, pd.DataFrame) else {"time_column": "t"}
    history = mp.read_history(one, ignore=["u"], **time)
    assert mp.validate(history, MODEL).n_values == 2
    assert mp.plan(history, MODEL, gateway=("p", "d")).n_sent == 2


def test_a_table_is_not_copied_for_its_fingerprint() -> None:
    """A table of the size of the memory has no room for a second one."""
    source = table(n=1_000_000)
    before, peak = pa.total_allocated_bytes(), []
    (found,) = mp.read_history(source, time_column="t").sources
    read = type(found).read

    def watched(*args: Any) -> Any:
        for part in read(*args):
            peak.append(pa.total_allocated_bytes())
            yield part

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(found), "read", watched)
        found.fingerprint(["t", "P"])

    assert max(peak) - before < source.nbytes // 4


def test_a_file_replaced_between_opening_and_reading_is_noticed(tmp_path: Path) -> None:
    """Same size, other content: the time of change gives it away."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path)
    history = mp.read_history(path, time_column="t")
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))

    with pytest.raises(HistoryError, match="changed while it was read"):
        mp.validate(history, MODEL)
