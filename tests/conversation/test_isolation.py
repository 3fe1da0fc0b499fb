"""Declined requests taken apart: exactly the culprits are declined, in few requests."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import VirtualTransport, VirtualWorld

import mpreplay as mp
from mpreplay.journal.writer import Journal
from mpreplay.runner import replaying
from mpreplay.simulator.faults import FaultScript
from mpreplay.simulator.frames import stored_frame
from mpreplay.simulator.world import World

PRODUCT = "turbine"
GATEWAY = ("gateway", "gw-1")
ONLINE, OFFLINE, UNKNOWN = "online", "offline", "unknown"
STRICT = mp.ThingModel(
    "T",
    {
        "A": mp.Measurepoint("A", "FLOAT", minimum=0.0, maximum=100.0),
        "B": mp.Measurepoint("B", "INT", minimum=-5, maximum=5),
        "C": mp.Measurepoint("C", "STRING", max_length=4),
    },
)
LENIENT = mp.ThingModel(
    "T", {"A": mp.Measurepoint("A", "FLOAT"), "B": mp.Measurepoint("B", "INT"),
          "C": mp.Measurepoint("C", "STRING")},
)  # fmt: skip
GOOD = {"A": [0.0, 7.12, 55.5, 100.0], "B": [-5, 0, 3, 5], "C": ["", "run", "stop"]}
BAD = {"A": [-0.5, -273.0, 100.5, 9e9], "B": [-6, 6, 2**31 - 1], "C": ["running", "stopped"]}
START = pd.Timestamp("2024-05-31 23:00", tz="UTC")
Cell = tuple[str, pd.Timestamp, str]  # device, time, measurepoint


@dataclass(frozen=True)
class Case:
    """A history, the devices in it, and how it is sent."""

    frame: pd.DataFrame
    devices: dict[str, str]
    limits: mp.Limits
    culprits: set[Cell] = field(default_factory=set)

    @property
    def history(self) -> mp.History:
        """What is replayed."""
        return mp.read_history(
            self.frame, time_column="time", device_column="device", product_key=PRODUCT
        )

    def cells(self) -> set[Cell]:
        """Return every value's place."""
        return {
            (row["device"], row["time"], point)
            for row in self.frame.to_dict("records")
            for point in "ABC"
            if not pd.isna(row[point])
        }

    def declined(self) -> set[Cell]:
        """Return what the platform is to decline."""
        return {
            cell
            for cell in self.cells()
            if self.devices[cell[0]] != ONLINE or cell in self.culprits
        }


