"""What clients may do to the endpoint: attacks, wills, kept sessions, compressed connections.

The endpoint runs in the test's own event loop, with bounds so short that no test waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator.test_mqtt import packets
from simulator.test_rules import BATCH, GATEWAY, ONLINE, SECRETS, entry, request
from simulator.test_rules import platform as new_platform

from mpreplay import Measurepoint, ThingModel
from mpreplay.protocol.compression import MAX_UNPACKED_BYTES, pack, unpack
from mpreplay.protocol.signature import sign
from mpreplay.simulator import mqtt
from mpreplay.simulator.clients import Bounds
from mpreplay.simulator.endpoint import Endpoint
from mpreplay.simulator.platform import Platform

PATIENCE = 10.0  # for anything that should happen at once [s]
SHORT = 0.05  # [s]
REPLY = BATCH + "_reply"
GZIP = "{ip=127.0.0.1,version=2.2.16,compress=GZIP}"


class Peer:
    """A client of the endpoint over a real socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._decoder, self._received = mqtt.Decoder(), []

    def send(self, *sent: Any) -> None:
        """Send packets or bytes."""
        for one in sent:
            self.writer.write(one if isinstance(one, bytes) else mqtt.encode(one))

    async def next(self) -> Any:
        """Return the next packet, or None if the platform has closed the connection."""
        while not self._received:
            data = await asyncio.wait_for(self.reader.read(65_536), PATIENCE)
            if not data:
                return None
            self._received += self._decoder.feed(data)
        return self._received.pop(0)

    async def next_message(self) -> tuple[mqtt.Publish, dict[str, Any]]:
        """Return the next reply: the packet and its JSON."""
        while not isinstance(packet := await self.next(), mqtt.Publish):
            assert packet is not None, "the platform has closed the connection"
        payload = unpack(packet.payload) if packet.payload[:2] == b"\x1f\x8b" else packet.payload
        return packet, orjson.loads(payload)

    async def is_closed(self) -> bool:
        """Return True once the platform has closed the connection, whatever it sent before."""
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(self.reader.read(65_536), PATIENCE):
                pass
        return True

    async def sign_in(self, name: str = "c", **fields: Any) -> mqtt.Connack:
        """Sign the gateway in."""
        self.send(connect(name, **fields))
        packet = await self.next()
        assert isinstance(packet, mqtt.Connack)
        return packet

    async def subscribe(self, topic: str = REPLY, qos: int = 1) -> tuple[int, ...]:
        """Subscribe to the replies."""
        self.send(mqtt.Subscribe(9, ((topic, qos),)))
        packet = await self.next()
        assert isinstance(packet, mqtt.Suback)
        return packet.codes


def connect(name: str = "c", *, device: Any = GATEWAY, **fields: Any) -> mqtt.Connect:
    """Return the CONNECT of a device; the name is all that the signature covers of a client id."""
    product_key, device_key = device
    password = sign(name, device_key, product_key, 5, SECRETS[device])
    client_id = f"{name}|securemode=2,signmethod=sha256,timestamp=5|"
    username = f"{device_key}&{product_key}"
    return mqtt.Connect(4, client_id, username, password, **{"keepalive": 60, **fields})


def played(
    scenario: Callable[[Endpoint, Callable[[], Awaitable[Peer]]], Awaitable[None]],
    of: Platform | None = None,
    **bounds: Any,
) -> Platform:
    """Run an endpoint and a scenario in one event loop; fail if anything in it failed."""
    rules = of or new_platform(connects=None)
    failures: list[Any] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        endpoint, end, ready = (
            Endpoint(rules, Bounds(**bounds)),
            asyncio.Event(),
            loop.create_future(),
        )
        serving = loop.create_task(
            endpoint.serve("127.0.0.1", 0, lambda host, port: ready.set_result(port), end)
        )
        port = await ready
        peers: list[Peer] = []

        async def peer() -> Peer:
            peers.append(Peer(*await asyncio.open_connection("127.0.0.1", port)))
            return peers[-1]

        try:
            await scenario(endpoint, peer)
        finally:
            for one in peers:
                one.writer.transport.abort()
            end.set()
            await serving
            # The transports close in the loop's next turn.
            await asyncio.sleep(0)

    asyncio.run(run())
    assert failures == []
    return rules


# The platform under attack


