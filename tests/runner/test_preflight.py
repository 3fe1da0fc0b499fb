"""The trial of a connection: what is refused is told before a night's run, and nothing is sent."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from brokers import free_port
from conftest import FARM

import mpreplay as mp
from mpreplay.journal.locks import Lease
from mpreplay.runner import preflight

LIMITS = mp.Limits(connects=None)


def secrets_of(platform: Any) -> dict[tuple[str, str], Any]:
    """Return the secrets of the sub-devices."""
    return {device: platform.connection_for(*device).device_secret for device in FARM}


def test_a_trial_signs_in_and_out_and_sends_no_readings(platform: Any) -> None:
    """It may be done against production at noon."""
    found = mp.check(platform.connection, secrets_of(platform), limits=LIMITS)

    assert found.ok
    assert found.table["step"].tolist() == ["connect", "sign_in", "sign_in"]
    assert repr(found) == "Preflight(gateway/gw-1 signed in, and 2 sub-devices through it)"
    assert platform.stored().empty
    assert platform.requests().empty
    assert platform.sessions()["ended_at"].notna().all()


def test_the_sub_devices_are_signed_out_again(
    platform: Any, history: mp.History, model: mp.ThingModel
) -> None:
    """What the platform says of them afterwards is what it said before."""
    mp.check(platform.connection, secrets_of(platform), limits=LIMITS)
    with pytest.warns(mp.ReplayWarning, match="not signed in"):
        run = mp.replay(history, model, platform.connection, limits=LIMITS, progress=False)

    assert set(run.results["code"].dropna()) == {1212}


def test_a_refused_sub_device_is_told_with_its_code(platform: Any) -> None:
    """One of many secrets is wrong, and nobody should have to look for it."""
    wrong = secrets_of(platform) | {FARM[1]: "wrong"}
    found = mp.check(platform.connection, wrong, limits=LIMITS)

    assert not found.ok
    assert found.refused["device_key"].tolist() == ["T2"]
    assert found.refused["code"].notna().all()
    assert "1 of 2 sub-devices refused" in repr(found)
    assert "wrong" not in found._repr_html_()


@pytest.mark.parametrize("kind", ["secret", "port", "lease"])
def test_no_connection_is_an_outcome_and_no_exception(kind: str, platform: Any) -> None:
    """A table of many gateways is made of the answers."""
    host = platform.connection.host
    given = {"product_key": "gateway", "device_key": "gw-1"}
    if kind == "lease":
        with Lease(platform.connection, "another"):
            found = mp.check(platform.connection, limits=LIMITS)
    elif kind == "port":
        found = mp.check(mp.Connection(host, free_port(), device_secret="s", **given))
    else:
        port = platform.connection.port
        found = mp.check(mp.Connection(host, port, device_secret="Zebra", **given), limits=LIMITS)

    assert not found.ok
    assert repr(found).endswith("could not connect)")
    told = {"secret": "device secret is wrong", "port": "nothing listens", "lease": "in use by"}
    assert told[kind] in found.refused["told"].iloc[0]
    assert "Zebra" not in found.refused["told"].iloc[0]


def test_a_reference_that_leads_nowhere_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said of the caller's argument, and not of the platform."""
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(mp.ConfigError, match="NO_SUCH"):
        mp.check("mqtt://gw-1:env%3ANO_SUCH@127.0.0.1/gateway")


def test_a_trial_heeds_the_connect_limit(platform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that connects too often is blocked, and the night's run with it."""
    slept: list[float] = []
    now = [time.time()]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    clock = SimpleNamespace(**vars(time) | {"time": lambda: now[0], "sleep": sleep})
    monkeypatch.setattr(preflight, "time", clock)
    limits = mp.Limits(connects=2, connect_period=60)
    for _ in range(3):
        assert mp.check(platform.connection, limits=limits).ok

    assert 55 < sum(slept) < 65
