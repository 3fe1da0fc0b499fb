"""The command line: what a scheduled script and a person at a terminal rely on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from brokers import CLIENTS_INSTALLED, free_port

import mpreplay as mp
from mpreplay.cli.commands import main
from mpreplay.cli.options import COMMANDS
from mpreplay.cli.speech import option
from mpreplay.errors import Argument
from mpreplay.fast.library import state
from mpreplay.protocol.messages import batch_reply_topic, batch_topic
from mpreplay.protocol.signature import sign_in

DATA = Path(__file__).parents[2] / "data"
MODEL = str(DATA / "wind_farm.model.json")
HISTORY = str(DATA / "wind_farm.parquet")
TURBINES = [("wind-turbine", name) for name in ("T01", "T02", "T03", "T04")]
COLUMNS = ["--time", "time", "--device", "turbine", "--product-key", "wind-turbine"]
KNOWN = ["--model", MODEL, *COLUMNS]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Yield a rehearsal platform to which MPREPLAY_CONNECTION points."""
    model = mp.ThingModel.load(MODEL)
    with mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
        yield platform


def test_the_demo_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    """The main job first: whoever installs mpreplay can see it work."""
    assert main(["demo"]) == 0

    shown = capsys.readouterr().out
    assert "NOT AS PLANTED" not in shown
    assert "equal to what was sent" in shown
    assert shown.splitlines()[-1].startswith("fast lane: o")


def test_the_demo_fails_where_a_value_misses_its_fate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A demonstration that cannot fail shows nothing."""
    from mpreplay import demo

    planted = demo.wind_farm()
    planted.invalid.pop()
    monkeypatch.setattr(demo, "wind_farm", lambda: planted)

    assert main(["demo"]) == 1
    assert "NOT AS PLANTED: the rejects" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version", "--verbose"], ["-v", "--version"]])
def test_the_version_tells_more_if_asked(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Whether the fast lane is used, and why, is the first thing to ask of a slow replay."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"mpreplay {mp.__version__}\n{state()}\n"


def test_validate_tells_what_is_wrong_and_ends_with_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A script may stop before anything is sent."""
    path = tmp_path / "violations.csv"
    assert main(["validate", HISTORY, *KNOWN, "--violations", str(path)]) == 1

    assert "5 Ot_avg range" in capsys.readouterr().out
    assert len(pd.read_csv(path)) == 8


def test_validate_shows_two_readings_of_the_same_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With both rows, and under the policy of the replay that is to follow."""
    path = tmp_path / "twice.parquet"
    time = pd.to_datetime(["2024-01-01", "2024-01-01"], utc=True)
    pd.DataFrame({"time": time, "turbine": "T01", "P_avg": [1.0, 2.0]}).to_parquet(path)
    command = ["validate", str(path), *KNOWN]

    assert main(command) == 1
    assert "1 in conflict" in (said := capsys.readouterr().out)
    assert "other row" in said
    assert main([*command, "--duplicates", "last"]) == 0


def test_an_option_is_spelled_as_it_is_typed() -> None:
    """What a message names can be pasted into the command."""
    assert option(Argument("tz")) == "--tz"
    assert option(Argument("ignore", ["a", "b"])) == "--ignore a --ignore b"
    assert option(Argument("points", {"a": "P"})) == "--column a=P"
    assert option(Argument("ignore", ["a b"])) == "--ignore 'a b'"
    texts = mp.TextFormat(delimiter=";", decimal=",", absent=("-", "Bad"), strip=True)
    assert option(Argument("text", texts)) == (
        "--delimiter ';' --decimal , --absent - --absent Bad --strip"
    )
    column = mp.Column("Run", values={"ON": 1, "OFF": 0}, absent=("-", "x"))
    assert option(Argument("points", {"Betrieb": column, "a": "P"})) == (
        "--column Betrieb=Run,values=ON:1/OFF:0,absent=-/x --column a=P"
    )
    wind = mp.Column("Ws", scale=0.1, suffix="m/s")
    assert option(Argument("points", {"Wind": wind})) == "--column Wind=Ws,scale=0.1,suffix=m/s"
    assert option(Argument("points", {"S": mp.Column("S", labels=True)})) == "--column S=S,labels"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--max-bytes", "5"], "--max-bytes must be a whole number of at least 256, got 5"),
        (["--window", "0"], "--window must be a whole number of at least 1"),
        (["--start", "soon"], "--start 'soon' (str) is not a time"),
        (["--start", "2024-01-02", "--end", "2024-01-01"], "must be before --end '2024-01-01'"),
        (["--device-key", "x"], "give --device or --device-key, not both"),
        (["--column", "a"], "--column a: expected two names with = between them"),
        (["--column", "a=P,sufix=m"], "--column a=P,sufix=m: 'sufix=m' is none of suffix=, scale="),
        (
            ["--column", "a=P scale=10"],
            "a=P scale=10: write a comma, without blanks, before 'scale",
        ),
        (["--column", "a=P,scale=x"], "'scale=x' is none of"),
        (["--column", "a=P,values=ON"], "'values=ON' is none of"),
        (["--delimiter", ";;"], "--delimiter must be one ASCII character"),
        (["--encoding", "utf9"], "--encoding utf9 is no encoding"),
        (["--plausible", "1980"], "--plausible 1980: expected FROM,TO"),
        (["--long", "a"], "--long a: expected POINT,VALUE or POINT,VALUE,QUALITY"),
    ],
)
def test_a_wrong_option_is_called_as_it_was_typed(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Names of Python arguments mean nothing to somebody at a shell."""
    monkeypatch.setenv("MPREPLAY_CONNECTION", "mqtt://gw-1:s@127.0.0.1:9/gateway")
    assert main(["replay", HISTORY, *KNOWN, *options]) == 2
    assert told in capsys.readouterr().err


