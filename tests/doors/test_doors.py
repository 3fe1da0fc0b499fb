"""Doors: whatever holds the same rows makes the same requests, violations and stored values."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datafusion
import duckdb
import narwhals
import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from scripted import Clock, always, scripted_replay

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel

MODEL = ThingModel(
    "Turbine",
    {
        point.identifier: point
        for point in (
            Measurepoint("P", "DOUBLE", maximum=900),
            Measurepoint("n", "INT"),
            Measurepoint("note", "STRING", max_length=12),
            Measurepoint("mode", "ENUM", keys=(0, 1, 2)),
            Measurepoint("on", "BOOL"),
            Measurepoint("seen", "TIMESTAMP"),
            Measurepoint("bins", "ARRAY", item_type="DOUBLE"),
            Measurepoint(
                "blade", "STRUCT", members=(Measurepoint("a", "DOUBLE"), Measurepoint("b", "INT"))
            ),
        )
    },
)
N = 17_000  # more than a slab
ROLES: dict[str, Any] = {
    "time_column": "t", "device_column": "unit", "product_key": "turbine", "ignore": ["remark"],
}  # fmt: skip


def arrow_table() -> pa.Table:
    """Return readings of two turbines, some forbidden, some absent."""
    at = np.arange(N)
    times = pd.date_range("2024-03-01", periods=N // 2, freq="min", tz="UTC").as_unit("ns")
    return pa.table(
        {
            "t": pa.array(times.repeat(2)),
            "unit": pa.array(np.array(["T1", "Turbine zwölf"])[at % 2]),
            "P": pa.array(at / 20, mask=at % 97 == 0),
            "n": pa.array(at - 7, pa.int32()),
            "note": pa.array([None if n % 5 else f"größe {n % 400}" for n in range(N)]),
            "mode": pa.array(at % 4, pa.int8(), mask=at % 11 == 0),
            "on": pa.array(at % 3 == 0),
            "seen": pa.array(times.repeat(2)).cast(pa.timestamp("ms", "UTC")),
            "bins": pa.array([[n / 4, n / 2] if n % 50 == 0 else None for n in range(N)]),
            "blade": pa.array([{"a": n / 8, "b": n} if n % 70 == 0 else None for n in range(N)]),
            "remark": pa.array(["not a reading"] * N),
        }
    )


class Capsule:
    """An object with nothing but Arrow's C interface, as many rows at once as there are."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


class OneBatch:
    """An object with the C interface of a single batch."""

    def __init__(self, table: pa.Table) -> None:
        self._batch = table.combine_chunks().to_batches()[0]

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self._batch.__arrow_c_array__(requested_schema)


def cut(table: Any, step: int) -> Iterator[Any]:
    """Yield the rows of a frame or a table, a few at a time."""
    for first in range(0, N, step):
        yield table.iloc[first : first + step] if hasattr(table, "iloc") else table[first:][:step]


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Return NumPy columns and Python objects, as most frames have."""
    return table.to_pandas(timestamp_as_object=False)


def files(table: pa.Table, folder: Path) -> ds.Dataset:
    """Return a dataset of Parquet files, the turbine in the name of the folder."""
    for unit in ("T1", "Turbine zwölf"):
        rows = table.filter(pa.compute.equal(table["unit"], unit)).drop_columns(["unit"])
        (folder / f"unit={unit}").mkdir(parents=True)
        pq.write_table(rows, folder / f"unit={unit}" / "x.parquet", row_group_size=3_000)
    return ds.dataset(folder, partitioning="hive")


def ipc_files(table: pa.Table, folder: Path) -> ds.Dataset:
    """Return a dataset of Arrow files, which have to be scanned."""
    ds.write_dataset(
        table, folder, format="feather", max_rows_per_file=9_000, max_rows_per_group=2_000
    )
    return ds.dataset(folder, format="feather")


def filtered(table: pa.Table, folder: Path) -> ds.Dataset:
    """Return a dataset that leaves rows of its files out."""
    more = pa.concat_tables([table, table.slice(0, 1_000).set_column(
        1, "unit", pa.array(["another"] * 1_000))])  # fmt: skip
    pq.write_table(more, folder / "x.parquet", row_group_size=2_000)
    return ds.dataset(folder / "x.parquet").filter(ds.field("unit") != "another")


def query(table: pa.Table) -> Any:
    """Return a query with a decimal, an ENUM and times of a zone."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Europe/Paris'")
    connection.register("readings", table)
    connection.execute("CREATE TYPE unit AS ENUM ('T1', 'Turbine zwölf')")
    return connection.sql(
        "SELECT * REPLACE (P::DECIMAL(12, 4) AS P, unit::unit AS unit, t::TIMESTAMPTZ AS t) "
        "FROM readings"
    )


