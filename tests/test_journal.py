"""The record on disk: what is written reads back, typed alike whether full or empty."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import JournalError, open_run
from mpreplay.journal import Journal, read_journal
from mpreplay.results import BOOK_COLUMNS, FATES, REJECT_COLUMNS, RESULT_COLUMNS, typed
from mpreplay.session import Settled

NO_REJECTS = typed([], REJECT_COLUMNS)
DAY = 19_875


def request(number: int, n_values: int = 3) -> tuple[Any, ...]:
    """Return what is intended of a request."""
    return (str(number), 0, number, 2, n_values, 100, 5, 6, "digest")


def rejects(n: int) -> pd.DataFrame:
    """Return some rejects, with whatever may be absent absent."""
    row = {
        "source": "DataFrame", "row": 7, "product_key": "p", "device_key": "d", "time": 86_400_000,
        "measurepoint": "P", "value": "1e9\n\u00e9", "check": "range", "reason": "above 5",
        "outcome": "withheld", "code": None, "request_id": None, "mend": "correct it",
    }  # fmt: skip
    return typed(pd.DataFrame([row] * n), REJECT_COLUMNS)


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    """Open a new journal."""
    one = Journal(tmp_path / "run.db")
    yield one
    one.close()


def test_an_empty_journal_gives_typed_frames(journal: Journal) -> None:
    """A script that works on Monday's run must not fail on Tuesday's empty one."""
    run = open_run(journal.path)

    assert len(run.results) == len(run.rejects) == len(run.books) == 0
    assert list(run.results.columns) == list(RESULT_COLUMNS)
    assert list(run.rejects.columns) == list(REJECT_COLUMNS)
    assert list(run.books.columns) == list(BOOK_COLUMNS)
    assert list(run.iter_rejects()) == []
    assert not run.complete
    assert run.summary()["read"] == 0


def test_frames_have_the_same_types_full_and_empty(journal: Journal) -> None:
    """The columns and types are a contract: audits concatenate runs."""
    empty = {
        name: getattr(open_run(journal.path), name) for name in ("results", "rejects", "books")
    }
    tallies = {"read": {("p", "d", DAY): 5}, "withheld": {("p", "d", DAY): 2}}
    journal.intend([request(1), request(2)], tallies, rejects(2))
    settled = Settled("1", "accepted", 200, "", 1, 0.25)
    journal.settle(settled, 1_700_000_000_000, {"accepted": {("p", "d", DAY): 3}}, NO_REJECTS)
    run = open_run(journal.path)

    for name, frame in empty.items():
        assert len(getattr(run, name))
        pd.testing.assert_series_equal(getattr(run, name).dtypes, frame.dtypes)
    time = pd.DatetimeTZDtype("ms", "UTC")
    assert [run.results[c].dtype for c in ("first_time", "last_time", "sent_at")] == [time] * 3
    assert run.rejects["time"].dtype == run.books["day"].dtype == time
    assert run.results["code"].dtype == run.rejects["row"].dtype == pd.Int64Dtype()
    assert run.books["balanced"].dtype == bool


def test_what_is_settled_reads_back(journal: Journal) -> None:
    """The journal is the only record: what is not in it did not happen."""
    journal.note(gateway="gw-1", counts={"rows": 4}, complete=True)
    journal.intend([request(1), request(2)], {"read": {("p", "d", DAY): 6}}, NO_REJECTS)
    journal.settle(Settled("2", "declined", 1204, "no", 3, 0.5), 1_000,
                   {"declined": {("p", "d", DAY): 3}}, rejects(3))  # fmt: skip
    run = open_run(journal.path)

    first, second = run.results.to_dict("records")
    assert (first["outcome"], first["attempts"], pd.isna(first["code"])) == ("in_doubt", 0, True)
    assert {**second, "first_time": 0, "last_time": 0} == {
        "request_id": "2", "parent_id": second["parent_id"], "gateway": "gw-1", "n_entries": 2,
        "n_values": 3, "n_bytes": 100, "first_time": 0, "last_time": 0, "attempts": 3,
        "code": 1204, "meaning": "model validation failed: invalid fields among the points",
        "outcome": "declined", "sent_at": pd.Timestamp(1, unit="s", tz="UTC"), "latency": 0.5,
    }  # fmt: skip
    pd.testing.assert_frame_equal(run.rejects, rejects(3))
    (book,) = run.books.to_dict("records")
    assert (book["read"], book["declined"], book["balanced"]) == (6, 3, False)
    assert book["day"] == pd.Timestamp(DAY, unit="D", tz="UTC")


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["read", *FATES]), st.sampled_from("ab"),
            st.none() | st.integers(-800_000, 40_000), st.integers(0, 9),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_books_add_up_what_was_noted(
    tmp_path_factory: pytest.TempPathFactory, notes: list[tuple[str, str, int | None, int]]
) -> None:
    """Days before 1970 and days that could not be read among them."""
    journal = Journal(tmp_path_factory.mktemp("books") / "run.db")
    expected: dict[tuple[str, int | None], dict[str, int]] = {}
    for fate, device, day, n in notes:
        journal.intend([], {fate: {("p", device, day): n}}, NO_REJECTS)
        book = expected.setdefault((device, day), dict.fromkeys(("read", *FATES), 0))
        book[fate] += n
    journal.close()
    books = open_run(journal.path).books

    assert len(books) == len(expected)
    for row in books.to_dict("records"):
        day = None if pd.isna(row["day"]) else round(row["day"].timestamp() / 86_400)
        book = expected[row["device_key"], day]
        assert {name: row[name] for name in book} == book
        assert row["balanced"] == (book["read"] == sum(book[fate] for fate in FATES))


def test_a_step_is_remembered_whole_or_not_at_all(journal: Journal) -> None:
    """A request without its tallies would leave books that never balance."""
    journal.intend([request(1)], {"read": {("p", "d", DAY): 3}}, NO_REJECTS)
    with pytest.raises(JournalError, match="cannot be written"):
        journal.intend([request(2), request(1)], {"read": {("p", "d", DAY): 3}}, NO_REJECTS)
    with pytest.raises(TypeError):
        journal.intend([request(3)], {"read": {("p", "d", DAY): None}}, NO_REJECTS)  # type: ignore[dict-item]

    reader = read_journal(journal.path)
    assert len(reader.results()) == 1
    assert reader.totals()["read"] == 3
    journal.note(still="writes")


@pytest.mark.parametrize("content", [b"", b"notes of mine", b"SQLite format 3\0 not really"])
def test_a_file_that_exists_is_refused_and_untouched(tmp_path: Path, content: bytes) -> None:
    """It may be somebody's record of another run, or no journal at all."""
    path = tmp_path / "run.db"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="there is a file already"):
        Journal(path)

    assert path.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]