def test_replay_ends_with_one_where_values_were_withheld(
    platform: object, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Zero is for runs in which every value was accepted, and only for those."""
    files = [f"--{name}={tmp_path / name}.parquet" for name in ("results", "rejects", "books")]
    command = ["replay", HISTORY, *KNOWN, "--on-invalid", "withhold", "--duplicates", "last"]
    assert main([*command, "--allow-offline-sub-device", *files]) == 1

    shown = capsys.readouterr().out
    assert "23,025 of 23,036 values accepted, 11 withheld" in shown
    assert "Ot_avg of 4 devices below its minimum of -60 °C" in shown
    assert len(pd.read_parquet(tmp_path / "rejects.parquet")) == 11
    assert pd.read_parquet(tmp_path / "books.parquet")["balanced"].all()


def test_replay_ends_with_zero_where_every_value_was_accepted(
    platform: object, tmp_path: Path
) -> None:
    """The only status on which a scheduler may go on."""
    frame = pd.read_parquet(HISTORY).head(400).drop_duplicates(["turbine", "time"])
    path = tmp_path / "good.parquet"
    frame[frame["Ot_avg"].between(-60, 60) & (frame["Ba_avg"] > -10)].to_parquet(path)
    journal = tmp_path / "run.db"
    command = ["replay", str(path), *KNOWN, "--allow-offline-sub-device", f"--journal={journal}"]

    assert main(command) == 0
    assert mp.open_run(journal).complete


def test_sub_devices_are_signed_in_from_a_file(tmp_path: Path) -> None:
    """Secrets come from a file or by reference, not from the command line."""
    model = mp.ThingModel.load(MODEL)
    with mp.simulate(model, sub_devices=TURBINES) as platform:
        secrets = {
            "/".join(device): platform.connection_for(*device).device_secret.reveal()
            for device in TURBINES
        }
        path = tmp_path / "secrets.json"
        path.write_text(json.dumps(secrets))
        uri = platform.connection.to_uri(reveal_secret=True)
        command = ["replay", HISTORY, *KNOWN, "--on-invalid=withhold", "--duplicates=first"]
        status = main([*command, "--sub-device-secrets", str(path), "--connection", uri])
        codes = set(platform.requests()["code"])

    assert status == 1
    assert codes == {200}


def _wrong(tmp_path: Path) -> dict[str, tuple[list[str], int, str]]:
    """Return commands that cannot work: arguments, exit status, what the error must say."""
    malformed = tmp_path / "malformed.json"
    malformed.write_text('{"thingMeasurepointMap": {"P_avg": {"$class": "x.TSLOddMeasurepoint"}}}')
    no_parquet = tmp_path / "readings.parquet"
    no_parquet.write_text("time,turbine\n")
    naive = tmp_path / "naive.parquet"
    frame = pd.read_parquet(HISTORY).head(5)
    frame.assign(time=frame["time"].dt.tz_localize(None)).to_parquet(naive)
    strange = tmp_path / "strange.parquet"
    frame.rename(columns={"P_avg": "Pavg"}).to_parquet(strange)
    gone = f"mqtt://gw-1:s@127.0.0.1:{free_port()}/gateway"
    return {
        "malformed model": (
            ["--model", str(malformed), *COLUMNS, HISTORY], 2, "P_avg.*unknown type 'Odd'",
        ),
        "no model": (
            ["--model", "none.json", *COLUMNS, HISTORY], 2, "none.json.*No such file.*JSON",
        ),
        "not Parquet": ([*KNOWN, str(no_parquet)], 2, "cannot be read as Parquet.*complete"),
        "no history": ([*KNOWN, "none.parquet"], 2, "none.parquet: there is no such file"),
        "naive times": ([*KNOWN, str(naive)], 2, "naive times.*row 0.*give --tz"),
        "strange column": (
            [*KNOWN, str(strange)], 2,
            "'Pavg' is not in the thing model.*nearest: P_avg.*--ignore",
        ),
        "closed port": (
            [*KNOWN, HISTORY], 3, "nothing listens.*host and port", gone,
        ),
        "unknown host": (
            [*KNOWN, HISTORY], 3, "unknown host: check the host name",
            "mqtts://gw-1:s@no-such-host.invalid/gateway",
        ),
        "no connection": ([*KNOWN, HISTORY], 2, "set MPREPLAY_CONNECTION to mqtt://"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["malformed model", "no model", "not Parquet", "no history", "naive times", "strange column",
     "closed port", "unknown host", "no connection"],
)  # fmt: skip
def test_what_cannot_work_ends_with_one_line_that_names_cause_and_remedy(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error at three in the morning tells what to do next, without a traceback."""
    arguments, status, told, *uri = _wrong(tmp_path)[name]
    options = ["--on-invalid=withhold", "--duplicates=last", "--allow-offline-sub-device"]
    monkeypatch.setenv("MPREPLAY_CONNECTION", (*uri, "mqtt://gw-1:s@127.0.0.1:9/gateway")[0])
    if name == "no connection":
        monkeypatch.delenv("MPREPLAY_CONNECTION")

    assert main(["replay", *arguments, *options]) == status
    shown = capsys.readouterr().err
    assert re.search(told, shown)
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("product", "device", "told"),
    [("gateway", "gw-1", "device secret is wrong"), ("gateway", "gw-2", "no such device")],
)
def test_a_refused_sign_in_says_what_to_check(
    platform: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    product: str, device: str, told: str,
) -> None:  # fmt: skip
    """A wrong secret and an unknown device look the same to the platform."""
    uri = f"mqtt://{device}:wrong-secret@127.0.0.1:{platform.port}/{product}"
    monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
    command = ["replay", HISTORY, *KNOWN, "--on-invalid=withhold", "--duplicates=last"]

    assert main([*command, "--allow-offline-sub-device"]) == 3
    shown = capsys.readouterr().err
    assert told in shown
    assert "wrong-secret" not in shown
    assert shown.count("\n") == 1