def in_polars(table: pa.Table) -> pl.DataFrame:
    """Return a frame with categories, an enumeration, string views and lists of polars."""
    return pl.from_arrow(table).with_columns(
        pl.col("unit", "note").cast(pl.Categorical),
        pl.col("remark").cast(pl.Enum(["not a reading"])),
    )


def in_datafusion(table: pa.Table) -> Any:
    """Return a query of DataFusion on one thread, so that its rows keep their order."""
    config = datafusion.SessionConfig().with_target_partitions(1)
    return datafusion.SessionContext(config).from_arrow(table)


Make = Callable[[pa.Table, Path], Any]
SOURCES: dict[str, Make] = {
    "pandas of NumPy": lambda table, _: to_pandas(table),
    "pandas of Arrow": lambda table, _: table.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas categories": lambda table, _: to_pandas(table).astype({"unit": "category"}),
    "table": lambda table, _: table,
    "table in pieces": lambda table, _: pa.concat_tables(list(cut(table, 777))),
    "batch": lambda table, _: table.combine_chunks().to_batches()[0],
    "reader": lambda table, _: table.to_reader(1_000),
    "capsule": lambda table, _: Capsule(table),
    "capsule of a batch": lambda table, _: OneBatch(table),
    "polars": lambda table, _: in_polars(table),
    "narwhals of polars": lambda table, _: narwhals.from_native(in_polars(table)),
    "narwhals of pandas": lambda table, _: narwhals.from_native(to_pandas(table)),
    "duckdb": lambda table, _: query(table),
    "duckdb's reader": lambda table, _: query(table).to_arrow_reader(5_000),
    "datafusion": lambda table, _: in_datafusion(table),
    "dataset in memory": lambda table, _: ds.dataset(table),
    "dataset of Arrow files": ipc_files,
    "dataset with a filter": filtered,
    "scanner": lambda table, _: ds.dataset(table).scanner(),
    "generator of frames": lambda table, _: cut(to_pandas(table), 7_000),
    "generator of Arrow frames": lambda t, _: cut(t.to_pandas(types_mapper=pd.ArrowDtype), 7_000),
    "generator of tables": lambda table, _: cut(table, 333),
    "generator of batches": lambda table, _: iter(table.to_batches(max_chunksize=5_000)),
    "generator of polars": lambda table, _: in_polars(table).iter_slices(9_000),
    "generator of capsules": lambda table, _: map(Capsule, cut(table, 4_000)),
}


def told_of(source: Any, **roles: Any) -> tuple[Any, ...]:
    """Return the violations and the requests of a source."""
    history = mp.read_history(source, **{**ROLES, **roles})
    validation = mp.validate(history, MODEL)
    found = validation.violations.drop(columns="source")
    with pytest.MonkeyPatch.context() as patch:
        run, sent = scripted_replay(
            patch, always, history, MODEL, clock=Clock(1_700_000_000.0), on_invalid="withhold",
            limits=mp.Limits(connects=None),
        )  # fmt: skip
    assert run.complete
    return validation.n_values, validation.n_violations, found, [one for _, one in sent.published]


def entries_of(requests: list[bytes]) -> list[bytes]:
    """Return the entries of all requests, sorted: a slab ends with its source."""
    entries = [entry for request in requests for entry in orjson.loads(request)["params"]]
    return sorted(map(orjson.dumps, entries))


@pytest.fixture(scope="module")
def expected() -> tuple[Any, ...]:
    """Return what a frame of pandas gives."""
    return told_of(to_pandas(arrow_table()))


@pytest.mark.parametrize("kind", SOURCES)
def test_the_same_rows_are_the_same_requests_from_whatever_holds_them(
    kind: str, tmp_path: Path, expected: tuple[Any, ...]
) -> None:
    """Whoever moves from pandas to polars, a query or a stream sends not one other byte."""
    n_values, n_violations, violations, requests = told_of(SOURCES[kind](arrow_table(), tmp_path))

    assert (n_values, n_violations) == expected[:2]
    pd.testing.assert_frame_equal(violations, expected[2])
    assert requests == expected[3]
    assert n_violations > 2_000


