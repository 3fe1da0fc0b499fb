"""Continuing a run: what is settled stays, what is in doubt goes again, and the end is the same."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from conftest import PRODUCT, Play, history_of
from scripted import GATEWAY, Clock, Killed, Scripted, always, scripted_replay

import mpreplay as mp
from mpreplay.conversation.transport import Lost
from mpreplay.history import history as history_module
from mpreplay.order import Order
from mpreplay.requests.chunk import Chunk
from mpreplay.requests.preparing import Preparer
from mpreplay.sources.parquet import ParquetSource

SOLO = mp.Limits(max_entries=1, give_up_after=None)  # a request for each entry
ONE_BY_ONE = dataclasses.replace(SOLO, window=1)
# What two runs of one history have in common, whatever happened on the way.
SAME = ["request_id", "n_entries", "n_values", "n_bytes", "first_time", "last_time", "code",
        "outcome"]  # fmt: skip


Replay = Callable[..., tuple[Any, Scripted]]


@pytest.fixture
def replay(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> Replay:
    """Replay the farm along a script, with a journal, as often as one likes."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(history_module, "SLAB_ROWS", 3)
    clock = Clock(1_700_000_000.0)

    def run(script: Any = always, **options: Any) -> tuple[Any, Scripted]:
        given = {
            "history": history, "model": model, "limits": ONE_BY_ONE, "clock": clock,
            "journal": tmp_path / "run.db", **options,
        }  # fmt: skip
        clock.at += 1_000.0
        return scripted_replay(monkeypatch, script, **given)

    return run


def kill(replay: Replay, number: int, **options: Any) -> None:
    """Run until the n-th publish, and end as a killed process does."""

    def script(n: int, _message: Any) -> None:
        if n == number:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        # Neither the driver's last words nor the journal's are written.
        patch.setattr("mpreplay.runner.driver.Driver._note_end", lambda _: None)
        replay(script, **options)


def undisturbed(replay: Replay, tmp_path: Path, **options: Any) -> tuple[mp.Run, Scripted]:
    """Return the run of the same history that nothing happened to."""
    return replay(journal=tmp_path / "undisturbed.db", **options)


def normal(results: pd.DataFrame) -> pd.DataFrame:
    """Return results with ids counted from the first."""
    frame = results[SAME].copy()
    first = int(frame["request_id"].iloc[0])
    frame["request_id"] = [int(one) - first for one in frame["request_id"]]
    return frame


@pytest.mark.parametrize("number", range(1, 9))
def test_a_killed_run_ends_as_if_nothing_had_happened(
    replay: Replay, tmp_path: Path, number: int
) -> None:
    """At whichever request it died: results, rejects and books are those of an undisturbed run."""
    whole, _ = undisturbed(replay, tmp_path)
    kill(replay, number)
    before = mp.open_run(tmp_path / "run.db")
    assert not before.complete
    assert before.books["balanced"].all()
    run, transport = replay()

    assert run.complete
    pd.testing.assert_frame_equal(normal(run.results), normal(whole.results))
    pd.testing.assert_frame_equal(run.books, whole.books)
    pd.testing.assert_frame_equal(run.rejects, whole.rejects)
    # Settled before: number - 1; the one in doubt is the first to go again.
    assert len(transport.published) == 8 - (number - 1)
    first = int(run.results["request_id"].iloc[0])
    assert [int(one) - first for one in transport.ids] == list(range(number - 1, 8))


def test_what_is_in_doubt_goes_again_with_the_same_id_and_bytes(replay: Replay) -> None:
    """The platform overwrites what it had; a late reply to the first attempt settles it, too."""
    sent: list[tuple[str, bytes]] = []

    def silent(n: int, _message: Any) -> Any:
        return [] if n > 2 else None

    doubtful, transport = replay(silent, limits=dataclasses.replace(SOLO, attempts=1))
    sent = transport.published[2:]
    assert doubtful.summary()["in_doubt"] == doubtful.books["in_doubt"].sum() > 0
    assert doubtful.books["balanced"].all()
    run, transport = replay()

    assert run.complete
    assert transport.published == sent
    assert len(run.rejects) == 0
    assert list(run.results["attempts"]) == [1, 1, 2, 2, 2, 2, 2, 2]


