"""Files that a user asks for: checked before any work is done, and written whole or not at all.

A shell over files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from ..errors import Argument, ConfigError, Message, message
from ..errors.arguments import shown_briefly
from ..journal.places import PARTS
from ..journal.private import short_name

if TYPE_CHECKING:
    from ..history.history import History
    from ..journal.reader import JournalReader

__all__ = [
    "check_apart",
    "check_file",
    "check_outputs",
    "files_of",
    "is_same",
    "parts_of",
    "path_of",
    "written",
]

PRIVATE: Final = 0o600
SHARED: Final = 0o666  # as far as the umask allows
Inputs = Mapping[str, Iterable[Path]]  # files by what they are, in a few words


def path_of(given: Any, argument: str) -> Path:
    """Return a path that the caller gave.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        text = os.fsdecode(given)
        os.fsencode(text)
        if text and "\0" not in text:
            return Path(text)
        why = "a path is not empty, and holds no NUL"
    except (TypeError, ValueError) as error:
        why = str(error)
    raise ConfigError(
        message(Argument(argument), f" must be a path, got {shown_briefly(given)}: {why}"),
        argument=argument,
        value=given,
    )


def check_file(path: Path, argument: str) -> None:
    """Raise ConfigError unless a file can be written, or replaced."""
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {str(path.parent)!r}")
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "this is a folder; give a file in it")
        path.exists()  # raises where the name is too long
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror or error})", argument=argument, value=path
        ) from error


def check_apart(outputs: Mapping[str, Path], inputs: Inputs) -> None:
    """Raise ConfigError if an output, named by its argument, is an input or another output."""
    for argument, path in outputs.items():
        for what, files in inputs.items():
            if any(is_same(path, file) for file in files):
                raise _not_there(argument, path, f" is {what}, and would be overwritten")
    for (one, path), (other, second) in permutations(outputs.items(), 2):
        if is_same(path, second) or Path(_real(path)) in Path(_real(second)).parents:
            raise _not_there(other, second, message(" and ", Argument(one, str(path)), " collide"))


def _not_there(argument: str, path: Path, why: str | Message) -> ConfigError:
    told = message(Argument(argument, str(path)), why, "; give it another name")
    return ConfigError(told, argument=argument, value=path)


def is_same(one: Path, other: Path) -> bool:
    """Return True if two paths lead to the same file, there or not."""
    if _real(one) == _real(other):
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def _real(path: Path) -> str:
    return os.path.realpath(path)


def parts_of(journal: Path) -> list[Path]:
    """Return a journal and the files that belong to it."""
    real = Path(_real(journal))
    return [journal, *(real.with_name(real.name + suffix) for suffix in PARTS)]


def files_of(history: History | None) -> list[Path]:
    """Return the files that a history is read from."""
    if history is None:
        return []
    return [path for path in (Path(source.name) for source in history.sources) if path.is_file()]


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
            raise _not_there(argument, path, f" is {read}, and would be overwritten")


def _is_source(path: Path, known: Mapping[str, Any]) -> bool:
    if not known.get("bytes") or known["bytes"] != path.stat().st_size:
        return False
    with path.open("rb") as file:
        return bool(hashlib.file_digest(file, "sha256").hexdigest() == known.get("sha256"))


@contextlib.contextmanager
def written(path: Path, *, is_private: bool = False) -> Iterator[Path]:
    """Yield a file to write to, which then takes its place: a reader sees all of it or none.

    A file that is replaced leaves its mode to the new one. What is no regular file, such as a
    terminal, is written to directly.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    try:
        end = Path(os.path.realpath(path))  # at the end of a link, which stays
        if path.exists() and (path.parts[1:2] == ("dev",) or not stat.S_ISREG(path.stat().st_mode)):
            yield path
            return
        mode = PRIVATE if is_private else SHARED
        part = end.with_name(f".{short_name(end.name)}.{token_hex(4)}.part")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        try:
            yield part
            if end.exists():
                shutil.copymode(end, part)
            part.replace(end)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error
