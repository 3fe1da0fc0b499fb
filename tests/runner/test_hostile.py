"""Whole replays against a platform that breaks the protocol: none ends in a foreign exception."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostile import Hostile, Wire, accept, grant, greet, ignore

import mpreplay as mp
from mpreplay.conversation import mqtt as transport_module
from mpreplay.conversation import reconnect
from mpreplay.simulator import mqtt

LIMITS = mp.Limits(max_entries=1, connects=None, reply_timeout=5.0, give_up_after=None)
REPLY_TOPIC = "/sys/gateway/gw-1/thing/measurepoint/resume/batch_reply"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Try again sooner than with a real platform, and leave no thread and no traceback behind."""
    monkeypatch.setattr(reconnect, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(transport_module, "CONNECT_TIMEOUT", 1.0)
    threads = set(threading.enumerate())
    yield
    assert {one for one in threading.enumerate() if one.is_alive()} <= threads


def replay(platform: Hostile, history: mp.History, model: mp.ThingModel, **options: Any) -> mp.Run:
    """Replay against a hostile platform."""
    given = {"allow_offline_sub_device": True, "limits": LIMITS, "progress": False, **options}
    return mp.replay(history, model, platform.connection, **given)


def once(odd: Callable[[Wire, mqtt.Publish], None]) -> Callable[[Wire, mqtt.Publish], None]:
    """Return an answer that is odd for the third request only."""
    numbers = itertools.count(1)

    def answer(wire: Wire, request: mqtt.Publish) -> None:
        chosen = odd if next(numbers) == 3 else accept
        chosen(wire, request)

    return answer


def said(*bytes_: bytes) -> Callable[[Wire, mqtt.Publish], None]:
    """Return an answer that comes after some bytes."""

    def answer(wire: Wire, request: mqtt.Publish) -> None:
        wire.send(*bytes_)
        accept(wire, request)

    return answer


def message(topic: bytes, payload: bytes = b"{}") -> bytes:
    """Return a message at QoS 0 with a topic of any bytes."""
    body = len(topic).to_bytes(2, "big") + topic + payload
    return bytes([0x30, len(body)]) + body


ODD_BUT_HARMLESS = {
    "a topic that is no UTF-8": message(b"\xff\xfe/x"),
    "a topic with a NUL": message(b"/a\0b"),
    "a topic of somebody else": message(b"/sys/other/gw/thing/measurepoint/resume/batch_reply"),
    "the reply topic without a payload": message(REPLY_TOPIC.encode(), b""),
    "an acknowledgement of nothing": b"\x40\x02\xff\xff",
    "a second answer to the sign-in": b"\x20\x02\x00\x00",
    "an answer to an unknown subscription": b"\x90\x03\x77\x77\x01",
    "an acknowledgement of another kind": b"\x50\x02\x77\x77",
    "a ping": b"\xc0\x00",
}
THE_END = {
    "a packet of no kind": b"\x00\x00",
    "a packet of MQTT 5": b"\xe0\x02\x8e\x00",
    "a length without end": b"\x30\xff\xff\xff\xff\xff",
    "a message without a topic": b"\x30\x02\x00\x00",
    "a topic longer than the message": b"\x30\x03\x00\x20x",
    "a message of three bytes": b"\x32\x01\x00",
    "an acknowledgement of one byte": b"\x40\x01\x00",
    "a subscription answered without an id": b"\x90\x01\x00",
    "a subscription answered with a code of no kind": b"\x90\x03\x00\x01\x55",
    "a refusal in the middle": b"\x20\x02\x00\x05",
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100,
    "the end": b"",
}


@pytest.mark.parametrize("name", ODD_BUT_HARMLESS)
def test_what_is_odd_but_harmless_costs_nothing(
    history: mp.History, model: mp.ThingModel, name: str
) -> None:
    """A message that nobody understands must not end the conversation."""
    with Hostile(request=once(said(ODD_BUT_HARMLESS[name]))).running() as platform:
        run = replay(platform, history, model)

    assert run.complete
    assert run.summary()["accepted"] == 22
    assert platform.n_connects == 1
    assert len(platform.requests) == 8


def test_a_message_whose_topic_cannot_be_read_counts_as_a_broken_reply(
    history: mp.History, model: mp.ThingModel
) -> None:
    """It may have been a reply."""
    odd = said(ODD_BUT_HARMLESS["a topic that is no UTF-8"])
    with Hostile(request=once(odd)).running() as platform:
        run = replay(platform, history, model)

    assert run.summary()["broken_replies"] == 1


@pytest.mark.parametrize("name", THE_END)
def test_what_ends_the_conversation_begins_another(
    history: mp.History, model: mp.ThingModel, name: str, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A packet that breaks the protocol is a lost connection, and no traceback of a thread."""

    def odd(wire: Wire, _: mqtt.Publish) -> None:
        wire.send(THE_END[name])
        if not THE_END[name]:
            wire.hang_up()

    with caplog.at_level(logging.WARNING), Hostile(request=once(odd)).running() as platform:
        run = replay(platform, history, model)

    assert run.complete
    assert run.summary()["accepted"] == 22
    assert run.books["balanced"].all()
    assert platform.n_connects == 2
    assert sum("the connection is lost" in text for text in caplog.messages) == 1
    assert "Traceback" not in capfd.readouterr().err


def test_garbage_again_and_again_names_no_rival(
    history: mp.History, model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that breaks the protocol is not another client."""
    monkeypatch.setattr(reconnect, "REGAIN_WITHIN", 0.3)
    garbage = Hostile(request=lambda wire, _: wire.send(b"\x00\x00"))
    with garbage.running() as platform:
        run = replay(platform, history, model, limits=mp.Limits(attempts=3, connects=None))

    assert set(run.results["outcome"]) == {"in_doubt"}
    assert "another client" not in run.summary()["stopped"]
    assert run.books["balanced"].all()


def answers(code: bytes) -> Callable[[Wire, Any], None]:
    """Return a sign-in answered with some bytes."""
    return lambda wire, _: wire.send(code)


@pytest.mark.parametrize(
    ("code", "told", "is_final"),
    [
        (1, "does not speak MQTT 3.1.1", True),
        (2, "refuses the client id", True),
        (3, "not available now", False),
        (4, "the device secret is wrong, or there is no such device", True),
        (5, "not authorised", False),
        (6, "refused with code 6, which MQTT 3.1.1 does not have", False),
        (0x87, "refused with code 135, which MQTT 3.1.1 does not have", False),
        (255, "refused with code 255, which MQTT 3.1.1 does not have", False),
    ],
)
def test_a_refused_sign_in_is_told_by_its_own_code(
    history: mp.History, model: mp.ThingModel, code: int, told: str, is_final: bool
) -> None:
    """Codes of MQTT 5 mean something else, and this platform does not speak it."""
    platform = Hostile(connect=answers(bytes([0x20, 2, 0, code])))
    with platform.running(), pytest.raises(mp.ConnectError, match=told) as caught:
        replay(platform, history, model)

    assert caught.value.is_final is is_final
    assert platform.n_connects == 1


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100, "could not be read as MQTT 3.1.1"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n" + b"x" * 200, "could not be read as MQTT 3.1.1"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "the answer is one of TLS: connect with TLS"),
        (b"\x20\x03\x00\x05\x00", "could not be read as MQTT 3.1.1"),
        (b"\x20\x00", "could not be read as MQTT 3.1.1"),
    ],
    ids=["HTTP", "SSH", "TLS", "a longer answer", "an empty answer"],
)
def test_what_is_no_answer_to_a_sign_in_is_told(
    history: mp.History, model: mp.ThingModel, first: bytes, told: str
) -> None:
    """The port of another service, or the wrong one of the platform's two."""
    platform = Hostile(connect=answers(first))
    with platform.running(), pytest.raises(mp.ConnectError, match=told) as caught:
        replay(platform, history, model)

    assert "\n" not in str(caught.value)


