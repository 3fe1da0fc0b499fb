"""The rehearsal platform over real sockets: its codec, its sessions, its process."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import orjson
import paho.mqtt.client as paho
import pytest
from brokers import CLIENTS_INSTALLED, MOSQUITTO_INSTALLED, answers, free_port, mosquitto
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from mpreplay import ConfigError, ConnectError, Connection, Measurepoint, ThingModel
from mpreplay.protocol.compression import pack, unpack
from mpreplay.protocol.messages import batch_reply_topic, batch_topic, envelope
from mpreplay.protocol.signature import sign_in
from mpreplay.simulator import PlatformLimits, mqtt, simulate
from mpreplay.simulator.topics import topic_matches

MODEL = ThingModel("M", {"P": Measurepoint("P", "FLOAT", maximum=2500)})
SUBS = [("turbine", "T1"), ("turbine", "T2")]
PATIENCE = 10.0  # for anything that should happen at once [s]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1)
ids = st.integers(1, 65_535)
wills = st.builds(mqtt.Will, texts, st.binary(max_size=300), st.integers(0, 1))
packets = st.one_of(
    st.builds(mqtt.Connect, st.just(4), texts, texts, texts, st.integers(0, 65_535),
              st.booleans(), st.none() | wills),
    st.builds(mqtt.Connack, st.integers(0, 5), st.booleans()),
    st.builds(mqtt.Publish, texts, st.binary(max_size=300), st.just(1), ids, st.booleans()),
    st.builds(mqtt.Publish, texts, st.binary(max_size=300), st.just(0), st.just(0), st.just(False)),
    st.builds(mqtt.Puback, ids),
    st.builds(mqtt.Subscribe, ids,
              st.lists(st.tuples(texts, st.integers(0, 2)), min_size=1).map(tuple)),
    st.builds(mqtt.Suback, ids, st.lists(st.sampled_from([0, 1, 128])).map(tuple)),
    st.builds(mqtt.Unsubscribe, ids, st.lists(texts, min_size=1).map(tuple)),
    st.builds(mqtt.Unsuback, ids),
    st.sampled_from([mqtt.Ping(), mqtt.Pong(), mqtt.Disconnect()]),
)  # fmt: skip


def named(given: list[Any]) -> list[tuple[str, Any]]:
    """Return packets with their types, since those with the same fields are equal as tuples."""
    return [(type(packet).__name__, tuple(packet)) for packet in given]


@given(st.lists(packets, max_size=6), st.data())
def test_a_stream_decodes_alike_wherever_it_is_cut(sent: list[Any], data: st.DataObject) -> None:
    """TCP cuts where it likes; a packet must not depend on it."""
    stream = b"".join(map(mqtt.encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder, received = mqtt.Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])

    assert named(received) == named(sent)


def test_a_stream_decodes_byte_by_byte() -> None:
    """Every cut at once, with a length of more than one byte."""
    sent = [mqtt.Publish("t", b"x" * 20_000, 1, 7), mqtt.Ping()]
    decoder = mqtt.Decoder()
    received = [
        packet
        for byte in b"".join(map(mqtt.encode, sent))
        for packet in decoder.feed(bytes([byte]))
    ]

    assert named(received) == named(sent)


@given(st.binary(max_size=40))
def test_any_bytes_are_packets_or_a_packet_error(data: bytes) -> None:
    """Nothing that a stranger sends brings the platform down."""
    with contextlib.suppress(mqtt.PacketError):
        mqtt.Decoder().feed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x34\x05\x00\x01t\x00\x01",  # QoS 2
        b"\x32\x05\x00\x01t\x00\x00",  # packet id 0
        b"\x30\x03\x00\x01#",  # publish to a wildcard
        b"\x30\x02\x00\x09",  # ends too early
        b"\x80\x06\x00\x01\x00\x01t\x00",  # wrong flags
        b"\x82\x02\x00\x01",  # no filter
        b"\x82\x06\x00\x01\x00\x01t\x03",  # QoS 3
        b"\x82\x07\x00\x01\x00\x02t#\x00",  # a wildcard within a level
        b"\xc0\x01\x00",  # bytes left over
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x00\x00",  # no such packet
        b"\x10\x0c\x00\x04MQTT\x04\x01\x00\x00\x00\x00",  # a reserved flag
        b"\x10\x0d\x00\x04MQTT\x04\x80\x00\x00\x00\x00\x00",  # a name that ends too early
        b"\x30\x03\x00\x01\xff",  # a topic that is no UTF-8
        b"\x30\x04\x00\x02a\x00",  # a topic with a null character
        b"\x38\x03\x00\x01t",  # a duplicate at QoS 0
        b"\x10\x13\x00\x04MQTT\x04\x1e\x00\x3c\x00\x01c\x00\x01t\x00\x01x",  # a will of QoS 3
        b"\x10\x13\x00\x04MQTT\x04\x16\x00\x3c\x00\x01c\x00\x01t\x00\x01x",  # a will of QoS 2
        b"\x10\x13\x00\x04MQTT\x04\x06\x00\x3c\x00\x01c\x00\x01#\x00\x01x",  # a will to a wildcard
        b"\x10\x12\x00\x04MQTT\x04\x06\x00\x3c\x00\x01c\x00\x00\x00\x01x",  # a will to no topic
        b"\x10\x0d\x00\x04MQTT\x04\x22\x00\x3c\x00\x01c",  # retained, and no will
    ],
)
def test_malformed_packets_are_refused(data: bytes) -> None:
    """Guessing at a broken packet would answer a request that nobody made."""
    with pytest.raises(mqtt.PacketError):
        mqtt.Decoder().feed(data)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("/sys/p/d/#", "/sys/p/d/thing/x_reply", True),
        ("/sys/p/d/#", "/sys/p/d", True),
        ("/sys/p/d/+", "/sys/p/d/thing/x_reply", False),
        ("/sys/p/d/+/x_reply", "/sys/p/d/thing/x_reply", True),
        ("/sys/p/d/thing/x_reply", "/sys/p/d/thing/y_reply", False),
        ("/sys/p/d/thing", "/sys/p/d/thing/y", False),
    ],
)
def test_filters_cover_what_mqtt_says(topic_filter: str, topic: str, expected: bool) -> None:
    """A reply must reach a client that subscribed with a wildcard."""
    assert topic_matches(topic_filter, topic) is expected


class Client:
    """A device on paho; what happens to it stands in a queue."""

    def __init__(self, connection: Connection, *, sign: bool = True, level: int = paho.MQTTv311):
        fields = sign_in(*connection.device, connection.device_secret.reveal(),
                         client_id="test", timestamp=1)  # fmt: skip
        self.connection = connection
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=fields.client_id if sign else "",
            protocol=level,
            reconnect_on_failure=False,
        )
        if sign:
            self.paho.username_pw_set(fields.username, fields.password)
        self.paho.on_connect = lambda _, __, ___, reason, ____: self.events.put(
            ("connected", reason.getName())
        )
        self.paho.on_disconnect = lambda *_: self.events.put(("disconnected", None))
        self.paho.on_subscribe = lambda _, __, ___, codes, ____: self.events.put(
            ("subscribed", [code.value for code in codes])
        )
        self.paho.on_publish = lambda *_: self.events.put(("acknowledged", None))
        self.paho.on_message = lambda _, __, message: self.events.put(
            ("message", (message.qos, orjson.loads(message.payload)))
        )
        self.paho.on_socket_open = lambda _, __, sock: sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )

    def __enter__(self) -> Client:
        self.paho.connect(self.connection.host, int(self.connection.port or 0))
        self.paho.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()

    def next(self, kind: str) -> Any:
        """Return what the next event of a kind told."""
        while True:
            what, told = self.events.get(timeout=PATIENCE)
            if what == kind:
                return told

    def subscribe(self, *filters: str, qos: int = 1) -> list[int]:
        """Subscribe and return the codes granted."""
        self.paho.subscribe([(name, qos) for name in filters])
        codes: list[int] = self.next("subscribed")
        return codes

    def ask(self, *entries: Any, **flags: bool) -> dict[str, Any]:
        """Send a batch request and return the reply."""
        self.paho.publish(batch_topic(*self.connection.device), batch(*entries, **flags), qos=1)
        self.last_qos, reply = self.next("message")
        return dict(reply)


def batch(*entries: Any, allow: bool = False, skip: bool = False) -> bytes:
    """Return a batch request."""
    head, tail = envelope("1", allow_offline_sub_device=allow, skip_invalid_measurepoints=skip)
    return head + b",".join(map(orjson.dumps, entries)) + tail


def entry(time: int = 1_000, device_key: str | None = None, **points: Any) -> dict[str, Any]:
    """Return an entry of the own device or of a turbine."""
    keys = {} if device_key is None else {"productKey": "turbine", "deviceKey": device_key}
    return {**keys, "measurepoints": points, "time": time}


@pytest.fixture(scope="module")
def platform() -> Iterator[Any]:
    """One platform for the tests that do not mind each other; connects are not counted."""
    limits = PlatformLimits(connects=None, min_keepalive=None)
    with simulate(MODEL, sub_devices=SUBS, online=SUBS[:1], devices=[("turbine", "T9")],
                  limits=limits) as running:  # fmt: skip
        yield running


def last_session(of: Any) -> str:
    """Return how the newest session stands."""
    return str(of.sessions()["how"].iloc[-1])


def wait_for(condition: Any) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_batch_arrives_and_is_stored() -> None:
    """The whole way once: sign in, subscribe, publish, reply, read back."""
    with (
        simulate(MODEL, sub_devices=SUBS, online=SUBS[:1]) as own,
        Client(own.connection) as client,
    ):
        assert client.next("connected") == "Success"
        assert client.subscribe(batch_reply_topic("gateway", "gw-1")) == [1]
        assert client.ask(entry(P=1.5), entry(device_key="T1", P=2))["code"] == 200
        assert client.ask(entry(device_key="T2", P=2))["code"] == 1212
        stored, requests = own.stored(), own.requests()

    assert stored["device_key"].tolist() == ["gw-1", "T1"]
    assert stored["value"].tolist() == [1.5, 2.0]
    assert requests["code"].tolist() == [200, 1212]
    assert requests["n_values"].tolist() == [2, 1]


def test_a_reply_reaches_only_who_subscribed(platform: Any) -> None:
    """The platform says nothing to a client that forgot to subscribe; it must notice here."""
    with Client(platform.connection) as client:
        client.paho.publish(batch_topic("gateway", "gw-1"), batch(entry(P=-1.0)), qos=1)
        client.next("acknowledged")
        wait_for(lambda: -1.0 in platform.stored()["value"].tolist())
        client.subscribe("/sys/gateway/gw-1/#")

        assert client.ask(entry(P=9999.0))["code"] == 1204


def test_a_subscription_of_qos_0_is_answered_at_qos_0(platform: Any) -> None:
    """The lower of both wishes counts."""
    with Client(platform.connection) as client:
        assert client.subscribe("/sys/gateway/gw-1/+/measurepoint/+/batch_reply", qos=0) == [0]
        assert client.ask(entry(P=1.0))["code"] == 200
        assert client.last_qos == 0


def test_foreign_topics_cannot_be_subscribed(platform: Any) -> None:
    """Neither another device's nor everybody's; those of a sub-device that is online can."""
    with Client(platform.connection) as client:
        granted = client.subscribe("/sys/gateway/gw-1/#", "/sys/turbine/T1/thing/#", "#",
                                   "/sys/+/+/thing/#", "/sys/turbine/T2/thing/#")  # fmt: skip

    assert granted == [1, 1, 0x80, 0x80, 0x80]


def test_a_request_that_is_too_large_is_answered(platform: Any) -> None:
    """1008 comes back with the id of the request."""
    with Client(platform.connection) as client:
        client.subscribe("/sys/gateway/gw-1/#")
        reply = client.ask(*[entry(P=1.0)] * 14_000)

    assert (reply["id"], reply["code"]) == ("1", 1008)


def test_a_wrong_secret_is_refused(platform: Any) -> None:
    """Bad credentials are an answer, not a silent close."""
    wrong = Connection(platform.host, platform.port, product_key="gateway", device_key="gw-1",
                       device_secret="wrong")  # fmt: skip
    with Client(wrong) as client:
        assert client.next("connected") == "Bad user name or password"

    assert last_session(platform) == "refused: bad signature"


def test_other_protocol_versions_are_refused(platform: Any) -> None:
    """The platform speaks MQTT 3.1.1 only."""
    with Client(platform.connection, level=paho.MQTTv31) as client:
        assert client.next("connected") == "Unsupported protocol version"


def test_a_newcomer_takes_over_and_the_former_is_put_off(platform: Any) -> None:
    """A live gateway and a backfill with the same credentials must be seen to fight."""
    with Client(platform.connection) as first:
        first.next("connected")
        with Client(platform.connection) as second:
            second.next("connected")
            first.next("disconnected")
            assert platform.sessions()["how"].tolist()[-2:] == ["taken over", "open"]

    wait_for(lambda: last_session(platform) == "disconnected")


def test_a_sub_device_may_connect_by_itself(platform: Any) -> None:
    """Its credentials are handed out for clients of one's own."""
    with Client(platform.connection_for("turbine", "T9")) as client:
        client.subscribe("/sys/turbine/T9/#")

        assert client.ask(entry(P=99.0))["code"] == 200


