"""Job files: what they say is what the library does, and what is wrong in them is named."""

from __future__ import annotations

import os
import pickle
import re
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.demo import TURBINES, wind_farm, wind_farm_model

PRODUCT = "wind-turbine"
FARM = [(PRODUCT, name) for name in TURBINES]
DAY = {"start": "2024-03-01", "end": "2024-03-02"}
JOB = """
[source]
path = "history/*.parquet"
time = "time"
device = "turbine"
product_key = "wind-turbine"
[model]
path = "model.json"
[replay]
allow_offline_sub_device = true
on_invalid = "withhold"
duplicates = "last"
progress = false
"""


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    """Return a folder with a history and a thing model."""
    (tmp_path / "history").mkdir()
    wind_farm().frame.to_parquet(tmp_path / "history" / "farm.parquet")
    (tmp_path / "model.json").write_text(wind_farm_model().to_json(), "utf-8")
    return tmp_path


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a rehearsal platform to which MPREPLAY_CONNECTION points."""
    with mp.simulate(wind_farm_model(), sub_devices=FARM) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
        yield platform


def _job(folder: Path, text: str) -> mp.Job:
    path = folder / "job.toml"
    path.write_text(text, "utf-8")
    return mp.load_job(path)


def _refused(folder: Path, text: str) -> str:
    with pytest.raises(mp.ConfigError) as caught:
        _job(folder, text)
    return str(caught.value)


def test_a_job_does_what_it_says(farm: Path, platform: Any) -> None:
    """Paths are relative to the file, folders are made, names are filled in."""
    job = _job(
        farm,
        JOB
        + """
[journal]
folder = "kept/runs"
[output]
rejects = "rejects/{start:%Y-%m-%d}.csv"
books = "{job}/{start:%Y}/books.parquet"
report = "reports/{start:%Y-%m-%d}-{end:%d}.html"
[accept]
allow = ["superseded", "range"]
""",
    )
    run = job.replay(**DAY)

    assert run.complete
    assert run.path.parent == farm / "kept" / "runs"
    rejects = pd.read_csv(farm / "rejects" / "2024-03-01.csv")
    assert len(rejects) == len(run.rejects) > 0
    books = pd.read_parquet(farm / "job" / "2024" / "books.parquet")
    assert set(books["day"].dt.strftime("%Y-%m-%d")) == {"2024-03-01"}
    assert "<html" in (farm / "reports" / "2024-03-01-02.html").read_text("utf-8")
    assert (farm / "rejects" / "2024-03-01.csv").stat().st_mode & 0o077 == 0


def test_a_job_plans_and_validates_as_it_replays(farm: Path, platform: Any) -> None:
    """With the same policy, over the same interval."""
    job = _job(farm, JOB)
    plan, validation, run = job.plan(**DAY), job.validate(**DAY), job.replay(**DAY)

    assert plan.n_values == validation.n_values == run.summary()["read"]
    assert plan.n_withheld == validation.n_violations > 0
    assert validation.n_conflicts == plan.n_superseded


def test_a_job_says_what_its_calls_would_say(farm: Path, platform: Any) -> None:
    """The same requests as from Python, byte for byte, as far as their sizes tell."""
    run = _job(farm, JOB + "[limits]\nmax_entries = 7\nvalues_per_second = false").replay()
    history = mp.read_history(
        farm / "history/*.parquet", time_column="time", device_column="turbine", product_key=PRODUCT
    )
    by_hand = mp.replay(
        history, wind_farm_model(), platform.connection, on_invalid="withhold", duplicates="last",
        allow_offline_sub_device=True, limits=mp.Limits(max_entries=7),
    )  # fmt: skip

    columns = ["n_entries", "n_values", "n_bytes", "first_time", "last_time", "outcome"]
    pd.testing.assert_frame_equal(run.results[columns], by_hand.results[columns])


def test_what_is_not_accepted_fails_the_job_after_its_files_are_written(
    farm: Path, platform: Any
) -> None:
    """Whoever is called at night reads the rejects first."""
    job = _job(farm, JOB + '[output]\nrejects = "rejects.csv"\n[accept]\nat_most = 1')

    with pytest.raises(mp.ReplayFailed):
        job.replay()

    assert len(pd.read_csv(farm / "rejects.csv")) > 1


def test_a_job_that_is_interrupted_writes_its_files_and_raises(farm: Path, platform: Any) -> None:
    """The task is red, its rejects can be read, and the same call does the rest."""
    job = _job(
        farm,
        JOB
        + """
