"""Faults on request: each kind over a real socket, and a platform that is killed comes back."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from brokers import MOSQUITTO_INSTALLED, answers, mosquitto
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import ConfigError, ConnectError, Limits, Measurepoint, ThingModel, replay
from mpreplay.cli.commands import main
from mpreplay.protocol.messages import (
    batch_login,
    batch_reply_topic,
    batch_topic,
    envelope,
    session_topic,
)
from mpreplay.protocol.signature import sign_in
from mpreplay.simulator import FaultScript, PlatformLimits, mqtt, simulate
from mpreplay.simulator.faults import BEHIND_A_BROKER, Fault, Outbox, damaged
from mpreplay.simulator.memory import Memory
from mpreplay.simulator.platform import Platform
from mpreplay.simulator.world import World

MODEL = ThingModel("M", {"P": Measurepoint("P", "FLOAT")})
GATEWAY = ("gateway", "gw-1")
SUBS = [("turbine", "T1"), ("turbine", "T2")]
OFTEN = PlatformLimits(connects=None)
PATIENCE = 10.0  # for anything that should happen at once [s]
LOGIN = session_topic(*GATEWAY, "login/batch")
REPLIES = (batch_reply_topic(*GATEWAY), LOGIN + "_reply")
KINDS = {
    "lose_request", "lose_reply", "delay", "double", "reorder", "garble", "code", "throttle",
    "stall", "reset_before", "reset_during", "reset_after", "kick", "away",
}  # fmt: skip


class Raw:
    """A device on a plain socket: what happens to it, word by word."""

    def __init__(self, of: Any) -> None:
        connection = of.connection
        fields = sign_in(*GATEWAY, connection.device_secret.reveal(), client_id="raw", timestamp=1)
        self.sock = socket.create_connection((connection.host, connection.port), timeout=PATIENCE)
        self._decoder = mqtt.Decoder()
        self._events: list[Any] = []
        self.send(mqtt.Connect(4, fields.client_id, fields.username, fields.password, 60))
        self.connack = self.next()
        if self.connack == 0:
            self.send(mqtt.Subscribe(1, tuple((name, 1) for name in REPLIES)))
            self.next()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, *packets: mqtt.Packet) -> None:
        """Send packets at once."""
        self.sock.sendall(b"".join(map(mqtt.encode, packets)))

    def report(self, *ids: int) -> None:
        """Publish requests of one value each, and a ping that marks the end."""
        topic = batch_topic(*GATEWAY)
        self.send(*(mqtt.Publish(topic, request(n), 1, n) for n in ids), mqtt.Ping())

    def next(self) -> Any:
        """Return the next thing that happens."""
        while not self._events:
            try:
                data = self.sock.recv(65_536)
            except ConnectionResetError:
                return "reset"
            if not data:
                return "closed"
            self._events += map(told, self._decoder.feed(data))
        return self._events.pop(0)

    def see(self, n: int) -> list[Any]:
        """Return the next n things that happen."""
        return [self.next() for _ in range(n)]


def told(packet: mqtt.Packet) -> Any:
    """Return what a packet means, in a word: replies by id and code."""
    match packet:
        case mqtt.Connack(code):
            return code
        case mqtt.Publish(payload=payload):
            try:
                reply = orjson.loads(payload)
            except ValueError:
                return "garbled"
            return f"{reply['id']}:{reply['code']}" if "code" in reply else "garbled"
    return type(packet).__name__.lower()


def request(n: int) -> bytes:
    """Return a batch request of one value, with its number as id, time and value."""
    head, tail = envelope(str(n), allow_offline_sub_device=False, skip_invalid_measurepoints=False)
    return head + orjson.dumps({"measurepoints": {"P": float(n)}, "time": n}) + tail


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("word", "seen", "stored", "codes"),
    [
        ("ok", ["puback", "1:200", "pong"], 1, [200]),
        ("lose_request", ["puback", "pong"], 0, []),
        ("lose_reply", ["puback", "pong"], 1, [200]),
        ("delay 0.1", ["puback", "pong", "1:200"], 1, [200]),
        ("double", ["puback", "1:200", "1:200", "pong"], 1, [200]),
        ("reorder 0.1", ["puback", "pong", "1:200"], 1, [200]),
        ("garble", ["puback", "garbled", "pong"], 1, [200]),
        ("code 1204", ["puback", "1:1204", "pong"], 0, [1204]),
        ("throttle", ["puback", "1:429", "pong"], 0, [429]),
        ("stall 0.1", ["puback", "1:200", "pong"], 1, [200]),
        ("reset_before", ["reset"], 0, []),
        ("reset_during", ["reset"], 1, [200]),
        ("reset_after", ["puback", "reset"], 1, [200]),
        ("kick", ["closed"], 0, []),
        ("away 0.1", ["closed"], 0, []),
    ],
)
def test_each_fault_is_seen_as_it_is_described(
    word: str, seen: list[str], stored: int, codes: list[int]
) -> None:
    """Who rehearses must get exactly the fault that was asked for, and only once."""
    with simulate(MODEL, limits=OFTEN, faults=[word]) as own, Raw(own) as client:
        client.report(1)
        assert client.see(len(seen)) == seen
        assert len(own.stored()) == stored
        assert own.requests()["code"].tolist() == codes
        if seen[-1] not in {"reset", "closed"}:
            client.report(2)
            assert client.see(3) == ["puback", "2:200", "pong"]


def test_a_reply_out_of_order_comes_after_the_next_one() -> None:
    """A client that counts on the order of replies is found out."""
    with simulate(MODEL, faults=["reorder", "ok", "reorder", "reorder"]) as own, Raw(own) as client:
        client.report(1, 2)
        first = [word for word in client.see(5) if ":" in word]
        client.report(3, 4)
        second = [word for word in client.see(5) if ":" in word]

    assert (first, second) == (["2:200", "1:200"], ["4:200", "3:200"])


def test_a_late_reply_comes_through_the_session_that_is_there_by_then() -> None:
    """A reply belongs to the device, not to the socket that asked."""
    with simulate(MODEL, limits=OFTEN, faults=["delay 0.5"]) as own:
        with Raw(own) as first:
            first.report(1)
            assert first.see(2) == ["puback", "pong"]
        with Raw(own) as second:
            assert second.next() == "1:200"


def test_while_everything_stands_still_nobody_is_answered_and_nothing_is_lost() -> None:
    """A platform that hangs comes back; what was sent meanwhile is answered in order."""
    faults = "script: stall:0.3 ok stall:0.1"
    with simulate(MODEL, limits=OFTEN, faults=faults) as own, Raw(own) as client:
        begun = time.monotonic()
        client.report(1, 2, 3)
        seen = client.see(7)
        took = time.monotonic() - begun

    assert [word for word in seen if ":" in word] == ["1:200", "2:200", "3:200"]
    assert seen[-1] == "pong"
    assert took > 0.35


def test_who_is_away_refuses_and_comes_back() -> None:
    """An attempt meanwhile is answered with CONNACK 3, is on record, and blocks nobody."""
    with simulate(MODEL, faults=["away 0.5"]) as own:
        with Raw(own) as client:
            client.report(1)
            assert client.next() == "closed"
        assert connack(own) == 3
        wait_for(lambda: connack(own) == 0)
        how = own.sessions()["how"].tolist()

    assert how[0] == "kicked"
    assert set(how[1:-1]) == {"refused: away"}


def connack(of: Any) -> int:
    """Connect and return the answer."""
    with Raw(of) as client:
        return int(client.connack)


def test_a_platform_fails_on_demand() -> None:
    """A test says when, without counting requests."""
    with simulate(MODEL, limits=OFTEN, devices=[("turbine", "T9")]) as own:
        with Raw(own) as client:
            assert own.kick(*GATEWAY)
            assert client.next() == "closed"
        with Raw(own) as client:
            begun = time.monotonic()
            own.stall(0.2)
            client.report(1)
            assert client.see(3) == ["puback", "1:200", "pong"]
            assert time.monotonic() - begun > 0.15
            own.away(30)
            assert client.next() == "closed"
            assert connack(own) == 3
        how = own.sessions()["how"].tolist()
        assert not own.kick("turbine", "T9")
        with pytest.raises(ConfigError, match="no device"):
            own.kick("turbine", "nobody")
        with pytest.raises(ConfigError, match="stall takes seconds"):
            own.stall(-1)

    assert how == ["kicked", "kicked", "refused: away"]


@pytest.mark.parametrize(("faults", "code"), [(["code 520"], 200), (["logins", "code 520"], 520)])
def test_logins_are_spared_unless_asked_for(faults: list[str], code: int) -> None:
    """Whoever rehearses sending is not stopped at signing in."""
    with simulate(MODEL, sub_devices=SUBS, faults=faults) as own, Raw(own) as client:
        subs = [(*sub, own.connection_for(*sub).device_secret.reveal()) for sub in SUBS]
        client.send(mqtt.Publish(LOGIN, batch_login("5", subs, client_id="x", timestamp=1)))
        assert client.next() == f"5:{code}"


def test_a_platform_that_was_killed_comes_back_with_all_it_had() -> None:
    """What was answered with 200 is kept; whoever connects again finds the same platform."""
    with simulate(MODEL, sub_devices=SUBS, faults=["ok", "lose_reply", "code 500"]) as own:
        port, secret = own.port, own.connection.device_secret
        with Raw(own) as client:
            client.report(1, 2)
            assert client.see(4) == ["puback", "1:200", "puback", "pong"]
            own.kill()
            own.kill()
            assert client.next() in {"closed", "reset"}
        assert repr(own).endswith(", killed>")
        assert not answers(port)
        for ask in (own.stored, own.sessions, own.requests, lambda: own.kick(*GATEWAY)):
            with pytest.raises(ConfigError, match="was killed"):
                ask()
        own.restart()
        with Raw(own) as client:
            client.report(3, 4)
            assert client.see(5) == ["puback", "3:500", "puback", "4:200", "pong"]
        stored, sessions, requests = own.stored(), own.sessions(), own.requests()
        assert (own.port, own.connection.device_secret) == (port, secret)

    assert stored["value"].tolist() == [1.0, 2.0, 4.0]
    assert requests["code"].tolist() == [200, 200, 500, 200]
    assert sessions["how"].iloc[0] == "killed"
    assert sessions["ended_at"].iloc[0] <= sessions["connected_at"].iloc[1]


def test_connects_are_counted_over_a_restart() -> None:
    """The platform's memory of impolite devices does not end with its process."""
    with simulate(MODEL) as own:
        codes = [connack(own) for _ in range(3)]
        own.kill()
        own.restart()
        codes += [connack(own) for _ in range(2)]
        own.kill()
        own.restart()
        codes.append(connack(own))
        assert len(own.sessions()) == 6

    assert codes == [0, 0, 0, 0, 5, 5]