def test_too_many_connects_are_refused() -> None:
    """The fifth attempt in two minutes is blocked, with the right secret, too."""
    told = []
    with simulate(MODEL) as own:
        for _ in range(5):
            with Client(own.connection) as client:
                told.append(client.next("connected"))
        how = own.sessions()["how"].tolist()

    assert told == ["Success"] * 4 + ["Not authorized"]
    assert how[-1] == "refused: blocked"


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\xc0\x00", b"\x10\x00"])
def test_a_stranger_is_put_off(platform: Any, sent: bytes) -> None:
    """What is not MQTT, or does not begin with a CONNECT, ends at once."""
    with socket.create_connection((platform.host, platform.port), timeout=PATIENCE) as sock:
        sock.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""


def raw_session(of: Any, keepalive: int = 60) -> socket.socket:
    """Sign the gateway in over a plain socket."""
    connection = of.connection
    fields = sign_in(
        *connection.device, connection.device_secret.reveal(), client_id="raw", timestamp=1
    )
    sock = socket.create_connection((of.host, of.port), timeout=PATIENCE)
    packet = mqtt.Connect(4, fields.client_id, fields.username, fields.password, keepalive)
    sock.sendall(mqtt.encode(packet))
    assert sock.recv(4) == mqtt.encode(mqtt.Connack(0))
    return sock