def test_files_of_a_dataset_are_read_as_files_of_a_folder(tmp_path: Path) -> None:
    """A folder and the dataset of it are one history, row by row."""
    dataset = files(arrow_table(), tmp_path)
    one, other = (mp.read_history(source, **ROLES) for source in (dataset, tmp_path))

    assert [s.name for s in one.sources] == [s.name for s in other.sources]
    assert [s.fingerprint(["unit"]) for s in one.sources] == [
        s.fingerprint(["unit"]) for s in other.sources
    ]
    n_values, n_violations, found, requests = told_of(dataset)
    again = told_of(tmp_path)
    assert (n_values, n_violations, requests) == (*again[:2], again[3])
    pd.testing.assert_frame_equal(found, again[2])


def test_a_list_of_frames_sends_what_the_frames_hold(expected: tuple[Any, ...]) -> None:
    """A frame a device or a month is how many people keep their readings."""
    table = arrow_table()
    parts = [to_pandas(table[:9_000]), table[9_000:12_000], in_polars(table[12_000:])]

    n_values, n_violations, _, requests = told_of(parts)

    assert (n_values, n_violations) == expected[:2]
    assert entries_of(requests) == entries_of(expected[3])
    starts = [0, 9_000, 12_000]
    names = [s.name for s in mp.read_history(parts, **ROLES).sources]
    assert names == ["DataFrame 1", "Table 2", "DataFrame 3"]
    found = mp.validate(mp.read_history(parts, **ROLES), MODEL).violations
    rows = found["row"] + found["source"].map(dict(zip(names, starts, strict=True)))
    assert sorted(rows) == sorted(expected[2]["row"])


def test_what_is_stored_is_the_same_whatever_held_it(tmp_path: Path) -> None:
    """From the source to the platform and back, over a real connection."""
    table = arrow_table()[:600]
    kinds = ["pandas of NumPy", "polars", "duckdb", "reader", "generator of frames", "capsule"]
    devices = [(kind, unit) for kind in kinds for unit in ("T1", "Turbine zwölf")]
    with mp.simulate(
        MODEL, sub_devices=devices, online=devices, limits=mp.PlatformLimits(connects=None)
    ) as platform:
        for kind in kinds:
            (tmp_path / kind).mkdir()
            source = SOURCES[kind](table, tmp_path / kind)
            history = mp.read_history(source, **{**ROLES, "product_key": kind})
            mp.replay(
                history, MODEL, platform.connection, on_invalid="withhold", progress=False,
                allow_offline_sub_device=True, limits=mp.Limits(connects=None),
            )  # fmt: skip
        stored = platform.stored()

    parts = [stored[stored["product_key"] == kind] for kind in kinds]
    first, *others = [one.drop(columns="product_key").reset_index(drop=True) for one in parts]
    assert len(first) > 2_000
    for other in others:
        pd.testing.assert_frame_equal(first, other)


