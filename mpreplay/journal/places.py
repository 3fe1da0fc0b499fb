"""The place of a journal: chosen, taken, and given back if the run is refused.

A shell over paths. Only what this run made is removed; what is no regular file is refused. A
symbolic link is followed: journal, lock and SQLite's own files lie together, at its end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

from ..errors import Argument, ConfigError, JournalError, message
from ..errors.arguments import shown_briefly
from .finished import is_finished, key_name, matching_in, unfinished_file
from .locks import NO_WAITING, lock_journal
from .private import create_private, make_folder

if TYPE_CHECKING:
    from .fingerprint import Fingerprint
    from .locks import Waiting

__all__ = ["PARTS", "JournalPlace", "journal_place"]

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
    waiting : Waiting, optional
        The wait for another run to leave the journal.
    finished : callable, optional
        Return the journal of a finished run of the same inputs, if there is one by now.
    """

    path: Path
    temporary: Path | None = None
    waiting: Waiting = NO_WAITING
    finished: Callable[[], Path | None] = lambda: None
    _folder: Path | None = None  # the folder of journals, if this run has made it
    _is_made: bool = False
    _was_empty: bool = False  # and nothing of SQLite's lay beside it
    _is_kept: bool = False
    _undo: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> JournalPlace:
        """Lock the journal, and make its file if it is missing.

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
                    undo.callback(lock_journal(self.path, self.waiting).free)
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


def journal_place(
    given: Any, wanted: Fingerprint, *, run_key: str | None = None, again: bool = False
) -> JournalPlace:
    """Return the place of the journal to write.

    In a folder, an unfinished run made from the same inputs is continued, else a new file begun;
    ``run_key`` names the file instead. With ``again``, finished runs do not count.

    Raises
    ------
    ConfigError
        If there can be no journal at a path.
    """
    if given is None:
        if run_key is not None:
            raise _no_folder(run_key)
        temporary = Path(mkdtemp(prefix="mpreplay-"))
        return JournalPlace(temporary / "run.db", temporary)
    try:
        text = os.fsdecode(given)
        if not text or "\0" in text:
            raise ValueError("a path is not empty, and holds no NUL")
        os.fsencode(text)
        is_folder = text.endswith(("/", os.sep)) or run_key is not None
        return _place_at(Path(text), wanted, run_key, is_folder=is_folder, again=again)
    except (TypeError, ValueError, OSError) as error:
        if isinstance(error, ConfigError):
            raise
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"journal={shown_briefly(given)}: {why}; give the path of a file, or of a folder",
            argument="journal",
            value=given,
        ) from error


def _no_folder(run_key: str) -> ConfigError:
    return ConfigError(
        message(
            "run_key names the file of a run in a folder of journals: give the folder as ",
            Argument("journal"),
        ),
        argument="run_key",
        value=run_key,
    )


def _place_at(
    path: Path, wanted: Fingerprint, run_key: str | None, *, is_folder: bool, again: bool
) -> JournalPlace:
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {str(path.parent)!r}")
    if run_key is not None and path.exists() and not path.is_dir():
        raise _no_folder(run_key)
    is_made = is_folder and not path.exists()  # runs/ means a folder, also before it exists
    if is_made:
        make_folder(path)
    folder = path if is_made else None
    if run_key is not None:
        return _place_of_file(path / key_name(run_key), wanted, folder, again=again)
    if path.is_dir():
        return _place_in(path, wanted, folder, again=again)
    if is_folder:
        raise NotADirectoryError(errno.ENOTDIR, "this is no folder")
    return _place_of_file(path, wanted, None, again=again)


def _place_of_file(
    path: Path, wanted: Fingerprint, folder: Path | None, *, again: bool
) -> JournalPlace:
    file = unfinished_file(path, wanted) if again else path
    real = Path(os.path.realpath(file)) if file.is_symlink() else file

    def finished() -> Path | None:
        return real if not again and is_finished(real, wanted) else None

    return JournalPlace(real, finished=finished, _folder=folder)


def _place_in(path: Path, wanted: Fingerprint, folder: Path | None, *, again: bool) -> JournalPlace:
    def finished() -> Path | None:
        return None if again else matching_in(path, wanted)[0]

    done, unfinished = matching_in(path, wanted, again=again)
    if done is not None:
        return JournalPlace(done, finished=lambda: done)
    found = unfinished or _new_in(path)
    return JournalPlace(found, finished=finished, _folder=folder, _is_made=unfinished is None)


def _new_in(folder: Path) -> Path:
    """Return a new file for a journal, made at once: many runs may begin in the same second."""
    stem = time.strftime("run-%Y%m%dT%H%M%SZ", time.gmtime())
    names = (f"{stem}{'' if n == 0 else f'-{n}'}.db" for n in count())
    return next(folder / name for name in names if create_private(folder / name))