@pytest.mark.parametrize("drip", [b"", b"\x10\xff\x01\x00\x04MQTT", mqtt.encode(connect())[:-1]])
def test_a_socket_without_a_connect_is_closed_however_it_drips(drip: bytes) -> None:
    """A byte now and then would otherwise hold a socket for ever."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()

        async def feed() -> None:
            for byte in drip:
                one.send(bytes([byte]))
                await asyncio.sleep(SHORT / 20)

        feeding = asyncio.create_task(feed())
        assert await one.is_closed()
        assert not endpoint.open
        feeding.cancel()

    assert played(scenario, handshake=SHORT).sessions == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x10\x81\x80\x04",  # a CONNECT of more than 64 KB
        b"\x10\xff\xff\xff\x7f",  # of 256 MB
        b"\x30\x05",  # a message before any CONNECT
        b"\xc0",  # a ping
        b"\x00",
    ],
)
def test_a_strangers_packet_is_refused_by_its_first_bytes(sent: bytes) -> None:
    """Nothing of it is kept: the platform does not know yet who sends."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        one.send(sent)
        assert await one.is_closed()

    played(scenario)


def test_a_device_that_has_signed_in_may_send_large_packets() -> None:
    """One that is too large is answered; one without any measure ends the connection."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        # In one go with the CONNECT, as MQTT allows.
        one.send(connect(), mqtt.Subscribe(9, ((REPLY, 1),)))
        one.send(mqtt.Publish(BATCH, request(entry(P=1.0), padding="x" * 600_000), 1, 1))
        assert (await one.next_message())[1]["code"] == 1008
        one.send(b"\x30\xff\xff\xff\x7f")
        assert await one.is_closed()

    assert played(scenario).sessions[0]["how"] == "protocol error"


def test_a_client_that_does_not_read_is_dropped() -> None:
    """What it asked for would otherwise pile up in the platform's memory."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in()
        await one.subscribe()
        one.reader._transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while endpoint.clients:
                endpoint.outbox.put(GATEWAY, REPLY, bytes(100_000), None)
                await asyncio.sleep(0)
        other = await peer()
        assert await other.sign_in() == mqtt.Connack(0)

    assert played(scenario, unsent_bytes=10_000).sessions[0]["how"] == "does not read"


def test_a_client_that_does_not_read_its_farewell_keeps_no_socket() -> None:
    """Closing waits until everything is sent; that may be never."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in()
        one.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client = endpoint.clients[GATEWAY]
        while not client._transport.get_write_buffer_size():
            client._send(mqtt.Publish("t", b"x" * 100_000))
        endpoint.kick(*GATEWAY)
        assert client._transport.get_write_buffer_size()
        async with asyncio.timeout(PATIENCE):
            while client._transport.get_write_buffer_size():
                await asyncio.sleep(SHORT)

    played(scenario, unsent_bytes=1 << 30, farewell=SHORT)


def test_refusals_are_listed_up_to_a_number_and_a_length() -> None:
    """Anyone may try to connect for as long as they like."""
    of = new_platform(connects=None)
    for n in range(10_010):
        of.connect("x" * 60_000, f"{n}&" + "y" * 60_000, "", 0)
    admission = of.connect(connect().client_id, connect().username, connect().password, 0)

    assert len(of.sessions) == 10_001
    assert max(len(row["client_id"] + row["product_key"]) for row in of.sessions) < 600
    assert of.sessions[admission.session]["how"] == "open"


def test_a_subscriber_has_a_bounded_number_of_filters() -> None:
    """The rest is refused, as a topic of another device is."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in()
        names = [f"/sys/gateway/gw-1/thing/{n}" for n in range(1_001)]
        one.send(mqtt.Subscribe(9, tuple((name, 1) for name in names)))
        assert (await one.next()).codes == (1,) * 1_000 + (0x80,)

    played(scenario)