def suback(*codes: int, other: int = 0) -> Callable[[Wire, mqtt.Subscribe], None]:
    """Return an answer to a subscription."""
    return lambda wire, asked: wire.send(
        bytes([0x90, 2 + len(codes)]) + (asked.packet_id + other).to_bytes(2, "big") + bytes(codes)
    )


@pytest.mark.parametrize(
    ("subscribe", "told"),
    [
        (suback(), "was answered without a code"),
        (suback(0x80), "was not granted"),
        (suback(0x55), "could not be read as MQTT 3.1.1"),
        (suback(1, other=7), "no answer within 1 s to the subscription to the reply topic"),
        (ignore, "no answer within 1 s to the subscription to the reply topic"),
        (lambda wire, _: wire.hang_up(), "closed by the other side"),
        (lambda wire, _: wire.hang_up(reset=True), "reset"),
    ],
    ids=["no code", "failure", "no such code", "another id", "silence", "closed", "reset"],
)
def test_a_subscription_must_be_granted(
    history: mp.History, model: mp.ThingModel, subscribe: Any, told: str
) -> None:
    """Without it no reply comes, and every request is in doubt."""
    platform = Hostile(subscribe=subscribe)
    with platform.running(), pytest.raises(mp.ConnectError, match=told):
        replay(platform, history, model)

    assert platform.requests == []


