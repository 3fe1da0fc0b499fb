"""A topology names each device once, and holds no secret."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.fleet.topology import connection_of, topology_of

URI = "mqtt://gw-1:env%3AGW1@localhost:1883/gateway"
DEVICES = [("meter", "M1"), ("meter", "M2")]
PLAIN = "made-up-secret-of-a-gateway"


def test_a_gateway_takes_references_only() -> None:
    """Its parts travel to other processes, where a secret could be read from the bytes."""
    for plain in (
        f"mqtt://gw-1:{PLAIN}@localhost:1883/gateway",
        mp.Connection("localhost", 1883, "gateway", "gw-1", PLAIN),
    ):
        with pytest.raises(mp.ConfigError, match="give env:NAME or file:PATH") as caught:
            mp.Gateway(plain, DEVICES)
        assert PLAIN not in str(caught.value)
    with pytest.raises(mp.ConfigError, match="sub_device_secrets: the secrets of a fleet"):
        mp.Gateway(URI, DEVICES, {("meter", "M1"): PLAIN})
    assert PLAIN.encode() not in pickle.dumps(mp.Gateway(URI, DEVICES))


def test_a_connection_may_be_a_reference_as_a_whole(tmp_path: Path) -> None:
    """A URI with its secret stands in a variable or a file, and is read where it is used."""
    (tmp_path / "uri").write_text(f"mqtt://gw-1:{PLAIN}@localhost:1883/gateway\n")
    gateway = mp.Gateway(f"file:{tmp_path / 'uri'}", DEVICES)

    assert PLAIN.encode() not in pickle.dumps(gateway)
    assert PLAIN not in repr(gateway)
    assert connection_of(gateway.connection).device == ("gateway", "gw-1")


def test_a_topology_may_be_a_table(tmp_path: Path) -> None:
    """Whoever runs a fleet has it in a spreadsheet."""
    frame = pd.DataFrame(
        {
            "gateway": ["north", "north", "south"],
            "connection": [URI, URI, "env:SOUTH"],
            "product_key": "meter",
            "device_key": ["M1", "M2", "007"],
        }
    )
    frame.to_csv(tmp_path / "fleet.csv", index=False)
    for given in (frame, tmp_path / "fleet.csv", str(tmp_path / "fleet.csv")):
        north, south = topology_of(given)
        assert (north.name, north.gateway.devices) == ("north", tuple(map(tuple, DEVICES)))
        assert south.gateway.devices == (("meter", "007"),)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "topology is empty"),
        ([], "not list"),
        ({"a": URI}, r"mp.Gateway\(connection, devices\)"),
        ("nowhere.csv", "cannot be read"),
        (pd.DataFrame({"gatway": ["a"]}), r"no column 'gateway' \(nearest: gatway\)"),
        (
            {"a": mp.Gateway(URI, DEVICES), "b": mp.Gateway("env:B", DEVICES[:1])},
            "meter/M1 has two gateways, 'a' and 'b'",
        ),
        (
            {"a": mp.Gateway(URI, DEVICES[:1]), "b": mp.Gateway(URI, DEVICES[1:])},
            "'a' and 'b' have the same connection",
        ),
        (
            pd.DataFrame({"gateway": ["a", "a"], "connection": [URI, "env:B"],
                          "product_key": "p", "device_key": ["1", "2"]}),
            "row 1 gives 'a' another connection",
        ),
        (
            pd.DataFrame({"gateway": ["a"], "connection": [URI], "product_key": [""],
                          "device_key": ["1"]}),
            "row 0 lacks",
        ),
    ],
)  # fmt: skip
def test_a_topology_that_cannot_work_is_refused(given: object, match: str) -> None:
    """Before anything is read or sent."""
    with pytest.raises(mp.ConfigError, match=match):
        topology_of(given)
