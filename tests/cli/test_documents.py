"""The JSON documents of commands: what a script reads is what the page says, whatever happens."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from brokers import free_port
from cli.test_commands import (
    HISTORY,
    KNOWN,
    MODEL,
    TURBINES,
    platform,  # noqa: F401 - a fixture
)

import mpreplay as mp
from mpreplay.cli.commands import main
from mpreplay.cli.documents import json_line, records
from mpreplay.cli.options import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
ALWAYS = {"command", "status", "mpreplay"}
Answered = Callable[..., tuple[int, dict[str, Any], str, str]]


@pytest.fixture
def answered(capsys: pytest.CaptureFixture[str]) -> Answered:
    """Run a command with --json; return status, document, the rest of stdout, and stderr."""

    def run(*arguments: str) -> tuple[int, dict[str, Any], str, str]:
        status = main([*arguments, "--json"])
        shown = capsys.readouterr()
        *rest, last = shown.out.splitlines(keepends=True)
        document = json.loads(last)
        assert document.get("status", status) == status
        return status, document, "".join(rest), shown.err

    return run


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with the journals and the stored values of a replay."""
    folder = tmp_path_factory.mktemp("sent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", str(folder / "state"))
        model = mp.ThingModel.load(MODEL)
        with mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform:
            uri = platform.connection.to_uri(reveal_secret=True)
            patch.setenv("MPREPLAY_CONNECTION", uri)
            journal = ["--journal", str(folder / "run.db")]
            assert main([*REPLAY, *journal]) == 1
            platform.stored().to_csv(folder / "stored.csv", index=False)
            platform.stored().to_parquet(folder / "stored.parquet")
    yield folder


REPLAY = [
    "replay", HISTORY, *KNOWN, "--on-invalid=withhold", "--duplicates=last",
    "--allow-offline-sub-device",
]  # fmt: skip


def documented(command: str) -> set[str]:
    """Return the keys that the page names for a command."""
    section = re.search(rf"^### {command}\n(.*?)^(?:###|<!--)", PAGE, re.DOTALL | re.MULTILINE)
    assert section, f"docs/command-line.md says nothing of {command}"
    return set(re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE))


def test_every_command_has_its_document_on_the_page() -> None:
    """A script cannot rely on what is not written down."""
    sections = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert sorted([*sections, "model"]) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["validate", HISTORY, *KNOWN], 1),
        (["plan", HISTORY, *KNOWN, "--gateway", "gateway/gw-1"], 1),
        (["report", "{sent}/run.db"], 0),
        (["runs", "{sent}"], 0),
        (["reconcile", "{sent}/run.db", HISTORY, *KNOWN, "--stored", "{sent}/stored.csv"], 0),
        (["reconcile", "{sent}/run.db", HISTORY, *KNOWN, "--stored", "{sent}/stored.parquet"], 0),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_document_has_the_keys_of_the_page(
    command: list[str], status: int, sent: Path, answered: Answered
) -> None:
    """No key more, none less, and nothing else on stdout."""
    arguments = [word.replace("{sent}", str(sent)) for word in command]
    found, document, rest, _ = answered(*arguments)

    assert found == status
    assert set(document) == documented(command[0]) | ALWAYS
    assert document["command"] == command[0]
    assert rest == ""


@pytest.mark.usefixtures("platform")
def test_the_document_of_a_replay_tells_the_run(answered: Answered, tmp_path: Path) -> None:
    """A scheduler stores the numbers, and finds the journal again."""
    status, document, rest, _ = answered(*REPLAY, "--journal", f"{tmp_path}/runs/")

    assert status == 1
    assert set(document) == documented("replay") | ALWAYS
    assert document["summary"]["accepted"] == 23_025
    assert [one["check"] for one in document["causes"]] == ["range", "range", "superseded"]
    assert mp.open_run(document["journal"]).complete
    assert rest == ""


