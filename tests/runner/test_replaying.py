"""Whole replays: against the rehearsal platform, and along scripted ways to go wrong."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from brokers import free_port
from conftest import FARM, PRODUCT, history_of
from scripted import Scripted, scripted_replay

import mpreplay as mp
from mpreplay.conversation.transport import Lost
from mpreplay.errors import ConnectError
from mpreplay.frames import FATES

T1, T2 = FARM
POINTS = ("P", "wind", "state")
SOLO = mp.Limits(max_entries=1, give_up_after=None)  # a request for each entry


def values_of(frame: pd.DataFrame) -> dict[tuple[int, str], tuple[str, int, Any]]:
    """Return each value of a frame: its device, time [ms] and itself, by row and point."""
    return {
        (row, point): (one["unit"], one["ts"].value // 1_000_000, one[point])
        for row, one in enumerate(frame.to_dict("records"))
        for point in POINTS
        if not pd.isna(one[point])
    }


def check(run: mp.Run, frame: pd.DataFrame, platform: Any = None) -> None:
    """Hold the record of a run against what was read and what the platform has."""
    values, books, summary = values_of(frame), run.books, run.summary()
    assert books["balanced"].all()
    assert summary["read"] == books["read"].sum() == len(values)
    assert {fate: summary[fate] for fate in FATES} == books[list(FATES)].sum().to_dict()
    rejects = run.rejects
    fates = rejects["outcome"].value_counts().to_dict()
    assert fates == {fate: summary[fate] for fate in FATES[1:] if summary[fate]}
    assert not rejects.duplicated(["source", "row", "measurepoint"]).any()
    lost = set(zip(rejects["row"], rejects["measurepoint"], strict=True))
    assert lost <= set(values)
    if platform is not None:
        stored = platform.stored()
        found = {
            (one["device_key"], int(one["time"].timestamp() * 1000), one["measurepoint"]):
            one["value"]
            for one in stored.to_dict("records")
        }  # fmt: skip
        arrived = {key: value for key, value in values.items() if key not in lost}
        assert found == {(unit, at, point): value for (_, point), (unit, at, value)
                         in arrived.items()}  # fmt: skip


def secrets_of(platform: Any, *devices: tuple[str, str]) -> dict[tuple[str, str], str]:
    """Return the secrets that the platform made up for devices."""
    return {device: platform.connection_for(*device).device_secret for device in devices}


def test_a_good_history_arrives_whole(
    platform: Any, model: mp.ThingModel, history: mp.History, frame: pd.DataFrame
) -> None:
    """The plain case: every value accepted, and the platform has exactly these."""
    before = frame.copy(deep=True)
    run = mp.replay(history, model, platform.connection, allow_offline_sub_device=True)

    check(run, frame, platform)
    pd.testing.assert_frame_equal(frame, before)
    assert run.complete
    assert run.summary()["accepted"] == 22
    assert run.summary()["published"] == run.summary()["acknowledged"] == 1
    run.raise_for_rejects()
    (result,) = run.results.to_dict("records")
    assert (result["code"], result["outcome"], result["attempts"]) == (200, "accepted", 1)
    assert (result["n_entries"], result["n_values"]) == (8, 22)
    (request,) = platform.requests().to_dict("records")
    assert (request["request_id"], request["n_bytes"]) == (result["request_id"], result["n_bytes"])
    assert list(run.books["day"].dt.day) == [31, 1, 31, 1]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("invalid", [False, True])
@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.filterwarnings("ignore::mpreplay.errors.ReplayWarning")
def test_the_flags_do_what_the_vendors_sample_shows(
    model: mp.ThingModel, frame: pd.DataFrame, *, skip: bool, allow: bool, invalid: bool,
    offline: bool,
) -> None:  # fmt: skip
    """Skip forgives invalid points, allow forgives an offline sub-device; neither the other's."""
    if invalid:
        frame.loc[1, "P"] = 9999.0
    online = [T1] if offline else FARM
    with mp.simulate(model, sub_devices=FARM, online=online) as platform:
        run = mp.replay(
            history_of(frame), model, platform.connection, on_invalid="send",
            skip_invalid_measurepoints=skip, allow_offline_sub_device=allow, isolate=False,
        )  # fmt: skip

        check(run, frame, platform)
    (result,) = run.results.to_dict("records")
    accepted = (skip or not invalid) and (allow or not offline)
    assert (result["outcome"] == "accepted") is accepted
    if not accepted:
        assert result["code"] == (1204 if invalid and not skip else 1212)
        assert set(run.rejects["code"]) == {result["code"]}
    elif invalid:
        (reject,) = run.rejects.to_dict("records")
        assert (reject["check"], reject["outcome"], reject["code"]) == (
            "expected_skip", "declined", 200
        )  # fmt: skip


