"""A secret goes to the platform as a signature, and nowhere else."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import traceback
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from brokers import free_port
from conftest import FARM
from scripted import GATEWAY, always, scripted_replay

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
    subs = {device: platform.connection_for(*device).device_secret.reveal() for device in FARM}
    monkeypatch.setenv("T2_SECRET", subs[FARM[1]])
    (tmp_path / "gateway").write_text(connection.device_secret.reveal(), encoding="utf-8")
    events: list[dict[str, Any]] = []
    run = mp.replay(
        history,
        model,
        dataclasses.replace(connection, device_secret=f"file:{tmp_path / 'gateway'}"),
        sub_device_secrets={FARM[0]: subs[FARM[0]], FARM[1]: "env:T2_SECRET",
                            ("turbine", "T9"): WRONG},
        journal=tmp_path / "run.db",
        progress=True,
        on_event=events.append,
    )  # fmt: skip

    assert run.summary()["accepted"] == 22
    assert run.summary()["sub_devices_refused"] == 1
    captured = capfd.readouterr()
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("run*")) + "\n".join(
        [
            caplog.text, captured.out, captured.err, repr(run), str(run.summary()),
            run._repr_html_(), run.results.to_csv(), run.rejects.to_csv(), run.books.to_csv(),
            repr(connection), repr(platform), repr(vars(run)), repr(events),
        ]
    ).encode()  # fmt: skip
    for secret in (connection.device_secret.reveal(), *subs.values(), WRONG):
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


def held(error: BaseException | None) -> list[str]:
    """Return the frames that hold a secret, and their names, as an error tracker prints them.

    The frames of this test are the user's own: what stands there is the user's affair.
    """
    found: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found += ["args"] if "Zebra" in repr((error.args, vars(error))) else []
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                for name, value in frame.f_locals.items():
                    if "Zebra" in f"{value!r} {getattr(value, '__dict__', '')!r}":
                        found.append(f"{frame.f_code.co_qualname}: {name}")
        error = error.__cause__ or error.__context__
    return found


def test_a_frame_that_holds_a_secret_is_seen() -> None:
    """A rule that nothing breaks proves nothing."""
    with pytest.raises(ValueError, match="invalid literal") as caught:
        pd.Series(["Zebra"]).map(int)

    assert held(caught.value)


URI = f"mqtt://gw-1:{WRONG}@127.0.0.1:1/gateway"
SUB = {FARM[0]: WRONG}


@pytest.mark.parametrize(
    ("connection", "options"),
    [
        (f"http://gw-1:{WRONG}@h/p", {}),
        (f"mqtt://gw-1:{WRONG}/x@h/p", {}),
        (f"mqtt://gw-1:{WRONG}@h", {}),
        (f"mqtt://gw-1:{WRONG}@h:x/p", {}),
        (f"mqtt://gw-1:{WRONG}\udcff@h/p", {}),
        (f"mqtt://gw-1:{WRONG}%FF@h/p", {}),
        (f"mqtt://gw-1:{WRONG}@h/p%2Fq", {}),
        (f"mqtt://gw-1:{WRONG}@h/p?x=1", {}),
        (f"mqtt://gw-1:{WRONG}@h/p#x", {}),
        (f"mqtts://gw-1:{WRONG}@127.0.0.1:1/p?ca=none.pem", {}),
        (URI.encode(), {}),
        ([URI], {}),
        (URI, {}),  # nothing listens there
        (URI, {"sub_device_secrets": SUB}),
        (URI, {"sub_device_secrets": SUB, "limits": 5}),
        (URI, {"sub_device_secrets": SUB, "on_invalid": "x"}),
        (URI, {"sub_device_secrets": SUB, "journal": "none/run.db"}),
        (URI, {"sub_device_secrets": SUB, "model": "none"}),
        (URI, {"sub_device_secrets": SUB, "history": "none"}),
        (URI, {"sub_device_secrets": {FARM[0]: f"{WRONG}\ud800"}}),
        (URI, {"sub_device_secrets": {**SUB, FARM[1]: ""}}),
        (URI, {"sub_device_secrets": {**SUB, FARM[1]: "env:NO_SUCH"}}),
        (URI, {"sub_device_secrets": {**SUB, ("a/b", "c"): WRONG}}),
        (URI, {"sub_device_secrets": {**SUB, "T1": WRONG}}),
        (URI, {"sub_device_secrets": [WRONG]}),
        (URI, {"sub_device_secrets": WRONG}),
    ],
    ids=lambda value: ascii(value).replace(WRONG, "S").replace(URI.replace(WRONG, "S"), "URI"),
)
@pytest.mark.parametrize("is_variable", [False, True])
def test_no_frame_of_a_failing_call_holds_a_secret(
    model: mp.ThingModel, history: mp.History, connection: Any, options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch, *, is_variable: bool,
) -> None:  # fmt: skip
    """Error trackers send the names and values of every frame to somebody else's machine."""
    given = {"history": history, "model": model, "allow_offline_sub_device": True, **options}
    if is_variable:
        if not isinstance(connection, str):
            pytest.skip("a variable is a text")
        monkeypatch.setenv("MPREPLAY_CONNECTION", connection)
        connection = None
    with pytest.raises(mp.MpReplayError) as caught:
        mp.replay(given.pop("history"), given.pop("model"), connection, **given)

    assert held(caught.value) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"host": ""}, {"host": "a/b"}, {"port": 0}, {"device_key": ""}, {"device_key": "a+b"},
        {"client_id": "x" * 100}, {"key_file": "k"}, {"device_secret": f"{WRONG}\udcff"},
        {"device_secret": WRONG.encode()}, {"device_secret": [WRONG]}, {"device_key": None},
    ],
    ids=ascii,
)  # fmt: skip
def test_no_frame_of_a_failing_connection_holds_its_secret(fields: dict[str, Any]) -> None:
    """Its own arguments are the first to be printed."""
    given = {"host": "h", "product_key": "p", "device_key": "d", "device_secret": WRONG, **fields}
    with pytest.raises(mp.ConfigError) as caught:
        mp.Connection(**given)

    assert held(caught.value) == []


