"""The audits of a fleet: a folder a gateway, and their heads under one. A shell over folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..audit.bundle import check_free
from ..audit.heads import HEADS, head_of
from .record import journal_name

if TYPE_CHECKING:
    from ..run import Run
    from .record import Entry

__all__ = ["write_audits"]


def write_audits(folder: Path, runs: Sequence[tuple[Entry, Run]]) -> str:
    """Write the audit of each gateway, and return the head over all of them.

    Raises
    ------
    ConfigError
        If the folder is not empty, or cannot be written.
    """
    check_free(folder.resolve())
    folder.mkdir(parents=True, exist_ok=True)
    heads = {}
    for entry, run in runs:
        place = journal_name(entry.name).removesuffix(".db")
        heads[place] = run.audit(folder / place)
    (folder / HEADS).write_text(json.dumps(heads, indent=1, sort_keys=True), encoding="utf-8")
    return head_of(heads)