@pytest.mark.parametrize(
    ("sent", "how"),
    [
        (b"\x34\x05\x00\x01t\x00\x01", "protocol error"),
        (mqtt.encode(mqtt.Connect(4)), "protocol error"),
        (mqtt.encode(mqtt.Disconnect()), "disconnected"),
    ],
    ids=["QoS 2", "a second CONNECT", "DISCONNECT"],
)
def test_how_a_session_ended_is_noted(platform: Any, sent: bytes, how: str) -> None:
    """sessions() tells a farewell from a mistake."""
    with raw_session(platform) as sock:
        sock.sendall(sent)
        assert sock.recv(1) == b""

    assert last_session(platform) == how


def test_a_socket_that_breaks_is_a_lost_session(platform: Any) -> None:
    """No DISCONNECT, no farewell."""
    raw_session(platform).close()

    wait_for(lambda: last_session(platform) == "lost")


def test_a_silent_client_times_out(platform: Any) -> None:
    """One and a half times the keepalive, then the session is over."""
    with raw_session(platform, keepalive=1) as sock:
        sock.sendall(mqtt.encode(mqtt.Ping()))
        assert sock.recv(2) == mqtt.encode(mqtt.Pong())
        assert sock.recv(1) == b""

    assert last_session(platform) == "timed out"


