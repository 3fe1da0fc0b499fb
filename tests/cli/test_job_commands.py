"""Job files on the command line: what a scheduler runs at night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.cli.commands import main
from mpreplay.demo import TURBINES, wind_farm_model

FARM = [("wind-turbine", name) for name in TURBINES]
DAY = ["--start", "2024-03-01", "--end", "2024-03-02"]


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the folder of the example."""
    assert main(["job", "--example", str(tmp_path / "farm")]) == 0
    capsys.readouterr()
    return tmp_path / "farm"


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a rehearsal platform to which MPREPLAY_CONNECTION points."""
    with mp.simulate(wind_farm_model(), sub_devices=FARM) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
        yield platform


def _document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told


def test_the_example_works_as_it_stands_against_the_rehearsal_platform(tmp_path: Path) -> None:
    """With the commands that stand in it: by hand, in a shell, from another folder."""
    mpreplay = [sys.executable, "-m", "mpreplay"]
    made = [*mpreplay, "job", "--example", "farm"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "farm" / "job.toml").read_text("utf-8")
    told = text[text.index("mpreplay simulate") : text.index("#   export")]
    words = told.replace("\\\n#", " ").split()[1:]
    with subprocess.Popen(
        [*mpreplay, *words], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as platform:
        assert platform.stdout is not None
        lines = iter(platform.stdout)
        uri = next(line.strip() for line in lines if line.strip().startswith("mqtt://"))
        replay = text[text.index("mpreplay replay farm/job.toml") :].splitlines()[0].split()[1:]
        done = subprocess.run(
            [*mpreplay, *replay, "--json"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "MPREPLAY_CONNECTION": uri},
        )  # fmt: skip
        platform.terminate()

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["complete"]
    assert (tmp_path / "farm" / "rejects" / "2024-03-01.csv").exists()
    assert (tmp_path / "farm" / "reports" / "2024-03-01.html").exists()


def test_the_example_with_all_that_is_commented_out_is_a_job_too(farm: Path) -> None:
    """Whoever takes a line in should not find that it never worked."""
    text = (farm / "job.toml").read_text("utf-8")
    _, body = text.split("[source]", 1)
    lines = [line.removeprefix("# ") for line in body.splitlines()]
    (farm / "all.toml").write_text("[source]" + "\n".join(lines), "utf-8")

    assert main(["job", str(farm / "all.toml")]) == 0


def test_a_job_is_printed_checked_and_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One command for whoever writes one."""
    assert main(["job", "--example"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "job.toml").write_text(printed, "utf-8")
    assert main(["job", str(tmp_path / "job.toml")]) == 0
    assert "in order: Job(" in capsys.readouterr().out
    assert main(["job", "--schema"]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))
    (tmp_path / "job.toml").write_text(printed + "windw = 1", "utf-8")
    assert main(["job", str(tmp_path / "job.toml")]) == 2
    assert "[accept]: there is no key 'windw'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["job", "--schema", "--example"])
    assert "not allowed with" in capsys.readouterr().err