def test_help_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """Who has to scroll does not read."""
    for command in ([], *([name] for name in COMMANDS)):
        with pytest.raises(SystemExit) as end:
            main([*command, "--help"])
        assert end.value.code == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 50
        assert max(map(len, lines)) <= 100
        assert any(line.startswith(" ".join(["example: mpreplay", *command])) for line in lines)


def test_a_model_is_shown_converted_and_drafted(capsys: pytest.CaptureFixture[str]) -> None:
    """What the console exports can be read by people, and a first model is one command away."""
    assert main(["model", MODEL]) == 0
    assert "Ot_avg: FLOAT [-60, 60] degC  (Outdoor temperature)" in capsys.readouterr().out
    assert main(["model", MODEL, "--json"]) == 0
    assert mp.ThingModel.load(capsys.readouterr().out) == mp.ThingModel.load(MODEL)
    assert main(["model", HISTORY, "--draft", "--ignore", "turbine"]) == 0
    said = capsys.readouterr()
    assert mp.ThingModel.load(said.out).draft
    assert "mpreplay: left out: time (times or bytes)\n" in said.err
    described = ["--time", "time", "--device", "turbine", "--product-key", "p", "--devices", "T01"]
    assert main(["model", HISTORY, "--draft", "--ranges", *described]) == 0
    point = mp.ThingModel.load(capsys.readouterr().out).measurepoints["Ot_avg"]
    assert point.minimum is not None


def _mosquitto(program: str, platform: mp.Connection, *arguments: str) -> list[str]:
    fields = sign_in(
        platform.product_key, platform.device_key, platform.device_secret.reveal(),
        client_id="m", timestamp=1,
    )  # fmt: skip
    return [
        program, "-h", platform.host, "-p", str(platform.port), "-V", "311", "-q", "1",
        "-i", fields.client_id, "-u", fields.username, "-P", fields.password, *arguments,
    ]  # fmt: skip


@pytest.mark.mosquitto
@pytest.mark.skipif(not CLIENTS_INSTALLED, reason="mosquitto clients are not installed")
def test_simulate_serves_any_client_until_it_is_interrupted() -> None:
    """``mpreplay simulate`` prints how to connect; the plain mosquitto programs can."""
    command = [sys.executable, "-m", "mpreplay", "simulate", "--model", MODEL, "--no-connect-limit"]
    with subprocess.Popen(
        [*command, "--gateway", "wind-turbine/T01"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            connection = mp.Connection.from_uri(lines[2].strip())
            topic = batch_reply_topic(*connection.device)
            command = _mosquitto("mosquitto_rr", connection, "-t", batch_topic(*connection.device))
            entry = {"measurepoints": {"P_avg": 1.5}, "time": 1_700_000_000_000}
            request = {"id": "7", "version": "1.0", "params": [entry],
                       "method": "thing.measurepoint.resume.batch"}  # fmt: skip
            reply = subprocess.run(
                [*command, "-e", topic, "-m", json.dumps(request), "-W", "10"],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()

    assert json.loads(reply)["code"] == 200
    assert "1 values stored" in rest
    assert process.returncode == 0


def test_output_that_nobody_reads_is_no_error() -> None:
    """``mpreplay model … | head -1`` must not end in a traceback."""
    command = f"{sys.executable} -m mpreplay model {MODEL} | head -0"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=os.environ
    )

    assert "Traceback" not in done.stderr
