"""The runs in a folder of journals. A shell over a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..errors import ConfigError, JournalError
from ..frames import FATES, typed
from ..journal.locks import is_written
from ..journal.reader import read_journal, run_id_of
from ..journal.summary import ended_of, summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LISTED_COLUMNS", "runs_in"]

_SQLITE: Final = b"SQLite format 3\0"
_TIME: Final = "datetime64[ms, UTC]"
LISTED_COLUMNS: Final = {
    "run_id": "str",
    "file": "str",
    "state": "str",
    "started_at": _TIME,
    "ended_at": _TIME,
    "continued": "int64",
    "gateway": "str",
    "read": "int64",
    **dict.fromkeys(FATES, "int64"),
    "unread_rows": "int64",
}


def runs_in(folder: Path) -> tuple[pd.DataFrame, list[tuple[Path, str]]]:
    """Return one row a run, the oldest first, and the files that are no journals, with the reason.

    ``state`` is "complete", "running", "interrupted", "ended" (before its last request, for another
    reason) or "killed".

    Raises
    ------
    ConfigError
        If there is no such folder.
    """
    if not folder.is_dir():
        what = (
            "this is a file; mpreplay report tells a single run"
            if folder.exists()
            else "there is no such folder"
        )
        raise ConfigError(f"{folder}: {what}; give a folder of journals", argument="folder")
    rows, others = [], []
    for path in filter(_may_be_journal, sorted(folder.iterdir())):
        try:
            rows.append(_row(path))
        except JournalError as error:
            others.append((path, str(error).removeprefix(f"{path.absolute()}: ")))
    rows.sort(key=lambda row: (row["started_at"] or 0, row["file"]))
    found = [tuple(row[name] for name in LISTED_COLUMNS) for row in rows]
    return typed(found, LISTED_COLUMNS), others


def _may_be_journal(path: Path) -> bool:
    """Return True for a file named as journals are, or of SQLite under another name."""
    if not path.is_file():
        return False
    if path.suffix == ".db":
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _row(path: Path) -> dict[str, Any]:
    reader = read_journal(path)
    facts, totals = reader.facts(), summary_of(reader)
    times = {name: facts.get(name) for name in ("started_at", "ended_at")}
    known = {name: totals[name] for name in LISTED_COLUMNS if name in totals}
    return known | {
        "run_id": run_id_of(facts),
        "file": path.name,
        "state": _state(path, facts, is_complete=bool(totals["complete"])),
        **times,
    }


def _state(path: Path, facts: Mapping[str, Any], *, is_complete: bool) -> str:
    if is_complete:
        return "complete"
    if (ended := ended_of(facts)) is not None:
        return "interrupted" if ended.kind == "interrupted" else "ended"
    return "running" if is_written(path) else "killed"
