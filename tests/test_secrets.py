"""A secret goes to the platform as a signature, and nowhere else."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from brokers import free_port
from conftest import FARM

import mpreplay as mp

WRONG = "Zebra-wrong-secret"


def shown(error: BaseException | None) -> str:
    """Return all that a traceback shows, causes and arguments included."""
    parts = [] if error is None else traceback.format_exception(error)
    while error is not None:
        parts += [repr(error), repr(error.args)]
        error = error.__cause__ or error.__context__
    return "".join(parts)


def test_no_record_of_a_replay_holds_a_secret(
    platform: Any, model: mp.ThingModel, history: mp.History, tmp_path: Path, *,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Journals are archived, logs are shipped, notebooks are mailed."""
    caplog.set_level(logging.DEBUG)
    connection = platform.connection
    subs = {device: platform.connection_for(*device).device_secret for device in FARM}
    monkeypatch.setenv("T2_SECRET", subs[FARM[1]])
    (tmp_path / "gateway").write_text(connection.device_secret, encoding="utf-8")
    run = mp.replay(
        history,
        model,
        dataclasses.replace(connection, device_secret=f"file:{tmp_path / 'gateway'}"),
        sub_device_secrets={FARM[0]: subs[FARM[0]], FARM[1]: "env:T2_SECRET",
                            ("turbine", "T9"): WRONG},
        journal=tmp_path / "run.db",
        progress=True,
    )  # fmt: skip

    assert run.summary()["accepted"] == 22
    assert run.summary()["sub_devices_refused"] == 1
    captured = capfd.readouterr()
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("run*")) + "\n".join(
        [
            caplog.text, captured.out, captured.err, repr(run), str(run.summary()),
            run._repr_html_(), run.results.to_csv(), run.rejects.to_csv(), run.books.to_csv(),
            repr(connection), repr(platform), repr(vars(run)),
        ]
    ).encode()  # fmt: skip
    for secret in (connection.device_secret, *subs.values(), WRONG):
        assert secret.encode() not in everything
    assert b"***" in everything
    assert b"request " in everything  # it did log at this level


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"device_key": "nobody"},
        {"host": "no-such-host.invalid"},
        {"port": -1},
        {"tls": True, "ca_file": "no-such.pem"},
    ],
)
def test_no_failing_connect_shows_a_secret(
    platform: Any, model: mp.ThingModel, history: mp.History, changes: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """An error goes straight to the screen, the ticket and the chat."""
    caplog.set_level(logging.DEBUG)
    changes = {**changes, "port": free_port()} if "port" in changes else changes
    connection = dataclasses.replace(platform.connection, **{"device_secret": WRONG, **changes})
    with pytest.raises(mp.MpReplayError) as caught:
        mp.replay(history, model, connection, allow_offline_sub_device=True)

    assert WRONG not in shown(caught.value) + caplog.text
    assert WRONG not in str(pickle.loads(pickle.dumps(caught.value)))


@pytest.mark.parametrize("secret", [f"{WRONG}/x", f"{WRONG}?x=1", f"{WRONG}#x", f"12?{WRONG}=1"])
def test_no_uri_with_a_secret_that_is_not_encoded_is_shown(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake everybody makes once, in a variable that a job log may echo."""
    monkeypatch.setenv("MPREPLAY_CONNECTION", f"mqtt://gw-1:{secret}@h:1883/p")
    with pytest.raises(mp.ConfigError) as caught:
        mp.Connection.from_environment()

    assert "Zebra" not in shown(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_connection_travels_to_a_worker_without_showing_its_secret() -> None:
    """Workers get the secret; the scheduler that prints its tasks does not show it."""
    connection = mp.Connection("h", product_key="p", device_key="d", device_secret=WRONG)
    copy = pickle.loads(pickle.dumps(connection))

    assert copy.device_secret == WRONG
    assert WRONG not in f"{copy!r}{(copy, {'connection': copy})}"
