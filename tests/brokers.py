"""A real Mosquitto for tests: started on a port of its own, ended by its own process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# Distributions put the broker where only administrators look by default.
_SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
MOSQUITTO = shutil.which("mosquitto", path=_SEARCH)
MOSQUITTO_INSTALLED = MOSQUITTO is not None
CLIENTS_INSTALLED = all(map(shutil.which, ("mosquitto_pub", "mosquitto_sub")))

_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
# Without it a reply waits for the client's delayed acknowledgement.
set_tcp_nodelay true
message_size_limit 0
log_dest none
"""
_PATIENCE = 10.0  # for the broker to listen [s]


@contextlib.contextmanager
def mosquitto() -> Iterator[tuple[str, int]]:
    """Run a broker on loopback; gives its host and port once it takes connections."""
    assert MOSQUITTO is not None, "mosquitto is not installed"
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            port = free_port()
            configuration = Path(folder, "mosquitto.conf")
            configuration.write_text(_CONFIGURATION.format(port=port), encoding="utf-8")
            process = subprocess.Popen(
                [MOSQUITTO, "-c", str(configuration)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                if _listens(process, port):
                    yield "127.0.0.1", port
                    return
            finally:
                process.terminate()
                process.wait(_PATIENCE)
        raise RuntimeError("mosquitto did not start")


def free_port() -> int:
    """Return a port that nobody listened on a moment ago; Mosquitto cannot choose one itself."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody takes connections on a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the broker takes connections; False if it ended, say for want of the port."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if answers(port):
            return process.poll() is None
        time.sleep(0.01)
    return False
