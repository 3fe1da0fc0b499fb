"""What an audit takes out of a journal: one moment of it. A shell over its reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..journal_reader import JournalReader

__all__ = ["OPEN", "iter_requests", "snapshot"]

# The outcome of a request that has not settled; ``results`` shows it as in doubt.
OPEN: Final = "open"
_COLUMNS: Final = (
    "request_id", "parent_id", "digest", "code", "outcome", "attempts", "n_values", "sent_at",
)  # fmt: skip


def snapshot(reader: JournalReader, path: Path) -> JournalReader:
    """Copy a journal, which may be written to just now, as it is at one moment.

    Its frames are read one after the other: of a run that goes on they would contradict each other.
    """
    quoted = str(path).replace("'", "''")
    list(reader._rows(f"VACUUM INTO '{quoted}'"))
    return JournalReader(path)


def iter_requests(reader: JournalReader) -> Iterator[dict[str, Any]]:
    """Yield what the chain says of each request, in the order of the results."""
    query = f"SELECT {', '.join(_COLUMNS)} FROM requests ORDER BY slab, rowid"  # noqa: S608
    for row in reader._rows(query):
        request = dict(zip(_COLUMNS, row, strict=True))
        yield {**request, "outcome": request["outcome"] or OPEN}
