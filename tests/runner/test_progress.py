"""The progress of whole replays, on a virtual clock: true at every moment, and never in the way."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import PRODUCT, history_of
from runner.test_faults import Rehearsal, replay_to_the_end, staged
from scripted import Clock, always, scripted_replay
from virtual import VirtualTransport, VirtualWorld

import mpreplay as mp
from mpreplay.conversation.transport import Lost
from mpreplay.display.progress import Progress
from mpreplay.journal.reader import read_journal
from mpreplay.runner import progress as shell
from mpreplay.runner import replaying
from mpreplay.simulator.faults import FaultScript
from mpreplay.simulator.world import World

GATEWAY = ("gateway", "gw-1")
COUNTED = ("accepted", "declined", "withheld", "not_sent")
SUBS = [(PRODUCT, f"T{n}") for n in (1, 2)]
KEYS = {
    "event", "run", "values_total", "total_is_exact", "accepted", "declined", "withheld",
    "in_doubt", "not_sent", "in_flight", "values_per_second", "bytes_per_second", "seconds",
    "seconds_left", "limited_by", "waiting_seconds",
}  # fmt: skip


class Recorder:
    """A place where the progress is shown, which keeps it all."""

    def __init__(self, clock: Any, every: float = 0.1) -> None:
        self.clock, self.every = clock, every
        self.shown: list[tuple[float, str, Progress]] = []

    def show(self, progress: Progress, event: str) -> None:
        """Keep it."""
        self.shown.append((self.clock.now(), event, progress))

    def close(self) -> None:
        """Do nothing."""


def readings(n: int) -> pd.DataFrame:
    """Return readings of two turbines, some of them out of range, some absent."""
    rng = np.random.default_rng(n)
    times = pd.date_range("2024-05-31", periods=n // 2, freq="10min", tz="UTC")
    frame = pd.DataFrame({
        "ts": [*times, *times], "unit": np.repeat(["T1", "T2"], n // 2),
        "P": rng.integers(0, 10_000, n) / 4, "wind": rng.integers(0, 400, n) / 16,
        "state": rng.choice(["run", "stop"], n),
    }).astype({"state": object})  # fmt: skip
    frame.loc[rng.random(n) < 0.1, "P"] = 9_999.0
    frame.loc[rng.random(n) < 0.2, "wind"] = None
    return frame


@contextmanager
def virtual(model: mp.ThingModel, folder: Path, faults: FaultScript) -> Iterator[VirtualWorld]:
    """Put a virtual world in the place of network and clock; slabs are small."""
    secrets = dict.fromkeys([GATEWAY, *SUBS], "s")
    world = VirtualWorld(
        World({"": model}, secrets, GATEWAY[0], dict.fromkeys(SUBS, GATEWAY), frozenset(),
              mp.PlatformLimits()), faults,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", str(folder))
        patch.setattr("mpreplay.history.history.SLAB_ROWS", 32)
        patch.setattr(replaying, "SystemClock", lambda: world.clock)
        patch.setattr(
            replaying, "MqttTransport", lambda of, topics, **_: VirtualTransport(world, of, topics)
        )
        yield world


CASES = {
    "by the bytes": (mp.Limits(max_entries=8, bytes_per_second=2_000), "script: ok"),
    "by the values": (
        mp.Limits(max_entries=8, bytes_per_second=None, values_per_second=40), "script: ok"),
    "in small requests": (mp.Limits(max_entries=1, bytes_per_second=3_000), "script: ok"),
    "with delays": (mp.Limits(max_entries=8, bytes_per_second=2_000), "delay=0.3:1.5"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("on_invalid", "isolate", "within"),
    [("withhold", "point", 0.1), ("send", False, 0.1), ("send", "point", 0.25)],
)
def test_the_progress_is_what_the_journal_has_and_the_end_is_foreseen(
    case: str, on_invalid: Any, isolate: Any, within: float, model: mp.ThingModel, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Sampled five times a second: within 5 % or one request; after a fifth, within a tenth.

    How often requests will have to be taken apart is foreseen less well.
    """
    limits, faults = CASES[case]
    journal, samples = tmp_path / "run.db", []  # type: tuple[Path, list[tuple[int, int]]]
    with virtual(model, tmp_path, FaultScript.of(faults)) as world:
        recorder = Recorder(world.clock)
        monkeypatch.setattr(replaying, "drawings", lambda _: [recorder])

        def sample() -> None:
            if recorder.shown and recorder.shown[-1][1] != "ended":
                totals = read_journal(journal).totals()
                arrived = totals["accepted"] + totals["declined"] + totals["withheld"]
                samples.append((recorder.shown[-1][2].settled, arrived))
            world.clock.later(0.2, sample)

        world.clock.later(0.2, sample)
        run = mp.replay(
            history_of(readings(400)), model,
            mp.Connection("h", product_key=GATEWAY[0], device_key=GATEWAY[1], device_secret="s"),
            allow_offline_sub_device=True, on_invalid=on_invalid, isolate=isolate, limits=limits,
            journal=journal,
        )  # fmt: skip
    summary = run.summary()
    most = max(0.05 * summary["read"], run.results["n_values"].max())
    assert len(samples) > 50
    assert max(abs(shown - arrived) for shown, arrived in samples) <= most

    (began, _, _), (ended, _, last) = recorder.shown[0], recorder.shown[-1]
    assert last.settled == last.values_total == summary["read"]
    assert last.total_is_exact
    fifth = next(one for one in recorder.shown if one[0] - began >= (ended - began) / 5)
    foreseen = fifth[0] + fifth[2].seconds_left - began
    assert foreseen == pytest.approx(ended - began, rel=within)
    assert {one.limited_by for _, _, one in recorder.shown[5:-5]} <= {"rate", "replies", "window"}
    assert fifth[2].limited_by == "rate"