@st.composite
def cases(draw: Any) -> Case:
    """Draw a history with culprits at arbitrary places, and arbitrary sizes of requests."""
    states = draw(st.lists(st.sampled_from([ONLINE] * 4 + [OFFLINE, UNKNOWN]), min_size=1,
                           max_size=5))  # fmt: skip
    devices = {f"D{n}": state for n, state in enumerate(states)}
    rate = draw(st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, culprits = [], set()
    for device in devices:
        for n in range(draw(st.integers(0, 12))):
            time = START + pd.Timedelta(minutes=10 * n)
            row = {"time": time, "device": device, "A": None, "B": None, "C": None}
            for point in "ABC":
                bad = rng.random() < rate
                if rng.random() < 0.8:
                    row[point] = rng.choice((BAD if bad else GOOD)[point]).item()
                    culprits |= {(device, time, point)} if bad else set()
            rows.append(row)
    if draw(st.booleans()):
        rng.shuffle(rows)
    frame = pd.DataFrame(rows, columns=["time", "device", "A", "B", "C"])
    frame = frame.astype({"time": "datetime64[ms, UTC]", "A": "float32", "B": "Int64"})
    limits = mp.Limits(
        max_entries=draw(st.none() | st.integers(1, 20)),
        window=draw(st.integers(1, 8)),
        bytes_per_second=None,
        give_up_after=None,
        **draw(st.sampled_from([{}, {"connects": None}])),
    )
    return Case(frame, devices, limits, culprits)


@contextmanager
def staged(
    case: Case, faults: FaultScript | None = None, slab_rows: int = 24
) -> Iterator[VirtualWorld]:
    """Put a virtual platform, with the stricter model, in the place of the network."""
    subs = {(PRODUCT, key): state for key, state in case.devices.items()}
    world = VirtualWorld(
        World(
            {"": STRICT},
            dict.fromkeys([GATEWAY, *(d for d, s in subs.items() if s != UNKNOWN)], "s"),
            GATEWAY[0],
            {d: GATEWAY for d, s in subs.items() if s != UNKNOWN},
            frozenset(d for d, s in subs.items() if s == ONLINE),
            mp.PlatformLimits(),
        ),
        faults or FaultScript(),
    )
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", folder)
        patch.setattr("mpreplay.history.history.SLAB_ROWS", slab_rows)
        patch.setattr(replaying, "SystemClock", lambda: world.clock)
        patch.setattr(
            replaying, "MqttTransport", lambda of, topics, **_: VirtualTransport(world, of, topics)
        )
        yield world


def held_by(world: VirtualWorld) -> pd.DataFrame:
    """Return what the platform has."""
    if not world.platform.accepted:
        return pd.DataFrame(columns=["device_key", "time", "measurepoint"])
    return stored_frame(world.platform.accepted, world.platform.world)


CONNECTION = mp.Connection("h", product_key=GATEWAY[0], device_key=GATEWAY[1], device_secret="s")


def replay(case: Case, model: mp.ThingModel = LENIENT, **options: Any) -> mp.Run:
    """Replay a case; sub-devices that are not online are known not to be."""
    options = {"limits": case.limits, "progress": False, "on_invalid": "send"} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mp.ReplayWarning)  # sub-devices may be offline: they are
        return mp.replay(case.history, model, CONNECTION, **options)


def places(frame: pd.DataFrame) -> Counter[Cell]:
    """Return the places of values in rejects or in what is stored."""
    return Counter(zip(frame["device_key"], frame["time"], frame["measurepoint"], strict=True))


def roots(results: pd.DataFrame) -> dict[str, str]:
    """Return for each request the one that it is a part of, itself if it is whole."""
    parents = dict(zip(results["request_id"], results["parent_id"], strict=True))

    def root(one: str) -> str:
        return one if pd.isna(parents[one]) else root(parents[one])

    return {one: root(one) for one in parents}


def check_cost(case: Case, run: mp.Run) -> None:
    """Assert that no request took more parts than its culprits are worth."""
    results = run.results.set_index("request_id", drop=False)
    root_of = roots(results)
    parts = Counter(root_of.values())
    found: dict[str, set[Any]] = {}
    for reject in run.rejects.to_dict("records"):
        device, time, point = reject["device_key"], reject["time"], reject["measurepoint"]
        is_device = case.devices[device] != ONLINE
        culprit = device if is_device else (device, time, point)
        found.setdefault(root_of[reject["request_id"]], set()).add(culprit)
    for root, n_rows in parts.items():
        n, k = int(results.at[root, "n_values"]), len(found.get(root, ()))
        assert n_rows - 1 <= k * (2 * math.log2(n) + 4)


def check_parts(results: pd.DataFrame) -> None:
    """Assert that the parts of a request carry what it carried."""
    divided = results[results["outcome"] == "divided"]
    sums = results.groupby("parent_id")["n_values"].sum()
    assert sums.to_dict() == divided.set_index("request_id")["n_values"].to_dict()


@settings(deadline=None)
@given(cases())
def test_isolation_declines_exactly_the_culprits_and_accepts_all_else(case: Case) -> None:
    """One bad value must not cost its neighbours; nothing that was refused may look accepted."""
    with staged(case) as world:
        run = replay(case)
        stored = held_by(world)

    assert run.complete
    assert places(run.rejects) == Counter(case.declined())
    assert set(run.rejects["outcome"]) <= {"declined"}
    assert places(stored) == Counter(case.cells() - case.declined())
    assert run.books["balanced"].all()
    check_parts(run.results)
    check_cost(case, run)


