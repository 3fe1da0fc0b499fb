"""Parquet files that are not what their footer says, or that pyarrow cannot read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from varied_parquet import encrypted

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.files.pages import Page, read_page

BEGIN = 1_704_067_200_000  # 2024-01-01T00:00:00Z
ROWS = 50
MODEL = ThingModel("M", {name: Measurepoint(name, "DOUBLE") for name in "xy"})
LISTS = ThingModel("M", {"x": Measurepoint("x", "ARRAY", item_type="INT")})


def table(n: int = ROWS, **columns: Any) -> pa.Table:
    """Return readings of x, one a second, that count from 0."""
    times = pa.array(range(BEGIN, BEGIN + 1_000 * n, 1_000), pa.timestamp("ms", "UTC"))
    return pa.table({"ts": times, "x": np.arange(float(n))} | columns)


def read(path: Path, **options: Any) -> list[float]:
    """Return all values of x, read after the times alone, as a replay does."""
    history = mp.read_history(path, time_column="ts", **options)
    assert sum(slab.n_rows for slab in history.slabs([MODEL], keys_only=True)) <= history.n_rows
    return [x for slab in history.slabs([MODEL]) for x in slab.columns["x"].to_pylist()]


def outcome(path: Path, **options: Any) -> list[float] | None:
    """Return all values, or None for an error that names the file."""
    try:
        return read(path, **options)
    except HistoryError as error:
        assert str(path) in str(error)
        return None


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("group", [ROWS, ROWS // 2])
@pytest.mark.parametrize("dictionary", [False, True])
def test_a_count_that_is_altered_anywhere_never_gives_other_rows(
    tmp_path: Path, version: str, group: int, dictionary: bool
) -> None:
    """File, row group, column and page each have their count: fewer rows must not pass for all."""
    path = tmp_path / "x.parquet"
    options = {"row_group_size": group, "data_page_version": version, "store_schema": False}
    pq.write_table(table(), path, use_dictionary=dictionary, compression="none", **options)
    whole = path.read_bytes()
    refused = 0
    for count in {ROWS, group}:
        code = 2 * count  # the byte of this integer in the Thrift of headers and footer
        for at in [n for n, byte in enumerate(whole) if byte == code]:
            for other in (code - 20, code + 20):
                path.write_bytes(whole[:at] + bytes([other]) + whole[at + 1 :])
                found = outcome(path)
                refused += found is None
                # Other matches are bytes of values or of statistics.
                assert found is None or len(found) == ROWS

    assert refused >= 2 * (1 + 3 * ROWS // group)


@pytest.mark.parametrize("rows", [ROWS - 10, ROWS + 10])
def test_the_footer_is_compared_when_the_file_is_opened(tmp_path: Path, rows: int) -> None:
    """Before a connection is made, not in the middle of a run."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path, store_schema=False)
    whole = path.read_bytes()
    at = whole.index(b"\x16\x64\x19")  # the rows of the file, before the list of row groups
    path.write_bytes(whole[: at + 1] + bytes([2 * rows]) + whole[at + 2 :])

    with pytest.raises(HistoryError, match=rf"x\.parquet: the footer promises {rows} rows, .* 50"):
        mp.read_history(path, time_column="ts")


