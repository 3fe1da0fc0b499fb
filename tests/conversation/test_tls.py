"""Connections with TLS: each way in which they fail is told by its own name and remedy."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from certificates import (
    LEAF,
    LOCAL,
    OPENSSL,
    Authority,
    Certificate,
    chained,
    encrypted,
)
from hostile import Hostile, ignore

import mpreplay as mp
from mpreplay.conversation import mqtt as transport_module
from mpreplay.conversation.mqtt import MqttTransport
from mpreplay.conversation.transport import Message
from mpreplay.protocol.pieces import Pieces

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
# With TLS 1.3 a server may close the connection before its reason is read.
TOO_LATE = "closed before the sign-in was answered"
TOPIC = "/sys/gateway/gw-1/thing/measurepoint/resume/batch_reply"


class Papers(NamedTuple):
    """Certificates of every kind."""

    trusted: Authority
    other: Authority
    middle: Authority


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Return an authority that the client trusts, one that it does not know, and one between."""
    folder = tmp_path_factory.mktemp("certificates")
    trusted = Authority(folder / "trusted", "Trusted")
    middle = Authority(folder / "middle", "Middle", by=trusted)
    return Papers(trusted, Authority(folder / "other", "Other"), middle)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait a second at most, and leave no thread behind."""
    monkeypatch.setattr(transport_module, "CONNECT_TIMEOUT", 1.0)
    threads = set(threading.enumerate())
    yield
    assert {one for one in threading.enumerate() if one.is_alive()} <= threads


def serving(own: Certificate, **options: Any) -> ssl.SSLContext:
    """Return the settings of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers := options.pop("ciphers", ""):
        context.set_ciphers(ciphers)
    context.load_cert_chain(own.cert, own.key)
    if asks_for := options.pop("asks_for", None):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks_for.own.cert)
    for name, value in options.items():
        setattr(context, name, value)
    return context


def test_a_large_message_in_pieces_arrives_as_one(papers: Papers) -> None:
    """Records of TLS end where the network stops taking, and not where pieces do."""
    platform = Hostile(tls=serving(papers.trusted.server("large")))
    texts = [bytes([65 + n]) * size for n, size in enumerate((70, 200_000, 1, 900_000, 3))]
    with platform.running():
        files = {"host": "localhost", "ca_file": str(papers.trusted.own.cert)}
        transport = MqttTransport(dataclasses.replace(platform.connection, **files), [TOPIC])
        try:
            transport.connect()
            for n in (1, 2):
                body = [b'{"id":"%d","x":"' % n, *texts, b'"}']
                transport.publish(TOPIC.removesuffix("_reply"), Pieces(body))
            events = [transport.receive(10.0) for _ in range(4)]
        finally:
            transport.close()

    assert sum(isinstance(event, Message) for event in events) == 2
    assert [json.loads(one.payload) for one in platform.requests] == [
        {"id": str(n), "x": b"".join(texts).decode()} for n in (1, 2)
    ]


def connect(
    platform: Hostile,
    trusted: Path | None,
    *,
    host: str = "localhost",
    own: Certificate | None = None,
    **changes: Any,
) -> None:
    """Connect to a platform once; raises what a user would see."""
    files = {} if own is None else {"cert_file": str(own.cert), "key_file": str(own.key)}
    given = {"ca_file": None if trusted is None else str(trusted), "host": host, **files, **changes}
    transport = MqttTransport(dataclasses.replace(platform.connection, **given), [TOPIC])
    try:
        transport.connect()
    finally:
        transport.close()


def told(platform: Hostile, *arguments: Any, **options: Any) -> mp.ConnectError:
    """Return the error of a connect that must fail, in one line without secrets."""
    with platform.running(), pytest.raises(mp.ConnectError) as caught:
        connect(platform, *arguments, **options)
    assert "\n" not in str(caught.value)
    return caught.value


