"""The page on scheduling: short recipes, each of which is a program, and the shell's are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recipes import LIBRARIES, RECIPES, blocks

import mpreplay as mp
from mpreplay.demo import TURBINES, wind_farm_model, write_example

BLOCKS = blocks()
IN_THE_SHELL = {"cron", "days", "systemd"}


def test_every_recipe_has_code_that_is_executed() -> None:
    """A recipe that nobody ran is a guess."""
    assert set(BLOCKS) == IN_THE_SHELL | set(RECIPES)
    assert set(RECIPES) == set(LIBRARIES)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_recipe_is_short(name: str) -> None:
    """Twenty lines of code: what is longer belongs into the library."""
    lines = [line for line in BLOCKS[name].splitlines() if line.strip()]

    assert 1 <= len(lines) <= 20


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"papermill"}))
def test_a_recipe_in_python_is_python(name: str) -> None:
    """Without its tool as much as can be known here."""
    compile(BLOCKS[name], name, "exec")


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a shell beside the example, with a platform and ``mpreplay``."""
    write_example(tmp_path / "farm")
    scripts = tmp_path / "bin"
    scripts.mkdir()
    command = scripts / "mpreplay"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mpreplay "$@"\n')
    command.chmod(0o755)
    devices = [("wind-turbine", name) for name in TURBINES]
    with mp.simulate(wind_farm_model(), sub_devices=devices) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        (tmp_path / "farm" / "secrets.env").write_text(f"export MPREPLAY_CONNECTION='{uri}'\n")
        paths = f"{scripts}{os.pathsep}{os.environ['PATH']}"
        root = str(Path(mp.__file__).parents[1])
        yield {**os.environ, "PATH": paths, "PYTHONPATH": root, "FARM": str(tmp_path / "farm")}


def _run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-uc", script],
        cwd=environment["FARM"], env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("date") is None, reason="no date(1)")
def test_the_line_of_cron_runs(farm: dict[str, str]) -> None:
    """As cron gives it to sh: without the times, and with its percent signs."""
    schedule = BLOCKS["cron"].split(maxsplit=5)
    line = schedule[5].replace("\\%", "%").replace("/srv/backfill", farm["FARM"])
    night = line.replace("-d yesterday", "-d 2024-03-01").replace(
        "date -u +%F", "date -u -d 2024-03-02 +%F"
    )
    done = _run(night, farm)
    log = Path(farm["FARM"], "backfill.log").read_text("utf-8")

    assert schedule[:5] == ["30", "2", "*", "*", "*"]
    assert done.returncode == 0, log
    assert "values accepted" in log
    assert Path(farm["FARM"], "reports", "2024-03-01.html").exists()


@pytest.mark.skipif(shutil.which("date") is None, reason="no date(1)")
def test_the_catch_up_runs_each_day_once(farm: dict[str, str]) -> None:
    """Two days, a journal for each."""
    done = _run(f". ./secrets.env\n{BLOCKS['days']}", farm)

    assert done.returncode == 0, done.stderr
    assert len(list(Path(farm["FARM"], "runs").glob("*.db"))) == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
def test_the_units_of_systemd_are_valid(tmp_path: Path) -> None:
    """As far as systemd can say without starting them."""
    service, timer = BLOCKS["systemd"].split("# /etc/systemd/system/backfill.timer\n")
    service = service.replace("WorkingDirectory=/srv/backfill\n", "")
    (tmp_path / "backfill.service").write_text(service)
    (tmp_path / "backfill.timer").write_text(timer)
    paths = [str(tmp_path / name) for name in ("backfill.service", "backfill.timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False
    )

    assert "backfill" not in done.stderr
