"""The user's end of the rehearsal platform: starts its process, asks it questions, ends it.

A shell around a child process and its two pipes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import orjson

from ..errors import ConfigError, ConnectError
from ..settings import PLAIN_PORT, Connection
from ..thing_model import model_of
from .limits import PlatformLimits
from .world import ANY_PRODUCT, Device, world_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RehearsalPlatform"]

_PATIENCE: Final = 5.0  # for the process to end by itself [s]
_ERRORS: Final = {"ConfigError": ConfigError, "ConnectError": ConnectError}


class RehearsalPlatform:
    """A running rehearsal platform; made by :func:`mpreplay.simulate`.

    Use it as a context manager, or call :meth:`close`.
    """

    def __init__(
        self,
        model: Any,
        *,
        sub_devices: Iterable[Device],
        gateway: Device,
        online: Iterable[Device],
        devices: Iterable[Device],
        limits: PlatformLimits,
        host: str,
        port: int,
        behind: str | None,
    ) -> None:
        self._gateway = _device(gateway, "gateway")
        subs = _devices(sub_devices, "sub_devices")
        signed_in = _devices(online, "online")
        if strangers := sorted(set(signed_in) - set(subs)):
            raise ConfigError(f"online names {strangers[0]!r}, which is not among sub_devices")
        if self._gateway in subs:
            raise ConfigError(f"the gateway {self._gateway!r} cannot be a sub-device of itself")
        everyone = dict.fromkeys([self._gateway, *subs, *_devices(devices, "devices")])
        self._secrets = {device: secrets.token_hex(16) for device in everyone}
        self._n_sub_devices = len(subs)
        configuration = {
            "models": _models(model),
            "devices": [[*device, secret] for device, secret in self._secrets.items()],
            "gateway": self._gateway,
            "sub_devices": subs,
            "online": signed_in,
            "limits": limits.as_dict(),
            "host": host,
            "port": port,
            "behind": None if behind is None else _broker(behind),
        }
        self._world = world_of(configuration)
        self._lock = threading.Lock()
        self._process = _start()
        # Also when the user forgets: at garbage collection, or when the interpreter ends.
        self._finalizer = weakref.finalize(self, _end, self._process)
        try:
            greeting = self._exchange(orjson.dumps(configuration))
        except BaseException:
            self.close()
            raise
        self.host: str = greeting["host"]
        self.port: int = greeting["port"]

    @property
    def connection(self) -> Connection:
        """The connection of the gateway."""
        return self.connection_for(*self._gateway)

    @property
    def devices(self) -> list[Device]:
        """The devices that exist here, save the gateway."""
        return [device for device in self._secrets if device != self._gateway]

    def connection_for(self, product_key: str, device_key: str) -> Connection:
        """Return the connection of a device that exists on this platform.

        Parameters
        ----------
        product_key, device_key : str
            The device.

        Returns
        -------
        Connection
            With the device's made-up secret.

        Raises
        ------
        ConfigError
            If there is no such device.
        """
        secret = self._secrets.get((product_key, device_key))
        if secret is None:
            raise ConfigError(
                f"the rehearsal platform has no device {(product_key, device_key)!r}; name it in "
                "gateway=, sub_devices= or devices="
            )
        return Connection(
            self.host,
            self.port,
            product_key=product_key,
            device_key=device_key,
            device_secret=secret,
        )

    def stored(self) -> pd.DataFrame:
        """Return what the platform accepted, the last write per device, point and time.

        Returns
        -------
        DataFrame
            ``product_key``, ``device_key``, ``time``, ``measurepoint``, ``value`` and ``quality``,
            sorted by the first four. ``value`` is float64 if all values are numbers.
        """
        from .frames import read_records, stored_frame

        return stored_frame(read_records(self._ask(b"stored")), self._world)

    def sessions(self) -> pd.DataFrame:
        """Return who tried to connect, when, and how each session ended.

        Returns
        -------
        DataFrame
            ``product_key``, ``device_key``, ``client_id``, ``connected_at``, ``ended_at`` and
            ``how``: ``open``, ``disconnected``, ``taken over``, ``lost``, ``timed out``,
            ``protocol error`` or ``refused: …``.
        """
        from .frames import sessions_frame

        return sessions_frame(self._ask(b"sessions"))

    def requests(self) -> pd.DataFrame:
        """Return the requests with measurement points in the order they were received.

        Returns
        -------
        DataFrame
            ``received_at``, ``device_key``, ``topic``, ``request_id``, ``n_bytes``, ``n_entries``,
            ``n_values`` and ``code``.
        """
        from .frames import requests_frame

        return requests_frame(self._ask(b"requests"))

    def close(self) -> None:
        """End the platform; once is enough. What it stored is gone with it."""
        with self._lock:
            self._finalizer()

    def __enter__(self) -> RehearsalPlatform:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<rehearsal platform at {self.host}:{self.port}, {self._n_sub_devices} sub-devices"
            f"{'' if self._finalizer.alive else ', closed'}>"
        )

    def _ask(self, command: bytes) -> bytes:
        with self._lock:
            if not self._finalizer.alive:
                raise ConfigError(
                    "the rehearsal platform is closed, and what it stored is gone; ask before "
                    "close() or inside the with block"
                )
            size = self._exchange(command)["size"]
            pipe = self._process.stdout
            return pipe.read(size) if pipe is not None else b""

    def _exchange(self, line: bytes) -> dict[str, Any]:
        """Send a line and return the line that answers it."""
        write, read = self._process.stdin, self._process.stdout
        answer = b""
        if write is not None and read is not None:
            with contextlib.suppress(BrokenPipeError):
                write.write(line + b"\n")
                write.flush()
            answer = read.readline()
        if not answer:
            raise ConnectError("the process of the rehearsal platform has ended unexpectedly")
        fields: dict[str, Any] = orjson.loads(answer)
        if "error" in fields:
            raise _ERRORS.get(fields["error"], ConnectError)(fields["message"])
        return fields


def _start() -> subprocess.Popen[bytes]:
    """Start the platform's process; it finds the same mpreplay as this one."""
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "mpreplay.simulator"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        # Of its own group, so that Ctrl-C in the terminal reaches the parent alone.
        process_group=0,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and let go of its pipes."""
    if process.stdin is not None:
        # The word ends it also where a forked process still holds the other end of the pipe.
        with contextlib.suppress(OSError):
            process.stdin.write(b"end\n")
            process.stdin.flush()
        with contextlib.suppress(OSError):
            process.stdin.close()
    if process.stdout is not None:
        # Nobody reads any more: an answer that is still being written must not hold it up.
        process.stdout.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _models(given: Any) -> dict[str, str]:
    """Return the models as JSON texts by product key."""
    models = given if isinstance(given, Mapping) else {ANY_PRODUCT: given}
    return {str(key): model_of(model).to_json() for key, model in models.items()}


def _device(given: Any, where: str) -> Device:
    match given:
        case (str(product_key), str(device_key)) if product_key and device_key:
            return product_key, device_key
    raise ConfigError(f"{where} takes pairs of (product key, device key), got {given!r}")


def _devices(given: Iterable[Any], where: str) -> list[Device]:
    if isinstance(given, str):
        raise ConfigError(f"{where} takes pairs of (product key, device key), got {given!r}")
    return list(dict.fromkeys(_device(pair, where) for pair in given))


def _broker(uri: str) -> dict[str, Any]:
    """Read the address of a broker: ``mqtt://host:port``, with a name and password if it asks."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port or PLAIN_PORT
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "mqtt" or not host:
        raise ConfigError("behind names a broker as mqtt://host:port")
    return {
        "host": host,
        "port": port,
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
