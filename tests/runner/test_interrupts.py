"""Ctrl-C, a notebook's interrupt, a scheduler's SIGTERM: an end in order, and what if not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import FARM, history_of
from scripted import Clock, Scripted, always, scripted_replay

import mpreplay as mp
from mpreplay.conversation.transport import Lost
from mpreplay.runner.driver import GRACE
from mpreplay.runner.interrupts import Interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TWO_AT_ONCE = mp.Limits(max_entries=1, window=2, give_up_after=None)
PATIENCE = 30.0  # for anything that should happen within a second or two [s]

Play = Callable[..., tuple[Any, Scripted]]


def interrupt(number: signal.Signals = signal.SIGINT) -> None:
    """Send a signal to this process, as a terminal does; it is handled before this returns."""
    signal.raise_signal(number)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Leave the handlers as they were, whatever a test does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


@pytest.fixture
def play(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> Play:
    """Replay the farm along a script, two requests in flight, with a journal."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    clock = Clock(1_700_000_000.0)

    def run(script: Any, **options: Any) -> tuple[Any, Scripted]:
        clock.at += 1_000.0
        given = {
            "limits": TWO_AT_ONCE, "journal": tmp_path / "run.db", "clock": clock, **options
        }  # fmt: skip
        return scripted_replay(monkeypatch, script, history, model, **given)

    return run


def at(number: int, then: Callable[[], Any], fate: Any = None) -> Callable[[int, Any], Any]:
    """Return a script in which something happens at the n-th publish."""

    def script(n: int, _message: Any) -> Any:
        if n == number:
            then()
        return fate

    return script


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_second_ends_it(number: signal.Signals) -> None:
    """A person who presses Ctrl-C twice means it."""
    with Interrupts() as interrupts:
        assert interrupts.name == ""
        interrupt(number)
        assert interrupts.name == number.name
        with pytest.raises(KeyboardInterrupt):
            interrupt(signal.SIGINT)


def test_handlers_are_as_they_were_afterwards() -> None:
    """A web server's own handling of SIGTERM is its own."""
    mine: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: mine.append(number))
    try:
        with Interrupts():
            pass
        interrupt(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert mine == [signal.SIGTERM]


def test_in_another_thread_signals_are_left_alone() -> None:
    """Only the main thread may set handlers; a worker's replay must work all the same."""
    names: list[str] = []

    def work() -> None:
        before = signal.getsignal(signal.SIGINT)
        with Interrupts() as interrupts:
            assert signal.getsignal(signal.SIGINT) is before
            names.append(interrupts.name)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE)

    assert names == [""]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_run_waits_for_its_replies_and_returns(
    play: Play, number: signal.Signals, tmp_path: Path
) -> None:
    """What was published gets its answer, nothing more is sent, and the rest is the next run's."""
    run, transport = play(at(4, lambda: interrupt(number), [(2.0, 200)]))

    assert not run.complete
    assert run.summary()["stopped"] == f"interrupted ({number.name})"
    assert len(transport.published) == 4
    assert run.results["outcome"].value_counts().to_dict() == {"accepted": 4, "not_sent": 4}
    assert run.books["balanced"].all()
    assert run.rejects.empty  # the journal continues it: they are counted
    assert run.causes[["outcome", "values"]].to_numpy().tolist() == [
        ["not_sent", run.summary()["not_sent"]]
    ]
    assert not transport.is_open

    run, transport = play(always)
    assert run.complete
    assert len(transport.published) == 4
    assert len(run.rejects) == 0


def test_replies_are_awaited_for_a_grace_period_only(play: Play) -> None:
    """A scheduler kills whoever takes longer."""
    began: list[float] = []
    clock = Clock(1_700_000_000.0)

    def interrupts() -> None:
        began.append(clock.at)
        interrupt()

    run, transport = play(at(2, interrupts, []), clock=clock)

    assert GRACE <= clock.at - began[0] <= GRACE + 1
    assert run.results["outcome"].value_counts().to_dict() == {"not_sent": 6, "in_doubt": 2}
    assert run.books["balanced"].all()
    assert len(transport.published) == 2


def test_a_second_interrupt_ends_a_run_at_once(play: Play, tmp_path: Path) -> None:
    """And leaves a journal from which it is continued all the same."""

    def twice() -> None:
        interrupt()
        interrupt()

    error, transport = play(at(3, twice))
    assert isinstance(error, KeyboardInterrupt)
    assert not transport.is_open
    partial = mp.open_run(tmp_path / "run.db")
    assert not partial.complete
    assert partial.books["balanced"].all()

    run, transport = play(always)
    assert run.complete
    assert len(run.results) == 8