def test_a_subscription_that_answers_more_than_was_asked_is_granted(
    history: mp.History, model: mp.ThingModel
) -> None:
    """What is asked for is granted; the rest is nobody's."""
    with Hostile(subscribe=suback(1, 0x80)).running() as platform:
        assert replay(platform, history, model).complete


def test_a_platform_that_never_acknowledges_does_not_fill_the_memory(
    history: mp.History, model: mp.ThingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client keeps what was not acknowledged: a new connection lets go of it."""
    monkeypatch.setattr(transport_module, "MOST_UNACKNOWLEDGED", 3)
    silent = Hostile(request=lambda wire, request: wire.reply(request))
    with silent.running() as platform:
        run = replay(
            platform, history, model, limits=mp.Limits(max_entries=1, window=1, connects=None)
        )

    assert run.complete
    assert run.summary()["accepted"] == 22
    assert platform.n_connects > 1


LISTS = [
    {"loginedSubDevices": 5}, {"loginedSubDevices": True}, {"loginedSubDevices": 1.5},
    {"loginedSubDevices": "abc"}, {"loginedSubDevices": {"a": 1}}, {"loginedSubDevices": None},
    {"loginedSubDevices": [5, None, {"productKey": {"a": []}, "deviceKey": None}, {}, []]},
    {"loginedSubDevices": [{"productKey": "turbine", "deviceKey": ["T1"]}]}, [], 5, "x", None,
]  # fmt: skip


@pytest.mark.parametrize("data", LISTS, ids=str)
def test_a_login_answered_in_any_shape_is_asked_for_each_device(
    history: mp.History, model: mp.ThingModel, data: Any
) -> None:
    """A list that cannot be read names nobody."""

    def login(wire: Wire, request: mqtt.Publish) -> None:
        wire.send(mqtt.Puback(request.packet_id or 0))
        wire.reply(request, 742, data=data, message="no")

    secrets = {("turbine", "T1"): "s1", ("turbine", "T2"): "s2"}
    with Hostile(login=login).running() as platform:
        run = replay(platform, history, model, sub_device_secrets=secrets)

    assert run.complete
    assert run.summary()["sub_devices_refused"] == 2
    assert len(platform.logins) == 3


def test_many_devices_sign_in_side_by_side(history: mp.History, model: mp.ThingModel) -> None:
    """Hundreds of sub-devices must not wait for each other's answers."""
    waiting: list[mqtt.Publish] = []

    def together(wire: Wire, request: mqtt.Publish) -> None:
        waiting.append(request)
        if len(waiting) == 4:  # answered only once all are asked
            for one in reversed(waiting):
                accept(wire, one)

    secrets = {("turbine", f"T{n}"): "s" for n in range(200)}
    with Hostile(login=together).running() as platform:
        run = replay(platform, history, model, sub_device_secrets=secrets)

    assert run.complete
    assert run.summary()["sub_devices_refused"] == 0
    assert len(platform.logins) == 4


def test_the_helper_is_a_platform_unless_told_otherwise(
    history: mp.History, model: mp.ThingModel
) -> None:
    """Else what the tests above find would be its own faults."""
    with Hostile(connect=greet, subscribe=grant).running() as platform:
        run = replay(platform, history, model)

    assert run.complete
    assert (platform.n_connects, len(platform.requests)) == (1, 8)
