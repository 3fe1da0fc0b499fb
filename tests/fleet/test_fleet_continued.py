"""A fleet's folder holds one fleet: another interval or other settings are refused, and told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.fleet.fleet_words import state_of
from mpreplay.fleet.record import Entry
from tests.fleet.fleets import MODEL, frame_of, gateways_of, history_of, read

POLICY: dict[str, Any] = {"on_invalid": "withhold", "allow_offline_sub_device": True}
NO_CONNECTS = mp.PlatformLimits(connects=None)
FIRST = {"end": "2024-01-01T02:00Z"}
SECOND = {"start": "2024-01-01T02:00Z"}


def topology(platform: Any, gateways: dict[Any, Any]) -> dict[str, mp.Gateway]:
    """Return the gateways with their connections."""
    return {
        key: mp.Gateway(platform.connection_for(product, key), subs)
        for (product, key), subs in gateways.items()
    }


@pytest.mark.parametrize(
    ("other", "given", "told"),
    [
        (SECOND, {}, "start was None and is '2024-01-01T02:00:00"),
        ({"end": "2024-01-01T03:00Z"}, {}, "end was"),
        (FIRST, {"on_invalid": "send"}, "on_invalid was 'withhold' and is 'send'"),
        (FIRST, {"limits": mp.Limits(max_entries=7)}, "max_entries was None and is 7"),
    ],
)
def test_another_interval_in_the_folder_of_a_fleet_is_refused_before_anything_is_sent(
    tmp_path: Path, other: dict[str, str], given: dict[str, Any], told: str
) -> None:
    """It would be taken for the one that is done, and its values never be sent."""
    gateways = gateways_of(2, 1)
    path = tmp_path / "history.parquet"
    frame = frame_of(gateways, 30)
    frame.to_parquet(path)
    with (
        mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform,
        ThreadPoolExecutor(1) as executor,
    ):
        known = topology(platform, gateways)
        options = {"journal": tmp_path / "runs", "executor": executor, **POLICY}
        first = mp.replay_fleet(read(path, **FIRST), MODEL, known, **options)
        record = (tmp_path / "runs" / "fleet.json").read_bytes()
        with pytest.raises(mp.JournalMismatch, match=told):
            mp.replay_fleet(read(path, **other), MODEL, known, **{**options, **given})
        n_stored = len(platform.stored())
        assert (tmp_path / "runs" / "fleet.json").read_bytes() == record
    assert first.complete
    assert n_stored == first.summary()["accepted"]


def test_a_gateway_with_other_devices_than_its_journal_is_not_done(tmp_path: Path) -> None:
    """A meter that was moved from one gateway to the other has sent nothing through the new one."""
    gateways = gateways_of(2, 2)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 5))
    with (
        mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform,
        ThreadPoolExecutor(1) as executor,
    ):
        known = topology(platform, gateways)
        options = {"journal": tmp_path / "runs", "executor": executor, **POLICY}
        mp.replay_fleet(history, MODEL, known, **options)
        (one, other), (first, *rest) = known.values(), gateways[("gateway", "gw-0")]
        moved = {
            "gw-0": mp.Gateway(one.connection, rest),
            "gw-1": mp.Gateway(other.connection, [first, *other.devices]),
        }
        run = mp.replay_fleet(history, MODEL, moved, **options)
    assert not run.complete
    assert run.status["state"].tolist() == ["failed", "failed"]
    assert run.status["error"].str.contains("devices was").all()


def test_an_error_that_is_no_mismatch_leaves_what_is_done() -> None:
    """A secret that is missing by now takes nothing back."""
    summary = {"complete": True, "stopped": "", "rows": 3}
    failed = Entry("gw", "p/gw", "gw.db", 1, 9, "no secret", "ConfigError")

    assert state_of(failed, summary).state == "done"
    assert state_of(failed, summary).row[3] == 3  # the rows that it has read


def test_a_fleet_gives_the_warnings_of_its_gateways_once(tmp_path: Path) -> None:
    """A wrong interval sends nothing, and an unattended job must not hide it."""
    gateways = gateways_of(3, 1)
    history = history_of(tmp_path / "history.parquet", frame_of(gateways, 5), start="2025-01-01")
    with (
        mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform,
        ThreadPoolExecutor(1) as executor,
        pytest.warns(mp.ReplayWarning) as found,
    ):
        known = topology(platform, gateways)
        run = mp.replay_fleet(
            history, MODEL, known, journal=tmp_path / "runs", executor=executor, **POLICY
        )
        assert platform.sessions().empty
    told = [str(one.message) for one in found]
    assert told == [
        "the history has no row in the interval from start to end: nothing is sent, and the run is "
        "complete"
    ]
    assert run.complete


def test_a_warning_of_some_gateways_names_them(tmp_path: Path) -> None:
    """Most meters have readings of the day, and one has not."""
    gateways = gateways_of(3, 1)
    frame = frame_of(gateways, 5)
    late = frame["meter"].eq("M2-0")
    frame.loc[late, "ts"] = frame.loc[late, "ts"].dt.as_unit("us") - pd.Timedelta("30D")
    history = history_of(tmp_path / "history.parquet", frame, start="2024-01-01")
    with (
        mp.simulate(MODEL, gateways=gateways, limits=NO_CONNECTS) as platform,
        ThreadPoolExecutor(1) as executor,
        pytest.warns(mp.ReplayWarning, match="^gw-2: the history has no row in the interval"),
    ):
        mp.replay_fleet(
            history, MODEL, topology(platform, gateways), journal=tmp_path / "runs",
            executor=executor, **POLICY,
        )  # fmt: skip
