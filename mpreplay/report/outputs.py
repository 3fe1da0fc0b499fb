"""Files of a run's record: none of them may be what the run needs or has read.

A shell over files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..history.history import files_of
from ..journal.places import PARTS
from ..outputs import check_apart, check_file, not_there, real

if TYPE_CHECKING:
    from ..history.history import History
    from ..journal.reader import JournalReader

__all__ = ["check_outputs", "parts_of"]


def parts_of(journal: Path) -> list[Path]:
    """Return a journal and the files that belong to it."""
    file = Path(real(journal))
    return [journal, *(file.with_name(file.name + suffix) for suffix in PARTS)]


def check_outputs(
    reader: JournalReader, history: History | None, outputs: Mapping[str, Path]
) -> None:
    """Raise ConfigError unless the files of a run's record can be written, by their arguments."""
    for argument, path in outputs.items():
        check_file(path, argument)
    read = "a file that the run has read"
    check_apart(outputs, {"its journal": parts_of(reader.path), read: files_of(history)})
    known = reader.facts().get("sources", [])
    for argument, path in outputs.items():  # where another process ran it, by the content
        if path.is_file() and any(_is_source(path, one) for one in known):
            raise not_there(argument, path, f" is {read}, and would be overwritten")


def _is_source(path: Path, known: Mapping[str, Any]) -> bool:
    if not known.get("bytes") or known["bytes"] != path.stat().st_size:
        return False
    with path.open("rb") as file:
        return bool(hashlib.file_digest(file, "sha256").hexdigest() == known.get("sha256"))
