"""The audits of a fleet: a folder a gateway, and their heads under one. A shell over folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..audit.bundle import check_free
from .record import journal_name

if TYPE_CHECKING:
    from ..run import Run
    from .record import Entry

__all__ = ["HEADS", "head_of", "write_audits"]

HEADS: Final = "heads.json"


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


def head_of(heads: dict[str, str]) -> str:
    """Return the SHA-256 over the heads of the gateways, by name.

    Examples
    --------
    >>> head_of({"gw-1": "00"})[:8]
    '1eb67062'
    """
    lines = "".join(f"{name}\t{head}\n" for name, head in sorted(heads.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