[journal]
folder = "runs"
key = "{start:%Y-%m-%d}"
[limits]
window = 1
max_entries = 2
values_per_second = 500
[output]
books = "books.csv"
""",
    )
    stop, told = threading.Event(), []

    def on_event(event: dict[str, Any]) -> None:
        told.append(event["event"])
        if event["accepted"]:
            stop.set()

    with pytest.raises(mp.Interrupted) as caught:
        job.replay(**DAY, stop=stop, on_event=on_event)
    kept = pd.read_csv(farm / "books.csv")["accepted"].sum()
    assert 0 < kept == caught.value.run.summary()["accepted"]
    text = (farm / "job.toml").read_text("utf-8").replace("values_per_second = 500", "")
    run = _job(farm, text).replay(**DAY)

    assert run.complete
    assert run.path == farm / "runs" / "2024-03-01.db"
    assert kept <= run.summary()["settled_before"]
    assert run.summary()["sent_now"] < run.summary()["accepted"]


def test_files_are_checked_before_anything_is_connected(farm: Path) -> None:
    """A day of sending must not end in a name that cannot be written."""
    wrong = {
        'rejects = "rejects.txt"': "must end in .csv or .parquet",
        'report = "report.pdf"': "must end in .html",
        'rejects = "job.toml/rejects.csv"': "cannot be made",
        'rejects = "history/rejects.parquet"': "would become part of the history",
        'rejects = "a.csv"\nbooks = "a.csv"': "collide",
        'rejects = "history.csv"\n': None,
    }
    for text, told in wrong.items():
        job = _job(farm, JOB + f"[connection]\nuri = 'env:NO_SUCH'\n[output]\n{text}")
        with pytest.raises(mp.ConfigError, match=told or "NO_SUCH"):
            job.replay()


def test_the_connection_may_refer_to_files_beside_the_job(farm: Path, platform: Any) -> None:
    """A secret lies in a file of its own, wherever the job is started from."""
    connection = platform.connection
    (farm / "secret.txt").write_text(connection.device_secret.reveal() + "\n")
    (farm / "uri.txt").write_text(connection.to_uri(reveal_secret=True))
    address = f"{connection.host}:{connection.port}"
    product, device = connection.device
    ways = [
        'uri = "file:uri.txt"',
        f'uri = "mqtt://{device}:file%3Asecret.txt@{address}/{product}"',
        f'host = "{connection.host}"\nport = {connection.port}\nproduct_key = "{product}"\n'
        f'device_key = "{device}"\ndevice_secret = "file:secret.txt"',
    ]
    for way in ways:
        assert _job(farm, f"{JOB}[connection]\n{way}").replay(**DAY).complete


def test_sub_devices_are_signed_in_by_references(
    farm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file names the variables, and holds no secret."""
    with mp.simulate(wind_farm_model(), sub_devices=FARM) as platform:
        monkeypatch.setenv("MPREPLAY_CONNECTION", platform.connection.to_uri(reveal_secret=True))
        told = "[connection.sub_device_secrets]\n"
        for product, name in FARM:
            secret = platform.connection_for(product, name).device_secret.reveal()
            monkeypatch.setenv(f"{name}_SECRET", secret)
            told += f'"{product}/{name}" = "env:{name}_SECRET"\n'
        run = _job(farm, JOB.replace("allow_offline_sub_device = true", "") + told).replay(**DAY)

    assert run.complete
    assert set(run.rejects["outcome"]) == {"withheld"}


SECRET = "hush-4711-hush"