def farm(
    devices: dict[str, str], n_rows: int, culprits: dict[Cell, Any] | None = None,
    **limits: Any,
) -> Case:  # fmt: skip
    """Return good readings of some devices, with the given values at the given places."""
    rows = [
        {"time": START + pd.Timedelta(minutes=10 * n), "device": device, "A": 7.12, "B": 3,
         "C": "run"}
        for device in devices
        for n in range(n_rows)
    ]  # fmt: skip
    frame = pd.DataFrame(rows).astype({"B": "Int64"})
    for (device, time, point), value in (culprits or {}).items():
        frame.loc[(frame["device"] == device) & (frame["time"] == time), point] = value
    given = mp.Limits(bytes_per_second=None, **limits)
    return Case(frame, devices, given, set(culprits or ()))


TWO = {"D0": ONLINE, "D1": ONLINE}
MIDNIGHT = START + pd.Timedelta(hours=1)


def replayed(case: Case, *args: Any, **options: Any) -> mp.Run:
    """Replay a case against a virtual platform of its own."""
    with staged(case, slab_rows=1_000):
        return replay(case, *args, **options)


@pytest.mark.parametrize(
    ("level", "lost", "extra"),
    [("point", 1, 12), ("entry", 3, 10), ("device", 30, 2), (False, 60, 0)],
)
def test_the_level_says_how_far_a_request_is_taken_apart(level: Any, lost: int, extra: int) -> None:
    """Fewer requests, or fewer values lost: that is the engineer's to weigh."""
    case = farm(TWO, 10, {("D0", MIDNIGHT, "A"): -1.0})
    run = replayed(case, isolate=level)

    assert len(run.rejects) == lost
    assert set(run.rejects["device_key"]) == ({"D0"} if level else {"D0", "D1"})
    assert run.summary()["extra_requests"] <= extra
    assert run.summary()["accepted"] == 60 - lost
    check_parts(run.results)


def test_a_request_of_two_devices_is_cut_between_them() -> None:
    """A fault is mostly one device's: the other's data is through with the first cut."""
    case = farm(TWO, 10, {
        ("D0", START + pd.Timedelta(minutes=10 * n), "A"): -3.0 + 6.5 * n for n in range(10)
    })  # fmt: skip
    results = replayed(case).results
    first, second = results[results["parent_id"] == results["request_id"].iloc[0]].itertuples()

    assert (first.n_values, second.n_values) == (30, 30)
    assert (first.outcome, second.outcome) == ("divided", "accepted")


def test_a_value_that_was_declined_alone_says_so_and_what_to_do() -> None:
    """Who reads the reject was not there."""
    case = farm(TWO, 10, {("D0", MIDNIGHT, "A"): -1.0})
    (reject,) = replayed(case).rejects.to_dict("records")

    assert (reject["code"], reject["check"], reject["outcome"]) == (1204, "platform", "declined")
    assert (reject["row"], reject["value"]) == (6, "-1.0")
    assert "declines this value alone" in reject["mend"]


def test_values_far_from_all_others_are_asked_about_first() -> None:
    """A sensor that fails tells absurd values: what is right is through with one more request."""
    culprits = {("D1", START + pd.Timedelta(minutes=10 * n), "A"): -273.0 for n in (0, 3, 9)}
    case = farm(TWO, 10, culprits)
    run = replayed(case)
    parts = run.results[run.results["parent_id"] == run.results["request_id"].iloc[0]]

    assert parts["n_values"].tolist() == [3, 57]
    assert parts["outcome"].tolist() == ["divided", "accepted"]
    assert run.summary()["extra_requests"] == 2 + 3