def test_an_interrupt_while_the_connection_is_away_ends_the_wait(play: Play) -> None:
    """Ten minutes are long for somebody who wants to go home."""
    clock = Clock(1_700_000_000.0)
    refused: list[float] = []
    connect = Scripted.connect

    def connects(transport: Scripted) -> None:
        if transport.connects:
            refused.append(clock.at)
            interrupt()
        connect(transport)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scripted, "connect", connects)
        run, _ = play(
            lambda n, _: [(0.0, Lost("gone"))] if n == 2 else None, refusals=100, clock=clock
        )

    assert len(refused) == 1
    assert not run.complete
    assert run.books["balanced"].all()
    assert clock.at - refused[0] < GRACE + 1


def test_an_interrupt_while_waiting_to_connect_sends_nothing(play: Play) -> None:
    """The connect limit of earlier runs may ask for two minutes."""
    clock = Clock(1_700_000_000.0)
    for n in range(4):
        play(always, journal=None, limits=mp.Limits(max_entries=n + 1), clock=clock)
    sleep, waited = clock.sleep, []

    def sleeps(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 5:
            interrupt()
        sleep(seconds)

    clock.sleep = sleeps  # type: ignore[method-assign]
    run, transport = play(always, clock=clock)

    assert len(waited) == 5
    assert transport.connects == []
    assert run.results.empty
    assert not run.complete
    assert run.summary()["unread_rows"] > 0
    assert run.summary()["stopped"] == "interrupted (SIGINT)"


def test_a_replay_works_inside_a_running_event_loop(
    platform: Any, model: mp.ThingModel, history: mp.History
) -> None:
    """A notebook's cell runs inside one."""

    async def cell() -> mp.Run:
        return mp.replay(history, model, platform.connection, allow_offline_sub_device=True)

    run = asyncio.run(cell())
    assert run.complete
    assert len(platform.stored()) == 22


def test_an_interrupt_inside_a_running_event_loop_is_the_runs(play: Play) -> None:
    """The notebook's stop button: the partial run comes back, and the kernel lives on."""

    async def cell() -> Any:
        partial, _ = play(at(3, interrupt))
        assert partial.summary()["stopped"] == "interrupted (SIGINT)"
        await asyncio.sleep(0)
        return play(always)[0]

    assert asyncio.run(cell()).complete


@pytest.mark.parametrize("number", SIGNALS)
def test_the_command_line_ends_in_order_with_status_five(
    model: mp.ThingModel, frame: pd.DataFrame, tmp_path: Path, number: signal.Signals
) -> None:
    """What a terminal and a scheduler send, to a process of its own, over a slow platform."""
    data, models, journal = tmp_path / "h.parquet", tmp_path / "m.json", tmp_path / "run.db"
    frame.to_parquet(data)
    models.write_text(model.to_json())
    with mp.simulate(model, sub_devices=FARM, faults="delay=1.0:1.0") as platform:
        command = [
            sys.executable, "-m", "mpreplay", "replay", str(data), "--model", str(models),
            "--time", "ts", "--device", "unit", "--product-key", "turbine",
            "--allow-offline-sub-device", "--max-entries", "1", "--window", "1",
            "--journal", str(journal),
        ]  # fmt: skip
        environment = {
            **os.environ, "MPREPLAY_CONNECTION": platform.connection.to_uri(reveal_secret=True)
        }  # fmt: skip
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            deadline = time.monotonic() + PATIENCE
            while len(platform.requests()) < 2 and time.monotonic() < deadline:
                pass  # each look asks the platform's process, and so takes its time
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)

        assert process.returncode == 5, err
        assert "Traceback" not in err
        assert f"not complete: interrupted ({number.name})" in out
        partial = mp.open_run(journal)
        n_sent = len(platform.requests())
        outcomes = partial.results["outcome"].value_counts().to_dict()
        assert outcomes == {"accepted": n_sent, "not_sent": 8 - n_sent}
        run = mp.replay(
            history_of_file(data), model, platform.connection, allow_offline_sub_device=True,
            limits=mp.Limits(max_entries=1), journal=journal,
        )  # fmt: skip

        assert run.complete
        assert len(platform.requests()) == 8
        assert len(platform.stored()) == 22


def history_of_file(path: Path) -> mp.History:
    """Return the history that the command line reads."""
    return mp.read_history(str(path), time_column="ts", device_column="unit", product_key="turbine")


def test_an_interrupt_of_a_frame_in_memory_is_no_different(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Without a journal the partial run comes back too, and can be looked at."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    run, _ = scripted_replay(
        monkeypatch, at(3, interrupt), history_of(frame), model, limits=TWO_AT_ONCE
    )

    assert run.summary()["accepted"] > 0
    assert "interrupted (SIGINT)" in repr(run)