@pytest.mark.parametrize(
    "text",
    [
        f'[connection]\nuri = "mqtts://gw-1:{SECRET}@example.com/gateway"',
        '[connection]\nhost = "h"\nproduct_key = "p"\ndevice_key = "d"\n'
        f'device_secret = "{SECRET}"',
        f'[connection.sub_device_secrets]\n"p/d" = "{SECRET}"',
        f'[connection]\nuri = "mqtts://gw-1:{SECRET}@example.com/gateway',
        f'[conection]\nuri = "mqtts://gw-1:{SECRET}@example.com/gateway"',
        f'[connection]\nuri = ["{SECRET}"]',
        f'[connection]\nsecret = "{SECRET}"',
        f'connection = "mqtts://gw-1:{SECRET}@example.com/gateway"',
        f'[connection.sub_device_secrets]\n"p/d" = """\n{SECRET}',
        f'[source.columns.a]\npoint = "a"\nwords = "s3://{SECRET}@bucket/a.parquet"',
        f'[journal]\nfolder = "mqtts://gw-1:{SECRET}@example.com/gateway"\nkey = 7',
    ],
)
def test_a_secret_in_a_job_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    """Neither in the message, nor in what an error tracker prints of the frames."""
    path = tmp_path / "job.toml"
    path.write_text(JOB + text, "utf-8")

    with pytest.raises(mp.ConfigError) as caught:
        mp.load_job(path)

    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [line for line in told.format() if "test_job.py" not in line]
    assert SECRET not in "".join(frames)
    assert SECRET not in repr(caught.value.__dict__)


def test_credentials_in_the_path_of_a_source_are_refused(tmp_path: Path) -> None:
    """Those of a store are secrets as those of the gateway are."""
    for path in (f"s3://key:{SECRET}@bucket/a.parquet", f"https://{SECRET}@host/a.csv"):
        told = _refused(tmp_path, JOB.replace("history/*.parquet", path))

        assert "without credentials, which belong in the environment" in told
        assert SECRET not in told


