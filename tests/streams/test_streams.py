"""Streams: read once, kept as Parquet, and never half used."""

from __future__ import annotations

import datetime as dt
import decimal
import gc
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.sources.weights import SLAB_BYTES
from mpreplay.streams import spool as spool_module
from mpreplay.streams.spool import Spool

NAIVE = dt.datetime(2024, 1, 1, 12)  # noqa: DTZ001
MODEL = ThingModel("M", {"P": Measurepoint("P", "DOUBLE"), "s": Measurepoint("s", "STRING")})


def table(n: int = 10, first: int = 0, **columns: Any) -> pa.Table:
    """Return readings, one a minute."""
    at = np.arange(first, first + n)
    times = pd.to_datetime(at, unit="min", utc=True, origin="2024-01-01")
    return pa.table({"t": pa.array(times), "P": at / 4, **columns})


def history_of(source: Any, **options: Any) -> mp.History:
    """Return a history with its time in the column t."""
    return mp.read_history(source, **{"time_column": "t", **options})


def values_of(history: mp.History, name: str = "P") -> list[Any]:
    """Return the cells of a column of all slabs."""
    return [
        cell for slab in history.slabs([MODEL]) for cell in (c.as_py() for c in slab.columns[name])
    ]


def test_a_stream_is_read_at_its_first_use_and_once() -> None:
    """To look at a history costs nothing, and a second look costs no second query."""
    taken = []

    def batches() -> Iterator[pa.Table]:
        for number in range(3):
            taken.append(number)
            yield table(first=10 * number)

    history = history_of(batches())
    assert repr(history) == "History(generator: a stream, not read yet, wide, time t)"
    assert taken == [0]
    assert mp.validate(history, MODEL).n_values == 30
    assert mp.validate(history, MODEL).n_values == 30
    assert taken == [0, 1, 2]
    assert repr(history) == "History(generator: 30 rows, wide, time t)"


def test_a_reader_is_not_touched_before_its_first_use() -> None:
    """An open result may block its connection; nobody has asked for a row yet."""
    reader = table(30).to_reader(10)
    history_of(reader)

    assert reader.read_all().num_rows == 30


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.lists(st.integers(1, 40)))
def test_equal_rows_are_equal_bytes_however_the_stream_is_cut(
    first: list[int], other: list[int]
) -> None:
    """A second stream of the same rows continues the run, whatever its batches are."""
    n = sum(first)
    words = pa.array([f"{'x' * (k % 17)}{k}" for k in range(n)])
    whole = table(n, s=words)

    def prints(sizes: list[int], kind: Any) -> str:
        def batches() -> Iterator[pa.Table]:
            start = 0
            for size in [*sizes, n]:
                part = whole.slice(start, size)
                start += size
                if part.num_rows:
                    yield part.set_column(2, "s", part["s"].cast(kind))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spool_module, "GROUP_ROWS", 16)
            patch.setattr(spool_module, "SLAB_BYTES", 100)
            return history_of(batches()).sources[0].fingerprint([])

    coded = pa.dictionary(pa.int8() if n < 100 else pa.int32(), pa.string())
    assert prints(first, pa.string()) == prints(other, pa.large_string()) == prints([], coded)


def test_a_row_group_is_a_slab(tmp_path: Path) -> None:
    """A slab reads one row group: tiny batches must not make tiny ones, nor huge ones huge."""
    for sizes in ([1] * 50 + [40_000], [33], [40_000]):
        path = tmp_path / f"{len(sizes)}-{sizes[0]}.parquet"
        with Spool(path) as spool:
            start = 0
            while start < 40_000:
                size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
                spool.add(table(min(size, 40_000 - start), start))
                start += size
        metadata = pq.ParquetFile(path).metadata
        groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        assert groups == [16_384, 16_384, 7_232]
        assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_row_group_of_long_texts_has_fewer_rows(tmp_path: Path) -> None:
    """Bytes are bounded as rows are; a cell longer than the bound stands alone."""
    texts = ["x" * (SLAB_BYTES // 3)] * 7 + ["y" * (SLAB_BYTES + 1)] + ["z"] * 5
    rows = table(len(texts), s=pa.array(texts))
    paths = []
    for step in (1, 5, 13):
        paths.append(tmp_path / f"{step}.parquet")
        with Spool(paths[-1]) as spool:
            for start in range(0, len(texts), step):
                spool.add(rows.slice(start, step))
    metadata = pq.ParquetFile(paths[0]).metadata
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]

    assert groups == [3, 3, 1, 1, 5]
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}) == 1


