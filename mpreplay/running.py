"""The record of a replay: ``Run``, read from its journal whenever it is asked.

A shell over the journal. It stays readable after the run and in other processes.
"""

from __future__ import annotations

import html
import os
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from .errors import ReplayFailed
from .journal_reader import JournalReader, read_journal
from .results import FATES, REJECT_COLUMNS, causes, joined, typed

__all__ = ["Run", "open_run"]


class Run:
    """What became of every value of a history.

    Made by :func:`mpreplay.replay` and :func:`mpreplay.open_run`; frames are made when asked for.
    """

    def __init__(self, journal: JournalReader, temporary: Path | None = None) -> None:
        self._journal = journal
        if temporary is not None:  # a folder that goes when this object goes
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)

    @property
    def path(self) -> Path:
        """The journal."""
        return self._journal.path

    @property
    def results(self) -> pd.DataFrame:
        """One row a request: sizes, times, attempts, code, meaning, outcome."""
        return self._journal.results()

    @property
    def rejects(self) -> pd.DataFrame:
        """One row a value that did not arrive: where it stood, why, and what to do."""
        frames = [frame for frame in self._journal.iter_rejects() if len(frame)]
        return joined(frames) if frames else typed([], REJECT_COLUMNS)

    def iter_rejects(self) -> Iterator[pd.DataFrame]:
        """Yield the rejects in frames, for more of them than memory holds."""
        return self._journal.iter_rejects()

    @property
    def books(self) -> pd.DataFrame:
        """One row a device and UTC day: what was read is the sum of the fates."""
        return self._journal.books()

    @property
    def complete(self) -> bool:
        """Whether everything was read, and every request has an answer."""
        return bool(self._journal.facts().get("read_all")) and not self._journal.n_open()

    def summary(self) -> dict[str, int | str]:
        """Return the run in a few numbers and words.

        Returns
        -------
        dict
            ``read`` and the fates count values, ``requests_*`` requests, ``*_rows`` rows of the
            sources, ``empty_entries`` rows without a value to send.
        """
        facts = self._journal.facts()
        summary: dict[str, int | str] = dict(self._journal.totals())
        requests: dict[str, int] = {}
        codes: dict[str, int] = {}
        for (outcome, code), n in self._journal.outcomes().items():
            requests[outcome] = requests.get(outcome, 0) + n
            if code is not None:
                codes[f"code_{code}"] = codes.get(f"code_{code}", 0) + n
        summary["requests"] = sum(requests.values())
        summary |= {f"requests_{outcome}": n for outcome, n in sorted(requests.items())}
        summary |= dict(sorted(codes.items()))
        summary["rows"], summary["empty_entries"] = self._journal.rows()
        is_read = bool(facts.get("read_all"))
        unread = 0 if is_read else int(facts.get("n_rows", 0)) - int(summary["rows"])
        summary["unread_rows"] = max(0, unread)
        summary |= facts.get("counts", {})
        for name in ("started_at", "ended_at"):
            summary[name] = _instant(facts.get(name))
        summary["continued"] = int(facts.get("continued", 0))
        summary["gateway"] = facts.get("gateway") or ""
        summary["stopped"] = facts.get("stopped") or ""
        summary["complete"] = "yes" if self.complete else "no"
        return summary

    def raise_for_rejects(self) -> None:
        """Raise ReplayFailed unless every value was accepted and the run is complete."""
        totals = self._journal.totals()
        if totals["accepted"] == totals["read"] and self.complete:
            return
        missing = [f"{totals[fate]:,} {fate}" for fate in FATES[1:] if totals[fate]]
        rest = "" if self.complete else f"{', ' if missing else ''}and the run is not complete"
        raise ReplayFailed(
            f"of {totals['read']:,} values {totals['accepted']:,} were accepted; "
            f"{', '.join(missing)}{rest}",
            self.rejects,
        )

    @property
    def causes(self) -> pd.DataFrame:
        """One row a cause of rejects, the most frequent first: how many values, why, what to do."""
        return causes(self.rejects)

    def __repr__(self) -> str:
        totals = self._journal.totals()
        parts = [f"{totals['accepted']:,} of {totals['read']:,} values accepted"]
        parts += [f"{totals[f]:,} {f.replace('_', ' ')}" for f in FATES[1:] if totals[f]]
        stopped = self._journal.facts().get("stopped")
        if unread := self.summary()["unread_rows"]:
            parts.append(f"{unread:,} rows not read")
        if not self.complete:
            parts.append(f"not complete{f': {stopped}' if stopped else ''}")
        return f"Run({', '.join(parts)})"

    def _repr_html_(self) -> str:
        rejects = self.rejects
        table = causes(rejects).head(10).to_html(index=False) if len(rejects) else ""
        return f"<p>{html.escape(repr(self))}</p>{table}"


def _instant(ms: int | None) -> str:
    if ms is None:
        return ""
    return pd.Timestamp(ms, unit="ms", tz="UTC").isoformat(timespec="milliseconds")


def open_run(path: str | os.PathLike[str]) -> Run:
    """Return the run in a journal, also while it is going on in another process.

    Parameters
    ----------
    path : path
        The journal of a replay.

    Returns
    -------
    Run

    Raises
    ------
    JournalError
        If there is no journal.

    Examples
    --------
    >>> open_run("no-such-run.db")
    Traceback (most recent call last):
    mpreplay.errors.JournalError: no-such-run.db: there is no journal
    """
    return Run(read_journal(Path(os.fspath(path))))