def test_only_a_platform_that_was_killed_is_restarted() -> None:
    """A mistake in a test's order of things says so; a closed platform stays closed."""
    own = simulate(MODEL)
    with own, pytest.raises(ConfigError, match="kill"):
        own.restart()
    for act in (own.kill, own.restart):
        with pytest.raises(ConfigError, match="is closed"):
            act()


def test_a_killed_platform_can_be_closed() -> None:
    """No process, no port and no file is left behind."""
    with simulate(MODEL) as own:
        own.kill()

    assert repr(own).endswith(", closed>")


def test_a_replay_survives_a_rehearsal_with_all_faults(history: Any, model: Any) -> None:
    """What the whole machinery is for: everything arrives, whatever happens on the way."""
    faults = ["ok", "lose_reply", "double", "reset_after", "garble", "stall 0.1", "reorder 0.1"]
    limits = Limits(max_entries=1, window=3, reply_timeout=0.5, attempts=50, connects=None)
    with simulate(model, sub_devices=SUBS, limits=OFTEN, faults=[*faults, "kick"]) as own:
        run = replay(
            history, model, own.connection,
            allow_offline_sub_device=True, limits=limits, progress=False,
        )  # fmt: skip
        stored = own.stored()

    assert run.complete
    assert set(run.results["outcome"]) == {"accepted"}
    assert len(stored) == 22