def test_the_counts_of_a_killed_run_are_those_of_all_its_legs(
    replay: Replay, tmp_path: Path
) -> None:
    """A kill writes no last words: each step of the journal carries the counts."""
    kill(replay, 4)
    killed = mp.open_run(tmp_path / "run.db").summary()
    assert (killed["published"], killed["connects"], killed["ended_at"]) == (3, 1, "")
    said = repr(mp.open_run(tmp_path / "run.db"))
    assert "not settled" in said  # in flight, or waiting: nobody knows yet
    assert "in doubt" not in said
    kill(replay, 3)
    run, _ = replay()

    summary = run.summary()
    assert summary["connects"] == 3
    # Those that died before the next step of the journal were published, and are not counted.
    assert summary["acknowledged"] <= summary["published"] == 3 + 2 + 3
    assert summary["continued"] == 2


def test_the_time_between_the_legs_of_a_run_is_no_time_of_the_run(
    replay: Replay, tmp_path: Path
) -> None:
    """A run that was killed on Friday and continued on Monday did not work for three days."""
    kill(replay, 4)
    run, _ = replay(lambda _n, message: [(2.0, 200)] if message else None)
    run.report(tmp_path / "page.html")
    page = re.sub("<[^>]+>", " ", (tmp_path / "page.html").read_text(encoding="utf-8"))
    said = " ".join(page.split())

    took = float(re.search(r"Took ([\d.]+) s", said)[1])
    assert 9 < took < 12  # five requests of two seconds each; the first leg answered at once
    assert "Idle between its parts 17 min" in said
    assert "The run was idle 1 time, 17 min in all: gaps show it." in said


def test_a_run_without_a_journal_does_not_say_that_a_journal_continues_it(replay: Replay) -> None:
    """The advice of a page must be possible."""

    def stop(n: int, _message: Any) -> None:
        if n == 2:
            signal.raise_signal(signal.SIGINT)

    kept, _ = replay(stop)
    lost, _ = replay(stop, journal=None)

    assert "The same replay with the same journal continues it." in kept._repr_html_()
    assert "same journal" not in lost._repr_html_()
    assert "replay the history again, with a journal" in lost._repr_html_()


def test_what_was_withheld_or_declined_is_neither_sent_nor_told_twice(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """The rejects are in the journal in full; the platform's word is final."""
    frame.loc[1, "P"] = 9999.0
    options = {"history": history_of(frame), "on_invalid": "withhold", "isolate": False}

    def declines(n: int, _message: Any) -> Any:
        return [(0.0, 1204)] if n == 2 else None

    whole, _ = replay(declines, journal=tmp_path / "undisturbed.db", **options)

    def stops(n: int, message: Any) -> Any:
        return [(0.0, 1220)] if n == 5 else declines(n, message)

    partial, transport = replay(stops, **options)
    assert (len(transport.published), partial.complete) == (5, False)
    assert "1220" in partial.summary()["stopped"]
    run, transport = replay(**options)

    assert len(transport.published) == 3  # 1220 was an answer, too
    assert run.complete
    assert run.summary()["stopped"] == ""
    assert run.books["balanced"].all()
    assert run.rejects["row"].value_counts().to_dict() == {1: 3, 4: 3}
    rejects = run.rejects[run.rejects["code"].ne(1220).fillna(True)].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        rejects.drop(columns="request_id"), whole.rejects.drop(columns="request_id")
    )


def test_what_was_never_sent_stays_so_over_many_interrupts(replay: Replay) -> None:
    """A value in doubt costs an engineer a look; one that was surely not sent does not."""

    def stop(n: int, _message: Any) -> None:
        if n == 2:
            signal.raise_signal(signal.SIGINT)

    for accepted in (2, 4):
        run, _ = replay(stop)
        outcomes = run.results["outcome"].value_counts().to_dict()
        # Slabs of three: what was not read is not there yet.
        unsent = len(run.results) - accepted
        assert outcomes == {"accepted": accepted} | ({"not_sent": unsent} if unsent else {})
        assert run.books["balanced"].all()
    assert replay()[0].complete


