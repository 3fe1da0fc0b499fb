"""A bad network on request: a TCP proxy on loopback that can be cut, frozen, slowed and closed.

A shell, on a thread of its own until :meth:`FaultProxy.close`. Place the proxy between a client
and a broker or the rehearsal platform; all bytes pass unchanged::

    with FaultProxy(platform.host, platform.port, latency=0.05) as proxy:
        run = mp.replay(history, model, proxy.connection(platform.connection))

================ ===================================================================================
cut()            reset all connections, both ways
freeze(), thaw() as if a cable were pulled: nothing passes either way, neither end is notified,
                 and a new connection gets no answer. After thaw(), the bytes on their way
                 arrive: TCP has sent them again
refuse(), allow() the port is closed to new connections; open connections continue
latency          delay of every byte, each way. [s]
bytes_per_second rate each way, of all connections together; smooth, in slices of 20 ms
================ ===================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final

from ..errors import ConfigError, ConnectError
from ..settings import Connection

__all__ = ["FaultProxy"]

_PIECE: Final = 1 << 16  # read at once where no rate says otherwise [bytes]
_SLICE: Final = 0.02  # a write carries at most this much of a rate [s]
_ON_THE_WAY: Final = 256  # pieces of a connection, each way; more stay with their sender
# With a rate, the system's buffers must not hold seconds of data. [bytes]
_BUFFER: Final = 1 << 16
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER, on, 0 s: closing sends a reset

_Way = asyncio.Queue[tuple[float, bytes]]  # due time of a piece, and the piece; the last is empty


class FaultProxy:
    """A TCP proxy with faults on command.

    Use as a context manager, or call :meth:`close`. All methods may be called from any thread, and
    return when their effect is complete.

    Parameters
    ----------
    host, port : str, int
        Address of the target.
    latency : float
        Delay of every byte, each way. [s]
    bytes_per_second : float, optional
        Rate each way. [bytes/s]

    Raises
    ------
    ConfigError
        If a number is not valid.

    Examples
    --------
    >>> with FaultProxy("127.0.0.1", 1883) as proxy:
    ...     proxy.host, proxy.port > 0
    ('127.0.0.1', True)
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        latency: float = 0.0,
        bytes_per_second: float | None = None,
    ) -> None:
        if not (math.isfinite(latency) and latency >= 0):
            raise ConfigError(f"latency must be 0 s or more, got {latency!r}")
        if bytes_per_second is not None and not 0 < bytes_per_second < math.inf:
            raise ConfigError(f"bytes_per_second must be above 0, got {bytes_per_second!r}")
        self._target, self._family, self._address = (host, port), *_resolved(host, port)
        self._latency = latency
        self._rate = bytes_per_second
        self._piece = _PIECE
        if bytes_per_second is not None:
            self._piece = min(_PIECE, max(1, int(bytes_per_second * _SLICE)))
        # Bound and not listening: the port stays ours, and closed, while connections are refused.
        self._place = _bound("127.0.0.1", 0)
        self.host, self.port = self._place.getsockname()
        self._listener: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._lanes = _Lane(bytes_per_second), _Lane(bytes_per_second)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.allow()

    def connection(self, connection: Connection) -> Connection:
        """Return a connection through the proxy."""
        return dataclasses.replace(connection, host=self.host, port=self.port)

    def cut(self) -> None:
        """Reset all connections."""
        self._call(self._cut)

    def freeze(self) -> None:
        """Let no bytes pass, without notice to either end."""
        self._call(self._freeze)

    def thaw(self) -> None:
        """Let bytes pass again, the held bytes first."""
        self._call(self._thaw)

    def refuse(self) -> None:
        """Close the port to new connections."""
        self._call(self._refuse)

    def allow(self) -> None:
        """Open the port again."""
        self._call(self._allow)

    def close(self) -> None:
        """End all connections and the thread; a repeat does nothing."""
        if self._loop.is_closed():
            return
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._place.close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        host, port = self._target
        return f"<fault proxy at {self.host}:{self.port} to {host}:{port}>"

    def _call(self, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine on the proxy's thread, and wait for its end."""
        if self._loop.is_closed():
            raise ConfigError("the fault proxy is closed")
        asyncio.run_coroutine_threadsafe(do(), self._loop).result()

    async def _cut(self) -> None:
        tasks = list(self._serving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _freeze(self) -> None:
        self._flowing.clear()

    async def _thaw(self) -> None:
        self._flowing.set()

    async def _allow(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.host, self.port, self._rate)
            self._listener.listen()
            self._loop.add_reader(self._listener, self._welcome, self._listener)

    async def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._loop.remove_reader(listener)
            listener.close()

    async def _close(self) -> None:
        await self._refuse()
        await self._cut()

    def _welcome(self, listener: socket.socket) -> None:
        # The client may have disconnected already.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            client, _ = listener.accept()
            client.setblocking(False)
            task = self._loop.create_task(self._serve(client))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
            # Also if it was cancelled before it began.
            task.add_done_callback(lambda _: client.close())

    async def _serve(self, client: socket.socket) -> None:
        """Carry bytes until both ends have closed; reset both after an error or a cut."""
        target = _socket(self._family, self._rate)
        try:
            await self._flowing.wait()
            await self._loop.sock_connect(target, self._address)
            for sock in (client, target):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.TaskGroup() as carriers:
                for source, sink, lane in (
                    (client, target, self._lanes[0]),
                    (target, client, self._lanes[1]),
                ):
                    way: _Way = asyncio.Queue(_ON_THE_WAY)
                    carriers.create_task(self._load(source, way, lane))
                    carriers.create_task(self._unload(way, sink))
        except* OSError:
            _set_to_reset(client, target)
        except* asyncio.CancelledError:
            _set_to_reset(client, target)
        finally:
            client.close()
            target.close()

    async def _load(self, source: socket.socket, way: _Way, lane: _Lane) -> None:
        piece = b"none yet"
        while piece:
            await self._flowing.wait()
            piece = await self._loop.sock_recv(source, self._piece)
            await lane.take(len(piece))
            await way.put((self._loop.time() + self._latency, piece))

    async def _unload(self, way: _Way, sink: socket.socket) -> None:
        while True:
            due, piece = await way.get()
            if (wait := due - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            await self._flowing.wait()
            if not piece:
                sink.shutdown(socket.SHUT_WR)
                return
            await self._loop.sock_sendall(sink, piece)


class _Lane:
    """A direction of the network, shared by all connections, with the time of the next piece."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def take(self, size: int) -> None:
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        wait = self._free_at - now
        self._free_at = max(self._free_at, now) + size / self._rate
        if wait > 0:
            await asyncio.sleep(wait)


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"there is no host {host!r} for the fault proxy to reach") from error
    return family, address


def _socket(family: socket.AddressFamily, rate: float | None = None) -> socket.socket:
    sock = socket.socket(family)
    sock.setblocking(False)
    if rate is not None:
        for side in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, side, _BUFFER)
    return sock


def _bound(host: str, port: int, rate: float | None = None) -> socket.socket:
    sock = _socket(socket.AF_INET, rate)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


def _set_to_reset(*sockets: socket.socket) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
