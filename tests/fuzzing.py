"""Targets of the fuzzers: each takes bytes from outside, and fails on anything but an answer.

``tests/test_fuzzing.py`` runs the targets under hypothesis, ``tests/fuzz.py`` under atheris.
An error of mpreplay is an answer; an error of any other kind is a finding.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from scripted import always, scripted_replay

import mpreplay as mp
from mpreplay.errors import PlatformError
from mpreplay.protocol.messages import decode_reply
from mpreplay.simulator.mqtt import Connect, Decoder, PacketError, Publish, Subscribe, encode

MODEL = mp.ThingModel(
    "M",
    {
        "P": mp.Measurepoint("P", "FLOAT", minimum=0, maximum=50),
        "S": mp.Measurepoint("S", "STRING", max_length=8),
    },
)


class Target(NamedTuple):
    """A door for bytes, and examples of what comes in."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def _reply(data: bytes) -> None:
    """Read an answer: accepted only if it says so in plain JSON."""
    try:
        reply = decode_reply(data)
    except PlatformError:
        return
    assert isinstance(reply.request_id, str)
    assert isinstance(reply.message, str)
    if reply.code == 200:
        assert json.loads(data)["code"] in (200, "200")


def _model(data: bytes) -> None:
    try:
        model = mp.ThingModel.load(data)
    except mp.ConfigError as error:
        assert len(str(error)) < 2_000
    else:
        assert mp.ThingModel.load(model.to_json()) == model
        model.schema()