def test_after_unsubscribing_there_are_no_replies(platform: Any) -> None:
    """The answer to a publish is its PUBACK, and nothing else."""
    name = batch_reply_topic("gateway", "gw-1")
    with raw_session(platform) as sock:
        question = mqtt.Publish(batch_topic("gateway", "gw-1"), b"", 1, 3)
        wishes = [mqtt.Subscribe(1, ((name, 1),)), mqtt.Unsubscribe(2, (name,))]
        for packet in [*wishes, question, mqtt.Ping()]:
            sock.sendall(mqtt.encode(packet))
        decoder, received = mqtt.Decoder(), []
        while not any(isinstance(packet, mqtt.Pong) for packet in received):
            received += decoder.feed(sock.recv(100))

    assert named(received) == named(
        [mqtt.Suback(1, (1,)), mqtt.Unsuback(2), mqtt.Puback(3), mqtt.Pong()]
    )


@pytest.mark.skipif(not CLIENTS_INSTALLED, reason="mosquitto_pub or mosquitto_sub is not installed")
def test_mosquittos_own_programs_work(platform: Any) -> None:
    """A client that is not ours and not paho."""
    fields = sign_in(*platform.connection.device, platform.connection.device_secret.reveal(),
                     client_id="m", timestamp=1)  # fmt: skip
    common = ["-h", platform.host, "-p", str(platform.port), "-V", "311", "-i", fields.client_id,
              "-u", fields.username, "-P", fields.password, "-q", "1"]  # fmt: skip
    published = subprocess.run(
        ["mosquitto_pub", *common, "-t", batch_topic("gateway", "gw-1"), "-s"],
        input=batch(entry(P=-7.0)), timeout=PATIENCE, check=False,
    )  # fmt: skip
    subscribed = subprocess.run(
        ["mosquitto_sub", *common, "-t", "/sys/gateway/gw-1/#", "-E"],
        timeout=PATIENCE, check=False,
    )  # fmt: skip

    assert (published.returncode, subscribed.returncode) == (0, 0)
    assert -7.0 in platform.stored()["value"].tolist()


