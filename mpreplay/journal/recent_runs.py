"""The record of recent runs, used to find the run that rejects came from. A shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import filelock

from .locks import log, state_folder
from .private import PRIVATE, make_folder, write_private

__all__ = ["recent_runs", "remember_run"]

KEPT_RUNS: Final = 100  # runs searched for the origin of rejects
RUNS: Final = "runs.json"
PATIENCE: Final = 5.0  # for other runs that begin at the same time [s]


def recent_runs() -> list[dict[str, Any]]:
    """Return the recent runs, the newest first: run id, journal and start.

    An unreadable record counts as empty: users can also name a journal.
    """
    try:
        runs = json.loads((state_folder() / RUNS).read_text(encoding="utf-8"))
        known = [
            {
                "run_id": str(run["run_id"]),
                "journal": str(run["journal"]),
                "started_at": int(run["started_at"]),
            }
            for run in runs
        ]
    except (OSError, ValueError, TypeError, LookupError):
        return []
    return known[::-1]


def remember_run(journal: Path, run_id: str, started_at: int) -> None:
    """Remember a run, and forget old runs and runs without a journal."""
    path = state_folder() / RUNS
    new = {"run_id": run_id, "journal": str(journal), "started_at": started_at}
    try:
        make_folder(path.parent)
        with filelock.FileLock(path.with_suffix(".lock"), PATIENCE, PRIVATE):
            kept = [run for run in recent_runs() if run["journal"] != new["journal"]]
            kept = [run for run in kept if Path(run["journal"]).exists()][: KEPT_RUNS - 1]
            write_private(path, json.dumps([*kept[::-1], new]))
    except (OSError, RuntimeError) as error:
        log.debug("the run is not remembered in %s (%s)", path, error)