KINDS: dict[str, Any] = {
    "decimals": [decimal.Decimal("1.10"), None],
    "dates": [dt.date(2024, 1, 1), None],
    "categories": pl.Series(["a", "b"], dtype=pl.Categorical),
    "an enumeration": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])),
    "arrays": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
    "structs": [{"a": 1, "b": "x"}, None],
    "structs with categories": pl.Series(
        [{"a": "x"}, {"a": "y"}], dtype=pl.Struct({"a": pl.Categorical})
    ),
    "lists of structs": [[{"a": ["x"]}], None],
    "nothing": [None, None],
    "unsigned": pl.Series([2**63, 1], dtype=pl.UInt64),
    "times of a zone": pl.Series([1, 2]).cast(pl.Datetime("ns", "Europe/Paris")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_polars_is_the_same_in_memory_and_in_a_stream(kind: str) -> None:
    """Views, dictionaries of views and large lists are layouts, and no other values."""
    frame = pl.DataFrame({"t": pl.Series([1, 2]).cast(pl.Datetime("ms", "UTC")), "x": KINDS[kind]})
    model = ThingModel("M", {}, pass_through=True)
    sources = (frame, frame.to_arrow(), frame.iter_slices(1), Capsule(frame.to_arrow()))

    plans = [
        mp.plan(mp.read_history(source, time_column="t"), model, gateway=("p", "d"))
        for source in sources
    ]

    assert len({(plan.n_sent, plan.n_bytes) for plan in plans}) == 1


def in_two(table: pa.Table, folder: Path) -> tuple[Path, Path]:
    """Write a table into two files of row groups of two rows."""
    paths = folder / "a.parquet", folder / "b.parquet"
    for path, part in zip(paths, (table[:6], table[6:]), strict=True):
        pq.write_table(part, path, row_group_size=2)
    return paths


def subset(folder: Path) -> ds.Dataset:
    """Return a dataset of some row groups of a file."""
    whole = ds.dataset(folder / "a.parquet")
    (fragment,) = whole.get_fragments()
    parts = [fragment.subset(row_group_ids=[0, 2])]
    return ds.FileSystemDataset(parts, whole.schema, whole.format, whole.filesystem)


WIDER = pa.schema([("t", pa.timestamp("ms", "UTC")), ("n", pa.float64()), ("later", pa.string())])
DATASETS: dict[str, Callable[[Path], ds.Dataset]] = {
    "a folder": ds.dataset,
    "of a union": lambda folder: ds.dataset(
        [ds.dataset(folder / "a.parquet"), ds.dataset(folder / "b.parquet")]
    ),
    "some row groups": subset,
    "other types, and a column that no file has": lambda f: ds.dataset(f, schema=WIDER),
    "a filter": lambda folder: ds.dataset(folder).filter(ds.field("n") > 4),
    "two filters": lambda f: ds.dataset(f).filter(ds.field("n") > 1).filter(ds.field("n") < 8),
    "a filter of a union": lambda folder: ds.dataset(
        [ds.dataset(folder / "a.parquet"), ds.dataset(folder / "b.parquet")]
    ).filter(ds.field("n") > 4),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_a_dataset_gives_the_rows_that_its_own_table_has(kind: str, tmp_path: Path) -> None:
    """Filters, row groups and types are the dataset's to say, not the files'."""
    model = ThingModel("M", {}, pass_through=True)
    times = pa.array(range(10), pa.timestamp("ms", "UTC"))
    in_two(pa.table({"t": times, "n": range(10)}), tmp_path)
    dataset = DATASETS[kind](tmp_path)

    read = mp.read_history(dataset, time_column="t")

    rows = [
        (t.as_py(), n.as_py())
        for slab in read.slabs([model])
        for t, n in zip(slab.columns["t"], slab.columns["n"], strict=True)
    ]
    wanted = dataset.to_table().to_pydict()
    assert rows == list(zip(wanted["t"], wanted["n"], strict=True))
    assert len(rows) > 2


def test_a_query_whose_connection_is_closed_says_so() -> None:
    """It is run when its rows are needed, not before."""
    connection = duckdb.connect()
    query = connection.sql("SELECT TIMESTAMPTZ '2024-01-01' AS t, 1.5 AS P")
    history = mp.read_history(query, time_column="t")
    connection.sql("SELECT 1").fetchall()  # nothing of the history is in the way of others
    connection.close()

    with pytest.raises(HistoryError, match=r"DuckDBPyRelation: .* already been closed"):
        mp.validate(history, MODEL)


def test_a_file_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    """A folder and a file of it in one list would send the file twice."""
    first, second = in_two(arrow_table()[:10], tmp_path)

    history = mp.read_history([second, tmp_path, str(first)], **ROLES)

    assert [source.name for source in history.sources] == [str(second), str(first)]
    assert [one.rule for one in history.left_out] == ["again", "again"]


def test_a_name_is_in_what_is_said_of_a_source() -> None:
    """Five frames that are all called DataFrame lead nobody to the right one."""
    frame = to_pandas(arrow_table()[:600])
    history = mp.read_history(frame, name="north", **ROLES)
    assert repr(history).startswith("History(north: 600 rows")
    assert set(mp.validate(history, MODEL).violations["source"]) == {"north"}
    with pytest.raises(HistoryError, match="north: there is no column 'when'"):
        mp.read_history(frame, name="north", **{**ROLES, "time_column": "when"})
    pair = mp.read_history([frame, iter([frame])], name="north", **ROLES)
    assert [source.name for source in pair.sources] == ["north 1", "north 2"]
