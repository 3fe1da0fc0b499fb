"""Keys, hosts and brokers that no topic or address can hold are refused before a process starts."""

from __future__ import annotations

from typing import Any

import pytest

import mpreplay as mp

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})


@pytest.mark.parametrize("key", ["a/b", "a+b", "a#", "a\0", "\ud800", "x" * 3_000], ids=ascii)
@pytest.mark.parametrize("where", ["gateway", "sub_devices", "online", "devices"])
def test_a_key_that_no_topic_holds_is_refused_by_its_argument(key: str, where: str) -> None:
    """The platform's process would end with a traceback, or never be reached."""
    pair = ("p", key)
    given: dict[str, Any] = {where: pair if where == "gateway" else [pair]}
    with pytest.raises(mp.ConfigError, match=f"^{where}: the key ") as caught:
        mp.simulate(MODEL, **given)

    assert caught.value.argument == where


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("host", "a\0b"), ("host", "\ud800"), ("host", "x" * 300), ("host", "a b"), ("host", 5),
        ("behind", "mqtt://\ud800"), ("behind", "mqtt://h\0"), ("behind", 5),
    ],
    ids=ascii,
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused_by_its_argument(name: str, given: Any) -> None:
    """Before anything is looked up."""
    with pytest.raises(mp.ConfigError, match=f"^{name}=? ") as caught:
        mp.simulate(MODEL, **{name: given})

    assert caught.value.argument == name
