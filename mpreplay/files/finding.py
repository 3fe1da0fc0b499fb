"""The files of a folder or a pattern: which are read, and which are left out and why.

A shell: lists folders. Each file is read, or named with the rule that leaves it out.

===========================  ======================================================================
rule                         what it leaves out
===========================  ======================================================================
``hidden``                   names that begin with a dot: ``.x.parquet.crc``, ``.ipynb_checkpoints``
``underscore``               names that begin with ``_``, which Spark and Hive keep for themselves:
                             ``_SUCCESS``, ``_metadata``, ``_temporary``; not ``_year=2024``
``set_aside``                files and folders such as ``x.parquet.tmp`` and ``x.parquet.bak``
``ending``                   files of another ending; a file without one is Parquet if its first
                             bytes say so (``000000_0`` of Hive)
``again``                    links to what is read already, or back to a folder above
``special``                  pipes, devices, sockets
===========================  ======================================================================

A name that is given in full is read, whatever it is; so is an ending that a pattern spells.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from ..display.sentences import left_out_in_words
from ..errors import HistoryError
from .table_formats import refuse_tables

__all__ = ["PARQUET", "Found", "LeftOut", "begins_as_parquet", "find_files", "grouped"]

HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
PARQUET: Final = (".parquet", ".parq", ".pq")
_SET_ASIDE: Final = (
    ".tmp", ".temp", ".part", ".partial", ".inprogress", ".incomplete", ".crdownload", ".filepart",
    "._copying_", ".swp", ".bak", ".old", ".orig", ".backup", "~",
)  # fmt: skip
_NAMED: Final = 1_000  # names of each kind in a journal and an audit
_LOOKED_AT: Final = 10_000  # files of a folder that is left out
_MAGIC: Final = frozenset("*?[")
_FIRST_BYTES: Final = (b"PAR1", b"PARE")  # of Parquet, and of Parquet with an encrypted footer

# Values of the folders named ``key=value``; None: Hive's null.
Partitions = dict[str, str | None]
# A real path with its partitions: one that is found twice would be sent twice.
_Key = tuple[str, tuple[tuple[str, str | None], ...]]


class LeftOut(NamedTuple):
    """A file or a folder that is not read, and the rule that leaves it out."""

    rule: str
    ending: str  # of a file that has another one
    path: str
    has_data: bool  # readings may be in it


class Found(NamedTuple):
    """Files to read, in the order of their names, with the partitions that their folders name."""

    files: list[tuple[Path, Partitions]]
    left_out: tuple[LeftOut, ...] = ()


def grouped(left_out: Iterable[LeftOut]) -> list[dict[str, Any]]:
    """Return what is left out by rule and ending, as plain facts, with the first names of each."""
    groups = []
    for (rule, ending), found in groupby(left_out, key=lambda one: one[:2]):
        ones = list(found)
        groups.append(
            {
                "rule": rule,
                "ending": ending,
                "n": len(ones),
                "n_with_data": sum(one.has_data for one in ones),
                "paths": [one.path for one in ones[:_NAMED]],
            }
        )
    return groups


def find_files(source: str | os.PathLike[str]) -> Found:
    """Return the files of a path: a file, a folder with all folders within, or a pattern.

    Raises
    ------
    HistoryError
        If there is none, a folder cannot be listed, or a folder is a table of another format.
    """
    try:
        return _found(os.fsdecode(source))
    except OSError as error:
        where = error.filename or source
        raise HistoryError(f"{where}: cannot be read ({error.strerror or error})") from error


def _found(text: str) -> Found:
    path = Path(text)
    if text and path.is_file():
        return Found([(_named(path), {})])
    search = _Search()
    if text and path.is_dir():
        refuse_tables([path])
        search.root = len(path.parts)
        search.walk(path)
        nothing = f"{text}: the folder holds no Parquet file"
    elif _is_pattern(text):
        search.match(path)
        nothing = f"{text}: no file matches this pattern"
        nothing += "; in a pattern, [[] is a bracket" if "[" in text else ""
    else:
        raise HistoryError(f"{text}: there is no such file, folder or pattern")
    search.follow_links()
    left_out = tuple(sorted(search.left_out.values()))
    if not search.files:
        told = f"; left out: {left_out_in_words(grouped(left_out))}" if left_out else ""
        raise HistoryError(nothing + told)
    refuse_tables({file.parent for file in search.files})
    return Found([(file, search.files[file]) for file in sorted(search.files)], left_out)


@dataclass(slots=True)
class _Search:
    """A search under way: what is found, and the links that wait until all else is found."""

    root: int = 0  # parts of a path above the partitions
    files: dict[Path, Partitions] = field(default_factory=dict)
    left_out: dict[Path, LeftOut] = field(default_factory=dict)
    links: list[tuple[Path, str]] = field(default_factory=list)
    seen: set[_Key] = field(default_factory=set)

    def walk(self, folder: Path) -> None:
        """Find the files of a folder and of all folders within."""
        if self._is_new(folder, folder.parts):
            for entry in _entries(folder):
                self._enter(Path(entry.path), entry.is_symlink(), "*")

    def match(self, pattern: Path) -> None:
        """Find the files and the folders that match a pattern."""
        parts = list(pattern.parts)
        base = Path()
        while parts and (not _is_pattern(parts[0]) or _is_literal(base, parts[0])):
            base /= parts.pop(0)
        self.root = len(base.parts)
        found = [*self._matches(base, parts)]
        # Links last: a file is known by the name that it has without them.
        for path in sorted(found, key=lambda one: os.path.realpath(one) != str(one.absolute())):
            self._enter(path, path.is_symlink(), parts[-1] if parts else "")

    def follow_links(self) -> None:
        """Find what links lead to, once everything else is found."""
        while self.links:
            waiting, self.links = self.links, []
            for path, spelled in waiting:
                if self._leads_back(path):
                    self._leave(path, "again")
                else:
                    self._enter(path, False, spelled)

    def _enter(self, path: Path, is_link: bool, spelled: str) -> None:
        """Take a file or a folder, or leave it out; ``spelled`` is its part of the pattern."""
        is_folder = path.is_dir()
        if why := _rule(path, is_folder, spelled):
            self._leave(path, why)
        elif is_link:
            self.links.append((path, spelled))
        elif is_folder:
            self.walk(path)
        elif not path.is_file():
            self._special(path)
        elif self._is_new(path, path.parent.parts):
            self.files[_named(path)] = self._partitions(path.parent.parts)

    def _special(self, path: Path) -> None:
        if path.is_symlink() and _ends(path.name, PARQUET):
            raise HistoryError(f"{path}: a link to a file that is not there")
        self._leave(path, "special")

    def _is_new(self, path: Path, folders: tuple[str, ...]) -> bool:
        if (key := self._key(path, folders)) in self.seen:
            self._leave(path, "again")
            return False
        self.seen.add(key)
        return True

    def _key(self, path: Path, folders: tuple[str, ...]) -> _Key:
        return os.path.realpath(path), tuple(self._partitions(folders).items())

    def _leads_back(self, link: Path) -> bool:
        """Return True for a link to a folder that holds the link."""
        target = Path(os.path.realpath(link))
        return target.is_dir() and link.parent.resolve().is_relative_to(target)

    def _leave(self, path: Path, why: str) -> None:
        if path not in self.left_out:
            detail = path.suffix.lower() if why == "ending" else ""
            self.left_out[path] = LeftOut(
                why, detail, str(path), why != "again" and _has_data(path)
            )

    def _partitions(self, folders: tuple[str, ...]) -> Partitions:
        """Return the values of folders below the root."""
        found: Partitions = {}
        for part in folders[self.root :]:
            key, is_one, text = part.partition("=")
            if not is_one:
                continue
            value = None if text == HIVE_NULL else unquote(text)
            if found.setdefault(unquote(key), value) != value:
                raise HistoryError(
                    f"{Path(*folders)}: the folders name two values of {key}: {found[key]!r} and "
                    f"{value!r}"
                )
        return found

    def _matches(self, folder: Path, parts: list[str]) -> Iterator[Path]:
        """Yield the paths that match the rest of a pattern; folders of it must be seen."""
        if not parts:
            yield folder
            return
        part, *rest = parts
        if part == "**":
            for below in self._below(folder):
                yield from self._matches(below, rest)
            return
        if not _is_pattern(part) or _is_literal(folder, part):
            if os.path.lexists(folder / part):
                yield from self._matches(folder / part, rest)
            return
        for entry in _entries(folder) if folder.is_dir() else ():
            path = Path(entry.path)
            if fnmatchcase(entry.name, part):
                if not rest:
                    yield path
                elif path.is_dir() and self._may_enter(path, part):
                    yield from self._matches(path, rest)

    def _below(self, folder: Path) -> Iterator[Path]:
        """Yield a folder and all folders within, each once however links go."""
        seen = set()
        folders, links = deque([folder]), deque[Path]()
        # Links last: a folder is known by the name that it has without them.
        while folders or links:
            one = folders.popleft() if folders else links.popleft()
            if (key := self._key(one, one.parts)) in seen or not one.is_dir():
                continue
            seen.add(key)
            if one is not folder and one.is_symlink() and self._leads_back(one):
                self._leave(one, "again")
                continue
            yield one
            for entry in _entries(one):
                path = Path(entry.path)
                if path.is_dir() and self._may_enter(path, "*"):
                    (links if entry.is_symlink() else folders).append(path)

    def _may_enter(self, folder: Path, spelled: str) -> bool:
        if why := _rule(folder, True, spelled):
            self._leave(folder, why)
        return not why


def _rule(path: Path, is_folder: bool, spelled: str) -> str:
    """Return the rule that leaves a file or a folder out, or the empty text."""
    name = path.name
    if not _is_pattern(spelled):
        return ""
    first = "" if spelled[0] == name[0] else name[0]
    if first == ".":
        return "hidden"
    if first == "_" and not (is_folder and "=" in name):
        return "underscore"
    if "." in spelled[max(map(spelled.rfind, _MAGIC | {"]"})) :]:
        return ""
    if _ends(name, _SET_ASIDE):
        return "set_aside"
    if is_folder or _ends(name, PARQUET) or not path.is_file():
        return ""
    return "" if _has_no_ending(name) and begins_as_parquet(path) else "ending"


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings)


def _has_no_ending(name: str) -> bool:
    """Return True for ``000000_0`` and ``data.0``, but not for ``x.parquet.1``."""
    stem, dot, ending = name.rpartition(".")
    return not dot or (ending.isdigit() and "parq" not in stem.lower())


def begins_as_parquet(path: Path) -> bool:
    """Return True if the first bytes of a file are those of Parquet."""
    with path.open("rb") as file:
        return file.read(4) in _FIRST_BYTES


def _has_data(path: Path) -> bool:
    """Return True if what is left out may hold readings."""
    within = (name for _, _, files in os.walk(path) for name in files)
    names = [path.name, *islice(within, _LOOKED_AT)]
    return any(".parq" in name.lower() and not name.endswith(".crc") for name in names)


def _is_pattern(part: str) -> bool:
    return bool(_MAGIC & set(part))


def _is_literal(folder: Path, part: str) -> bool:
    """Return True if a part of a pattern is the name of something that is there: ``plant [1]``.

    Raises
    ------
    HistoryError
        If it is a pattern of other names as well.
    """
    if fnmatchcase(part, part) or not os.path.lexists(folder / part):
        return False
    for entry in _entries(folder):
        if fnmatchcase(entry.name, part):
            raise HistoryError(
                f"{folder / part}: there is a {part!r}, and as a pattern it means {entry.name!r}, "
                f"too; for the first write {part.replace('[', '[[]')!r}"
            )
    return True


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, in the order of the names."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _named(path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise HistoryError(
            f"{str(path)!a}: the name of the file is not UTF-8, which every record of its "
            "values needs; rename it"
        ) from error
    return path
