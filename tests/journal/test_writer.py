"""The record on disk: what is written reads back, typed alike whether full or empty."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import ConfigError, JournalError, open_run
from mpreplay.display.facts import Detail
from mpreplay.frames import BOOK_COLUMNS, FATES, REJECT_COLUMNS, RESULT_COLUMNS
from mpreplay.journal.packing import packed as pack
from mpreplay.journal.packing import unpacked
from mpreplay.journal.reader import read_journal
from mpreplay.journal.unfinished import Intent, Unfinished
from mpreplay.journal.writer import Journal
from mpreplay.outcome.reject_table import FACTS, NO_REJECTS, reject_frame
from mpreplay.outcome.settled import Settled

DAY = 19_875
FIRST_DAY = -719_162  # of the year 1


KEY = ("p", "d", DAY)


def slab(number: int = 0, n_rows: int = 0) -> Any:
    """Return what a journal asks of a slab."""
    return SimpleNamespace(number=number, n_taken=n_rows, n_empty=0, rest=None, carry=())


def spans_of(key: tuple[str, str, int], n_values: int) -> Any:
    """Return what a journal asks of an entry, of which no value is at hand."""
    part = SimpleNamespace(
        readings=SimpleNamespace(devices=[key[:2]], columns=[]),
        entries=SimpleNamespace(device=np.array([0]), time=np.array([key[2] * 86_400_000]),
                                cells=[], suspects=[]),
        encoded=SimpleNamespace(n_values=np.array([n_values])),
        copies=lambda _start, _stop: [],
    )  # fmt: skip
    return [(part, 0, 1)]


def request(
    number: int, n_values: int = 3, slab: int = 0, key: tuple[str, str, int] = KEY
) -> tuple[str, Any, str, int]:
    """Return what is intended of a request."""
    chunk = SimpleNamespace(
        slab=slab, cuts=str(number), n_entries=2, n_values=n_values, times=(5, 6),
        spans=spans_of(key, n_values),
    )  # fmt: skip
    return str(number), chunk, "digest", 100


def settled(number: int, outcome: Any, code: int | None = None, attempts: int = 1) -> Settled:
    """Return how a request ended."""
    return Settled(str(number), outcome, code, "", attempts, None if code is None else 0.25)


def rejects(n: int) -> pa.Table:
    """Return some rejects, with whatever may be absent absent."""
    row = {
        "source": "DataFrame", "row": 7, "product_key": "p", "device_key": "d", "time": 86_400_000,
        "measurepoint": "P", "value": "1e9\n\u00e9", "check": "range", "outcome": "withheld",
        "detail": Detail("range", (None, 5, False, False, "")).as_text(), "code": None,
        "request_id": None,
    }  # fmt: skip
    return pa.Table.from_pylist([row] * n, FACTS)


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    """Open a new journal."""
    one = Journal(tmp_path / "run.db")
    one.begin()
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
    tallies = {"read": {KEY: 8}, "withheld": {KEY: 2}}
    journal.intend(slab(), [request(1), request(2)], tallies, rejects(2))
    journal.settle(settled(1, "accepted", 200), 1_700_000_000_000, {}, NO_REJECTS)
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
    journal.note(gateway="gw-1", read_all=True)
    journal.intend(slab(0, 4), [request(1), request(2)], {"read": {KEY: 6}}, NO_REJECTS)
    journal.settle(Settled("2", "declined", 1204, "no", 3, 0.5), 1_000, {}, rejects(3))
    run = open_run(journal.path)

    first, second = run.results.to_dict("records")
    assert (first["outcome"], first["attempts"], pd.isna(first["code"])) == ("in_doubt", 0, True)
    assert {**second, "first_time": 0, "last_time": 0} == {
        "request_id": "2", "parent_id": second["parent_id"], "gateway": "gw-1", "n_entries": 2,
        "n_values": 3, "n_bytes": 100, "first_time": 0, "last_time": 0, "attempts": 3,
        "code": 1204, "meaning": "model validation failed: invalid fields among the points",
        "outcome": "declined", "sent_at": pd.Timestamp(1, unit="s", tz="UTC"), "latency": 0.5,
    }  # fmt: skip
    pd.testing.assert_frame_equal(run.rejects, reject_frame(rejects(3)))
    assert set(run.rejects["reason"]) == {"outside (-inf, 5]"}
    assert set(run.rejects["mend"]) == {
        "correct the value, or widen the range in the platform's thing model"
    }
    (book,) = run.books.to_dict("records")
    assert (book["read"], book["declined"], book["in_doubt"], book["balanced"]) == (6, 3, 3, True)
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
    """Days before 1970, days before the year 1, and days that could not be read among them."""
    journal = Journal(tmp_path_factory.mktemp("books") / "run.db")
    journal.begin()
    expected: dict[tuple[str, int | None], dict[str, int]] = {}
    for number, (fate, device, day, n) in enumerate(notes):
        journal.intend(slab(number), [], {fate: {("p", device, day): n}}, NO_REJECTS)
        known = day if day is not None and day >= FIRST_DAY else None
        book = expected.setdefault((device, known), dict.fromkeys(("read", *FATES), 0))
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
    journal.intend(slab(0), [request(1)], {"read": {KEY: 3}}, NO_REJECTS)
    with pytest.raises(JournalError, match="cannot be written"):
        journal.intend(slab(1), [request(2), request(1)], {"read": {KEY: 3}}, NO_REJECTS)
    with pytest.raises(TypeError):
        journal.intend(slab(2), [request(3)], {"read": {KEY: None}}, NO_REJECTS)  # type: ignore[dict-item]

    reader = read_journal(journal.path)
    assert len(reader.results()) == 1
    assert reader.totals()["read"] == 3
    journal.note(still="writes")


def test_steps_that_are_joined_are_remembered_together(journal: Journal) -> None:
    """Replies that come in a burst cost one write, and none of them is read half."""
    journal.intend(slab(0), [request(1), request(2)], {"read": {KEY: 6}}, NO_REJECTS)
    with journal.joined():
        journal.settle(settled(1, "accepted", 200), 1, {}, NO_REJECTS)
        journal.settle(settled(2, "declined", 1204), 1, {}, rejects(1))
        assert set(open_run(journal.path).results["outcome"]) == {"in_doubt"}

    assert open_run(journal.path).results["outcome"].tolist() == ["accepted", "declined"]
    assert open_run(journal.path).books["balanced"].all()
    journal.note(still="writes")


@pytest.mark.parametrize("error", [TypeError, JournalError])
def test_an_error_among_joined_steps_costs_its_own_step_alone(
    journal: Journal, error: type[Exception]
) -> None:
    """What was answered before the error was answered: it need not be sent again."""
    journal.intend(slab(0), [request(1), request(2)], {"read": {KEY: 6}}, NO_REJECTS)
    wrong = (slab(1), [request(3)], {"read": {KEY: None}}, NO_REJECTS)
    if error is JournalError:
        wrong = (slab(1), [request(3), request(1)], {"read": {KEY: 1}}, NO_REJECTS)
    with pytest.raises(error), journal.joined():
        journal.settle(settled(1, "accepted", 200), 1, {}, NO_REJECTS)
        journal.intend(*wrong)  # type: ignore[arg-type]

    run = open_run(journal.path)
    assert run.results["outcome"].tolist() == ["accepted", "in_doubt"]
    assert read_journal(journal.path).totals()["read"] == 6
    journal.note(still="writes")


def test_a_file_that_is_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    """Somebody mistyped a name: their readings must not move."""
    path = tmp_path / "readings.parquet"
    path.write_bytes(b"PAR1 and so on")
    with pytest.raises(JournalError, match="no journal, and was left as it is; give the journal"):
        Journal(path)

    assert path.read_bytes() == b"PAR1 and so on"
    assert [path.name for path in tmp_path.iterdir()] == ["readings.parquet"]


@pytest.mark.parametrize("content", [b"SQLite format 3\0 not really", b"\0" * 9_000])
def test_what_is_left_of_a_journal_is_set_aside_unchanged(tmp_path: Path, content: bytes) -> None:
    """It may be what is left of another run's record: an auditor may want to look at it."""
    path = tmp_path / "run.db"
    for number in (1, 2):
        path.write_bytes(content)
        aside = rf"set aside as run\.db\.damaged-{number}"
        with pytest.raises(JournalError, match=aside) as caught:
            Journal(path)

        assert (tmp_path / f"run.db.damaged-{number}").read_bytes() == content
        assert "Nothing was sent. Run again to begin anew" in str(caught.value)
    assert not path.exists()