hostile = st.lists(
    st.binary(max_size=60)
    | packets.map(mqtt.encode)
    | st.builds(
        lambda topic, payload, qos: mqtt.encode(mqtt.Publish(topic, payload, qos, 3)),
        st.sampled_from([BATCH, "/sys/gateway/gw-1/+", "/sys/gateway/gw-1/thing/\0",
                         "/sys//gw-1/thing/topo/get", "/ext/session/gateway/gw-1/combine/login",
                         "/sys/gateway/gw-1/thing/topo/delete", "/", "#"]),
        st.binary(max_size=40) | st.just(request(entry(P=1.0))) | st.just(pack(b"{}")),
        st.integers(0, 3),
    )
    | st.sampled_from(
        [mqtt.encode(connect(GZIP)), mqtt.encode(mqtt.Connect(4, "a", "+&#", "/", 60)),
         mqtt.encode(mqtt.Connect(4, "", "/&\N{SNOWMAN}", "", 0, False))]
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), hostile), min_size=1, max_size=6))
def test_no_bytes_of_a_client_bring_the_platform_down(
    attacks: list[tuple[bool, bool, list[bytes]]],
) -> None:
    """Neither a stranger's nor a device's; afterwards the next client is served as ever."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        for is_signed_in, is_packed, sent in attacks:
            one = await peer()
            if is_signed_in:
                one.send(connect(f"c{GZIP}" if is_packed else "c"))
            one.send(*sent)
            one.writer.close()
        honest = await peer()
        assert await honest.sign_in() == mqtt.Connack(0)
        assert await honest.subscribe() == (1,)
        honest.send(mqtt.Publish(BATCH, request(entry(P=1.0)), 1, 1))
        assert (await honest.next_message())[1]["code"] == 200
        assert list(endpoint.platform.answer(b"requests"))

    played(scenario)


@pytest.mark.parametrize("levels", [300, 1_000])
def test_values_nested_deeply_can_be_asked_for(levels: int) -> None:
    """A JSON parser reads more levels than the writer writes: an answer would never come."""
    of = new_platform(ThingModel("M", {"P": Measurepoint("P", "INT")}, pass_through=True))
    deep = b"[" * levels + b"]" * levels
    payload = request(entry(x=1)).replace(b'"x":1', b'"x":' + deep)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        code = orjson.loads(of.receive(GATEWAY, BATCH, payload, 1) or b"")["code"]
        answer = b"".join(of.answer(b'["stored","gateway",null,null,null]'))
    finally:
        sys.setrecursionlimit(limit)

    assert code == 200
    assert answer.count(b"[") >= levels


# Wills


WILL = mqtt.Will(BATCH, request(entry(P=-1.0)), 1)


@pytest.mark.parametrize(
    ("ending", "how", "is_published"),
    [
        (mqtt.encode(mqtt.Disconnect()), "disconnected", False),
        (b"", "lost", True),
        (b"\xff\xff", "protocol error", True),
    ],
)
def test_a_will_is_published_after_a_loss(ending: bytes, how: str, is_published: bool) -> None:
    """A farewell deletes it; whatever else ends a session publishes it."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in(will=WILL)
        one.send(ending)
        one.writer.close()
        async with asyncio.timeout(PATIENCE):
            while endpoint.clients:
                await asyncio.sleep(0.001)

    of = played(scenario)

    assert [row["how"] for row in of.sessions] == [how]
    assert [row["code"] for row in of.requests] == [200] * is_published
    assert len(of.accepted) == is_published


def test_the_will_of_a_session_that_is_taken_over_is_published() -> None:
    """The server closed the connection, and the client sent no DISCONNECT."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one, other = await peer(), await peer()
        await one.sign_in(will=WILL)
        await other.sign_in()
        assert await one.is_closed()

    assert len(played(scenario).accepted) == 1


def test_a_will_travels_plain_on_a_compressed_connection() -> None:
    """It is part of the CONNECT, which is never packed."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one, other = await peer(), await peer()
        await one.sign_in(f"c{GZIP}", will=WILL)
        await other.sign_in(f"c{GZIP}")

    assert played(scenario).requests[0]["code"] == 200


def test_a_will_has_no_more_rights_than_its_device() -> None:
    """A will to another device's topic is refused as a publish is."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in(will=mqtt.Will(BATCH.replace("gw-1", "gw-2"), request(entry(P=1.0))))

    of = played(scenario)

    assert of.accepted == []
    assert [row["code"] for row in of.requests] == [1009]


# Sessions that are kept


def test_a_session_that_is_not_clean_is_kept() -> None:
    """The reply to a request that was sent before a loss reaches the client after it."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        assert await one.sign_in(clean=False) == mqtt.Connack(0, False)
        await one.subscribe()
        one.send(mqtt.Publish(BATCH, request(entry(P=1.0), id="before"), 1, 1), mqtt.Disconnect())
        await one.is_closed()
        endpoint.outbox.put(GATEWAY, REPLY, b'{"id":"away","code":200}', None)
        back = await peer()
        assert await back.sign_in(clean=False) == mqtt.Connack(0, True)
        first, second = await back.next_message(), await back.next_message()
        assert [first[1]["id"], second[1]["id"]] == ["before", "away"]
        assert [first[0].dup, first[0].qos, first[0].packet_id] == [True, 1, 1]
        back.send(mqtt.Puback(1), mqtt.Puback(2), mqtt.Disconnect())
        await back.is_closed()
        again = await peer()
        assert await again.sign_in(clean=False) == mqtt.Connack(0, True)
        again.send(mqtt.Ping())
        assert isinstance(await again.next(), mqtt.Pong)

    played(scenario)


