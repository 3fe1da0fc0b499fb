"""The record of a replay: ``Run``, read from its journal on each access.

A shell over the journal, which stays readable after the run and in other processes.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from .display.amounts import count
from .display.facts import SHOWN_FATES
from .display.sentences import FATE_WORDS, ended_in_words
from .errors import ConfigError
from .frames import typed
from .history.rejects_file import RUN_ATTRIBUTE
from .journal.reader import JournalReader, allows_offline, read_journal, readable, run_id_of
from .journal.summary import is_complete, summary_of
from .outcome.allowance import checked_rejects
from .outcome.reject_table import joined, reject_frame
from .report.causes import cause_frame, gathered_of
from .report.notebook import About, short_form
from .report.plot import run_picture
from .report.standing import standing_of

if TYPE_CHECKING:
    from .display.facts import Standing
    from .display.picture import Picture
    from .history.history import History
    from .readback.reconciling import Query

__all__ = ["Run", "open_run"]

LOOKED_AT: Final = (
    100_000  # rejects, for the causes in a notebook: a cell's display should not take long
)


class Run:
    """The record of a replay: the fate of every value of a history.

    Made by :func:`mpreplay.replay` and :func:`mpreplay.open_run`; frames are made on access.
    """

    def __init__(
        self,
        journal: JournalReader,
        temporary: Path | None = None,
        history: History | None = None,
        model: Any = None,
        sent_now: int = 0,
        settled_before: int | None = None,
    ) -> None:
        self._journal = journal
        self._sent_now, self._settled_before = sent_now, settled_before
        self._history, self._model = history, model
        self._is_temporary = temporary is not None
        if temporary is not None:  # a folder deleted together with this object
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)

    @property
    def path(self) -> Path:
        """The journal."""
        return self._journal.path

    @property
    def results(self) -> pd.DataFrame:
        """One row per request: sizes, times, attempts, code, meaning, outcome."""
        return self._journal.results()

    @property
    def rejects(self) -> pd.DataFrame:
        """One row per rejected value: place in the source, reason, and advice.

        Values not sent of a run that its journal continues are only counted, in books and summary.
        """
        facts = self._journal.facts()
        with readable(self.path):
            table = joined(self._journal.iter_reject_tables())
            rejects = reject_frame(table, allows_offline=allows_offline(facts))
        link = {"run_id": run_id_of(facts), "journal": str(self.path)}
        rejects.attrs[RUN_ATTRIBUTE] = link
        return rejects

    def iter_rejects(self) -> Iterator[pd.DataFrame]:
        """Yield the rejects in frames, for more rejects than memory holds."""
        return self._journal.iter_rejects()

    @property
    def books(self) -> pd.DataFrame:
        """One row per device and UTC day: values read are the sum of the fates."""
        return self._journal.books()

    def lineage(self) -> pd.DataFrame:
        """Return this run and its ancestors, whose mended rejects were replayed.

        Returns
        -------
        DataFrame
            One row per run, the oldest first: ``run_id``, ``parent_id`` (absent for the first),
            ``path`` of its journal, ``started_at``, ``gateway``, numbers of values ``read`` and of
            each fate, and ``found``, True if its journal exists; without a journal only id and
            start are known.
        """
        from .journal.lineage import lineage_of

        return lineage_of(self._journal)

    def touched(self) -> pd.DataFrame:
        """Return the devices and points written to, to find and overwrite a wrong backfill.

        Returns
        -------
        DataFrame
            One row per device and point, sorted: ``product_key``, ``device_key``,
            ``measurepoint``, ``first_time`` and ``last_time`` of values written or in doubt,
            ``n_values`` accepted, and ``n_in_doubt``, values of requests without an answer. Equal
            copies count once, and values expected to be skipped by the platform do not count.

        Examples
        --------
        >>> import pandas as pd
        >>> import mpreplay as mp
        >>> model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
        >>> times = pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC")
        >>> frame = pd.DataFrame({"P": [1.5, 2.5]}, index=times)
        >>> with mp.simulate(model, gateway=("meter", "m-1")) as platform:
        ...     run = mp.replay(mp.read_history(frame), model, platform.connection)
        >>> run.touched()[["device_key", "measurepoint", "last_time", "n_values"]]
          device_key measurepoint                 last_time  n_values
        0        m-1            P 2024-01-01 01:00:00+00:00         2
        """
        return self._journal.touched()

    def reconcile(
        self,
        query: Query | pd.DataFrame,
        *,
        history: History | None = None,
        model: Any = None,
        not_comparable: Iterable[str | tuple[str, str]] | str = (),
    ) -> pd.DataFrame:
        """Query the platform's stored values, and compare them with every value of the run.

        Parameters
        ----------
        query : callable or DataFrame
            Called as ``query(product_key, device_key, start, end)`` with times in UTC, ``end``
            exclusive; returns a DataFrame with ``time``, ``measurepoint`` and ``value``, in any
            order, further rows and columns allowed, such as ``platform.stored``. A DataFrame also
            has ``device_key``, and ``product_key`` for several products.
        history, model : optional
            History and model of the run; needed after ``open_run``, since journals keep no values.
        not_comparable : iterable of str or of (str, str), optional
            Points that the platform compresses or keeps by the minute: identifiers, or pairs of
            product key and identifier.

        Returns
        -------
        DataFrame
            One row per value accepted or in doubt: ``source``, ``row``, ``product_key``,
            ``device_key``, ``time``, ``measurepoint``, ``value``, ``found`` (NA if nothing was
            stored), ``state`` (``stored``, ``different``, ``missing`` or ``not comparable``),
            ``outcome``, ``request_id``. Values expected to be skipped by the platform are left out.

        Raises
        ------
        ConfigError
            If an argument cannot work, or the query fails or returns something else.
        JournalMismatch
            If the run was made from another history or model.

        Notes
        -----
        Values are compared by type: FLOAT as 32-bit floats, other numbers exactly, BOOL as 0 and 1,
        structs and arrays member by member; texts of numbers are read as numbers. The query is
        called for each device and slab of the history: memory grows with neither.

        Examples
        --------
        >>> import pandas as pd
        >>> import mpreplay as mp
        >>> model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
        >>> frame = pd.DataFrame({"P": [1.5, 2.5]}, pd.date_range("2024", periods=2, tz="UTC"))
        >>> with mp.simulate(model, gateway=("meter", "m-1")) as platform:
        ...     run = mp.replay(mp.read_history(frame), model, platform.connection)
        ...     run.reconcile(platform.stored)[["value", "found", "state"]]
          value found   state
        0   1.5   1.5  stored
        1   2.5   2.5  stored
        """
        from .frames import RECONCILED_COLUMNS

        frames = list(
            self.iter_reconcile(query, history=history, model=model, not_comparable=not_comparable)
        )
        return pd.concat(frames, ignore_index=True) if frames else typed([], RECONCILED_COLUMNS)

    def iter_reconcile(
        self,
        query: Query | pd.DataFrame,
        *,
        history: History | None = None,
        model: Any = None,
        not_comparable: Iterable[str | tuple[str, str]] | str = (),
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of :meth:`reconcile` in frames, one per slab of the history."""
        from .readback.reconciling import reconcile

        return reconcile(
            self._journal,
            query,
            history=self._history if history is None else history,
            model=self._model if model is None else model,
            not_comparable=not_comparable,
        )

    @property
    def complete(self) -> bool:
        """True if everything was read and every request has an answer."""
        return is_complete(self._journal)

    def summary(self) -> dict[str, int | str | bool]:
        """Return the run in a few numbers and words.

        Returns
        -------
        dict
            ``read`` and the fates count values, ``requests_*`` requests, ``*_rows`` rows of the
            sources, ``empty_entries`` rows without a value to send, ``extra_requests`` requests
            sent because another request was taken apart; ``first_time`` and ``last_time`` are
            those of the values in requests, ISO 8601, and ``complete`` is a bool. ``sent_now``
            counts the values sent by this call of ``replay``, ``settled_before`` the values
            answered or withheld earlier; ``open_run`` has sent none.
        """
        before = self._settled_before
        settled = self._journal.n_settled() if before is None else before
        return {
            **summary_of(self._journal),
            "sent_now": self._sent_now,
            "settled_before": settled,
        }

    def raise_for_rejects(self, allow: Iterable[str] = (), at_most: float = 0) -> None:
        """Raise ReplayFailed unless every value was accepted and the run is complete.

        Parameters
        ----------
        allow : iterable of str, optional
            Checks whose rejects are as they should be, such as ``{"superseded"}``.
        at_most : float, optional
            Largest number of other rejects; below 1, their largest share of the values read.

        Raises
        ------
        ReplayFailed
            With the rejects that are not allowed, or if the run is not complete.
        ConfigError
            If an argument cannot work.
        """
        totals = self._journal.totals()
        told = [*_fates_in_words(self._standing()), *self._unread()]
        checked_rejects(
            totals["read"],
            totals["accepted"],
            self.complete,
            self.iter_rejects,
            allow=allow,
            at_most=at_most,
            told=told,
        )

    @property
    def causes(self) -> pd.DataFrame:
        """One row per cause of rejects, the most frequent first: values, reason, advice."""
        return cause_frame(gathered_of(self._journal).causes)

    def plot(self) -> Picture:
        """Return the fates of the values: as a balance, and by device and day.

        Returns
        -------
        Picture
            A notebook draws it; ``.save(path)`` writes it as SVG.
        """
        with readable(self.path):
            return run_picture(self._standing(), self._journal.book_parts())

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the run as one HTML file, readable without a network and without Python.

        It holds the verdict, each cause with its advice, the fates of all values and by point, a
        map of devices and days, and the traffic over time with its pauses. The first rows of each
        cause stand behind a link as a CSV file (at most 2,000 rows a cause and 1 MB in all), which
        ``read_history`` takes. No script, and nothing to load.

        Parameters
        ----------
        path : path
            The file; an existing file is overwritten.

        Raises
        ------
        ConfigError
            If the file cannot be written, is the journal or a file of the history, or jinja2 is
            missing: ``pip install 'mpreplay[report]'``.
        """
        from .outputs import path_of
        from .report.writing import write_report

        write_report(self._journal, path_of(path, "path"), self._history)

    def audit(self, folder: str | os.PathLike[str]) -> str:
        """Write the audit of the run, for independent checks by other people.

        ``mpreplay verify`` and :func:`mpreplay.verify_audit` recompute the whole audit. An
        incomplete run, or a run under way, is written in its present state.

        Parameters
        ----------
        folder : path
            A new or empty folder.

        Returns
        -------
        str
            The head of the audit's hash chain. Keep the head elsewhere: it proves the audit
            unchanged since.

        Raises
        ------
        ConfigError
            If the folder cannot be written or is not empty, or jinja2 is missing.
        """
        from .audit.bundle import write_bundle
        from .outputs import path_of

        return write_bundle(self._journal, path_of(folder, "folder"))

    def __repr__(self) -> str:
        standing = self._standing()
        parts = [f"{standing.n('accepted'):,} of {standing.n('read'):,} values accepted"]
        parts += [*_fates_in_words(standing), *self._unread()]
        if self._settled_before and standing.is_complete and not self._sent_now:
            parts.append("all settled before this call, which sent nothing")
        stopped = ended_in_words(standing.ended)
        if not standing.is_complete:
            parts.append(f"not complete{f': {stopped}' if stopped else ''}")
        return f"Run({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the path of the journal; a journal that goes with this object cannot."""
        if self._is_temporary:
            raise ConfigError(
                "this run's journal is a temporary file, which goes with this object, so that the "
                "run cannot be pickled: replay with journal=, a file or a folder that stays"
            )
        return open_run, (self.path.absolute(),)

    def _repr_html_(self) -> str:
        journal = self._journal
        with readable(self.path):
            about = About(str(journal.facts().get("gateway") or ""), *journal.span())
        return short_form(self._standing(), gathered_of(journal, at_most=LOOKED_AT), about)

    def _standing(self) -> Standing:
        journal = self._journal
        with readable(self.path):
            return standing_of(
                journal.facts(), journal.totals(), journal.open_ended(), n_rows=journal.rows()[0]
            )

    def _unread(self) -> list[str]:
        unread = self._standing().unread_rows
        return [f"{count(unread, 'row')} not read"] if unread else []


def _fates_in_words(standing: Standing) -> list[str]:
    """Return the numbers of values that did not arrive; those in flight are called not settled."""
    shown = [(standing.n(fate), FATE_WORDS[fate][0]) for fate in SHOWN_FATES[1:]]
    return [f"{n:,} {words}" for n, words in shown if n]


def open_run(path: str | os.PathLike[str]) -> Run:
    """Return the run in a journal, also while another process continues the run.

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
    from .outputs import path_of

    return Run(read_journal(path_of(path, "path")))