def test_far_values_that_are_right_cost_two_requests() -> None:
    """A gust is no fault."""
    gust = {("D1", MIDNIGHT, "A"): 99.0}
    bad = {("D0", MIDNIGHT, "B"): 6}
    slow = {("D0", START + pd.Timedelta(minutes=10 * n), "B"): n - 4 for n in range(10)}
    case = replace(farm(TWO, 10, slow | gust | bad), culprits=set(bad))
    calm = replace(farm(TWO, 10, slow | bad), culprits=set(bad))
    found, plain = replayed(case), replayed(calm)

    assert places(found.rejects) == places(plain.rejects) == Counter(set(bad))
    parts = found.results[found.results["parent_id"] == found.results["request_id"].iloc[0]]
    assert parts["n_values"].tolist() == [1, 59]
    assert parts["outcome"].tolist() == ["accepted", "divided"]
    assert found.summary()["extra_requests"] <= plain.summary()["extra_requests"] + 2
    check_cost(case, found)


def test_what_the_model_check_suspects_is_parted_first() -> None:
    """It is mostly right: then one cut saves all else, however many values are bad."""
    culprits = {("D0", START + pd.Timedelta(minutes=10 * n), "A"): -1.0 - n for n in (0, 3, 9)}
    case = farm(TWO, 10, culprits)
    run = replayed(case, STRICT)
    parts = run.results[run.results["parent_id"] == run.results["request_id"].iloc[0]]

    assert parts["n_values"].tolist() == [57, 3]
    assert parts["outcome"].tolist() == ["accepted", "divided"]
    assert run.rejects["reason"].str.contains("by the thing model given here").all()


def test_a_model_check_that_suspects_the_wrong_values_costs_two_requests() -> None:
    """The platform's model may be newer: its word counts."""
    stricter = mp.ThingModel(
        "T", {**STRICT.measurepoints, "B": mp.Measurepoint("B", "INT", maximum=2)}
    )
    case = farm(TWO, 10, {("D0", MIDNIGHT, "A"): -1.0})
    right = replayed(case, STRICT).summary()
    wrong = replayed(case, stricter).summary()

    assert (right["declined"], wrong["declined"]) == (1, 1)
    assert 0 < wrong["extra_requests"] - right["extra_requests"] <= 12


def test_a_device_that_was_declined_is_asked_for_before_more_of_its_data_is_sent() -> None:
    """One small request a chunk instead of its data, over and over."""
    case = farm({"D0": ONLINE, "D1": OFFLINE}, 40, max_entries=20, window=1)
    with staged(case, slab_rows=20):
        run = replay(case)
    results, rejects = run.results, run.rejects

    assert len(rejects) == run.summary()["declined"] == 120
    assert set(rejects["device_key"]) == {"D1"}
    assert set(rejects["code"]) == {1212}
    # Two chunks of D0; one of D1, declined as it is; one that is not sent but for its first entry.
    assert results["n_values"].tolist() == [60, 60, 60, 60, 3, 57]
    assert results["attempts"].tolist() == [1, 1, 1, 0, 1, 0]
    assert results["outcome"].tolist() == [
        "accepted", "accepted", "declined", "divided", "declined", "declined"
    ]  # fmt: skip
    assert run.summary()["extra_requests"] == 1
    held = rejects[rejects["request_id"] == results["request_id"].iloc[-1]]
    assert held["reason"].str.contains("held back").all()
    assert held["mend"].str.contains("sub_device_secrets").all()


def test_a_device_that_comes_back_gets_the_rest_of_its_data_through() -> None:
    """Signed in by somebody meanwhile: the small request finds out."""
    case = farm({"D0": ONLINE, "D1": OFFLINE}, 40, max_entries=20, window=1)
    with staged(case, slab_rows=20) as world:
        sub = (PRODUCT, "D1")
        world.clock.later(1e9, lambda: None)
        receive = world.platform.receive

        def comes_back(*args: Any) -> Any:
            reply = receive(*args)
            if reply is not None and b'"code":1212' in reply.replace(b" ", b""):
                world.platform.world.signed_in[sub] = GATEWAY
            return reply

        world.platform.receive = comes_back  # type: ignore[method-assign]
        run = replay(case)

    assert run.summary()["declined"] == 60
    assert run.results["outcome"].tolist()[-3:] == ["divided", "accepted", "accepted"]


