"""Commands of scripts: rejects that are allowed, plans, trials of a connection, read-back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from cli.test_commands import (
    HISTORY,
    KNOWN,
    MODEL,
    TURBINES,
    platform,  # noqa: F401 - a fixture
)
from cli.test_documents import REPLAY

import mpreplay as mp
from mpreplay.cli.commands import main


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--allow", "superseded"], 1),
        (["--allow", "superseded", "--allow", "range"], 0),
        (["--allow", "superseded", "--max-rejects", "8"], 0),
        (["--allow", "superseded", "--max-rejects", "7"], 1),
        (["--max-rejects", "0.001"], 0),
        (["--max-rejects", "0.0004"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("platform")
def test_rejects_that_are_as_they_should_be_do_not_fail_a_replay(
    options: list[str], status: int
) -> None:
    """A farm that is never without a bad value must not page somebody each night."""
    assert main([*REPLAY, *options]) == status


def test_a_check_that_is_misspelt_is_refused_before_anything_is_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Afterwards the run would have failed for a letter."""
    assert main([*REPLAY, "--connection", "mqtt://a:b@c/d", "--allow", "superceded"]) == 2
    assert "no such check (nearest: superseded)" in capsys.readouterr().err


@pytest.mark.usefixtures("platform")
def test_the_table_that_is_asked_for_on_stdout_is_a_single_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two tables in one stream are none."""
    assert main([*REPLAY, "--rejects", "-", "--books", "-"]) == 2
    assert "stdout takes one table, not --rejects - --books -" in capsys.readouterr().err


def test_reconcile_tells_what_the_platform_has_not(
    platform: object,  # noqa: F811 - the fixture
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """From a file that somebody exported: one value changed, one gone."""
    journal, stored = str(tmp_path / "run.db"), tmp_path / "stored.csv"
    main([*REPLAY, "--journal", journal])
    frame = platform.stored()
    frame.to_csv(stored, index=False)
    command = ["reconcile", journal, HISTORY, *KNOWN, "--stored", str(stored)]
    assert main(command) == 0

    frame = frame.assign(time=frame["time"].map(lambda time: round(time.timestamp() * 1000)))
    frame.loc[5, "value"] = 1e6
    frame.drop(index=7).to_csv(stored, index=False)
    capsys.readouterr()
    assert main([*command, "--out", "-"]) == 1
    shown = capsys.readouterr()
    found = pd.read_csv(io.StringIO(shown.out))["state"].value_counts().to_dict()
    assert found == {"stored": 23_023, "different": 1, "missing": 1}
    assert "1 different, 1 missing" in shown.err
    assert main([*command, "--out", str(stored)]) == 2
    assert "read by this command" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("a,b\n1,2\n", "there is no column 'time'"), ("", "cannot be read"), (None, "No such file")],
)
def test_a_file_of_stored_values_that_cannot_be_used_is_an_error(
    tmp_path: Path, text: str | None, told: str
) -> None:
    """Not a list of values that are missing."""
    from mpreplay.readback.stored_file import read_stored

    path = tmp_path / "stored.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(mp.ConfigError, match=told):
        read_stored(path)


def test_plan_says_what_replay_would_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nothing is connected, and the remedy is spelled as it is typed."""
    plan = ["plan", HISTORY, *KNOWN, "--gateway", "gateway/gw-1"]
    assert main(plan) == 1
    shown = capsys.readouterr().out
    assert "replay would raise" in shown
    assert "--on-invalid withhold" in shown

    page = tmp_path / "plan.html"
    good = [*plan, "--on-invalid=withhold", "--duplicates=last", "--report", str(page)]
    assert main(good) == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert main([*plan, "--report", f"{tmp_path}/none/plan.html"]) == 2
    assert main([*plan, "--report", HISTORY]) == 2


def test_check_tells_which_sub_device_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before the night's run, with the status of a failed connection."""
    with mp.simulate(mp.ThingModel.load(MODEL), sub_devices=TURBINES) as trial:
        secrets = {
            "/".join(one): trial.connection_for(*one).device_secret.reveal() for one in TURBINES
        }
        path = tmp_path / "secrets.json"
        path.write_text(json.dumps(secrets))
        uri = trial.connection.to_uri(reveal_secret=True)
        command = ["check", "--sub-device-secrets", str(path), "--connection", uri]
        assert main([*command, "--no-connect-limit"]) == 0
        path.write_text(json.dumps({**secrets, "wind-turbine/T03": "wrong"}))
        assert main([*command, "--no-connect-limit"]) == 3

    shown = capsys.readouterr().out
    assert "gateway/gw-1 signed in, and 4 sub-devices through it" in shown
    assert "1 of 4 sub-devices refused" in shown


@pytest.mark.usefixtures("platform")
def test_the_same_command_twice_sends_an_interval_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler may repeat a job; its document says that nothing was sent."""
    folder = str(tmp_path / "runs") + "/"
    command = [*REPLAY, "--journal", folder, "--run-key", "2024-03", "--json"]
    documents = []
    for more in ([], [], ["--again"]):
        main([*command, *more])
        documents.append(json.loads(capsys.readouterr().out.splitlines()[-1]))

    first, second, third = documents
    assert first["summary"]["sent_now"] == 23_025
    assert (second["summary"]["sent_now"], second["run"]) == (0, first["run"])
    assert third["run"] != first["run"]
    assert main(["runs", folder, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2
    assert main(["runs", folder]) == 0
    head, row, _ = capsys.readouterr().out.splitlines()
    assert "started_at [UTC]" in head and "ended_at [UTC]" in head
    assert "+00:00" not in row
