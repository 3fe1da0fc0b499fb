"""Descent of runs: a run that replays rejects is linked to their run of origin. A shell.

The link is the parent's run id and journal. It is found by the attributes that pandas keeps with a
frame, else by the request ids in the file, else by the rejects of nearby journals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa

from ..cells.absent import is_nan
from ..errors import JournalError
from ..frames import FATES, LINEAGE_COLUMNS, typed
from ..history.rejects_file import RUN_ATTRIBUTE
from ..outcome.reject_table import fact_frame
from .reader import of_journal, read_journal, run_id_of
from .recent_runs import recent_runs, remember_run

if TYPE_CHECKING:
    from ..history.history import History
    from .reader import JournalReader

__all__ = ["Link", "begin_lineage", "lineage_of"]

# Run id and journal of a run; an unknown path is empty.
Link = dict[str, str]
PER_RUN: Final = 1_000_000  # request ids of a run; the first is its start [ms] times this number
FIRST_ROWS: Final = 20  # rows of a file that identify its run
MOST_READ: Final = 65_536  # rows searched for a request id
MOST_FILES: Final = 200  # files of a folder searched for journals
_MAGIC: Final = b"SQLite format 3\0"


def begin_lineage(history: History, journal: Path, started_at: int) -> dict[str, Any]:
    """Return the facts of a run's descent for its journal, and remember the run itself.

    Parameters
    ----------
    history : History
        History that the run replays; only rejects have a parent.
    journal : Path
        The run's journal.
    started_at : int
        Start of the run. [ms]

    Returns
    -------
    dict
        ``run_id``, and ``parent`` if there is one.
    """
    facts: dict[str, Any] = {"run_id": _unique(started_at, journal)}
    if history.columns.check is not None and (parent := _parent_of(history, journal)):
        facts["parent"] = parent
    remember_run(journal.absolute(), facts["run_id"], started_at)
    return facts


@of_journal
def lineage_of(journal: JournalReader) -> pd.DataFrame:
    """Return a run and its ancestors, the oldest first."""
    rows: list[tuple[Any, ...]] = []
    seen: set[str] = set()
    here = journal
    while True:
        facts = here.facts()
        link: Link | None = facts.get("parent")
        rows.append(_row_of(here, facts, link))
        seen.add(run_id_of(facts))
        if (
            link is None or link["run_id"] in seen
        ):  # a circle, which only an edited journal can make, ends here
            break
        parent = _found(link, here.path)
        if parent is None:
            rows.append(_row_of_lost(link))
            break
        here = parent
    return typed(rows[::-1], LINEAGE_COLUMNS)


def _row_of(journal: JournalReader, facts: dict[str, Any], link: Link | None) -> tuple[Any, ...]:
    totals = journal.totals()
    return (
        run_id_of(facts),
        link and link["run_id"],
        str(journal.path),
        facts.get("started_at"),
        str(facts.get("gateway", "")),
        *(totals[name] for name in ("read", *FATES)),
        True,
    )


def _row_of_lost(link: Link) -> tuple[Any, ...]:
    """Return the known facts of a run without a journal."""
    start = link["run_id"].partition("-")[0]
    started_at = int(start) if start.isdecimal() else None
    return (link["run_id"], None, link["journal"], started_at, "", *[0] * (1 + len(FATES)), False)


def _found(link: Link, child: Path) -> JournalReader | None:
    """Return the journal of a link: at its path, beside its child, or among the recent runs."""
    named = Path(link["journal"]) if link["journal"] else None
    places = [named, child.parent / named.name] if named else []
    recent = [Path(run["journal"]) for run in recent_runs() if run["run_id"] == link["run_id"]]
    for path in _distinct([*places, *recent, *_journals_in(child.parent)]):
        if (reader := _reader(path)) and run_id_of(reader.facts()) == link["run_id"]:
            return reader
    return None


def _reader(path: Path) -> JournalReader | None:
    with suppress(JournalError, OSError):
        reader = read_journal(path)
        reader.facts()
        return reader
    return None


def _journals_in(folder: Path) -> Iterator[Path]:
    """Yield the possible journals of a folder, from its newest files."""
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
        files.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    except OSError:
        return
    for path in files[:MOST_FILES]:
        with suppress(OSError), path.open("rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC:
                yield path


def _distinct(paths: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        whole = path.absolute()
        if whole not in seen:
            seen.add(whole)
            yield path


def _unique(started_at: int, journal: Path) -> str:
    """Return an id for a run: its start, numbered if runs of this machine share the start."""
    others = {run["run_id"] for run in recent_runs() if run["journal"] != str(journal.absolute())}
    run_id, number = str(started_at), 1
    while run_id in others:
        number += 1
        run_id = f"{started_at}-{number}"
    return run_id


def _parent_of(history: History, journal: Path) -> Link | None:
    """Return the run that rejects came from, if known."""
    if link := _told_beside(history):
        return link
    folders = [journal.absolute().parent]
    files = [Path(source.name) for source in history.sources]
    folders += [path.absolute().parent for path in files if path.is_file()]
    candidates = list(_candidates(folders, journal))
    start = _start_in(history)
    if start is not None:
        for reader, facts in candidates:
            if facts.get("started_at") == start:
                return _link_to(reader, facts)
        return {"run_id": str(start), "journal": ""}
    return _by_rows(history, candidates)


def _link_to(reader: JournalReader, facts: dict[str, Any]) -> Link:
    return {"run_id": run_id_of(facts), "journal": str(reader.path)}


def _told_beside(history: History) -> Link | None:
    """Return the link in the attributes of ``run.rejects``, if pandas has kept them."""
    for source in history.sources:
        told = source.attributes.get(RUN_ATTRIBUTE)
        if isinstance(told, dict) and all(isinstance(told.get(k), str) for k in _LINK):
            return {key: told[key] for key in _LINK}
    return None


_LINK: Final = ("run_id", "journal")


def _candidates(
    folders: Iterable[Path], own: Path
) -> Iterator[tuple[JournalReader, dict[str, Any]]]:
    """Yield journals of possible parents with their facts, the latest runs first."""
    paths = [path for folder in folders for path in _journals_in(folder)]
    recent = [Path(run["journal"]) for run in recent_runs()]
    found = []
    for path in _distinct([*paths, *recent]):
        if path.absolute() != own.absolute() and (reader := _reader(path)):
            found.append((reader, reader.facts()))
    yield from sorted(found, key=lambda one: int(one[1].get("started_at") or 0), reverse=True)


def _start_in(history: History) -> int | None:
    """Return the start of the run by the request ids of rejects; of several runs the latest."""
    starts = [
        int(text) // PER_RUN
        for source in history.sources
        for text in _cells(source, ["request_id"], MOST_READ)["request_id"]
        if isinstance(text, str) and text.isdecimal()
    ]
    return max(starts, default=None)


def _by_rows(
    history: History, candidates: Iterable[tuple[JournalReader, dict[str, Any]]]
) -> Link | None:
    """Return the run with the most of the first rows among its rejects, at least half of them.

    Not all: a user may have corrected the device or the point of a row. Of several the latest.
    """
    wanted = _first_rows(history)
    best: Link | None = None
    most = (len(wanted) - 1) // 2
    for reader, facts in candidates if wanted else ():
        held = _held(reader, wanted)
        if held > most:
            best, most = _link_to(reader, facts), held
    return best


_ROW: Final = ["source", "row", "measurepoint", "device_key"]


def _first_rows(history: History) -> set[tuple[str, ...]]:
    for source in history.sources:
        cells = _cells(source, _ROW, FIRST_ROWS)
        rows = zip(*(map(_spelled, cells[name]) for name in _ROW), strict=True)
        if found := set(rows):
            return found
    return set()


def _spelled(cell: Any) -> str:
    """Return a cell as text; a row's number also if a spreadsheet has made it a float."""
    if cell is None or cell is pd.NA or is_nan(cell):
        return ""
    return str(cell).removesuffix(".0")


def _held(reader: JournalReader, wanted: set[tuple[str, ...]]) -> int:
    """Return the number of wanted rows among the rejects of a run."""
    missing = set(wanted)
    with suppress(JournalError):
        for batch in reader.iter_reject_batches():
            if not missing:
                break
            frame = fact_frame(batch)
            chosen = frame[frame["source"].isin({row[0] for row in missing})]
            columns = [map(_spelled, chosen[name].tolist()) for name in _ROW]
            missing -= set(zip(*columns, strict=True))
    return len(wanted) - len(missing)


def _cells(source: Any, names: list[str], most: int) -> dict[str, list[Any]]:
    """Return the first cells of some columns as Python objects."""
    spans = [(0, min(source.n_rows, most))] if source.n_rows else []
    for columns in islice(source.read(names, spans), 1) if spans else ():
        return {
            name: list(cells.to_pylist() if isinstance(cells, pa.Array) else cells)
            for name, cells in columns.items()
        }
    return {name: [] for name in names}
