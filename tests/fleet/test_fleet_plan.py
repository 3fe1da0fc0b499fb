"""The plan of a fleet is what the fleet then sends, and says what more workers would bring."""

from __future__ import annotations

from pathlib import Path

import pytest

import mpreplay as mp
from tests.fleet.fleets import MODEL, frame_of, gateways_of, history_of


def test_a_fleet_sends_what_its_plan_says(tmp_path: Path) -> None:
    """Values, requests and bytes, by gateway."""
    gateways = gateways_of(3, 2)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 50))
    with mp.simulate(MODEL, gateways=gateways) as platform:
        known = {
            key: mp.Gateway(platform.connection_for(product, key), subs)
            for (product, key), subs in gateways.items()
        }
        plan = mp.plan_fleet(history, MODEL, known, on_invalid="withhold")
        run = mp.replay_fleet(
            history, MODEL, known, journal=tmp_path / "runs", on_invalid="withhold",
            allow_offline_sub_device=True,
        )  # fmt: skip
    table, results = plan.gateways, run.results
    assert table["gateway"].tolist() == list(known)
    assert table["requests"].tolist() == results.groupby("gateway").size().tolist()
    assert int(table["sent"].sum()) == run.summary()["accepted"]
    assert int(table["withheld"].sum()) == run.summary()["withheld"]
    assert plan.n_workers == 3
    assert "through 3 gateways" in repr(plan)


def test_more_workers_than_pay_bring_nothing(tmp_path: Path) -> None:
    """The gateway with most decides, or the limit of the organisation."""
    gateways = {
        ("gateway", "large"): [("meter", f"L{n}") for n in range(8)],
        ("gateway", "s-1"): [("meter", "S1")],
        ("gateway", "s-2"): [("meter", "S2")],
    }
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 50))
    known = {key: mp.Gateway(f"env:{key}", subs) for (_, key), subs in gateways.items()}
    limits = mp.Limits(bytes_per_second=1_000)
    plan = mp.plan_fleet(history, MODEL, known, on_invalid="withhold", limits=limits)

    assert plan.n_workers == 2
    assert plan.seconds == plan.seconds_with(100) == plan.gateways["seconds"].max()
    assert plan.seconds_with(1) == pytest.approx(plan.gateways["seconds"].sum())
    slow = mp.plan_fleet(
        history, MODEL, known, on_invalid="withhold", limits=limits, values_per_second=1.0
    )
    assert slow.n_workers == 1
    assert slow.seconds == slow.gateways["sent"].sum()
    assert mp.plan_fleet(history, MODEL, known).gateways["would_raise"].ne("").all()
