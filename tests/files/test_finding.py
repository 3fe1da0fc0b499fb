"""Folders and patterns: each file is read, or named with the rule that leaves it out."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpreplay as mp
from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.files.finding import find_files

BEGIN = 1_704_067_200_000  # 2024-01-01T00:00:00Z
MODEL = ThingModel("M", {"x": Measurepoint("x", "DOUBLE"), "n": Measurepoint("n", "INT")})


def put(path: Path, x: float = 0.0, **columns: Any) -> Path:
    """Write a file with one reading of x, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = pa.array([BEGIN], pa.timestamp("ms", "UTC"))
    pq.write_table(pa.table({"ts": times, "x": [x]} | columns), path)
    return path


def read(source: Any, **options: Any) -> mp.History:
    """Return a history of the files, by their time."""
    return mp.read_history(source, time_column="ts", **options)


def found(source: Any, root: Path) -> list[str]:
    """Return the files that are read, by their place in a folder."""
    history = read(source)
    assert history.n_rows == len(history.sources)
    return [Path(one.name).relative_to(root).as_posix() for one in history.sources]


def left(source: Any, root: Path) -> dict[str, str]:
    """Return what is left out of a source, with the rule."""
    gone = find_files(source).left_out
    return {Path(one.path).relative_to(root).as_posix(): one.rule for one in gone}


