"""A gateway's work, as it travels to a worker, and what comes back. A shell: runs a replay.

What travels is small: where the rows lie, which of them, the gateway, the settings. What all
gateways share is made into bytes once. Secrets travel as references, and are followed by the
worker.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import Interrupted, MpReplayError, ReplayWarning
from ..journal.private import PRIVATE
from ..runner.replaying import replay
from .cluster import cluster_lease, is_stopped
from .pulse import Pulse
from .topology import connection_of

if TYPE_CHECKING:
    from ..history.history import History
    from .topology import Gateway

__all__ = ["RECORD_FILE", "STOP_FILE", "Unit", "UnitEnd", "Work", "run_unit"]

RECORD_FILE: Final = "fleet.json"
STOP_FILE: Final = "stop"
WAIT: Final = 30.0  # for a worker that is ending to leave the gateway [s]
LOOK: Final = 0.3  # for the stop file, every so often [s]


@dataclass(frozen=True, slots=True)
class Work:
    """The part that all gateways of a fleet share.

    Parameters
    ----------
    history : History
        The history of the fleet, from files.
    model : Any
        The thing models.
    options : dict
        Keywords of ``replay``.
    token : str
        Words in the folder's record: a worker that does not find them has another disk.
    """

    history: History
    model: Any
    options: dict[str, Any]
    token: str


@dataclass(frozen=True, slots=True)
class Unit:
    """The work of one gateway.

    Parameters
    ----------
    name : str
        Name of the gateway in the topology.
    gateway : Gateway
        Its connection, devices and secrets.
    devices : tuple of (str, str)
        Those of its devices that have rows.
    folder, journal : str
        The folder of the fleet, and the name of the journal in it.
    kept : bytes or None
        The journal as the fleet has it, for a worker with another disk.
    sources : frozenset of int or None
        Numbers of the sources that have their rows, so that no worker looks through all; None: all.
    """

    name: str
    gateway: Gateway
    devices: tuple[tuple[str, str], ...]
    folder: str
    journal: str
    kept: bytes | None = None
    sources: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class UnitEnd:
    """The end of a gateway's work.

    Parameters
    ----------
    name : str
        Name of the gateway.
    error : str
        Why it failed; the empty text if the replay has returned.
    kind : str
        Name of the error's class.
    journal : bytes or None
        The journal, where the worker's disk is not that of the fleet.
    needs_journal : bool
        True if the worker has done nothing, since the journal is on another disk.
    sent_now : int
        Number of values sent.
    warned : tuple of str
        The warnings of its worker, for the caller to show.
    """

    name: str
    error: str = ""
    kind: str = ""
    journal: bytes | None = None
    needs_journal: bool = False
    sent_now: int = 0
    warned: tuple[str, ...] = ()


def run_unit(work: Work, unit: Unit, *, has_journal: bool = False) -> UnitEnd:
    """Replay the part of one gateway; errors of ours come back as words.

    ``has_journal`` says that the fleet has a journal of the gateway already.
    """
    folder = Path(unit.folder)
    path = folder / unit.journal
    is_shared = _is_shared(folder, work.token)
    if not is_shared:
        folder.mkdir(parents=True, exist_ok=True)
        if unit.kept is not None:
            _put(path, unit.kept)
        elif has_journal and not path.exists():
            return UnitEnd(unit.name, needs_journal=True)
    asked = partial(_is_stopped, folder, work.token, is_shared=is_shared)
    if asked():  # while it was waiting for a worker
        return UnitEnd(unit.name)
    error = kind = ""
    sent_now, pulse = 0, Pulse(path)
    warned: list[str] = []
    try:
        sent_now = _replay(work, unit, path, pulse, asked, warned)
    except Interrupted:
        pass  # before anything was sent: the fleet knows that it was stopped
    except MpReplayError as found:
        error, kind = str(found), type(found).__name__
    finally:
        pulse.end()
    kept = None if is_shared or not path.exists() else path.read_bytes()
    return UnitEnd(unit.name, error, kind, kept, sent_now=sent_now, warned=tuple(warned))


def _replay(
    work: Work,
    unit: Unit,
    path: Path,
    pulse: Pulse,
    asked: Callable[[], bool],
    warned: list[str],
) -> int:
    """Replay the part of a gateway, note the warnings, and return the number of values sent."""
    history = work.history
    columns = replace(history.columns, devices=unit.devices)
    connection = connection_of(unit.gateway.connection)
    with _stopping(asked) as stop, _noting(warned):
        pulse.begin("lease")
        with cluster_lease(connection, stop) as is_held:
            if not is_held:
                return 0
            pulse.begin("beginning")
            run = replay(
                replace(history, columns=columns, among=unit.sources),
                work.model,
                connection,
                sub_device_secrets=dict(unit.gateway.sub_device_secrets) or None,
                journal=path,
                progress=False,
                stop=stop,
                on_event=pulse,
                on_interrupt="return",
                **work.options,
            )
            return int(run.summary()["sent_now"])


@contextmanager
def _noting(warned: list[str]) -> Iterator[None]:
    """Note the warnings of a replay: the driver gives them, once for all gateways."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ReplayWarning)
        try:
            yield
        finally:
            warned += [str(one.message) for one in found if one.category is ReplayWarning]


def _put(path: Path, kept: bytes) -> None:
    """Put a journal where it is continued, unless one is there."""
    if not path.exists():
        path.touch(PRIVATE)
        path.write_bytes(kept)


def _is_shared(folder: Path, token: str) -> bool:
    try:
        return token in (folder / RECORD_FILE).read_text(encoding="utf-8")
    except OSError:
        return False


def _is_stopped(folder: Path, token: str, *, is_shared: bool) -> bool:
    return (folder / STOP_FILE).exists() if is_shared else is_stopped(token)


@contextmanager
def _stopping(asked: Callable[[], bool]) -> Iterator[threading.Event]:
    """Yield an event that is set as soon as the fleet is to stop."""
    stop, ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK):
            if asked():
                stop.set()
                return

    watcher = threading.Thread(target=watch, name="mpreplay-stop", daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        ended.set()
        watcher.join()
