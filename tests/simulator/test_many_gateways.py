"""One rehearsal platform serves many gateways, whose connections travel without their secrets."""

from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import pandas as pd
import pytest

import mpreplay as mp

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE")})
GATEWAYS = {
    ("gateway", "gw-1"): [("meter", "A"), ("meter", "B")],
    ("gateway", "gw-2"): [("meter", "C")],
    ("router", "gw-3"): [],
}


def history_of(*devices: str) -> mp.History:
    """Return a reading of each meter."""
    frame = pd.DataFrame({"ts": "2024-01-01T00:00:00Z", "meter": devices, "P": 1.5})
    return mp.read_history(frame, time_column="ts", device_column="meter", product_key="meter")


def test_each_gateway_reports_for_its_own_sub_devices() -> None:
    """A fleet is rehearsed in one process; a foreign sub-device is declined as on the platform."""
    with mp.simulate(MODEL, gateways=GATEWAYS, online=[("meter", n) for n in "ABC"]) as platform:
        connection = platform.connection_for("gateway", "gw-2")
        with pytest.warns(mp.ReplayWarning):  # they may be offline
            first = mp.replay(history_of("A", "B"), MODEL, platform.connection, progress=False)
            second = mp.replay(history_of("C", "A"), MODEL, connection, progress=False)
        stored, sessions = platform.stored(), platform.sessions()

    assert first.summary()["accepted"] == 2
    assert second.rejects[["device_key", "code"]].values.tolist() == [["A", 1212]]
    assert sorted(stored["device_key"]) == ["A", "B", "C"]
    assert sessions["device_key"].tolist() == ["gw-1", "gw-2"]


def test_a_gateway_of_another_product_may_have_sub_devices() -> None:
    """The product of a gateway is no constant of the platform."""
    with mp.simulate(
        MODEL, gateways={**GATEWAYS, ("router", "gw-3"): [("meter", "D")]}
    ) as platform:
        connection = platform.connection_for("router", "gw-3")
        secrets = {("meter", "D"): platform.connection_for("meter", "D").device_secret}
        run = mp.replay(
            history_of("D"), MODEL, connection, sub_device_secrets=secrets, progress=False
        )

    assert run.summary()["accepted"] == 1


def test_a_connection_of_the_platform_travels_without_its_secret() -> None:
    """Workers get a reference to a file that this user alone can read, and that is removed."""
    with mp.simulate(MODEL, gateways=GATEWAYS) as platform:
        connection = platform.connection_for("gateway", "gw-2")
        secret = connection.device_secret.reveal()
        sent = pickle.dumps(connection)
        path = Path((connection.device_secret.reference or "").removeprefix("file:"))

        assert secret.encode() not in sent
        assert pickle.loads(sent).device_secret.reveal() == secret
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.parent.exists()
