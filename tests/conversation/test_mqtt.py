"""The connection over real sockets: what it says when it works, and when it does not."""

from __future__ import annotations

import dataclasses
import socket
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from brokers import free_port

import mpreplay as mp
from mpreplay.conversation import mqtt as transport_module
from mpreplay.conversation import paho_client
from mpreplay.conversation.mqtt import MqttTransport
from mpreplay.conversation.transport import Acknowledged, Lost, Message
from mpreplay.errors import ConfigError, ConnectError
from mpreplay.protocol.messages import batch_reply_topic, batch_topic, envelope
from mpreplay.protocol.pieces import Pieces

PATIENCE = 10.0  # for anything that should happen at once [s]


@pytest.fixture
def transport(platform: Any) -> Any:
    """Return a connection to the platform."""
    one = MqttTransport(platform.connection, [batch_reply_topic(*platform.connection.device)])
    yield one
    one.close()


def ask(transport: MqttTransport, device: tuple[str, str]) -> None:
    """Publish an empty request, which is answered all the same."""
    head, tail = envelope("1", allow_offline_sub_device=False, skip_invalid_measurepoints=False)
    transport.publish(batch_topic(*device), head + tail)


def test_a_publish_is_acknowledged_and_answered(transport: MqttTransport, platform: Any) -> None:
    """The acknowledgement is the broker's, the reply the platform's: two events."""
    transport.connect()
    ask(transport, platform.connection.device)
    events = [transport.receive(PATIENCE), transport.receive(PATIENCE)]

    assert Acknowledged(batch_topic(*platform.connection.device)) in events
    (reply,) = [event for event in events if isinstance(event, Message)]
    assert reply.topic == batch_reply_topic(*platform.connection.device)
    assert orjson.loads(reply.payload)["code"] == 1251
    assert transport.receive(0.0) is None


def test_a_large_message_in_pieces_arrives_as_one(transport: MqttTransport, platform: Any) -> None:
    """The network takes it bit by bit: what is left of it must not lose its place."""
    transport.connect()
    device = platform.connection.device
    head, tail = envelope("77", allow_offline_sub_device=False, skip_invalid_measurepoints=False)
    blanks = memoryview(b" " * 200_000)
    for _ in range(3):
        transport.publish(batch_topic(*device), Pieces([head, blanks, b" ", blanks, tail]))
    events = [transport.receive(PATIENCE) for _ in range(6)]

    replies = [orjson.loads(event.payload) for event in events if isinstance(event, Message)]
    assert [(reply["id"], reply["code"]) for reply in replies] == [("77", 1251)] * 3


def test_closing_ends_the_session_and_the_thread(transport: MqttTransport, platform: Any) -> None:
    """A service that replays every hour must not gather threads."""
    transport.connect()
    assert transport._client is not None
    thread = transport._client._thread
    transport.close()
    transport.close()

    assert thread is not None
    assert not thread.is_alive()
    deadline = time.monotonic() + PATIENCE
    while list(platform.sessions()["how"]) == ["open"] and time.monotonic() < deadline:
        pass  # the platform is another process: it reads the farewell in its own time
    assert list(platform.sessions()["how"]) == ["disconnected"]


def test_a_new_connect_is_subscribed_again(transport: MqttTransport, platform: Any) -> None:
    """A clean session forgets its subscriptions; without them no reply ever comes."""
    transport.connect()
    transport.connect()
    ask(transport, platform.connection.device)
    events = [transport.receive(PATIENCE), transport.receive(PATIENCE)]

    assert any(isinstance(event, Message) for event in events)