def test_a_plain_secret_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """The next thing to do is in the message."""
    told = _refused(tmp_path, JOB + '[connection]\nuri = "mqtts://gw-1:hush@example.com/gateway"')

    assert "[connection]: uri must be a reference" in told
    assert '"env:NAME" or "file:PATH"' in told
    assert "into a variable or a file of its own" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[source]\npth = 'a'\n[model]\npath = 'm'",
            r"\[source\]: there is no key 'pth' \(nearest: path",
        ),
        (JOB + "[limits]\nwndow = 3", r"\[limits\]: there is no key 'wndow' \(nearest: window"),
        (JOB + "[limitz]\nwindow = 3", r"the file: there is no table 'limitz' \(nearest: limits"),
        (JOB + "[limits]\nkey = 3", r"no key 'key' here; it belongs to \[journal\]"),
        (JOB + "[text]\ndecimal = ','", r"no table 'text' here; it is \[source.text\]"),
        (
            JOB + "[limits]\nwindow = '16'",
            r"window must be a whole number of at least 1, such as window = 16; got the text",
        ),
        (
            JOB + "[limits]\nwindow = 0",
            r"window must be a whole number of at least 1, .* got the number 0",
        ),
        (JOB + "[limits]\nwindow = true", r"such as window = 16; got true"),
        (
            JOB + "[accept]\nallow = 'superseded'",
            r"allow must be a list of checks, such as allow = \[",
        ),
        (
            JOB.replace('"withhold"', '"witheld"'),
            r"on_invalid must be \"raise\", \"withhold\" or \"send\"",
        ),
        (
            JOB + "[source.columns.Wind]\nsuffix = 'm/s'",
            r"\[source.columns.Wind\]: point is missing",
        ),
        (
            JOB + "[source.columns.Wind]\npoint = 'P'\nsufix = 'm/s'",
            r"\[source.columns.Wind\]: there is no key 'sufix' \(nearest: suffix",
        ),
        (JOB + "[journal]\nkey = 'a'", r"\[journal\]: folder or file is missing"),
        (
            JOB + "[journal]\nfolder = 'a'\nfile = 'b'",
            r"\[journal\]: folder and file exclude each other",
        ),
        (
            JOB + "[fleet]\ntopology='a'\nfolder='b'\n[connection]\nuri='env:A'",
            "fleet and connection exclude",
        ),
        (
            JOB + "[connection]\nhost = 'h'",
            "host needs product_key and device_key and device_secret",
        ),
        ("", r"the table \[source\] is missing: the readings"),
        (JOB + "[limits]\nwindow 16", r"line \d+, column 8: .*: window 16"),
        (JOB + "[limits]\nwindow = 16\nwindow = 17", r"line \d+, .*: window = 17"),
        (JOB + "[accept]\nallow = [", r"line \d+"),
        ("a = " + "[" * 10_000, "too deep"),
        ("a = " + "9" * 10_000, "too many digits"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    """With the table, the key, what was expected, and what stands near."""
    message = _refused(tmp_path, text)

    assert message.startswith(str(tmp_path / "job.toml"))
    assert re.search(told, message), message
    assert "\n" not in message


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """One round to mend them."""
    told = _refused(tmp_path, JOB + "[limits]\nwindow = 0\nattempts = 0\n[accept]\nat_most = -1")

    assert all(name in told for name in ("window", "attempts", "at_most"))


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """An editor of another system."""
    path = tmp_path / "job.toml"
    path.write_bytes('[source]\npath = "Gerät.csv"'.encode("cp1252"))

    with pytest.raises(mp.ConfigError, match="line 2: not UTF-8"):
        mp.load_job(path)


def test_a_byte_order_mark_and_foreign_line_ends_are_no_fault(farm: Path) -> None:
    """An editor of another system, once more."""
    path = farm / "job.toml"
    path.write_bytes(b"\xef\xbb\xbf" + JOB.replace("\n", "\r\n").encode())

    assert mp.load_job(path).validate(**DAY).n_values > 0


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{strt:%Y}.csv", r"there is no \{strt\} \(nearest: start"),
        ("{start.year}.csv", "there is no {start.year}"),
        ("{start!r}.csv", "no '!'"),
        ("{key}.csv", r"\{key\} has no value; name it, key = "),
        ("{end:%d}.csv", r"\{end\} has no value; give the interval, --end TIME"),
        ("{job:%d}.csv", "is a form of times"),
        ("{0}.csv", "there is no {0}"),
        ("{.csv", "stands for a brace"),
        ("}.csv", "stands for a brace"),
    ],
)
def test_a_template_that_cannot_be_filled_is_named(farm: Path, template: str, told: str) -> None:
    """Before anything is connected, and with the remedy."""
    job = _job(farm, f"{JOB}[output]\nrejects = '{template}'")

    with pytest.raises(mp.ConfigError, match=told) as caught:
        job.replay(start="2024-03-01")
    assert "[output] rejects" in str(caught.value)


def test_one_source_of_many_is_named_by_its_interval(farm: Path, platform: Any) -> None:
    """A file a day is how many historians export."""
    days = farm / "days"
    days.mkdir()
    for day, rows in wind_farm().frame.groupby(wind_farm().frame["time"].dt.date):
        rows.to_parquet(days / f"{day}.parquet")
    text = JOB.replace("history/*.parquet", "days/{start:%Y-%m-%d}.parquet")

    run = _job(farm, text).replay(**DAY)

    assert run.complete
    assert set(run.results["last_time"].dt.date.astype(str)) == {"2024-03-01"}


