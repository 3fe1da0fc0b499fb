"""What several test files share: a small wind farm, and the platform it reports to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from scripted import Clock, Scripted, always, scripted_replay
from stores import S3, s3_server

import mpreplay as mp
from mpreplay.fast import library

# Examples differ from run to run, so that every run searches on; under CI they are the same ones,
# so that a change is judged by what it changes. No example is too slow on a busy machine.
settings.register_profile(
    "mpreplay",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mpreplay")

PRODUCT = "turbine"
FARM = [(PRODUCT, "T1"), (PRODUCT, "T2")]
SOLO = mp.Limits(max_entries=1, window=1, give_up_after=None, attempts=2)

Play = Callable[..., tuple[Any, Scripted]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long to look for what goes wrong; the defaults are for a suite that ends soon."""
    parser.addoption("--fault-scripts", type=int, default=40, help="how many seeds of faults")
    parser.addoption("--fault-seed", type=int, help="one seed of faults alone")
    parser.addoption("--kill-writes", type=int, default=24, help="of a run, and a kill after each")
    parser.addoption("--byte-flips", type=int, default=50, help="of a journal, each read and used")
    parser.addoption("--interrupts", type=int, default=6, help="moments at which runs are stopped")
    parser.addoption("--soak-seconds", type=float, default=10.0, help="of continuous faults")


def pytest_xdist_auto_num_workers() -> int:
    """Run one process more than there are cores: many tests wait for sockets and processes."""
    return (os.cpu_count() or 1) + 1


def pytest_report_header() -> str:
    """Tell whether the tests run with the fast lane."""
    return str(library.state())


@pytest.fixture(autouse=True, scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the locks and connects of tests out of the user's state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """Run an S3 server on loopback; each test has folders of its own in its bucket."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def model() -> mp.ThingModel:
    """Three points of a wind turbine."""
    points = (
        mp.Measurepoint("P", "FLOAT", minimum=-50, maximum=2500),
        mp.Measurepoint("wind", "DOUBLE"),
        mp.Measurepoint("state", "STRING", max_length=8),
    )
    return mp.ThingModel("Turbine", {point.identifier: point for point in points})


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two turbines, four times over midnight: 22 values, since two are absent."""
    times = pd.date_range("2024-05-31 23:40", periods=4, freq="10min", tz="UTC")
    return pd.DataFrame(
        {
            "ts": [*times, *times],
            "unit": ["T1"] * 4 + ["T2"] * 4,
            "P": [1.5, 2.25, None, 4.0, 10.5, 20.0, 30.0, 40.0],
            "wind": [3.1, 3.2, 3.3, 3.4, 8.1, 8.2, None, 8.4],
            "state": ["run", "run", "stop", "run", "run", "run", "run", "stop"],
        }
    )


@pytest.fixture
def history(frame: pd.DataFrame) -> mp.History:
    """Return the frame as a history of two sub-devices."""
    return history_of(frame)


@pytest.fixture
def platform(model: mp.ThingModel) -> Iterator[Any]:
    """Run a gateway with two turbines that are not signed in; it may connect at will."""
    with mp.simulate(
        model,
        sub_devices=FARM,
        devices=[(PRODUCT, "stranger")],
        limits=mp.PlatformLimits(connects=None, min_keepalive=None),
    ) as running:
        yield running


@pytest.fixture
def play(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> Play:
    """Replay the farm along a script, one entry a request, into one journal."""
    clock = Clock(1_700_000_000.0)

    def run(script: Any = always, **options: Any) -> tuple[Any, Scripted]:
        monkeypatch.setenv("MPREPLAY_STATE", tempfile.mkdtemp(dir=tmp_path))
        given = {"history": history, "model": model, "limits": SOLO, "clock": clock,
                 "journal": tmp_path / "run.db", **options}  # fmt: skip
        return scripted_replay(monkeypatch, script, **given)

    return run


def history_of(frame: pd.DataFrame, **given: Any) -> mp.History:
    """Return a frame in the form of ``frame`` as a history."""
    return mp.read_history(
        frame, time_column="ts", device_column="unit", product_key=PRODUCT, **given
    )
