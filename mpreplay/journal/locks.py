"""Locks of connections and journals, and the record of connects, which must outlive a run.

A shell over a few files in the user's state folder, keyed by host and device, and one beside each
journal that is being written. All of them can be read by their owner alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

import filelock
import platformdirs

from ..errors import Argument, ConfigError, ConnectError, JournalError, message
from ..outputs import short_name
from .private import PRIVATE, make_folder, write_private

if TYPE_CHECKING:
    from ..settings import Connection

__all__ = [
    "NO_WAITING",
    "FileLock",
    "Lease",
    "Waiting",
    "is_written",
    "lock_journal",
    "state_folder",
]

log = logging.getLogger("mpreplay")
ENVIRONMENT: Final = "MPREPLAY_STATE"
LOOK: Final = 0.2  # whether a lease is free, every so often [s]
# On Windows a file that is locked cannot be read, and signal 0 is Ctrl-C for many processes.
LOCKS_BIND: Final = sys.platform == "win32"
KEPT: Final = 64  # connects remembered for each device; the limit is a handful
_NOTED: Final = "held by "  # the first words in a lock: a file with others is none of ours


@dataclass(frozen=True, slots=True)
class Waiting:
    """The wait for another run to end.

    Parameters
    ----------
    seconds : float, optional
        The longest wait. [s]
    is_stopped : callable, optional
        Called now and then; returns True, or raises, once there is no sense in waiting.
    tell : callable, optional
        Called now and then with what is waited for, ``"gateway"`` or ``"journal"``, and the
        seconds left.
    """

    seconds: float = 0.0
    is_stopped: Callable[[], object] = bool
    tell: Callable[[Literal["gateway", "journal"], float], object] = lambda _what, _left: None


NO_WAITING: Final = Waiting()


def state_folder() -> Path:
    """Return the folder of the user's state: MPREPLAY_STATE, or by the rules of the system."""
    if given := os.environ.get(ENVIRONMENT):
        return Path(given)
    return platformdirs.user_state_path("mpreplay", appauthor=False)


