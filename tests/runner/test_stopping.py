"""Interrupts at any moment, in any wait: nothing more is published, and the end comes soon."""

from __future__ import annotations

import dataclasses
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Play, history_of
from hostile import Hostile, Wire, accept, greet

import mpreplay as mp
from mpreplay.history.history import History
from mpreplay.journal.writer import Journal
from mpreplay.runner import driver, replaying
from mpreplay.simulator import mqtt

LIMITS = mp.Limits(max_entries=1, connects=None, give_up_after=None, reply_timeout=60.0)
SOON = 5.0  # far below every time-out of a connection, far above what a busy machine needs [s]
SECRETS = {("turbine", f"T{n}"): "s" for n in range(500)}


@pytest.fixture(autouse=True)
def grace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Await replies for a second; what comes after a run ends no test."""
    monkeypatch.setattr(driver, "GRACE", 1.0)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _nothing) for number in numbers]
    yield
    assert [signal.signal(*one) for one in zip(numbers, before, strict=True)] == [_nothing] * 2


def _nothing(*_: Any) -> None:
    """Take a signal."""


class Stopped:
    """A replay that is interrupted when a platform sees something."""

    def __init__(self, number: signal.Signals = signal.SIGINT) -> None:
        self._number = number
        self.at = 0.0

    def now(self, *_: Any) -> None:
        """Interrupt this process, as a terminal does."""
        if not self.at:
            self.at = time.monotonic()
            signal.pthread_kill(threading.main_thread().ident or 0, self._number)

    def after(self, answer: Callable[[Wire, Any], None]) -> Callable[[Wire, Any], None]:
        """Return an answer that is followed by the interrupt."""

        def both(wire: Wire, packet: Any) -> None:
            answer(wire, packet)
            self.now()

        return both

    @property
    def took(self) -> float:
        """The time since the interrupt. [s]"""  # noqa: D400
        return time.monotonic() - self.at


def replay(platform: Hostile, history: mp.History, model: Any, **options: Any) -> mp.Run:
    """Replay against a platform."""
    given = {"allow_offline_sub_device": True, "limits": LIMITS, "progress": False,
             "on_interrupt": "return", **options}  # fmt: skip
    return mp.replay(history, model, platform.connection, **given)


WAITS: dict[str, Callable[[Stopped], dict[str, Any]]] = {
    "for the answer to the sign-in": lambda stop: {"connect": stop.now},
    "for the subscription": lambda stop: {"subscribe": stop.now},
    "for sub-devices that sign in": lambda stop: {"login": stop.now},
    "for replies": lambda stop: {"request": stop.now},
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", WAITS)
def test_the_first_interrupt_ends_any_wait_soon(
    history: mp.History, model: mp.ThingModel, name: str, number: signal.Signals
) -> None:
    """Somebody wants to go home, or a scheduler to end: nothing more is published."""
    stop = Stopped(number)
    with Hostile(**WAITS[name](stop)).running() as platform:
        run = replay(
            platform, history, model, sub_device_secrets=SECRETS if "sub" in name else None
        )
        took = stop.took
        n_logins, n_requests = len(platform.logins), len(platform.requests)

    assert took < SOON
    assert run.summary()["stopped"] == f"interrupted ({number.name})"
    assert run.books["balanced"].all()
    assert run.summary()["in_doubt"] <= run.summary()["published"] * 3
    assert n_logins <= 8  # what was asked for side by side
    assert n_requests <= 4


def test_the_second_interrupt_ends_at_once(
    history: mp.History, model: mp.ThingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves a journal that is continued."""
    monkeypatch.setattr(driver, "GRACE", 60.0)
    stop, path = Stopped(), tmp_path / "run.db"

    def twice(*_: Any) -> None:
        if len(platform.requests) == 1:
            stop.now()
            time.sleep(0.5)  # so that the first is noted; the second is another
            stop.at = 0.0
            stop.now()

    with Hostile(request=twice).running() as platform:
        with pytest.raises(KeyboardInterrupt):
            replay(platform, history, model, journal=path)
        took = stop.took

    assert took < SOON
    run = mp.open_run(path)
    assert run.books["balanced"].all()
    assert run.summary()["in_doubt"] > 0
    with Hostile().running() as other:
        assert continue_elsewhere(history, model, platform.port, other.port, path).complete


