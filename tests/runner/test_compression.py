"""Whole replays over a compressed connection: nothing differs from a plain one but the wire."""

from __future__ import annotations

import dataclasses
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import FARM, history_of
from conversation.test_packing import bomb
from runner.test_replaying import check
from scripted import GATEWAY, Clock, Killed, Scripted, always, scripted_replay

import mpreplay as mp
from mpreplay.conversation.transport import Acknowledged, Message
from mpreplay.protocol import compression
from mpreplay.protocol.compression import is_packed, pack, unpack

PACKED = dataclasses.replace(GATEWAY, compression="gzip")
SAME = ["n_entries", "n_values", "n_bytes", "first_time", "last_time", "attempts", "code",
        "meaning", "outcome"]  # fmt: skip
SOLO = mp.Limits(max_entries=1, window=1, give_up_after=None, attempts=2)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Let each test find out anew which library packs."""
    compression._fastest.cache_clear()
    yield
    compression._fastest.cache_clear()


def other_library(patch: pytest.MonkeyPatch) -> None:
    """Let ``isal`` be at hand, in name: a library that packs into other bytes than zlib."""
    stand_in = SimpleNamespace(compressobj=lambda *_: zlib.compressobj(0, zlib.DEFLATED, 31))
    patch.setitem(sys.modules, "isal", SimpleNamespace(isal_zlib=stand_in))
    compression._fastest.cache_clear()


class Packing(Scripted):
    """A scripted platform that speaks GZIP, and keeps what travelled."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.travelled: list[bytes] = []
        self.at: list[float] = []

    def publish(self, topic: str, payload: bytes) -> None:
        """Unpack a message, and ask the script."""
        self.travelled.append(payload)
        self.at.append(self.clock.at)
        super().publish(topic, unpack(payload))

    def receive(self, timeout: float) -> Any:
        """Pack what is received."""
        event = super().receive(timeout)
        return event._replace(payload=pack(event.payload)) if isinstance(event, Message) else event


class Deaf(Scripted):
    """A platform that knows nothing of compression: what it cannot read has no id."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Ask the script, or say that this is no JSON."""
        payload = bytes(payload)
        if is_packed(payload):
            self._later(0.0, Acknowledged(topic))
            self._later(0.0, Message(f"{topic}_reply", b'{"id":"","code":1220}'))
        else:
            super().publish(topic, payload)


class Half(Scripted):
    """A platform that unpacks, and answers in plain."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Unpack a message, and ask the script."""
        super().publish(topic, unpack(payload))


