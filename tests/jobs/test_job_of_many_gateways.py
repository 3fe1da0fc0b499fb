"""Job files with a table [fleet]: planned, sent, ended in order, continued."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.cli.commands import main
from tests.fleet.fleets import MODEL, frame_of, gateways_of

GATEWAYS = gateways_of(2, 2)
PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
JOB = """
[source]
path = "history.parquet"
time = "ts"
device = "meter"
product_key = "meter"
[model]
path = "model.json"
[replay]
allow_offline_sub_device = true
on_invalid = "withhold"
wait = 1
[limits]
max_entries = 10
connects = false
[fleet]
topology = "topology.csv"
folder = "fleets/{start:%Y-%m-%d}"
[output]
books = "{key}/books.csv"
"""
DAY = "2024-01-01"


@pytest.fixture(scope="module")
def platform() -> Iterator[Any]:
    """Run a platform with two gateways, which may connect at will."""
    with mp.simulate(
        MODEL, gateways=GATEWAYS, limits=mp.PlatformLimits(connects=None)
    ) as platform:  # fmt: skip
        yield platform


@pytest.fixture
def job(tmp_path: Path, platform: Any) -> Path:
    """Return a job file with all that it names."""
    frame_of(GATEWAYS, 30).to_parquet(tmp_path / "history.parquet")
    (tmp_path / "model.json").write_text(MODEL.to_json(), "utf-8")
    rows = [
        (key, platform.connection_for(product, key).to_uri(reveal_secret=True), *sub)
        for (product, key), subs in GATEWAYS.items()
        for sub in subs
    ]
    columns = ["gateway", "connection", "product_key", "device_key"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "topology.csv", index=False)
    (tmp_path / "job.toml").write_text(JOB, "utf-8")
    return tmp_path / "job.toml"


def test_a_plan_says_how_many_workers_are_worth_having(job: Path) -> None:
    """The fleet then sends what was planned."""
    plan = mp.load_job(job).plan(DAY)
    run = mp.load_job(job).replay(DAY)

    assert isinstance(plan, mp.FleetPlan)
    assert plan.summary()["n_workers"] == 2
    assert plan.summary()["sent"] == run.summary()["accepted"]
    assert plan.summary()["withheld"] == run.summary()["withheld"] > 0


def test_the_command_line_plans_and_checks_a_fleet(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document is the one on the page; nothing needs to be reached for it."""
    assert main(["plan", str(job), "--start", DAY, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main(["plan", str(job), "--start", DAY]) == 0
    told = capsys.readouterr().out
    assert main(["plan", str(job), "--start", DAY, "--report", str(job.parent / "p.html")]) == 2
    assert "--report: the plan of many gateways is no page" in capsys.readouterr().err
    assert main(["validate", str(job), "--start", DAY]) == 1

    part = re.search(r"^#### plan of a job.*?^###", PAGE, re.DOTALL | re.MULTILINE)
    assert part
    keys = set(re.findall(r"^\| `(\w+)` \|", part[0], re.MULTILINE))
    assert set(document) == keys | {"command", "status", "mpreplay"}
    assert [one["gateway"] for one in document["gateways"]] == ["gw-0", "gw-1"]
    assert document["summary"]["gateways_would_raise"] == 0
    assert "with 2 workers" in told


def test_a_gateway_that_would_raise_is_told(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the plan of a single gateway ends with one."""
    job.write_text(JOB.replace('on_invalid = "withhold"', ""), "utf-8")

    assert main(["plan", str(job), "--start", DAY, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["gateways_would_raise"] == 2
    assert all(one["would_raise"] for one in document["gateways"])


def test_a_fleet_that_is_stopped_writes_its_files_and_raises(job: Path) -> None:
    """A task that starts a fleet from a thread must not go green on a part of it."""
    stop = threading.Event()
    slow = JOB.replace("[limits]", "[limits]\nbytes_per_second = 2000")
    job.write_text(slow, "utf-8")

    def on_event(told: dict[str, Any]) -> None:
        if told["values_per_second"]:
            stop.set()

    with pytest.raises(mp.Interrupted) as caught:
        mp.load_job(job).replay(DAY, stop=stop, on_event=on_event)
    run = caught.value.run
    assert not run.complete
    assert set(run.status["state"]) <= {"stopped", "waiting", "done"}
    books = pd.read_csv(job.parent / DAY / "books.csv")
    assert books["accepted"].sum() == run.summary()["accepted"]
    job.write_text(JOB, "utf-8")

    assert mp.load_job(job).replay(DAY).complete


def test_what_a_fleet_writes_is_named_by_its_folder(job: Path) -> None:
    """{key} stands for it, as for the run of a single gateway."""
    given = mp.load_job(job).arguments(DAY)

    assert given.outputs["books"] == job.parent / DAY / "books.csv"


def test_a_topology_is_rehearsed_on_the_command_line(job: Path, tmp_path: Path) -> None:
    """Whoever has only a job and a topology can try both, with what is printed."""
    topology = pd.read_csv(tmp_path / "topology.csv").replace(
        {"connection": {r".*gw-0.*": "env:GW_0", r".*gw-1.*": "env:GW_1"}}, regex=True
    )
    topology.to_csv(tmp_path / "topology.csv", index=False)
    words = ["simulate", "--model", str(tmp_path / "model.json"), "--no-connect-limit"]
    words += ["--topology", str(tmp_path / "topology.csv")]
    command = [sys.executable, "-m", "mpreplay"]
    with subprocess.Popen(
        [*command, *words], stdout=subprocess.PIPE, text=True, bufsize=1
    ) as platform:
        assert platform.stdout is not None
        lines = iter(platform.stdout.readline, "")
        exported = [line.split("'")[1] for line in lines_until("End with", lines) if "GW_" in line]
        done = subprocess.run(
            [*command, "fleet", str(job), "--start", DAY, "--json"],
            env={**os.environ, "GW_0": exported[0], "GW_1": exported[1]},
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        platform.terminate()
    document = json.loads(done.stdout)
    assert (document["status"], document["complete"]) == (1, True)  # some P are over the range
    assert [one["gateway"] for one in document["gateways"]] == ["gw-0", "gw-1"]
    assert document["summary"]["sent_now"] == document["summary"]["accepted"] > 0


def lines_until(words: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield lines up to one with these words."""
    for line in lines:
        yield line
        if words in line:
            return


def test_files_that_a_job_names_and_that_are_not_there_are_told(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job is checked before the night, and where it is written they may not lie."""
    assert main(["job", str(job), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == []
    (job.parent / "topology.csv").unlink()
    assert main(["job", str(job)]) == 0
    assert f"{job.parent / 'topology.csv'} is not there" in capsys.readouterr().err


def test_a_fleet_is_told_without_what_says_nothing(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of a terminal has no room for empty columns."""
    assert main(["fleet", str(job), "--start", DAY, "--wait", "1"]) == 1
    told = capsys.readouterr().out

    assert "accepted" in told
    assert "seconds_left" not in told
    assert "NaN" not in told


def test_the_connections_of_a_job_are_tried(
    job: Path, platform: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the night: each gateway signs in, and one whose secret is missing is told."""
    assert main(["check", str(job), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["gateway"]) == (True, None)
    assert [step["device_key"] for step in document["steps"]] == ["gw-0", "gw-1"]

    one = job.parent / "one.toml"
    text = JOB.replace(JOB[JOB.index("[fleet]") :], '[connection]\nuri = "env:ONE"\n')
    one.write_text(text, "utf-8")
    monkeypatch.delenv("ONE", raising=False)
    assert main(["check", str(one)]) == 2
    assert "ONE is not set" in capsys.readouterr().err
    uri = platform.connection_for("gateway", "gw-1").to_uri(reveal_secret=True)
    monkeypatch.setenv("ONE", uri)
    assert main(["check", str(one)]) == 0
    assert "gateway/gw-1 signed in" in capsys.readouterr().out
    assert main(["check", str(one), "--connection", uri]) == 2
    assert main(["check", "history.csv"]) == 2
    assert "a job file ends in .toml" in capsys.readouterr().err
