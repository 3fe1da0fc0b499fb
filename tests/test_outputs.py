"""Files that a user asks for: never in the place of something else, and whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Play
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.outputs import check_apart, check_file, path_of, write_table, written


@pytest.fixture
def from_file(play: Play, frame: pd.DataFrame, tmp_path: Path) -> mp.Run:
    """Return the run of a Parquet file."""
    frame.to_parquet(tmp_path / "history.parquet")
    history = mp.read_history(
        tmp_path / "history.parquet", time_column="ts", device_column="unit", product_key="turbine"
    )
    run, _ = play(history=history)
    return run


@pytest.mark.parametrize("name", ["run.db", "./run.db", "link", "hard", "run.db-wal", "run.db-shm"])
def test_a_report_never_takes_the_journals_place(
    from_file: mp.Run, tmp_path: Path, name: str
) -> None:
    """The page can be written again, the journal cannot."""
    (tmp_path / "link").symlink_to("run.db")
    os.link(tmp_path / "run.db", tmp_path / "hard")
    before = from_file.path.read_bytes()
    with pytest.raises(mp.ConfigError, match=r"^path=.* is its journal, and would be overwritten"):
        from_file.report(f"{tmp_path}/{name}")

    assert from_file.path.read_bytes() == before
    assert not (tmp_path / "run.db-wal").exists()


@pytest.mark.parametrize("is_opened", [False, True])
def test_a_report_never_takes_the_place_of_what_was_read(
    from_file: mp.Run, tmp_path: Path, is_opened: bool
) -> None:
    """Also in another process, which knows the file by its content alone."""
    run = mp.open_run(from_file.path) if is_opened else from_file
    path = tmp_path / "history.parquet"
    before = path.read_bytes()
    with pytest.raises(mp.ConfigError, match="is a file that the run has read"):
        run.report(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "a path is not empty"), ("a\0b", "a path is not empty"), (5, "expected str"),
        ("\ud800", "surrogates"), ("none/x.html", "there is no folder"), (".", "this is a folder"),
        ("x" * 300, "name too long"), ("file/x.html", "there is no folder"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_report_that_cannot_be_written_says_so_by_its_argument(
    from_file: mp.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Any, told: str
) -> None:
    """An error of the system's own names no argument."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(mp.ConfigError, match=f"(?i){told}") as caught:
        from_file.report(given)

    assert caught.value.argument == "path"


@pytest.mark.parametrize("given", ["", "a\0b", 5, "\ud800", "none/audit", "x" * 300], ids=ascii)
def test_an_audit_that_cannot_be_written_is_an_error_of_ours(
    from_file: mp.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    """Nothing is written beside it, either."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(mp.ConfigError):
        from_file.audit(given)

    assert sorted(tmp_path.iterdir()) == before


def test_a_report_is_for_all_whom_the_umask_lets_read(from_file: mp.Run, tmp_path: Path) -> None:
    """It is made to be handed over; the journal beside it is not."""
    before = os.umask(0o022)
    try:
        from_file.report(tmp_path / "report.html")
        from_file.audit(tmp_path / "audit")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o755
    for path in (tmp_path / "audit").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    """A web server may be reading last night's page."""
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(0o640)
    with path.open() as reader:
        with written(path) as file:
            file.write_text("new")
            assert path.read_text() == "old"
        assert reader.read() == "old"

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    """A disk that is full ends in an error, not in half a page."""
    path = tmp_path / "report.html"
    path.write_text("old")
    told = r"report\.html: cannot be written \(No space"
    with pytest.raises(mp.ConfigError, match=told), written(path) as file:
        file.write_text("half a pa")
        raise OSError(28, "No space left on device")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    """``latest.html`` may lead to another disk."""
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "latest.html").symlink_to("real.html")
    with written(tmp_path / "latest.html") as file:
        file.write_text("new")

    assert (tmp_path / "latest.html").is_symlink()
    assert (tmp_path / "real.html").read_text() == "new"


def test_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    """A page may go to a terminal, and /dev/null must not become a file."""
    path = tmp_path / "out"
    path.symlink_to("/dev/null")
    check_file(path, "html")
    with written(path) as file:
        file.write_text("x")

    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert path.is_symlink()