def test_a_compressed_connection_works_over_the_platforms_process(platform: Any) -> None:
    """As the vendor's Java client connects: a mark in the client id, and GZIP both ways."""
    connection = platform.connection
    name = "gw-1{ip=127.0.0.1,version=2.2.16,compress=GZIP}"
    secret = connection.device_secret.reveal()
    fields = sign_in(*connection.device, secret, client_id=name, timestamp=1)
    with socket.create_connection((platform.host, platform.port), timeout=PATIENCE) as sock:
        question = mqtt.Publish(batch_topic("gateway", "gw-1"), pack(batch(entry(P=-3.5))), 1, 3)
        reply_topic = batch_reply_topic("gateway", "gw-1")
        for packet in (
            mqtt.Connect(4, fields.client_id, fields.username, fields.password, 60),
            mqtt.Subscribe(1, ((reply_topic, 0),)),
            question,
        ):
            sock.sendall(mqtt.encode(packet))
        decoder, received = mqtt.Decoder(), []
        while not any(isinstance(packet, mqtt.Publish) for packet in received):
            received += decoder.feed(sock.recv(1_000))

    assert orjson.loads(unpack(received[-1].payload))["code"] == 200
    assert -3.5 in platform.stored()["value"].tolist()


SAYING = """
import sys
import paho.mqtt.client as paho
import mpreplay as mp
from mpreplay.protocol.signature import sign_in
with mp.simulate(mp.ThingModel("M", {"P": mp.Measurepoint("P", "INT")})) as platform:
    secret = platform.connection.device_secret.reveal()
    fields = sign_in("gateway", "gw-1", secret, client_id="c", timestamp=1)
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, fields.client_id)
    client.username_pw_set(fields.username, fields.password)
    client.connect(platform.host, platform.port)
    for _ in range(3):
        client.publish("/sys/gateway/gw-1/thing/tag/query", "{}", qos=0)
    client.publish("elsewhere", "{}", qos=1)
    client.loop_start()
    while len(platform.requests()) < 4:
        pass
    client.disconnect()
    client.loop_stop()
    print(platform.requests()["code"].tolist())
"""


