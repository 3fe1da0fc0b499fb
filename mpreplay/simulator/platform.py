"""The rehearsal platform without its network: who may sign in, and what is answered to whom.

Pure: packets' contents come in, replies go out; the time is an argument. A shell (``endpoint``,
``responder``) moves the bytes.

References
----------
.. [1] EnOS Device Connection 3.0, "Connecting without an SDK" and "Limitations".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson

from . import gateways
from .rules import METHODS, Record, Verdict, judge, read_request, reply
from .topics import Topic, read_topic
from .world import Device, World

__all__ = ["ACCEPTED", "BAD_SIGN_IN", "NOT_AUTHORISED", "Admission", "Platform"]

# CONNACK return codes of MQTT 3.1.1, section 3.2.2.3. Which of them the platform uses for a
# blocked device is not documented; 5, not authorised, is ours.
ACCEPTED, BAD_SIGN_IN, NOT_AUTHORISED = 0, 4, 5

_OPEN: Final = "open"


class Admission(NamedTuple):
    """What becomes of a CONNECT: the code of its CONNACK, and the number of its session."""

    code: int
    device: Device
    session: int


class Platform:
    """The rules with their memory: sessions, blocked devices, what was accepted.

    Parameters
    ----------
    world : World
        Who exists, who belongs to whom, what the models and limits say.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.accepted: list[Record] = []
        self.sessions: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self._current: dict[Device, int] = {}
        self._attempts: dict[Device, list[int]] = {}
        self._blocked_until: dict[Device, int] = {}
        self._bytes: dict[Device, _Allowance] = {}
        self._values = _Allowance(world.limits.max_values_per_second)

    def connect(self, client_id: str, username: str, password: str, now: int) -> Admission:
        """Admit or refuse a device that signs in; the newcomer takes its device's session over.

        Parameters
        ----------
        client_id, username, password : str
            From the CONNECT.
        now : int
            When. [ms]
        """
        device_key, _, product_key = username.partition("&")
        device = (product_key, device_key)
        code, why = self._admit(device, client_id, password, now)
        if code == ACCEPTED and device in self._current:
            self.end(self._current[device], "taken over", now)
        session = len(self.sessions)
        self.sessions.append(
            {
                "product_key": product_key,
                "device_key": device_key,
                "client_id": client_id,
                "connected_at": now,
                "ended_at": None if code == ACCEPTED else now,
                "how": why,
            }
        )
        if code == ACCEPTED:
            self._current[device] = session
        return Admission(code, device, session)

    def _admit(self, device: Device, client_id: str, password: str, now: int) -> tuple[int, str]:
        if device not in self.world.secrets:
            return BAD_SIGN_IN, "refused: unknown device"
        if self._connects_too_often(device, now):
            return NOT_AUTHORISED, "refused: blocked"
        name, options = _read_client_id(client_id)
        if options.get("securemode") != "2":
            return BAD_SIGN_IN, "refused: securemode is not 2"
        method, timestamp = options.get("signmethod", ""), options.get("timestamp", "")
        if not self.world.signature_is_right(device, name, timestamp, method, password):
            return BAD_SIGN_IN, "refused: bad signature"
        return ACCEPTED, _OPEN

    def _connects_too_often(self, device: Device, now: int) -> bool:
        """Count an attempt; one too many blocks the device for a while, good attempts too."""
        limits = self.world.limits
        if limits.connects is None:
            return False
        if now < self._blocked_until.get(device, now):
            return True
        period = limits.connect_period * 1000
        recent = [at for at in self._attempts.get(device, ()) if now - at < period]
        self._attempts[device] = [*recent, now]
        if len(recent) < limits.connects:
            return False
        self._attempts[device] = []
        self._blocked_until[device] = now + int(limits.block * 1000)
        return True

    def end(self, session: int, how: str, now: int) -> None:
        """Note how a session ended; its sub-devices are signed out with it. Once is enough."""
        row = self.sessions[session]
        if row["how"] != _OPEN:
            return
        row.update(how=how, ended_at=now)
        device = (row["product_key"], row["device_key"])
        del self._current[device]
        self.world.sign_out_all(device)

    def may_subscribe(self, device: Device, topic_filter: str) -> bool:
        """Whether a filter stays within the topics of a device and of those online through it."""
        topic = read_topic(topic_filter)
        return topic is not None and self._speaks_for(device, topic.device)

    def _speaks_for(self, device: Device, other: Device) -> bool:
        return other == device or self.world.is_online(other, device)

    def receive(self, device: Device, topic: str, payload: bytes, now: int) -> bytes | None:
        """Answer a publish; the reply goes to ``topic + "_reply"``.

        Parameters
        ----------
        device : tuple of str
            The device whose session it came through.
        topic : str
            What it was published to.
        payload : bytes
            What was published.
        now : int
            When it was received. [ms]

        Returns
        -------
        bytes or None
            The reply; None for a topic outside ``/sys`` and ``/ext``, which is no affair of the
            platform.
        """
        parts = read_topic(topic)
        if parts is None or not self._speaks_for(device, parts.device):
            is_ours = topic.startswith(("/sys/", "/ext/"))
            return reply(read_request(payload, "", None).id, 1009) if is_ours else None
        if not self._may_send(device, len(payload), now):
            verdict = Verdict(429, read_request(payload, "", None).id, 0, 0)
            return self._note(parts, topic, payload, verdict, now)
        if parts.kind == "sys" and parts.tail in METHODS:
            return self._note(parts, topic, payload, self._judge(parts, payload, now), now)
        table = gateways.SESSION if parts.kind == "session" else gateways.TOPOLOGY
        if handler := table.get(parts.tail):
            return gateways.answer(handler, self.world, parts.device, payload)
        return reply(read_request(payload, "", None).id, 1009)

    def _may_send(self, device: Device, n_bytes: int, now: int) -> bool:
        rate = self.world.limits.max_bytes_per_second
        if rate is None:
            return True
        return self._bytes.setdefault(device, _Allowance(rate)).take(n_bytes, now)

    def _judge(self, parts: Topic, payload: bytes, now: int) -> Verdict:
        verdict = judge(self.world, parts.device, parts.tail, payload, now)
        if verdict.code == 200 and not self._values.take(verdict.n_values, now):
            return verdict._replace(code=429, record=None)
        return verdict

    def _note(self, parts: Topic, topic: str, payload: bytes, verdict: Verdict, now: int) -> bytes:
        """Keep what was accepted, and remember the request."""
        if verdict.record is not None:
            self.accepted.append(verdict.record)
        self.requests.append(
            {
                "received_at": now,
                "device_key": parts.device[1],
                "topic": topic,
                "request_id": str(verdict.request_id),
                "n_bytes": len(payload),
                "n_entries": verdict.n_entries,
                "n_values": verdict.n_values,
                "code": verdict.code,
            }
        )
        return reply(verdict.request_id, verdict.code)

    def answer(self, command: bytes) -> Iterable[bytes]:
        """Answer a question of the process that started the platform, as pieces of bytes.

        ``stored`` gives the accepted requests, each as a line of JSON followed by its payload.
        """
        if command == b"stored":
            for record in self.accepted:
                head = [*record.device, record.received_at, record.skip, len(record.payload)]
                yield orjson.dumps(head) + b"\n"
                yield record.payload
        else:
            yield orjson.dumps({b"sessions": self.sessions, b"requests": self.requests}[command])


class _Allowance:
    """A rate with a second's worth of burst; what is larger than that passes when it is full."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._left = rate or 0.0
        self._at = 0

    def take(self, amount: int, now: int) -> bool:
        if self._rate is None:
            return True
        self._left = min(self._rate, self._left + (now - self._at) / 1000 * self._rate)
        self._at = now
        if self._left < min(amount, self._rate):
            return False
        self._left -= min(amount, self._rate)
        return True


def _read_client_id(client_id: str) -> tuple[str, dict[str, str]]:
    """Split ``{clientId}|securemode=2,signmethod=sha256,timestamp=…|``.

    One page of the documents shows a blank after the first comma, so blanks are taken.
    """
    name, _, tail = client_id.partition("|")
    pairs = (option.strip().partition("=") for option in tail.removesuffix("|").split(","))
    return name, {key: value for key, _, value in pairs}
