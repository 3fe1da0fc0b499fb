"""The user's end of the rehearsal platform: starts, questions and ends its process.

A shell around a child process and its two pipes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..errors import ConfigError, ConnectError
from ..model.model_set import ModelSet, model_of
from ..secret import for_a_child
from ..settings import Connection
from .faults import BEHIND_A_BROKER, FaultScript, seconds_of
from .limits import PlatformLimits
from .world import ANY_PRODUCT, Device, devices_of, topology_of, world_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RehearsalPlatform"]

IS_WINDOWS: Final = sys.platform == "win32"  # there a bound port is no place for another process
_PATIENCE: Final = 5.0  # for the process to end by itself [s]
_ERRORS: Final = {"ConfigError": ConfigError, "ConnectError": ConnectError}


class RehearsalPlatform:
    """A running rehearsal platform; made by :func:`mpreplay.simulate`.

    Use as a context manager, or call :meth:`close`.
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
        faults: Any,
        gateways: Any = None,
    ) -> None:
        topology = topology_of(gateway, sub_devices, gateways)
        self._gateway = next(iter(topology))
        self._n_gateways = len(topology)
        subs = [sub for subs in topology.values() for sub in subs]
        signed_in = devices_of(online, "online")
        if strangers := sorted(set(signed_in) - set(subs)):
            raise ConfigError(f"online names {strangers[0]!r}, which is not among sub_devices")
        everyone = dict.fromkeys([*topology, *subs, *devices_of(devices, "devices")])
        self._secrets = {device: secrets.token_hex(16) for device in everyone}
        self._n_sub_devices = len(subs)
        self._configuration = {
            "models": _models(model),
            "devices": [[*device, secret] for device, secret in self._secrets.items()],
            "gateways": list(topology.items()),
            "online": signed_in,
            "limits": limits.as_dict(),
            "host": host,
            "port": port,
            "behind": None if behind is None else _broker(behind),
            "faults": None if faults is None else _script(faults, behind).as_dict(),
            "killed_at": 0,
        }
        self._world = world_of(self._configuration)
        self._lock = threading.Lock()
        # Without close(): at garbage collection, or at the end of the interpreter.
        self._resources = contextlib.ExitStack()
        self._finalizer = weakref.finalize(self, self._resources.close)
        folder = tempfile.TemporaryDirectory(prefix="mpreplay-", ignore_cleanup_errors=True)
        self._folder = Path(self._resources.enter_context(folder))  # for this user alone
        self._memory = _memory_in(self._folder, self._resources)
        self._place: socket.socket | None = None
        self._is_killed = False
        try:
            greeting = self._begin()
        except BaseException:
            self.close()
            raise
        self.host: str = greeting["host"]
        self.port: int = greeting["port"]

    @property
    def connection(self) -> Connection:
        """The connection of the gateway, or of the first one."""
        return self.connection_for(*self._gateway)

    @property
    def devices(self) -> list[Device]:
        """Devices that exist on this platform, without the (first) gateway."""
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
            With the device's generated secret, as a reference to a file that only this user can
            read, and that ends with the platform: so it can travel to other processes.

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
            device_secret=self._reference(secret),
        )

    def _reference(self, secret: str) -> str:
        """Return a reference to the file of a secret, which is made when it is first asked for."""
        path = self._folder / hashlib.sha256(secret.encode()).hexdigest()[:32]
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secret, encoding="utf-8")
        return f"file:{path}"

    def stored(
        self,
        product_key: str | None = None,
        device_key: str | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Return the accepted values, the last write per device, point and time.

        Parameters
        ----------
        product_key, device_key : str, optional
            Only values of this product, of this device.
        start, end : str or datetime, optional
            Only values at times in [start, end); UTC unless a time has a zone.

        Returns
        -------
        DataFrame
            ``product_key``, ``device_key``, ``time``, ``measurepoint``, ``value`` and ``quality``,
            sorted by the first four. ``value`` is float64 if it holds all values exactly.

        Raises
        ------
        ConfigError
            If ``start`` or ``end`` is not a time.

        Notes
        -----
        ``run.reconcile`` takes this method: ``run.reconcile(platform.stored)``.
        """
        from .frames import milliseconds, read_records, stored_frame

        chosen = [product_key, device_key, milliseconds(start, "start"), milliseconds(end, "end")]
        command = b"stored" if chosen == [None] * 4 else orjson.dumps(["stored", *chosen])
        return stored_frame(read_records(self._ask(command)), self._world)

    def sessions(self) -> pd.DataFrame:
        """Return all attempts to connect, with the end of each session.

        Returns
        -------
        DataFrame
            ``product_key``, ``device_key``, ``client_id``, ``connected_at``, ``ended_at`` and
            ``how``: ``open``, ``disconnected``, ``taken over``, ``lost``, ``timed out``,
            ``does not read``, ``protocol error``, ``kicked``, ``reset``, ``killed`` or
            ``refused: …``, of which the first 10,000 are listed.
        """
        from .frames import sessions_frame

        return sessions_frame(self._ask(b"sessions"))

    def requests(self) -> pd.DataFrame:
        """Return the requests with measurement points, and messages refused with code 1009.

        Returns
        -------
        DataFrame
            In the order of their receipt: ``received_at``, ``device_key``, ``topic``,
            ``request_id``, ``n_bytes`` (unpacked, if compressed), ``n_entries``, ``n_values`` and
            ``code``.
        """
        from .frames import requests_frame

        return requests_frame(self._ask(b"requests"))

    def kick(self, product_key: str, device_key: str) -> bool:
        """Close the connection of a device in an orderly way, as a takeover does.

        Returns
        -------
        bool
            True if the device was connected.

        Raises
        ------
        ConfigError
            If there is no such device, or a real broker holds the connections.
        """
        self.connection_for(product_key, device_key)
        return self._do("kick", product_key, device_key)

    def stall(self, seconds: float) -> None:
        """Pause everything for a number of seconds: nothing is read and nothing is sent."""
        self._do("stall", seconds_of(seconds, "stall"))

    def away(self, seconds: float) -> None:
        """Close all connections, and refuse new ones with CONNACK 3 for a number of seconds."""
        self._do("away", seconds_of(seconds, "away"))

    def kill(self) -> None:
        """Kill the platform's process and close its port without notice; a repeat does nothing.

        Accepted requests are kept for :meth:`restart`.
        """
        with self._lock:
            self._check_is_open()
            if self._is_killed:
                return
            self._process.kill()
            _end(self._process)
            self._is_killed = True
            self._configuration["killed_at"] = time.time_ns() // 1_000_000
            if self._configuration["behind"] is None and not IS_WINDOWS:
                # Bound but not listening: the port is closed, and no other process can take it.
                self._place = self._resources.enter_context(socket.socket(_family(self.host)))
                self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._place.bind((self.host, self.port))

    def restart(self) -> None:
        """Start a killed platform again: the same port, the same secrets, all stored values.

        Raises
        ------
        ConfigError
            If the platform was not killed.
        ConnectError
            If the platform does not start.

        Notes
        -----
        ``stored()``, ``sessions()`` and ``requests()`` continue, earlier connects still count,
        blocked devices stay blocked, and the fault script continues at its position.
        """
        with self._lock:
            self._check_is_open()
            if not self._is_killed:
                raise ConfigError("the rehearsal platform is running; kill() it before restart()")
            if self._configuration["behind"] is None:
                self._configuration.update(host=self.host, port=self.port)
            self._begin()
            self._is_killed = False
            if self._place is not None:
                self._place.close()

    def close(self) -> None:
        """End the platform and delete the stored values; a repeat does nothing."""
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
            f"<rehearsal platform at {self.host}:{self.port}, "
            f"{f'{self._n_gateways} gateways, ' if self._n_gateways > 1 else ''}"
            f"{self._n_sub_devices} sub-devices{self._state}>"
        )

    @property
    def _state(self) -> str:
        if not self._finalizer.alive:
            return ", closed"
        return ", killed" if self._is_killed else ""

    def _ask(self, command: bytes) -> bytes:
        with self._lock:
            self._check_is_running()
            size = self._exchange(command)["size"]
            pipe = self._process.stdout
            return pipe.read(size) if pipe is not None else b""

    def _do(self, *command: Any) -> bool:
        if self._configuration["behind"] is not None:
            raise ConfigError(
                f"{command[0]}() concerns the connections, which a real broker holds here; it "
                "works without behind="
            )
        with self._lock:
            self._check_is_running()
            done: bool = self._exchange(orjson.dumps(command))["done"]
        return done

    def _check_is_open(self) -> None:
        if not self._finalizer.alive:
            raise ConfigError(
                "the rehearsal platform is closed, and what it stored is gone; ask before "
                "close() or inside the with block"
            )

    def _check_is_running(self) -> None:
        self._check_is_open()
        if self._is_killed:
            raise ConfigError("the rehearsal platform was killed; restart() it before you ask")

    def _begin(self) -> dict[str, Any]:
        """Start the process and return its greeting."""
        self._process = _start(self._memory)
        self._resources.callback(_end, self._process)
        configuration = {**self._configuration, "memory": self._memory}
        return self._exchange(orjson.dumps(configuration))

    def _exchange(self, line: bytes) -> dict[str, Any]:
        """Send a line and return the line of the answer."""
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


def _memory_in(folder: Path, resources: contextlib.ExitStack) -> int | str:
    """Return a file that outlives the process of the platform: open, or where none is inherited."""
    if IS_WINDOWS:
        return str(folder / "memory")
    # A file without a name is deleted with the last process that holds it open.
    return resources.enter_context(tempfile.TemporaryFile()).fileno()


def _start(memory: int | str) -> subprocess.Popen[bytes]:
    """Start the platform's process with the same mpreplay as this process."""
    # In its own group, so that Ctrl-C in the terminal reaches the parent alone.
    apart: dict[str, Any] = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if isinstance(memory, int):
        apart = {"process_group": 0, "pass_fds": [memory]}
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "mpreplay.simulator"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**for_a_child(), "PYTHONPATH": os.pathsep.join(paths)},
        **apart,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and close its pipes; a repeat does nothing."""
    if process.stdin is not None and not process.stdin.closed:
        # The word ends the process even if a forked process still holds the pipe open.
        with contextlib.suppress(OSError):
            process.stdin.write(b"end\n")
            process.stdin.flush()
        with contextlib.suppress(OSError):
            process.stdin.close()
    if process.stdout is not None:
        # Closed first: an answer still being written must not block the end.
        process.stdout.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _script(faults: Any, behind: str | None) -> FaultScript:
    script = FaultScript.of(faults)
    if behind is not None and (wrong := sorted(script.kinds - BEHIND_A_BROKER)):
        raise ConfigError(
            f"behind a real broker the faults {', '.join(wrong)} cannot be had; those that can "
            f"are {', '.join(sorted(BEHIND_A_BROKER))}"
        )
    return script


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _models(given: Any) -> dict[str, str]:
    """Return the models as JSON texts by product key."""
    models = given if isinstance(given, Mapping) else {ANY_PRODUCT: given}
    ModelSet.of(given)
    return {str(key): model_of(model).to_json() for key, model in models.items()}


def _broker(uri: str) -> dict[str, Any]:
    from .responder import broker_of

    return broker_of(uri)