@pytest.mark.usefixtures("platform")
def test_rejects_on_stdout_are_followed_by_the_document(
    answered: Answered, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line is for one program, all before it for another."""
    _, document, rest, _ = answered(*REPLAY, "--rejects", "-")
    assert document["written"] == {"rejects": "-"}
    assert len(pd.read_csv(io.StringIO(rest))) == 11

    assert main([*REPLAY, "--rejects", "-"]) == 1
    shown = capsys.readouterr()
    assert len(pd.read_csv(io.StringIO(shown.out))) == 11
    assert "why values did not arrive" in shown.err


@pytest.mark.usefixtures("platform")
def test_the_document_of_a_check_tells_each_step(answered: Answered) -> None:
    """A table of many gateways is put together from them."""
    status, document, _, _ = answered("check", "--no-connect-limit")

    assert (status, document["ok"]) == (0, True)
    assert set(document) == documented("check") | ALWAYS
    (step,) = document["steps"]
    assert list(step) == ["step", "product_key", "device_key", "ok", "code", "told"]
    assert (step["step"], step["device_key"], step["code"]) == ("connect", "gw-1", None)


def test_an_audit_and_its_verification_have_documents(
    sent: Path, answered: Answered, tmp_path: Path
) -> None:
    """The head goes into another system, by a script."""
    folder = str(tmp_path / "audit")
    _, told, _, _ = answered("report", f"{sent}/run.db", "--audit", folder)
    status, document, _, _ = answered("verify", folder, "--head", told["head"], "--source", HISTORY)

    assert (status, document["ok"], document["head"]) == (0, True, told["head"])
    assert set(document) == documented("verify") | ALWAYS
    assert document["sources"] == [{"path": HISTORY, "difference": None}]
    (tmp_path / "audit" / "books.csv").write_text("")
    status, document, _, _ = answered("verify", folder)
    assert (status, document["head"]) == (1, None)
    assert {"file", "where", "finding"} == set(document["findings"][0])


def test_the_demo_has_a_document(answered: Answered) -> None:
    """A pipeline tries its installation with it."""
    assert answered("demo")[1]["as_planted"] is True


def test_the_document_of_a_model_is_the_model(answered: Answered) -> None:
    """It can be given to whatever reads a thing model."""
    for arguments in ([MODEL], [HISTORY, "--draft", "--ignore", "turbine"]):
        _, document, rest, _ = answered("model", *arguments)
        assert mp.ThingModel.load(document).measurepoints
        assert rest == ""


def test_simulate_prints_its_document_once_it_can_be_reached() -> None:
    """Whoever starts it in the background waits for the addresses."""
    command = [sys.executable, "-m", "mpreplay", "simulate", "--model", MODEL, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            document = json.loads(process.stdout.readline())
        finally:
            process.terminate()
            rest = process.stdout.read()

    assert set(document) == documented("simulate") | ALWAYS
    assert mp.Connection.from_uri(document["connections"][0]).port == document["port"]
    assert rest == ""


@pytest.mark.parametrize(
    ("arguments", "status", "kind", "told"),
    [
        (["validate", "none.parquet", *KNOWN], 2, "HistoryError", "there is no such file"),
        (["report", "none.db"], 2, "JournalError", "there is no journal"),
        (REPLAY, 3, "ConnectError", "nothing listens"),
        (["replay", HISTORY, *KNOWN], 2, "InvalidHistory", "--on-invalid withhold"),
    ],
    ids=["history", "journal", "connection", "values"],
)
def test_an_error_has_a_document(
    arguments: list[str], status: int, kind: str, told: str,
    answered: Answered, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A script reads one kind of answer, however the command ends."""
    monkeypatch.setenv("MPREPLAY_CONNECTION", f"mqtt://gw-1:s@127.0.0.1:{free_port()}/gateway")
    found, document, _, _ = answered(*arguments)

    assert found == status
    assert document["error"]["kind"] == kind
    assert told in document["error"]["message"]


def test_a_line_that_cannot_be_parsed_has_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A typo in a crontab ends as everything else does."""
    with pytest.raises(SystemExit) as end:
        main(["replay", HISTORY, "--modle", "x", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert end.value.code == document["status"] == 2
    assert (document["command"], document["error"]["kind"]) == ("replay", "Usage")


def test_an_interrupt_has_a_document(answered: Answered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status and document agree also then."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mpreplay.checks.validation.validate", interrupted)
    status, document, _, err = answered("validate", HISTORY, *KNOWN)
    assert (status, document["error"]["message"]) == (5, "interrupted")
    assert err == "mpreplay: interrupted\n"


def test_a_document_holds_any_value() -> None:
    """One odd number must not cost the document of a whole run."""
    facts = {
        "time": pd.Timestamp("2024-01-01", tz="UTC"), "none": [pd.NaT, pd.NA, np.nan, np.inf],
        "numpy": np.int64(3), "path": Path("a"), "text": "\n°\ud800", "flag": np.bool_(True),
    }  # fmt: skip
    line = json_line(facts)

    assert "\n" not in line
    assert line.isascii()
    told = json.loads(line)
    assert told["none"] == [None] * 4
    assert (told["numpy"], told["path"], told["flag"]) == (3, "a", True)
    frame = pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [pd.NaT, pd.Timestamp(0)]})
    assert [one["a"] for one in records(frame)] == [1, None]


def test_a_reader_who_leaves_early_changes_nothing(sent: Path, tmp_path: Path) -> None:
    """Not the status, either: the books would seem to be wrong."""
    bash = shutil.which("bash")
    command = f"{sys.executable} -m mpreplay report {sent}/run.db --rejects - --json"
    done = subprocess.run(
        [bash, "-o", "pipefail", "-c", f"{command} | head -0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr.replace("rejects: -\n", "")) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_stdout_that_is_full_is_told(sent: Path) -> None:
    """A document that got lost must not look like a success."""
    command = [sys.executable, "-m", "mpreplay", "runs", str(sent), "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == ("mpreplay: error: stdout cannot be written (No space left on device)\n")


@pytest.mark.parametrize("option", ["--json", "--rejects=-"])
def test_a_stdout_that_is_closed_is_told_before_anything_is_sent(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon has none: what was asked for could not be had afterwards."""
    monkeypatch.setenv("MPREPLAY_CONNECTION", f"mqtt://gw-1:s@127.0.0.1:{free_port()}/gateway")
    monkeypatch.setattr("sys.stdout", None)
    assert main([*REPLAY, option]) == 2
    assert capsys.readouterr().err == (
        "mpreplay: error: stdout is closed: there is nothing to write to\n"
    )
