"""Secrets on the command line: warned of, read from a file, and never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from brokers import free_port
from cli.test_commands import COLUMNS, HISTORY, MODEL
from test_secrets import held

from mpreplay.cli.commands import main
from mpreplay.cli.inputs import secrets_of
from mpreplay.errors import ConfigError

SECRET = "Zebra-77"
REPLAY = ["replay", HISTORY, "--model", MODEL, *COLUMNS, "--allow-offline-sub-device",
          "--on-invalid", "withhold", "--duplicates", "last"]  # fmt: skip


@pytest.mark.parametrize(("secret", "warns"), [(SECRET, True), ("env%3AGW_SECRET", False)])
def test_a_secret_on_the_line_is_warned_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, secret: str, *, warns: bool
) -> None:
    """Everybody on the machine can list its processes; a reference may stand there."""
    monkeypatch.setenv("GW_SECRET", SECRET)
    uri = f"mqtt://gw-1:{secret}@127.0.0.1:{free_port()}/gateway"
    assert main([*REPLAY, "--connection", uri]) == 3

    shown = capsys.readouterr()
    assert ("list of processes" in shown.err) is warns
    assert "Zebra" not in shown.err + shown.out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not the JSON"), ("5", "not the JSON"), (f'"{SECRET}"', "not the JSON"),
        (f'{{"p/d": "{SECRET}", "p/d": "{SECRET}"}}', "name 2 is no PRODUCT/DEVICE, or stands"),
        (f'{{"{SECRET}": "p/d"}}', "name 1 is no PRODUCT/DEVICE"),
        (f'["{SECRET}"]', "not the JSON"),
        (f'{{"p/d": ["{SECRET}"]}}', "must be a text or a mpreplay.Secret"),
        (f'{{"p/d": "{SECRET}\\ud800"}}', "a lone surrogate"), ('{"p/d": ""}', "is empty"),
        (f'{{"p/d+": "{SECRET}"}}', "holds '\\+'"), (None, "No such file"),
    ],
)  # fmt: skip
def test_a_file_of_secrets_that_cannot_be_used_is_not_shown(
    tmp_path: Path, content: str | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its text is what an error of the JSON parser carries along."""
    path = tmp_path / "secrets.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    uri = f"mqtt://gw-1:s@127.0.0.1:{free_port()}/gateway"
    assert main([*REPLAY, "--connection", uri, "--sub-device-secrets", str(path)]) == 2

    error = capsys.readouterr().err
    assert told.replace("\\", "") in error
    assert "Zebra" not in error


def test_no_frame_of_the_command_line_holds_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is none of ours is raised to whoever called."""
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"p/d": SECRET}), encoding="utf-8")

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mpreplay.runner.replaying.Driver.run", fail)
    with pytest.raises(ZeroDivisionError) as caught:
        main(
            [
                *REPLAY,
                f"--connection=mqtt://gw-1:{SECRET}@127.0.0.1/p",
                f"--sub-device-secrets={path}",
            ]
        )
    path.write_text(f'{{"p/d": "{SECRET}"', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        secrets_of(str(path))

    mine = "test_no_frame_of_the_command_line_holds_a_secret: "
    found = [*held(caught.value), *held(refused.value)]
    assert [name for name in found if not name.startswith(mine)] == []
