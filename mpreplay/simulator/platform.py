"""The rehearsal platform without its network: admission of devices, replies to requests.

Pure: packets' contents come in, replies go out; the time is an argument. A shell (``endpoint``,
``responder``) moves the bytes.

References
----------
.. [1] EnOS Device Connection 3.0, "Connecting without an SDK" and "Limitations".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import orjson

from . import gateways
from .faults import Fault, FaultScript
from .holdings import Holdings
from .rules import METHODS, Record, Verdict, judge, read_request, reply
from .topics import Topic, read_topic
from .world import Device, World

__all__ = ["ACCEPTED", "BAD_SIGN_IN", "NOT_AUTHORISED", "UNAVAILABLE", "Admission", "Platform"]

# CONNACK return codes of MQTT 3.1.1, section 3.2.2.3. The platform's code for a blocked device is
# not documented; 5, not authorised, is our choice.
ACCEPTED, UNAVAILABLE, BAD_SIGN_IN, NOT_AUTHORISED = 0, 3, 4, 5

_OPEN: Final = "open"
_UNKNOWN: Final = "refused: unknown device"
_AWAY: Final = "refused: away"
_UNCOUNTED: Final = frozenset({_UNKNOWN, _AWAY})  # attempts that do not count towards a block
_LOGINS: Final = frozenset({"combine/login", "combine/login/batch"})

Event = list[Any]  # a kind and its details; JSON values


class Admission(NamedTuple):
    """The answer to a CONNECT: the code of its CONNACK, and the number of its session."""

    code: int
    device: Device
    session: int


class Platform:
    """The rules with their memory: sessions, blocked devices, accepted requests.

    Parameters
    ----------
    world : World
        Devices, topology, models and limits.
    faults : FaultScript, optional
        Faults of messages; a shell asks for each with :meth:`draw`.
    """

    def __init__(self, world: World, faults: FaultScript | None = None) -> None:
        self.world = world
        self.faults = faults
        self.accepted: list[Record] = []
        self._holdings = Holdings(self.accepted)
        self.sessions: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self._current: dict[Device, int] = {}
        self._attempts: dict[Device, list[int]] = {}
        self._blocked_until: dict[Device, int] = {}
        self._bytes: dict[Device, _Allowance] = {}
        self._values = _Allowance(world.limits.max_values_per_second)
        self._keep: Callable[[Event, bytes], None] = lambda event, payload: None

    def recall(
        self,
        events: Iterable[tuple[Event, bytes]],
        keep: Callable[[Event, bytes], None],
        now: int,
    ) -> None:
        """Restore the events of a killed process, and keep all further events.

        Parameters
        ----------
        events : iterable of (list, bytes)
            Events handed to ``keep`` in the former process, in order.
        keep : callable
            Takes an event and its payload, before any reply is sent.
        now : int
            End of the former process and of its sessions. [ms]

        Notes
        -----
        The fault script continues at its position. Allowances are full again, and sub-devices have
        to sign in again, as after any end of their gateway's session.
        """
        recalled: dict[str, Callable[..., Any]] = {
            "session": self._recall_session,
            "end": lambda _, session, how, at: self.end(session, how, at),
            "request": self._recall_request,
            "topology": lambda payload, device, tail: gateways.answer(
                gateways.TOPOLOGY[tail], self.world, tuple(device), payload
            ),
            "drawn": lambda _: self.faults and self.faults.next(),
        }
        for (kind, *told), payload in events:
            recalled[kind](payload, *told)
        self._keep = keep
        for session in list(self._current.values()):
            self.end(session, "killed", now)

    def _recall_session(self, _: bytes, row: dict[str, Any]) -> None:
        device = (row["product_key"], row["device_key"])
        if row["how"] not in _UNCOUNTED:
            self._connects_too_often(device, row["connected_at"])
        if row["how"] == _OPEN:
            self._current[device] = len(self.sessions)
        self.sessions.append(row)

    def _recall_request(self, payload: bytes, row: dict[str, Any], head: list[Any] | None) -> None:
        if head is not None:
            product_key, device_key, received_at, skip = head
            self.accepted.append(Record((product_key, device_key), received_at, skip, payload))
        self.requests.append(row)

    def draw(self, topic: str) -> Fault | None:
        """Return the fault of a message, or None; called once per message, in order."""
        if self.faults is None or (parts := read_topic(topic)) is None:
            return None
        if not (_is_report(parts) or (self.faults.logins and parts.tail in _LOGINS)):
            return None
        self._keep(["drawn"], b"")
        return self.faults.next()

    def connect(
        self, client_id: str, username: str, password: str, now: int, *, away: bool = False
    ) -> Admission:
        """Admit or refuse a CONNECT; an admitted device's earlier session is taken over.

        Parameters
        ----------
        client_id, username, password : str
            From the CONNECT.
        now : int
            Time of the CONNECT. [ms]
        away : bool
            True while every CONNECT is refused; such attempts do not count towards a block.
        """
        device_key, _, product_key = username.partition("&")
        device = (product_key, device_key)
        code, why = (UNAVAILABLE, _AWAY) if away else self._admit(device, client_id, password, now)
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
        self._keep(["session", self.sessions[session]], b"")
        if code == ACCEPTED:
            self._current[device] = session
        return Admission(code, device, session)

    def _admit(self, device: Device, client_id: str, password: str, now: int) -> tuple[int, str]:
        if device not in self.world.secrets:
            return BAD_SIGN_IN, _UNKNOWN
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
        """Count an attempt, good or bad; return True if the device is blocked."""
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
        """Record the end of a session and sign its sub-devices out; a repeat does nothing."""
        row = self.sessions[session]
        if row["how"] != _OPEN:
            return
        row.update(how=how, ended_at=now)
        self._keep(["end", session, how, now], b"")
        device = (row["product_key"], row["device_key"])
        del self._current[device]
        self.world.sign_out_all(device)

    def may_subscribe(self, device: Device, topic_filter: str) -> bool:
        """Return True if a filter covers only topics of a device and its online sub-devices."""
        topic = read_topic(topic_filter)
        return topic is not None and self._speaks_for(device, topic.device)

    def _speaks_for(self, device: Device, other: Device) -> bool:
        return other == device or self.world.is_online(other, device)

    def receive(
        self, device: Device, topic: str, payload: bytes, now: int, code: int = 0
    ) -> bytes | None:
        """Answer a publish; the reply goes to ``topic + "_reply"``.

        Parameters
        ----------
        device : tuple of str
            Device of the session.
        topic : str
            Topic of the publish.
        payload : bytes
            Payload of the publish.
        now : int
            Time of receipt. [ms]
        code : int, optional
            A fault: answer with this code and store nothing.

        Returns
        -------
        bytes or None
            The reply; None for a topic outside ``/sys`` and ``/ext``, which the platform ignores.
        """
        parts = read_topic(topic)
        if parts is None or not self._speaks_for(device, parts.device):
            is_ours = topic.startswith(("/sys/", "/ext/"))
            return reply(read_request(payload, "", None).id, 1009) if is_ours else None
        if not code and not self._may_send(device, len(payload), now):
            code = 429
        if code:
            verdict = Verdict(code, read_request(payload, "", None).id, 0, 0)
            return self._note(parts, topic, payload, verdict, now)
        if _is_report(parts):
            return self._note(parts, topic, payload, self._judge(parts, payload, now), now)
        table = gateways.SESSION if parts.kind == "session" else gateways.TOPOLOGY
        if handler := table.get(parts.tail):
            if table is gateways.TOPOLOGY:
                self._keep(["topology", parts.device, parts.tail], payload)
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
        """Keep an accepted request, and list every request, before the reply is sent."""
        record = verdict.record
        row = {
            "received_at": now,
            "device_key": parts.device[1],
            "topic": topic,
            "request_id": str(verdict.request_id),
            "n_bytes": len(payload),
            "n_entries": verdict.n_entries,
            "n_values": verdict.n_values,
            "code": verdict.code,
        }
        head = None if record is None else [*record.device, record.received_at, record.skip]
        self._keep(["request", row, head], b"" if record is None else payload)
        if record is not None:
            self.accepted.append(record)
        self.requests.append(row)
        return reply(verdict.request_id, verdict.code)

    def answer(self, command: bytes) -> Iterable[bytes]:
        """Answer a question of the parent process, as pieces of bytes.

        ``stored`` gives the accepted requests, each as a line of JSON followed by its payload;
        ``["stored", product key, device key, start, end]`` only the entries selected.
        """
        if command == b"stored" or command.startswith(b"["):
            chosen = orjson.loads(command)[1:] if command.startswith(b"[") else None
            for record in self.accepted if chosen is None else self._holdings.select(*chosen):
                head = [*record.device, record.received_at, record.skip, len(record.payload)]
                yield orjson.dumps(head) + b"\n"
                yield record.payload
        else:
            yield orjson.dumps({b"sessions": self.sessions, b"requests": self.requests}[command])


def _is_report(parts: Topic) -> bool:
    """Return True if a topic is for measurement points."""
    return parts.kind == "sys" and parts.tail in METHODS


class _Allowance:
    """A rate with a burst of 1 s; a larger amount passes when the allowance is full."""

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

    A page of the documents shows a blank after the first comma, so blanks are accepted.
    """
    name, _, tail = client_id.partition("|")
    pairs = (option.strip().partition("=") for option in tail.removesuffix("|").split(","))
    return name, {key: value for key, _, value in pairs}
