"""The command line is ended by a scheduler: at any moment after ``main()`` began."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import FARM
from terminated import MOST, at_moments

import mpreplay as mp
from mpreplay.cli import commands
from mpreplay.cli.commands import main


@pytest.fixture
def arguments(model: mp.ThingModel, frame: pd.DataFrame, tmp_path: Path) -> list[str]:
    """Return the arguments of a replay, one entry a request."""
    frame.to_parquet(tmp_path / "h.parquet")
    (tmp_path / "m.json").write_text(model.to_json())
    return [
        "replay", str(tmp_path / "h.parquet"), "--model", str(tmp_path / "m.json"),
        "--time", "ts", "--device", "unit", "--product-key", "turbine", "--window", "1",
        "--allow-offline-sub-device", "--max-entries", "1", "--no-connect-limit",
    ]  # fmt: skip


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Leave the handlers as they were, whatever a test does."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


def test_at_any_moment_a_scheduler_gets_status_five_and_the_next_run_completes_it(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Within the grace, or zero if all was done; what is left is as if undisturbed."""
    n_moments = request.config.getoption("--interrupts") // 2

    found = at_moments(tmp_path, n_moments, seed=4, most=2 * MOST)  # of a machine with other work
    ends = [one for one in found if one.moment is not None]

    assert len(ends) == n_moments


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_imports_ends_with_status_five_and_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    """A half-imported extension may swallow an interrupt: it is heeded after the import."""
    loaded: list[str] = []
    whole = commands.importlib.import_module

    def loads(name: str, *package: Any) -> Any:
        loaded.append(name)
        signal.raise_signal(number)
        return whole(name, *package)

    monkeypatch.setattr(commands.importlib, "import_module", loads)
    monkeypatch.setenv("MPREPLAY_CONNECTION", "mqtt://d:s@127.0.0.1:9/p")
    journal = tmp_path / "run.db"

    assert main([*arguments, "--journal", str(journal)]) == 5
    assert capsys.readouterr() == ("", "mpreplay: interrupted\n")
    assert len(loaded) == 1
    assert not journal.exists()


@pytest.mark.usefixtures("_handlers")
def test_the_same_command_twice_connects_once(
    model: mp.ThingModel, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A job that a scheduler starts once too often ends with 0, and says why."""
    with mp.simulate(model, sub_devices=FARM) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
        for _ in range(2):
            assert main([*arguments, "--journal", f"{tmp_path}/runs/"]) == 0
        assert len(platform.sessions()) == 1
    first, second = capsys.readouterr().out.split("Run(")[1:]
    assert first.startswith("22 of 22 values accepted)")
    assert second.startswith("22 of 22 values accepted, all settled before this call, which sent")


@pytest.mark.usefixtures("_handlers")
def test_an_interrupted_rehearsal_of_the_demo_has_status_five(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command that replays ends like a replay."""

    def demonstrate(_show: Any) -> bool:
        raise mp.Interrupted("the replay was interrupted (SIGINT)")

    monkeypatch.setattr("mpreplay.demo.demonstrate", demonstrate)

    assert main(["demo"]) == 5
    assert capsys.readouterr().err == "mpreplay: interrupted\n"
