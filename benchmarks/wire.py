"""The platform's end of a contest: a real Mosquitto, and a process behind it that answers 200."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from answer_200 import Stream, packet, text

import mpreplay as mp
from mpreplay.protocol.messages import batch_topic

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))

from brokers import mosquitto  # noqa: E402 - the tests' own broker, with the same settings

PRODUCT, NAME = GATEWAY = ("gateway", "gw-1")


@contextmanager
def platform() -> Iterator[mp.Connection]:
    """Run broker and responder; gives a connection to them."""
    with mosquitto() as (host, port), _responder(host, port):
        yield connection(host, port)


def connection(host: str, port: int, name: str = NAME) -> mp.Connection:
    """Return a gateway's connection to a broker that checks no secret."""
    return mp.Connection(host, port, PRODUCT, name, "secret")


@contextmanager
def _responder(host: str, port: int) -> Iterator[None]:
    process = _start_responder(host, port)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the responder did not start")
        yield
    finally:
        process.communicate(timeout=10)


def _start_responder(host: str, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "answer_200.py"), host, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def requests_per_second(payload: bytes, requests: int) -> float:
    """Return how many requests the responder answers alone, fed without a broker."""
    publish = packet(0x30, text(batch_topic(*GATEWAY).encode()) + payload)
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = _start_responder("127.0.0.1", server.getsockname()[1])
        sock, _ = server.accept()
        with sock:
            stream = Stream(sock)
            for answer in (packet(0x20, b"\0\0"), packet(0x90, b"\0\1\0")):
                stream.packet()
                sock.sendall(answer)
            begin = time.perf_counter()
            feeder = threading.Thread(target=_feed, args=(sock, publish, requests))
            feeder.start()
            for _ in range(requests):
                stream.packet()
            took = time.perf_counter() - begin
            feeder.join()
        process.communicate(timeout=10)
    return requests / took


def _feed(sock: socket.socket, publish: bytes, requests: int) -> None:
    for _ in range(requests):
        sock.sendall(publish)
