"""Lines that cannot be parsed: what a person typed is told with what was meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli.test_commands import HISTORY, KNOWN, MODEL

from mpreplay.cli.commands import main
from mpreplay.cli.options import COMMANDS

ALONE = {"demo", "check"}  # need no arguments: all that they need may be in the environment


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a line that cannot be parsed, and return what is told on stderr."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    shown = capsys.readouterr()
    assert end.value.code == 2
    assert shown.out == ""
    return shown.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["replya"], "there is no command 'replya' (nearest: replay"),
        (["Replay"], "there is no command 'Replay' (nearest: replay)"),
        (["replay", HISTORY, "--modle", MODEL], "there is no option --modle (nearest: --model"),
        (["replay", HISTORY, "--modle=m"], "there is no option --modle (nearest: --model"),
        (["replay", HISTORY, *KNOWN, "--on_invalid", "send"], "(nearest: --on-invalid)"),
        (["--verbos3", "demo"], "there is no option --verbos3 (nearest: --verbose"),
        (["report", "run.db", "--reject5", "x"], "(nearest: --rejects"),
        (
            ["replay", HISTORY, *KNOWN, "--on-invalid", "witheld"],
            "there is no 'witheld' (nearest: withhold); expected raise, withhold, send",
        ),
        (["replay", HISTORY, *KNOWN, "again"], "mpreplay replay: error: one argument too many"),
        (["replay", HISTORY, *KNOWN, "--max-rejects", "1.5"], "neither a number of values nor"),
        (["replay", HISTORY, *KNOWN, "--max-rejects", "-1"], "--max-rejects"),
        (["demo", "--log", "jsn"], "(nearest: json)"),
    ],
    ids=lambda value: " ".join(value[-2:])[:30] if isinstance(value, list) else "",
)
def test_a_typo_is_told_with_the_nearest_names(
    line: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who reads a log in the morning should not have to look the options up."""
    assert told in refused(capsys, *line)


@pytest.mark.parametrize(
    "twice",
    [
        ["--tz", "UTC", "--tz", "Europe/Paris"],
        ["--tz", "UTC", "--tz=UTC"],
        ["--journal", "a.db", "--journal", "b.db"],
        ["--window", "2", "--window", "3"],
        ["--rejects", "a.csv", "--reject", "b.csv"],
        ["--connection", "mqtt://a:b@c/d", "--connection", "mqtt://a:b@c/d"],
        ["--on-invalid", "send", "--on-invalid", "withhold"],
        ["--max-rejects", "0", "--max-rejects", "5"],
    ],
    ids=lambda value: value[0],
)
def test_an_option_given_twice_is_an_error(
    twice: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The last one would win silently, in a command put together by a script."""
    told = refused(capsys, "replay", HISTORY, *KNOWN, *twice)

    assert f"argument {twice[0]}" in told
    assert "given twice; it takes one value" in told


def test_what_may_be_repeated_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """Models of several products, and columns to leave out."""
    line = ["validate", HISTORY, *KNOWN, "--ignore", "a", "--ignore", "b", "-v", "--verbose"]
    assert main(line) == 2  # of an unknown column, by the library

    assert "given twice" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", *(name for name in COMMANDS if name not in ALONE)])
def test_a_command_without_its_arguments_shows_its_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, and with status 2: a script that lost its arguments has not succeeded."""
    told = refused(capsys, *filter(None, [name]))

    assert told.startswith(f"usage: mpreplay {name}".rstrip())
    assert "example: mpreplay" in told


def test_a_line_that_cannot_be_parsed_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """A forgotten --connection, or a misspelt one, is a likely slip."""
    for slip in (["mqtt://gw-1:Zebra-77@h/p"], ["--conection=mqtt://gw-1:Zebra-77@h/p"],
                 ["--conection", "mqtt://gw-1:Zebra-77@h/p"]):  # fmt: skip
        told = refused(capsys, "replay", HISTORY, *KNOWN, *slip)
        assert "Zebra" not in told


def test_general_options_stand_before_and_after_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both places are usual."""
    for line in (["--json", "model", MODEL], ["model", MODEL, "--json"]):
        assert main(line) == 0
        assert capsys.readouterr().out.startswith("{")


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script is shtab's; the words are those of the parser."""
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert "reconcile" in script
    assert "max-rejects" in script


def test_completion_says_what_it_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra, and not installed by default."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2

    told = capsys.readouterr().err
    assert told == "mpreplay: error: completion needs shtab: pip install 'mpreplay[complete]'\n"


def test_any_text_can_be_printed_in_any_locale(tmp_path: Path) -> None:
    """A degree sign must not end a command in a cron job with an old locale."""
    done = subprocess.run(
        [sys.executable, "-m", "mpreplay", "validate", HISTORY, *KNOWN],
        capture_output=True, check=False, env={"PYTHONIOENCODING": "ascii", "PATH": "",
        "PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