def test_small_messages_are_not_held_back(transport: MqttTransport) -> None:
    """Nagle's algorithm makes 32 messages a second of 1,686."""
    transport.connect()
    assert transport._client is not None
    sock = transport._client.socket()

    assert sock is not None
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_lost_connection_is_an_event(transport: MqttTransport, platform: Any) -> None:
    """Not an exception in another thread, and not silence."""
    transport.connect()
    platform.close()
    event = transport.receive(PATIENCE)

    assert isinstance(event, Lost)
    transport.publish("/sys/x", b"offline is no error here")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_network_thread_is_a_lost_connection(
    transport: MqttTransport, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in paho's thread leaves `is_connected()` true and every publish "sent"."""

    def fail(*_: object) -> None:
        raise RuntimeError("in the network thread")

    transport.connect()
    client = transport._client
    assert client is not None
    thread = client._thread
    assert thread is not None
    monkeypatch.setattr(client, "_packet_handle", fail)
    ask(transport, platform.connection.device)
    thread.join(PATIENCE)

    assert transport.receive(0.0) == Lost("the network thread has ended")
    transport.connect()
    assert transport.receive(0.0) is None


@pytest.mark.parametrize(
    ("changes", "message", "final"),
    [
        ({"device_secret": "wrong-Zebra"}, "device secret is wrong, or there is no such", True),
        ({"device_key": "nobody"}, "check product key, device key and secret", True),
        ({"product_key": "nothing"}, "check product key, device key and secret", True),
        ({"host": "no-such-host.invalid"}, "unknown host: check the host name", False),
        ({"port": "closed"}, "nothing listens there: check host and port", False),
    ],
)
def test_a_failing_connect_names_cause_and_remedy_in_one_line(
    platform: Any, changes: dict[str, Any], message: str, final: bool
) -> None:
    """It is the first thing that goes wrong, and often the only thing a user sees."""
    if changes.get("port") == "closed":
        changes = {"port": free_port()}
    connection = dataclasses.replace(platform.connection, **changes)
    with pytest.raises(ConnectError, match=message) as caught:
        MqttTransport(connection, ["/sys/x"]).connect()

    text = str(caught.value)
    assert caught.value.is_final is final  # whether a run that goes on should try again
    assert "\n" not in text
    assert f"{connection.host}:{connection.port} as {connection.device_key}" in text
    assert connection.device_secret.reveal() not in text


def test_a_system_without_threads_is_a_failed_connect(
    platform: Any, transport: MqttTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later Pythons start none once the main thread has ended; a run may reconnect until then."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ConnectError, match="no thread can be started") as caught:
            transport.connect()
    transport.connect()

    assert caught.value.is_final
    assert transport.receive(0.0) is None


def test_a_blocked_device_is_told_to_wait(model: mp.ThingModel) -> None:
    """The platform's refusal has no text: who connected too often must hear it from us."""
    limits = mp.PlatformLimits(connects=1)
    with mp.simulate(model, limits=limits) as platform:
        one = MqttTransport(platform.connection, [batch_reply_topic(*platform.connection.device)])
        one.connect()
        with pytest.raises(ConnectError, match=r"blocked for connecting too often.*wait 5 minutes"):
            one.connect()


def test_a_subscription_that_is_not_granted_is_an_error(platform: Any) -> None:
    """Without it every request would time out, one by one."""
    topic = batch_reply_topic("turbine", "T1")
    with pytest.raises(ConnectError, match=r"the subscription to .*T1.* was not granted"):
        MqttTransport(platform.connection, [topic]).connect()


def test_a_host_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall that drops packets, or a port of another service."""
    monkeypatch.setattr(transport_module, "CONNECT_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = mp.Connection(
            "127.0.0.1", server.getsockname()[1],
            product_key="p", device_key="d", device_secret="s",
        )  # fmt: skip
        with pytest.raises(ConnectError, match="no answer within"):
            MqttTransport(connection, ["/sys/x"]).connect()


def test_tls_files_that_cannot_be_used_are_an_error(platform: Any) -> None:
    """A missing file is the user's to mend, and no failure of the network."""
    connection = dataclasses.replace(platform.connection, ca_file="no-such.pem")
    with pytest.raises(ConfigError, match="the TLS files cannot be used"):
        MqttTransport(connection, ["/sys/x"]).connect()


def test_tls_at_a_port_without_it_is_an_error(platform: Any) -> None:
    """The two ports are easily confused."""
    connection = dataclasses.replace(platform.connection, tls=True)
    with pytest.raises(ConnectError, match=r"TLS failed|closed|reset") as caught:
        MqttTransport(connection, ["/sys/x"]).connect()

    assert "\n" not in str(caught.value)


def test_a_session_that_another_client_takes_over_is_closed_by_the_peer(
    transport: MqttTransport, platform: Any
) -> None:
    """By this a run tells a rival from a bad network."""
    transport.connect()
    rival = MqttTransport(platform.connection, [batch_reply_topic(*platform.connection.device)])
    rival.connect()
    try:
        event = transport.receive(PATIENCE)
    finally:
        rival.close()

    assert isinstance(event, Lost)
    assert event.closed_by_peer


def test_a_connection_that_failed_is_not_closed_by_the_peer(platform: Any) -> None:
    """A reset is the network's doing: the run connects again."""
    with mp.simulate(
        platform_model(), gateway=("gateway", "gw-1"), faults="script: reset_before"
    ) as other:
        one = MqttTransport(other.connection, [batch_reply_topic(*other.connection.device)])
        one.connect()
        ask(one, other.connection.device)
        event = one.receive(PATIENCE)
        one.close()

    assert isinstance(event, Lost)
    assert not event.closed_by_peer


def platform_model() -> mp.ThingModel:
    """Return any thing model."""
    return mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})


class Watched:
    """A clock for the watchdog, and a client that notes what it is asked."""

    def __init__(self, transport: MqttTransport, patch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.asked: list[Any] = []
        client = transport._client
        assert client is not None
        patch.setattr(client, "subscribe", self.asked.append)
        patch.setattr(transport_module.time, "monotonic", lambda: self.now)
        transport._heard_at = self.now


def test_silence_is_a_lost_connection(
    transport: MqttTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cable that is pulled reports nothing: without this a run would wait for ever."""
    transport.connect()
    with monkeypatch.context() as patch:
        watched = Watched(transport, patch)
        assert transport.receive(0.0) is None
        watched.now += 44
        assert transport.receive(0.0) is None
        assert watched.asked == []
        watched.now += 2  # three quarters of the keepalive
        assert transport.receive(0.0) is None
        assert transport.receive(0.0) is None
        assert watched.asked == [[(transport._topics[0], 1)]]  # asked once
        watched.now += 31
        assert transport.receive(0.0) == Lost("nothing was heard for 77 s")


def test_a_sign_of_life_ends_the_doubt(
    transport: MqttTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform with nothing to say is not gone: it answers when it is asked."""
    transport.connect()
    with monkeypatch.context() as patch:
        watched = Watched(transport, patch)
        for _ in range(3):
            watched.now += 46
            assert transport.receive(0.0) is None
            transport._inbox.put(("subscribed", (1, [SimpleNamespace(is_failure=False)])))
            assert transport.receive(0.0) is None
        watched.now += 29
        assert transport.receive(0.0) is None
    assert len(watched.asked) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not pace a connection")
def test_a_limited_connection_is_paced_by_the_kernel() -> None:
    """Half a megabyte at once is more than a limit of a megabyte a second means."""
    with socket.socket() as paced, socket.socket() as free:
        paho_client._set_options(paced, 1_000_000.0)
        paho_client._set_options(free, None)
        rate = paho_client._SO_MAX_PACING_RATE

        assert paced.getsockopt(socket.SOL_SOCKET, rate) == 980_000
        assert free.getsockopt(socket.SOL_SOCKET, rate) in {-1, 2**32 - 1}
        assert free.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