def test_an_interrupt_in_a_handshake_of_tls_ends_it(
    history: mp.History, model: mp.ThingModel
) -> None:
    """A port that takes connections and says nothing holds a handshake for long."""
    stop = Stopped()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = mp.Connection(
            "127.0.0.1", server.getsockname()[1], product_key="gateway", device_key="gw-1",
            device_secret="s", tls=True,
        )  # fmt: skip
        timer = threading.Timer(0.3, stop.now)
        timer.start()
        run = mp.replay(
            history, model, connection, allow_offline_sub_device=True, limits=LIMITS,
            on_interrupt="return",
        )  # fmt: skip
        timer.join()

    assert stop.took < SOON
    assert run.summary()["stopped"] == "interrupted (SIGINT)"


def test_an_interrupt_while_the_history_is_looked_through_ends_it_at_once(
    history: mp.History, model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing was sent: there is nothing to wait for, and no journal to keep."""
    whole = History.slabs

    def slabs(one: History, *arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return whole(one, *arguments, **options)

    monkeypatch.setattr(History, "slabs", slabs)
    path = tmp_path / "run.db"
    with Hostile().running() as platform, pytest.raises(KeyboardInterrupt):
        replay(platform, history, model, journal=path)

    assert not path.exists()
    assert platform.n_connects == 0


def test_an_interrupt_ends_a_history_of_which_nothing_is_sent(
    play: Play, model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year of values that are all withheld is read through before the first reply."""
    monkeypatch.setattr("mpreplay.history.history.SLAB_ROWS", 100)
    whole, read = Journal.intend, []

    def intend(journal: Journal, *arguments: Any) -> None:
        read.append(1)
        if len(read) == 3:
            signal.raise_signal(signal.SIGINT)
        whole(journal, *arguments)

    monkeypatch.setattr(Journal, "intend", intend)
    times = pd.date_range("2024-01-01", periods=2_000, freq="s", tz="UTC")
    history = history_of(pd.DataFrame({"ts": times, "unit": "T1", "P": 1e9}))
    run, transport = play(history=history, model=model, on_invalid="withhold")

    assert run.summary()["stopped"] == "interrupted (SIGINT)"
    assert run.summary()["withheld"] == 300
    assert run.summary()["unread_rows"] == 1_700
    assert transport.published == []


def test_interrupts_at_any_moment_lose_nothing(
    model: mp.ThingModel, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Whenever it comes: one fate a value, and the next run with the journal does the rest."""
    times = pd.date_range("2024-01-01", periods=120, freq="s", tz="UTC")
    frame = pd.DataFrame({"ts": times, "unit": "T1", "P": range(120)})
    rng = random.Random(1)
    codes = [200] * 6 + [429, 1204]

    def answer(wire: Wire, request: mqtt.Publish) -> None:
        wire.send(mqtt.Puback(request.packet_id))
        wire.reply(request, rng.choice(codes))

    for n in range(int(pytestconfig.getoption("--interrupts"))):
        stop, path = Stopped(), tmp_path / f"{n}.db"
        timer = threading.Timer(rng.uniform(0.0, 0.4), stop.now)
        platform = Hostile(request=answer, connect=stop.after(greet) if n % 3 == 0 else greet)
        with platform.running():
            timer.start()
            run: mp.Run | None = None
            with suppress(KeyboardInterrupt):  # before the first request
                run = replay(platform, history_of(frame), model, journal=path)
            timer.cancel()
            timer.join()
        if run is None:
            assert not platform.requests
            continue
        assert run.books["balanced"].all()
        assert not stop.at or stop.took < SOON
        n_before = run.summary()["accepted"]
        with Hostile(request=accept).running() as other:
            continued = continue_elsewhere(
                history_of(frame), model, platform.port, other.port, path
            )
        assert continued.summary()["accepted"] >= n_before
        assert continued.summary()["accepted"] + continued.summary()["declined"] == 120
        assert continued.complete


def continue_elsewhere(
    history: mp.History, model: Any, before: int, port: int, path: Path
) -> mp.Run:
    """Continue a run at a platform that took over the address of the first."""
    transport = replaying.MqttTransport

    def elsewhere(connection: mp.Connection, *arguments: Any, **options: Any) -> Any:
        moved = dataclasses.replace(connection, port=port)
        return transport(moved, *arguments, **options)

    connection = mp.Connection(
        "127.0.0.1", before, product_key="gateway", device_key="gw-1", device_secret="s"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replaying, "MqttTransport", elsewhere)
        return mp.replay(
            history, model, connection, allow_offline_sub_device=True, limits=LIMITS, journal=path
        )