def test_what_a_request_may_cost_is_capped_and_the_rest_is_declined_as_a_group() -> None:
    """A platform that minds everything must not be asked about each value."""
    culprits = {
        (device, START + pd.Timedelta(minutes=10 * n), point): value
        for device in TWO
        for n in range(10)
        for point, value in {"A": -1.0, "C": "too long"}.items()
    }
    case = farm(TWO, 10, culprits, extra_requests=10)
    run = replayed(case)

    assert run.complete
    assert run.books["balanced"].all()
    assert len(run.results) == 1 + 10
    assert 40 <= run.summary()["declined"] <= 60
    assert {
        tuple(one) for one in run.rejects[["device_key", "time", "measurepoint"]].to_numpy()
    } >= set(culprits)


def test_a_run_all_of_whose_requests_are_wholly_declined_gives_up() -> None:
    """Twenty requests, not twenty values: one bad hour of a sensor is no wrong set-up."""
    every = {
        ("D0", START + pd.Timedelta(minutes=10 * n), point): value
        for n in range(40)
        for point, value in {"A": -1.0, "B": 99, "C": "too long"}.items()
    }
    hopeless = farm({"D0": ONLINE}, 40, every, max_entries=2, window=1, give_up_after=5)
    hours = {
        cell: value for cell, value in every.items() if cell[1] < START + pd.Timedelta(hours=2)
    }
    dirty = farm({"D0": ONLINE}, 40, hours, max_entries=40, window=1, give_up_after=5)
    given_up, gone_on = replayed(hopeless), replayed(dirty)

    assert "first 5 requests were all declined" in str(given_up.summary()["stopped"])
    assert not given_up.complete
    assert gone_on.complete
    assert gone_on.summary()["declined"] == len(hours)


@settings(deadline=None, max_examples=25)
@given(cases(), st.integers(1, 40))
def test_an_isolation_that_is_killed_is_continued(case: Case, moment: int) -> None:
    """Whatever was answered is not asked again; at the end the same values are declined."""

    class Killed(BaseException):
        pass

    with TemporaryDirectory() as folder, staged(case) as world:
        writes = count(1)
        together = Journal._together

        @contextmanager
        def dies(journal: Journal) -> Iterator[None]:
            if next(writes) == moment:
                raise Killed
            with together(journal):
                yield

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Journal, "_together", dies)
            with suppress(Killed):
                replay(case, journal=f"{folder}/run.db")
        world.clock.sleep(1e6)  # connects are limited
        run = replay(case, journal=f"{folder}/run.db")
        stored = held_by(world)
        rows = run.results

        assert run.complete
        assert places(run.rejects) == Counter(case.declined())
        assert set(places(stored)) == case.cells() - case.declined()
        assert run.books["balanced"].all()
        check_parts(rows)


@settings(deadline=None, max_examples=25)
@given(cases(), st.integers(0, 2**16))
def test_isolation_stands_faults_of_the_network(case: Case, seed: int) -> None:
    """Replies that are lost, doubled or late must not make a good value look bad."""
    faults = FaultScript.of("lose_reply=0.1 double=0.1 delay=0.1:2 reset_after=0.02")
    with staged(case, replace(faults, seed=seed)):
        run = replay(case, limits=replace(case.limits, attempts=50, reply_timeout=1.0))

    assert run.complete
    assert places(run.rejects) == Counter(case.declined())
    assert run.books["balanced"].all()
    check_parts(run.results)


def test_a_wrong_level_is_refused_before_anything_is_read() -> None:
    """A typo must not mean: not at all."""
    case = farm(TWO, 1)
    with pytest.raises(mp.ConfigError, match="isolate must be 'point', 'entry', 'device' or False"):
        replayed(case, isolate="points")
