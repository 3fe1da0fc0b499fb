"""Whole replays under scripts of faults, on a virtual clock: nothing is lost, nothing is invented.

A seed makes the history, the options and the faults, so that a failure can be repeated:
``python -m pytest tests/test_faults.py --fault-seed 815``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from conftest import PRODUCT, history_of
from hypothesis import given
from hypothesis import strategies as st
from virtual import VirtualTransport, VirtualWorld

import mpreplay as mp
from mpreplay import replaying, sub_devices
from mpreplay.results import FATES
from mpreplay.session import Session, Settled
from mpreplay.simulator.faults import FaultScript
from mpreplay.simulator.frames import stored_frame
from mpreplay.simulator.world import World

GATEWAY = ("gateway", "gw-1")
SUBS = [(PRODUCT, f"T{n}") for n in range(1, 4)]
SECRETS = dict.fromkeys([GATEWAY, *SUBS], "s")
POINTS = ("P", "wind", "state")
SLAB_ROWS = 16  # so that a small history has several slabs
CONTINUATIONS = 20
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
        {"ts": [*times] * len(SUBS), "unit": np.repeat([key for _, key in SUBS], len(times)), **good}
    ).astype({"state": object})
    frame.loc[rng.random(n) < 0.05, "P"] = 9_999.0
    frame.loc[rng.random(n) < 0.02, "wind"] = np.inf
    frame.loc[rng.random(n) < 0.05, "state"] = "much too long"
    for point in POINTS:
        frame.loc[rng.random(n) < 0.1, point] = None
    frame.loc[rng.random(n) < 0.05, list(POINTS)] = None
    copies = frame.iloc[rng.integers(0, n, 6)].copy()
    copies.iloc[:3, copies.columns.get_loc("P")] = 1.25
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


@pytest.fixture
def rehearse(
    model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Any]:
    """Replay what a seed makes, again and again until it is complete, and check what came of it."""
    numbers = itertools.count()
    monkeypatch.setattr("mpreplay.history.SLAB_ROWS", SLAB_ROWS)

    def run(seed: int) -> tuple[mp.Run, VirtualWorld]:
        made = Rehearsal.of(seed)
        limits = mp.PlatformLimits(**({"max_bytes": made.max_bytes} if made.max_bytes else {}))
        parents = dict.fromkeys(SUBS, GATEWAY)
        world = VirtualWorld(
            World({"": model}, SECRETS, GATEWAY[0], parents, frozenset(), limits), made.faults
        )
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        monkeypatch.setenv("MPREPLAY_STATE", str(folder))
        monkeypatch.setattr(replaying, "SystemClock", lambda: world.clock)
        monkeypatch.setattr(sub_devices, "time", world.clock.module)
        monkeypatch.setattr(
            replaying, "MqttTransport",
            lambda connection, topics, **_: VirtualTransport(world, connection, topics),
        )  # fmt: skip
        return replay_to_the_end(made, model, folder / "run.db", world), world

    return run


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
        is_in_order = True
        try:
            run = mp.replay(
                history, model, connection, journal=journal, progress=False, **made.options
            )
        except mp.ConnectError:  # away when it began: whoever started it tries again
            run, is_in_order = mp.open_run(journal), False
        world.clock.sleep(30)  # what was on its way arrives
        if is_in_order:
            check_record(run, values)
            check_platform(run, values, world)
        if run.complete:
            break
    return run


def check_record(run: mp.Run, values: Values) -> None:
    """Every value that was read has one fate, and the books say the same as the lists."""
    books, summary, rejects = run.books, run.summary(), run.rejects
    assert books["balanced"].all()
    totals = {fate: summary[fate] for fate in FATES}
    assert totals == books[list(FATES)].sum().to_dict()
    listed = rejects["outcome"].value_counts().to_dict()
    assert listed == {fate: totals[fate] for fate in FATES[1:] if totals[fate]}
    assert not rejects.duplicated(["source", "row", "measurepoint"]).any()
    assert fates_of(run).keys() <= values.keys()
    assert run.results["request_id"].is_unique
    if summary["unread_rows"] == 0:
        assert summary["read"] == len(values)
        assert totals["accepted"] == len(values) - len(rejects)


def check_platform(run: mp.Run, values: Values, world: VirtualWorld) -> None:
    """The platform has what the record says it has, and nothing else."""
    fates, stored = fates_of(run), stored_values(world)
    accepted = {place: value for cell, (place, value) in values.items() if cell not in fates}
    doubtful = {values[cell] for cell, fate in fates.items() if fate == "in_doubt"}
    if run.summary()["unread_rows"] == 0:
        assert accepted.items() <= stored.items()
    assert stored.items() <= accepted.items() | doubtful
    results = run.results
    requests = {fate: set(of["request_id"]) for fate, of in results.groupby("outcome")}
    answered = {row["request_id"] for row in world.platform.requests if row["code"] == 200}
    assert requests.get("accepted", set()) <= answered
    # Nothing that arrived is said not to have.
    for fate in ("declined", "not_sent", "divided"):
        assert not answered & requests.get(fate, set()), fate


def fates_of(run: mp.Run) -> dict[Cell, str]:
    """Return what became of the values that did not arrive."""
    columns = (run.rejects[name] for name in ("row", "measurepoint", "outcome"))
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


def test_a_replay_under_a_script_of_faults_tells_the_truth(rehearse: Any, fault_seed: int) -> None:
    """Whatever a network and a platform do: each value's fate is recorded once, and it is true."""
    run, world = rehearse(fault_seed)

    check_connects(world)
    assert run.complete
