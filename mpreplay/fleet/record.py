"""The record of a fleet: a file in the folder of its journals. A shell over that file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ..errors import ConfigError, JournalError, JournalMismatch
from ..journal.differences import told_differences
from ..journal.fingerprint import Fingerprint, facts_of
from ..journal.private import make_folder, write_private
from ..outputs import short_name
from .unit import RECORD_FILE, STOP_FILE

__all__ = ["Entry", "Record", "begin_record", "check_continued", "read_record"]

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A gateway in the record of a fleet.

    Parameters
    ----------
    name : str
        Its name in the topology.
    gateway_key : str
        ``product/device`` of its connection; the empty text if only a worker can tell.
    journal : str
        Name of its journal in the folder; the empty text if no row is of its devices.
    n_devices, n_rows : int
        Numbers of devices and of rows of its part.
    error, kind : str
        Why its last attempt failed, and the class of that error.
    """

    name: str
    gateway_key: str
    journal: str
    n_devices: int
    n_rows: int
    error: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a fleet.

    Parameters
    ----------
    folder : Path
        Folder of the journals.
    token : str
        Words by which a worker knows this folder again.
    entries : tuple of Entry
        The gateways, in the order of the topology.
    """

    folder: Path
    token: str
    entries: tuple[Entry, ...]

    def path_of(self, entry: Entry) -> Path:
        """Return the journal of a gateway."""
        return self.folder / entry.journal

    def failed(self, name: str, error: str, kind: str) -> Record:
        """Return the record with the end of a gateway's last attempt."""
        entries = (
            replace(one, error=error, kind=kind) if one.name == name else one
            for one in self.entries
        )
        return replace(self, entries=tuple(entries))

    def write(self) -> None:
        """Write the record, whole or not at all."""
        told = {
            "format": FORMAT,
            "token": self.token,
            "gateways": [asdict(entry) for entry in self.entries],
        }
        write_private(self.folder / RECORD_FILE, json.dumps(told, indent=1))

    def ask_to_stop(self) -> None:
        """Ask all gateways that are replayed to end in order."""
        (self.folder / STOP_FILE).touch()

    def forget_stop(self) -> None:
        """Let gateways be replayed again."""
        (self.folder / STOP_FILE).unlink(missing_ok=True)


def journal_name(name: str) -> str:
    """Return the name of the journal of a gateway.

    Examples
    --------
    >>> journal_name("site 1/gw")
    'site 1%2Fgw.db'
    """
    return f"{short_name(quote(name, safe=' '))}.db"


def begin_record(folder: Path, entries: Sequence[Entry]) -> Record:
    """Return the record of a fleet, not yet written; one that lies there already is continued.

    Raises
    ------
    ConfigError
        If another fleet lies in the folder.
    """
    make_folder(folder)
    token = uuid.uuid4().hex
    if (folder / RECORD_FILE).exists():
        before = read_record(folder)
        token = before.token
        known = {one.name for one in before.entries}
        if known != {one.name for one in entries}:
            raise ConfigError(
                f"{folder}: a fleet of other gateways has its journals there; give its topology to "
                "continue it, or another folder",
                argument="journal",
                value=folder,
            )
    return Record(folder, token, tuple(entries))


def check_continued(record: Record, wanted: Fingerprint, names: Sequence[str]) -> None:
    """Raise unless the fleet whose journals lie in a folder is made from the same inputs.

    Before anything is sent: otherwise a gateway that has not begun would send another interval
    than the finished ones. Each gateway's own inputs are compared when it is continued.

    Parameters
    ----------
    record : Record
        The record of the fleet.
    wanted : dict
        Inputs given now, which all gateways share.
    names : sequence of str
        Names of the sources given now.

    Raises
    ------
    JournalMismatch
        With the differences and the remedy.
    """
    for entry in record.entries:
        try:
            facts = facts_of(record.path_of(entry)) if entry.journal else {}
        except JournalError:  # it has not begun, or is reported by its own replay
            continue
        if not facts:
            continue
        if told := told_differences(facts, wanted, names):
            raise JournalMismatch(
                f"{record.folder}: the fleet in this folder cannot be continued: "
                f"{'; '.join(told.values())}. Pass what it was begun with, or another folder to "
                "begin anew",
                tuple(told),
            )
        return


def read_record(folder: Path) -> Record:
    """Return the record of the fleet in a folder.

    Raises
    ------
    JournalError
        If there is none, or it cannot be read.
    """
    path = folder / RECORD_FILE
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise JournalError(f"{path}: another version of mpreplay wrote this fleet")
        entries = tuple(Entry(**one) for one in told["gateways"])
        return Record(folder, str(told["token"]), entries)
    except FileNotFoundError as error:
        raise JournalError(
            f"{folder}: no fleet lies there; expected the folder given to replay_fleet(journal=)"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JournalError(f"{path}: the record of the fleet cannot be read ({error})") from error
