"""A responder that only answers 200: ``python answer_200.py HOST PORT``.

It speaks just enough MQTT 3.1.1 over a bare socket, and throws payloads away unread but for the id
at their beginning, so that it is never what limits a contestant. It ends when its input ends.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading

FILTER = b"/sys/+/+/thing/measurepoint/resume/batch"
ID = re.compile(rb'"id": ?"([^"]*)"')
BEGINNING = 512  # of a payload, in which its id stands [bytes]
CONNECT, SUBSCRIBE, PUBLISH = 0x10, 0x82, 0x3
# Linux throws what was received away without copying it.
DISCARD = getattr(socket, "MSG_TRUNC", 0) if sys.platform == "linux" else 0


def packet(kind: int, body: bytes) -> bytes:
    """Return an MQTT packet."""
    length, size = bytearray(), len(body)
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body


def text(value: bytes) -> bytes:
    """Return a text as MQTT writes it."""
    return len(value).to_bytes(2, "big") + value


class Stream:
    """What comes in, packet by packet."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held = b""
        self._scratch = bytearray(1 << 20)

    def packet(self) -> tuple[int, bytes]:
        """Return the first byte of the next packet, and the beginning of its body."""
        kind = self._take(1)[0]
        size = shift = 0
        while True:
            (byte,) = self._take(1)
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        begin = self._take(min(size, BEGINNING))
        self._skip(size - len(begin))
        return kind, begin

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            more = self._sock.recv(BEGINNING)
            if not more:
                raise EOFError
            self._held += more
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _skip(self, size: int) -> None:
        skipped, self._held = self._held[:size], self._held[size:]
        size -= len(skipped)
        while size:
            gone = self._sock.recv_into(self._scratch, min(size, len(self._scratch)), DISCARD)
            if not gone:
                raise EOFError
            size -= gone


def main(host: str, port: int) -> None:
    """Answer until the broker or whoever started it has gone."""
    sock = socket.create_connection((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = Stream(sock)
    sock.sendall(packet(CONNECT, text(b"MQTT") + b"\x04\x02\x00\x00" + text(b"answers-200")))
    stream.packet()
    sock.sendall(packet(SUBSCRIBE, b"\x00\x01" + text(FILTER) + b"\x00"))
    stream.packet()
    print("ready", flush=True)

    def end() -> None:
        sys.stdin.read()
        with contextlib.suppress(OSError):  # the broker was the first to go
            sock.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=end, daemon=True).start()
    try:
        while True:
            kind, begin = stream.packet()
            if kind >> 4 == PUBLISH:
                sock.sendall(_answer(begin))
    except (EOFError, OSError):
        sock.close()


def _answer(begin: bytes) -> bytes:
    size = int.from_bytes(begin[:2], "big")
    topic, found = begin[2 : 2 + size], ID.search(begin, 2 + size)
    reply = b'{"id":"%b","code":200,"data":{}}' % (found[1] if found else b"")
    return packet(0x30, text(topic + b"_reply") + reply)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