def test_a_page_may_go_to_a_pipe(tmp_path: Path) -> None:
    """``--html /dev/stdout`` is read by the next program."""
    code = """
from pathlib import Path
from mpreplay.outputs import check_file, written
check_file(Path("/dev/stdout"), "html")
with written(Path("/dev/stdout")) as file:
    file.write_text("page")
"""
    command = [sys.executable, "-c", code]
    into_a_pipe = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with (tmp_path / "out").open("w") as file:
        subprocess.run(command, stdout=file, check=True)

    assert into_a_pipe == (tmp_path / "out").read_text() == "page"


def test_files_with_readings_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Rejects hold values."""
    with written(tmp_path / "rejects.csv", is_private=True) as file:
        file.write_text("x")

    assert stat.S_IMODE((tmp_path / "rejects.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("one", "other"), [("a.csv", "a.csv"), ("a.csv", "./b/../a.csv"), ("b", "b/a.csv")]
)
def test_two_outputs_never_share_a_place(tmp_path: Path, one: str, other: str) -> None:
    """The second would overwrite the first, and both commands succeed."""
    (tmp_path / "b").mkdir()
    outputs = {"rejects": tmp_path / one, "books": Path(f"{tmp_path}/{other}")}
    with pytest.raises(mp.ConfigError, match=r"books=.* and rejects=.* collide; give it another"):
        check_apart(outputs, {})


@pytest.mark.skipif(not os.getuid(), reason="root may write everywhere")
def test_a_folder_that_nobody_may_write_to_is_refused(tmp_path: Path) -> None:
    """Before the work is done, not afterwards."""
    tmp_path.chmod(0o500)
    with pytest.raises(mp.ConfigError, match="Permission denied"):
        check_file(tmp_path / "x.csv", "rejects")


def test_a_path_may_be_anything_that_names_a_file(tmp_path: Path) -> None:
    """Also the bytes that a name is."""
    assert path_of(tmp_path, "path") == path_of(os.fsencode(tmp_path), "path") == tmp_path


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    """The file would be made where the link leads, and only after all was sent."""
    link = tmp_path / "rejects.csv"
    link.symlink_to(tmp_path / "gone" / "rejects.csv")
    with pytest.raises(mp.ConfigError, match=r"there is no folder .*gone"):
        check_file(link, "rejects")

    (tmp_path / "gone").mkdir()
    check_file(link, "rejects")


def test_a_file_in_a_folder_that_takes_no_new_ones_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that may be written is replaced by a new one, which the folder has to take."""
    path = tmp_path / "rejects.csv"
    path.write_text("")
    monkeypatch.setattr(os, "access", lambda one, _: Path(one) != tmp_path)
    with pytest.raises(mp.ConfigError, match="Permission denied"):
        check_file(path, "rejects")
    check_file(Path("/dev/null"), "rejects")


@given(
    times=st.lists(
        st.one_of(
            st.none(),
            st.integers(0, 4_000_000_000_000),
            st.integers(0, 40_000).map(lambda day: day * 86_400_000),
        ),
        max_size=6,
    ),
    repeated=st.integers(1, 3),
    unit=st.sampled_from(["s", "ms", "ns"]),
)
def test_a_table_is_written_as_pandas_writes_it(
    tmp_path_factory: pytest.TempPathFactory, times: list[Any], repeated: int, unit: str
) -> None:
    """Times that repeat are made into texts once; nobody who reads the file may notice."""
    found = pd.to_datetime(pd.array(times * repeated, dtype="Int64"), unit="ms", utc=True)
    column = pd.Series(found).dt.as_unit(unit)
    frame = pd.DataFrame({"time": column, "n": range(len(column)), "text": "a,b"})
    frame.index += 7
    path = tmp_path_factory.mktemp("written") / "table.csv"
    write_table(frame, path)

    assert path.read_text("utf-8") == frame.to_csv(index=False)
    assert list(frame.dtypes) == [column.dtype, frame["n"].dtype, frame["text"].dtype]
