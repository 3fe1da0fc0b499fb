"""Stderr of a command: lines for people, or a document a line for programs."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from brokers import free_port
from cli.test_commands import HISTORY, KNOWN, MODEL, TURBINES
from cli.test_documents import REPLAY

import mpreplay as mp
from mpreplay.cli.commands import main
from mpreplay.cli.logs import EVERY, Stderr, telling

EVENT = {"run": "1", "accepted": 5, "waiting_seconds": None}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return the documents on stderr, which has nothing else."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_stderr_of_a_replay_is_documents(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begin and end with their figures as fields, warnings and refusals between."""
    model = mp.ThingModel.load(MODEL)
    with mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
        assert main(["--log", "json", "-v", *REPLAY]) == 1

    told = lines(capsys)
    assert all({"time", "level", "message"} <= line.keys() for line in told)
    events = [line for line in told if "event" in line]
    assert [line["event"] for line in (events[0], events[-1])] == ["begun", "ended"]
    assert (events[-1]["accepted"], events[-1]["withheld"]) == (23_025, 11)
    assert any("signed in" in str(line["message"]) for line in told)


def test_errors_and_usage_are_documents_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector of logs that reads JSON must not stumble over the most important line."""
    uri = f"mqtt://gw-1:s@127.0.0.1:{free_port()}/gateway"
    assert main([*REPLAY, "--log=json", "--connection", uri]) == 3
    told = lines(capsys)
    assert [line["level"] for line in told if line.get("event") is None] == ["warning", "error"]

    with pytest.raises(SystemExit):
        main(["replya", "--log", "json"])
    assert [line["level"] for line in lines(capsys)] == ["error"]


def test_named_figures_of_a_message_become_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody should have to take a sentence apart."""
    log = logging.getLogger("mpreplay")
    with telling(Stderr(is_json=True), verbose=False):
        log.warning("waiting %(seconds).0f s", {"seconds": 12.5})
        log.info("not told")
    (line,) = lines(capsys)
    assert (line["message"], line["seconds"]) == ("waiting 12 s", 12.5)

    with telling(Stderr(is_json=False), verbose=False):
        log.warning("waiting %(seconds).0f s", {"seconds": 12.5})
    assert capsys.readouterr().err == "mpreplay: waiting 12 s\n"


def test_progress_is_told_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begin, end and each wait at once; what lies between, every half minute."""
    now = [1_000.0]
    monkeypatch.setattr("mpreplay.cli.logs.time.monotonic", lambda: now[0])
    stderr = Stderr(is_json=True)
    for kind, seconds in (
        ("begun", 0), ("progress", 1), ("waiting", 1), ("waiting", 1), ("progress", 1),
        ("progress", EVERY), ("progress", 1), ("waiting", 1), ("ended", 1),
    ):  # fmt: skip
        now[0] += seconds
        stderr.on_event({"event": kind, **EVENT})

    kinds = [line["event"] for line in lines(capsys)]
    assert kinds == ["begun", "waiting", "progress", "waiting", "ended"]


def test_a_command_leaves_the_logs_of_the_process_alone() -> None:
    """A test, or a program that calls main, has logs of its own."""
    log = logging.getLogger("mpreplay")
    before = list(log.handlers), log.level, logging.root.level
    assert main(["model", MODEL, "-v"]) == 0
    assert main(["validate", HISTORY, *KNOWN, "--log", "json"]) == 1

    assert (list(log.handlers), log.level, logging.root.level) == before


def test_a_closed_stderr_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a daemon: there is nobody to tell, and the status is what it was."""
    monkeypatch.setattr("sys.stderr", None)
    assert main(["report", str(tmp_path / "none.db")]) == 2
    assert main(["report", str(tmp_path / "none.db"), "--log", "json"]) == 2