@pytest.fixture
def replay(
    monkeypatch: pytest.MonkeyPatch, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> Any:
    """Replay the farm along a script, packed."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    clock = Clock(1_700_000_000.0)

    def run(kind: type[Scripted] = Packing, script: Any = always, **options: Any) -> Any:
        given = {"connection": PACKED, "limits": SOLO, "clock": clock, "kind": kind, **options}
        clock.at += 1_000.0
        return scripted_replay(monkeypatch, script, given.pop("history", history), model, **given)

    return run


def numbered(results: pd.DataFrame) -> pd.DataFrame:
    """Return what is the same in every run, with parents by their place in the table."""
    places = {request_id: place for place, request_id in enumerate(results["request_id"])}
    return results[SAME].assign(parent_id=results["parent_id"].map(places))


@pytest.mark.parametrize(
    "options",
    [
        {"allow_offline_sub_device": True},
        {"allow_offline_sub_device": True, "skip_invalid_measurepoints": True},
        {"allow_offline_sub_device": True, "on_invalid": "withhold"},
        {"sub_device_secrets": True},
    ],
    ids=["isolated", "skipped", "withheld", "signed in"],
)
def test_a_compressed_connection_makes_no_difference(
    model: mp.ThingModel, frame: pd.DataFrame, options: dict[str, Any]
) -> None:
    """The same requests, outcomes, rejects, books and values stored; sub-devices sign in, too."""
    frame.loc[[1, 6], "P"] = 9999.0
    ends = []
    for word in (None, "gzip"):
        with mp.simulate(model, sub_devices=FARM) as platform:
            to = dataclasses.replace(platform.connection, compression=word)
            secrets = {one: platform.connection_for(*one).device_secret for one in FARM}
            given = {"on_invalid": "send", "limits": mp.Limits(max_entries=2), **options}
            given |= {"sub_device_secrets": secrets} if "sub_device_secrets" in given else {}
            run = mp.replay(history_of(frame), model, to, progress=False, **given)
            check(run, frame, platform)
            ends.append((run, platform.stored(), platform.requests()["n_bytes"]))
    (plain, stored, n_bytes), (packed, stored_packed, n_bytes_packed) = ends

    assert plain.complete is packed.complete is True
    pd.testing.assert_frame_equal(numbered(plain.results), numbered(packed.results))
    pd.testing.assert_frame_equal(plain.books, packed.books)
    assert list(plain.rejects.columns) == list(packed.rejects.columns)
    pd.testing.assert_frame_equal(
        plain.rejects.drop(columns="request_id"), packed.rejects.drop(columns="request_id")
    )
    pd.testing.assert_frame_equal(stored, stored_packed)
    pd.testing.assert_series_equal(n_bytes, n_bytes_packed)
    summary = packed.summary()
    assert summary["published_bytes_packed"] > 0
    assert summary["plain_replies"] == 0
    assert "published_bytes_packed" not in plain.summary()


def test_the_rate_counts_what_is_on_the_wire(replay: Any) -> None:
    """At the platform's limit, a packed request takes its packed size of a second, and no more."""
    n = 6_000
    times = pd.date_range("2024-01-01", periods=n, freq="s", tz="UTC")
    frame = pd.DataFrame({"ts": times, "unit": "T1", "wind": np.arange(n) / 8})
    limits = mp.Limits(max_bytes=20_000, bytes_per_second=20_000)
    run, transport = replay(history=history_of(frame), limits=limits)
    sizes = [len(one) for one in transport.travelled]

    assert run.complete
    assert run.results["n_bytes"].max() < limits.max_bytes  # before packing
    assert run.summary()["published_bytes_packed"] == sum(sizes)
    assert sum(sizes) < run.results["n_bytes"].sum() / 4
    took = transport.at[-1] - transport.at[0]
    least = (sum(sizes[:-1]) - 0.1 * limits.bytes_per_second) / limits.bytes_per_second
    assert took == pytest.approx(least, rel=0.05)


def test_a_retry_is_the_same_packed_bytes(replay: Any) -> None:
    """Identical bytes under the same id: the platform overwrites what it had."""
    run, transport = replay(script=lambda n, _: [] if n == 1 else None)

    first, again = (n for n, one in enumerate(transport.ids) if one == transport.ids[0])
    assert transport.travelled[first] == transport.travelled[again]
    assert run.complete


def test_a_killed_run_is_continued_by_another_library(
    replay: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has the digests of plain bytes: what unpacks to the same is the same."""

    def script(n: int, _message: Any) -> None:
        if n == 3:
            raise Killed

    last: list[Packing] = []

    class Remembered(Packing):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            last.append(self)

    journal = tmp_path / "run.db"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("mpreplay.runner.driver.Driver._note_end", lambda _: None)
        replay(Remembered, script, journal=journal)
    other_library(monkeypatch)
    run, transport = replay(journal=journal)

    assert run.complete
    assert transport.ids[0] == last[0].ids[2]
    assert unpack(transport.travelled[0]) == unpack(last[0].travelled[2])
    assert transport.travelled[0] != last[0].travelled[2]
    both = sum(len(one) for one in transport.travelled + last[0].travelled[:2])
    assert both <= run.summary()["published_bytes_packed"] <= both + len(last[0].travelled[2])


def test_a_run_begun_packed_is_continued_in_plain(replay: Any, tmp_path: Path) -> None:
    """Whoever sees that the platform does not like it takes it back: the requests are the same."""

    def script(n: int, _message: Any) -> None:
        if n == 3:
            raise Killed

    journal = tmp_path / "run.db"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("mpreplay.runner.driver.Driver._note_end", lambda _: None)
        replay(script=script, journal=journal)
    run, transport = replay(Scripted, journal=journal, connection=GATEWAY)

    assert run.complete
    assert len(transport.published) == len(run.results) - 2
    assert run.summary()["published_bytes_packed"] > 0


def test_a_platform_that_answers_in_plain_is_named_and_served(
    replay: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log at the first reply, in the summary, and in the report."""
    run, _ = replay(Half)

    assert run.complete
    assert run.summary()["plain_replies"] == len(run.results)
    assert caplog.text.count("the platform answers in plain") == 1
    assert set(run.results["attempts"]) == {1}


def test_a_platform_that_does_not_unpack_gets_it_in_plain(
    replay: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its first reply names no request; the retry of that request is plain, and accepted."""
    run, _ = replay(Deaf)

    assert run.complete
    assert "from here on, all travel in plain" in caplog.text
    assert run.results["attempts"].tolist() == [2] + [1] * (len(run.results) - 1)
    assert run.summary()["strangers"] == 1


def test_a_reply_that_unpacks_to_gigabytes_costs_one_retry(replay: Any) -> None:
    """It is not unpacked beyond the bound; its request is asked for again."""

    class Bombing(Packing):
        def receive(self, timeout: float) -> Any:
            event = super().receive(timeout)
            is_first = isinstance(event, Message) and len(self.published) == 1
            return event._replace(payload=bomb(2_000)) if is_first else event

    run, transport = replay(Bombing)

    assert run.complete
    assert run.summary()["broken_replies"] == 1
    assert transport.ids.count(transport.ids[0]) == 2


def test_the_report_tells_both_sizes(replay: Any, tmp_path: Path) -> None:
    """Sizes of requests are those before packing, and the limit those after."""
    run, _ = replay(Half)
    run.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")

    assert f"{run.summary()['published_bytes_packed']:,} bytes as it travelled, packed" in page
    assert "came in plain, though packing was asked for" in page
