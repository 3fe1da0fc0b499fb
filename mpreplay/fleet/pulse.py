"""The pulse of a gateway that is replayed: a small file beside its journal, written once a second.

A shell. It says what a journal cannot: the rate, the time left, and what is waited for.
``open_fleet`` reads it in another process, and ignores an old one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..journal.private import write_private

__all__ = ["Pulse", "pulse_of", "pulses_in"]

_ENDING: Final = ".now"
EVERY: Final = 1.0  # [s]
OLD: Final = 15.0  # a process that has not written for so long is dead, or as good as dead [s]
_TOLD: Final = (
    "accepted", "declined", "withheld", "in_doubt", "not_sent", "values_total",
    "values_per_second", "bytes_per_second", "seconds_left", "limited_by", "waiting_seconds",
)  # fmt: skip


class Pulse:
    """The writer of a gateway's file, from the events of its replay.

    Parameters
    ----------
    journal : Path
        The journal, which the file lies beside.
    """

    def __init__(self, journal: Path) -> None:
        self._path = _file(journal)
        self._due = 0.0

    def begin(self, waiting_for: str) -> None:
        """Write what is waited for before there is an event."""
        self._write({"limited_by": waiting_for})

    def __call__(self, told: Mapping[str, Any]) -> None:
        """Take an event of a replay."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + EVERY
            self._write({name: told.get(name) for name in _TOLD})

    def end(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

    def _write(self, told: Mapping[str, Any]) -> None:
        write_private(self._path, json.dumps({"at": time.time(), **told}))


def pulse_of(journal: Path) -> dict[str, Any]:
    """Return what was written of a gateway last; nothing if that is long ago.

    Examples
    --------
    >>> pulse_of(Path("no-such.db"))
    {}
    """
    try:
        told = json.loads(_file(journal).read_text(encoding="utf-8"))
        is_young = abs(time.time() - float(told["at"])) < OLD
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(told) if is_young else {}


def pulses_in(folder: Path, at_most: int) -> dict[str, dict[str, Any]]:
    """Return the gateways that are going on, by their journals without the ending."""
    with os.scandir(folder) as found:
        names = sorted(one.name for one in found if one.name.endswith(_ENDING))[:at_most]
    pulses = {name.removesuffix(_ENDING): pulse_of(folder / name) for name in names}
    return {name: one for name, one in pulses.items() if one}


def _file(journal: Path) -> Path:
    return journal.with_suffix(_ENDING)