def test_what_is_not_served_is_said_once_in_the_log() -> None:
    """Whoever runs a client of their own sees why it hears 1009, even at QoS 0."""
    told = subprocess.run(
        [sys.executable, "-c", SAYING], capture_output=True, text=True, check=True, timeout=60
    )

    assert told.stderr.splitlines() == [
        "the rehearsal platform does not serve /sys/gateway/gw-1/thing/tag/query"
    ]
    assert told.stdout.strip() == "[1009, 1009, 1009, 1009]"


def test_an_answer_that_fails_is_an_error_and_not_a_wait(platform: Any) -> None:
    """The parent reads until an answer comes: none must ever be left out."""
    with pytest.raises(ConnectError, match="the rehearsal platform failed: "):
        platform._ask(b"[5]")

    assert len(platform.sessions()) > 0


def test_a_port_in_use_is_a_connect_error(platform: Any) -> None:
    """One sentence, no traceback, no process left."""
    with pytest.raises(ConnectError, match=f"cannot listen on 127.0.0.1:{platform.port}"):
        simulate(MODEL, port=platform.port)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"model": {"turbine": "model.json"}}, "ThingModel.load"),
        ({"gateway": "gw-1"}, "gateway takes pairs"),
        ({"sub_devices": ["T1"]}, "sub_devices takes pairs"),
        ({"gateway": ("gateway", "gw/1")}, r"gateway: the key .* holds '/'"),
        ({"sub_devices": [("tur+bine", "T1")]}, r"sub_devices: the key .* holds '\+'"),
        ({"sub_devices": [("turbine", "#")]}, "holds '#', which no topic carries"),
        ({"devices": [("turbine", "T\0")]}, "devices: the key .* control character"),
        ({"devices": [("turbine", "T&1")]}, "holds '&'"),
        ({"online": [("turbine", "T1")]}, "not among sub_devices"),
        ({"sub_devices": [("gateway", "gw-1")]}, "sub-device of a gateway"),
        ({"gateways": [("gateway", "gw-1")]}, "gateways takes a mapping"),
        ({"gateways": {}}, "gateways takes a mapping"),
        ({"gateways": {("gateway", "gw-1"): "T1"}}, "gateways takes pairs"),
        ({"gateways": {("gateway", "g"): [("t", "1")]}, "sub_devices": SUBS}, "not both"),
        (
            {"gateways": {("gateway", "a"): [("t", "1")], ("gateway", "b"): [("t", "1")]}},
            r"\('t', '1'\) is a sub-device of \('gateway', 'a'\) and of \('gateway', 'b'\)",
        ),
        ({"behind": "https://example.com"}, "mqtt://host:port"),
        ({"port": 99_999}, "port= must be a port, 0 to 65535, got 99999"),
    ],
)
def test_arguments_that_cannot_work_are_refused(given: dict[str, Any], match: str) -> None:
    """At the call, with what was expected."""
    with pytest.raises(ConfigError, match=match):
        simulate(**{"model": MODEL, **given})


