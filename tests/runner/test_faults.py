"""Whole replays under scripts of faults, on a virtual clock: nothing is lost, nothing is invented.

A seed makes the history, the options and the faults, so that a failure can be repeated:
``python -m pytest tests/runner/test_faults.py --fault-seed 815``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from conftest import PRODUCT, history_of
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import VirtualTransport, VirtualWorld

import mpreplay as mp
from mpreplay.conversation import sub_devices
from mpreplay.conversation.transport import Event, Message
from mpreplay.frames import FATES
from mpreplay.protocol.messages import batch_reply_topic
from mpreplay.runner import replaying
from mpreplay.simulator.faults import FaultScript
from mpreplay.simulator.frames import stored_frame
from mpreplay.simulator.world import World

GATEWAY = ("gateway", "gw-1")
SUBS = [(PRODUCT, f"T{n}") for n in range(1, 4)]
SECRETS = dict.fromkeys([GATEWAY, *SUBS], "s")
POINTS = ("P", "wind", "state")
SLAB_ROWS = 24  # so that a small history has several slabs
CONTINUATIONS = 20
CODES = [200, 429, 500, 1008, 1009, 1204, 1212, 1220, 777]
PERIOD_MS = 120_000  # in which a device may connect four times
Cell = tuple[int, str]  # row, measurepoint
Place = tuple[str, int, str]  # device, time [ms], measurepoint
Values = dict[Cell, tuple[Place, Any]]


@dataclass(frozen=True)
class Rehearsal:
    """What a seed makes: a history, how it is sent, and what goes wrong."""

    frame: pd.DataFrame
    options: dict[str, Any]
    faults: FaultScript
    max_bytes: int | None

    @classmethod
    def of(cls, seed: int) -> Rehearsal:
        """Return what a seed makes."""
        rng = np.random.default_rng(seed)
        signs_in = bool(rng.integers(4) == 0)
        divides = bool(rng.integers(4) == 0)
        limits = mp.Limits(
            max_entries=int(rng.integers(5, 9) if divides else rng.integers(2, 5)),
            window=int(rng.integers(1, 7)),
            attempts=int(rng.integers(1, 6)),
            reply_timeout=float(rng.choice([0.5, 1.0, 3.0])),
            bytes_per_second=None if rng.integers(2) else 2_000.0,
            give_up_after=None,
        )
        options = {
            "limits": limits,
            "allow_offline_sub_device": not signs_in,
            "sub_device_secrets": {sub: SECRETS[sub] for sub in SUBS} if signs_in else None,
            "skip_invalid_measurepoints": bool(rng.integers(2)),
            "on_invalid": str(rng.choice(["withhold", "withhold", "send"])),
            "duplicates": str(rng.choice(["first", "last"])),
        }
        faults = FaultScript.seeded(seed, rate=float(rng.choice([0.1, 0.3, 0.6])))
        return cls(frame_of(rng), options, faults, 700 if divides else None)


def frame_of(rng: np.random.Generator) -> pd.DataFrame:
    """Return readings of three turbines: good, bad, absent, repeated, contradicting."""
    times = pd.date_range("2024-05-31 22:20", periods=20, freq="10min", tz="UTC")
    n = len(SUBS) * len(times)
    good: dict[str, Any] = {
        "P": rng.integers(-100, 10_000, n) / 4,
        "wind": rng.integers(0, 400, n) / 16,
        "state": rng.choice(["run", "stop"], n),
    }
    frame = pd.DataFrame(
        {"ts": [*times] * 3, "unit": np.repeat([key for _, key in SUBS], len(times)), **good}
    ).astype({"state": object})
    frame.loc[rng.random(n) < 0.05, "P"] = 9_999.0
    frame.loc[rng.random(n) < 0.02, "wind"] = np.inf
    frame.loc[rng.random(n) < 0.05, "state"] = "much too long"
    for point in POINTS:
        frame.loc[rng.random(n) < 0.1, point] = None
    frame.loc[rng.random(n) < 0.05, list(POINTS)] = None
    copies = frame.iloc[rng.integers(0, n, 6)].copy()
    copies["P"] = np.where(np.arange(len(copies)) < 3, 1.25, copies["P"])
    frame = pd.concat([frame, copies], ignore_index=True)
    order = rng.permutation(len(frame)) if rng.integers(3) == 0 else np.arange(len(frame))
    return frame.iloc[order].reset_index(drop=True)


def values_of(frame: pd.DataFrame) -> Values:
    """Return each value of a frame with the place it has on the platform."""
    return {
        (row, point): ((one["unit"], one["ts"].value // 1_000_000, point), one[point])
        for row, one in enumerate(frame.to_dict("records"))
        for point in POINTS
        if not pd.isna(one[point])
    }


@contextmanager
def staged(
    made: Rehearsal, model: mp.ThingModel, folder: Path, transport: Any = VirtualTransport
) -> Iterator[VirtualWorld]:
    """Put a virtual world in the place of the network and the clock."""
    world = VirtualWorld(
        World(
            {"": model}, SECRETS, GATEWAY[0], dict.fromkeys(SUBS, GATEWAY), frozenset(),
            mp.PlatformLimits(max_bytes=made.max_bytes),
        ),
        made.faults,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", str(folder))
        patch.setattr("mpreplay.history.history.SLAB_ROWS", SLAB_ROWS)
        patch.setattr(replaying, "SystemClock", lambda: world.clock)
        patch.setattr(sub_devices, "time", world.clock.module)
        patch.setattr(
            replaying, "MqttTransport", lambda of, topics, **_: transport(world, of, topics)
        )
        yield world


def replay_to_the_end(
    made: Rehearsal, model: mp.ThingModel, journal: Path, world: VirtualWorld
) -> mp.Run:
    """Continue a run as long as it ends early; check its record each time."""
    connection = mp.Connection(
        "h", product_key=GATEWAY[0], device_key=GATEWAY[1], device_secret=SECRETS[GATEWAY]
    )
    history = history_of(made.frame)
    values = values_of(made.frame)
    for _ in range(1 + CONTINUATIONS):
        try:
            run = mp.replay(
                history, model, connection, journal=journal, progress=False, **made.options
            )
        except mp.ConnectError:  # away when it began: whoever started it tries again
            run = mp.open_run(journal)
        world.clock.sleep(30)  # what was on its way arrives
        rejects = run.rejects
        check_record(run, rejects, values)
        check_platform(run, rejects, values, world)
        if run.complete:
            break
    return run


def check_record(run: mp.Run, rejects: pd.DataFrame, values: Values) -> None:
    """Every value that was read has one fate, and the books say the same as the lists."""
    books, summary = run.books, run.summary()
    assert books["balanced"].all()
    totals = {fate: summary[fate] for fate in FATES}
    assert totals == books[list(FATES)].sum().to_dict()
    listed = rejects["outcome"].value_counts().to_dict()
    # The journal continues the run: what was not sent is counted, and not listed.
    counted = {fate: n for fate, n in totals.items() if n and fate not in {"accepted", "not_sent"}}
    assert listed == counted
    assert not rejects.duplicated(["source", "row", "measurepoint"]).any()
    assert fates_of(rejects).keys() <= values.keys()
    assert run.results["request_id"].is_unique
    if summary["unread_rows"] == 0:
        assert summary["read"] == len(values)
        assert totals["accepted"] == len(values) - len(rejects) - totals["not_sent"]


def check_platform(run: mp.Run, rejects: pd.DataFrame, values: Values, world: VirtualWorld) -> None:
    """Hold the platform against the record: it has what that says, and nothing else."""
    fates, stored = fates_of(rejects), stored_values(world)
    # A row that was not read yet may contradict one that was: both are here, one is there.
    accepted = {values[cell] for cell in values.keys() - fates.keys()}
    doubtful = {values[cell] for cell, fate in fates.items() if fate == "in_doubt"}
    if run.summary()["unread_rows"] == run.summary()["not_sent"] == 0:
        assert accepted <= stored.items()
    assert stored.items() <= accepted | doubtful
    results = run.results
    requests = {fate: set(of["request_id"]) for fate, of in results.groupby("outcome")}
    answered = {row["request_id"] for row in world.platform.requests if row["code"] == 200}
    assert requests.get("accepted", set()) <= answered
    # Nothing that arrived is said not to have.
    for fate in ("declined", "not_sent", "divided"):
        assert not answered & requests.get(fate, set()), fate


def fates_of(rejects: pd.DataFrame) -> dict[Cell, str]:
    """Return what became of the values that did not arrive."""
    columns = (rejects[name] for name in ("row", "measurepoint", "outcome"))
    return {(row, point): outcome for row, point, outcome in zip(*columns, strict=True)}


def stored_values(world: VirtualWorld) -> dict[Place, Any]:
    """Return what the platform has, by place."""
    if not world.platform.accepted:
        return {}
    stored = stored_frame(world.platform.accepted, world.platform.world)
    times = stored["time"].astype("int64")
    return dict(
        zip(
            zip(stored["device_key"], times, stored["measurepoint"], strict=True),
            stored["value"],
            strict=True,
        )
    )


def check_connects(world: VirtualWorld) -> None:
    """By the platform's own record, the device never connected a fifth time in two minutes."""
    at = np.array([session["connected_at"] for session in world.platform.sessions])
    assert (at[4:] - at[:-4] >= PERIOD_MS).all()
    assert not any("blocked" in session["how"] for session in world.platform.sessions)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run as many seeds as the command line asks for."""
    if "fault_seed" in metafunc.fixturenames:
        alone = metafunc.config.getoption("--fault-seed")
        seeds = range(metafunc.config.getoption("--fault-scripts")) if alone is None else [alone]
        metafunc.parametrize("fault_seed", seeds)


def test_a_replay_under_a_script_of_faults_tells_the_truth(
    model: mp.ThingModel, tmp_path: Path, fault_seed: int
) -> None:
    """Whatever a network and a platform do: each value's fate is recorded once, and it is true."""
    made = Rehearsal.of(fault_seed)
    with staged(made, model, tmp_path) as world:
        run = replay_to_the_end(made, model, tmp_path / "run.db", world)

    check_connects(world)
    assert run.complete


