"""A tap on a connection: a TCP relay on loopback that notes when how many bytes came to it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType

import numpy as np

PIECE = 1 << 16  # [bytes]
SEGMENT = 1_460  # [bytes]


class Tap:
    """Relays to host and port, and remembers what passes towards them; a context manager.

    It takes all that comes at once, however slowly it gets rid of it.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server = socket.create_server(("127.0.0.1", 0))
        # As over Ethernet: loopback's segments of 64 kB are no link's.
        self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        self.host, self.port = self._server.getsockname()
        self._seen: list[tuple[float, int]] = []
        self._sockets: list[socket.socket] = []
        _start(self._welcome)

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sock in (self._server, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    @property
    def n_bytes(self) -> int:
        """How many bytes have passed."""
        return sum(size for _, size in self._seen)

    @property
    def seconds(self) -> float:
        """How long it took from the first of them to the last."""
        return self._seen[-1][0] - self._seen[0][0]

    def most_in_a_second(self) -> int:
        """Return how many bytes passed at most in any second."""
        times = np.array([at for at, _ in self._seen])
        passed = np.cumsum([0, *(size for _, size in self._seen)])
        ends = np.searchsorted(times, times + 1.0)
        return int((passed[ends] - passed[:-1]).max())

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._server.accept()
                target = socket.create_connection(self._target)
                for sock in (client, target):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, target]
                for source, sink, seen in ((client, target, self._seen), (target, client, [])):
                    way: SimpleQueue[bytes] = SimpleQueue()
                    _start(_load, source, way, seen)
                    _start(_unload, way, sink)


def _start(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _load(source: socket.socket, way: SimpleQueue[bytes], seen: list[tuple[float, int]]) -> None:
    piece = b"none yet"
    while piece:
        try:
            piece = source.recv(PIECE)
        except OSError:
            piece = b""
        if piece:
            seen.append((time.monotonic(), len(piece)))
        way.put(piece)


def _unload(way: SimpleQueue[bytes], sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := way.get():
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