@given(st.integers(), st.floats(0, 1), st.booleans(), st.integers(0, 60))
def test_a_seed_always_brings_the_same_faults(
    seed: int, rate: float, logins: bool, stop: int
) -> None:
    """A rehearsal that failed can be repeated, also one that was killed and came back."""
    script = FaultScript.seeded(seed, rate, logins=logins)
    first = [script.next() for _ in range(stop)]
    again = FaultScript.from_dict(orjson.loads(orjson.dumps(script.as_dict())))
    afresh = FaultScript.seeded(seed, rate, logins=logins)

    assert again == script
    rest = [again.next() for _ in range(60 - stop)]
    assert first + rest == [afresh.next() for _ in range(60)]


def test_a_seed_brings_all_kinds_at_the_rate_asked_for() -> None:
    """A mix that left a kind out would rehearse less than it says."""
    script = FaultScript.seeded(3, rate=0.5)
    met = [fault for fault in (script.at(n) for n in range(4_000)) if fault is not None]

    assert {fault.kind for fault in met} == script.kinds == KINDS
    assert 1_850 < len(met) < 2_150
    assert max(fault.seconds for fault in met) <= 2.0
    assert {fault.code for fault in met} == {0, 429, 500, 503, 6205}


def test_probabilities_are_kept() -> None:
    """One request in ten is one in ten, whichever they are."""
    script = FaultScript.of("lose_reply=0.1 delay=0.2:1.5 code=0.05:429 seed=5")
    met = [script.at(n) for n in range(4_000)]

    assert 330 < met.count(Fault("lose_reply")) < 470
    assert 700 < met.count(Fault("delay", 1.5)) < 900
    assert 140 < met.count(Fault("code", code=429)) < 260


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (7, FaultScript.seeded(7)),
        ("7", FaultScript.seeded(7)),
        ("seed=-7 rate=0.5 logins", FaultScript.seeded(-7, 0.5, logins=True)),
        ("kick=1", FaultScript(odds=((1.0, Fault("kick")),))),
        ("code=429:0.05", FaultScript(odds=((0.05, Fault("code", code=429)),))),
        (
            "delay=0.5 away=0.5:3 seed=2",
            FaultScript(odds=((0.5, Fault("delay", 0.5)), (0.5, Fault("away", 3.0))), seed=2),
        ),
        (
            "script: ok stall code:1212 throttle logins",
            FaultScript(
                words=(
                    None,
                    Fault("stall", 1.0),
                    Fault("code", code=1212),
                    Fault("throttle", code=429),
                ),
                logins=True,
            ),
        ),
        (["reorder", "reorder 2"], FaultScript(words=(Fault("reorder", 1.0), Fault("reorder", 2)))),
        (["delay:0.25"], FaultScript(words=(Fault("delay", 0.25),))),
        ([], FaultScript()),
        ("script:", FaultScript()),
    ],
)
def test_a_script_is_read_in_each_of_its_forms(given: Any, expected: FaultScript) -> None:
    """The command line gives a text, a test a list, a property a seed."""
    assert FaultScript.of(given) == expected
    assert FaultScript.of(expected) is expected


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("", "a seed like 7"),
        ("logins", "a seed like 7"),
        (True, "a seed like 7"),
        (1.5, "a seed like 7"),
        ([1, 2], "a seed like 7"),
        ("seed=x", "whole number"),
        ("rate=0.5", "a seed like 7"),
        ("kick=0.1 rate=0.5", "seed alone"),
        ("seed=1 rate=2", "probability"),
        ("kick", "probability"),
        ("kick=0.1:3", "no argument"),
        ("kick=0.6 double=0.6", "more than 1"),
        ("lose=0.1", "is no fault; known: lose_request"),
        ("delay=0.1:soon", "delay takes seconds"),
        ("script: code", "return code"),
        ("script: code:200", "other than 200"),
        (["delay -1"], "delay takes seconds"),
        (["stall 1e9"], "stall takes seconds"),
        (["ok 1"], "is no fault"),
    ],
)
def test_a_script_that_cannot_work_is_refused(given: Any, match: str) -> None:
    """A misspelt fault that never comes would be a rehearsal of nothing."""
    with pytest.raises(ConfigError, match=match):
        simulate(MODEL, faults=given)


