"""Connections and limits: where they come from, and that no secret ever shows."""

from __future__ import annotations

import copy
import re
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import ConfigError, Connection, Limits

SECRET = "s3cret-Zebra-77"
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
keys = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="+#/"), min_size=1,
    max_size=12,
)  # fmt: skip
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
    product=keys,
    device=keys,
    secret=texts,
    tls=st.booleans(),
    client_id=st.none() | st.text("abc 1&=%+é", min_size=1, max_size=10),
    compression=st.sampled_from([None, "gzip"]),
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
    compression: Any,
) -> None:
    """Keys and secrets hold any character; a job file or a variable must carry them all."""
    given_one = Connection(
        host, port, product_key=product, device_key=device, device_secret=secret, tls=tls,
        client_id=client_id, compression=compression,
    )  # fmt: skip

    assert Connection.from_uri(given_one.to_uri(reveal_secret=True)) == given_one


def test_a_uri_carries_everything_a_connection_needs() -> None:
    """One variable configures a scheduled job."""
    read = Connection.from_uri(
        "mqtts://gw%261:a%40b%3Ac@[::1]/pro%20duct?ca=/etc/ca.pem&cert=c.pem&key=k.pem&client_id=x"
    )

    assert read == Connection(
        "::1", 18_883, product_key="pro duct", device_key="gw&1", device_secret="a@b:c", tls=True,
        ca_file="/etc/ca.pem", cert_file="c.pem", key_file="k.pem", client_id="x",
    )  # fmt: skip
    assert read.device == ("pro duct", "gw&1")


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
        ({"client_id": ""}, "client_id is empty"),
        ({"compression": "lz4"}, "compression must be 'gzip' or None"),
        ({"compression": "GZIP"}, "compression must be 'gzip' or None"),
        ({"compression": ""}, "compression must be 'gzip' or None"),
        ({"compression": True}, "compression must be a text, got bool"),
        ({"device_secret": 5}, "device_secret must be a text or a mpreplay.Secret, got int"),
        ({"device_secret": f"{SECRET}\udcff"}, "device_secret holds a character that UTF-8 cann"),
        *[
            ({name: f"a{wrong}b"}, f"^{name} holds {re.escape(repr(wrong))}")
            for name in ("product_key", "device_key", "host")
            for wrong in "+#/"
        ],
        *[
            ({name: f"a{wrong}b"}, f"^{name} holds .*{re.escape(repr(wrong))}")
            for name in ("product_key", "device_key", "host", "client_id", "ca_file", "cert_file")
            for wrong in "\0\n\x7f\ud800\udcff"
        ],
        ({"host": "a b"}, "^host holds ' '"),
        ({"host": "[::1]"}, "^host holds"),
        ({"host": "x" * 300}, "^host has 300 characters"),
        ({"host": 5}, "^host must be a text, got int"),
        ({"device_key": "x" * 1001}, "^device_key has 1,001 characters"),
        ({"product_key": b"p"}, "^product_key must be a text, got bytes"),
        ({"ca_file": ""}, "^ca_file is empty"),
    ],
    ids=ascii,
)
def test_a_connection_that_cannot_work_is_refused(fields: dict[str, Any], message: str) -> None:
    """At the call, and not after an hour of reading the history."""
    with pytest.raises(ConfigError, match=message) as caught:
        connection(**fields)

    assert caught.value.argument == next(iter(fields))
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
        f"mqtt://d:{SECRET}@h/p#x",
        f"mqtt://d:{SECRET}%FF@h/p",
        f"mqtt://d:{SECRET}\tx@h/p",
        f"mqtt://d:x@h/p?ca=x&ca={SECRET}",
    ],
    ids=ascii,
)
def test_a_malformed_uri_is_refused_without_showing_it(uri: str) -> None:
    """The commonest mistake is a secret that is not encoded: its pieces must not reach a log."""
    with pytest.raises(ConfigError) as caught:
        Connection.from_uri(uri)

    shown = "".join(traceback.format_exception(caught.value, limit=0))
    assert "mqtt://" in shown or "known: ca" in shown
    for piece in (SECRET, SECRET[:5], SECRET.lower()):
        assert piece not in shown


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mqtt://d:s@h/p?ca=", "ca_file"), ("mqtt://d:s@h/a%2Fb", "product_key"),
        ("mqtt://d%23:s@h/p", "device_key"), ("mqtt://d:s@h/p?client_id=%00", "client_id"),
        ("mqtt://d:s\udcff@h/p", "device_secret"), ("mqtt://d:s@h/p?cert=%ED%A0%80", "connection"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_part_of_a_uri_that_cannot_work_is_named(uri: str, name: str) -> None:
    """An empty name of a file, from a variable that is not set, must not switch TLS off."""
    with pytest.raises(ConfigError) as caught:
        Connection.from_uri(uri)

    assert caught.value.argument == name


PIECES = st.sampled_from(
    ["mqtt://", "mqtts:", "d", ":", "s", "@", "h", "[::1]", "[", "]", "/", "p", "?", "ca=", "#",
     "%", "%2F", "%FF", "%00", "\ud800", "\udcff", "\0", "\n", " ", "\u2100", "65536", "&"]
)  # fmt: skip


@given(st.text() | st.lists(PIECES, max_size=12).map("".join) | st.binary() | st.integers())
def test_no_uri_ends_in_a_foreign_error(uri: Any) -> None:
    """A URI comes from a variable that anything may have written to."""
    try:
        assert Connection.from_uri(Connection.from_uri(uri).to_uri(reveal_secret=True))
    except ConfigError as error:
        assert error.__cause__ is None
        assert error.__context__ is None


def test_a_line_end_around_a_uri_is_no_part_of_it() -> None:
    """It comes with the file that a variable was read from."""
    assert Connection.from_uri(" mqtt://d:s@h/p\r\n").device_secret.reveal() == "s"


def test_a_connection_never_shows_its_secret() -> None:
    """It stands in notebooks, tracebacks and logs."""
    one = connection()

    assert SECRET not in f"{one!r} {one} {one.to_uri()} {[one]}"
    assert "***" in repr(one)
    assert SECRET in one.to_uri(reveal_secret=True)
    assert copy.deepcopy(one) == copy.copy(one) == one


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