Own = Callable[[Papers], Certificate]
SERVERS: dict[str, tuple[Own, str]] = {
    "expired": (lambda p: p.trusted.expired("expired"), "certificate has expired"),
    "not valid yet": (lambda p: p.trusted.of_tomorrow("tomorrow"), "not valid yet: check"),
    "of another host": (
        lambda p: p.trusted.server("elsewhere", names="DNS:mqtt.example.com"), "another host name",
    ),
    "self-signed": (
        lambda p: p.other.signed_by_itself("alone", LEAF.format(usage="serverAuth", names=LOCAL)),
        "is self-signed: if the server is the right one",
    ),
    "of an unknown authority": (lambda p: p.other.server("stranger"), "no authority trusted here"),
    "with its unknown authority": (
        lambda p: chained(p.other.server("strangers"), p.other.own), "no authority trusted here",
    ),
    "without the one between": (
        lambda p: p.middle.server("cut off"), "does not send its intermediate certificates",
    ),
    "of a client": (
        lambda p: p.trusted.server("client only", usage="clientAuth"), "not one for servers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_a_certificate_that_is_not_trusted_is_told_by_its_fault(papers: Papers, name: str) -> None:
    """The advice to check ca_file helps with few of them, and trying again with none."""
    make, words = SERVERS[name]
    error = told(Hostile(tls=serving(make(papers))), papers.trusted.own.cert)

    assert words in str(error)
    assert error.is_final


def test_a_certificate_with_a_short_key_is_too_weak(papers: Papers) -> None:
    """No file of the client's mends it."""
    context = serving(papers.trusted.weak("weak"), ciphers="DEFAULT@SECLEVEL=0")

    assert "too weak" in str(told(Hostile(tls=context), papers.trusted.own.cert))


def test_an_address_is_no_name_of_a_certificate_for_names(papers: Papers) -> None:
    """An address that leads to the right server need not be in its certificate."""
    own = papers.trusted.server("by name", names="DNS:localhost")
    error = told(Hostile(tls=serving(own)), papers.trusted.own.cert, host="127.0.0.1")

    assert "another host name" in str(error)


def test_what_is_in_order_connects(papers: Papers) -> None:
    """By the authority, by the one between, and by the certificate itself."""
    alone = papers.other.signed_by_itself("own", LEAF.format(usage="serverAuth", names=LOCAL))
    cases = [
        (papers.trusted.server("good"), papers.trusted.own.cert),
        (chained(papers.middle.server("below"), papers.middle.own), papers.trusted.own.cert),
        (alone, alone.cert),
    ]
    for own, trusted in cases:
        with Hostile(tls=serving(own)).running() as platform:
            connect(platform, trusted)
            connect(platform, trusted, host="127.0.0.1")

            assert platform.n_connects == 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_for_a_certificate_says_so(
    papers: Papers, version: ssl.TLSVersion
) -> None:
    """The platform's TLS port does; with TLS 1.3 it shows after the handshake only."""
    own, client = papers.trusted.server("mutual"), papers.trusted.server("c", usage="clientAuth")
    options = {"asks_for": papers.trusted, "minimum_version": version, "maximum_version": version}
    error = told(Hostile(tls=serving(own, **options)), papers.trusted.own.cert)

    assert "client certificate" in str(error)
    assert "cert_file" in str(error)
    assert error.is_final or TOO_LATE in str(error)
    with Hostile(tls=serving(own, **options)).running() as platform:
        connect(platform, papers.trusted.own.cert, own=client)
        assert platform.n_connects == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("which", ["of another authority", "expired"])
def test_a_client_certificate_that_is_rejected_is_told(
    papers: Papers, version: ssl.TLSVersion, which: str
) -> None:
    """The server's certificate is in order: the files to look at are the client's."""
    own = papers.trusted.server("strict")
    client = (
        papers.trusted.expired("old client", "clientAuth")
        if which == "expired"
        else papers.other.server("their client", usage="clientAuth")
    )
    options = {"asks_for": papers.trusted, "minimum_version": version, "maximum_version": version}
    error = told(Hostile(tls=serving(own, **options)), papers.trusted.own.cert, own=client)

    if TOO_LATE not in str(error):
        assert "rejects the client's certificate: check cert_file and key_file" in str(error)
        assert error.is_final
    else:
        assert "a client certificate (cert_file, key_file) is missing or rejected" in str(error)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_server_of_old_versions_alone_is_told(papers: Papers) -> None:
    """No certificate helps there."""
    context = serving(
        papers.trusted.server("old"), ciphers="ALL:@SECLEVEL=0",
        minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1,
    )  # fmt: skip
    error = told(Hostile(tls=context), papers.trusted.own.cert)

    assert "no version of TLS in common" in str(error)


def test_a_server_without_a_cipher_in_common_may_ask_for_a_certificate(papers: Papers) -> None:
    """Both look the same from here, and both are named."""
    context = serving(
        papers.trusted.server("ciphers"), ciphers="ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0",
        maximum_version=ssl.TLSVersion.TLSv1_2,
    )  # fmt: skip
    error = told(Hostile(tls=context), papers.trusted.own.cert)

    assert "may ask for a client certificate" in str(error)
    assert "no cipher in common" in str(error)


def test_tls_at_a_port_of_plain_mqtt_is_told(papers: Papers) -> None:
    """The two ports are easily confused; a broker closes what it cannot read."""
    platform = Hostile()
    error = told(platform, papers.trusted.own.cert)

    assert "closed during the TLS handshake: the server may have no TLS at this port" in str(error)
    assert not error.is_final


def test_plain_mqtt_at_a_port_of_tls_is_told(papers: Papers) -> None:
    """A server with TLS answers in its own language, or resets the connection."""
    platform = Hostile(tls=serving(papers.trusted.server("encrypted")))
    error = told(platform, None, tls=False)

    assert "connect with TLS" in str(error) or "as at a port with TLS" in str(error)


class Raw:
    """A server that says the same to everybody, whatever it is asked."""

    def __init__(self, says: bytes | None) -> None:
        self._says = says

    def serve(self, server: socket.socket) -> None:
        """Serve one client."""
        sock, _ = server.accept()
        with sock, contextlib.suppress(OSError):
            sock.recv(65_536)
            if self._says is not None:
                sock.sendall(self._says)
                sock.shutdown(socket.SHUT_WR)
            sock.settimeout(5.0)
            while sock.recv(65_536):
                pass


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there does not speak TLS"),
        (b"\x20\x02\x00\x00" * 3, "what answers there does not speak TLS"),
        (b"", "closed during the TLS handshake"),
        (None, "no answer to the TLS handshake"),
    ],
    ids=["HTTP", "MQTT", "closed", "silence"],
)
def test_a_handshake_with_a_server_that_has_none_is_told(says: bytes | None, words: str) -> None:
    """What was seen, and the ports of the platform."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=Raw(says).serve, args=(server,))
        thread.start()
        platform = Hostile(port=server.getsockname()[1])
        with pytest.raises(mp.ConnectError) as caught:
            connect(platform, None, tls=True)
        thread.join(10.0)

    assert words in str(caught.value)


def test_files_that_cannot_be_used_are_told_before_anything_is_sent(
    papers: Papers, tmp_path: Path
) -> None:
    """A key with a password must not ask for it at a terminal that nobody looks at."""
    one, other = papers.trusted.server("one"), papers.trusted.server("two")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    wrong: list[dict[str, Any]] = [
        {"ca_file": str(text)},
        {"ca_file": str(tmp_path)},
        {"cert_file": str(one.cert), "key_file": str(other.key)},
        {"cert_file": str(one.cert), "key_file": str(encrypted(one).key)},
        {"cert_file": str(text), "key_file": str(one.key)},
        {"cert_file": str(tmp_path / "none.pem"), "key_file": str(one.key)},
    ]
    with Hostile(connect=ignore).running() as platform:
        for changes in wrong:
            connection = dataclasses.replace(platform.connection, **changes)
            with pytest.raises(mp.ConfigError, match="the TLS files cannot be used"):
                MqttTransport(connection, [TOPIC]).connect()

        assert platform.wires == []
