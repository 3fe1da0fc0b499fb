"""The look at a journal before it is written to: damaged files are set aside. A shell."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from ..errors import JournalError
from .reader import open_read_only

__all__ = ["check_intact"]

_MAGIC: Final = b"SQLite format 3\0"


def check_intact(path: Path) -> bool:
    """Return whether a journal has begun; set a damaged one aside and raise, never overwrite it.

    A file of another kind is left alone.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(len(_MAGIC))
    except OSError as error:
        raise JournalError(f"{path}: the journal cannot be read ({error.strerror})") from error
    if begin != _MAGIC and begin.strip(b"\0"):  # a power cut may leave zeros
        raise JournalError(
            f"{path}: this is no journal, and was left as it is; give the journal another name"
        )
    try:
        has_log = path.with_name(f"{path.name}-wal").exists()
        with closing(open_read_only(path, is_alone=not has_log)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        damage = "" if found == "ok" else "; ".join(str(found).splitlines())
        if not damage and tables and not {"run", "requests", "tallies"} <= tables:
            raise JournalError(
                f"{path}: this is a database, but no journal of mpreplay; give the journal another "
                "name"
            )
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a damaged name, in a finding
        damage = str(error)
    if damage:
        aside = _set_aside(path)
        raise JournalError(
            f"{path}: the journal is damaged ({damage}) and was set aside as {aside.name}. Nothing "
            "was sent. Run again to begin anew: sending values twice does no harm"
        )
    return bool(tables)


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):  # the file itself last, so that a crash repeats the search
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
