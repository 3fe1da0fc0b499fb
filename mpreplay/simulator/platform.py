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

from ..protocol import compression
from ..protocol.signature import read_client_id
from . import gateways
from .faults import Fault, FaultScript
from .holdings import Holdings
from .limits import Allowance
from .rules import MESSAGES, METHODS, Record, Verdict, judge, read_request, reply
from .topics import Topic, read_topic
from .world import (
    ACCEPTED,
    AWAY,
    BAD_SIGN_IN,
    NOT_AUTHORISED,
    UNAVAILABLE,
    UNCOUNTED,
    Decision,
    Device,
    Sessions,
    World,
    cut,
)

__all__ = ["ACCEPTED", "BAD_SIGN_IN", "NOT_AUTHORISED", "UNAVAILABLE", "Admission", "Platform"]

_LOGINS: Final = frozenset({"combine/login", "combine/login/batch"})
_MAX_SAID: Final = 100  # lines of the log; a client could cause any number

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
    say : callable, optional
        Takes lines for the log: what was refused since the rehearsal platform does not have it.
    """

    def __init__(
        self,
        world: World,
        faults: FaultScript | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.world = world
        self.faults = faults
        self._say = say
        self._said: set[str] = set()
        self.accepted: list[Record] = []
        self._holdings = Holdings(self.accepted)
        self._sessions = Sessions()
        self.sessions = self._sessions.rows
        self.requests: list[dict[str, Any]] = []
        self.packed: set[Device] = set()  # whose payloads travel as GZIP
        self._bytes: dict[Device, Allowance] = {}
        self._values = Allowance(world.limits.max_values_per_second)
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
            "topology": lambda _, *change: self.world.change_topology(*change),
            "drawn": lambda _: self.faults and self.faults.next(),
        }
        for (kind, *told), payload in events:
            recalled[kind](payload, *told)
        self._keep = keep
        for session in list(self._sessions.open.values()):
            self.end(session, "killed", now)

    def _recall_session(self, _: bytes, row: dict[str, Any]) -> None:
        if row["how"] not in UNCOUNTED:
            device = (row["product_key"], row["device_key"])
            self.world.connects_too_often(device, row["connected_at"])
        self._sessions.add(row)

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
        self,
        client_id: str,
        username: str,
        password: str,
        now: int,
        *,
        keepalive: int | None = None,
        away: bool = False,
    ) -> Admission:
        """Admit or refuse a CONNECT; an admitted device's earlier session is taken over.

        Parameters
        ----------
        client_id, username, password : str
            From the CONNECT.
        now : int
            Time of the CONNECT. [ms]
        keepalive : int, optional
            From the CONNECT; not checked if left out. [s]
        away : bool
            True while every CONNECT is refused; such attempts do not count towards a block.
        """
        device_key, _, product_key = username.partition("&")
        device, told = (product_key, device_key), read_client_id(client_id)
        decision = (
            Decision(UNAVAILABLE, AWAY)
            if away
            else self.world.admit(device, told, password, now, keepalive)
        )
        if decision.is_own:
            self._say_once(f"refused {device_key}: {decision.how}")
        is_admitted = decision.code == ACCEPTED
        if is_admitted and device in self._sessions.open:
            self.end(self._sessions.open[device], "taken over", now)
        session = len(self.sessions)
        if row := self._sessions.begin(device, client_id, now, decision):
            self._keep(["session", row], b"")
        if is_admitted and told.block.get("compress") == compression.GZIP:
            self.packed.add(device)
        return Admission(decision.code, device, session)

    def end(self, session: int, how: str, now: int) -> None:
        """Record the end of a session and sign its sub-devices out; a repeat does nothing."""
        if device := self._sessions.end(session, how, now):
            self._keep(["end", session, how, now], b"")
            self.packed.discard(device)
            self.world.sign_out_all(device)

    def may_subscribe(self, device: Device, topic_filter: str) -> bool:
        """Return True if a filter covers only topics of a device and its online sub-devices."""
        topic = read_topic(topic_filter)
        return topic is not None and self._speaks_for(device, topic.device)

    def _speaks_for(self, device: Device, other: Device) -> bool:
        return other == device or self.world.is_online(other, device)

    def receive(
        self,
        device: Device,
        topic: str,
        payload: bytes,
        now: int,
        code: int = 0,
        *,
        is_will: bool = False,
    ) -> bytes | None:
        """Answer a publish; the reply goes to ``topic + "_reply"``, by way of :meth:`travels`.

        Parameters
        ----------
        device : tuple of str
            Device of the session.
        topic : str
            Topic of the publish.
        payload : bytes
            Payload of the publish, as it travelled.
        now : int
            Time of receipt. [ms]
        code : int, optional
            A fault: answer with this code and store nothing.
        is_will : bool
            True for a will, which is part of a CONNECT and never compressed.

        Returns
        -------
        bytes or None
            The reply, not compressed; None for a topic outside ``/sys`` and ``/ext``, which the
            platform ignores.
        """
        n_sent = len(payload)
        unpacked, flaw = (payload, 0) if is_will else self._unpacked(device, payload)
        parts = read_topic(topic)
        if parts is None or not self._speaks_for(device, parts.device):
            refusal = self._refuse(device, topic, unpacked, now)
            return refusal if topic.startswith(("/sys/", "/ext/")) else None
        if not code and not self._may_send(device, n_sent, now):
            code = 429
        if code or flaw:
            verdict = Verdict(code or flaw, read_request(unpacked, "", None).id, 0, 0)
            return self._note(parts.device, topic, unpacked, verdict, now)
        if _is_report(parts):
            verdict = self._judge(parts, unpacked, now)
            return self._note(parts.device, topic, unpacked, verdict, now)
        table = gateways.SESSION if parts.kind == "session" else gateways.TOPOLOGY
        if handler := table.get(parts.tail):
            return self._manage(handler, parts.device, unpacked)
        self._say_once(f"does not serve {topic}")
        return self._refuse(
            parts.device,
            topic,
            unpacked,
            now,
            f"the rehearsal platform does not serve {parts.tail}",
        )

    def _unpacked(self, device: Device, payload: bytes) -> tuple[bytes, int]:
        """Return a payload as it was before it was packed, or the code of its flaw."""
        if device not in self.packed:
            return payload, 0
        most = max(compression.MAX_UNPACKED_BYTES, self.world.limits.max_bytes or 0)
        try:
            return compression.unpack(payload, most), 0
        except compression.UnpackedTooLarge:
            return b"", 1008
        except compression.PackError:
            return b"", 1220

    def travels(self, device: Device, payload: bytes) -> bytes:
        """Return a message to a device as it travels on the device's connection."""
        return compression.pack(payload) if device in self.packed else payload

    def _manage(self, handler: gateways.Handler, gateway: Device, payload: bytes) -> bytes:
        """Answer a request about sub-devices; keep what it changes in the topology."""
        before = set(self.world.gateway_of)
        answer = gateways.answer(handler, self.world, gateway, payload)
        after = set(self.world.gateway_of)
        if before != after:
            self._keep(["topology", gateway, list(after - before), list(before - after)], b"")
        return answer

    def _refuse(self, device: Device, topic: str, payload: bytes, now: int, why: str = "") -> bytes:
        """Answer a message on a topic that the device may not use, or that is not served."""
        verdict = Verdict(1009, read_request(payload, "", None).id, 0, 0)
        text = f"{MESSAGES[1009]}: {cut(why)}" if why else ""
        return self._note(device, cut(topic), payload, verdict, now, text)

    def _say_once(self, what: str) -> None:
        """Write a line of the log that a client cannot repeat at will."""
        line = f"the rehearsal platform {cut(what)}"
        if line not in self._said and len(self._said) < _MAX_SAID:
            self._said.add(line)
            self._say(line)

    def _may_send(self, device: Device, n_bytes: int, now: int) -> bool:
        rate = self.world.limits.max_bytes_per_second
        return self._bytes.setdefault(device, Allowance(rate)).take(n_bytes, now)

    def _judge(self, parts: Topic, payload: bytes, now: int) -> Verdict:
        verdict = judge(self.world, parts.device, parts.tail, payload, now)
        if verdict.code == 200 and not self._values.take(verdict.n_values, now):
            return verdict._replace(code=429, record=None)
        return verdict

    def _note(
        self, of: Device, topic: str, payload: bytes, verdict: Verdict, now: int, text: str = ""
    ) -> bytes:
        """Keep an accepted request, and list every request, before the reply is sent."""
        record = verdict.record
        row = {
            "received_at": now,
            "device_key": of[1],
            "topic": topic,
            "request_id": verdict.request_id,
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
        return reply(verdict.request_id, verdict.code, text=text)

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