def _uri(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        connection = mp.Connection.from_uri(text)
    except mp.ConfigError:
        return
    again = mp.Connection.from_uri(connection.to_uri(reveal_secret=True))
    assert again.device == connection.device
    assert (again.host, again.port) == (connection.host, connection.port)


def _rejects(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rejects.csv"
        path.write_bytes(data)
        with suppress(mp.HistoryError, mp.ConfigError):
            mp.validate(mp.read_history(path), MODEL)


def _journal(data: bytes) -> None:
    """Read everything that a damaged journal still says."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", mp.ReplayWarning)
        path = Path(folder) / "run.db"
        path.write_bytes(edited(_run()[0].read_bytes(), data))
        with suppress(mp.JournalError, mp.ConfigError):
            run = mp.open_run(path)
            for table in ("results", "rejects", "books", "causes"):
                assert isinstance(getattr(run, table), pd.DataFrame)
            assert isinstance(run.summary(), dict)
            run.touched(), repr(run), run._repr_html_()
            run.report(Path(folder) / "page.html")


def _audit(data: bytes) -> None:
    """Find every edit of an audit."""
    _, kept, head = _run()
    with tempfile.TemporaryDirectory() as folder:
        audit = Path(shutil.copytree(kept, Path(folder) / "audit"))
        files = sorted(audit.iterdir())
        path = files[data[0] % len(files)] if data else files[0]
        written = path.read_bytes()
        path.write_bytes(edited(written, data[1:]))
        is_same = path.read_bytes() == written
        try:
            found = mp.verify_audit(audit, head=head)
        except mp.ConfigError:
            assert not is_same
        else:
            assert bool(len(found)) is not is_same


def _job(data: bytes) -> None:
    """Read a job file, as far as it goes without a connection."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.toml"
        path.write_bytes(data)
        try:
            job = mp.load_job(path)
            repr(job)
            job.arguments("2024-03-01", "2024-03-02").limits_of()
            job.validate("2024-03-01", "2024-03-02")
        except (mp.ConfigError, mp.HistoryError) as error:
            assert len(str(error)) < 4_000


def _packets(data: bytes) -> None:
    """Decode bytes in one piece and in two: the packets are the same."""
    half = len(data) // 2
    assert _decoded(data) == _decoded(data[:half], data[half:])


def _decoded(*pieces: bytes) -> list[object] | None:
    """Return the packets in a stream, or None if it is not MQTT."""
    decoder = Decoder()
    try:
        return [packet for piece in pieces for packet in decoder.feed(piece)]
    except PacketError:
        return None


def edited(written: bytes, script: bytes) -> bytes:
    """Return bytes with an edit for each four bytes of a script: a place, a kind, a byte."""
    made = bytearray(written)
    for n in range(0, len(script) - 3, 4):
        high, low, kind, byte = script[n : n + 4]
        place = (high << 8 | low) * max(1, len(made)) >> 16
        if kind % 8 == 0:
            del made[place:]
        elif kind % 8 == 1:
            del made[place : place + byte]
        elif kind % 8 == 2:
            made[place:place] = bytes([byte]) * (kind // 8 + 1)
        elif made:
            made[place % len(made)] ^= byte
    return bytes(made)


@cache
def _run() -> tuple[Path, Path, str]:
    """Return the journal of a run with rejects, its audit, and the head of the audit."""
    folder = Path(tempfile.mkdtemp(prefix="mpreplay-fuzz-"))
    time = pd.date_range("2024-01-01", periods=12, freq="h", tz="UTC")
    frame = pd.DataFrame({"P": [*range(11), 99.0], "S": list("abcdefghijkl")}, index=time)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", str(folder / "state"))

        def declines(n: int, _message: object) -> object:
            return [(0.0, 1204)] if n == 2 else always(n, None)

        run, _ = scripted_replay(
            patch, declines, mp.read_history(frame), MODEL, on_invalid="withhold", isolate=False,
            journal=folder / "run.db", limits=mp.Limits(max_entries=3, window=1),
        )  # fmt: skip
    head = run.audit(folder / "audit")
    return folder / "run.db", folder / "audit", head


def _rejects_seeds() -> list[bytes]:
    run = mp.open_run(_run()[0])
    return [run.rejects.to_csv(index=False).encode(), run.rejects.head(0).to_csv(sep=";").encode()]


def _model_seeds() -> list[bytes]:
    point = '{"identifier":"p","dataType":"ENUM","enumType":"INT","enumDesc":{"1":{}},"unit":"kW"}'
    return [
        MODEL.to_json().encode(),
        f'{{"thingMeasurepointMap":{{"p":{point}}},"thingModelName":{{"i18nValue":{{}}}}}}'.encode(),
        f'[{{"elementType":["MEASUREPOINT"],{point[1:]}]'.encode(),
        b'{"measurepoints":{"s":{"dataType":"STRUCT","items":[{"identifier":"x","dataType":"INT"}]}}}',
    ]


def _packet_seeds() -> list[bytes]:
    publish = Publish("/sys/p/d/thing/measurepoint/resume/batch", b'{"id":"1"}', 1, 7)
    connect = Connect(level=4, client_id="c", username="u", password="p", keepalive=60)
    packets = [connect, Subscribe(1, (("a/b", 1),)), publish]
    return [encode(packet) for packet in packets] + [b"".join(map(encode, packets))]


def _job_seeds() -> list[bytes]:
    example = Path(mp.__file__).parent / "jobs" / "example.toml"
    text = example.read_text("utf-8")
    secret = (
        '[source]\npath = "a.csv"\n[model]\npath = "m"\n[connection]\nuri = "mqtt://g:hush@h/p"'
    )
    return [text.encode(), text.replace("\n# ", "\n").encode(), secret.encode()]


TARGETS = {
    "reply": Target(_reply, lambda: [
        b'{"id":"1","code":200,"data":{},"message":""}', b'{"id":7,"code":"1204","data":[1]}',
    ]),
    "model": Target(_model, _model_seeds),
    "uri": Target(_uri, lambda: [
        b"mqtt://gw-1:s3cr3t@127.0.0.1:1883/gateway", b"mqtts://d%2F1:env:NAME@[::1]/p?ca_file=x",
    ]),
    "rejects": Target(_rejects, _rejects_seeds),
    "journal": Target(_journal, lambda: [bytes(8), b"\x10\x00\x03\x01", b"\x80\x00\x01\x40"]),
    "audit": Target(_audit, lambda: [b"\0", b"\1\x80\x00\x03\x01", b"\4\x20\x00\x00\x00"]),
    "job": Target(_job, _job_seeds),
    "packets": Target(_packets, _packet_seeds),
}  # fmt: skip
