"""The fault proxy: bytes pass unchanged, and every fault is what its name says."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from brokers import answers, free_port

from mpreplay import ConfigError, ConnectError, Connection
from mpreplay.simulator.proxy import FaultProxy

PATIENCE = 10.0  # for anything that should happen at once [s]
A_WHILE = 0.1  # in which nothing should happen [s]


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """Serve who connects: send back what is received, and end when the client has ended."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads: list[threading.Thread] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threads.append(threading.Thread(target=_echo, args=(server.accept()[0],)))
                    threads[-1].start()

        accepting = threading.Thread(target=serve)
        accepting.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        for thread in (accepting, *threads):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def _echo(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        while data := sock.recv(65_536):
            sock.sendall(data)


def connect(proxy: FaultProxy) -> socket.socket:
    """Connect through a proxy."""
    return socket.create_connection((proxy.host, proxy.port), timeout=PATIENCE)


def send_all(sock: socket.socket, data: bytes) -> None:
    """Send bytes, and that there are no more."""
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def received(sock: socket.socket, size: int) -> bytes:
    """Receive so many bytes."""
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, "the connection has ended"
        data += piece
    return data


def is_silent(sock: socket.socket) -> bool:
    """Whether nothing comes for a while, not even an end."""
    sock.settimeout(A_WHILE)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE)
    return False


def test_bytes_pass_unchanged_and_so_does_their_end(echo: tuple[str, int]) -> None:
    """Without a fault it must not be there; large messages and half-closed ones are hard."""
    data = bytes(range(256)) * 8_000
    with FaultProxy(*echo) as proxy, connect(proxy) as client:
        sender = threading.Thread(target=send_all, args=(client, data))
        sender.start()
        back = received(client, len(data))
        sender.join()
        end = client.recv(1)

    assert back == data
    assert end == b""


def test_a_cut_resets_all_connections_and_the_next_one_works(echo: tuple[str, int]) -> None:
    """A router that forgets its connections says so with a reset."""
    with FaultProxy(*echo) as proxy:
        clients = [connect(proxy) for _ in range(2)]
        for client in clients:
            client.sendall(b"a")
            assert received(client, 1) == b"a"
        proxy.cut()
        for client in clients:
            with client, pytest.raises(ConnectionResetError):
                client.recv(1)
        with connect(proxy) as client:
            client.sendall(b"b")
            assert received(client, 1) == b"b"


def test_while_frozen_nothing_passes_and_nobody_is_told(echo: tuple[str, int]) -> None:
    """A half-open connection: only a client that asks for signs of life notices."""
    with FaultProxy(*echo) as proxy, connect(proxy) as client:
        client.sendall(b"a")
        assert received(client, 1) == b"a"
        proxy.freeze()
        with connect(proxy) as newcomer:
            client.sendall(b"b")
            newcomer.sendall(b"c")
            assert is_silent(client)
            assert is_silent(newcomer)
            proxy.thaw()
            assert received(client, 1) == b"b"
            assert received(newcomer, 1) == b"c"


def test_a_frozen_connection_can_be_cut(echo: tuple[str, int]) -> None:
    """The network comes back, and has forgotten who was there."""
    with FaultProxy(*echo) as proxy, connect(proxy) as client:
        proxy.freeze()
        client.sendall(b"a")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_closed_port_refuses_newcomers_only(echo: tuple[str, int]) -> None:
    """A firewall rule against new connections leaves those that stand alone."""
    with FaultProxy(*echo) as proxy, connect(proxy) as client:
        client.sendall(b"a")
        assert received(client, 1) == b"a"
        for _ in range(2):
            proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        client.sendall(b"b")
        assert received(client, 1) == b"b"
        for _ in range(2):
            proxy.allow()
        with connect(proxy) as newcomer:
            newcomer.sendall(b"c")
            assert received(newcomer, 1) == b"c"


def test_latency_is_added_each_way_and_costs_no_bandwidth(echo: tuple[str, int]) -> None:
    """Many small messages are on their way at once, as on a long line."""
    with FaultProxy(*echo, latency=0.1) as proxy, connect(proxy) as client:
        client.sendall(b"a")
        begun = time.monotonic()
        received(client, 1)
        assert time.monotonic() - begun > 0.15
        begun = time.monotonic()
        for _ in range(50):
            client.sendall(b"a")
        received(client, 50)
        assert 0.15 < time.monotonic() - begun < 1.0


def test_a_rate_is_kept_and_smooth(echo: tuple[str, int]) -> None:
    """A burst with a pause would look like a stall to a client that measures."""
    with FaultProxy(*echo, bytes_per_second=200_000) as proxy, connect(proxy) as client:
        begun = time.monotonic()
        client.sendall(b"x" * 60_000)
        arrivals = []
        left = 60_000
        while left:
            size = len(client.recv(left))
            left -= size
            arrivals.append((time.monotonic() - begun, size))

    assert 0.2 < arrivals[-1][0] < 2.0
    assert sum(size for at, size in arrivals if at < 0.1) < 40_000
    assert len(arrivals) > 5


def test_a_connection_leads_through_the_proxy(echo: tuple[str, int]) -> None:
    """Everything else about it stays as it was."""
    given = Connection(*echo, product_key="p", device_key="d", device_secret="s", client_id="c")
    with FaultProxy(*echo) as proxy:
        through = proxy.connection(given)
        shown = repr(proxy)

    assert (through.host, through.port) == (proxy.host, proxy.port)
    assert (through.device, through.device_secret.reveal(), through.client_id) == (
        ("p", "d"),
        "s",
        "c",
    )
    assert shown == f"<fault proxy at 127.0.0.1:{proxy.port} to 127.0.0.1:{echo[1]}>"


def test_a_target_that_is_not_there_is_a_reset() -> None:
    """The proxy has accepted by then; a reset is what is left to say."""
    with (
        FaultProxy("127.0.0.1", free_port()) as proxy,
        pytest.raises(ConnectionResetError),
        connect(proxy) as client,
    ):
        client.recv(1)


def test_a_closed_proxy_leaves_no_thread_and_no_port(echo: tuple[str, int]) -> None:
    """Also with connections that stand, and frozen ones."""
    before = threading.active_count()
    proxy = FaultProxy(*echo)
    with connect(proxy) as first:
        first.sendall(b"a")
        received(first, 1)
        proxy.freeze()
        with connect(proxy):
            proxy.close()
            proxy.close()
            with pytest.raises(ConnectionResetError):
                first.recv(1)

    assert not answers(proxy.port)
    assert threading.active_count() <= before + 1  # the echo of the first
    with pytest.raises(ConfigError, match="is closed"):
        proxy.cut()


@pytest.mark.parametrize(
    ("given", "match"),
    [({"latency": -1.0}, "latency"), ({"bytes_per_second": 0.0}, "bytes_per_second")],
)
def test_numbers_that_mean_nothing_are_refused(given: dict[str, float], match: str) -> None:
    """At the call, with what was given."""
    with pytest.raises(ConfigError, match=match):
        FaultProxy("127.0.0.1", 1, **given)


def test_a_host_that_is_not_there_is_a_connect_error() -> None:
    """A label that is too long is refused without asking anybody."""
    with pytest.raises(ConnectError, match="no host"):
        FaultProxy("x" * 70 + ".invalid", 1)
