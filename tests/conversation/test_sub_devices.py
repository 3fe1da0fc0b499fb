"""Signing sub-devices in through their gateway: together, and alone where one is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from mpreplay import ConfigError, Connection, Secret
from mpreplay.conversation import sub_devices
from mpreplay.conversation.logins import LOGIN_TIMEOUT
from mpreplay.conversation.sub_devices import SubDevices, checked_secrets
from mpreplay.conversation.transport import Acknowledged, Event, Lost, Message
from mpreplay.errors import ConnectionLost
from mpreplay.model.device import Device

GATEWAY = Connection("h", product_key="gp", device_key="gw", device_secret="gs")
LOGIN = "/ext/session/gp/gw/combine/login/batch"
OTHER = Message("/sys/gp/gw/thing/measurepoint/resume/batch_reply", b'{"id":"5","code":200}')

Answer = Callable[[dict[str, Any]], list[Any]]


class Answers:
    """A transport that answers each login as it is told; time passes only while waiting."""

    def __init__(self, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer, self.now = answer, 0.0
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.events: list[Event] = []
        clock = SimpleNamespace(monotonic=lambda: self.now, time_ns=lambda: 0)
        monkeypatch.setattr(sub_devices, "time", clock)

    def connect(self) -> None:
        """Not needed here."""

    def close(self) -> None:
        """Not needed here."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Take a message and queue what follows."""
        message = orjson.loads(payload)
        self.published.append((topic, message))
        for what in self.answer(message) if topic == LOGIN else []:
            body = {"id": message["id"], **what} if isinstance(what, dict) else what
            self.events.append(
                Message(f"{topic}_reply", orjson.dumps(body)) if isinstance(body, dict) else body
            )

    def receive(self, timeout: float) -> Event | None:
        """Return what is queued, or let time pass."""
        if self.events:
            return self.events.pop(0)
        self.now += timeout
        return None


def farm(n: int = 2) -> dict[Device, Secret]:
    """Return secrets of some turbines."""
    return {Device("t", f"T{number}"): Secret(f"secret-{number}") for number in range(n)}


def signed(message: dict[str, Any]) -> list[str]:
    """Return which devices a login names."""
    return [sub["deviceKey"] for sub in message["params"]["subDevices"]]


def platform(bad: dict[str, int]) -> Answer:
    """Return a platform that refuses some devices, with the code of each."""

    def answer(message: dict[str, Any]) -> list[Any]:
        codes = {key: bad.get(key, 200) for key in signed(message)}
        inside = [{"productKey": "t", "deviceKey": k} for k, code in codes.items() if code == 200]
        first = next((code for code in codes.values() if code != 200), 200)
        return [Acknowledged(LOGIN), {"code": first, "data": {"loginedSubDevices": inside}}]

    return answer


@pytest.fixture
def ids() -> Iterator[int]:
    """Request ids."""
    return count()