def test_an_example_overwrites_nothing(farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder may be the one of the job that runs at night."""
    (farm / "job.toml").write_text("mine")

    assert main(["job", "--example", str(farm)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (farm / "job.toml").read_text() == "mine"


def test_a_job_is_replayed_planned_and_validated(
    farm: Path, platform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command takes the file where it takes a history."""
    job = str(farm / "job.toml")
    assert main(["validate", job, *DAY, "--json"]) == 1
    validation = _document(capsys)
    assert main(["plan", job, *DAY, "--json"]) == 0
    plan = _document(capsys)
    assert main(["replay", job, *DAY, "--json"]) == 0
    run = _document(capsys)

    assert plan["n_values"] == validation["n_values"] == run["summary"]["read"]
    assert run["job"] == job
    assert set(run["written"]) == {"rejects", "report"}
    assert all(Path(path).exists() for path in run["written"].values())


def test_options_go_before_the_file(
    farm: Path, platform: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """For one night that is not as the others; also an option that says the default."""
    job, out = str(farm / "job.toml"), tmp_path / "mine.parquet"

    assert main(["replay", job, *DAY, "--on-invalid", "raise"]) == 2
    assert "5 violations" in capsys.readouterr().err
    command = ["replay", job, *DAY, "--devices", "T02", "--rejects", str(out), "--max-rejects", "0"]
    command += ["--max-entries", "7", "--journal", str(tmp_path / "mine.db"), "--json"]
    status = main(command)
    run = _document(capsys)

    assert run["summary"]["devices"] == 1
    assert run["written"]["rejects"] == str(out)
    assert len(pd.read_parquet(out)) == run["summary"]["withheld"]
    assert status == (1 if run["summary"]["withheld"] else 0)
    assert run["journal"] == str(tmp_path / "mine.db")
    assert not (farm / "rejects" / "2024-03-01.csv").exists()


def test_a_wrong_interval_is_told_as_it_was_given(
    farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands on the command line, and not in the file that is named."""
    job = str(farm / "job.toml")
    assert main(["replay", job, "--start", DAY[3], "--end", DAY[1]]) == 2
    told = capsys.readouterr().err

    assert f"{job}: start '2024-03-02' (str) must be before end '2024-03-01'" in told


def test_a_table_of_a_job_goes_to_stdout(
    farm: Path, platform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """As without a job."""
    assert main(["replay", str(farm / "job.toml"), *DAY, "--rejects", "-", "--json"]) == 0
    *rows, last = capsys.readouterr().out.splitlines()

    assert rows[0].startswith("source,row,product_key")
    assert json.loads(last)["written"]["rejects"] == "-"


def test_what_is_not_accepted_ends_with_one(
    farm: Path, platform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """And with zero where the command line allows it."""
    text = (farm / "job.toml").read_text("utf-8")
    (farm / "job.toml").write_text(text.replace("at_most = 0.01", "at_most = 0"), "utf-8")
    job = [str(farm / "job.toml"), *DAY]

    assert main(["replay", *job]) == 1
    assert main(["replay", *job, "--journal", str(farm / "b.db"), "--allow", "range"]) == 0


def test_a_check_that_does_not_exist_is_refused_before_the_run(
    farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typo would fail the night after everything was sent."""
    text = (farm / "job.toml").read_text("utf-8")
    (farm / "job.toml").write_text(text.replace('"superseded"', '"superceded"'), "utf-8")

    assert main(["replay", str(farm / "job.toml"), *DAY]) == 2
    assert "there is no check 'superceded' (nearest: superseded" in capsys.readouterr().err


def test_a_fleet_is_replayed_from_its_job(farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The status of each gateway, for people and for programs."""
    halves = {"north": FARM[:2], "south": FARM[2:]}
    gateways = {("gateway", name): devices for name, devices in halves.items()}
    text = (farm / "job.toml").read_text("utf-8")
    begin, end = text.index("[connection]"), text.index("[replay]")
    text = text[:begin] + text[end:]
    text = text[: text.index("[journal]")] + text[text.index("[output]") :]
    text = text.replace("{key}", "{start:%Y-%m-%d}").replace("wait = 600", "# ")
    text += '\n[fleet]\ntopology = "topology.csv"\nfolder = "fleets/{start:%Y-%m-%d}"\n'
    (farm / "job.toml").write_text(text, "utf-8")
    with mp.simulate(wind_farm_model(), gateways=gateways) as platform:
        rows = []
        for name, devices in halves.items():
            one = platform.connection_for("gateway", name)
            secret = quote(one.device_secret.reference or "", safe="")
            uri = f"mqtt://{name}:{secret}@{one.host}:{one.port}/gateway"
            rows += [(name, uri, *device) for device in devices]
        columns = ["gateway", "connection", "product_key", "device_key"]
        pd.DataFrame(rows, columns=columns).to_csv(farm / "topology.csv", index=False)
        job = str(farm / "job.toml")

        assert main(["fleet", job, *DAY, "--json"]) == 0
        document = _document(capsys)
        assert main(["fleet", job, *DAY]) == 0
        shown = capsys.readouterr().out

    assert document["complete"]
    assert [one["state"] for one in document["gateways"]] == ["done", "done"]
    assert document["summary"]["gateways"] == 2
    assert set(document["written"]) == {"rejects", "report"}
    assert "north" in shown
    assert "FleetRun(2 gateways" in shown
    assert main(["replay", job, *DAY]) == 2
    assert f"mpreplay fleet {job}" in capsys.readouterr().err


def test_a_job_without_gateways_is_no_fleet(farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other command is named."""
    assert main(["fleet", str(farm / "job.toml")]) == 2
    assert "there is no table [fleet]" in capsys.readouterr().err


def test_a_history_still_needs_its_model(capsys: pytest.CaptureFixture[str]) -> None:
    """Only a job has one of its own."""
    assert main(["validate", "day.parquet"]) == 2
