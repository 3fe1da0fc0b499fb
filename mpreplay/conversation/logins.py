"""The sign-in of many sub-devices as a state machine: next, signed in, failed.

Pure: the clock's reading comes in as ``now``, in seconds. Several requests are under way at once,
distinguished by their ids, so that twenty thousand devices do not wait for each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..model.device import Device
from ..protocol.codes import ACCEPTED, RETURN_CODES
from ..protocol.messages import Reply

__all__ = ["AT_ONCE", "LOGIN_AGAIN", "LOGIN_TIMEOUT", "Logins"]

AT_ONCE: Final = 50  # sub-devices a login request
WINDOW: Final = 8  # login requests under way at the same time
LOGIN_TIMEOUT: Final = 15.0  # for a final reply [s]
LOGIN_AGAIN: Final = 5.0  # without a reply: a lost one must not decline a whole history [s]
NO_REPLY: Final = Reply("", 6205, "no reply in time", None)
TRANSIENT: Final = frozenset(entry.code for entry in RETURN_CODES if entry.asks == "retry")


@dataclass(slots=True)
class _Login:
    """A request under way: its devices, and the ids of its attempts."""

    devices: list[Device]
    deadline: float
    due: float  # when to ask again
    ids: set[str] = field(default_factory=set)
    last: Reply = NO_REPLY


class Logins:
    """The sign-in of sub-devices, from the first request to the last answer.

    Parameters
    ----------
    devices : iterable of Device
        The sub-devices to sign in.
    next_id : callable
        Function that returns a new request id.

    Attributes
    ----------
    inside : set of Device
        Devices that are signed in.
    refused : dict of Device to Reply
        Devices that are not, each with the platform's last word.
    """

    def __init__(self, devices: Iterable[Device], next_id: Callable[[], str]) -> None:
        self.inside: set[Device] = set()
        self.refused: dict[Device, Reply] = {}
        self._next_id = next_id
        self._waiting = deque(_groups(list(devices), AT_ONCE))
        self._under_way: list[_Login] = []
        self._is_answered = False  # True once the platform has answered any login

    @property
    def is_done(self) -> bool:
        """True once each device is in or refused."""
        return not self._waiting and not self._under_way

    def poll(self, now: float) -> list[tuple[str, list[Device]]]:
        """Return the requests to publish now: the id and the devices of each."""
        for login in [one for one in self._under_way if now >= one.deadline]:
            self._end(login, login.last)
            if login.last is NO_REPLY and not self._is_answered:
                self._give_up()
        while self._waiting and len(self._under_way) < WINDOW:
            self._under_way.append(_Login(self._waiting.popleft(), now + LOGIN_TIMEOUT, now))
        asked = []
        for login in [one for one in self._under_way if now >= one.due]:
            request_id = self._next_id()
            login.ids.add(request_id)
            login.due = now + LOGIN_AGAIN
            asked.append((request_id, login.devices))
        return asked

    def wait(self, now: float) -> float:
        """Return the seconds until :meth:`poll` has something to do."""
        due = (min(login.due, login.deadline) for login in self._under_way)
        return max(0.0, min(due, default=now) - now)

    def receive(self, reply: Reply) -> bool:
        """Take a reply; return False if it answers no login under way.

        A reply to any attempt will do. After a code that passes, the login is asked again in its
        time.
        """
        login = next((one for one in self._under_way if reply.request_id in one.ids), None)
        if login is None:
            return False
        self._is_answered = True
        login.last = reply
        if reply.code not in TRANSIENT:
            self._end(login, reply)
        return True

    def _end(self, login: _Login, reply: Reply) -> None:
        """End a login with the platform's last word on it."""
        self._under_way.remove(login)
        devices = login.devices
        if reply.code == ACCEPTED:
            self.inside.update(devices)
        elif reply.code in TRANSIENT or len(devices) == 1:
            # Fifty single logins with a time-out each would take a quarter of an hour.
            self.refused |= dict.fromkeys(devices, reply)
        else:
            # One code for all: ask for each device not signed in, to learn its own code.
            self.inside |= _listed(reply, "loginedSubDevices") & set(devices)
            left = [device for device in devices if device not in self.inside]
            self._waiting.extendleft([device] for device in reversed(left))

    def _give_up(self) -> None:
        """Count the rest as refused: a platform that answers no login is not asked 400 times."""
        for devices in self._waiting:
            self.refused |= dict.fromkeys(devices, NO_REPLY)
        self._waiting.clear()


def _listed(reply: Reply, name: str) -> set[Device]:
    """Return the devices in a list of the reply's data, whatever its shape."""
    listed: Any = reply.data.get(name) if isinstance(reply.data, dict) else None
    return {
        Device(product_key, device_key)
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
        and isinstance(product_key := one.get("productKey"), str)
        and isinstance(device_key := one.get("deviceKey"), str)
    }


def _groups(devices: list[Device], size: int) -> Iterator[list[Device]]:
    for start in range(0, len(devices), size):
        yield devices[start : start + size]
