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

from .errors import Argument, ConfigError, Message, message
from .errors.arguments import shown_briefly

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "check_apart",
    "check_file",
    "is_same",
    "not_there",
    "path_of",
    "real",
    "short_name",
    "write_table",
    "written",
]

PRIVATE: Final = 0o600
LONG: Final = 120  # of a file's name; file systems take 255, encrypted ones 143 [bytes]
SHARED: Final = 0o666  # as far as the umask allows
Inputs = Mapping[str, Iterable[Path]]  # files by what they are, in a few words


def path_of(given: Any, argument: str) -> Path:
    """Return a path that the caller gave.

    Raises
    ------
    ConfigError
        If the path is not valid.
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
        end = Path(real(path))  # at the end of a link, which stays
        if not end.parent.is_dir():
            folder = path.parent if not path.parent.is_dir() else end.parent
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {str(folder)!r}")
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "this is a folder; give a file in it")
        is_there = path.exists()  # raises where the name is too long
        needed = [path] if is_there else []
        if not (is_there and _is_direct(path)):  # the new file is made beside the old one
            needed.append(end.parent)
        if not all(os.access(one, os.W_OK) for one in needed):
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
                raise not_there(argument, path, f" is {what}, and would be overwritten")
    for (one, path), (other, second) in permutations(outputs.items(), 2):
        if is_same(path, second) or Path(real(path)) in Path(real(second)).parents:
            raise not_there(other, second, message(" and ", Argument(one, str(path)), " collide"))


def not_there(argument: str, path: Path, why: str | Message) -> ConfigError:
    """Return the error for an output that must not go to its place."""
    told = message(Argument(argument, str(path)), why, "; give it another name")
    return ConfigError(told, argument=argument, value=path)


def is_same(one: Path, other: Path) -> bool:
    """Return True if two paths lead to the same file, there or not."""
    if real(one) == real(other):
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def real(path: Path) -> str:
    """Return a path with its links followed, there or not."""
    return os.path.realpath(path)


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
        if path.exists() and _is_direct(path):
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


def write_table(frame: pd.DataFrame, path: Path, *, is_private: bool = False) -> None:
    """Write a table to a checked path, as Parquet or CSV by its ending.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    with written(path, is_private=is_private) as file:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(file, index=False)
        else:
            _with_texts(frame).to_csv(file, index=False)


def _with_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its times as ``to_csv`` writes them.

    It writes each time anew, which takes half of all: a device has many points at a time.
    """
    import pandas as pd

    texts = {}
    for name in frame.columns[[isinstance(one, pd.DatetimeTZDtype) for one in frame.dtypes]]:
        codes, times = pd.factorize(frame[name])
        told = pd.Series([*times.astype(str), None], dtype="str")  # -1, no time, is the last
        texts[name] = told.take(codes).set_axis(frame.index)
    return frame.assign(**texts) if texts else frame


def _is_direct(path: Path) -> bool:
    """Return True if what is there is written to, and not replaced."""
    return path.parts[1:2] == ("dev",) or not stat.S_ISREG(path.stat().st_mode)


def short_name(name: str) -> str:
    """Return a name that any file system takes: a long one's beginning, and a hash.

    Examples
    --------
    >>> short_name("gw-1")
    'gw-1'
    >>> len(short_name("gw-1" * 100))
    120
    """
    if len(os.fsencode(name)) <= LONG:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()
    kept = os.fsencode(name)[: LONG - len(digest) - 1].decode(errors="ignore")
    return f"{kept}-{digest}"