def test_a_finished_run_is_returned_without_a_connection(replay: Replay) -> None:
    """A scheduler that starts a job twice does no harm."""
    whole, _ = replay()
    run, transport = replay()

    assert (transport.connects, transport.published) == ([], [])
    pd.testing.assert_frame_equal(run.results, whole.results)
    pd.testing.assert_frame_equal(run.books, whole.books)
    assert run.complete
    assert run.summary()["connects"] == 1


def test_settled_slabs_are_neither_read_nor_encoded(
    replay: Replay, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Continuing last night's run at its last hour takes seconds, not the night."""
    path = tmp_path / "farm.parquet"
    frame.to_parquet(path, row_group_size=3)
    options = {
        "history": mp.read_history(path, time_column="ts", device_column="unit",
                                   product_key=PRODUCT)
    }  # fmt: skip
    kill(replay, 7, **options)  # in the third of three slabs
    read: list[Any] = []
    prepared: list[int] = []
    payloads: list[str] = []
    monkeypatch.setattr(
        ParquetSource, "read", _spy(ParquetSource.read, lambda _, __, spans: read.extend(spans))
    )
    monkeypatch.setattr(
        Preparer, "prepare", _spy(Preparer.prepare, lambda _, raw, *__: prepared.append(raw.number))
    )
    monkeypatch.setattr(
        Chunk, "_pieces", _spy(Chunk._pieces, lambda chunk, *_: payloads.append(chunk.cuts))
    )
    run, transport = replay(**options)

    assert run.complete
    # The first request of the third slab begins with an entry of the second.
    assert read == [(3, 6), (6, 8)]
    assert prepared == [2]
    assert set(payloads) == {"1", "2"}
    assert len(transport.published) == 2
    # Of the slab that was under way, only what is open is made again.
    assert len(payloads) == 2 * 2


def _spy(function: Any, note: Callable[..., Any]) -> Any:
    def spied(*args: Any, **options: Any) -> Any:
        note(*args)
        return function(*args, **options)

    return spied


def test_parts_of_a_divided_request_are_continued(replay: Replay, tmp_path: Path) -> None:
    """Whichever part a run died at: parts are made again under the ids they had."""

    def too_large(_n: int, message: Any) -> Any:
        return [(0.0, 1008)] if len(orjson.dumps(message)) > 300 else None

    options = {"limits": dataclasses.replace(ONE_BY_ONE, max_entries=None)}
    whole, calm = replay(too_large, journal=tmp_path / "undisturbed.db", **options)
    assert set(whole.results["outcome"]) == {"divided", "accepted"}
    for number in range(1, len(calm.published) + 1):
        path = tmp_path / f"run-{number}.db"

        def script(n: int, message: Any, last: int = number) -> Any:
            if n == last:
                raise Killed
            return too_large(n, message)

        with pytest.raises(Killed):
            replay(script, journal=path, **options)
        run, _ = replay(too_large, journal=path, **options)

        assert run.complete
        pd.testing.assert_frame_equal(run.books, whole.books)
        key = ["first_time", "n_bytes", "outcome"]
        pd.testing.assert_frame_equal(
            run.results[SAME[1:]].sort_values(key, ignore_index=True),
            whole.results[SAME[1:]].sort_values(key, ignore_index=True),
        )
        parents = set(run.results["parent_id"].dropna())
        divided = run.results[run.results["outcome"] == "divided"]
        assert parents == set(divided["request_id"])


@pytest.mark.parametrize(
    ("name", "changes"),  # what differs, and what makes it so
    [
        ("history", lambda frame: {"history": history_of(frame.assign(P=frame["P"] + 1))}),
        ("history", lambda frame: {"history": history_of(frame.iloc[:7])}),
        ("start", lambda frame: {"history": dataclasses.replace(history_of(frame), start=5)}),
        ("end", lambda frame: {"history": dataclasses.replace(history_of(frame), end=10**13)}),
        (
            "points ignore",
            lambda frame: {
                "history": mp.read_history(frame, time_column="ts", device_column="unit",
                                           product_key=PRODUCT, points={"P": "wind"},
                                           ignore=("wind",))
            },
        ),
        ("text", lambda frame: {"history": history_of(frame, text=mp.TextFormat(decimal=","))}),
        ("points", lambda frame: {
            "history": history_of(frame, points={"P": mp.Column("P", scale=1000)})}),
        ("model", lambda _: {"model": mp.ThingModel("Turbine", {
            "P": mp.Measurepoint("P", "FLOAT"), "wind": mp.Measurepoint("wind", "FLOAT"),
            "state": mp.Measurepoint("state", "STRING")})}),
        ("skip_invalid_measurepoints", lambda _: {"skip_invalid_measurepoints": True}),
        ("allow_offline_sub_device", lambda _: {
            "allow_offline_sub_device": False, "sub_device_secrets": {
            (PRODUCT, "T1"): "s"}}),
        ("on_invalid", lambda _: {"on_invalid": "send"}),
        ("duplicates", lambda _: {"duplicates": "last"}),
        ("max_bytes", lambda _: {"limits": dataclasses.replace(ONE_BY_ONE, max_bytes=5_000)}),
        ("max_entries", lambda _: {"limits": dataclasses.replace(ONE_BY_ONE, max_entries=2)}),
        ("max_values", lambda _: {"limits": dataclasses.replace(ONE_BY_ONE, max_values=9)}),
        ("platform", lambda _: {"connection": dataclasses.replace(GATEWAY, host="other")}),
        ("gateway", lambda _: {"connection": dataclasses.replace(GATEWAY, device_key="gw-2")}),
    ],
)  # fmt: skip
def test_another_input_cannot_continue_a_run(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path, name: str, changes: Any
) -> None:
    """Half of one replay and half of another would be a record of neither."""
    kill(replay, 3)
    before = mp.open_run(tmp_path / "run.db").results
    error, transport = replay(**changes(frame))

    assert isinstance(error, mp.JournalMismatch)
    assert error.differs == tuple(name.split())
    text = str(error)
    assert all(("thing model" if one == "model" else one) in text for one in error.differs)
    assert "run.db: the run in this journal cannot be continued" in text
    assert text.endswith("Pass what it was begun with, or another journal to begin anew")
    assert transport.connects == []
    pd.testing.assert_frame_equal(mp.open_run(tmp_path / "run.db").results, before)
    assert replay()[0].complete


def test_a_file_that_was_meant_as_a_folder_says_so(play: Play, tmp_path: Path) -> None:
    """Whoever writes "runs" without a slash has a file of this name, and no place for a second."""
    play(journal=tmp_path / "runs")
    error, _ = play(journal=tmp_path / "runs", on_invalid="send")

    assert isinstance(error, mp.JournalMismatch)
    assert str(error).endswith("to begin anew, such as a folder: a name with / at its end")


@pytest.mark.parametrize(
    "changes",
    [
        {"window": 5}, {"bytes_per_second": 500.0}, {"values_per_second": 9.0},
        {"reply_timeout": 3.0}, {"attempts": 2}, {"connects": 2}, {"keepalive": 20},
        {"give_up_after": 3},
    ],
)  # fmt: skip
def test_another_window_or_rate_is_no_difference(replay: Replay, changes: dict[str, Any]) -> None:
    """They say when to send, not what: a slow night is no reason to begin anew."""
    kill(replay, 3)
    run, transport = replay(limits=dataclasses.replace(ONE_BY_ONE, **changes))

    assert run.complete
    assert len(transport.published) == 6


def test_the_same_mapping_in_another_order_continues_a_run(
    replay: Replay, frame: pd.DataFrame
) -> None:
    """A line that was moved in a notebook is no other mapping."""
    states = {"run": "run", "stop": "stop"}
    one = mp.Column("state", values=states, absent=("-", "Bad"))
    other = mp.Column("state", values=dict(reversed(states.items())), absent=("Bad", "-"))
    text, again = mp.TextFormat(absent=("", "x")), mp.TextFormat(absent=("x", ""))
    kill(replay, 3, history=history_of(frame, points={"state": one}, text=text))

    run, _ = replay(history=history_of(frame, points={"state": other}, text=again))
    assert run.complete


def test_the_secret_may_change_and_is_not_in_the_journal(replay: Replay, tmp_path: Path) -> None:
    """A journal is copied to a colleague; a secret is renewed between two nights."""
    old = dataclasses.replace(GATEWAY, device_secret="Zebra-1")
    kill(replay, 3, connection=old)
    run, _ = replay(connection=dataclasses.replace(GATEWAY, device_secret="Zebra-2"))

    assert run.complete
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"Zebra" not in path.read_bytes()


def test_bytes_that_cannot_be_made_again_are_a_mismatch(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new version of a library that writes a number otherwise is found out, not sent."""
    kill(replay, 3)
    pieces = Chunk._pieces

    def other(*args: Any) -> list[bytes]:
        return [bytes(piece).replace(b"3.3", b"3.30") for piece in pieces(*args)]

    with monkeypatch.context() as patch:
        patch.setattr(Chunk, "_pieces", other)
        error, transport = replay()

    assert isinstance(error, mp.JournalMismatch)
    assert "cannot be made again with the same bytes" in str(error)
    assert error.differs == ("requests",)
    assert transport.published == []
    assert replay()[0].complete


def test_in_a_folder_the_unfinished_run_is_continued_and_a_finished_one_left(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """A scheduled job names the folder every night, and last night's power cut is nothing to it."""
    folder = tmp_path / "journals"
    folder.mkdir()
    (folder / "run-notes.db").write_bytes(b"no journal at all")
    (folder / "run-empty.db").touch()
    kill(replay, 3, journal=folder)
    other = history_of(frame.iloc[:4])
    replay(journal=folder, history=other)
    found = set(folder.glob("run-2*.db"))
    assert len(found) == 2
    run, transport = replay(journal=folder)
    assert run.complete
    assert len(transport.published) == 6
    assert set(folder.glob("run-2*.db")) == found

    run, transport = replay(journal=folder)
    assert (transport.connects, transport.published) == ([], [])
    assert run.complete
    _, transport = replay(journal=folder, again=True)
    assert len(transport.published) == 8
    assert len(set(folder.glob("run-2*.db"))) == 3


def test_ids_go_on_where_they_ended(replay: Replay) -> None:
    """A reply that is late by a night must not settle another request."""
    kill(replay, 4)
    run, transport = replay(limits=dataclasses.replace(ONE_BY_ONE, window=3))

    ids = list(run.results["request_id"])
    assert len(set(ids)) == len(ids) == 8
    assert ids == sorted(ids, key=int)
    assert set(transport.ids) <= set(ids)


def test_a_run_that_was_continued_many_times_is_one_run(replay: Replay, tmp_path: Path) -> None:
    """Every night one request further."""
    whole, _ = undisturbed(replay, tmp_path)
    for _ in range(7):
        kill(replay, 2)
    run, transport = replay()

    assert len(transport.published) == 1
    pd.testing.assert_frame_equal(normal(run.results), normal(whole.results))
    pd.testing.assert_frame_equal(run.books, whole.books)


def test_a_lost_network_leaves_a_run_to_be_continued(replay: Replay) -> None:
    """The connection stayed away for ten minutes: the morning finds what to go on with."""
    gone, _ = replay(lambda n, _: [(0.0, Lost("gone"))] if n == 3 else None, refusals=10_000)
    assert not gone.complete
    run, transport = replay()

    assert run.complete
    assert len(transport.published) == 6
    assert run.summary()["stopped"] == ""


def test_a_run_is_read_from_another_place_while_it_goes_on(replay: Replay, tmp_path: Path) -> None:
    """And shows at each request what is settled and what is not; the books always balance."""
    seen: list[tuple[int, int]] = []

    def look(_n: int, _message: Any) -> None:
        run = mp.open_run(tmp_path / "run.db")
        assert not run.complete
        assert run.books["balanced"].all()
        summary = run.summary()
        seen.append((int(summary["accepted"]), int(summary["in_doubt"])))

    replay(look)
    assert [accepted for accepted, _ in seen] == sorted(accepted for accepted, _ in seen)
    assert all(in_doubt > 0 for _, in_doubt in seen)


def test_a_journal_is_its_runs_alone(replay: Replay, tmp_path: Path) -> None:
    """Two writers would both send, and neither be right about it."""
    refused: list[Any] = []

    def again(n: int, _message: Any) -> None:
        if n == 1:
            other = dataclasses.replace(GATEWAY, device_key="gw-2")
            refused.append(replay(connection=other)[0])

    run, _ = replay(again)
    assert run.complete
    (error,) = refused
    assert type(error) is mp.JournalError
    assert "going on in this process" in str(error)
    assert "open_run() reads it meanwhile" in str(error)


def test_a_file_that_changed_since_is_another_history(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """The night's export was written anew in the meantime."""
    path = tmp_path / "farm.parquet"
    columns = {"time_column": "ts", "device_column": "unit", "product_key": PRODUCT}
    frame.to_parquet(path)
    kill(replay, 3, history=mp.read_history(path, **columns))
    frame.to_parquet(path)  # the same again: whoever copies a file changes nothing
    assert replay(history=mp.read_history(path, **columns))[0].complete

    frame.assign(P=7.0).to_parquet(path)
    error, _ = replay(history=mp.read_history(path, **columns))
    assert isinstance(error, mp.JournalMismatch)
    assert error.differs == ("history",)


COLUMNS = {"time_column": "ts", "device_column": "unit", "product_key": PRODUCT}


def same_footer(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame without compression, so that only its values are other bytes."""
    frame = frame.assign(P=frame["P"].astype("float64"))
    frame.to_parquet(path, compression=None, engine="pyarrow", write_statistics=False)


def test_a_file_of_the_same_size_and_footer_is_another_history(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """A footer has no values in it: half of the old and half of the new would be sent."""
    path = tmp_path / "farm.parquet"
    same_footer(path, frame)
    old = path.read_bytes()
    kill(replay, 3, history=mp.read_history(path, **COLUMNS))
    same_footer(path, frame.assign(P=frame["P"].iloc[::-1].to_numpy()))
    new = path.read_bytes()
    assert len(old) == len(new)
    assert old[-1_000:] == new[-1_000:]
    assert old != new

    error, transport = replay(history=mp.read_history(path, **COLUMNS))

    assert isinstance(error, mp.JournalMismatch)
    digests = [hashlib.sha256(one).hexdigest() for one in (old, new)]
    assert all(digest in str(error) for digest in digests)
    assert "farm.parquet: its bytes differ" in str(error)
    assert transport.published == []
    path.write_bytes(old)
    run, _ = replay(history=mp.read_history(path, **COLUMNS))
    assert run.complete
    head = run.audit(tmp_path / "audit")
    assert len(mp.verify_audit(tmp_path / "audit", head=head, sources=[path])) == 0
    path.write_bytes(new)
    (found,) = mp.verify_audit(tmp_path / "audit", head=head, sources=[path])["finding"]
    assert digests[1] in found


def moved(folder: Path, old: str, new: str) -> None:
    """Rename a file, and make its folder."""
    (folder / new).parent.mkdir(exist_ok=True)
    (folder / old).rename(folder / new)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "b.parquet").unlink(), "b.parquet was read then, and is not"),
        (
            lambda folder: (folder / "c.parquet").write_bytes((folder / "b.parquet").read_bytes()),
            "c.parquet is given now, and was not read then",
        ),
        (
            lambda folder: moved(folder, "a.parquet", "z.parquet"),
            "a.parquet was read then, and is not given now; z.parquet is given now",
        ),
        (
            lambda folder: (
                (folder / "a.parquet").rename(folder / "x"),
                (folder / "b.parquet").rename(folder / "a.parquet"),
                (folder / "x").rename(folder / "b.parquet"),
            ),
            "a.parquet: its bytes differ",
        ),
        (
            lambda folder: (
                (folder / "a.parquet").unlink(),
                (folder / "a.parquet").symlink_to(folder / "b.parquet"),
            ),
            "a.parquet was read then, and is not given now",
        ),
    ],
)
def test_a_folder_with_other_files_is_another_history(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path, change: Any, told: str
) -> None:
    """The message names the file, so that somebody can put it back."""
    folder = tmp_path / "history"
    folder.mkdir()
    frame.iloc[:4].to_parquet(folder / "a.parquet")
    frame.iloc[4:].to_parquet(folder / "b.parquet")
    kill(replay, 3, history=mp.read_history(folder, **COLUMNS))
    change(folder)

    error, transport = replay(history=mp.read_history(folder, **COLUMNS))

    assert isinstance(error, mp.JournalMismatch)
    assert told in str(error)
    assert error.differs == ("history",)
    assert transport.published == []


def test_files_that_were_moved_with_their_order_are_the_same(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Another mount, another name: the bytes are the same, and so are the requests."""
    folder = tmp_path / "history"
    folder.mkdir()
    frame.iloc[:4].to_parquet(folder / "a.parquet")
    frame.iloc[4:].to_parquet(folder / "b.parquet")
    kill(replay, 3, history=mp.read_history(folder, **COLUMNS))
    moved(folder, "a.parquet", "a2.parquet")
    elsewhere = folder.rename(tmp_path / "moved")

    run, _ = replay(history=mp.read_history(elsewhere, **COLUMNS))
    assert run.complete


def test_a_folder_that_names_the_device_is_part_of_the_history(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """The file is the same, and its values would go to another device."""
    folder = tmp_path / "history"
    (folder / "unit=T1" / "day=1").mkdir(parents=True)
    path = folder / "unit=T1" / "day=1" / "x.parquet"
    frame.drop(columns="unit").drop_duplicates("ts").to_parquet(path)
    kill(replay, 3, history=mp.read_history(folder, **COLUMNS))
    moved(folder, "unit=T1", "unit=T2")

    error, _ = replay(history=mp.read_history(folder, **COLUMNS))
    assert isinstance(error, mp.JournalMismatch)
    assert 'its folders say {"unit": "T1"} then, and {"unit": "T2"} now' in str(error)

    moved(folder, "unit=T2", "unit=T1")
    moved(folder, "unit=T1/day=1", "unit=T1/day=2")  # is not read
    assert replay(history=mp.read_history(folder, **COLUMNS))[0].complete


def test_a_column_that_is_left_out_may_change(replay: Replay, frame: pd.DataFrame) -> None:
    """A remark written in the meantime, in whatever form, is no other history."""
    first = frame.assign(remark="", seen=[object() for _ in range(len(frame))])
    kill(replay, 3, history=mp.read_history(first, ignore={"remark", "seen"}, **COLUMNS))
    later = frame.assign(remark=range(len(frame)), seen=None)

    run, transport = replay(history=mp.read_history(later, ignore=["seen", "remark"], **COLUMNS))

    assert run.complete
    assert len(transport.published) == 6


def test_a_frame_that_is_given_as_a_file_is_another_history(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Rows are named by their source, and the two have other types."""
    kill(replay, 3)
    frame.to_parquet(tmp_path / "x.parquet")

    error, _ = replay(history=mp.read_history(tmp_path / "x.parquet", **COLUMNS))
    assert isinstance(error, mp.JournalMismatch)


def test_a_file_that_changes_after_it_was_judged_is_not_sent(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The survey saw the old values; size and time of the new ones are the same."""
    path = tmp_path / "farm.parquet"
    same_footer(path, frame)
    surveyed = Order.surveyed

    def changing(order: Order, *heed: Any) -> Any:
        found = surveyed(order, *heed)
        before = path.stat()
        same_footer(path, frame.assign(P=frame["P"].iloc[::-1].to_numpy()))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Order, "surveyed", changing)
        error, transport = replay(history=mp.read_history(path, **COLUMNS))

    assert isinstance(error, mp.HistoryError)
    assert "farm.parquet: the file changed while it was read (its bytes differ" in str(error)
    assert transport.published == []
    assert not mp.open_run(tmp_path / "run.db").complete
    error, _ = replay(history=mp.read_history(path, **COLUMNS))
    assert isinstance(error, mp.JournalMismatch)


def test_a_file_that_is_touched_in_a_run_does_not_stop_it(
    replay: Replay, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that links the file changes none of its bytes."""
    path = tmp_path / "farm.parquet"
    frame.to_parquet(path)
    surveyed = Order.surveyed

    def touching(order: Order, *heed: Any) -> Any:
        found = surveyed(order, *heed)
        os.utime(path, ns=(0, 0))
        os.link(path, tmp_path / "backup")
        return found

    monkeypatch.setattr(Order, "surveyed", touching)
    assert replay(history=mp.read_history(path, **COLUMNS))[0].complete
