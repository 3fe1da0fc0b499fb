"""Connections and limits: where they come from, and that no secret ever shows."""

from __future__ import annotations

import copy
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import ConfigError, Connection, Limits
from mpreplay.settings import reveal

SECRET = "s3cret-Zebra-77"
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9.-]{0,10}[a-z0-9]", fullmatch=True) | st.just("2001:db8::1")


def connection(**changes: Any) -> Connection:
    """Return a connection with some fields changed."""
    fields: dict[str, Any] = {
        "host": "h", "product_key": "p", "device_key": "d", "device_secret": SECRET
    }  # fmt: skip
    return Connection(**{**fields, **changes})


@given(
    host=names,
    port=st.integers(1, 65_535),
    product=texts,
    device=texts,
    secret=texts,
    tls=st.booleans(),
    client_id=st.none() | st.text("abc 1&=%+é", min_size=1, max_size=10),
)
def test_a_connection_survives_its_uri(
    *,
    host: str,
    port: int,
    product: str,
    device: str,
    secret: str,
    tls: bool,
    client_id: str | None,
) -> None:
    """Keys and secrets hold any character; a job file or a variable must carry them all."""
    given_one = Connection(
        host, port, product_key=product, device_key=device, device_secret=secret, tls=tls,
        client_id=client_id,
    )  # fmt: skip

    assert Connection.from_uri(given_one.to_uri(reveal_secret=True)) == given_one


def test_a_uri_carries_everything_a_connection_needs() -> None:
    """One variable configures a scheduled job."""
    read = Connection.from_uri(
        "mqtts://gw%2F1:a%40b%3Ac@[::1]/pro%20duct?ca=/etc/ca.pem&cert=c.pem&key=k.pem&client_id=x"
    )

    assert read == Connection(
        "::1", 18_883, product_key="pro duct", device_key="gw/1", device_secret="a@b:c", tls=True,
        ca_file="/etc/ca.pem", cert_file="c.pem", key_file="k.pem", client_id="x",
    )  # fmt: skip
    assert read.device == ("pro duct", "gw/1")


def test_ports_follow_from_the_encryption() -> None:
    """The documented ports are the ones a user leaves out."""
    assert connection().port == 11_883
    assert connection(ca_file="ca.pem").port == 18_883
    assert connection(ca_file="ca.pem").tls


def test_the_environment_names_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container gets its connection from outside."""
    monkeypatch.setenv("MPREPLAY_CONNECTION", "mqtt://d:s@h:1/p")
    assert Connection.from_environment() == Connection(
        "h", 1, product_key="p", device_key="d", device_secret="s"
    )

    monkeypatch.delenv("MPREPLAY_CONNECTION")
    with pytest.raises(ConfigError, match="set MPREPLAY_CONNECTION to mqtt://"):
        Connection.from_environment()


def test_a_secret_may_be_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets belong in a vault's file or variable, not in scripts."""
    monkeypatch.setenv("GW_SECRET", SECRET)
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")

    assert reveal("env:GW_SECRET") == SECRET
    assert reveal(f"file:{tmp_path / 'secret'}") == SECRET
    assert reveal(SECRET) == SECRET
    assert reveal("env:") == "env:"


def test_a_reference_to_nothing_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is what the user must mend; the content of a file is never shown."""
    monkeypatch.delenv("GW_SECRET", raising=False)
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + SECRET.encode())

    with pytest.raises(ConfigError, match="GW_SECRET is not set"):
        reveal("env:GW_SECRET")
    for name in (str(tmp_path / "none"), str(tmp_path), "no\0name"):
        with pytest.raises(ConfigError, match="cannot be read"):
            reveal(f"file:{name}")
    for name in ("empty", "binary"):
        with pytest.raises(ConfigError, match="holds no text") as caught:
            reveal(f"file:{tmp_path / name}")
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": ""}, "needs a host"),
        ({"device_secret": ""}, "needs a device_secret"),
        ({"product_key": ""}, "needs a product_key"),
        ({"port": 0}, "between 1 and 65535"),
        ({"port": 65_536}, "between 1 and 65535"),
        ({"port": "1883"}, "between 1 and 65535"),
        ({"port": True}, "between 1 and 65535"),
        ({"key_file": "k.pem"}, "without cert_file"),
        ({"client_id": "x" * 65}, "1 to 64 characters"),
    ],
)
def test_a_connection_that_cannot_work_is_refused(fields: dict[str, Any], message: str) -> None:
    """At the call, and not after an hour of reading the history."""
    with pytest.raises(ConfigError, match=message) as caught:
        connection(**fields)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        f"http://d:{SECRET}@h/p",
        f"d:{SECRET}@h/p",
        f"mqtt://d:{SECRET}@h",
        f"mqtt://d:{SECRET}@/p",
        f"mqtt://:{SECRET}@h/p",
        f"mqtt://d:{SECRET}@h:port/p",
        f"mqtt://d:{SECRET}@h:99999/p",
        f"mqtt://d:{SECRET}@[::1/p",
        f"mqtt://d:{SECRET}/x@h/p",
        f"mqtt://d:{SECRET}?x@h/p",
        f"mqtt://d:{SECRET}#x@h/p",
        f"mqtt://d:12?{SECRET}=x@h/p",
        f"mqtt://d:x?ca={SECRET}@h/p",
        f"mqtt://d:12?ca=x&{SECRET}=1@h/p",
        f"mqtt://d:{SECRET}@h\u2100/p",
        f"mqtt://d:x@h/p?secret={SECRET}",
    ],
)
def test_a_malformed_uri_is_refused_without_showing_it(uri: str) -> None:
    """The commonest mistake is a secret that is not encoded: its pieces must not reach a log."""
    with pytest.raises(ConfigError) as caught:
        Connection.from_uri(uri)

    shown = "".join(traceback.format_exception(caught.value, limit=0))
    assert "mqtt://" in shown or "known: ca" in shown
    for piece in (SECRET, SECRET[:5], SECRET.lower()):
        assert piece not in shown


def test_a_connection_never_shows_its_secret() -> None:
    """It stands in notebooks, tracebacks and logs."""
    one = connection()

    assert SECRET not in f"{one!r} {one} {one.to_uri()} {[one]}"
    assert "***" in repr(one)
    assert SECRET in one.to_uri(reveal_secret=True)
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == one


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_bytes", 0), ("max_bytes", 600_000), ("max_bytes", None), ("max_bytes", 1000.5),
        ("max_entries", 0), ("max_values", -1), ("window", 0), ("window", None), ("window", True),
        ("window", 1.5), ("window", "16"), ("bytes_per_second", 0),
        ("bytes_per_second", float("inf")), ("values_per_second", float("nan")),
        ("reply_timeout", 0), ("reply_timeout", None), ("attempts", 0), ("connects", 0),
        ("connect_period", 0), ("keepalive", 0), ("give_up_after", 0),
    ],
)  # fmt: skip
def test_limits_under_which_nothing_can_be_sent_are_refused(name: str, value: Any) -> None:
    """Each error names the limit and the value that was given."""
    with pytest.raises(ConfigError, match=rf"^{name} .*{value}"):
        Limits(**{name: value})


@pytest.mark.parametrize(
    "name",
    ["max_entries", "max_values", "bytes_per_second", "values_per_second", "connects",
     "give_up_after"],
)  # fmt: skip
def test_none_switches_a_limit_off(name: str) -> None:
    """What the platform does not limit here it may not limit there either."""
    assert getattr(Limits(**{name: None}), name) is None