def test_a_part_of_a_damaged_file_is_read_where_its_own_counts_are_right(tmp_path: Path) -> None:
    """A window reads, and judges, the row groups that it needs."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path, row_group_size=25, use_dictionary=False, store_schema=False)
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    head = data[column.data_page_offset :]
    data[column.data_page_offset + head.index(bytes([50]))] = 40
    path.write_bytes(bytes(data))

    assert outcome(path, end="2024-01-01T00:00:25Z") == list(range(25))
    assert outcome(path, start="2024-01-01T00:00:25Z") is None
    assert outcome(path) is None


def test_a_list_that_ends_early_does_not_go_on_with_the_next_row_group(tmp_path: Path) -> None:
    """Values would stand at the times of others."""
    path = tmp_path / "x.parquet"
    lists = pa.array([[n] for n in range(ROWS)], pa.list_(pa.int32()))
    pq.write_table(table(x=lists), path, row_group_size=25, use_dictionary=False)
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    data[start + data[start:].index(bytes([50]))] = 40  # a header of 20 values, in a page of 25
    path.write_bytes(bytes(data))

    with pytest.raises(HistoryError, match=r"x\.parquet"):
        mp.validate(mp.read_history(path, time_column="ts"), LISTS)


def test_a_wrong_checksum_is_an_error(tmp_path: Path) -> None:
    """The values of the page are not those that were written."""
    path = tmp_path / "x.parquet"
    pq.write_table(
        table(), path, compression="none", use_dictionary=False, write_page_checksum=True
    )
    data = path.read_bytes()
    value = np.float64(7).tobytes()
    path.write_bytes(data.replace(value, np.float64(8).tobytes(), 1))

    with pytest.raises(HistoryError, match=r"x\.parquet: .*row group 0, column 'x': .*CRC"):
        read(path)


def test_a_place_beyond_a_dictionary_is_an_error(tmp_path: Path) -> None:
    """The texts behind its end are those of other memory."""
    path = tmp_path / "x.parquet"
    texts = pa.array([f"v{n % 5}" for n in range(8)]).dictionary_encode()
    pq.write_table(table(8, y=texts), path, compression="none")
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    end = column.dictionary_page_offset + column.total_compressed_size
    assert data[end - 5] == 3  # bits of a place; eight places in three bytes
    data[end - 3 : end] = b"\xff\xff\xff"
    path.write_bytes(bytes(data))

    with pytest.raises(HistoryError, match=r"x\.parquet: .*column 'y' has a value 7 .* of 5"):
        mp.validate(
            mp.read_history(path, time_column="ts", ignore=["x"]),
            ThingModel("M", {"y": Measurepoint("y", "STRING")}),
        )


def test_an_error_names_row_group_and_column(tmp_path: Path) -> None:
    """One column of a wide file may be damaged, and the others can be saved."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(y=np.arange(float(ROWS))), path, row_group_size=10, use_dictionary=False)
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(3).column(2)
    data[column.data_page_offset : column.data_page_offset + column.total_compressed_size] = (
        b"\xff" * column.total_compressed_size
    )
    path.write_bytes(bytes(data))

    with pytest.raises(HistoryError, match=r"x\.parquet: .*row group 3, column 'y': "):
        read(path)
    assert read(path, ignore=["y"]) == list(range(ROWS))


def damaged(path: Path, how: str) -> None:
    """Write a file that no reader takes."""
    pq.write_table(table(y=["a"] * ROWS), path, store_schema=False)
    data = path.read_bytes()
    footer = data.rindex(b"schema")
    path.write_bytes(
        {
            "empty": b"",
            "text": b"ts,x\n1,2\n",
            "short": data[:-10],
            "without a beginning": data[100:],
            "name": data[:footer] + data[footer:].replace(b"\x01x", b"\x01\xff"),
            "length": data[:-8] + b"\xff\xff\xff\x7f" + b"PAR1",
            "no footer": data[:-8] + b"\0\0\0\0" + b"PAR1",
            "encrypted": b"PARE" + data[4:-4] + b"PARE",
        }[how]
    )


@pytest.mark.parametrize(
    "how",
    [
        "empty", "text", "short", "without a beginning", "name", "length", "no footer",
        "encrypted",
    ],
)  # fmt: skip
def test_a_damaged_file_is_an_error_of_ours(tmp_path: Path, how: str) -> None:
    """A script that catches the errors of mpreplay goes on with the next file."""
    path = tmp_path / "x.parquet"
    damaged(path, how)

    with pytest.raises(HistoryError, match=r"x\.parquet: "):
        read(path, ignore=["y"])


