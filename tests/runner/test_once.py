"""An interval is sent once: a finished run is found, and nothing is connected or sent."""

from __future__ import annotations

import dataclasses
import signal
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import FARM, SOLO, Play, history_of
from hypothesis import given
from hypothesis import strategies as st
from scripted import GATEWAY, always

import mpreplay as mp
from mpreplay.history.history import History
from mpreplay.journal.finished import key_name
from mpreplay.journal.locks import Lease, lock_journal
from mpreplay.outcome.allowance import checked_rejects

TIMES = pd.date_range("2024-05-31 23:40", periods=4, freq="10min", tz="UTC")


def interrupted(at: int) -> Callable[[int, Any], None]:
    """Return a script that ends the run, as Ctrl-C does, at a publish."""

    def script(n: int, _message: Any) -> None:
        if n == at:
            signal.raise_signal(signal.SIGINT)

    return script


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return each file of a folder, with its time and content."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder for journals."""
    made = tmp_path / "runs"
    made.mkdir()
    return made


@pytest.mark.parametrize("where", ["a folder", "a key", "a file"])
def test_a_finished_run_is_found_and_its_record_left_as_it_is(
    play: Play, folder: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A scheduler that runs a job twice neither loads the platform nor moves the run's end."""
    options: dict[str, Any] = {
        "a folder": {"journal": folder},
        "a key": {"journal": folder, "run_key": "2024-05-31"},
        "a file": {"journal": folder / "night.db"},
    }[where]
    whole, _ = play(**options)
    before = state_of(folder)
    caplog.clear()
    run, transport = play(**options)

    assert (transport.connects, transport.published) == ([], [])
    assert state_of(folder) == before
    assert run.path == whole.path
    assert run.complete
    assert (run.summary()["sent_now"], run.summary()["settled_before"]) == (0, 22)
    assert (whole.summary()["sent_now"], whole.summary()["settled_before"]) == (22, 0)
    assert "and is finished: nothing is connected or sent" in caplog.text
    told = "all settled before this call, which sent nothing"
    assert told in repr(run)
    assert told not in repr(whole)
    assert told not in repr(mp.open_run(run.path))


@pytest.mark.parametrize("where", ["a folder", "a key", "a file"])
def test_again_sends_a_finished_history_into_a_new_file(
    play: Play, folder: Path, where: str
) -> None:
    """The platform has lost a day: the record of the first run is still that of the first run."""
    options: dict[str, Any] = {
        "a folder": {"journal": folder},
        "a key": {"journal": folder, "run_key": "day"},
        "a file": {"journal": folder / "night.db"},
    }[where]
    play(**options)
    before = state_of(folder)
    partial, _ = play(interrupted(3), again=True, **options)
    assert not partial.complete
    run, transport = play(again=True, **options)

    assert run.complete
    assert run.path == partial.path  # what was sent again is also continued
    assert len(transport.published) < 8
    assert len(list(folder.iterdir())) == 2
    assert before.items() <= state_of(folder).items()
    assert play(**options)[1].published == []


@pytest.mark.parametrize(
    "other",
    [
        {"skip_invalid_measurepoints": True},
        {"on_invalid": "withhold"},
        {"duplicates": "last"},
        {"connection": dataclasses.replace(GATEWAY, device_key="gw-2")},
        {"limits": dataclasses.replace(SOLO, max_bytes=10_000)},
        {"model": mp.ThingModel("T", {n: mp.Measurepoint(n, t) for n, t in
                                      [("P", "DOUBLE"), ("wind", "DOUBLE"), ("state", "STRING")]})},
    ],
    ids=["flag", "on_invalid", "duplicates", "gateway", "size", "model"],
)  # fmt: skip
def test_a_run_of_other_inputs_is_not_taken_for_it(
    play: Play, folder: Path, other: dict[str, Any]
) -> None:
    """Nothing is called sent that was not."""
    play(journal=folder)
    run, transport = play(journal=folder, **other)

    assert transport.published
    assert run.summary()["settled_before"] == 0
    assert isinstance(play(journal=run.path, history=None or _changed())[0], mp.JournalMismatch)


def _changed() -> mp.History:
    frame = pd.DataFrame({"ts": TIMES, "unit": "T1", "P": [1.0, 2.0, 3.0, 4.0]})
    return history_of(frame)


def test_a_key_names_one_history(play: Play, folder: Path) -> None:
    """The file of an interval holds this interval: another history under its name is an error."""
    play(journal=folder, run_key="2024-05-31")
    error, transport = play(journal=folder, run_key="2024-05-31", history=_changed())

    assert isinstance(error, mp.JournalMismatch)
    assert error.differs == ("history",)
    assert transport.connects == []
    assert [path.name for path in folder.iterdir()] == ["2024-05-31.db"]
    assert play(journal=folder, run_key="2024-06-01", history=_changed())[0].complete


def test_a_keys_folder_is_made(play: Play, tmp_path: Path) -> None:
    """The first night finds no folder."""
    run, _ = play(journal=tmp_path / "nights", run_key="Île/ 1:00")

    assert run.path == tmp_path / "nights" / "%C3%8Ele%2F 1%3A00.db"
    assert run.complete


@given(st.lists(st.text(min_size=1, max_size=300).filter(str.strip), min_size=2, max_size=2))
def test_a_key_is_one_name_in_its_folder(keys: list[str]) -> None:
    """Whatever a scheduler calls its partition: no key leads out of the folder, or to another's."""
    try:
        names = [key_name(key) for key in keys]
    except mp.ConfigError as error:
        assert error.argument == "run_key"
        return

    assert all(Path(name).name == name and not name.startswith(".") for name in names)
    assert all(len(name.encode()) <= 255 for name in names)
    assert (names[0] == names[1]) == (keys[0] == keys[1])


@pytest.mark.parametrize(
    "given", [{"run_key": ""}, {"run_key": 5}, {"run_key": "day", "journal": None},
              {"run_key": "\ud800"}, {"again": 1}, {"on_interrupt": "stop"}],
    ids=str,
)  # fmt: skip
def test_an_argument_that_cannot_work_is_named(
    play: Play, folder: Path, given: dict[str, Any]
) -> None:
    """Before anything is read or connected."""
    error, transport = play(**{"journal": folder, **given})

    assert isinstance(error, mp.ConfigError)
    assert error.argument in given
    assert transport.connects == []
    assert list(folder.iterdir()) == []


def test_a_key_needs_a_folder(play: Play, tmp_path: Path) -> None:
    """A file has its name already."""
    path = tmp_path / "run.db"
    path.touch()
    error, _ = play(journal=path, run_key="day")

    assert isinstance(error, mp.ConfigError)
    assert "give the folder as journal=" in str(error)


def test_what_this_call_did_is_told_apart_from_the_calls_before(play: Play) -> None:
    """A job's log says what the night has added, also where requests were taken apart."""
    partial, _ = play(interrupted(3))
    first = partial.summary()
    run, _ = play(lambda n, _: [(0.0, 1204)] if n == 2 else None)
    second = run.summary()

    assert first["settled_before"] == 0
    assert second["settled_before"] == first["sent_now"] == first["accepted"]
    assert second["settled_before"] + second["sent_now"] == second["read"] == 22
    assert second["extra_requests"]
    opened = mp.open_run(run.path).summary()
    assert (opened["sent_now"], opened["settled_before"]) == (0, 22)


def test_a_run_has_one_uuid_from_its_beginning(play: Play) -> None:
    """Lineage systems know a run by one, over all its continuations."""
    partial, _ = play(interrupted(3))
    run, _ = play()
    told = [one.summary()["run_uuid"] for one in (partial, run, mp.open_run(run.path))]

    assert len(set(told)) == 1
    assert str(uuid.UUID(told[0])) == told[0]
    assert play(again=True)[0].summary()["run_uuid"] != told[0]


def test_rows_outside_the_interval_are_not_rows_unread(play: Play, frame: pd.DataFrame) -> None:
    """Who asks for an hour of a year has not left the year unread."""
    hour = history_of(frame, start="2024-05-31T23:45Z", end="2024-06-01T00:05Z")
    run, _ = play(interrupted(1), history=hour, limits=mp.Limits(max_entries=1, window=1))
    summary = run.summary()

    assert not run.complete
    assert summary["rows"] + summary["unread_rows"] == 4
    assert play(history=hour)[0].summary()["unread_rows"] == 0


def test_an_empty_interval_warns_and_is_a_complete_run(play: Play, frame: pd.DataFrame) -> None:
    """Readings that are late, or a date that was mistyped: the job is done, and says why."""
    late = history_of(frame, start="2025-01-01")
    with pytest.warns(mp.ReplayWarning, match="no row in the interval from start to end"):
        run, transport = play(history=late)

    assert run.complete
    assert transport.connects == []
    assert run.summary()["read"] == run.summary()["unread_rows"] == 0
    assert play(history=late)[0].complete  # found, and so without a warning


def test_values_never_sent_are_counted_where_the_run_can_be_continued(
    play: Play, recwarn: pytest.WarningsRecorder, tmp_path: Path
) -> None:
    """They are many, and the next run sends them: a row each would only delay the end."""
    kept, _ = play(interrupted(1))
    lost, _ = play(interrupted(1), journal=None)
    n_unsent = kept.summary()["not_sent"]

    assert n_unsent == lost.summary()["not_sent"] > 0
    assert kept.books["not_sent"].sum() == n_unsent
    assert (len(kept.rejects), len(lost.rejects)) == (0, n_unsent)
    for run in (kept, lost):
        causes = run.causes
        assert causes.loc[causes["outcome"] == "not_sent", "values"].tolist() == [n_unsent]
        run.report(tmp_path / "run.html")
    kept.audit(tmp_path / "audit")
    assert mp.verify_audit(tmp_path / "audit").empty
    told = [str(one.message) for one in recwarn]
    assert not [one for one in told if "add up" in one]  # no disagreement of the tables


@pytest.mark.parametrize("mode", ["auto", "raise", "return"])
@pytest.mark.parametrize("journal", [True, False])
def test_a_partial_run_raises_where_nobody_would_look_at_it(
    play: Play, mode: str, journal: bool, tmp_path: Path
) -> None:
    """A task must not be green on half a backfill; a notebook shows the half."""
    found, _ = play(
        interrupted(3), on_interrupt=mode, journal=tmp_path / "run.db" if journal else None
    )

    if mode == "return":
        assert isinstance(found, mp.Run)
        return
    assert isinstance(found, mp.Interrupted)
    assert isinstance(found, mp.MpReplayError)
    assert not found.run.complete
    assert found.run.summary()["stopped"] == "interrupted (SIGINT)"
    told = f"continues it from {tmp_path / 'run.db'}" if journal else "nothing is kept"
    assert told in str(found)


def test_in_a_notebook_the_partial_run_is_returned(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop button leaves something to look at."""
    monkeypatch.setattr("mpreplay.runner.replaying.is_notebook", lambda: True)

    assert not play(interrupted(3), on_interrupt="auto")[0].complete


def test_an_interrupt_that_came_too_late_raises_nothing(play: Play) -> None:
    """All was answered within the grace: the run is whole."""
    limits = mp.Limits(max_entries=1, window=16)

    assert play(interrupted(8), on_interrupt="raise", limits=limits)[0].complete


def test_stop_is_heeded_while_the_history_is_looked_through(
    play: Play, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Looking through a year takes minutes, and a scheduler waits for none of them."""
    stop = threading.Event()
    whole, seen = History.slabs, []

    def slabs(one: History, *arguments: Any, **options: Any) -> Any:
        for raw in whole(one, *arguments, **options):
            seen.append(raw)
            stop.set()
            yield raw

    monkeypatch.setattr(History, "slabs", slabs)
    for policy in ({"on_invalid": "raise"}, {"on_invalid": "withhold"}):
        stop.clear()
        error, transport = play(stop=stop, journal=folder / "run.db", **policy)
        assert isinstance(error, mp.Interrupted)
        assert error.run is None
        assert transport.connects == []
        assert list(folder.iterdir()) == []
    assert seen


@pytest.mark.parametrize("held", ["gateway", "journal"])
def test_stop_is_heeded_while_another_replay_is_waited_for(
    play: Play, tmp_path: Path, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the wait is told: what for, and for how long at most."""
    stop = threading.Event()
    told: list[dict[str, Any]] = []

    def on_event(event: dict[str, Any]) -> None:
        told.append(event)
        stop.set()

    path = tmp_path / "run.db"
    monkeypatch.setattr("conftest.tempfile.mkdtemp", lambda **_: str(tmp_path))
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path))
    lock = Lease(GATEWAY, "x") if held == "gateway" else lock_journal(path)
    try:
        error, transport = play(stop=stop, wait=500.0, on_event=on_event, journal=path)
    finally:
        lock.__exit__(None, None, None) if isinstance(lock, Lease) else lock.free()

    assert isinstance(error, mp.Interrupted)
    assert transport.connects == []
    assert [event["event"] for event in told] == ["waiting"]
    assert told[0]["limited_by"] == held
    assert 490 < told[0]["waiting_seconds"] <= 500
    assert told[0]["run"] is None


def test_a_run_that_another_replay_has_finished_meanwhile_is_not_sent(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two schedulers start the same job at once: the second waits, and finds it done."""
    done, _ = play()
    content = done.path.read_bytes()
    done.path.unlink()
    lock = lock_journal(tmp_path / "run.db")

    def on_event(_event: dict[str, Any]) -> None:
        (tmp_path / "run.db").write_bytes(content)
        lock.free()

    run, transport = play(wait=500.0, on_event=on_event)

    assert transport.connects == []
    assert run.summary()["sent_now"] == 0
    assert run.path.read_bytes() == content


CHECKS = ("superseded", "range", "type")


@given(
    st.lists(st.sampled_from(CHECKS), max_size=30),
    st.sets(st.sampled_from(CHECKS)),
    st.one_of(st.integers(0, 30), st.floats(0, 1, exclude_max=True)),
    st.integers(0, 40),
    st.booleans(),
)
def test_rejects_are_allowed_by_their_check_or_their_number(
    checks: list[str], allow: set[str], at_most: float, n_accepted: int, complete: bool
) -> None:
    """The law of a job's verdict, whatever the rejects: what is allowed for fails nothing else."""
    read = n_accepted + len(checks)
    counted = [check for check in checks if check not in allow]
    most = at_most if isinstance(at_most, int) else at_most * read
    frame = pd.DataFrame({"check": pd.Series(checks, dtype="str")})

    def judge() -> None:
        checked_rejects(
            read, n_accepted, complete, lambda: iter([frame]), allow=allow, at_most=at_most
        )

    if complete and len(counted) <= most:
        judge()
        return
    with pytest.raises(mp.ReplayFailed) as caught:
        judge()
    if not complete or n_accepted < read:
        assert caught.value.rejects["check"].tolist() == counted


def test_the_platform_sees_one_run_of_an_interval(model: mp.ThingModel, folder: Path) -> None:
    """Over a real connection: the second call has no session at all."""
    frame = pd.DataFrame({"ts": TIMES, "unit": "T1", "P": [1.0, 2.0, 3.0, 4.0]})
    with mp.simulate(model, sub_devices=FARM, online=FARM) as platform:
        runs = [
            mp.replay(
                history_of(frame), model, platform.connection, allow_offline_sub_device=True,
                journal=folder, run_key="night",
            )
            for _ in range(3)
        ]  # fmt: skip
        n_sessions, n_requests = len(platform.sessions()), len(platform.requests())

    assert (n_sessions, n_requests) == (1, 1)
    assert [run.summary()["sent_now"] for run in runs] == [4, 0, 0]
    assert all(always(n, None) is None and run.complete for n, run in enumerate(runs))