def test_a_database_of_another_program_is_refused_and_untouched(tmp_path: Path) -> None:
    """Nothing is wrong with it: the name was."""
    path = tmp_path / "run.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (title)")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="no journal of mpreplay; give the journal another name"):
        Journal(path)

    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]


@pytest.mark.parametrize("is_made", [False, True])
def test_a_file_without_a_table_is_a_new_journal(tmp_path: Path, is_made: bool) -> None:
    """A run that died before its first step has left one; there is nothing in it to lose."""
    path = tmp_path / "run.db"
    path.touch()
    if is_made:
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = WAL")
    journal = Journal(path)
    assert journal.is_new
    journal.begin(gateway="gw-1")
    journal.close()

    assert not Journal(path).is_new
    assert open_run(path).summary()["gateway"] == "gw-1"


def test_what_an_earlier_run_left_is_taken_up(journal: Journal) -> None:
    """Settled is settled; what is in doubt, unsent or open is the next run's to send."""
    outcomes = {1: ("accepted", 200), 2: ("in_doubt", None), 3: ("not_sent", None)}
    requests = [request(n) for n in (1, 2, 3, 10)]
    journal.intend(slab(0), requests, {"read": {KEY: 12}}, NO_REJECTS)
    journal.intend(slab(1), [request(9, slab=1)], {"read": {KEY: 3}}, NO_REJECTS)
    journal.intend(slab(2), [], {}, NO_REJECTS)  # nothing to send is settled
    for number, (outcome, code) in outcomes.items():
        journal.settle(settled(number, outcome, code), 5, {}, NO_REJECTS if code else rejects(1))
    journal.settle(settled(9, "declined", 1204), 5, {}, rejects(1))
    journal.note(counts={"published": 7})
    before = read_journal(journal.path).n_rejects()
    found = journal.take_up()

    assert found.settled_slabs == {1, 2}
    assert {n: [one.request_id for one in open_] for n, open_ in found.open_requests.items()} == {
        0: ["2", "3", "10"]
    }
    assert found.open_requests[0][0] == Intent("2", "2", "digest", 100)
    # Only of what ended in order it is known that it was never sent.
    assert [one.in_doubt for one in found.open_requests[0]] == [True, False, True]
    assert found.last_id == "10"  # by number, not by text
    assert found.counts == {"published": 7}
    # Of what is sent again nothing is said twice.
    assert (before, read_journal(journal.path).n_rejects()) == (3, 1)
    totals = read_journal(journal.path).totals()
    assert (totals["accepted"], totals["declined"], totals["in_doubt"]) == (3, 3, 9)
    journal.settle(settled(2, "accepted", 200, attempts=2), 6, {}, NO_REJECTS)
    assert list(open_run(journal.path).results["attempts"][:2]) == [1, 3]