def test_no_frame_of_a_refused_sign_in_holds_a_secret(
    platform: Any, model: mp.ThingModel, history: mp.History
) -> None:
    """The network's errors come from the deepest frames."""
    wrong = dataclasses.replace(platform.connection, device_secret=WRONG)
    subs = {FARM[0]: WRONG}
    with pytest.raises(mp.ConnectError, match="secret is wrong") as caught:
        mp.replay(history, model, wrong, sub_device_secrets=subs)

    assert held(caught.value) == []


def test_no_frame_of_an_interrupted_sign_in_holds_a_secret(
    platform: Any, model: mp.ThingModel, history: mp.History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends a run at any moment is printed as well."""

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mpreplay.conversation.mqtt.MqttTransport.receive", end)
    with pytest.raises(KeyboardInterrupt) as caught:
        mp.replay(history, model, platform.connection, sub_device_secrets={FARM[0]: WRONG})

    assert held(caught.value) == []


def test_a_connection_travels_to_a_worker_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler that keeps its tasks on disk has no secret to show."""
    monkeypatch.setenv("GW_SECRET", WRONG)
    connection = mp.Connection("h", product_key="p", device_key="d", device_secret="env:GW_SECRET")
    task = pickle.dumps(connection)

    assert b"Zebra" not in task
    assert pickle.loads(task).device_secret.reveal() == WRONG


@pytest.mark.parametrize(
    ("changes", "warns"),
    [
        ({"host": "mqtt.example.com"}, True), ({"host": "192.168.0.1"}, True), ({}, False),
        ({"host": "mqtt.example.com", "tls": True}, False), ({"host": "localhost"}, False),
        ({"host": "::1"}, False), ({"host": "127.1.1.1"}, False),
    ],
)  # fmt: skip
def test_a_connection_in_the_clear_to_another_machine_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History,
    changes: dict[str, Any], *, warns: bool,
) -> None:  # fmt: skip
    """Once a call, and not at every reconnect; rehearsals on this machine need no encryption."""
    connection = dataclasses.replace(GATEWAY, **{"host": "127.0.0.1", **changes})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run, _ = scripted_replay(monkeypatch, always, history, model, connection=connection)

    told = [str(one.message) for one in caught if one.category is mp.ReplayWarning]
    assert run.complete
    assert len(told) == warns
    assert all("mqtt" in one and "is not encrypted" in one for one in told)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
def test_the_rehearsal_platforms_process_gets_no_secret_of_others(
    model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child's environment and arguments can be read by whoever may read its process."""
    monkeypatch.setenv("MPREPLAY_CONNECTION", f"mqtt://d:{WRONG}@h/p")
    monkeypatch.setenv("DB_PASSWORD", WRONG)
    with mp.simulate(model) as platform:
        process = Path(f"/proc/{platform._process.pid}")
        given = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        secret = platform.connection.device_secret.reveal()

    assert b"PYTHONPATH=" in given
    assert b"Zebra" not in given
    assert secret.encode() not in given
