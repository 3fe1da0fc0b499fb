"""A plan tells beforehand what a replay does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import mpreplay as mp

DATA = Path(__file__).parents[2] / "data"
TURBINES = [("wind-turbine", name) for name in ("T01", "T02", "T03", "T04")]


@pytest.fixture
def model() -> mp.ThingModel:
    """Return the small farm's model."""
    return mp.ThingModel.load(DATA / "wind_farm.model.json")


@pytest.fixture
def history() -> mp.History:
    """Return the small farm's history."""
    return mp.read_history(
        DATA / "wind_farm.parquet",
        time_column="time",
        device_column="turbine",
        product_key="wind-turbine",
    )


def test_a_replay_does_what_its_plan_says(history: mp.History, model: mp.ThingModel) -> None:
    """Requests, values and bytes are those of the real run."""
    limits = mp.Limits(max_entries=700, bytes_per_second=None)
    policy = {"on_invalid": "withhold", "duplicates": "last", "allow_offline_sub_device": True}
    plan = mp.plan(history, model, gateway=("gateway", "gw-1"), limits=limits, **policy)
    with mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform:
        run = mp.replay(
            history, model, platform.connection, limits=limits, progress=False, **policy
        )
    results = run.results

    assert plan.n_bytes == results["n_bytes"].sum()
    assert plan.n_requests == len(results)
    assert plan.n_sent == results["n_values"].sum()
    assert (plan.n_withheld, plan.n_superseded, plan.n_copies) == (8, 3, 9)
    assert_frame_equal(plan.coverage, run.books.drop(columns="balanced"))
    assert_frame_equal(plan.causes, run.causes)
    assert plan.would_raise is None


def test_a_plan_tells_what_the_rates_mean(history: mp.History, model: mp.ThingModel) -> None:
    """A backfill at full speed can exceed what an organisation has bought."""
    limits = mp.Limits(bytes_per_second=100_000, values_per_second=1_000)
    plan = mp.plan(history, model, limits=limits)

    assert plan.seconds == pytest.approx(max(plan.n_bytes / 100_000, plan.n_sent / 1_000))
    assert plan.seconds_at_5000 == pytest.approx(plan.n_sent / 5_000)
    assert "at 5,000 values/s 4.6 s" in repr(plan)


def test_a_plan_leaves_the_limits_of_a_request(history: mp.History, model: mp.ThingModel) -> None:
    """The largest request stays strictly below the limit."""
    plan = mp.plan(history, model, limits=mp.Limits(max_bytes=2_000))

    assert 1_800 < plan.largest < 2_000


def test_a_plan_says_what_a_replay_would_raise(history: mp.History, model: mp.ThingModel) -> None:
    """The defaults of the plan are those of the replay, so it warns of what stops that."""
    plan = mp.plan(history, model, gateway=("gateway", "gw-1"))
    with mp.simulate(model) as platform, pytest.raises(mp.InvalidHistory) as raised:
        mp.replay(history, model, platform.connection, progress=False)

    assert plan.would_raise is not None
    assert str(raised.value) == f"{plan.would_raise} Nothing was sent"
    assert repr(plan).startswith("Plan(replay would raise (8 violations, 3 conflicts); ")


@pytest.mark.parametrize("skip", [False, True])
def test_a_plan_foresees_what_the_platform_declines(
    history: mp.History, model: mp.ThingModel, skip: bool
) -> None:
    """Values against the model that are sent all the same come back as rejects, one by one."""
    policy = {
        "on_invalid": "send", "duplicates": "last", "allow_offline_sub_device": True,
        "skip_invalid_measurepoints": skip,
    }  # fmt: skip
    plan = mp.plan(history, model, gateway=("gateway", "gw-1"), **policy)
    with mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform:
        run = mp.replay(history, model, platform.connection, progress=False, **policy)

    declined = run.rejects["outcome"].eq("declined")
    assert plan.n_declined == declined.sum() > 0
    assert_frame_equal(plan.coverage, run.books.drop(columns="balanced"))


def test_a_plan_counts_sub_devices_that_may_be_offline(
    history: mp.History, model: mp.ThingModel
) -> None:
    """The default flag declines them, so the plan says so beforehand."""
    gateway = ("gateway", "gw-1")

    assert mp.plan(history, model, gateway=gateway).n_offline == 4
    assert mp.plan(history, model, gateway=gateway, allow_offline_sub_device=True).n_offline == 0
    secrets = dict.fromkeys(TURBINES, "made-up")
    assert mp.plan(history, model, gateway=gateway, sub_device_secrets=secrets).n_offline == 0


def test_the_first_request_can_be_read(history: mp.History, model: mp.ThingModel) -> None:
    """A user sees what goes over the wire before it does."""
    plan = mp.plan(history, model, gateway=("gateway", "gw-1"), limits=mp.Limits(max_entries=2))
    request = orjson.loads(plan.first_request)

    assert request["method"] == "thing.measurepoint.resume.batch"
    assert len(request["params"]) == 2
    assert plan.first_request.count("\n") > 10


def test_gaps_are_days_without_a_value_between_others() -> None:
    """What is missing before the first and after the last day is no gap."""
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-03"], utc=True)
    frame = pd.DataFrame({"ts": days, "device": ["A", "A", "A", "B"], "P": np.arange(4.0)})
    model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE")})
    history = mp.read_history(frame, time_column="ts", device_column="device", product_key="m")
    plan = mp.plan(history, model)

    [gap] = plan.gaps.to_dict("records")
    assert (gap["device_key"], gap["days"]) == ("A", 2)
    assert (gap["first_day"], gap["last_day"]) == (
        pd.Timestamp("2024-01-03", tz="UTC"),
        pd.Timestamp("2024-01-04", tz="UTC"),
    )


def test_a_plan_names_the_limit_that_decides(history: mp.History, model: mp.ThingModel) -> None:
    """Whoever asks for less time must know which limit to look at."""
    plan = mp.plan(history, model, limits=mp.Limits(values_per_second=10))
    free = mp.plan(history, model, limits=mp.Limits(bytes_per_second=None))

    assert plan.limited_by == "values_per_second"
    assert plan.slowest_reply == pytest.approx(16 * plan.seconds / plan.n_requests)
    assert (free.limited_by, free.seconds) == (None, 0.0)


def test_a_plan_takes_the_keys_of_a_connection(history: mp.History, model: mp.ThingModel) -> None:
    """The arguments of the replay are enough, and a contradiction is told."""
    uri = "mqtts://gw-1:made-up-secret@localhost:8883/gateway"

    assert mp.plan(history, model, uri).n_requests == mp.plan(history, model).n_requests
    with pytest.raises(mp.ConfigError, match="another device than that of the connection"):
        mp.plan(history, model, uri, gateway=("gateway", "gw-2"))