def test_every_end_of_a_file_that_is_cut_off_is_an_error_of_ours(tmp_path: Path) -> None:
    """A copy may stop anywhere."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(5), path)
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])

        assert outcome(path) is None


def test_a_file_that_shrinks_or_goes_while_it_is_read_is_an_error_of_ours(tmp_path: Path) -> None:
    """Exports are replaced at night, while a replay runs."""
    path = tmp_path / "x.parquet"
    n = 200_000
    for change in (lambda: os.truncate(path, 1_000), path.unlink):
        pq.write_table(table(n), path, row_group_size=10_000)
        slabs = mp.read_history(path, time_column="ts").slabs([MODEL])
        next(slabs)
        change()
        with pytest.raises(HistoryError, match=r"x\.parquet: "):
            list(slabs)


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.string())])
def test_a_page_beyond_all_measure_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType
) -> None:
    """A few packed kilobytes may be gigabytes of a single text, which no request could carry."""
    monkeypatch.setattr("mpreplay.files.counting.LARGEST", 100_000)
    path = tmp_path / "x.parquet"
    text = "a" * 200_000
    pq.write_table(table(1, y=pa.array([text if kind == pa.string() else [text]], kind)), path)

    with pytest.raises(HistoryError, match=r"row group 0, column 'y.*': a page has 0 MB"):
        read(path)
    assert read(path, ignore=["y"]) == [0]


@pytest.mark.parametrize("plain_footer", [True, False])
def test_an_encrypted_file_is_refused_and_does_not_end_the_process(
    tmp_path: Path, plain_footer: bool
) -> None:
    """Asked about an encrypted column below a plain footer, pyarrow aborts."""
    path = tmp_path / "x.parquet"
    columns = {"ts": table()["ts"], "x": [1.0] * ROWS, "double": [1.0] * ROWS}
    path.write_bytes(encrypted(columns, plain_footer=plain_footer))

    with pytest.raises(HistoryError, match=r"x\.parquet: .*encrypted"):
        mp.read_history(path, time_column="ts")


@pytest.mark.parametrize("window", [{}, {"start": "2024-01-01"}])
@pytest.mark.parametrize("name", ["x", "ts"])
def test_a_column_that_pyarrow_cannot_describe_does_not_end_the_process(
    tmp_path: Path, name: str, window: dict[str, str]
) -> None:
    """Its sizes are those of another kind of column; asked about it, pyarrow aborts."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path, store_schema=False)
    data = path.read_bytes()
    named = bytes([0x18, len(name)]) + name.encode()
    optional, required = b"\x25\x02" + named, b"\x25\x00" + named
    assert data.count(optional) == 1
    path.write_bytes(data.replace(optional, required))

    with pytest.raises(HistoryError, match=rf"x\.parquet: .*row group 0, column '{name}'"):
        read(path, **window)


def test_a_footer_with_more_bytes_than_it_needs_is_refused(tmp_path: Path) -> None:
    """It ends before its row groups do, and reads as a file without rows."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little") + 5
    path.write_bytes(data[:-8] + b"\0" * 5 + length.to_bytes(4, "little") + b"PAR1")

    with pytest.raises(HistoryError, match=r"x\.parquet: the footer has"):
        mp.read_history(path, time_column="ts")


def test_a_column_without_a_name_is_named_in_the_error(tmp_path: Path) -> None:
    """Pandas writes one where the index of a CSV file had no header."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(**{"": [1.0] * ROWS}), path)
    model = ThingModel("ANY", {}, pass_through=True)

    with pytest.raises(HistoryError, match=r"x\.parquet: column '' is not in the thing model"):
        mp.validate(mp.read_history(path, time_column="ts"), model)


def test_names_that_occur_twice_are_named_with_the_file(tmp_path: Path) -> None:
    """One of two columns, or of two members, would be read, and nobody could say which."""
    path = tmp_path / "x.parquet"
    model = ThingModel("ANY", {}, pass_through=True)
    ts, x = table()["ts"], table()["x"].combine_chunks()
    member = pa.StructArray.from_arrays([x, x], ["a", "a"])
    inner = pa.StructArray.from_arrays([member], ["b"])
    for columns, told in (
        ([ts, x, x], "the column 'x' occurs twice"),
        ([ts, member], "column 'x' has a struct with two members 'a'"),
        ([ts, inner], "column 'x' has a struct with two members 'a'"),
    ):
        names = ["ts", "x", "x"][: len(columns)]
        pq.write_table(pa.Table.from_arrays(columns, names), path)

        with pytest.raises(HistoryError, match=rf"x\.parquet: {told}"):
            mp.validate(mp.read_history(path, time_column="ts"), model)


