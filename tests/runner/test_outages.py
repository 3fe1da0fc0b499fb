"""Outages over real sockets: whatever is lost, killed or taken over, each value keeps one fate."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
import pandas as pd
import pytest
from brokers import answers, free_port
from conftest import FARM, history_of
from paho.mqtt.enums import CallbackAPIVersion
from test_year import YEAR

import mpreplay as mp
from mpreplay.conversation import logins, paho_client, reconnect, session
from mpreplay.conversation import mqtt as transport_module
from mpreplay.journal.locks import Lease
from mpreplay.protocol import messages as protocol
from mpreplay.protocol import signature
from mpreplay.simulator.proxy import FaultProxy

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # for anything that should happen soon, on a busy machine [s]
KEEPALIVE = 2  # [s]
UNLIMITED = mp.PlatformLimits(connects=None, min_keepalive=None)
# A request for each entry, sixty a second: long enough for something to happen meanwhile.
SLOW = mp.Limits(max_entries=1, connects=None, values_per_second=60, keepalive=KEEPALIVE,
                 reply_timeout=10.0)  # fmt: skip


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again sooner than one would with a real platform."""
    monkeypatch.setattr(session, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(reconnect, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(reconnect, "LONGEST_PAUSE", 0.5)
    monkeypatch.setattr(reconnect, "REGAIN_WITHIN", PATIENCE)
    monkeypatch.setattr(logins, "LOGIN_AGAIN", 0.3)


def readings(n: int = 80) -> pd.DataFrame:
    """Return one value each of so many times, of two turbines in turn."""
    times = pd.date_range("2024-01-01", periods=n, freq="10min", tz="UTC")
    units = np.where(np.arange(n) % 2, "T1", "T2")
    return pd.DataFrame({"ts": times, "unit": units, "P": np.arange(n) / 4})


def until(what: Callable[[], Any], within: float = PATIENCE) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextlib.contextmanager
def going_on(
    frame: pd.DataFrame, model: mp.ThingModel, connection: mp.Connection, **options: Any
) -> Iterator[Future[mp.Run]]:
    """Replay a frame on another thread, which has ended when the block is left."""
    options = {"allow_offline_sub_device": True, "limits": SLOW, "progress": False, **options}
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(mp.replay, history_of(frame), model, connection, **options)


def n_received(platform: Any) -> int:
    """Return how many requests the platform has seen."""
    return len(platform.requests())


def check(run: mp.Run, frame: pd.DataFrame, platform: Any) -> None:
    """Assert that everything arrived, and the record says so."""
    summary, stored = run.summary(), platform.stored()
    assert run.complete, summary["stopped"]
    assert summary["accepted"] == summary["read"] == len(frame)
    assert run.books["balanced"].all()
    sent = frame.sort_values(["unit", "ts"])
    assert list(stored["device_key"]) == list(sent["unit"])
    assert list(stored["time"]) == list(sent["ts"])
    assert list(stored["value"]) == list(sent["P"])


def losses(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of lost connections."""
    return [text for text in caplog.messages if text.startswith("the connection is lost")]


# A year, killed again and again.

REQUESTS = 100
SHARE = mp.Limits(
    max_entries=-(-YEAR.rows // REQUESTS), bytes_per_second=YEAR.values * 8.0, connects=None
)
AT_ONCE = mp.Limits(max_entries=SHARE.max_entries, bytes_per_second=None)
# Two deaths of the platform in the life of one client, seconds apart, would look like a takeover.
KILLS = ("client", "platform", "client", "client", "platform", "client", "platform", "client")
SAME = ["n_entries", "n_values", "n_bytes", "first_time", "last_time", "code", "outcome"]


def replay_the_year(
    journal: str | None, connection: mp.Connection | None, limits: mp.Limits
) -> mp.Run:
    """Replay it to where the environment says; also called in processes of their own."""
    return mp.replay(
        YEAR.history(), mp.ThingModel.load(YEAR.model), connection, journal=journal, limits=limits,
        on_invalid="withhold", duplicates="last", allow_offline_sub_device=True, progress=False,
    )  # fmt: skip


class Client:
    """A replay of the year in a process of its own, which may be killed and started again."""

    def __init__(self, journal: Path, connection: mp.Connection) -> None:
        self.journal, self.uri = journal, connection.to_uri(reveal_secret=True)
        self.start()

    def start(self) -> None:
        """Begin, or continue."""
        code = "import runner.test_outages as t, sys; t.replay_the_year(sys.argv[1], None, t.SHARE)"
        paths = [str(ROOT), str(ROOT / "tests")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(self.journal)],
            env={**os.environ, "MPREPLAY_CONNECTION": self.uri,
                 "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip

    def kill(self) -> None:
        """End it without a word to itself, and wait until it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def year_model() -> mp.ThingModel:
    """Return the model of the year."""
    return mp.ThingModel.load(YEAR.model)


def test_a_year_of_kills_ends_like_an_undisturbed_one(
    year_model: mp.ThingModel, tmp_path: Path
) -> None:
    """The platform dies three times and the client five: nobody can tell from the books."""
    options = {"sub_devices": YEAR.sub_devices, "limits": UNLIMITED}
    chance = random.Random(2014)
    with mp.simulate(year_model, **options) as platform:
        calm = replay_the_year(None, platform.connection, AT_ONCE)
        calm_stored = platform.stored()
    with mp.simulate(year_model, **options) as platform:
        client = Client(tmp_path / "run.db", platform.connection)
        try:
            for kill in KILLS:
                # A client may be killed while it starts; a platform's death shows if one was there.
                least = 1 if kill == "platform" else 0
                enough = n_received(platform) + chance.randrange(least, 10)
                until(lambda: n_received(platform) >= enough)  # noqa: B023
                assert client.process.poll() is None, "it ended before it could be killed"
                if kill == "platform":
                    platform.kill()
                    platform.restart()
                else:
                    client.kill()
                    client.start()
            assert client.process.wait(PATIENCE) == 0
        finally:
            client.kill()
        run = mp.open_run(tmp_path / "run.db")
        stored, sessions = platform.stored(), platform.sessions()

    assert (sessions["how"] == "killed").sum() == KILLS.count("platform")
    assert (sessions["how"] == "lost").sum() >= 1
    assert run.complete
    pd.testing.assert_frame_equal(run.results[SAME], calm.results[SAME])
    pd.testing.assert_frame_equal(run.books, calm.books)
    keys = ["row", "measurepoint", "check"]
    rejects = [one.rejects.drop(columns="request_id").sort_values(keys, ignore_index=True)
               for one in (run, calm)]  # fmt: skip
    pd.testing.assert_frame_equal(*rejects)
    pd.testing.assert_frame_equal(stored, calm_stored)


def test_disconnections_never_cost_more_connects_than_the_platform_allows(
    model: mp.ThingModel,
) -> None:
    """A fifth connect within the period would block the device for five minutes."""
    period, frame = 5.0, readings()
    limits = mp.PlatformLimits(connects=4, connect_period=period, block=20)
    ours = mp.Limits(max_entries=1, values_per_second=40, connects=4, connect_period=period)
    with (
        mp.simulate(model, sub_devices=FARM, limits=limits) as platform,
        FaultProxy(platform.host, platform.port) as proxy,
    ):
        connection = proxy.connection(platform.connection)

        def restart() -> None:
            platform.kill()
            platform.restart()

        disturbances = (proxy.cut, restart, proxy.cut)
        with going_on(frame, model, connection, limits=ours) as future:
            for disturb in disturbances:
                seen = n_received(platform)
                until(lambda: n_received(platform) > seen + 3 or future.done())  # noqa: B023
                disturb()
            check(future.result(PATIENCE), frame, platform)
        # The fifth connect is that of another run.
        with going_on(frame, model, connection, limits=ours) as future:
            check(future.result(PATIENCE), frame, platform)
        sessions = platform.sessions()

    assert not sessions["how"].str.startswith("refused").any()
    at = sessions["connected_at"].sort_values().to_list()
    assert len(at) == 5
    assert all(
        (fifth - first).total_seconds() > period for first, fifth in zip(at, at[4:], strict=False)
    )


# Offline, and half-open.


def test_nobody_at_home_is_one_line_at_once(platform: Any, model: mp.ThingModel) -> None:
    """At the start there is nothing to wait for: whoever asked is still there."""
    begun = time.monotonic()
    with FaultProxy(platform.host, free_port()) as proxy:
        proxy.refuse()
        with pytest.raises(mp.ConnectError, match="nothing listens there") as caught:
            mp.replay(history_of(readings()), model, proxy.connection(platform.connection),
                      allow_offline_sub_device=True)  # fmt: skip

    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < transport_module.CONNECT_TIMEOUT


def test_a_host_that_accepts_and_never_speaks_is_given_up(
    platform: Any, model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port forwarded to nowhere: TCP says yes, and then nothing."""
    monkeypatch.setattr(transport_module, "CONNECT_TIMEOUT", 0.3)
    threads = set(threading.enumerate())
    with FaultProxy(platform.host, platform.port) as proxy:
        proxy.freeze()
        begun = time.monotonic()
        with pytest.raises(mp.ConnectError, match="no answer within") as caught:
            mp.replay(history_of(readings()), model, proxy.connection(platform.connection),
                      allow_offline_sub_device=True)  # fmt: skip
        took = time.monotonic() - begun

    assert "\n" not in str(caught.value)
    assert took < 2.0
    assert set(threading.enumerate()) <= threads


def test_a_network_that_is_away_for_longer_than_the_keepalive_costs_nothing(
    platform: Any, model: mp.ThingModel, caplog: pytest.LogCaptureFixture
) -> None:
    """A router that restarts: reset, closed for a while, and open again."""
    frame = readings()
    with FaultProxy(platform.host, platform.port) as proxy:
        connection = proxy.connection(platform.connection)
        limits = mp.Limits(**{**SLOW.as_dict(), "keepalive": 1})
        with going_on(frame, model, connection, limits=limits) as future:
            until(lambda: n_received(platform) > 20)
            proxy.refuse()
            proxy.cut()
            begun = time.monotonic()
            until(lambda: time.monotonic() - begun > 1.5 * limits.keepalive)
            assert not future.done()
            proxy.allow()
            check(future.result(PATIENCE), frame, platform)

    assert len(losses(caplog)) == 1
    assert "nothing listens there" in caplog.text


def test_a_half_open_connection_is_recognised_and_replaced(
    platform: Any, model: mp.ThingModel, caplog: pytest.LogCaptureFixture
) -> None:
    """Packets vanish without a reset: only asking for a sign of life shows it."""
    frame, threads = readings(), set(threading.enumerate())
    with FaultProxy(platform.host, platform.port) as proxy:
        connection = proxy.connection(platform.connection)
        with going_on(frame, model, connection) as future:
            until(lambda: n_received(platform) > 20)
            proxy.freeze()
            begun = time.monotonic()
            until(lambda: losses(caplog))
            took = time.monotonic() - begun
            proxy.thaw()
            check(future.result(PATIENCE), frame, platform)

    assert took < 1.5 * KEEPALIVE + 0.5
    assert len(losses(caplog)) == 1
    assert set(threading.enumerate()) <= threads


def test_a_network_that_takes_nothing_more_does_not_hold_up_the_end(
    platform: Any, model: mp.ThingModel
) -> None:
    """With the buffers full a farewell cannot be said either; close() must not wait for it."""
    big = b"x" * 400_000
    threads = set(threading.enumerate())
    with FaultProxy(platform.host, platform.port, bytes_per_second=1_000_000) as proxy:
        device = platform.connection.device
        one = transport_module.MqttTransport(
            proxy.connection(platform.connection), [protocol.batch_reply_topic(*device)]
        )
        one.connect()
        proxy.freeze()
        for _ in range(50):
            one.publish(protocol.batch_topic(*device), big)
        begun = time.monotonic()
        one.close()
        took = time.monotonic() - begun

    assert took < 5.0
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("handler", ["_handle_publish", "_handle_pubackcomp", "_handle_on_message"])
def test_an_exception_in_the_network_thread_cannot_stall_a_run(
    platform: Any, model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch, handler: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A thread that dies of it leaves `is_connected()` true, and every publish "sent"."""
    whole, calls = getattr(mqtt.Client, handler), itertools.count(1)

    def fail_once(*arguments: Any) -> Any:
        if next(calls) == 10:
            raise RuntimeError("in the network thread")
        return whole(*arguments)

    monkeypatch.setattr(mqtt.Client, handler, fail_once)
    frame = readings(40)
    with going_on(frame, model, platform.connection) as future:
        check(future.result(PATIENCE), frame, platform)

    assert losses(caplog) == [
        "the connection is lost (a message could not be read as MQTT 3.1.1 "
        "(in the network thread)); connecting again"
    ]


# Takeovers, and two runs at once.


@contextlib.contextmanager
def rival(connection: mp.Connection) -> Iterator[mqtt.Client]:
    """Sign in as a device with a client that comes back whenever it is put off."""
    fields = signature.sign_in(
        *connection.device, connection.device_secret.reveal(), client_id="rival", timestamp=1
    )
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=fields.client_id)
    client.username_pw_set(fields.username, fields.password)
    client.reconnect_delay_set(1, 1)
    client.connect(connection.host, int(connection.port or 0))
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_rival_that_keeps_coming_back_ends_the_run_with_its_name(
    platform: Any, model: mp.ThingModel
) -> None:
    """Two clients that fight get the device blocked; one of them has to give way."""
    frame = readings(400)
    with going_on(frame, model, platform.connection) as future:
        until(lambda: n_received(platform) > 5)
        with rival(platform.connection):
            run = future.result(PATIENCE)
        summary = run.summary()

    assert "another client signs in as gw-1" in summary["stopped"]
    assert not run.complete
    assert 0 < summary["accepted"] < len(frame)
    assert run.books["balanced"].all()
    assert (platform.sessions()["how"] == "taken over").sum() < 8


@pytest.mark.parametrize(
    ("faults", "stopped"),
    [
        ("logins kick=1", "another client signs in as gw-1"),
        ("logins reset_before=1", "the connection was not regained within 1 s"),
    ],
)
def test_a_connection_that_is_always_lost_while_signing_in_ends_the_run(
    model: mp.ThingModel, faults: str, stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is published, so none is ever used up: something else has to end it."""
    monkeypatch.setattr(reconnect, "REGAIN_WITHIN", 1.0)
    frame = readings()
    with mp.simulate(model, sub_devices=FARM, limits=UNLIMITED, faults=faults) as platform:
        secrets = {device: platform.connection_for(*device).device_secret for device in FARM}
        with going_on(
            frame, model, platform.connection, sub_device_secrets=secrets,
            allow_offline_sub_device=False,
        ) as future:  # fmt: skip
            summary = future.result(PATIENCE).summary()

    assert stopped in summary["stopped"]
    assert summary["not_sent"] == summary["read"]
    assert summary["complete"] is False


def test_a_single_kick_is_survived_and_sub_devices_are_signed_in_again(
    platform: Any, model: mp.ThingModel
) -> None:
    """A session's end signs its sub-devices out: without another login all would be 1212."""
    frame = readings()
    secrets = {device: platform.connection_for(*device).device_secret for device in FARM}
    with going_on(
        frame, model, platform.connection, sub_device_secrets=secrets,
        allow_offline_sub_device=False,
    ) as future:  # fmt: skip
        until(lambda: n_received(platform) > 20)
        assert platform.kick(*platform.connection.device)
        check(future.result(PATIENCE), frame, platform)

    assert list(platform.sessions()["how"])[:-1] == ["kicked"]
    assert set(platform.requests()["code"]) == {200}


@pytest.mark.parametrize("word", ["lose_request", "lose_reply", "garble", "throttle", "code:500"])
def test_a_login_that_goes_wrong_once_is_asked_for_again(model: mp.ThingModel, word: str) -> None:
    """Else one lost reply would decline a whole history with 1212."""
    frame = readings(20)
    with mp.simulate(
        model, sub_devices=FARM, limits=UNLIMITED, faults=["logins", word]
    ) as platform:
        secrets = {device: platform.connection_for(*device).device_secret for device in FARM}
        with going_on(
            frame, model, platform.connection, sub_device_secrets=secrets,
            allow_offline_sub_device=False,
        ) as future:  # fmt: skip
            check(future.result(PATIENCE), frame, platform)


def hold(uri: str, held: Any) -> None:
    """Hold a device's lease until killed; runs in a process of its own."""
    with Lease(mp.Connection.from_uri(uri), "a test"):
        held.set()
        threading.Event().wait()


def test_a_second_run_is_refused_with_the_name_of_the_first(
    platform: Any, model: mp.ThingModel
) -> None:
    """Whoever started both must know which one to end; a killed one holds nothing."""
    connection, frame = platform.connection, readings(10)
    with going_on(readings(), model, connection) as future:
        until(lambda: n_received(platform) > 0)
        with pytest.raises(mp.ConnectError, match=r"gw-1 at .* in use by this process, a replay"):
            mp.replay(history_of(frame), model, connection, allow_offline_sub_device=True)
        future.result(PATIENCE)
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=hold, args=(connection.to_uri(reveal_secret=True), held))
    other.start()
    try:
        assert held.wait(PATIENCE)
        with pytest.raises(mp.ConnectError, match=f"in use by process {other.pid} on"):
            mp.replay(history_of(frame), model, connection, allow_offline_sub_device=True)
    finally:
        other.kill()
        other.join(PATIENCE)
        other.close()

    run = mp.replay(history_of(frame), model, connection, allow_offline_sub_device=True)
    assert run.complete


@pytest.mark.parametrize(
    ("code", "failures", "is_closed"),
    [
        (128, [], True),
        (128, ["failed to receive on socket: [Errno 32] Broken pipe"], True),
        (128, ["failed to receive on socket: [Errno 104] Connection reset by peer"], False),
        (130, [], False),
        (141, [], False),
    ],
)
def test_an_end_in_order_is_told_from_a_failure(
    code: int, failures: list[str], is_closed: bool
) -> None:
    """A takeover while we send shows as a broken pipe; silence, resets, garbage do not."""
    assert paho_client._is_closed_by_peer(code, failures) is is_closed


# Faults on request, end to end.

WORDS = (
    "lose_request", "lose_reply", "delay:0.5", "double", "reorder", "garble", "code:500",
    "throttle", "stall:0.5", "reset_before", "reset_during", "reset_after", "kick", "away:0.3",
)  # fmt: skip
BRISK = mp.Limits(max_entries=1, connects=None, values_per_second=200, reply_timeout=0.3,
                  attempts=8)  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_fault_costs_time_and_nothing_else(model: mp.ThingModel, word: str) -> None:
    """Every fault by itself, in the middle of a run."""
    frame, script = readings(40), [*["ok"] * 10, word]
    with (
        mp.simulate(model, sub_devices=FARM, limits=UNLIMITED, faults=script) as platform,
        going_on(frame, model, platform.connection, limits=BRISK) as future,
    ):
        check(future.result(PATIENCE), frame, platform)


@pytest.mark.parametrize("faults", ["seed=11 rate=0.5", "seed=4 rate=0.3 logins"])
def test_a_mix_of_faults_ends_and_can_be_continued(
    model: mp.ThingModel, tmp_path: Path, faults: str
) -> None:
    """However bad it is, a run ends, its books hold, and the next one goes on where it stopped."""
    frame = readings(60)
    with mp.simulate(model, sub_devices=FARM, limits=UNLIMITED, faults=faults) as platform:
        secrets = {device: platform.connection_for(*device).device_secret for device in FARM}
        for _ in range(10):
            with going_on(
                frame, model, platform.connection, limits=BRISK, journal=tmp_path / "run.db",
                sub_device_secrets=secrets if "logins" in faults else None,
                allow_offline_sub_device="logins" not in faults,
            ) as future:  # fmt: skip
                run = future.result(PATIENCE)
            assert run.books["balanced"].all()
            if run.complete:
                break
        check(run, frame, platform)


# Signals.


def test_a_terminated_replay_has_a_status_of_its_own_and_can_be_continued(
    year_model: mp.ThingModel, tmp_path: Path
) -> None:
    """A scheduler that shuts down sends SIGTERM, and starts the same command tomorrow."""
    journal = tmp_path / "run.db"
    command = [
        sys.executable, "-m", "mpreplay", "replay", str(YEAR.parquet), "--model", str(YEAR.model),
        "--time", "time", "--device", "turbine", "--product-key", YEAR.product,
        "--allow-offline-sub-device", "--on-invalid", "withhold", "--duplicates", "last",
        "--max-entries", str(SHARE.max_entries), "--journal", str(journal), "--bytes-per-second",
    ]  # fmt: skip
    with mp.simulate(year_model, sub_devices=YEAR.sub_devices, limits=UNLIMITED) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        options = {"cwd": ROOT, "env": {**os.environ, "MPREPLAY_CONNECTION": uri},
                   "stdout": subprocess.DEVNULL}  # fmt: skip
        with subprocess.Popen([*command, str(YEAR.values * 3)], **options) as process:
            until(lambda: n_received(platform) > 5)
            process.terminate()
            assert process.wait(PATIENCE) == 5
        partial = mp.open_run(journal)
        assert not partial.complete
        assert partial.summary()["stopped"] == "interrupted (SIGTERM)"
        assert partial.books["balanced"].all()
        # Some values were withheld: that is status 1.
        assert subprocess.run([*command, "0"], **options, check=False).returncode == 1
        assert len(platform.stored()) == YEAR.accepted - YEAR.copies

    assert mp.open_run(journal).complete


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="asks Linux for child processes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_rehearsal_platform_ends_with_its_command(number: signal.Signals) -> None:
    """A server left behind keeps its port, and the next rehearsal fails to get it."""
    command = [sys.executable, "-m", "mpreplay", "simulate", "--model", str(YEAR.model)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        port = int(greeting.partition(",")[0].rpartition(":")[2])
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        assert answers(port)
        process.send_signal(number)
        process.wait(PATIENCE)

    until(lambda: not answers(port))
    until(lambda: not _lives(int(children[0])))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
