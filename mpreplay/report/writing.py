"""Writing the report of a run, after checking its tables against each other.

A shell over a file.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..display.amounts import count, visible
from ..display.facts import OPEN
from ..display.page import need_jinja2
from ..errors import ReplayWarning
from ..journal.reader import of_journal
from ..outcome.agreement import RejectCounts, check_tables, check_totals
from ..outcome.reject_table import fact_frame
from ..outputs import written
from .outputs import check_outputs

if TYPE_CHECKING:
    from ..history.history import History
    from ..journal.reader import JournalReader
    from ..outcome.agreement import Disagreement

__all__ = ["disagreements", "warn_of", "write_report"]


@of_journal
def write_report(reader: JournalReader, path: Path, history: History | None = None) -> None:
    """Write the report of a run, replacing an older report.

    Raises
    ------
    ConfigError
        If the file cannot be written, is the journal or a file of the history, or jinja2 is
        missing.
    """
    need_jinja2()
    check_outputs(reader, history, {"path": path})
    from .run_page import render

    with TemporaryDirectory(prefix="mpreplay-") as scratch:  # a copy, as the run may go on
        moment = reader.copied(Path(scratch) / "run.db")
        text = render(moment, checked(moment))
    with written(path) as file:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")


def disagreements(reader: JournalReader) -> list[Disagreement]:
    """Return the disagreements between the tables of a journal, also while a run writes to it.

    No run produces disagreements: the journal was damaged or altered.
    """
    with TemporaryDirectory(prefix="mpreplay-") as scratch:
        return _disagreements_of(reader.copied(Path(scratch) / "run.db"))


def warn_of(found: list[Disagreement]) -> None:
    """Warn of books that do not add up."""
    where, what = found[0]
    more = f"; and {count(len(found) - 1, 'disagreement')} more" if len(found) > 1 else ""
    warnings.warn(
        "these books do not add up: the journal is damaged or was altered: "
        f"{visible(where)}: {visible(what)}{more}",
        ReplayWarning,
        stacklevel=5,
    )


def checked(reader: JournalReader) -> list[Disagreement]:
    """Return the disagreements between tables, and warn of any."""
    found = _disagreements_of(reader)
    if found:
        warn_of(found)
    return found


def _disagreements_of(reader: JournalReader) -> list[Disagreement]:
    rejects = RejectCounts()
    for batch in reader.iter_reject_batches():
        rejects.add(fact_frame(batch))
    n_open = reader.open_ended().get(OPEN, (0, 0))[0]
    books = reader.book_parts()
    return [
        *check_tables(reader.results(), rejects, books, reader.touched(), n_open=n_open),
        *check_totals(books, reader.totals()),
    ]