def test_nothing_to_take_up_is_nothing(journal: Journal) -> None:
    """A run that died between its first step and its first slab."""
    assert journal.take_up() == Unfinished()


def test_a_divided_request_leaves_the_books_to_its_parts(journal: Journal) -> None:
    """Its values are counted once, wherever they ended."""
    journal.intend(slab(), [request(1, 5)], {"read": {KEY: 5}}, NO_REJECTS)
    journal.divide(settled(1, "divided", 1008), 5, [request(2, 2), request(3, 3)])
    journal.settle(settled(2, "accepted", 200), 6, {}, NO_REJECTS)
    run = open_run(journal.path)

    assert list(run.results["outcome"]) == ["divided", "accepted", "in_doubt"]
    assert list(run.results["parent_id"].fillna("")) == ["", "1", "1"]
    assert run.books["balanced"].all()
    assert (run.summary()["accepted"], run.summary()["in_doubt"]) == (2, 3)


def test_a_correction_moves_values_between_fates(journal: Journal) -> None:
    """A request accepted under skip holds values that the platform left out."""
    journal.intend(slab(), [request(1, 5)], {"read": {KEY: 5}}, NO_REJECTS)
    corrections = {"declined": {KEY: 2}, "accepted": {KEY: -2}}
    journal.settle(settled(1, "accepted", 200), 6, corrections, rejects(2))
    run = open_run(journal.path)

    assert run.books["balanced"].all()
    assert (run.summary()["accepted"], run.summary()["declined"]) == (3, 2)


@pytest.mark.parametrize("content", [b"", b"notes of mine " * 100])
def test_a_file_that_is_no_journal_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    """The path is what the user mistook."""
    path = tmp_path / "run.db"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"run\.db"):
        open_run(path)
    with pytest.raises(JournalError, match="there is no journal"):
        open_run(tmp_path / "none.db")


@pytest.mark.parametrize("given", ["", "a\0b", "\ud800", "x" * 300, 5, None], ids=ascii)
def test_a_path_that_no_journal_has_is_an_error_of_ours(given: Any) -> None:
    """A name from a job's settings may be anything."""
    with pytest.raises((JournalError, ConfigError)):
        open_run(given)


