"""Finished and unfinished runs of the same inputs, found among journals. A shell over files.

A history that has been replayed to its end is not replayed again: its journal is found, and is left
as it is.
"""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..errors import ConfigError, JournalError
from ..errors.arguments import shown_briefly
from ..outputs import short_name
from .damage import check_intact
from .fingerprint import facts_of
from .reader import JournalReader

if TYPE_CHECKING:
    from .fingerprint import Fingerprint

__all__ = ["is_finished", "key_name", "matching_in", "unfinished_file"]

log = logging.getLogger("mpreplay")
# A database without a table has one page; reading it may change the files beside it. [bytes]
NO_TABLE: Final = 4096


def key_name(run_key: Any) -> str:
    """Return the name of the file of a run in a folder of journals.

    Raises
    ------
    ConfigError
        If the key is no text, or empty.

    Examples
    --------
    >>> key_name("2024-03-01"), key_name("site 1/2024-03-01T00:00Z")
    ('2024-03-01.db', 'site 1%2F2024-03-01T00%3A00Z.db')
    """
    try:
        if not isinstance(run_key, str) or not run_key.strip():
            raise ValueError("expected a text that is not empty, such as '2024-03-01'")
        quoted = quote(run_key, safe=" ")
    except ValueError as error:
        raise ConfigError(
            f"run_key={shown_briefly(run_key)}: {error}", argument="run_key", value=run_key
        ) from None
    if quoted.startswith("."):  # a hidden file, or the folder itself
        quoted = f"%2E{quoted[1:]}"
    return f"{short_name(quoted)}.db"


def is_finished(path: Path, wanted: Fingerprint) -> bool:
    """Return whether a file is the journal of a finished run of the same inputs.

    Raises
    ------
    JournalError
        If it is, and is damaged.
    """
    try:
        if path.stat().st_size <= NO_TABLE:
            return False
        facts = facts_of(path)
        is_it = facts.get("fingerprint") == wanted and _is_done(path, facts)
    except (JournalError, OSError):  # no journal, or one that says too little
        return False
    return is_it and check_intact(path)


def _is_done(path: Path, facts: dict[str, Any]) -> bool:
    return bool(facts.get("read_all")) and not JournalReader(path).n_open()


def matching_in(
    folder: Path, wanted: Fingerprint, *, again: bool = False
) -> tuple[Path | None, Path | None]:
    """Return a finished and an unfinished run of the same inputs in a folder, the newest of each.

    With ``again``, finished runs do not count. Unfinished runs of other inputs are logged, if
    nothing else is found.
    """
    unfinished: Path | None = None
    others: dict[Path, str] = {}
    for path in sorted(folder.glob("*.db"), reverse=True):
        try:
            facts = facts_of(path)
            is_done = _is_done(path, facts)
        except JournalError:
            continue  # not a journal, or damaged: an error only if a user names it
        kept = facts.get("fingerprint", {})
        if kept != wanted and not is_done:
            others[path] = ", ".join(name for name in wanted if kept.get(name) != wanted[name])
        elif kept == wanted and is_done:
            if not again and check_intact(path):
                return path, unfinished
        elif kept == wanted:
            unfinished = unfinished or path
    for path, differs in others.items() if unfinished is None else ():
        log.warning("the unfinished run in %s is not taken up: it differs in %s", path, differs)
    return None, unfinished


def unfinished_file(path: Path, wanted: Fingerprint) -> Path:
    """Return a file beside the journals of finished runs of the same inputs: ``run+2.db``."""
    names = (path.name if n == 1 else f"{path.stem}+{n}{path.suffix}" for n in count(1))
    return next(file for file in map(path.with_name, names) if not is_finished(file, wanted))