@pytest.mark.parametrize("second", [{"clean": True}, {"clean": False, "name": "other"}])
def test_a_clean_session_or_another_client_begins_anew(second: dict[str, Any]) -> None:
    """A session belongs to a client id, and a clean one discards what was kept."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in(clean=False)
        await one.subscribe()
        one.send(mqtt.Disconnect())
        await one.is_closed()
        endpoint.outbox.put(GATEWAY, REPLY, b"{}", None)
        other = await peer()
        assert await other.sign_in(**second) == mqtt.Connack(0, False)
        other.send(mqtt.Ping())
        assert isinstance(await other.next(), mqtt.Pong)
        assert len(endpoint.kept) == (not second["clean"])

    played(scenario)


def test_what_is_kept_for_a_client_is_bounded() -> None:
    """A client that never comes back must not fill the memory; the newest messages stay."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in(clean=False)
        await one.subscribe()
        one.send(mqtt.Disconnect())
        await one.is_closed()
        for n in range(1_500):
            endpoint.outbox.put(GATEWAY, REPLY, b"%d" % n, None)
        kept = endpoint.kept[GATEWAY].unacknowledged()
        assert [due.payload for due in (kept[0], kept[-1])] == [b"500", b"1499"]
        for _ in range(20):
            endpoint.outbox.put(GATEWAY, REPLY, bytes(1 << 20), None)
        assert len(endpoint.kept[GATEWAY].unacknowledged()) == 16

    played(scenario)


# Compressed connections


def test_a_compressed_connection_is_served_both_ways() -> None:
    """Requests come packed, and replies go packed: a plain reply is dropped by the Java client."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        assert await one.sign_in(f"c{GZIP}") == mqtt.Connack(0)
        await one.subscribe()
        await one.subscribe("/ext/session/gateway/gw-1/#")
        out = {"id": 2, "params": dict(zip(("productKey", "deviceKey"), ONLINE, strict=True)),
               "method": "combine.logout"}  # fmt: skip
        one.send(
            mqtt.Publish(BATCH, pack(request(entry(P=1.5)), 1), 1, 1),
            mqtt.Publish("/ext/session/gateway/gw-1/combine/logout", pack(orjson.dumps(out)), 1, 2),
        )
        for request_id in ("7", "2"):
            packet, reply = await one.next_message()
            assert packet.payload.startswith(b"\x1f\x8b\x08")
            assert (reply["id"], reply["code"]) == (request_id, 200)

    of = played(scenario)

    assert of.accepted[0].payload == request(entry(P=1.5))
    assert of.requests[0]["n_bytes"] == len(request(entry(P=1.5)))


def test_the_next_connection_of_a_device_may_be_plain() -> None:
    """Compression is switched per connection, by the client id alone."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        # As the vendor's Java client calls itself unless told otherwise, and without what it knows.
        default = GZIP.replace("GZIP", "DEFAULT")
        for name in (f"c{GZIP}", "c", f"c{default}", "c{compress=DEFAULT}", "c{compress=GZIP}"):
            one = await peer()
            await one.sign_in(name)
            await one.subscribe()
            payload = request(entry(P=1.0))
            one.send(mqtt.Publish(BATCH, pack(payload) if name.endswith("GZIP}") else payload))
            packet, reply = await one.next_message()
            assert reply["code"] == 200
            assert packet.payload.startswith(b"\x1f\x8b") == name.endswith("GZIP}")
            one.send(mqtt.Disconnect())
            await one.is_closed()

    played(scenario)


@pytest.mark.parametrize(
    ("payload", "code", "request_id"),
    [
        (request(entry(P=1.0)), 1220, ""),  # plain on a compressed connection
        (pack(request(entry(P=1.0)))[:-1], 1220, ""),
        (pack(b""), 1251, ""),
        (pack(request(entry(P=1.0), padding="x" * 600_000)), 1008, "7"),
        (pack(bytes(MAX_UNPACKED_BYTES + 1)), 1008, ""),  # a bomb
    ],
    ids=["plain", "damaged", "empty", "too large", "bomb"],
)
def test_a_packed_payload_is_judged_by_its_unpacked_size(
    payload: bytes, code: int, request_id: str
) -> None:
    """A limit counts what was packed, as the vendor's client does; a bomb is not unpacked."""

    async def scenario(endpoint: Endpoint, peer: Any) -> None:
        one = await peer()
        await one.sign_in(f"c{GZIP}")
        await one.subscribe()
        one.send(mqtt.Publish(BATCH, payload, 1, 1))
        _, reply = await one.next_message()
        assert (reply["code"], reply["id"]) == (code, request_id)

    assert played(scenario).accepted == []