def test_a_declined_request_says_which_values_did_not_arrive(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """One code for a whole request: the rejects name all of its values, and what to do."""
    frame.loc[5, "P"] = 9999.0
    run = mp.replay(
        history_of(frame), model, platform.connection, on_invalid="send", limits=SOLO,
        allow_offline_sub_device=True, isolate=False,
    )  # fmt: skip

    check(run, frame, platform)
    assert list(run.results["code"].value_counts().sort_index().items()) == [(200, 7), (1204, 1)]
    declined = run.results[run.results["code"] == 1204]
    assert set(run.rejects["request_id"]) == set(declined["request_id"])
    assert list(run.rejects["row"]) == [5, 5, 5]
    assert run.rejects["mend"].str.contains("thing model").all()
    with pytest.raises(mp.ReplayFailed, match="of 22 values 19 were accepted; 3 declined"):
        run.raise_for_rejects()


def test_an_offline_sub_device_declines_exactly_the_requests_that_hold_it(
    model: mp.ThingModel, history: mp.History, frame: pd.DataFrame
) -> None:
    """Small requests lose less: what one bad device can hold back is a setting."""
    with mp.simulate(model, sub_devices=FARM, online=[T1]) as platform:
        with pytest.warns(mp.ReplayWarning):
            run = mp.replay(
                history, model, platform.connection, limits=mp.Limits(max_entries=3), isolate=False
            )
        check(run, frame, platform)

    # Sorted by device: T1 T1 T1 | T1 T2 T2 | T2 T2.
    assert list(run.results["code"]) == [200, 1212, 1212]
    assert list(run.results["outcome"]) == ["accepted", "declined", "declined"]
    assert set(run.rejects["row"]) == {3, 4, 5, 6, 7}


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.filterwarnings("ignore::mpreplay.errors.ReplayWarning")
def test_a_device_outside_the_topology_is_declined_with_either_flag(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame, allow: bool
) -> None:
    """The flag forgives being offline, not belonging to somebody else."""
    frame = frame.iloc[:4].assign(unit="stranger")
    run = mp.replay(history_of(frame), model, platform.connection, allow_offline_sub_device=allow)

    check(run, frame, platform)
    assert list(run.results["code"]) == [1212]
    assert "topology" in run.rejects["mend"].iloc[0]


def test_sub_devices_are_signed_in_with_their_secrets(
    platform: Any, model: mp.ThingModel, history: mp.History, frame: pd.DataFrame
) -> None:
    """The other remedy for 1212, without a warning."""
    run = mp.replay(
        history, model, platform.connection, sub_device_secrets=secrets_of(platform, *FARM)
    )

    check(run, frame, platform)
    assert run.complete
    assert run.summary()["accepted"] == 22
    assert run.summary()["sub_devices_refused"] == 0


def test_a_wrong_secret_holds_up_its_own_device_only(
    platform: Any, model: mp.ThingModel, history: mp.History, frame: pd.DataFrame,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Batch sign-in has one code for all: each that is not in is asked for again, alone."""
    secrets = {**secrets_of(platform, T1), T2: "wrong", (PRODUCT, "T9"): "unknown"}
    run = mp.replay(history, model, platform.connection, sub_device_secrets=secrets, limits=SOLO)

    check(run, frame, platform)
    assert run.summary()["sub_devices_refused"] == 2
    assert set(run.rejects["device_key"]) == {"T2"}
    assert set(run.rejects["code"]) == {1212}
    assert "sub-device T2 was not signed in: code 742" in caplog.text
    assert "sub-device T9 was not signed in: code 705" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device_secret": "wrong"}, "the device secret is wrong"),
        ({"device_key": "nobody"}, "there is no such device: check product key"),
        ({"host": "no-such-host.invalid"}, "unknown host: check the host name"),
        ({"port": -1}, "nothing listens there: check host and port"),
    ],
)
def test_a_connect_that_fails_at_the_start_is_one_line(
    platform: Any, model: mp.ThingModel, history: mp.History, changes: Any, message: str
) -> None:
    """Nothing was sent: there is no run to return, and one thing to mend."""
    changes = {"port": free_port()} if "port" in changes else changes
    connection = dataclasses.replace(platform.connection, **changes)
    with pytest.raises(ConnectError, match=message) as caught:
        mp.replay(history, model, connection, allow_offline_sub_device=True)

    assert "\n" not in str(caught.value)


def test_invalid_values_raise_before_anything_is_sent(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """The default: the user decides with the list in hand."""
    frame.loc[[1, 6], "P"] = [9999.0, float("inf")]
    with pytest.raises(mp.InvalidHistory, match="2 violations of the thing model") as caught:
        mp.replay(history_of(frame), model, platform.connection)

    assert caught.value.violations is not None
    assert list(caught.value.violations["row"]) == [1, 6]
    assert len(platform.sessions()) == 0


def test_invalid_values_are_withheld_and_the_rest_is_sent(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """A value is taken out, its row is not."""
    frame.loc[[1, 6], "P"] = [9999.0, float("inf")]
    frame.loc[2, "state"] = "much too long"
    run = mp.replay(
        history_of(frame), model, platform.connection, on_invalid="withhold",
        allow_offline_sub_device=True,
    )  # fmt: skip

    check(run, frame, platform)
    assert run.summary()["withheld"] == 3
    assert run.complete
    found = run.rejects[["row", "measurepoint", "check", "outcome"]].to_numpy().tolist()
    assert found == [
        [1, "P", "range", "withheld"],
        [2, "state", "length", "withheld"],
        [6, "P", "finite", "withheld"],
    ]


def test_sent_invalid_values_are_the_platforms_to_judge(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """Its model may be newer than ours; infinity is no JSON and stays here."""
    frame.loc[[1, 6], "P"] = [9999.0, float("inf")]
    run = mp.replay(
        history_of(frame), model, platform.connection, on_invalid="send", limits=SOLO,
        allow_offline_sub_device=True, isolate=False,
    )  # fmt: skip

    check(run, frame, platform)
    assert (run.summary()["withheld"], run.summary()["declined"]) == (1, 3)


def test_contradicting_values_raise_before_anything_is_sent(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """Which one is right is not for the order of sending to decide."""
    frame.loc[1, "ts"] = frame.loc[0, "ts"]
    with pytest.raises(mp.InvalidHistory, match="have the device, time and point of another"):
        mp.replay(history_of(frame), model, platform.connection)

    assert len(platform.sessions()) == 0


@pytest.mark.parametrize(("keep", "lost", "power"), [("first", 1, 1.5), ("last", 0, 2.25)])
def test_of_contradicting_values_the_chosen_one_is_sent(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame, *, keep: Any, lost: int, power: float
) -> None:
    """The other one is a reject; what both rows say alike is no contradiction."""
    frame.loc[1, "ts"] = frame.loc[0, "ts"]
    run = mp.replay(
        history_of(frame), model, platform.connection, duplicates=keep,
        allow_offline_sub_device=True,
    )  # fmt: skip

    check(run, frame, platform)
    found = run.rejects[["row", "measurepoint", "check"]].to_numpy().tolist()
    assert found == [[lost, "P", "superseded"], [lost, "wind", "superseded"]]
    stored = platform.stored()
    assert stored["value"].iloc[0] == power


def test_sub_devices_that_nobody_signed_in_are_warned_of(
    platform: Any, model: mp.ThingModel, history: mp.History
) -> None:
    """The commonest first failure: the warning names both remedies before it happens."""
    with pytest.warns(mp.ReplayWarning) as caught:
        mp.replay(history, model, platform.connection)

    (warning,) = caught
    assert "sub_device_secrets=" in str(warning.message)
    assert "allow_offline_sub_device=True" in str(warning.message)
    assert warning.filename == __file__


def test_an_empty_history_is_a_complete_run(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """A nightly job with nothing to do succeeds."""
    with pytest.warns(mp.ReplayWarning, match="no row: nothing is sent, and the run is complete"):
        run = mp.replay(history_of(frame.iloc[:0]), model, platform.connection)

    assert run.complete
    assert run.summary()["connects"] == 0
    assert len(run.results) == len(run.rejects) == len(run.books) == 0


def test_a_mapping_of_models_serves_two_products_in_one_request(model: mp.ThingModel) -> None:
    """A wind farm's gateway has turbines and a met mast behind it."""
    mast = mp.ThingModel("Mast", {"wind": mp.Measurepoint("wind", "DOUBLE", maximum=50)})
    times = pd.to_datetime(["2024-01-01", "2024-01-01"], utc=True)
    frame = pd.DataFrame(
        {"ts": times, "kind": [PRODUCT, "mast"], "unit": ["T1", "M1"], "wind": [9.0, 8.0]}
    )
    history = mp.read_history(frame, time_column="ts", device_column="unit", product_column="kind")
    models = {PRODUCT: model, "mast": mast}
    with mp.simulate(models, sub_devices=[T1, ("mast", "M1")]) as platform:
        run = mp.replay(history, models, platform.connection, allow_offline_sub_device=True)
        stored = platform.stored()

    assert list(run.results["n_entries"]) == [2]
    assert run.summary()["accepted"] == 2
    assert stored[["product_key", "device_key", "value"]].to_numpy().tolist() == [
        ["mast", "M1", 8.0], [PRODUCT, "T1", 9.0]
    ]  # fmt: skip


def test_what_is_left_of_a_journal_is_set_aside_before_anything_is_sent(
    platform: Any, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> None:
    """It may be the only record of last night's run: nothing is ever written over it."""
    path = tmp_path / "run.db"
    path.write_bytes(b"SQLite format 3\0precious")
    with pytest.raises(mp.JournalError, match=r"was set aside as run\.db\.damaged-1"):
        mp.replay(history, model, platform.connection, allow_offline_sub_device=True, journal=path)

    assert (tmp_path / "run.db.damaged-1").read_bytes() == b"SQLite format 3\0precious"
    assert len(platform.sessions()) == 0


def test_a_folder_gets_a_journal_for_each_run(
    platform: Any, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> None:
    """A scheduled job names a folder once; two runs in one second are two files."""
    for _ in range(3):
        mp.replay(
            history, model, platform.connection, allow_offline_sub_device=True, journal=tmp_path,
            again=True,
        )  # fmt: skip

    found = sorted(tmp_path.glob("run-*.db"))
    assert len(found) == 3
    assert [mp.open_run(path).summary()["accepted"] for path in found] == [22] * 3


def test_the_temporary_journal_goes_with_its_run(
    platform: Any, model: mp.ThingModel, history: mp.History, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Also when the replay fails, and without a warning of the interpreter's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = mp.replay(history, model, platform.connection, allow_offline_sub_device=True)
    assert len(list(tmp_path.iterdir())) == 1
    assert run.summary()["accepted"] == 22
    del run
    gc.collect()
    assert list(tmp_path.iterdir()) == []

    wrong = dataclasses.replace(platform.connection, device_secret="wrong")
    with pytest.raises(ConnectError):
        mp.replay(history, model, wrong, allow_offline_sub_device=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_invalid": "ignore"}, "on_invalid= must be 'raise', 'withhold' or 'send'"),
        ({"duplicates": "keep"}, "duplicates= must be 'raise', 'first' or 'last'"),
        ({"isolate": "line"}, "isolate"),
        ({"sub_device_secrets": {"T1": "s"}}, "maps .product key, device key. to a secret"),
        ({"sub_device_secrets": {T1: ""}}, "is empty"),
        ({"sub_device_secrets": {T1: "env:NO_SUCH_VARIABLE"}}, "NO_SUCH_VARIABLE is not set"),
        ({"journal": "no/such/folder/run.db"}, "there is no folder"),
    ],
)
def test_an_option_that_cannot_work_is_an_error_at_the_call(
    model: mp.ThingModel, history: mp.History, options: dict[str, Any], message: str
) -> None:
    """Before the history is read, let alone sent."""
    nowhere = mp.Connection("h", product_key="p", device_key="d", device_secret="s")
    with pytest.raises(mp.ConfigError, match=message):
        mp.replay(history, model, nowhere, **{"allow_offline_sub_device": True, **options})


def test_a_frame_is_no_history(model: mp.ThingModel, frame: pd.DataFrame) -> None:
    """The first thing everybody tries: the error shows the right call."""
    with pytest.raises(mp.ConfigError, match=r"mp.replay\(mp.read_history"):
        mp.replay(frame, model)  # type: ignore[arg-type]


# Along a scripted way to go wrong: no socket, no clock, no sleep.


Play = Callable[..., tuple[mp.Run, Scripted]]


@pytest.fixture
def play(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, frame: pd.DataFrame, tmp_path: Path
) -> Play:  # fmt: skip
    """Replay the farm, an entry a request, along a script."""
    states = itertools.count()

    def run(
        script: Callable[[int, Any], Any], *, refusals: int = 0, history: Any = None,
        limits: mp.Limits = SOLO, **options: Any,
    ) -> tuple[mp.Run, Scripted]:  # fmt: skip
        monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / f"state-{next(states)}"))
        record, transport = scripted_replay(
            monkeypatch, script, history or history_of(frame), model, refusals=refusals,
            limits=limits, **options,
        )  # fmt: skip
        if isinstance(record, BaseException):
            raise record
        if history is None:
            check(record, frame)
        return record, transport

    return run


def test_requests_in_flight_are_sent_again_after_a_loss(play: Play) -> None:
    """Under the same ids and with the same bytes: the platform overwrites, and nothing is lost."""
    limits = dataclasses.replace(SOLO, window=3)
    run, transport = play(lambda n, _: [(0.5, Lost("reset"))] if n <= 3 else None, limits=limits)

    assert run.complete
    assert run.summary()["accepted"] == 22
    assert run.summary()["connects"] == 2
    first, again = transport.published[:3], transport.published[3:6]
    assert first == again
    assert len(set(transport.ids)) == 8
    assert list(run.results["attempts"]) == [2, 2, 2, 1, 1, 1, 1, 1]


def test_reconnects_keep_to_the_platforms_limit(play: Play) -> None:
    """The fifth connect within two minutes would block the device for five."""
    limits = dataclasses.replace(SOLO, window=1)
    run, transport = play(
        lambda n, _: [(0.0, Lost("reset"))] if n % 2 else None, refusals=2, limits=limits
    )

    assert run.complete
    connects = transport.connects
    assert len(connects) >= 6
    for start in connects:
        assert sum(start <= at < start + 120 for at in connects) <= 4


def test_a_connection_that_stays_away_ends_the_run(play: Play) -> None:
    """What was published is in doubt, the rest was not sent, and the books still balance."""
    run, _ = play(lambda n, _: [(0.0, Lost("gone"))] if n == 3 else None, refusals=10_000)

    assert not run.complete
    assert "not regained within 600 s" in str(run.summary()["stopped"])
    outcomes = set(run.results["outcome"])
    assert outcomes <= {"accepted", "in_doubt", "not_sent"}
    assert "in_doubt" in outcomes


def test_a_reply_that_never_comes_is_asked_for_again(play: Play) -> None:
    """With the same bytes; the second answer settles it."""
    run, transport = play(lambda n, _: [] if n == 2 else None)

    assert run.complete
    assert sorted(run.results["attempts"]) == [1] * 7 + [2]
    ids = transport.ids
    assert ids[8] == ids[1]
    assert transport.published[8] == transport.published[1]


def test_no_reply_to_any_attempt_leaves_the_values_in_doubt(play: Play) -> None:
    """Neither accepted nor declined: the user sends them again or reads back."""
    silent: list[str] = []

    def script(n: int, message: Any) -> Any:
        if n == 4:
            silent.append(message["id"])
        return [] if message["id"] in silent else None

    run, transport = play(script)

    assert not run.complete
    doubtful = run.results[run.results["outcome"] == "in_doubt"]
    assert list(doubtful["request_id"]) == silent
    assert doubtful["attempts"].iloc[0] == 5
    assert doubtful["code"].isna().all()
    assert transport.ids.count(silent[0]) == 5
    # Published, acknowledged and accepted are three things.
    counts = [run.summary()[name] for name in ("published", "acknowledged", "requests_accepted")]
    assert counts == [12, 12, 7]
    assert set(run.rejects["check"]) == {"no_reply"}
    assert run.rejects["mend"].str.startswith("replay it").all()


def test_a_transient_code_is_tried_again(play: Play) -> None:
    """429 is the platform's way to say: later."""
    run, _ = play(lambda n, _: [(0.0, 429)] if n <= 8 else None)

    assert run.complete
    assert set(run.results["attempts"]) == {2}


def test_a_code_that_stays_transient_is_declined_with_it(play: Play) -> None:
    """All attempts were answered: there is no doubt."""
    run, _ = play(lambda _n, _m: [(0.0, 500)], limits=dataclasses.replace(SOLO, attempts=2))

    assert set(run.results["outcome"]) == {"declined"}
    assert set(run.results["code"]) == {500}
    assert set(run.results["attempts"]) == {2}


def test_broken_replies_doubles_and_strangers_are_counted(play: Play) -> None:
    """They change nothing about the values, and an auditor sees that they came."""
    noise = [
        (0.0, b"not json"),
        (0.0, b'{"id":"1","code":200}'),
        (0.0, 200),
        (0.0, 200),
        (0.0, 1204),
    ]
    run, _ = play(lambda n, _: noise if n == 1 else None)

    assert run.complete
    summary = run.summary()
    assert summary["accepted"] == 22
    counted = ("broken_replies", "strangers", "doubles", "contradictions")
    assert [summary[name] for name in counted] == [1, 1, 1, 1]


def test_a_request_whose_reply_is_broken_is_tried_again(play: Play) -> None:
    """Whose reply it was cannot be told: the time-out decides."""
    run, _ = play(lambda n, _: [(0.0, b"\xff\xfe")] if n == 1 else None)

    assert run.complete
    assert sorted(run.results["attempts"]) == [1] * 7 + [2]


def test_a_late_reply_settles_the_request(play: Play) -> None:
    """It came after the time-out, while the second attempt was on its way."""
    run, _ = play(lambda n, _: [(30.2, 200)] if n == 1 else None)

    assert run.complete
    assert set(run.results["outcome"]) == {"accepted"}


def test_a_code_that_stops_the_run_leaves_the_rest_unsent(play: Play) -> None:
    """A wrong shape is our mistake: a million more requests would be wrong alike."""
    run, transport = play(
        lambda n, _: [(0.0, 1220)] if n == 2 else None, limits=dataclasses.replace(SOLO, window=1)
    )

    assert len(transport.published) == 2
    assert not run.complete
    assert "1220" in str(run.summary()["stopped"])
    counted = run.results["outcome"].value_counts().to_dict()
    assert counted == {"accepted": 1, "declined": 1, "not_sent": 6}


def test_a_run_gives_up_when_everything_is_declined_alike(play: Play) -> None:
    """A forgotten flag shows after a few requests."""
    limits = dataclasses.replace(SOLO, window=1, give_up_after=3)
    run, transport = play(lambda _n, _m: [(0.0, 1212)], limits=limits)

    assert len(transport.published) == 3
    assert "first 3 requests were all declined with code 1212" in str(run.summary()["stopped"])


def test_books_count_what_was_read_when_a_run_stops(
    play: Play, monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame
) -> None:
    """The rest is in `unread_rows`: nobody mistakes half a history for all of it."""
    monkeypatch.setattr("mpreplay.history.history.SLAB_ROWS", 2)
    limits = dataclasses.replace(SOLO, window=1)
    run, _ = play(
        lambda n, _: [(0.0, 1220)] if n == 1 else None, limits=limits, history=history_of(frame)
    )

    summary = run.summary()
    assert run.books["balanced"].all()
    assert int(summary["rows"]) + int(summary["unread_rows"]) == len(frame)
    assert not run.complete


def test_1009_signs_the_sub_devices_in_again(play: Play) -> None:
    """Their session may have ended without ours."""
    run, transport = play(
        lambda n, _: [(0.0, 1009)] if n == 1 else None, sub_device_secrets={T1: "a", T2: "b"}
    )

    assert run.complete
    actions = [topic.partition("/combine/")[2] for topic, _ in transport.other]
    assert actions == ["login/batch", "login/batch", "logout", "logout"]


def test_sub_devices_are_signed_in_again_after_a_loss_and_out_at_the_end(play: Play) -> None:
    """Their sign-in ends with the gateway's session; a guest leaves the place as it was."""
    run, transport = play(
        lambda n, _: [(0.0, Lost("reset"))] if n == 1 else None,
        sub_device_secrets={T1: "a", T2: "b"},
    )

    assert run.complete
    actions = [topic.partition("/combine/")[2] for topic, _ in transport.other]
    assert actions == ["login/batch", "login/batch", "logout", "logout"]
    assert [message["params"]["deviceKey"] for _, message in transport.other[2:]] == ["T1", "T2"]


def test_the_same_input_makes_the_same_requests(play: Play) -> None:
    """Neither window nor rate nor trouble changes what is sent, only when."""
    _, calm = play(lambda _n, _m: None, limits=mp.Limits(max_entries=3, window=16))
    _, rough = play(
        lambda n, _: [(0.1, 429)] if n == 1 else None,
        limits=mp.Limits(max_entries=3, window=1, bytes_per_second=500),
    )

    def entries(transport: Scripted) -> list[str]:
        found = {orjson.loads(p)["id"]: orjson.loads(p)["params"] for _, p in transport.published}
        return [str(found[request_id]) for request_id in sorted(found)]

    assert entries(calm) == entries(rough)


def test_ids_are_numbers_that_no_other_run_of_the_gateway_has(play: Play) -> None:
    """A late reply to an earlier run must settle nothing here."""
    _, transport = play(lambda _n, _m: None, sub_device_secrets={T1: "a"})
    ids = [*transport.ids, *(message["id"] for _, message in transport.other)]

    assert len(set(ids)) == len(ids) == 10
    assert {int(one) // 1_000_000 for one in ids} == {1_000_000}  # the clock's start [ms]


def test_an_own_devices_keys_are_left_out(
    monkeypatch: pytest.MonkeyPatch, play: Play, frame: pd.DataFrame
) -> None:
    """They are the topic's already; the frames show them all the same."""
    history = mp.read_history(frame.iloc[:4], time_column="ts", ignore=("unit",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the connection to h:11883 is not encrypted")
        run, transport = play(lambda _n, _m: None, history=history, limits=mp.Limits(),
                              allow_offline_sub_device=False)  # fmt: skip

    (payload,) = [payload for _, payload in transport.published]
    assert all(set(entry) == {"measurepoints", "time"} for entry in orjson.loads(payload)["params"])
    assert set(run.books["device_key"]) == {"gw-1"}


def test_an_interrupted_run_is_on_record(
    play: Play, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C in the middle: what was published is in doubt, the journal says how it ended."""

    def script(n: int, _: Any) -> Any:
        if n == 3:
            raise KeyboardInterrupt
        return None

    caplog.set_level(logging.INFO, "mpreplay")
    with pytest.raises(KeyboardInterrupt):
        play(script, journal=tmp_path / "run.db")
    run = mp.open_run(tmp_path / "run.db")

    assert not run.complete
    assert run.books["balanced"].all()
    assert run.summary()["ended_at"]
    assert "in_doubt" in set(run.results["outcome"])
    assert "run ended" in caplog.text


def test_a_reject_says_why_its_sub_device_is_not_signed_in(
    model: mp.ThingModel, history: mp.History
) -> None:
    """1212 alone sends people to the topology when it is the secret that is wrong."""
    with mp.simulate(model, sub_devices=FARM) as platform:
        secrets = {FARM[0]: platform.connection_for(*FARM[0]).device_secret, FARM[1]: "wrong"}
        run = mp.replay(
            history, model, platform.connection, sub_device_secrets=secrets, progress=False,
            limits=mp.Limits(max_entries=4),
        )  # fmt: skip
    reasons = run.rejects.groupby("device_key")["reason"].unique()

    assert list(reasons.index) == ["T2"]
    assert "its sign-in was refused with 742" in reasons["T2"][0]