@pytest.mark.parametrize(
    "name",
    [
        "a.parquet", "a.PARQUET", "a.Parquet", "a.parq", "a.pq", "a.PQ", "part-0.snappy.parquet",
        "000000_0", "f3a-17_data.0", "year=2024/a.parquet", "_year=2024/a.parquet",
        "a.parquet/part-0.parquet", "Plant 1.2/a.parquet", "a b/ü.parquet", "x[1]/a.parquet",
    ],
)  # fmt: skip
def test_a_parquet_file_in_a_folder_is_read_however_its_writer_named_it(
    tmp_path: Path, name: str
) -> None:
    """Spark, Hive, Impala, Dask and Windows each have their names."""
    put(tmp_path / name)

    assert found(tmp_path, tmp_path) == [name]
    assert found(f"{tmp_path}/**", tmp_path) == [name]
    assert left(tmp_path, tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".a.parquet", "hidden"), ("._a.parquet", "hidden"), (".a.parquet.crc", "hidden"),
        ("_SUCCESS", "underscore"), ("_metadata", "underscore"), ("_a.parquet", "underscore"),
        ("a.parquet.tmp", "set_aside"), ("a.parquet.bak", "set_aside"), ("a.parquet~", "set_aside"),
        ("a.parquet._COPYING_", "set_aside"), ("a.part", "set_aside"),
        ("a.csv", "ending"), ("a.parquet.crc", "ending"), ("a.json", "ending"), ("a", "ending"),
        ("a.parquet.1", "ending"),
    ],
)  # fmt: skip
def test_every_other_file_is_named_with_its_rule(tmp_path: Path, name: str, why: str) -> None:
    """Nothing is left out in silence: an auditor sees what was not read."""
    put(tmp_path / "kept.parquet")
    (tmp_path / name).write_bytes(b"")

    assert left(tmp_path, tmp_path) == {name: why}
    assert left(f"{tmp_path}/*", tmp_path) == {name: why}
    assert found(tmp_path, tmp_path) == ["kept.parquet"]


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("_archive", "underscore"), ("_temporary", "underscore"), (".cache", "hidden"),
        ("a.parquet.tmp", "set_aside"),
    ],
)  # fmt: skip
def test_a_folder_that_is_left_out_is_named_with_a_warning_if_it_holds_data(
    tmp_path: Path, folder: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A year in ``_archive`` is missing from the platform, and somebody has to know."""
    put(tmp_path / "kept.parquet")
    put(tmp_path / folder / "deep" / "a.parquet")
    with caplog.at_level(logging.INFO, "mpreplay"):
        for source in (tmp_path, f"{tmp_path}/**/*.parquet", f"{tmp_path}/*"):
            assert left(source, tmp_path) == {folder: why}
            assert found(source, tmp_path) == ["kept.parquet"]

    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert "1 files are read; left out: 1 " in caplog.text


def test_the_history_says_in_a_line_what_it_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Counts and rules; the names are in the audit."""
    put(tmp_path / "a.parquet")
    for name in ("_SUCCESS", ".a.crc", "a.md", "b.md", "c.txt"):
        (tmp_path / name).touch()
    with caplog.at_level(logging.INFO, "mpreplay"):
        history = read(tmp_path)

    told = "left out: 1 hidden, 1 whose name begins with _, 3 of another ending (.md, .txt)"
    assert repr(history).endswith(f"a.parquet: 1 row, wide, time ts; {told})")
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert record.getMessage() == f"{tmp_path}: 1 files are read; {told}"


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["a.csv", "b.parquet", "c.feather"], "b.parquet"),
        (["a.csv", "c.feather"], "c.feather"),
        (["y=1/a.csv.gz", "y=2/b.pq"], "y=2/b.pq"),
    ],
)
def test_of_a_folder_with_several_formats_one_is_read_and_the_others_are_named(
    tmp_path: Path, names: list[str], first: str
) -> None:
    """They may hold the same rows, which would be sent twice; whoever wants them names them."""
    for name in names:
        put(tmp_path / name)

    assert [str(one[0].relative_to(tmp_path)) for one in find_files(tmp_path).files] == [first]
    assert left(tmp_path, tmp_path) == {n: "ending" for n in names if n != first}
    assert find_files(tmp_path).left_out[0].has_data
    assert len(find_files(f"{tmp_path}/**/{Path(names[0]).name}").files) == 1


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook has no shell that would write it out."""
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path / "data" / "a.parquet")

    assert len(find_files("~/data").files) == len(find_files("~/data/*.parquet").files) == 1


def test_where_all_is_left_out_the_error_says_why(tmp_path: Path) -> None:
    """The folder is not empty, so "nothing there" would send a user searching."""
    put(tmp_path / "_data" / "a.parquet")
    (tmp_path / "a.md").touch()

    with pytest.raises(
        HistoryError, match=r"no file of readings; left out: 1 whose name .*\(\.md\)"
    ):
        read(tmp_path)


def test_a_name_in_full_and_an_ending_of_a_pattern_are_taken_at_their_word(tmp_path: Path) -> None:
    """The rules are for what nobody named."""
    for name in ("_a.parquet", ".a.parquet", "a.dat", "_b.dat"):
        put(tmp_path / name)

    for name in ("_a.parquet", ".a.parquet", "a.dat"):
        assert found(tmp_path / name, tmp_path) == [name]
    assert found(f"{tmp_path}/_*.parquet", tmp_path) == ["_a.parquet"]
    assert found(f"{tmp_path}/.*.parquet", tmp_path) == [".a.parquet"]
    assert found(f"{tmp_path}/*.dat", tmp_path) == ["a.dat"]
    with pytest.raises(HistoryError, match=r"empty\.csv: the file is empty"):
        (tmp_path / "empty.csv").touch()
        read(f"{tmp_path}/*.csv")


@pytest.mark.parametrize("how", ["empty", "torn", "linked to nothing"])
def test_a_parquet_file_without_readings_is_an_error_not_left_out(tmp_path: Path, how: str) -> None:
    """By its name it had readings: the copy broke off, or the disk was full."""
    whole = put(tmp_path / "a.parquet").read_bytes()
    if how == "linked to nothing":
        (tmp_path / "b.parquet").symlink_to("gone")
    else:
        (tmp_path / "b.parquet").write_bytes(whole[:100] if how == "torn" else b"")

    for source in (tmp_path, f"{tmp_path}/*.parquet"):
        with pytest.raises(HistoryError, match=r"b\.parquet: "):
            read(source)


def test_a_folder_that_spark_named_as_a_file_is_read_as_a_folder(tmp_path: Path) -> None:
    """By its own name, in its folder, and where a pattern matches it."""
    put(tmp_path / "jan.parquet")
    put(tmp_path / "feb.parquet" / "device=T1" / "part-0.parquet", device=["T1"])
    both = ["feb.parquet/device=T1/part-0.parquet", "jan.parquet"]

    assert found(tmp_path, tmp_path) == both
    assert found(f"{tmp_path}/*.parquet", tmp_path) == both
    assert found(tmp_path / "feb.parquet", tmp_path) == both[:1]
    assert found(f"{tmp_path}/feb.*/*/*.parquet", tmp_path) == both[:1]


def test_linked_files_and_folders_are_read_once(tmp_path: Path) -> None:
    """``latest`` points to a month that is there anyway; another link leads to other disks."""
    folder = tmp_path / "in"
    put(folder / "2024" / "a.parquet")
    put(tmp_path / "out" / "b.parquet")
    put(tmp_path / "c.parquet")
    (folder / "2023").symlink_to(folder / "2024")
    (folder / "b").symlink_to(tmp_path / "out")
    (folder / "c.parquet").symlink_to(tmp_path / "c.parquet")
    (folder / "latest.parquet").symlink_to(folder / "2024" / "a.parquet")
    read_once = ["2024/a.parquet", "b/b.parquet", "c.parquet"]

    assert found(folder, folder) == read_once
    assert left(folder, folder) == {"2023": "again", "latest.parquet": "again"}
    assert found(f"{folder}/**/*.parquet", folder) == read_once
    assert found(f"{folder}/*", folder) == read_once
    assert found(f"{folder}/*/*.parquet", folder) == read_once[:2]


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    """The Python of the day follows them forty levels deep, or not at all."""
    folder = tmp_path / "in"
    put(folder / "a" / "a.parquet")
    put(folder / "b" / "b.parquet")
    put(tmp_path / "beside.parquet")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "b").symlink_to(folder / "b")
    (folder / "b" / "a").symlink_to(folder / "a")
    (folder / "b" / "further up").symlink_to(tmp_path)
    (folder / "self").symlink_to("self")

    for source in (folder, f"{folder}/**/*.parquet", f"{folder}/**"):
        assert found(source, folder) == ["a/a.parquet", "b/b.parquet"]


def test_a_link_under_another_partition_is_other_data(tmp_path: Path) -> None:
    """The folder says whose readings they are."""
    put(tmp_path / "device=T1" / "a.parquet")
    (tmp_path / "device=T2").symlink_to("device=T1")

    for source in (tmp_path, f"{tmp_path}/**/*.parquet", f"{tmp_path}/*/*"):
        history = read(source, device_column="device", product_key="p")

        assert [one.partitions for one in history.sources] == [{"device": "T1"}, {"device": "T2"}]


def test_a_pipe_is_left_out_and_does_not_hang(tmp_path: Path) -> None:
    """Opening a pipe waits for its writer."""
    put(tmp_path / "a.parquet")
    os.mkfifo(tmp_path / "b.parquet")

    assert found(tmp_path, tmp_path) == ["a.parquet"]
    assert left(f"{tmp_path}/*.parquet", tmp_path) == {"b.parquet": "special"}


def test_a_folder_with_brackets_in_its_name_is_a_name(tmp_path: Path) -> None:
    """``plant [1]`` is no pattern if it is there; if it might be both, the user says which."""
    put(tmp_path / "plant [1]" / "sub*[x]" / "a.parquet")
    pattern = f"{tmp_path}/plant [1]/*/*.parquet"

    assert found(pattern, tmp_path) == ["plant [1]/sub*[x]/a.parquet"]
    assert found(tmp_path / "plant [1]", tmp_path) == ["plant [1]/sub*[x]/a.parquet"]
    put(tmp_path / "plant 1" / "a" / "a.parquet")
    with pytest.raises(HistoryError, match=r"'plant \[1\]', .* means 'plant 1'.*'plant \[\[\]1\]'"):
        read(pattern)
    assert found(f"{tmp_path}/plant [[]1]/*/*", tmp_path) == ["plant [1]/sub*[x]/a.parquet"]
    with pytest.raises(HistoryError, match=r"no file matches this pattern; in a pattern, \[\[\]"):
        read(f"{tmp_path}/plant [[]2]/*")


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("_delta_log/00000000000000000000.json", "Delta"),
        ("metadata/00000-1a.metadata.json", "Iceberg"),
        ("metadata/version-hint.text", "Iceberg"),
        (".hoodie/hoodie.properties", "Hudi"),
    ],
)
def test_a_table_with_a_log_of_its_files_is_refused(tmp_path: Path, log: str, name: str) -> None:
    """Its files hold rows that were removed: none of them must be sent again."""
    table = tmp_path / "table"
    put(table / "data" / "day=1" / "a.parquet")
    put(tmp_path / "plain" / "a.parquet")
    (table / log).parent.mkdir(exist_ok=True)
    (table / log).touch()
    (tmp_path / "linked").symlink_to(table / "data")

    for source in (
        table, table / "data", table / "data" / "day=1", tmp_path, tmp_path / "linked",
        f"{tmp_path}/*", f"{table}/**/*.parquet", f"{tmp_path}/t*/data/*/a.parquet",
    ):  # fmt: skip
        with pytest.raises(HistoryError, match=rf"table: a table of {name}: .* pass the table"):
            read(source)
    assert found(tmp_path / "plain", tmp_path) == ["plain/a.parquet"]
    # A single file, named in full, is what was asked for.
    assert read(table / "data" / "day=1" / "a.parquet").n_rows == 1


@pytest.mark.parametrize("device", ["T1", "__HIVE_DEFAULT_PARTITION__"])
def test_a_file_that_contradicts_its_folder_is_an_error(tmp_path: Path, device: str) -> None:
    """One of them is wrong, and the readings would go to the wrong device."""
    path = put(tmp_path / f"device={device}" / "a.parquet", device=["T2"])
    history = read(tmp_path, device_column="device", product_key="p")

    with pytest.raises(HistoryError, match=r"a\.parquet: the folder says device=.*'T2'"):
        mp.validate(history, MODEL)
    # Where the column is not used, it does no harm.
    assert mp.validate(read(tmp_path, ignore=["device"]), MODEL).ok
    assert mp.validate(read(path, device_column="device", product_key="p"), MODEL).ok


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("T%201", pa.array(["T 1"])), ("T1", pa.array(["T1"]).dictionary_encode()),
        ("07", pa.array([7], pa.int32())), ("7.0", pa.array([7])),
        ("7", pa.array([7.0])),
    ],
)  # fmt: skip
def test_a_file_that_repeats_its_folder_is_read(tmp_path: Path, text: str, column: Any) -> None:
    """Many writers keep the column; a number is the same with a zero before it."""
    put(tmp_path / f"n={text}" / "a.parquet", n=column)
    model = ThingModel("M", {}, pass_through=True)

    assert mp.validate(read(tmp_path), model).n_values == 2


def test_folders_that_name_two_values_are_an_error(tmp_path: Path) -> None:
    """Neither is more likely than the other."""
    put(tmp_path / "n=1" / "n=2" / "a.parquet")

    with pytest.raises(HistoryError, match="two values of n: '1' and '2'"):
        read(tmp_path)


@pytest.mark.parametrize("source", ["", "\0", "a" * 5_000, "\0*", Path("nowhere"), b"nowhere"])
def test_a_path_that_cannot_be_is_an_error_of_ours(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The empty text, of a variable that was not set, is not the folder one happens to be in."""
    monkeypatch.chdir(put(tmp_path / "a.parquet").parent)

    with pytest.raises(HistoryError):
        read(source)


def test_a_folder_that_cannot_be_listed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files would be missing, and nobody would know."""
    put(tmp_path / "a.parquet")
    put(tmp_path / "b" / "b.parquet")
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for source in (tmp_path, f"{tmp_path}/**/*.parquet", f"{tmp_path}/*/*"):
        with pytest.raises(HistoryError, match=r"b: cannot be read \(Permission denied\)"):
            read(source)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Journal, rejects and audit name the file of each value, in UTF-8."""
    odd = os.fsencode(tmp_path) + b"/\xff.parquet"
    shutil.copy(put(tmp_path / "a.parquet"), odd)

    for source in (tmp_path, os.fsdecode(odd)):
        with pytest.raises(HistoryError, match=r"udcff\.parquet': the name of the file is not"):
            read(source)