@pytest.mark.parametrize("seed", range(8))
def test_whatever_goes_wrong_the_progress_is_the_journal(
    seed: int, model: mp.ThingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses, doubts, skips, divisions, sign-ins, continued runs: the same counts at all times."""
    made, journal = Rehearsal.of(seed), tmp_path / "run.db"
    wrong: list[Any] = []
    n_shown = 0

    class Comparer(Recorder):
        def show(self, progress: Progress, event: str) -> None:
            nonlocal n_shown
            n_shown += 1
            totals, told = read_journal(journal).totals(), progress.as_dict()
            counted = {fate: told[fate] for fate in COUNTED}
            if counted != {fate: totals[fate] for fate in COUNTED}:
                wrong.append((event, counted, totals))
            if progress.total_is_exact and progress.settled > told["values_total"]:
                wrong.append((event, told))

    with staged(made, model, tmp_path) as world:
        monkeypatch.setattr(replaying, "drawings", lambda _: [Comparer(world.clock, 0.3)])
        replay_to_the_end(made, model, journal, world)

    assert wrong == []
    assert n_shown >= 2


def test_a_run_that_raises_knows_its_total_and_others_estimate_it(
    model: mp.ThingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look through everything counts every value, in the interval asked for."""
    frame = readings(200)
    frame["P"] = 1.0
    history = mp.read_history(
        frame, time_column="ts", device_column="unit", product_key=PRODUCT, start="2024-05-31T03:00"
    )
    n_values = int(frame[frame["ts"] >= "2024-05-31T03:00Z"][["P", "wind", "state"]].count().sum())
    firsts = []
    for on_invalid in ("raise", "withhold"):
        events: list[dict[str, Any]] = []
        scripted_replay(
            monkeypatch, always, history, model, clock=Clock(), on_invalid=on_invalid,
            on_event=events.append, journal=tmp_path / f"{on_invalid}.db",
        )  # fmt: skip
        firsts.append((events[0]["values_total"], events[0]["total_is_exact"]))
        assert (events[-1]["values_total"], events[-1]["total_is_exact"]) == (n_values, True)

    assert firsts == [(n_values, True), (None, False)]


def test_events_have_the_documented_keys_and_are_few(
    play: Callable[..., Any], history: mp.History
) -> None:
    """At most four in any second, the first and the last included; the docstring names each key."""
    clock, times, events = Clock(1_700_000_000.0), [], []  # type: Any

    def on_event(event: dict[str, Any]) -> None:
        times.append(clock.at)
        events.append(event)

    run, _ = play(lambda *_: [(0.05, 200)], clock=clock, on_event=on_event)

    assert all(event.keys() == KEYS for event in events)
    assert all(f"``{key}``" in str(mp.replay.__doc__) for key in KEYS)
    kinds = [event["event"] for event in events]
    assert (kinds[0], kinds[-1]) == ("begun", "ended")
    assert all(sum(at <= other < at + 1 for other in times) <= 4 for at in times)
    assert events[-1]["accepted"] == run.summary()["accepted"] == 22
    assert {event["run"] for event in events} == {str(run.lineage()["run_id"].iloc[-1])}


def test_a_wait_for_a_connect_is_told_as_a_countdown(
    play: Callable[..., Any], tmp_path: Path
) -> None:
    """Two minutes of silence look like a crash."""
    events: list[dict[str, Any]] = []
    lost = Lost("reset")
    run, _ = play(
        lambda n, _: [(0.0, lost)] if n <= 4 else None, on_event=events.append,
        limits=mp.Limits(max_entries=1, window=1, connects=3, connect_period=60),
    )  # fmt: skip
    waits = [one for one in events if one["event"] == "waiting"]
    by_limit = [one["waiting_seconds"] for one in waits if one["limited_by"] == "connect_limit"]

    assert run.complete
    assert max(by_limit) > 50
    assert min(by_limit) < 2
    assert events[-1]["event"] == "ended"
    assert events[-1]["waiting_seconds"] is None


def test_an_error_in_on_event_is_logged_once_and_stops_nothing(
    play: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A dashboard that is down must not cost a backfill."""
    calls: list[str] = []

    def on_event(event: dict[str, Any]) -> None:
        calls.append(event["event"])
        raise ValueError("the dashboard is down")

    with caplog.at_level(logging.WARNING, "mpreplay"):
        run, _ = play(lambda *_: [(1.0, 200)], on_event=on_event)

    assert run.complete
    assert len(calls) > 3
    assert [one.getMessage() for one in caplog.records if "dashboard" in one.getMessage()] == [
        "on_event failed (ValueError: the dashboard is down); the run goes on, and later errors of "
        "it are not logged"
    ]


def test_the_end_is_told_of_a_run_that_fails_too(play: Callable[..., Any]) -> None:
    """Whoever waits for the end must not wait for ever."""
    events: list[dict[str, Any]] = []
    run, _ = play(lambda *_: [(0.0, 1220)], on_event=events.append,
                  limits=mp.Limits(max_entries=1, give_up_after=2))  # fmt: skip

    assert not run.complete
    last = events[-1]
    assert (last["event"], last["accepted"]) == ("ended", 0)
    assert last["declined"] + last["not_sent"] == 22


def test_a_continued_run_begins_where_it_was(play: Callable[..., Any]) -> None:
    """What earlier legs settled is settled."""
    play(lambda n, _: [(0.0, 200)] if n < 4 else [(0.0, Lost("closed", closed_by_peer=True))])
    events: list[dict[str, Any]] = []
    run, _ = play(on_event=events.append)

    assert run.complete
    assert 0 < events[0]["accepted"] < 22
    assert events[-1]["accepted"] == 22
    assert events[-1]["values_total"] == 22


def test_values_that_the_platform_skips_count_as_declined(play: Callable[..., Any]) -> None:
    """The journal has them so, at the same moment."""
    frame = pd.DataFrame({
        "ts": pd.date_range("2024", periods=3, freq="h", tz="UTC"), "unit": "T1",
        "P": [1.0, 9_999.0, 2.0],
    })  # fmt: skip
    events: list[dict[str, Any]] = []
    run, _ = play(history=history_of(frame), on_event=events.append, on_invalid="send",
                  skip_invalid_measurepoints=True)  # fmt: skip
    last = events[-1]

    assert (last["accepted"], last["declined"]) == (2, 1)
    assert run.summary()["declined"] == 1


# Where the progress is shown.


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def slow(*_: Any) -> Any:
    """Answer after two seconds."""
    return [(2.0, 200)]


def test_a_terminal_has_a_bar_that_goes_when_the_run_ends(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of the run comes next, and says more."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    play(slow)
    drawn = terminal.getvalue().split("\r")

    assert any("of 22 values" in line and "s left" in line for line in drawn)
    assert "\n" not in terminal.getvalue()
    assert drawn[-1] == ""
    assert drawn[-2].strip() == ""


def test_a_record_of_the_log_has_a_line_of_its_own(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning behind a half-drawn bar cannot be read."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(terminal)
    logger = logging.getLogger("mpreplay")
    logger.addHandler(handler)
    try:
        play(lambda n, _: [(2.0, Lost("reset"))] if n == 1 else slow())
    finally:
        logger.removeHandler(handler)
    told = [line for line in terminal.getvalue().split("\n") if "is lost" in line]

    assert len(told) == 1
    assert told[0].rpartition("\r")[2].startswith("the connection is lost")
    assert logger.filters == []


@pytest.mark.parametrize(
    ("progress", "seconds", "shares"),
    [
        ("auto", 0.5, []),
        ("auto", 9.9, ["36 %", "77 %"]),
        (True, 0.5, ["0 %", "100 %"]),
        (False, 10.0, []),
    ],
)
def test_without_a_terminal_there_is_a_line_now_and_then(
    play: Callable[..., Any], capsys: pytest.CaptureFixture[str],
    progress: Any, seconds: float, shares: list[str],
) -> None:  # fmt: skip
    """A scheduler keeps what is written: a line every 30 s, none of a run that ends before."""
    play(lambda *_: [(seconds, 200)], progress=progress)
    lines = capsys.readouterr().err.splitlines()

    assert [line.split(":")[1].split(",")[0].strip() for line in lines] == shares
    assert all("of 22 values" in line for line in lines)


def test_a_terminal_that_cannot_redraw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A buffer of Emacs would collect every redraw."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "dumb")

    assert isinstance(shell.drawings("auto")[0], shell._Lines)


def test_a_notebook_has_an_output_that_is_updated(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once displayed, then updated: with widgets and without."""
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, one: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.append(one)

    def display(one: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert (raw, display_id, shown) == (True, True, [])
        shown.append(one)
        return Handle()

    monkeypatch.setattr(shell, "is_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    play(slow)

    assert len(shown) > 10
    assert "<progress" in shown[-2]["text/html"]
    assert "<progress" not in shown[-1]["text/html"]
    assert shown[-1]["text/plain"].startswith("replay: 100 %, 22 of 22 values")


def test_a_slow_function_leaves_time_for_the_run(play: Callable[..., Any]) -> None:
    """A dashboard that takes a second to answer is asked less often, and replies are handled."""
    clock, events = Clock(1_700_000_000.0), []  # type: tuple[Clock, list[str]]

    def on_event(event: dict[str, Any]) -> None:
        events.append(event["event"])
        clock.at += 1.0

    run, _ = play(lambda *_: [(0.2, 200)], clock=clock, on_event=on_event)

    assert run.complete
    assert len(events) <= 8  # a request and its reply between two


def test_a_bar_that_fails_leaves_the_log_alone(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter of a bar that is gone would fail with every record."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(shell, "line_of", lambda *_: 1 / 0)
    run, _ = play(slow)

    assert run.complete
    assert logging.getLogger("mpreplay").filters == []


def test_a_stream_that_fails_ends_the_drawing_and_not_the_run(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed terminal must not cost a backfill."""
    closed = Terminal()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(shell.sys, "stderr", stream)
        monkeypatch.setattr(shell, "drawings", lambda _: [shell._Lines(True)])
        run, _ = play(slow, journal=None)
        assert run.complete