def test_the_command_line_hands_its_faults_over(capsys: pytest.CaptureFixture[str]) -> None:
    """A rehearsal with a mistake in its script ends before it begins."""
    model = Path(__file__).parents[2] / "data" / "wind_farm.model.json"

    assert main(["simulate", "--model", str(model), "--faults", "kick=2"]) == 2
    assert "kick takes a probability" in capsys.readouterr().err


@given(st.integers(0, 3), st.text(), st.integers(1, 2**31))
def test_a_damaged_reply_never_passes_for_one(variant: int, request_id: str, code: int) -> None:
    """Damage that leaves a good reply would be no fault."""
    try:
        reply = orjson.loads(damaged(orjson.dumps({"id": request_id, "code": code}), variant))
    except ValueError:
        return

    assert "code" not in reply


@given(st.lists(st.sampled_from(["ok", "double", "delay 1", "reorder", "garble"]), max_size=12))
def test_no_reply_is_lost_unless_it_is_asked_for(words: list[str]) -> None:
    """Whatever waits goes out in the end, twice only what is doubled."""
    sent: list[bytes] = []
    due: list[Callable[[], None]] = []
    outbox = Outbox(lambda *reply: sent.append(reply[2]), lambda _, action: due.append(action))
    for n, fault in enumerate(FaultScript.of(words).words):
        outbox.put(GATEWAY, "t", orjson.dumps({"id": n, "code": 200}), fault)
    for action in due:
        action()

    assert len(sent) == len(words) + words.count("double")