def test_files_of_a_folder_may_have_other_columns_and_types(tmp_path: Path) -> None:
    """Over the years a column comes, and another becomes a text; each is read by its point."""
    written: list[Any] = [
        {"x": [1.5], "y": [2.5]}, {"x": pa.array([2], pa.int8())}, {"x": ["3.5"]},
        {"x": pa.nulls(1)}, {"x": [[4.5]]}, {"y": pa.array([5], pa.decimal128(5, 2))},
    ]  # fmt: skip
    for n, columns in enumerate(written):
        unit = ["s", "ms", "us", "ns"][n % 4]
        ts = table()["ts"].slice(n, 1).cast(pa.timestamp(unit, "UTC"))
        pq.write_table(pa.table({"ts": ts, **columns}), tmp_path / f"{n}.parquet")

    looked = mp.validate(mp.read_history(tmp_path, time_column="ts"), MODEL)

    assert looked.n_values == 6
    faults = looked.violations[["source", "measurepoint", "check"]].to_numpy().tolist()
    assert faults == [[str(tmp_path / f"{n}.parquet"), "x", "type"] for n in (2, 4)]


def test_a_summary_of_other_files_is_refused(tmp_path: Path) -> None:
    """Its row groups are those of other files; read as a file of its own, it gives nonsense."""
    gathered: list[Any] = []
    pq.write_to_dataset(table(), tmp_path / "data", metadata_collector=gathered)
    path = tmp_path / "_metadata"
    pq.write_metadata(table().schema, path, gathered)

    with pytest.raises(HistoryError, match="_metadata: a summary of other Parquet files"):
        mp.read_history(path, time_column="ts")


def test_statistics_that_are_no_times_leave_nothing_out(tmp_path: Path) -> None:
    """The year 10000 is no datetime of Python; whether the rows are in the window, they tell."""
    path = tmp_path / "x.parquet"
    far = pa.array([BEGIN, 300_000_000_000_000], pa.timestamp("ms", "UTC"))
    pq.write_table(table(2, ts=far), path)

    assert outcome(path, start="2024-01-01") == [0, 1]


def test_a_member_named_as_the_time_does_not_stand_for_it(tmp_path: Path) -> None:
    """``a.b`` may be a column and a member of a struct ``a``: the wrong times hid the rows."""
    path = tmp_path / "x.parquet"
    old = pa.array([0] * ROWS, pa.timestamp("ms", "UTC"))
    struct = pa.StructArray.from_arrays([old], ["b"])
    pq.write_table(pa.table({"a": struct, "x": [1.0] * ROWS, "a.b": table()["ts"]}), path)
    options = {"time_column": "a.b", "ignore": ["a"], "start": "2024-01-01"}

    (slab,) = mp.read_history(path, **options).slabs([MODEL])

    assert slab.n_rows == ROWS


def test_a_header_of_a_page_is_read_whatever_else_it_holds() -> None:
    """Writers add checksums and statistics, of any length, and fields of later versions."""
    size, n_values, stop = b"\x15\x00\x15\x14\x15\x14", b"\x15\x0e", b"\x00"
    long = b"\x18\xac\x02" + b"q" * 300  # a text of 300 bytes
    more = b"\x1c" + long + b"\x11\x19\x2c\x15\x02\x00\x15\x02\x00" + b"\x00"
    header = size + b"\x2c" + n_values + more + stop + stop
    # The second version stands in field 8, here with its number in full.
    second = size + b"\x0c\x10" + n_values + stop + stop
    directory = size + b"\x4c" + n_values + stop + stop

    assert read_page(header + b"rest") == Page(7, len(header) + 10, 10)
    assert read_page(second) == Page(7, len(second) + 10, 10)
    assert read_page(directory) == Page(None, len(directory) + 10, 10)
    assert all(read_page(header[:n]) is None for n in range(len(header)))
    assert read_page(b"\x1c" * 5_000) is None
    assert read_page(b"\x19\xf1" + b"\xff" * 9 + b"\x01") is None
