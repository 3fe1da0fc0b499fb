"""Arrow IPC files and streams: whole, cut, damaged, and of other writers."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.files.ipc_messages import Message, message_at

BEGIN = 1_704_067_200_000  # 2024-01-01T00:00:00Z
MODEL = ThingModel(
    "M", {"x": Measurepoint("x", "DOUBLE"), "s": Measurepoint("s", "STRING", max_length=10**7)}
)


def table(n: int = 50) -> pa.Table:
    """Return readings of x and s, one a second, that count from 0."""
    times = pa.array(range(BEGIN, BEGIN + 1_000 * n, 1_000), pa.timestamp("ms", "UTC"))
    texts = pa.array([f"text {i}" for i in range(n)])
    return pa.table({"ts": times, "x": np.arange(float(n)), "s": texts})


def written(rows: pa.Table, *, stream: bool = False, size: int = 20, **options: Any) -> bytes:
    """Return a table as the bytes of a file or a stream, in batches of a size."""
    file = io.BytesIO()
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(file, rows.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(rows, max_chunksize=size)
    return file.getvalue()


def footed(batches: list[pa.RecordBatch]) -> tuple[bytes, bytes]:
    """Return a file of some batches: what is before its footer, and the footer."""
    file = io.BytesIO()
    with pa.ipc.new_file(file, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    data = file.getvalue()
    begin = len(data) - 10 - int.from_bytes(data[-10:-6], "little")
    return data[:begin], data[begin:]


def values(source: Any, name: str = "x") -> list[Any]:
    """Return all values of a column."""
    history = mp.read_history(source, time_column="ts")
    assert sum(slab.n_rows for slab in history.slabs([MODEL], keys_only=True)) == history.n_rows
    return [x for slab in history.slabs([MODEL]) for x in slab.columns[name].to_pylist()]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("size", [1, 20, 50])
def test_all_rows_of_all_batches_are_read(stream: bool, compression: str, size: int) -> None:
    """Batches end where they like, and slabs elsewhere."""
    data = written(table(), stream=stream, size=size, compression=compression)

    assert values(io.BytesIO(data)) == table()["x"].to_pylist()
    assert values(io.BytesIO(data), "s") == table()["s"].to_pylist()


@pytest.mark.parametrize("stream", [False, True])
def test_a_file_without_rows_has_none(stream: bool) -> None:
    """A day on which nothing was measured is no error."""
    assert values(io.BytesIO(written(table(0), stream=stream))) == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_file_that_is_cut_anywhere_is_refused(stream: bool, compression: str) -> None:
    """A copy that was interrupted must not pass for a short day."""
    data = written(table(), stream=stream, compression=compression)
    for end in range(0, len(data) - 1, 7):
        with pytest.raises(HistoryError, match="BytesIO: "):
            values(io.BytesIO(data[:end]))


@pytest.mark.parametrize("stream", [False, True])
def test_a_byte_that_is_altered_anywhere_never_gives_fewer_rows_or_a_crash(stream: bool) -> None:
    """The format has no checksums: a value may be another, and its row is still there.

    In a process of its own, which a place beyond its buffer could end.
    """
    code = (
        "import test_ipc\n"
        f"data = test_ipc.written(test_ipc.table(), stream={stream})\n"
        "print(test_ipc.altered(data))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={"PYTHONPATH": str(Path(mp.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 100


def altered(data: bytes) -> int:
    """Read a file once for each of its bytes, altered; return how often it was refused."""
    refused = 0
    for at in range(0, len(data), 3):
        for flip in (0x01, 0x80, 0xFF):
            other = bytearray(data)
            other[at] ^= flip
            try:
                assert len(values(io.BytesIO(bytes(other)))) == len(table())
            except HistoryError:
                refused += 1
    return refused


@given(st.binary(max_size=400), st.integers(0, 50))
def test_any_bytes_are_a_message_or_none(data: bytes, at: int) -> None:
    """What a damaged file holds in place of a message is no error of ours."""
    found = message_at(lambda size, place: data[place : place + size], at)

    assert found is None or isinstance(found, Message)


def test_a_batch_that_the_footer_does_not_list_is_named() -> None:
    """A reader believes the footer, and would leave the rows out in silence."""
    whole, part = (footed(table().to_batches(20)[:n]) for n in (3, 1))

    with pytest.raises(HistoryError, match=r"a batch of 20 rows .* its footer does not list"):
        values(io.BytesIO(whole[0] + part[1]))


def test_rows_behind_the_end_of_a_stream_are_named() -> None:
    """Two streams in one file: a reader stops after the first."""
    data = written(table(), stream=True)

    with pytest.raises(HistoryError, match="bytes follow the end of the stream"):
        values(io.BytesIO(data + data))


def test_feather_of_the_first_version_is_refused_with_its_reason(tmp_path: Path) -> None:
    """It is another format under the same ending."""
    path = tmp_path / "a.feather"
    path.write_bytes(b"FEA1" + bytes(96) + b"FEA1")

    with pytest.raises(HistoryError, match=r"first version.*feather\.read_table and pass the tab"):
        values(path)


def test_files_of_polars_are_read(tmp_path: Path) -> None:
    """Another writer of the format: aligned otherwise, with views and dictionaries."""
    frame = pl.from_arrow(table()).with_columns(s=pl.col("s").cast(pl.Categorical))
    for compression in ("uncompressed", "lz4", "zstd"):
        frame.write_ipc(tmp_path / "a.arrow", compression=compression)
        frame.write_ipc_stream(tmp_path / "b.arrows", compression=compression)

        assert values(tmp_path / "a.arrow") == values(tmp_path / "b.arrows")
        assert values(tmp_path / "a.arrow", "s") == table()["s"].to_pylist()


@pytest.mark.parametrize("stream", [False, True])
def test_dictionaries_that_grow_or_change_are_those_of_their_batches(stream: bool) -> None:
    """A device that joins later gets a new dictionary."""
    schema = pa.schema(
        [("ts", pa.timestamp("ms", "UTC")), ("s", pa.dictionary(pa.int8(), pa.string()))]
    )
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(file, schema, options=options) as one:
        for names in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]):
            texts = pa.DictionaryArray.from_arrays(pa.array([len(names) - 1], pa.int8()), names)
            times = pa.array([BEGIN + len(names)], pa.timestamp("ms", "UTC"))
            one.write_batch(pa.record_batch([times, texts], schema=schema))

    assert values(io.BytesIO(file.getvalue()), "s") == ["b", "c", "d"]


def test_long_texts_make_short_slabs() -> None:
    """As of every source: memory is bounded by bytes, too."""
    texts = pa.array(["x" * 1_000_000] * 40)
    rows = table(40).set_column(2, "s", texts.dictionary_encode())
    for one in (rows, rows.set_column(2, "s", texts)):
        history = mp.read_history(io.BytesIO(written(one)), time_column="ts")
        assert max(slab.n_rows for slab in history.slabs([MODEL])) <= 8


def test_a_text_that_is_not_utf8_is_a_fault_of_its_cell(tmp_path: Path) -> None:
    """One bad byte of a logger does not spoil the other rows, as in Parquet."""
    texts = pa.array([b"good", b"\xff", b"good"]).view(pa.string())
    rows = table(3).set_column(2, "s", texts)
    path = tmp_path / "a.arrow"
    path.write_bytes(written(rows))
    told = [
        mp.validate(mp.read_history(one, time_column="ts", device_key="d", product_key="p"), MODEL)
        for one in (rows, path)
    ]

    assert [list(one.violations["row"]) for one in told] == [[1], [1]]
    assert told[0].violations["reason"].equals(told[1].violations["reason"])
