"""One replay under way: retries, losses, take-overs and give-ups, driven without waiting."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from conftest import FARM, history_of
from scripted import GATEWAY, Clock, Scripted, always, scripted_replay

import mpreplay as mp
from mpreplay.conversation.reconnect import REGAIN_WITHIN, TAKEN_OVER_WITHIN
from mpreplay.conversation.transport import Lost
from mpreplay.errors import ConnectError
from mpreplay.journal import locks as state_module
from mpreplay.journal.writer import Journal

SOLO = mp.Limits(max_entries=1, window=1, give_up_after=None)
WHOLE = mp.Limits(give_up_after=None)
KICK = Lost("closed", closed_by_peer=True)

Play = Callable[..., tuple[Any, Scripted]]


@pytest.fixture
def play(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> Play:
    """Replay the farm along a script, one request at a time, each with a state of its own."""
    states = itertools.count()

    def run(script: Any = always, **options: Any) -> tuple[Any, Scripted]:
        monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / f"state-{next(states)}"))
        options = {"limits": SOLO, "history": history, "model": model, **options}
        found, transport = scripted_replay(monkeypatch, script, **options)
        if isinstance(found, mp.Run):
            assert found.books["balanced"].all()
        return found, transport

    return run


def sent_at(clock: Clock, times: list[float], fate: Any) -> Callable[[int, Any], Any]:
    """Return a script that notes when the first request is published."""
    first: list[str] = []

    def script(_n: int, message: Any) -> Any:
        first[:] = first or [message["id"]]
        if message["id"] != first[0]:
            return None
        times.append(clock.at)
        return fate(len(times))

    return script


def values_of(payloads: list[tuple[str, bytes]]) -> list[Any]:
    """Return the values of requests, as text."""
    return [
        (entry["deviceKey"], entry["time"], name, str(value))
        for _, payload in payloads
        for entry in orjson.loads(payload)["params"]
        for name, value in entry["measurepoints"].items()
    ]


# Retry by class of code.


@pytest.mark.parametrize("code", [429, 500, 503, 6205])
def test_a_transient_code_is_tried_again_with_the_same_bytes(play: Play, code: int) -> None:
    """After pauses that grow, and that are not the same for every client."""
    clock, times = Clock(), []  # type: tuple[Clock, list[float]]
    run, transport = play(sent_at(clock, times, lambda n: [(0.0, code)] if n < 4 else None),
                          clock=clock)  # fmt: skip

    assert run.complete
    assert run.results["attempts"].tolist() == [4] + [1] * 7
    again = [one for one in transport.published if one[1] == transport.published[0][1]]
    assert len(again) == 4
    pauses = [b - a for a, b in itertools.pairwise(times)]
    for pause, longest in zip(pauses, [1.0, 2.0, 4.0], strict=True):
        assert longest / 2 <= pause <= longest + 0.01


@pytest.mark.parametrize("code", [1204, 1206, 1212])
def test_a_permanent_code_is_not_tried_again(play: Play, code: int) -> None:
    """The platform has read it and said no."""
    run, transport = play(lambda n, _: [(0.0, code)] if n == 2 else None, isolate=False)

    assert run.complete
    assert len(transport.published) == 8
    assert run.results["outcome"].value_counts().to_dict() == {"accepted": 7, "declined": 1}


@pytest.mark.parametrize("code", [1220, 1251, 1260])
def test_a_code_that_says_stop_ends_the_run_with_what_was_settled(play: Play, code: int) -> None:
    """A million more requests would be declined alike."""
    run, transport = play(lambda n, _: [(0.0, code)] if n == 3 else None)

    assert len(transport.published) == 3
    assert f"code {code}" in str(run.summary()["stopped"])
    assert not run.complete
    assert run.results["outcome"].value_counts().to_dict() == {
        "not_sent": 5, "accepted": 2, "declined": 1
    }  # fmt: skip


def test_1009_is_tried_once_more_after_signing_in_again(play: Play) -> None:
    """The session may have been reset; a second time it is a lost right, and the run ends."""
    options = {"sub_device_secrets": {FARM[0]: "a", FARM[1]: "b"}}
    run, transport = play(lambda n, _: [(0.0, 1009)] if n == 3 else None, **options)
    assert run.complete
    assert transport.published[2] == transport.published[3]
    logins = [topic for topic, _ in transport.other if "login" in topic]
    assert len(logins) == 2

    run, transport = play(lambda n, _: [(0.0, 1009)] if n >= 3 else None, **options)
    assert len(transport.published) == 4
    assert "again after signing in" in str(run.summary()["stopped"])
    assert not run.complete


@pytest.mark.parametrize("most", [500, 300, 180])
def test_1008_is_split_until_it_fits(play: Play, most: int) -> None:
    """Down to entries and points; a divided request is in no sum, and its parts name it."""
    sizes: list[int] = []

    def script(_n: int, message: Any) -> Any:
        sizes.append(len(orjson.dumps(message)))
        return [(0.0, 1008)] if sizes[-1] > most else None

    run, transport = play(script, limits=WHOLE)
    whole, calm = play(limits=WHOLE)
    results, summary = run.results, run.summary()

    assert set(results["outcome"]) <= {"divided", "accepted", "declined"}
    assert (results[results["outcome"] == "declined"]["n_values"] == 1).all()
    assert summary["accepted"] + summary["declined"] == whole.summary()["accepted"] == 22
    parts = results.dropna(subset="parent_id").groupby("parent_id")["n_values"]
    divided = results[results["outcome"] == "divided"].set_index("request_id")["n_values"]
    assert parts.sum().to_dict() == divided.to_dict()
    assert (parts.size() == 2).all()
    fits = [one for one, size in zip(transport.published, sizes, strict=True) if size <= most]
    arrived = values_of(fits)
    assert len(arrived) == len(set(arrived)) == summary["accepted"]
    assert set(arrived) <= set(values_of(calm.published))
    assert summary["declined"] == len(run.rejects)
    assert (most < 200) == bool(len(run.rejects))


def test_parts_go_before_what_came_later(play: Play) -> None:
    """A device's entries arrive in ascending time, however often they were split."""
    run, transport = play(
        lambda n, message: [(0.0, 1008)] if len(message["params"]) > 1 else None,
        limits=mp.Limits(max_entries=4, window=1, give_up_after=None),
    )

    assert run.complete
    accepted = run.results[run.results["outcome"] == "accepted"]["request_id"]
    order = [one for one in transport.ids if one in set(accepted)]
    times = [
        (entry["deviceKey"], entry["time"])
        for one in order
        for _, payload in transport.published
        if orjson.loads(payload)["id"] == one
        for entry in orjson.loads(payload)["params"]
    ]
    assert times == sorted(times)


