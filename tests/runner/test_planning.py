"""A plan tells beforehand what a replay does."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    plan = mp.plan(history, model, gateway=("gateway", "gw-1"), limits=limits)
    with mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform:
        run = mp.replay(
            history, model, platform.connection, allow_offline_sub_device=True,
            on_invalid="withhold", duplicates="last", limits=limits, progress=False,
        )  # fmt: skip
    results = run.results

    # The flags are written out: one is a byte shorter than the other.
    assert plan.n_bytes == results["n_bytes"].sum() + len(results)
    assert plan.n_requests == len(results)
    assert plan.n_sent == results["n_values"].sum()
    assert (plan.n_withheld, plan.n_superseded, plan.n_copies) == (8, 3, 9)


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