@given(
    st.lists(st.sampled_from(["connect", "wrong", "report", "bad", "login", "topology", "end"])),
    st.integers(0, 47),
)
def test_what_is_recalled_is_what_was_kept(deeds: list[str], cut: int) -> None:
    """Killed at any moment, also within a write: it comes back as it was after its last event."""
    with tempfile.TemporaryFile() as file:
        first = recalled(file.fileno())
        for now, deed in enumerate(deeds, 1_000):
            do(first, deed, now)
        os.write(file.fileno(), (b'[40,"request",{}]\n' + b"x" * 30)[:cut])
        second = recalled(file.fileno())
        third = recalled(file.fileno())
        next_codes = [of.connect("", "gw-1&gateway", "", 5_000).code for of in (first, second)]

    assert second.accepted == first.accepted
    assert second.requests == first.requests
    assert second.world.gateway_of == first.world.gateway_of
    assert second.faults == first.faults
    sessions = [
        {**row, "how": "killed", "ended_at": 5_000} if row["how"] == "open" else row
        for row in first.sessions
    ]
    assert second.sessions[:-1] == third.sessions == sessions[:-1]
    assert next_codes[0] == next_codes[1]


def recalled(descriptor: int) -> Platform:
    """Return a platform that takes up what a file keeps."""
    secrets = {GATEWAY: "s", SUBS[0]: "s", SUBS[1]: "s"}
    world = World(
        {"": MODEL}, secrets, "gateway", {SUBS[0]: GATEWAY}, frozenset(), PlatformLimits()
    )
    platform, memory = Platform(world, FaultScript.seeded(1)), Memory(descriptor)
    platform.recall(memory.events(), memory.keep, 5_000)
    return platform


def do(platform: Platform, deed: str, now: int) -> None:
    """Let something happen to a platform, as an endpoint would."""
    fields = sign_in(*GATEWAY, "s", client_id="x", timestamp=now)
    topic = batch_topic(*GATEWAY)
    if deed in {"connect", "wrong"}:
        password = fields.password if deed == "connect" else "wrong"
        platform.connect(fields.client_id, fields.username, password, now)
    elif deed in {"report", "bad"}:
        payload = request(now) if deed == "report" else b"{}"
        platform.draw(topic)
        platform.receive(GATEWAY, topic, payload, now)
    elif deed == "login":
        login = batch_login("1", [(*SUBS[0], "s")], client_id="x", timestamp=now)
        platform.receive(GATEWAY, LOGIN, login, now)
    elif deed == "topology":
        document = {"id": "1", "version": "1.0", "method": "thing.topo.delete",
                    "params": [{"productKey": "turbine", "deviceKey": "T1"}]}  # fmt: skip
        platform.receive(
            GATEWAY, "/sys/gateway/gw-1/thing/topo/delete", orjson.dumps(document), now
        )
    elif platform.sessions:
        platform.end(len(platform.sessions) - 1, "lost", now)


def test_behind_a_broker_faults_of_the_connection_are_refused() -> None:
    """A fault that would never come must not be promised."""
    with pytest.raises(ConfigError, match="away, kick, reset_after"):
        simulate(MODEL, behind="mqtt://127.0.0.1:1", faults=1)
    with pytest.raises(ConnectError):
        simulate(MODEL, behind="mqtt://127.0.0.1:1", faults=sorted(BEHIND_A_BROKER - {"code"}))


@pytest.mark.mosquitto
@pytest.mark.skipif(not MOSQUITTO_INSTALLED, reason="mosquitto is not installed")
def test_replies_and_codes_fail_behind_a_real_broker_too() -> None:
    """The same faults without our endpoint, and a platform there can be killed as well."""
    script = ["lose_request", "lose_reply", "double", "garble", "code 500", "reorder", "delay 0.1"]
    with (
        mosquitto() as (host, port),
        simulate(MODEL, behind=f"mqtt://{host}:{port}", faults=script) as own,
        Raw(own) as client,
    ):
        client.report(*range(1, 7))
        replies = [word for word in client.see(6 + 1 + 4) if ":" in word or word == "garbled"]
        client.report(7, 8)
        late = [word for word in client.see(6) if ":" in word]
        own.kill()
        own.restart()
        client.report(9)
        assert "9:200" in client.see(3)
        assert own.stored()["value"].tolist() == [2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0]
        with pytest.raises(ConfigError, match="a real broker holds"):
            own.kick(*GATEWAY)

    assert replies == ["3:200", "3:200", "garbled", "5:500"]
    assert late == ["8:200", "6:200", "7:200"]