def test_a_journal_of_another_format_is_refused(journal: Journal) -> None:
    """A later version's journal must not be misread."""
    journal.note(format=99)
    with pytest.raises(JournalError, match="format 99; this version reads 6"):
        open_run(journal.path)


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """sqlite3's own message does not name the file."""
    with pytest.raises(JournalError, match=r"none/run\.db: the journal cannot be written"):
        Journal(tmp_path / "none" / "run.db").begin()


def test_a_journal_and_what_sqlite_keeps_beside_it_are_for_their_owner_alone(
    tmp_path: Path,
) -> None:
    """Readings of a wind farm are worth money, and a shared machine has many users."""
    journal = Journal(tmp_path / "run.db")
    journal.begin(gateway="gw-1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    journal.close()

    assert modes == dict.fromkeys(["run.db", "run.db-wal", "run.db-shm"], 0o600)


def test_nothing_is_written_before_a_journal_begins(tmp_path: Path) -> None:
    """A run may be refused until then."""
    (tmp_path / "run.db").touch()
    before = (tmp_path / "run.db").stat().st_mtime_ns
    journal = Journal(tmp_path / "run.db")
    with pytest.raises(JournalError, match="has not begun"):
        journal.note(gateway="gw-1")
    journal.close()

    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    assert (tmp_path / "run.db").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "#1.db", "\u00fcber.db"])
def test_a_journal_may_have_any_name(tmp_path: Path, name: str) -> None:
    """sqlite3 is asked by URI, in which some characters mean something else."""
    journal = Journal(tmp_path / name)
    journal.begin(gateway="gw-1")
    journal.close()

    assert open_run(tmp_path / name).summary()["gateway"] == "gw-1"


def test_a_closed_journal_is_one_file(tmp_path: Path) -> None:
    """It is copied and archived as one; what stood beside it would be left behind."""
    journal = Journal(tmp_path / "run.db")
    journal.begin()
    journal.intend(slab(), [request(1)], {"read": {KEY: 3}}, NO_REJECTS)
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
    journal.begin()
    run = open_run("run.db")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    journal.note(gateway="gw-1")
    journal.close()

    assert run.summary()["gateway"] == "gw-1"


def test_another_process_reads_a_run_that_goes_on(journal: Journal) -> None:
    """A colleague looks how far the night's backfill is."""
    journal.intend(slab(), [request(1)], {"read": {KEY: 3}}, NO_REJECTS)
    script = "import sys, mpreplay as mp; print(mp.open_run(sys.argv[1]).summary()['read'])"
    found = subprocess.run(
        [sys.executable, "-c", script, journal.path], capture_output=True, check=True, text=True
    )

    assert found.stdout == "3\n"
    journal.note(still="writes")


@pytest.mark.parametrize("seed", range(12))
def test_a_journal_with_a_damaged_page_is_an_error_of_ours_or_reads(
    tmp_path: Path, seed: int
) -> None:
    """A bad sector is no traceback of sqlite3's or json's, and never a journal begun anew."""
    journal = Journal(tmp_path / "run.db")
    journal.begin(gateway="gw-1", fingerprint={"model": "x" * 5_000})
    for number in range(40):
        one = request(number, slab=number)
        journal.intend(slab(number), [one], {"read": {KEY: 3}}, rejects(1))
    journal.close()
    content = bytearray(journal.path.read_bytes())
    random = Random(seed)
    for _ in range(40):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    journal.path.write_bytes(content)
    with suppress(JournalError):
        run = open_run(journal.path)
        assert [len(run.summary()), len(run.books), len(run.results), len(run.rejects)]
    try:
        again = Journal(journal.path)
        assert not again.is_new
        again.take_up()
        again.close()
    except JournalError:
        aside = tmp_path / "run.db.damaged-1"
        if aside.exists():
            assert aside.read_bytes() == content
        else:
            assert journal.path.stat().st_size >= len(content)


def test_a_flipped_bit_in_a_reject_is_an_error_and_no_crash() -> None:
    """Arrow trusts what it reads: a damaged frame could end the process, or tell a falsehood."""
    packed = pack(NO_REJECTS)
    assert len(unpacked(packed)) == 0
    for place in range(0, len(packed), 7):
        damaged = bytearray(packed)
        damaged[place] ^= 1
        with pytest.raises(ValueError, match="damaged"):
            unpacked(bytes(damaged))


def test_rejects_are_small_in_a_journal_be_they_few_or_many() -> None:
    """Isolation writes a row at a time, and a model that forbids a point writes millions."""
    few, many = rejects(1), rejects(10_000)

    assert unpacked(pack(few)).equals(few)
    assert unpacked(pack(many)).equals(many)
    assert len(pack(few)) < 3_000
    assert len(pack(many)) < many.nbytes / 5
