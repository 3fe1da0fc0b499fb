"""A transport that packs: both ways, within bounds, and with a platform that answers in plain."""

from __future__ import annotations

import logging
import tracemalloc
import zlib
from typing import Any

import pytest

from mpreplay.conversation.packing import PackedTransport, counts_of_packing, travelling
from mpreplay.conversation.transport import Acknowledged, Lost, Message
from mpreplay.protocol.compression import is_packed, pack, unpack
from mpreplay.protocol.messages import MAX_REPLY_BYTES
from mpreplay.settings import Connection

REPLY = b'{"id":"7","code":200,"data":{}}'
REFUSAL = b'{"id":"","code":1220,"message":"no JSON"}'
REQUEST = b'{"id":"7","params":[]}' * 100


def bomb(megabytes: int) -> bytes:
    """Return a payload that would unpack to so much: one block of zeros, over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, block = (
        packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return first + block * (megabytes - 1)


class Inner:
    """A transport that keeps what is sent, and hands out events as a test says."""

    def __init__(self, *events: Any) -> None:
        self.events = list(events)
        self.sent: list[tuple[str, bytes]] = []
        self.calls: list[str] = []

    def connect(self) -> None:
        """Take note."""
        self.calls.append("connect")

    def publish(self, topic: str, payload: bytes) -> None:
        """Take note."""
        self.sent.append((topic, payload))

    def receive(self, _timeout: float) -> Any:
        """Hand out the next event."""
        return self.events.pop(0) if self.events else None

    def close(self) -> None:
        """Take note."""
        self.calls.append("close")


def test_every_message_travels_packed_and_its_size_is_told() -> None:
    """The rate of the platform counts what is on the wire: the session must know it."""
    inner = Inner()
    packed = PackedTransport(inner)
    packed.connect()
    size = packed.publish("t", REQUEST)
    packed.publish("t", REQUEST)
    packed.close()

    (topic, first), (_, second) = inner.sent
    assert topic == "t"
    assert unpack(first) == REQUEST
    assert first == second  # a retry is the same bytes
    assert size == len(first) < len(REQUEST) / 10
    assert inner.calls == ["connect", "close"]


def test_packed_messages_come_out_plain_and_other_events_as_they_are() -> None:
    """The driver knows nothing of compression."""
    events = [Acknowledged("t"), Message("t", pack(REPLY)), Lost("gone"), Message("", b""), None]
    packed = PackedTransport(Inner(*events))
    got = [packed.receive(0.0) for _ in events]

    assert got == [Acknowledged("t"), Message("t", REPLY), Lost("gone"), Message("", b""), None]
    assert packed.counts["plain_replies"] == 0


@pytest.mark.parametrize(
    "payload",
    [
        bomb(2_000),
        pack(REPLY)[:-1],
        pack(REPLY) + b"x",
        b"\x1f\x8b",
        pack(b"") * 101,
    ],
    ids=["bomb", "cut short", "followed", "head alone", "many members"],
)
def test_what_cannot_be_unpacked_is_a_broken_message(
    payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It may have been a reply; two gigabytes are neither held nor waited for."""
    packed = PackedTransport(Inner(Message("t", payload)))
    tracemalloc.start()
    try:
        assert packed.receive(0.0) == Message("", b"")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 3 * MAX_REPLY_BYTES
    assert len(caplog.records) == 1


def test_a_platform_that_answers_in_plain_is_named_once_and_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It has understood, for it names the request: packing goes on."""
    inner = Inner(Message("t", REPLY), Message("t", REPLY))
    packed = PackedTransport(inner)

    assert [packed.receive(0.0), packed.receive(0.0)] == [Message("t", REPLY)] * 2
    packed.publish("t", REQUEST)
    assert is_packed(inner.sent[0][1])
    assert packed.counts["plain_replies"] == 2
    assert [one.message for one in caplog.records] == [
        "the platform answers in plain, though compression was asked for"
    ]


@pytest.mark.parametrize("said", [REFUSAL, b"what?", b""])
def test_a_platform_that_has_not_understood_is_told_in_plain_from_then_on(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A reply that names no request shows that the request was not read: the retry is."""
    inner = Inner(Message("t", said))
    packed = PackedTransport(inner)
    packed.receive(0.0)

    assert packed.publish("t", REQUEST) == len(REQUEST)
    assert inner.sent == [("t", REQUEST)]
    assert "has not understood" in caplog.text


def test_one_odd_message_does_not_end_the_packing(caplog: pytest.LogCaptureFixture) -> None:
    """A platform that has packed a message itself would not understand a plain one."""
    inner = Inner(Message("t", pack(REPLY)), Message("t", b"what?"))
    packed = PackedTransport(inner)
    packed.receive(0.0)
    packed.receive(0.0)
    packed.publish("t", REQUEST)

    assert is_packed(inner.sent[0][1])
    assert [one.levelno for one in caplog.records] == [logging.WARNING]


def test_packing_is_off_unless_asked_for() -> None:
    """The plain transport is used as it is, and no count is added to a run."""
    inner = Inner()
    plain = Connection("h", product_key="p", device_key="d", device_secret="s")

    assert travelling(inner, plain) is inner
    assert counts_of_packing(inner, {"published": 3}) == {}


def test_counts_go_on_over_the_legs_of_a_run() -> None:
    """Also if a later leg goes on in plain."""
    earlier = {"published_bytes_packed": 10, "plain_replies": 1}
    packed = PackedTransport(Inner())
    n = packed.publish("t", REQUEST)

    assert counts_of_packing(packed, earlier) == {
        "published_bytes_packed": 10 + n,
        "plain_replies": 1,
    }
    assert counts_of_packing(Inner(), earlier) == earlier