def sign_in(
    answer: Answer, secrets: dict[Device, str], ids: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> tuple[SubDevices, Answers, list[Event]]:
    """Sign devices in along a script."""
    subs = SubDevices(GATEWAY, secrets, lambda: str(next(ids)))
    transport = Answers(answer, monkeypatch)
    return subs, transport, subs.sign_in(transport)


def test_devices_are_signed_in_fifty_at_a_time(
    ids: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred sub-devices are four requests and not two hundred."""
    subs, transport, aside = sign_in(platform({}), farm(120), ids, monkeypatch)

    assert [len(signed(message)) for _, message in transport.published] == [50, 50, 20]
    assert subs.refused == {}
    assert set(aside) == {Acknowledged(LOGIN)}


def test_refused_devices_are_asked_for_alone(
    ids: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One code answers for fifty: each that is not in has a reason of its own."""
    bad = {"T1": 742, "T3": 705}
    subs, transport, _ = sign_in(platform(bad), farm(5), ids, monkeypatch)

    found = {device.device_key: reply.code for device, reply in subs.refused.items()}
    assert found == bad
    assert [signed(message) for _, message in transport.published[1:]] == [["T1"], ["T3"]]


@pytest.mark.parametrize("data", [None, [], "none", {"loginedSubDevices": [7, None, {}]}])
def test_a_reply_without_lists_means_asking_for_each(
    ids: Iterator[int], monkeypatch: pytest.MonkeyPatch, data: Any
) -> None:
    """Versions of the platform differ in what a refusal tells."""

    def answer(message: dict[str, Any]) -> list[Any]:
        return [{"code": 200 if signed(message) == ["T0"] else 742, "data": data}]

    subs, transport, _ = sign_in(answer, farm(2), ids, monkeypatch)

    assert len(transport.published) == 3
    assert [device.device_key for device in subs.refused] == ["T1"]


def test_what_else_is_received_meanwhile_is_kept(
    ids: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply to a request in flight settles it, also while sub-devices sign in again."""
    late = Message(f"{LOGIN}_reply", b'{"id":"old","code":742}')
    broken = Message(f"{LOGIN}_reply", b"\xff")
    subs, _, aside = sign_in(
        lambda _: [OTHER, late, broken, {"code": 200}], farm(1), ids, monkeypatch
    )

    assert OTHER in aside
    assert subs.refused == {}


def test_no_answer_counts_as_refused(ids: Iterator[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The replay goes on and says why; nobody waits for fifty time-outs."""
    subs, transport, _ = sign_in(lambda _: [], farm(30), ids, monkeypatch)

    assert len(subs.refused) == 30
    assert {reply.message for reply in subs.refused.values()} == {"no reply in time"}
    assert transport.now == LOGIN_TIMEOUT


def test_a_loss_while_signing_in_is_the_callers(
    ids: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It connects again, and signs them in again."""
    with pytest.raises(ConnectionLost, match="reset"):
        sign_in(lambda _: [Lost("reset")], farm(), ids, monkeypatch)


def test_only_those_that_are_in_are_signed_out(
    ids: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that another program signed in stays in."""
    subs, transport, _ = sign_in(platform({"T1": 742}), farm(3), ids, monkeypatch)
    transport.published.clear()
    subs.sign_out(transport)

    assert [topic.rpartition("/")[2] for topic, _ in transport.published] == ["logout"] * 2
    assert [message["params"]["deviceKey"] for _, message in transport.published] == ["T0", "T2"]


def test_nothing_is_subscribed_without_secrets(ids: Iterator[int]) -> None:
    """A device of its own may not subscribe to a gateway's topics."""
    assert SubDevices(GATEWAY, {}, str).reply_topics == []
    assert SubDevices(GATEWAY, farm(), str).reply_topics[0] == f"{LOGIN}_reply"
    assert "secret-0" not in repr(SubDevices(GATEWAY, farm(), str))


def test_secrets_are_checked_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable shows at the call, and no error shows a secret."""
    monkeypatch.setenv("T1_SECRET", "x")

    assert checked_secrets(None) == {}
    checked = checked_secrets({("t", "T1"): "env:T1_SECRET"})
    assert checked == {Device("t", "T1"): Secret("env:T1_SECRET")}
    for wrong in (
        {"T1": "Zebra"},
        {("t",): "Zebra"},
        {("t", ""): "Zebra"},
        {("t", "T1"): b"Zebra"},
        {("t", "T1"): "Zebra\ud800"},
        {("t", "T/1"): "Zebra"},
        {("t\0", "T1"): "Zebra"},
        {"Zebra": ("t", "T1")},
        [("t", "T1", "Zebra")],
        "Zebra",
    ):
        with pytest.raises(ConfigError, match="sub_device_secrets") as caught:
            checked_secrets(wrong)
        assert "Zebra" not in str(caught.value)
        assert caught.value.argument is not None
