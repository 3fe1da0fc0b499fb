"""The record of a fleet: ``FleetRun``, read from the journals of its gateways on each access.

A shell over the folder of the journals.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..display.amounts import count
from ..display.picture import Picture
from ..errors import JournalError
from ..frames import (
    BOOK_COLUMNS,
    CAUSE_COLUMNS,
    FATES,
    REJECT_COLUMNS,
    RESULT_COLUMNS,
    TOUCHED_COLUMNS,
    typed,
)
from ..journal.reader import read_journal
from ..outcome.allowance import checked_rejects
from ..outputs import check_file, path_of, written
from ..run import Run, open_run
from .fleet_words import STATUS_COLUMNS, Standing, fleet_picture, notebook_form, state_of
from .pulse import pulse_of
from .record import Entry, Record, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FleetRun", "open_fleet"]

_KEYS: Final = {"gateway": "str", "gateway_key": "str"}


class FleetRun:
    """The record of a fleet: the tables of its gateways as one, ``gateway`` first.

    Made by :func:`mpreplay.replay_fleet` and :func:`mpreplay.open_fleet`; frames are made on
    access, and show a fleet that is going on as it stands.

    Examples
    --------
    >>> from mpreplay import FleetRun, open_fleet
    >>> def done(fleet: FleetRun) -> int:
    ...     return fleet.summary()["gateways_done"]
    >>> done(open_fleet("no such folder"))
    Traceback (most recent call last):
    mpreplay.errors.JournalError: ...
    """

    def __init__(self, record: Record, sent_now: int = 0) -> None:
        self._record, self._sent_now = record, sent_now

    @property
    def path(self) -> Path:
        """The folder of the journals."""
        return self._record.folder

    @property
    def gateways(self) -> list[str]:
        """Names of the gateways."""
        return [entry.name for entry in self._record.entries]

    def run(self, gateway: str) -> Run:
        """Return the record of one gateway.

        Raises
        ------
        JournalError
            If it has not begun, or no row is of its devices.
        """
        for entry in self._record.entries:
            if entry.name == gateway:
                return open_run(self._record.path_of(entry))
        raise JournalError(f"{self.path}: there is no gateway {gateway!r} in this fleet")

    @property
    def status(self) -> pd.DataFrame:
        """One row per gateway: its state, its values by fate, its rate, and why it failed.

        ``waiting_for``, ``values_per_second`` and ``seconds_left`` are known of a ``running``
        gateway, as its worker reported within the last seconds. ``open`` is a gateway that has
        begun and of which nothing is heard: killed, or on a disk of its own.
        """
        rows = [standing.row for standing in self._standings()]
        return typed(rows, STATUS_COLUMNS)

    @property
    def results(self) -> pd.DataFrame:
        """One row per request, as of a run."""
        columns = {name: kind for name, kind in RESULT_COLUMNS.items() if name != "gateway"}
        return self._joined(lambda run: run.results.drop(columns="gateway"), columns)

    @property
    def rejects(self) -> pd.DataFrame:
        """One row per value that did not arrive, as of a run."""
        return self._joined(lambda run: run.rejects, REJECT_COLUMNS)

    def iter_rejects(self) -> Iterator[pd.DataFrame]:
        """Yield the rejects in frames, gateway by gateway."""
        for entry, run in self._runs():
            for frame in run.iter_rejects():
                yield _named(frame, entry)

    @property
    def books(self) -> pd.DataFrame:
        """One row per gateway, device and UTC day, as of a run."""
        return self._joined(lambda run: run.books, BOOK_COLUMNS)

    @property
    def causes(self) -> pd.DataFrame:
        """One row per gateway and cause of rejects, the most frequent first."""
        found = self._joined(lambda run: run.causes, CAUSE_COLUMNS)
        return found.sort_values("values", ascending=False, kind="stable", ignore_index=True)

    def touched(self) -> pd.DataFrame:
        """Return the devices and points written to, as of a run."""
        return self._joined(lambda run: run.touched(), TOUCHED_COLUMNS)

    @property
    def complete(self) -> bool:
        """True if every gateway has read everything and every request has an answer."""
        return all(one.is_complete for one in self._standings())

    def summary(self) -> dict[str, int | str | bool]:
        """Return the fleet in a few numbers.

        Returns
        -------
        dict
            ``gateways`` and ``gateways_*`` count gateways by state; ``read`` and the fates count
            values; ``requests``, ``rows`` and ``devices`` as of a run; ``sent_now`` are the values
            that this call of ``replay_fleet`` has sent; ``complete`` is a bool.
        """
        standings = list(self._standings())
        summary: dict[str, int | str | bool] = {"gateways": len(standings)}
        for state in sorted({one.state for one in standings}):
            summary[f"gateways_{state}"] = sum(one.state == state for one in standings)
        for name in ("read", *FATES, "requests", "rows", "devices"):
            summary[name] = sum(int(one.numbers.get(name, 0)) for one in standings)
        summary["sent_now"] = self._sent_now
        summary["complete"] = all(one.is_complete for one in standings)
        return summary

    def raise_for_rejects(self, allow: Iterable[str] = (), at_most: float = 0) -> None:
        """Raise ReplayFailed unless every value was accepted and the fleet is complete.

        Parameters
        ----------
        allow : iterable of str, optional
            Checks whose rejects are as they should be.
        at_most : float, optional
            Largest number of other rejects, or their largest share if it is below 1.
        """
        summary = self.summary()
        checked_rejects(
            int(summary["read"]),
            int(summary["accepted"]),
            bool(summary["complete"]),
            self.iter_rejects,
            allow=allow,
            at_most=at_most,
        )

    def plot(self) -> Picture:
        """Return the gateways with the fates of their values, as a picture."""
        return fleet_picture(list(self._standings()))

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the fleet as one HTML file, readable without a network and without Python.

        It holds the gateways, first the ones in need of attention, the fates of all values and by
        point, and each cause over all gateways, with its first rows as a CSV file.

        Raises
        ------
        ConfigError
            If the file cannot be written, or jinja2 is not installed.
        """
        from .fleet_page import rendered, told_of

        file = path_of(path, "path")
        check_file(file, "path")
        journals = ((entry.name, read_journal(run.path)) for entry, run in self._runs())
        text = rendered(list(self._standings()), told_of(journals), self.path.name)
        with written(file) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")

    def audit(self, folder: str | os.PathLike[str]) -> str:
        """Write the audits of all gateways into a folder, a folder each, and return their head.

        Returns
        -------
        str
            The SHA-256 over the heads of all gateways, as ``heads.json`` lists them.

        Raises
        ------
        ConfigError
            If the folder is not empty, or cannot be written.
        """
        from .fleet_audit import write_audits

        return write_audits(path_of(folder, "folder"), list(self._runs()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the path of the folder."""
        return open_fleet, (self.path,)

    def __repr__(self) -> str:
        summary = self.summary()
        state = "" if summary["complete"] else ", not complete"
        return (
            f"FleetRun({count(int(summary['gateways']), 'gateway')}, {summary['accepted']:,} of "
            f"{summary['read']:,} values accepted{state})"
        )

    def _repr_html_(self) -> str:
        return notebook_form(list(self._standings()))

    def _runs(self) -> Iterator[tuple[Entry, Run]]:
        """Yield the gateways that have begun, with their records."""
        for entry in self._record.entries:
            if entry.journal and self._record.path_of(entry).exists():
                yield entry, open_run(self._record.path_of(entry))

    def _standings(self) -> Iterator[Standing]:
        for entry in self._record.entries:
            path = self._record.path_of(entry)
            has_begun = bool(entry.journal) and path.exists()
            pulse = pulse_of(path) if entry.journal else {}
            try:
                summary = open_run(path).summary() if has_begun else None
            except JournalError:  # a journal whose first page is being written, or a damaged one
                summary = None
            yield state_of(entry, summary, pulse)

    def _joined(
        self, table: Callable[[Run], pd.DataFrame], columns: dict[str, str]
    ) -> pd.DataFrame:
        frames = [_named(table(run), entry) for entry, run in self._runs()]
        if not frames:
            return typed([], {**_KEYS, **columns})
        return pd.concat(frames, ignore_index=True)


def _named(frame: pd.DataFrame, entry: Entry) -> pd.DataFrame:
    """Return a frame with the gateway in its first columns."""
    frame = frame.copy(deep=False)
    frame.attrs = {}
    for place, (name, value) in enumerate(
        (("gateway", entry.name), ("gateway_key", entry.gateway_key))
    ):
        frame.insert(place, name, pd.Series([value] * len(frame), index=frame.index, dtype="str"))
    return frame


def open_fleet(folder: str | os.PathLike[str]) -> FleetRun:
    """Return the record of a fleet, from the folder of its journals.

    Parameters
    ----------
    folder : path
        The folder given to ``replay_fleet(journal=)``; the fleet may be going on elsewhere.

    Raises
    ------
    JournalError
        If no fleet lies there, or its record cannot be read.

    Examples
    --------
    >>> open_fleet("no such folder").status
    Traceback (most recent call last):
    mpreplay.errors.JournalError: ...
    """
    return FleetRun(read_record(path_of(folder, "folder").absolute()))
