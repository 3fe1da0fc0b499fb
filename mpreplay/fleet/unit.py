"""A gateway's work, as it travels to a worker, and what comes back. A shell: runs a replay.

What travels is small: where the rows lie, which of them, the gateway, the settings. Secrets travel
as references, and are followed by the worker.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import Interrupted, MpReplayError, ReplayWarning
from ..runner.replaying import replay
from .cluster import cluster_lease
from .topology import connection_of

if TYPE_CHECKING:
    from ..history.history import History
    from .topology import Gateway

__all__ = ["RECORD_FILE", "STOP_FILE", "Unit", "UnitEnd", "run_unit"]

RECORD_FILE: Final = "fleet.json"
STOP_FILE: Final = "stop"
WAIT: Final = 30.0  # for a worker that is ending to leave the gateway [s]
LOOK: Final = 0.3  # for the stop file, every so often [s]


@dataclass(frozen=True, slots=True)
class Unit:
    """The work of one gateway.

    Parameters
    ----------
    name : str
        Name of the gateway in the topology.
    gateway : Gateway
        Its connection, devices and secrets.
    history : History
        Its part of the history.
    model : Any
        The thing models.
    options : dict
        Keywords of ``replay``.
    folder, journal : str
        The folder of the fleet, and the name of the journal in it.
    token : str
        Words in the folder's record: a worker that does not find them has another disk.
    """

    name: str
    gateway: Gateway
    history: History
    model: Any
    options: dict[str, Any]
    folder: str
    journal: str
    token: str


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
    """

    name: str
    error: str = ""
    kind: str = ""
    journal: bytes | None = None


def run_unit(unit: Unit) -> UnitEnd:
    """Replay the part of one gateway; errors of ours come back as words."""
    folder = Path(unit.folder)
    is_shared = _is_shared(folder, unit.token)
    if not is_shared:
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / unit.journal
    error = kind = ""
    try:
        connection = connection_of(unit.gateway.connection)
        with cluster_lease(connection), _stopping(folder) as stop, warnings.catch_warnings():
            warnings.simplefilter("ignore", ReplayWarning)  # the driver warns once for all
            replay(
                unit.history,
                unit.model,
                connection,
                sub_device_secrets=dict(unit.gateway.sub_device_secrets) or None,
                journal=path,
                progress=False,
                stop=stop,
                wait=WAIT,
                on_interrupt="return",
                **unit.options,
            )
    except Interrupted:
        pass  # before anything was sent: the fleet knows that it was stopped
    except MpReplayError as found:
        error, kind = str(found), type(found).__name__
    kept = None if is_shared or not path.exists() else path.read_bytes()
    return UnitEnd(unit.name, error, kind, kept)


def _is_shared(folder: Path, token: str) -> bool:
    try:
        return token in (folder / RECORD_FILE).read_text(encoding="utf-8")
    except OSError:
        return False


@contextmanager
def _stopping(folder: Path) -> Iterator[threading.Event]:
    """Yield an event that is set as soon as the fleet is to stop."""
    stop, ended = threading.Event(), threading.Event()
    path = folder / STOP_FILE

    def watch() -> None:
        while not ended.wait(LOOK):
            if path.exists():
                stop.set()
                return

    watcher = threading.Thread(target=watch, name="mpreplay-stop", daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        ended.set()
        watcher.join()