def test_every_way_to_read_a_file_can_be_told(tmp_path: Path) -> None:
    """The messy export of the field, in a job: as Python reads it."""
    (tmp_path / "export.csv").write_bytes(
        "Zeit;Anlage;Leistung [kW];Wind;Betrieb;Rest\n"
        "01.03.2024 00:10;A;1,5;7,1 m/s;ON;x\n01.03.2024 00:20;B;Bad;7,2 m/s;OFF;y\n"
        .encode("cp1252")
    )  # fmt: skip
    model = mp.ThingModel(
        "M", {"P": mp.Measurepoint("P", "FLOAT"), "W": mp.Measurepoint("W", "FLOAT"),
              "R": mp.Measurepoint("R", "INT")},
    )  # fmt: skip
    (tmp_path / "model.json").write_text(model.to_json(), "utf-8")
    job = _job(
        tmp_path,
        """
[source]
path = ["export.csv"]
time = "Zeit"
time_format = "%d.%m.%Y %H:%M"
tz = "Europe/Berlin"
ambiguous = "infer"
nonexistent = "shift_forward"
plausible = ["2000-01-01", false]
device = "Anlage"
product_key = "wea"
devices = ["A", ["wea", "B"]]
only = true
start = 2024-02-29T22:00:00Z
end = 2024-03-02
[source.text]
delimiter = ";"
decimal = ","
encoding = "cp1252"
absent = ["-", "Bad"]
strip = true
[source.points]
"Leistung [kW]" = "P"
[source.columns.Wind]
point = "W"
suffix = "m/s"
[source.columns.Betrieb]
point = "R"
values = { ON = 1, OFF = 0 }
[model.products]
wea = "model.json"
""",
    )
    validation = job.validate()

    assert validation.ok
    assert validation.n_values == 5


def test_errors_of_the_library_name_the_keys_of_the_file(farm: Path) -> None:
    """Its reader has no Python in front of them."""
    job = _job(farm, JOB.replace('time = "time"\n', ""))

    with pytest.raises(mp.HistoryError) as caught:
        job.validate()

    assert "time of [source]" in str(caught.value)
    assert "time_column=" not in str(caught.value)


def test_the_interval_of_a_call_goes_before_that_of_the_file(farm: Path) -> None:
    """The file has what is the same every night."""
    job = _job(farm, JOB.replace("[model]", 'start = "2024-03-02"\nend = 2024-03-03\n[model]'))

    assert job.plan().n_values < job.plan(start="2024-03-01").n_values
    assert job.plan(start="2024-03-02T12:00").n_values < job.plan().n_values


def test_a_job_of_many_gateways_is_a_fleet(farm: Path) -> None:
    """The same file, and a table of gateways."""
    halves = {"north": FARM[:2], "south": FARM[2:]}
    gateways = {("gateway", name): devices for name, devices in halves.items()}
    with mp.simulate(wind_farm_model(), gateways=gateways, online=FARM) as platform:
        rows = [
            (name, _reference(platform.connection_for("gateway", name)), *device)
            for name, devices in halves.items()
            for device in devices
        ]
        columns = ["gateway", "connection", "product_key", "device_key"]
        pd.DataFrame(rows, columns=columns).to_csv(farm / "topology.csv", index=False)
        run = _job(
            farm,
            JOB
            + """
[fleet]
topology = "topology.csv"
folder = "fleets/{start:%Y-%m-%d}"
values_per_second = 1000000
[output]
rejects = "rejects.csv"
report = "fleet.html"
""",
        ).replay(**DAY)

    assert run.complete
    assert run.path == farm / "fleets" / "2024-03-01"
    assert set(run.status["gateway"]) == {"north", "south"}
    assert len(pd.read_csv(farm / "rejects.csv")) == len(run.rejects)


def _reference(connection: Any) -> str:
    """Return the URI of a connection whose secret is a reference."""
    from urllib.parse import quote

    reference = quote(connection.device_secret.reference, safe="")
    product, device = connection.device
    return f"mqtt://{device}:{reference}@{connection.host}:{connection.port}/{product}"


def test_a_job_is_shown_without_secrets(farm: Path) -> None:
    """It names the file and what is read."""
    job = _job(farm, JOB + '[connection]\nuri = "env:A"')

    assert repr(job) == f"Job({str(farm / 'job.toml')!r}: history/*.parquet through a gateway)"
    assert pickle.loads(pickle.dumps(job)).path == job.path


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The permissions of another user."""
    path = tmp_path / "job.toml"
    path.touch(mode=0o000)

    with pytest.raises(mp.ConfigError, match="cannot be read"):
        mp.load_job(path)