@settings(max_examples=15)
@given(st.integers(0, 1_000), st.lists(st.sampled_from(CODES), min_size=1, max_size=4))
def test_what_is_said_after_a_final_answer_changes_nothing(
    model: mp.ThingModel, seed: int, codes: list[int]
) -> None:
    """The first final answer wins: later ones, alike or not, are counted and not applied."""
    made = replace(Rehearsal.of(seed), faults=FaultScript())
    plain = end_of(made, model, VirtualTransport)
    echoed = end_of(made, model, lambda *given: Echoing(*given, codes=codes))

    for name in ("results", "rejects", "books"):
        pd.testing.assert_frame_equal(renumbered(echoed, name), renumbered(plain, name))
    told = echoed["summary"]
    # With the last answer the run is over: what would follow it is not waited for.
    assert told["doubles"] + told["contradictions"] == len(codes) * (told["requests"] - 1)
    assert told["published"] == plain["summary"]["published"]


def renumbered(end: dict[str, Any], name: str) -> pd.DataFrame:
    """Return a table with requests by their place: ids go by which of two is sent first."""
    numbers = {one: n for n, one in enumerate(end["results"]["request_id"])}
    ids = [column for column in ("request_id", "parent_id") if column in end[name]]
    return end[name].assign(**{column: end[name][column].map(numbers) for column in ids})


class Echoing(VirtualTransport):
    """A transport that follows each reply up with others to the same request."""

    def __init__(self, *given: Any, codes: list[int]) -> None:
        super().__init__(*given)
        self._codes = codes
        self._echoes: deque[Message] = deque()

    def receive(self, timeout: float) -> Event | None:
        """Return what happens next."""
        if self._echoes:
            return self._echoes.popleft()
        event = super().receive(timeout)
        if isinstance(event, Message) and event.topic == batch_reply_topic(*GATEWAY):
            reply = orjson.loads(event.payload)
            self._echoes.extend(
                event._replace(payload=orjson.dumps({**reply, "code": code}))
                for code in self._codes
            )
        return event


def end_of(made: Rehearsal, model: mp.ThingModel, transport: Any) -> dict[str, Any]:
    """Replay through a transport and return what came of it, times aside."""
    with TemporaryDirectory() as name, staged(made, model, Path(name), transport) as world:
        run = replay_to_the_end(made, model, Path(name) / "run.db", world)
        return {
            "results": run.results.drop(columns=["sent_at", "latency"]),
            "rejects": run.rejects,
            "books": run.books,
            "summary": run.summary(),
        }