class FileLock:
    """A lock that a process holds as long as it lives, with a note on the holder.

    Parameters
    ----------
    path : Path
        The lock's file.
    is_kept : bool, optional
        Leave the file once the lock is freed; else it is removed.
    """

    def __init__(self, path: Path, *, is_kept: bool = True) -> None:
        self.path = path
        self._is_kept = is_kept
        self._held: Any = None

    def take(self, holder: str) -> str | None:
        """Take the lock and return None, or return the holder.

        Raises
        ------
        FileExistsError
            If the file is there and no lock; it is left as it is.
        OSError
            If the lock cannot be taken.
        """
        self._note()
        # Not bound to a thread: the end of the run frees the lock, in any thread.
        lock = filelock.FileLock(self.path, mode=PRIVATE, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            return _as_seen_here(self._note()) or "another process"
        self._held = lock
        # Where a file system has no locks, filelock keeps words of its own in the file.
        if not isinstance(lock, filelock.SoftFileLock):
            self._write(f"{_NOTED}{holder}")
        return None

    def taken(
        self, holder: str, what: Literal["gateway", "journal"], waiting: Waiting
    ) -> str | None:
        """Take the lock as soon as it is free, within a time; return as :meth:`take`."""
        held_by = self.take(holder)
        if held_by is not None and waiting.seconds > 0:
            log.warning(
                "waiting up to %(seconds)g s for the %(what)s: in use by %(holder)s",
                {"seconds": waiting.seconds, "what": what, "holder": held_by},
            )
        until = time.monotonic() + waiting.seconds
        while held_by is not None and (left := until - time.monotonic()) > 0:
            if waiting.is_stopped():
                break
            waiting.tell(what, left)
            time.sleep(min(LOOK, left))
            held_by = self.take(holder)
        return held_by

    def free(self) -> None:
        """Free the lock."""
        held, self._held = self._held, None
        if held is None:
            return
        if isinstance(held, filelock.SoftFileLock):
            pass  # its file goes with it
        elif self._is_kept:
            self._write("")
        else:
            with contextlib.suppress(OSError):  # before it is freed: then it may be another's
                self.path.unlink()
        held.release()

    def _write(self, note: str) -> None:
        with contextlib.suppress(OSError):  # where a locked file takes no writes: without a note
            self.path.write_text(note, encoding="utf-8", errors="backslashreplace")

    def _note(self) -> str:
        """Return the note in the file; the empty text without one."""
        try:
            is_lock = stat.S_ISREG(self.path.stat().st_mode)
            told = self.path.read_bytes()[:500].decode(errors="replace") if is_lock else ""
        except FileNotFoundError:
            return ""
        except PermissionError:  # another user's, or locked against reading as well
            return ""
        # In the state folder all files are ours; beside a journal may lie anything.
        if not is_lock or (not self._is_kept and told and not told.startswith(_NOTED)):
            raise FileExistsError(errno.EEXIST, "it is in the way, and no lock", str(self.path))
        return told.removeprefix(_NOTED).strip()


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _as_seen_here(holder: str) -> str:
    """Return the note on a holder; for a lock of our own, in words that say so."""
    mine = _this_process()
    is_mine = holder == mine or holder.startswith(f"{mine}, ")
    return f"this process{holder.removeprefix(mine)}" if is_mine else holder


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
    waiting : Waiting, optional
        The wait for another run to free it.

    Raises
    ------
    ConnectError
        If another run on this machine holds the lease.
    ConfigError
        If the state folder cannot be used.
    """

    def __init__(
        self,
        connection: Connection,
        purpose: str,
        waiting: Waiting = NO_WAITING,
    ) -> None:
        folder = state_folder()
        product_key, device_key = connection.device
        where = f"{connection.host}:{connection.port}/{product_key}/{device_key}"
        key = short_name(quote(where, safe=""))
        self._history = folder / f"{key}.connects.json"
        self._lock = FileLock(folder / f"{key}.lock")
        holder = f"{_this_process()}, {purpose}"
        try:
            make_folder(folder)
            taken = self._lock.taken(holder, "gateway", waiting)
        except OSError as error:
            raise ConfigError(
                f"the state folder {str(folder)!r} cannot be used ({error.strerror}); set "
                f"{ENVIRONMENT} to one that can be written"
            ) from error
        if taken is not None:
            raise ConnectError(
                message(
                    f"{device_key} at {connection.host}:{connection.port} is in use by {taken}; "
                    "one connection a device: wait for it to end, or end it (",
                    Argument("wait"),
                    " waits here)",
                ),
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
        try:
            write_private(self._history, json.dumps(times))
        except OSError as error:
            raise ConfigError(
                f"the record of connects {str(self._history)!r} cannot be written "
                f"({error.strerror}); make room, or set {ENVIRONMENT} to another folder"
            ) from error


def lock_journal(path: Path, waiting: Waiting = NO_WAITING) -> FileLock:
    """Return the lock of a journal, taken.

    The lock's file stands beside the journal, so the lock holds for all with access to the folder;
    the file goes when the lock is freed.

    Raises
    ------
    JournalError
        If another run is writing the journal, or the lock cannot be taken.
    """
    lock = _lock_of(path)
    try:
        taken = lock.taken(_this_process(), "journal", waiting)
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or error
        raise JournalError(f"{path}: the journal cannot be locked: {lock.path}: {why}") from error
    if taken is not None:
        raise JournalError(
            message(
                f"{path}: the run in this journal is going on in {taken}; wait for it to end, "
                "here with ",
                Argument("wait"),
                ". mpreplay.open_run() reads it meanwhile",
            )
        )
    return lock


def is_written(path: Path) -> bool:
    """Return True if a run is writing a journal, as far as the note in its lock can be believed.

    The lock itself is not tried: a run that begins just then would find it taken.
    """
    try:
        words = _lock_of(path).path.read_bytes()[:500].decode(errors="replace").split()
        number, host = int(words[words.index("process") + 1]), words[words.index("on") + 1]
    except PermissionError:
        return LOCKS_BIND
    except (OSError, ValueError, IndexError):
        return False
    if host.rstrip(",") != socket.gethostname():
        return True  # its end is not known here
    if LOCKS_BIND:
        return False  # the note of an abandoned lock
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


def _lock_of(journal: Path) -> FileLock:
    return FileLock(journal.with_name(f".{short_name(journal.name)}.lock"), is_kept=False)