def test_a_closed_platform_says_so() -> None:
    """Closing twice is fine; asking afterwards is a mistake with a reason."""
    own = simulate(MODEL, sub_devices=SUBS)
    port = own.port
    assert repr(own) == f"<rehearsal platform at 127.0.0.1:{port}, 2 sub-devices>"
    own.close()
    own.close()

    assert repr(own).endswith(", closed>")
    assert not answers(port)
    with pytest.raises(ConfigError, match="is closed"):
        own.stored()


def test_an_unknown_device_has_no_connection(platform: Any) -> None:
    """The error names the arguments that make devices."""
    with pytest.raises(ConfigError, match="devices="):
        platform.connection_for("turbine", "nobody")


def test_models_may_differ_by_product() -> None:
    """The sub-devices of a gateway are often of several products."""
    models = {"turbine": MODEL}
    with simulate(models, sub_devices=SUBS, online=SUBS) as own, Client(own.connection) as client:
        client.subscribe("/sys/gateway/gw-1/#")

        assert client.ask(entry(device_key="T1", P=1.0))["code"] == 200
        assert client.ask(entry(P=1.0))["code"] == 1204


# A shell ignores SIGINT in its background jobs, and children inherit that: taken back.
PARENT = """
import signal
import time
import mpreplay as mp
signal.signal(signal.SIGINT, signal.default_int_handler)
platform = mp.simulate(mp.ThingModel("M", {"P": mp.Measurepoint("P", "INT")}))
print(platform.port, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_the_platform_dies_with_its_parent(ending: signal.Signals) -> None:
    """No process is left behind, not even by a parent that could not clean up."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as parent:  # fmt: skip
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert answers(port)
        parent.send_signal(ending)
        _, errors = parent.communicate(timeout=PATIENCE)

    wait_for(lambda: not answers(port))
    assert b"simulator/" not in errors


def test_the_process_needs_no_pandas() -> None:
    """It starts in a tenth of a second, and there may be one per test."""
    script = (
        "import sys, mpreplay.simulator.__main__, mpreplay.simulator.endpoint as e; "
        "print(sorted({'pandas', 'pandera', 'pyarrow', 'numpy', 'paho'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert told.stdout.strip() == b"[]"


def test_no_broker_behind_is_a_connect_error() -> None:
    """The user hears where nobody answered."""
    port = free_port()
    with pytest.raises(ConnectError, match=f"no broker answers at 127.0.0.1:{port}"):
        simulate(MODEL, behind=f"mqtt://127.0.0.1:{port}")


@pytest.mark.mosquitto
@pytest.mark.skipif(not MOSQUITTO_INSTALLED, reason="mosquitto is not installed")
def test_the_same_rules_answer_behind_a_real_broker() -> None:
    """Client and endpoint cannot be wrong in the same way when a broker stands between them."""
    with (
        mosquitto() as (host, port),
        simulate(MODEL, sub_devices=SUBS, online=SUBS[:1], behind=f"mqtt://{host}:{port}") as own,
        Client(own.connection) as client,
    ):
        assert (own.connection.host, own.connection.port) == (host, port)
        client.subscribe(batch_reply_topic("gateway", "gw-1"))
        codes = [
            client.ask(entry(P=1.0), entry(device_key="T1", P=2.0))["code"],
            client.ask(entry(device_key="T2", P=3.0))["code"],
            client.ask(entry(device_key="T2", P=3.0), allow=True)["code"],
            client.ask(entry(P=9999.0))["code"],
            client.ask(entry(P=9999.0), skip=True)["code"],
        ]
        stored = own.stored()

    assert codes == [200, 1212, 200, 1204, 200]
    assert stored["device_key"].tolist() == ["gw-1", "T1", "T2"]