WIDENED: dict[str, tuple[Any, Any, list[Any]]] = {
    "integers, then fractions": (pa.array([1, 2]), pa.array([0.5, None]), [1.0, 2.0, 0.5, None]),
    "nothing, then numbers": (pa.nulls(2), pa.array([1.5, 2.5]), [None, None, 1.5, 2.5]),
    "numbers, then nothing": (pa.array([1.5, 2.5]), pa.nulls(2), [1.5, 2.5, None, None]),
    "narrow, then wide": (pa.array([1, 2], pa.int8()), pa.array([300, 4]), [1, 2, 300, 4]),
    "single, then double": (
        pa.array([0.5, 1.5], pa.float32()), pa.array([0.1, 2.0]), [0.5, 1.5, 0.1, 2.0]
    ),
    "lists": (pa.array([[1], None]), pa.array([[0.5], []]), [[1.0], None, [0.5], []]),
}  # fmt: skip


@pytest.mark.parametrize("kind", WIDENED)
@pytest.mark.parametrize("group", [1, 100])
def test_types_that_differ_between_batches_meet_in_one(
    kind: str, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month without a fraction is a column of integers to pandas; what is written is kept."""
    monkeypatch.setattr(spool_module, "GROUP_ROWS", group)
    one, other, wanted = WIDENED[kind]
    parts = (table(2, P=one), table(2, 2, P=other))

    assert values_of(history_of(iter(parts))) == wanted


MISFITS: dict[str, tuple[list[Any], str]] = {
    "text": ([table(2), table(2, P=pa.array(["1,5", "x"]))],
             r"batch 2: the column 'P' is string, and double in the batches before"),
    "a number no double holds": ([table(2, P=pa.array([1.5, 2])), table(2, P=[2**53 + 1, 1])],
                                 r"batch 2: the column 'P' is int64 here and double"),
    "and the other way round": ([table(2, P=[2**53 + 1, 1]), table(2, P=pa.array([1.5, 2]))],
                                r"batch 2: the column 'P' is int64 here and double"),
    "a decimal": ([table(2), table(2, P=pa.array([decimal.Decimal("1.1")] * 2))],
                  r"batch 2: the column 'P' is decimal"),
    "another zone": ([table(2), table(2).set_column(0, "t", pa.array([NAIVE] * 2))],
                     r"batch 2: the column 't' is timestamp\[us\], and timestamp\[.s, tz=UTC\]"),
    "a new column": ([table(2), table(2, p=[1, 2])],
                     r"batch 2: there is a column 'p', which the first batch does not have"),
    "no time": ([table(2), table(2).drop_columns("t")], r"batch 2: there is no column 't'"),
    "no frame": ([table(2), 7], r"batch 2 is int; expected a DataFrame, an Arrow table"),
    "mixed objects": ([pd.DataFrame({"t": ["2024"], "P": [1]}),
                       pd.DataFrame({"t": ["2024"] * 2, "P": [1, "x"]})],
                      r"batch 2: the column 'P' holds Python objects .*\(int, str\)"),
    "truth among numbers": ([pd.DataFrame({"t": ["2024"] * 2, "P": [True, 2]})],
                            r"batch 1: the column 'P' holds Python objects .* truth values"),
    "a union": ([table(2, P=pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]))],
                r"batch 1: the column 'P' is sparse_union.* name it in ignore"),
    "names twice": ([pd.DataFrame([["2024", 1, 2]], columns=["t", "P", "P"])],
                    r"the column 'P' occurs twice"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFITS)
def test_a_batch_that_does_not_fit_is_named_by_its_number(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number leads to the day or the file that has to be mended; no other row is used."""
    monkeypatch.setattr(spool_module, "GROUP_ROWS", 1)
    batches, told = MISFITS[kind]

    with pytest.raises(HistoryError, match=told) as caught:
        mp.validate(history_of(iter(batches), spool=tmp_path / "kept.parquet"), MODEL)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_breaks_off_is_not_half_used(tmp_path: Path) -> None:
    """A lost connection must not look like the end of the data."""

    def batches() -> Iterator[pa.Table]:
        yield table()
        yield table(first=10)
        raise OSError("lost db://reader:hush@host/plant password=hush")

    history = history_of(batches(), spool=tmp_path / "kept.parquet", name="plant")
    with pytest.raises(HistoryError, match=r"^plant: batch 3 failed \(OSError: lost db") as caught:
        mp.validate(history, MODEL)
    assert "hush" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    for use in (lambda: history.n_rows, lambda: mp.plan(history, MODEL, gateway=("p", "d"))):
        with pytest.raises(HistoryError, match="come once only: make the stream anew"):
            use()


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C in a long query ends it as it ends anything else."""

    def batches() -> Iterator[pa.Table]:
        yield table()
        raise KeyboardInterrupt

    history = history_of(batches(), spool=tmp_path / "kept.parquet")
    with pytest.raises(KeyboardInterrupt):
        mp.validate(history, MODEL)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_without_batches_was_read_before_or_is_empty() -> None:
    """A consumed generator would be a history without readings, and a run without a complaint."""
    used = iter([table()])
    next(used)
    with pytest.raises(HistoryError, match=r"list_iterator: there is no batch: it is empty, or"):
        history_of(used)
    reader = table().to_reader()
    reader.read_all()
    with pytest.raises(HistoryError, match=r"there is no batch: .* pass schema.empty_table"):
        mp.validate(history_of(reader), MODEL)
    assert mp.validate(history_of(iter([table(0)])), MODEL).n_values == 0
    assert mp.validate(history_of(table(0)), MODEL).n_values == 0


@pytest.mark.parametrize("make", [lambda: iter(table().to_batches()), lambda: table().to_reader()])
def test_a_stream_that_another_history_reads_is_refused(make: Any) -> None:
    """Half of its rows would go to one history, and half to the other."""
    generator = (batch for batch in make())
    one, other = history_of(generator), history_of(generator)
    assert mp.validate(one, MODEL).n_values == 10

    with pytest.raises(HistoryError, match="its rows were read by another history"):
        mp.validate(other, MODEL)
    with pytest.raises(HistoryError, match="its rows were read by another history"):
        history_of(generator)


def test_a_call_that_failed_costs_no_row_of_the_stream() -> None:
    """A typo in a notebook is mended in the next cell; the generator goes on from its begin."""
    batches = (table(first=10 * n) for n in range(3))
    with pytest.raises(HistoryError, match="no column 'Pp'"):
        history_of(batches, points={"Pp": "P"})

    assert history_of(batches).n_rows == 30


def test_the_index_of_frames_is_the_time_also_in_the_kept_file(tmp_path: Path) -> None:
    """Pandas keeps the time in the index, chunk by chunk, and a stream of chunks is no other."""
    frame = table(50).to_pandas().set_index("t")
    kept = tmp_path / "kept.parquet"
    history = mp.read_history((frame[n : n + 7] for n in range(0, 50, 7)), spool=kept)

    wanted = mp.plan(mp.read_history(frame), MODEL, gateway=("p", "d"))
    for read in (lambda: history, lambda: mp.read_history(kept)):
        again = read()
        found = mp.plan(again, MODEL, gateway=("p", "d"))
        assert (found.n_sent, found.n_bytes) == (50, wanted.n_bytes)
        assert [slab.columns["(index)"][0].as_py() for slab in again.slabs([MODEL])] == [
            frame.index[0].to_pydatetime()
        ]
    with pytest.raises(HistoryError, match=r"batch 2 is .*Table, which has no index"):
        mp.validate(mp.read_history(iter([frame, table()])), MODEL)
    with pytest.raises(HistoryError, match="only a DataFrame has an index"):
        mp.read_history(iter([table()]))


ARRAY = Measurepoint("P", "ARRAY", item_type="DOUBLE")
OBJECTS: dict[str, list[Any]] = {
    "texts": ["a", None, "ü"],
    "flags": [True, None, False],
    "numpy flags": [np.True_, None],
    "integers": [1, None, 2**40],
    "numpy integers": [np.int8(1), np.int64(7)],
    "integers and fractions": [1, 2.5, np.float32(0.5)],
    "decimals": [decimal.Decimal("1.10"), decimal.Decimal("NaN"), decimal.Decimal("2")],
    "days": [dt.date(2024, 1, 1), None],
    "moments": [NAIVE, None],
    "instants": [pd.Timestamp("2024-01-01T12:00+02:00"), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)],
    "lists": [[1.5, 2], None, []],
    "arrays": [np.array([1.5, 2.5]), np.array([1])],
    "dicts": [{"a": 1, "b": "x"}, None],
    "nothing": [None, None],
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_python_objects_of_one_kind_travel_as_from_a_frame(kind: str) -> None:
    """Most frames hold objects; a stream of them writes the same JSON."""
    points = {
        "integers and fractions": Measurepoint("P", "DOUBLE"),
        "lists": ARRAY,
        "arrays": ARRAY,
    }
    known = {"P": points[kind]} if kind in points else {}
    model = ThingModel("M", known, pass_through=True)
    frame = pd.DataFrame({"P": pd.Series(OBJECTS[kind], dtype=object)})
    frame["t"] = pd.date_range("2024", periods=len(frame), tz="UTC")

    one, other = (
        mp.plan(history_of(source), model, gateway=("p", "d")) for source in (frame, iter([frame]))
    )

    assert (one.n_sent, one.n_bytes) == (other.n_sent, other.n_bytes)


def test_what_is_left_out_is_kept_by_its_name_alone(tmp_path: Path) -> None:
    """ignore= is the way out for a column that no file can hold, and saves the room of others."""
    kept = tmp_path / "kept.parquet"
    odd = pa.array([pa.MonthDayNano([1, 2, 3])] * 10)
    for source in (iter([table(odd=odd, s=["secret"] * 10)]), kept):
        spool = {"spool": kept} if source is not kept else {}
        history = history_of(source, ignore=["odd", "s"], **spool)
        assert mp.validate(history, MODEL).n_values == 10

    assert pq.read_table(kept)["s"].null_count == 10
    assert b"secret" not in kept.read_bytes()


def test_a_stream_of_rejects_is_known_as_rejects(tmp_path: Path) -> None:
    """Many rejects are read in pieces, mended on the way, and sent again."""
    model = ThingModel("M", {"P": Measurepoint("P", "DOUBLE", maximum=1)})
    with mp.simulate(model, gateway=("p", "d")) as platform:
        run = mp.replay(
            history_of(table()), model, platform.connection, on_invalid="withhold", progress=False
        )
        mended = (part.assign(value="0.5") for part in run.iter_rejects())
        again = mp.replay(mp.read_history(mended), model, platform.connection, progress=False)

    assert again.summary()["accepted"] == 5


def test_the_place_of_a_stream_is_checked_at_the_call(tmp_path: Path) -> None:
    """A file in the way is somebody's data; a source that can be read again needs no file."""
    here = tmp_path / "here.parquet"
    here.write_bytes(b"somebody's")
    wrong = [
        (iter([table()]), here, "there is such a file"),
        (iter([table()]), tmp_path / "no" / "x.parquet", "there is no folder"),
        (iter([table()]), 7, r"spool 7 \(int\)"),
        (table(), tmp_path / "x.parquet", "spool is for streams"),
        ([iter([table()]), iter([table()])], tmp_path / "x.parquet", "there are 2 streams"),
    ]
    for source, place, told in wrong:
        with pytest.raises(HistoryError, match=told) as caught:
            history_of(source, spool=place)
        assert caught.value.argument == "spool"
    assert here.read_bytes() == b"somebody's"


def test_a_temporary_file_goes_with_its_history(tmp_path: Path) -> None:
    """A folder for temporary files, on a disk with room, is as empty as before."""
    streams = [iter([table()]), table().to_reader()]
    history = history_of(streams, spool=tmp_path)
    assert mp.validate(history, MODEL).n_values == 20
    (first, second) = tmp_path.glob("*/*.parquet")
    assert {path.stat().st_mode & 0o777 for path in (first, second)} == {0o600}

    del history
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_under_its_stream_is_noticed(tmp_path: Path) -> None:
    """The kept file is a file like any other, with a digest."""
    kept = tmp_path / "kept.parquet"
    history = history_of(iter([table()]), spool=kept)
    print_ = history.sources[0].fingerprint(["P"])
    assert hashlib.sha256(kept.read_bytes()).hexdigest() in print_
    assert history_of(kept).sources[0].fingerprint(["P"]) == print_

    pq.write_table(table(first=5), kept)
    with pytest.raises(HistoryError, match="changed while it was read"):
        mp.validate(history, MODEL)


def test_no_room_says_where_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/tmp is small on many machines, and spool= is the way out."""
    write = pq.ParquetWriter.write_table

    def full(*args: Any, **options: Any) -> None:
        write(*args, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    history = history_of(iter([table()]), spool=tmp_path)
    with pytest.raises(HistoryError, match=r"No space left .*; name another place with spool="):
        mp.validate(history, MODEL)
    assert list(tmp_path.glob("*/*")) == []


def test_a_stream_says_where_it_is_written(caplog: pytest.LogCaptureFixture) -> None:
    """Ten minutes without a word look like a hang."""
    history = history_of(iter([table()]), name="plant")
    with caplog.at_level(logging.INFO, "mpreplay"):
        mp.validate(history, MODEL)

    assert "plant is written to" in caplog.text
    assert "plant: 10 rows are in" in caplog.text
