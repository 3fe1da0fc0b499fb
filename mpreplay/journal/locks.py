"""Locks of connections and journals, and the record of connects, which must outlive a run.

A shell over a few files in the user's state folder, keyed by host and device.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..errors import ConfigError, ConnectError, JournalError

if TYPE_CHECKING:
    from ..settings import Connection

__all__ = ["FileLock", "Lease", "lock_journal", "state_folder"]

log = logging.getLogger("mpreplay")
ENVIRONMENT: Final = "MPREPLAY_STATE"
KEPT: Final = 64  # connects remembered for each device; the limit is a handful


def state_folder() -> Path:
    """Return the folder of the user's state: MPREPLAY_STATE, or by the XDG rules."""
    if given := os.environ.get(ENVIRONMENT):
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "mpreplay"


class FileLock:
    """A lock that a process holds as long as it lives, with a note on the holder.

    Parameters
    ----------
    path : Path
        The lock's file, which stays after the lock is freed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None

    def take(self, holder: str) -> str | None:
        """Take the lock and return None, or return the holder."""
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            told = file.read().strip()
            file.close()
            return told or "another process"
        file.truncate(0)
        file.write(holder)
        file.flush()
        self._file = file
        return None

    def free(self) -> None:
        """Free the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Lease:
    """The right to connect as a device, and the record of its connects.

    Two connections of one device fight: each takes the session over from the other, and every
    reconnect counts towards the platform's limit.

    Parameters
    ----------
    connection : Connection
        Connection of the device.
    purpose : str
        Purpose of the lease, shown to other runs.

    Raises
    ------
    ConnectError
        If another run on this machine holds the lease.
    ConfigError
        If the state folder cannot be used.
    """

    def __init__(self, connection: Connection, purpose: str) -> None:
        folder = state_folder()
        product_key, device_key = connection.device
        key = quote(f"{connection.host}:{connection.port}/{product_key}/{device_key}", safe="")
        self._history = folder / f"{key}.connects.json"
        self._lock = FileLock(folder / f"{key}.lock")
        holder = f"process {os.getpid()} on {socket.gethostname()}, {purpose}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            taken = self._lock.take(holder)
        except OSError as error:
            raise ConfigError(
                f"the state folder {str(folder)!r} cannot be used ({error.strerror}); set "
                f"{ENVIRONMENT} to one that can be written"
            ) from error
        if taken is not None:
            raise ConnectError(
                f"{device_key} at {connection.host}:{connection.port} is in use by {taken}; one "
                "connection a device: wait for it to end, or end it",
                is_final=True,
            )

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.free()

    def connects(self) -> list[float]:
        """Return the times of the device's recent connects, in seconds since the Unix epoch."""
        try:
            times = json.loads(self._history.read_text(encoding="utf-8"))
            return [float(time) for time in times]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(
                f"the record of connects {str(self._history)!r} cannot be read ({error.strerror}); "
                f"make it readable, or set {ENVIRONMENT} to another folder"
            ) from error
        except (ValueError, TypeError):
            # Their number is unknown: assume as many as any limit allows, at the last write.
            log.warning(
                "%s is damaged; waiting as if the connect limit were used up", self._history
            )
            return [self._history.stat().st_mtime] * KEPT

    def remember(self, time: float) -> None:
        """Remember a connect before it is made, so that a crash forgets none."""
        times = [*self.connects(), time][-KEPT:]
        fresh = self._history.with_suffix(".new")
        fresh.write_text(json.dumps(times), encoding="utf-8")
        fresh.replace(self._history)


def lock_journal(path: Path) -> FileLock:
    """Return the lock of a journal, taken.

    Raises
    ------
    JournalError
        If another run is writing the journal, or the lock cannot be taken.
    """
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        taken = lock.take(f"process {os.getpid()} on {socket.gethostname()}")
    except OSError as error:
        raise JournalError(f"{path}: the journal cannot be locked ({error.strerror})") from error
    if taken is not None:
        raise JournalError(
            f"{path}: the run in this journal is going on in {taken}; wait for it to end. "
            "mpreplay.open_run() reads it meanwhile"
        )
    return lock
