"""The place of a journal: chosen, taken, and given back if the run is refused.

A shell over paths. Only what this run made is removed; what is no regular file is refused. A
symbolic link is followed: journal, lock and SQLite's own files lie together, at its end.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from ..errors import ConfigError, JournalError
from ..errors.arguments import shown_briefly
from .fingerprint import Fingerprint, facts_of
from .locks import lock_journal
from .private import create_private, make_folder
from .reader import JournalReader

__all__ = ["PARTS", "JournalPlace", "journal_place"]

log = logging.getLogger("mpreplay")
PARTS: Final = ("-wal", "-shm", "-journal")  # SQLite's own files beside a journal
# Their first bytes: of a write-ahead log, its index, a rollback journal, and one not yet begun.
_BEGINNINGS: Final = (b"\x37\x7f\x06", b"\x18\xe2\x2d", b"\xd9\xd5\x05", b"\0\0\0", b"")


@dataclass(slots=True)
class JournalPlace:
    """The file of a journal, taken by one run as long as the context lasts.

    Parameters
    ----------
    path : Path
        The journal.
    temporary : Path, optional
        The folder to remove when the run is forgotten.
    wait : float, optional
        Time to wait for another run to leave the journal. [s]
    is_stopped : callable, optional
        Return True once there is no sense in waiting.
    """

    path: Path
    temporary: Path | None = None
    wait: float = 0.0
    is_stopped: Callable[[], object] = bool
    _folder: Path | None = None  # the folder of journals, if this run has made it
    _is_made: bool = False
    _was_empty: bool = False  # and nothing of SQLite's lay beside it
    _is_kept: bool = False
    _undo: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> JournalPlace:
        """Lock the journal, and make its file if there is none.

        Raises
        ------
        JournalError
            If another run writes the journal, or the file cannot be a journal.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove_folder)
            try:
                self._check_regular()
                if self.temporary is None:
                    undo.callback(lock_journal(self.path, self.wait, self.is_stopped).free)
                undo.callback(self._give_back)
                self._take()
            except OSError as error:
                raise JournalError(
                    f"{self.path}: the journal cannot be written ({error.strerror or error})"
                ) from error
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the place back unless the run has begun, and free the lock."""
        self._undo.close()

    def keep(self) -> None:
        """Keep the file from now on: the run has begun."""
        self._is_kept = True

    def _check_regular(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise JournalError(f"{self.path}: this is no regular file, and was left as it is")

    def _take(self) -> None:
        self._is_made = create_private(self.path) or self._is_made
        is_empty = self.path.stat().st_size == 0
        if is_empty:
            self._check_parts()
        with self.path.open("r+b"):  # to fail now, and not after the survey of a history
            self._was_empty = is_empty

    def _check_parts(self) -> None:
        """Raise if SQLite would remove a file beside a new journal."""
        for path in self._parts():
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                if self._is_made or file.read(3) not in _BEGINNINGS:
                    raise JournalError(
                        f"{self.path}: {path.name} lies beside it and would be overwritten; move "
                        "it away, or give the journal another name"
                    )

    def _give_back(self) -> None:
        if self._is_kept:
            return
        with contextlib.suppress(OSError):
            is_begun = self._was_empty and self.path.stat().st_size > 0
            if self._is_made:
                self.path.unlink()
            elif is_begun:
                os.truncate(self.path, 0)
            for path in self._parts() if is_begun else ():
                path.unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        return [self.path.with_name(self.path.name + suffix) for suffix in PARTS]

    def _remove_folder(self) -> None:
        if self._folder is not None:
            with contextlib.suppress(OSError):  # not empty: it holds a journal
                self._folder.rmdir()


def journal_place(given: Any, wanted: Fingerprint) -> JournalPlace:
    """Return the place of the journal to write.

    In a folder, an unfinished run made from the same inputs is continued, else a new file begun.

    Raises
    ------
    ConfigError
        If there can be no journal at a path.
    """
    if given is None:
        temporary = Path(mkdtemp(prefix="mpreplay-"))
        return JournalPlace(temporary / "run.db", temporary)
    try:
        text = os.fsdecode(given)
        if not text or "\0" in text:
            raise ValueError("a path is not empty, and holds no NUL")
        os.fsencode(text)
        return _place_at(Path(text), wanted, is_folder=text.endswith(("/", os.sep)))
    except (TypeError, ValueError, OSError) as error:
        if isinstance(error, ConfigError):
            raise
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"journal={shown_briefly(given)}: {why}; give the path of a file, or of a folder",
            argument="journal",
            value=given,
        ) from error


def _place_at(path: Path, wanted: Fingerprint, *, is_folder: bool) -> JournalPlace:
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {str(path.parent)!r}")
    is_made = is_folder and not path.exists()  # runs/ means a folder, also before it exists
    if is_made:
        make_folder(path)
    if path.is_dir():
        found = _unfinished_in(path, wanted)
        return JournalPlace(
            found or _new_in(path), _folder=path if is_made else None, _is_made=found is None
        )
    if is_folder:
        raise NotADirectoryError(errno.ENOTDIR, "this is no folder")
    return JournalPlace(Path(os.path.realpath(path)) if path.is_symlink() else path)


def _unfinished_in(folder: Path, wanted: Fingerprint) -> Path | None:
    for path in sorted(folder.glob("run-*.db"), reverse=True):
        try:
            facts = facts_of(path)
        except JournalError:
            continue  # not a journal, or damaged: an error only if a user names it
        if facts.get("read_all") and not JournalReader(path).n_open():
            continue
        kept = facts.get("fingerprint", {})
        if kept == wanted:
            return path
        differs = ", ".join(name for name in wanted if kept.get(name) != wanted[name])
        log.warning("the unfinished run in %s is not taken up: it differs in %s", path, differs)
    return None


def _new_in(folder: Path) -> Path:
    """Return a new file for a journal, made at once: many runs may begin in the same second."""
    stem = time.strftime("run-%Y%m%dT%H%M%SZ", time.gmtime())
    names = (f"{stem}{'' if n == 0 else f'-{n}'}.db" for n in count())
    return next(folder / name for name in names if create_private(folder / name))
