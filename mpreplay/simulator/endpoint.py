"""The rehearsal platform's own MQTT 3.1.1 endpoint, on asyncio: the server of all clients.

A shell: keeps the time and what concerns all connections. A single one is in ``clients``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from .clients import Bounds, Client
from .faults import Outbox
from .platform import Platform
from .topics import Subscriber
from .world import Device

__all__ = ["Endpoint"]


class Endpoint:
    """The sockets of a platform; made and used within a single event loop.

    Parameters
    ----------
    platform : Platform
        The rules.
    bounds : Bounds, optional
        Bounds of what a client may take up.
    """

    def __init__(self, platform: Platform, bounds: Bounds | None = None) -> None:
        self.platform = platform
        self.bounds = bounds or Bounds()
        self.clients: dict[Device, Client] = {}
        self.kept: dict[Device, Subscriber] = {}
        self.open: set[Client] = set()
        self.outbox = Outbox(self._deliver, self._later)
        self._loop = asyncio.get_running_loop()
        self._stalled_until = 0.0
        self._waiting: list[Callable[[], None]] = []
        self._waker: asyncio.TimerHandle | None = None
        self._away_until = 0.0

    async def serve(
        self, host: str, port: int, ready: Callable[[str, int], None], until: asyncio.Event
    ) -> None:
        """Serve the platform until an event is set.

        Parameters
        ----------
        host, port : str, int
            Address to listen on; port 0 lets the system choose.
        ready : callable
            Called with the address once clients can connect.
        until : asyncio.Event
            Ends the service.

        Raises
        ------
        OSError
            If the address is not available.
        """
        server = await self._loop.create_server(
            lambda: Client(self), host, port, family=socket.AF_UNSPEC
        )
        ready(*server.sockets[0].getsockname()[:2])
        await until.wait()
        server.close()
        for client in list(self.open):
            client.close("lost")
        # A client that has stopped reading must not delay the end.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1.0)

    def kick(self, product_key: str, device_key: str) -> bool:
        """Close the connection of a device, as a takeover does; return True if it was connected."""
        client = self.clients.get((product_key, device_key))
        if client is not None:
            client.close("kicked")
        return client is not None

    def away(self, seconds: float) -> bool:
        """Close all connections, and refuse new connections, for a number of seconds."""
        self._away_until = max(self._away_until, self._loop.time() + seconds)
        for client in list(self.clients.values()):
            client.close("kicked")
        return True

    @property
    def is_away(self) -> bool:
        """True while every connection is refused."""
        return self._loop.time() < self._away_until

    def stall(self, seconds: float) -> bool:
        """Pause everything for a number of seconds: nothing is read and nothing is sent."""
        until = self._loop.time() + seconds
        if until > self._stalled_until:
            self._stalled_until = until
            if self._waker is not None:
                self._waker.cancel()
            self._waker = self._loop.call_at(until, self._wake)
            for client in self.open:
                client.pause()
        return True

    @property
    def is_stalled(self) -> bool:
        """True while everything is paused."""
        return self._stalled_until > 0.0

    def do(self, action: Callable[[], None]) -> None:
        """Run an action now or, during a stall, afterwards and in order."""
        if self.is_stalled:
            self._waiting.append(action)
        else:
            action()

    def _wake(self) -> None:
        self._stalled_until = 0.0
        for client in self.open:
            client.resume()
        waiting, self._waiting = self._waiting, []
        # An action may stall again; the actions after it then wait, in order.
        for action in waiting:
            self.do(action)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._loop.call_later(seconds, self.do, action)

    def _deliver(self, device: Device, topic: str, payload: bytes) -> None:
        """Send a reply through the device's current session, or keep it for the next one."""
        if client := self.clients.get(device):
            client.deliver(topic, payload)
        elif kept := self.kept.get(device):
            kept.due(topic, payload)