@pytest.mark.parametrize("content", [b"", b"notes of mine " * 100])
def test_a_file_that_is_no_journal_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    """The path is what the user mistook."""
    path = tmp_path / "run.db"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"run\.db"):
        open_run(path)
    with pytest.raises(JournalError, match="there is no journal"):
        open_run(tmp_path / "none.db")


def test_a_journal_of_another_format_is_refused(journal: Journal) -> None:
    """A later version's journal must not be misread."""
    journal.note(format=99)
    with pytest.raises(JournalError, match="format 99; this version reads 1"):
        open_run(journal.path)


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """sqlite3's own message does not name the file."""
    with pytest.raises(JournalError, match=r"none/run\.db: the journal cannot be written"):
        Journal(tmp_path / "none" / "run.db")


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "#1.db", "\u00fcber.db"])
def test_a_journal_may_have_any_name(tmp_path: Path, name: str) -> None:
    """sqlite3 is asked by URI, in which some characters mean something else."""
    journal = Journal(tmp_path / name)
    journal.note(gateway="gw-1")
    journal.close()

    assert open_run(tmp_path / name).summary()["gateway"] == "gw-1"


def test_a_closed_journal_is_one_file(tmp_path: Path) -> None:
    """It is copied and archived as one; what stood beside it would be left behind."""
    journal = Journal(tmp_path / "run.db")
    journal.intend([request(1)], {"read": {("p", "d", DAY): 3}}, NO_REJECTS)
    journal.close()
    open_run(journal.path).summary()

    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    with sqlite3.connect(journal.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_journal_reads_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook changes its working directory and still looks at its run."""
    monkeypatch.chdir(tmp_path)
    journal = Journal(Path("run.db"))
    run = open_run("run.db")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    journal.note(gateway="gw-1")
    journal.close()

    assert run.summary()["gateway"] == "gw-1"


def test_another_process_reads_a_run_that_goes_on(journal: Journal) -> None:
    """A colleague looks how far the night's backfill is."""
    journal.intend([request(1)], {"read": {("p", "d", DAY): 3}}, NO_REJECTS)
    script = "import sys, mpreplay as mp; print(mp.open_run(sys.argv[1]).summary()['read'])"
    found = subprocess.run(
        [sys.executable, "-c", script, journal.path], capture_output=True, check=True, text=True
    )

    assert found.stdout == "3\n"
    journal.note(still="writes")
