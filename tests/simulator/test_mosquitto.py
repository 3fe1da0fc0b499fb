"""The same replays behind a real broker: client and endpoint cannot be wrong in the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from brokers import MOSQUITTO_INSTALLED, mosquitto
from conftest import FARM, PRODUCT, history_of
from runner.test_replaying import check

import mpreplay as mp

pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(not MOSQUITTO_INSTALLED, reason="mosquitto is not installed"),
]

RESULTS = ["parent_id", "gateway", "n_entries", "n_values", "n_bytes", "first_time", "last_time",
           "attempts", "code", "meaning", "outcome"]  # fmt: skip


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """Run a real broker on loopback."""
    with mosquitto() as (host, port):
        yield f"mqtt://{host}:{port}"


def replayed(
    frame: pd.DataFrame, model: mp.ThingModel, behind: str | None,
    compression: Any = None, **options: Any,
) -> tuple[mp.Run, pd.DataFrame]:  # fmt: skip
    """Return a run and what the platform has after it."""
    with mp.simulate(model, sub_devices=FARM, online=[FARM[0]], behind=behind) as platform:
        to = dataclasses.replace(platform.connection, compression=compression)
        run = mp.replay(history_of(frame), model, to, **options)
        check(run, frame, platform)
        return run, platform.stored()


def numbered(results: pd.DataFrame) -> pd.DataFrame:
    """Return what is the same in every run, with parents by their place in the table."""
    places = {request_id: place for place, request_id in enumerate(results["request_id"])}
    return results[RESULTS].assign(parent_id=results["parent_id"].map(places))


@pytest.mark.filterwarnings("ignore::mpreplay.errors.ReplayWarning")
@pytest.mark.parametrize(
    "options",
    [
        {"allow_offline_sub_device": True},
        {"allow_offline_sub_device": False},
        {"allow_offline_sub_device": True, "skip_invalid_measurepoints": True},
        {"allow_offline_sub_device": True, "on_invalid": "withhold"},
    ],
    ids=["declined", "offline", "skipped", "withheld"],
)
def test_a_real_broker_makes_no_difference(
    broker: str, model: mp.ThingModel, frame: pd.DataFrame, options: dict[str, Any]
) -> None:
    """The same requests, the same outcomes, the same books, the same values stored."""
    frame.loc[[1, 6], "P"] = 9999.0
    options = {"on_invalid": "send", "limits": mp.Limits(max_entries=2, connects=None), **options}
    ours, stored = replayed(frame, model, None, **options)
    real, stored_there = replayed(frame, model, broker, **options)

    pd.testing.assert_frame_equal(numbered(ours.results), numbered(real.results))
    pd.testing.assert_frame_equal(ours.books, real.books)
    pd.testing.assert_frame_equal(
        ours.rejects.drop(columns="request_id"), real.rejects.drop(columns="request_id")
    )
    pd.testing.assert_frame_equal(stored, stored_there)
    assert ours.complete is real.complete is True


def test_compression_makes_no_difference_behind_a_real_broker(
    broker: str, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """Packed payloads are bytes like others to it; the replies come packed, too."""
    frame.loc[[1, 6], "P"] = 9999.0
    options: dict[str, Any] = {
        "on_invalid": "send", "allow_offline_sub_device": True,
        "limits": mp.Limits(max_entries=2, connects=None),
    }  # fmt: skip
    plain, stored = replayed(frame, model, broker, **options)
    packed, stored_packed = replayed(frame, model, broker, "gzip", **options)

    pd.testing.assert_frame_equal(numbered(plain.results), numbered(packed.results))
    pd.testing.assert_frame_equal(plain.books, packed.books)
    pd.testing.assert_frame_equal(
        plain.rejects.drop(columns="request_id"), packed.rejects.drop(columns="request_id")
    )
    pd.testing.assert_frame_equal(stored, stored_packed)
    assert packed.summary()["published_bytes_packed"] > 0
    assert packed.summary()["plain_replies"] == 0


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_sub_devices_are_signed_in_and_out_behind_a_real_broker(
    broker: str, model: mp.ThingModel, frame: pd.DataFrame, compression: Any
) -> None:
    """It keeps no session for them: only the logout itself can have signed them out."""
    with mp.simulate(model, sub_devices=FARM, behind=broker) as platform:
        to = dataclasses.replace(platform.connection, compression=compression)
        secrets = {device: platform.connection_for(*device).device_secret for device in FARM}
        limits = mp.Limits(connects=None)  # the gateway connected before, for another test
        first = mp.replay(history_of(frame), model, to, sub_device_secrets=secrets, limits=limits)
        with pytest.warns(mp.ReplayWarning):
            second = mp.replay(history_of(frame), model, to, limits=limits)

    assert first.summary()["accepted"] == 22
    assert set(second.results["code"]) == {1212}


def test_large_requests_pass_a_real_broker(broker: str, model: mp.ThingModel) -> None:
    """Half a megabyte a publish, a full window of them."""
    times = pd.date_range("2024-01-01", periods=40_000, freq="s", tz="UTC")
    frame = pd.DataFrame({"ts": times, "unit": "T1", "wind": range(40_000)}).assign(
        wind=lambda one: one["wind"] + 0.123456789
    )
    limits = mp.Limits(bytes_per_second=None, connects=None)
    with mp.simulate(model, sub_devices=FARM, behind=broker) as platform:
        run = mp.replay(
            history_of(frame), model, platform.connection, limits=limits,
            allow_offline_sub_device=True,
        )  # fmt: skip
        stored = platform.stored()

    assert run.complete
    assert run.results["n_bytes"].max() > 450_000
    assert (run.results["n_bytes"] < limits.max_bytes).all()
    assert set(stored["product_key"]) == {PRODUCT}
    assert stored["value"].tolist() == frame["wind"].tolist()