# In doubt.


def test_a_time_out_grows_with_the_size_of_the_request(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a megabyte over a mobile network takes its time, and so does reading it."""
    monkeypatch.setattr("mpreplay.conversation.session.TIMEOUT_BYTES", 1_000)
    waits = []
    for limits in (SOLO, dataclasses.replace(SOLO, max_entries=8)):
        clock, times = Clock(), []  # type: tuple[Clock, list[float]]
        run, transport = play(
            sent_at(clock, times, lambda n: [] if n == 1 else None), clock=clock, limits=limits
        )
        assert run.complete
        size = len(transport.published[0][1])
        assert 30 * (1 + size / 1_000) <= times[1] - times[0] <= 30 * (1 + size / 1_000) + 1.01
        waits.append(times[1] - times[0])
    assert waits[1] > waits[0] + 10


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_request_without_any_reply_is_in_doubt(play: Play, attempts: int) -> None:
    """Neither sent nor unsent: counted as such, value by value."""
    run, transport = play(
        lambda _n, message: [] if message["params"][0]["deviceKey"] == "T1" else None,
        limits=dataclasses.replace(SOLO, attempts=attempts),
    )

    doubtful = run.results[run.results["outcome"] == "in_doubt"]
    assert doubtful["attempts"].tolist() == [attempts] * 4
    assert run.books.groupby("device_key")["in_doubt"].sum().to_dict() == {"T1": 11, "T2": 0}
    assert len(transport.published) == 4 * attempts + 4
    assert run.rejects["outcome"].unique().tolist() == ["in_doubt"]
    assert not run.complete


@pytest.mark.parametrize(("late", "outcome"), [(200, "accepted"), (1204, "declined")])
def test_a_late_reply_to_an_earlier_attempt_counts(play: Play, late: int, outcome: str) -> None:
    """It is the platform's word on the same bytes; the reply to the second changes nothing."""
    clock, times = Clock(), []  # type: tuple[Clock, list[float]]
    first_one = sent_at(clock, times, lambda n: [(40.0, late)] if n == 1 else [(20.0, 200)])
    last: list[str] = []

    def script(n: int, message: Any) -> Any:
        if n == 8:
            last.append(message["id"])
        # So late that the reply to the second attempt is still read.
        return [(60.0, 200)] if message["id"] in last else first_one(n, message)

    options = {"limits": dataclasses.replace(SOLO, window=8), "isolate": False}
    run, _ = play(script, clock=clock, **options)

    first = run.results.iloc[0]
    assert (first["outcome"], first["attempts"], first["code"]) == (outcome, 2, late)
    assert run.summary()["doubles" if late == 200 else "contradictions"] == 1


# The connection.


def test_each_connect_is_on_record_before_it_is_made(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the middle of it must not forget it: the platform does not."""
    remembered: list[float] = []
    remember = state_module.Lease.remember

    def noted(lease: Any, time: float) -> None:
        remembered.append(time)
        remember(lease, time)

    connect = Scripted.connect

    def connects(transport: Scripted) -> None:
        assert remembered[-1] == transport.clock.at
        connect(transport)

    monkeypatch.setattr(state_module.Lease, "remember", noted)
    monkeypatch.setattr(Scripted, "connect", connects)
    run, transport = play(lambda n, _: [(0.0, Lost("reset"))] if n in {2, 5} else None, refusals=3)

    assert run.complete
    assert remembered == transport.connects
    assert len(remembered) == 6


def test_a_secret_that_has_gone_ends_a_run_in_order(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vault may take its file away; what was sent is on record all the same."""
    connect = Scripted.connect

    def connects(transport: Scripted) -> None:
        if transport.connects:
            raise mp.ConfigError("the secret refers to file:'gw-1', which cannot be read")
        connect(transport)

    monkeypatch.setattr(Scripted, "connect", connects)
    run, _ = play(lambda n, _: [(0.0, Lost("reset"))] if n == 3 else None)

    assert not run.complete
    assert "the secret refers to" in str(run.summary()["stopped"])
    assert run.summary()["accepted"] > 0


def test_a_first_connect_that_fails_is_an_error_and_on_record(
    play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody wants to wait ten minutes for a wrong host name."""

    def connect(transport: Scripted) -> None:
        transport.connects.append(transport.clock.at)
        raise ConnectError("h as gw-1: unknown host")

    monkeypatch.setattr(Scripted, "connect", connect)
    error, transport = play(journal=tmp_path / "run.db")

    assert isinstance(error, ConnectError)
    assert len(transport.connects) == 1
    run = mp.open_run(tmp_path / "run.db")
    assert run.summary()["stopped"] == "h as gw-1: unknown host"
    assert not run.complete
    assert run.books["balanced"].all()


def test_a_refusal_that_is_final_is_not_repeated(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret was renewed during the run: ten minutes of trying would block the device."""
    connect = Scripted.connect

    def connects(transport: Scripted) -> None:
        connect(transport)
        if len(transport.connects) > 1:
            transport.is_open = False
            raise ConnectError("the device secret is wrong", is_final=True)

    monkeypatch.setattr(Scripted, "connect", connects)
    run, transport = play(lambda n, _: [(0.0, Lost("reset"))] if n == 3 else None)

    assert len(transport.connects) == 2
    assert run.summary()["stopped"] == "the device secret is wrong"
    assert run.results["outcome"].value_counts().to_dict() == {
        "not_sent": 5, "accepted": 2, "in_doubt": 1
    }  # fmt: skip


def test_a_connection_that_is_not_regained_ends_the_run_in_time(play: Play) -> None:
    """With pauses that grow, within the platform's limit, and not for ever."""
    clock = Clock()
    run, transport = play(
        lambda n, _: [(0.0, Lost("gone"))] if n == 3 else None, refusals=10_000, clock=clock
    )

    assert not run.complete
    assert "not regained within" in str(run.summary()["stopped"])
    lost, *_, last = transport.connects
    assert REGAIN_WITHIN - 130 <= last - lost <= REGAIN_WITHIN + 1
    for start in transport.connects:
        assert sum(start <= at <= start + 120 for at in transport.connects) <= 4


def test_being_taken_over_ends_the_run_instead_of_a_fight(play: Play) -> None:
    """Another client with the same credentials takes the session back each time we take it."""
    run, transport = play(lambda _n, _m: [(0.5, KICK)])

    assert len(transport.connects) == 2
    assert "another client signs in as gw-1" in str(run.summary()["stopped"])
    assert "End the other client" in str(run.summary()["stopped"])
    assert not run.complete


@pytest.mark.parametrize("loss", [(0.5, Lost("reset by peer")), (TAKEN_OVER_WITHIN + 1, KICK)])
def test_a_bad_network_is_no_take_over(play: Play, loss: tuple[float, Lost]) -> None:
    """An error is not an order, and who closes after a while has other reasons."""
    run, transport = play(lambda n, _: [loss] if n in {1, 2, 3} else None)

    assert run.complete
    assert len(transport.connects) == 4


def test_one_kick_is_forgiven(play: Play) -> None:
    """A colleague looked in with the gateway's credentials, and left."""
    run, transport = play(lambda n, _: [(0.5, KICK)] if n == 1 else None)

    assert run.complete
    assert len(transport.connects) == 2


# Giving up.


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_a_run_whose_first_requests_are_all_declined_alike_gives_up(play: Play, limit: int) -> None:
    """A wrong model shows after twenty requests, not after a night."""
    run, transport = play(
        lambda _n, _m: [(0.0, 1204)],
        limits=dataclasses.replace(SOLO, give_up_after=limit),
        isolate=False,
    )

    assert len(transport.published) == limit
    stopped = str(run.summary()["stopped"])
    assert f"first {limit} requests were all declined with code 1204" in stopped


def test_what_is_accepted_once_is_not_given_up(play: Play) -> None:
    """From then on it is the data, not the set-up."""
    run, transport = play(
        lambda n, _: None if n == 2 else [(0.0, 1204)],
        limits=dataclasses.replace(SOLO, give_up_after=2),
        isolate=False,
    )

    assert len(transport.published) == 8
    assert run.complete


def test_a_connection_of_its_own_is_closed_whatever_happens(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is free for its own gateway again."""
    error, transport = play(lambda n, _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert isinstance(error, KeyboardInterrupt)
    assert not transport.is_open

    monkeypatch.setattr("mpreplay.journal.writer.Journal.settle", _fails)
    error, transport = play()
    assert isinstance(error, mp.JournalError)
    assert not transport.is_open
    with state_module.Lease(GATEWAY, "free again"):
        pass


def _fails(*_: object) -> None:
    raise mp.JournalError("the disk is full")


def test_two_slabs_of_two_frames_are_one_run(play: Play, frame: pd.DataFrame) -> None:
    """Requests are made as the window wants them, and not all at once."""
    made: list[int] = []

    def script(n: int, _message: Any) -> None:
        made.append(n)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mpreplay.history.history.SLAB_ROWS", 2)
        run, _ = play(script, history=history_of(frame))

    assert made == list(range(1, 9))
    assert run.complete


def test_replies_that_came_together_are_written_together(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that answers a full window at once costs the journal one write, not eight."""
    commits: list[int] = []
    commit = Journal._commit

    def counted(journal: Journal) -> None:
        commits.append(1)
        commit(journal)

    monkeypatch.setattr(Journal, "_commit", counted)
    run, transport = play(always, limits=mp.Limits(max_entries=1, window=8))

    assert (run.results["outcome"] == "accepted").all()
    assert len(transport.published) == 8
    assert len(commits) < 8
