"""The files of a folder or a pattern on a disk.

A shell: lists folders. The rules of what is read are those of ``search_rules``.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from ..display.sentences import left_out_in_words
from ..errors import HistoryError
from .endings import format_of_name
from .search_rules import (
    Found,
    LeftOut,
    Partitions,
    grouped,
    has_readings,
    is_pattern,
    other_formats,
    partitions_of,
    rule_of,
    spells_ending,
)
from .table_formats import refuse_tables

__all__ = ["find_files"]

# A real path with its partitions: one that is found twice would be sent twice.
_Key = tuple[str, tuple[tuple[str, str | None], ...]]


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
    path = _expanded(text)
    if text and path.is_file():
        return Found([(_named(path), {})])
    search = _Search()
    takes_any = False
    if text and path.is_dir():
        refuse_tables([path])
        search.root = len(path.parts)
        search.walk(path)
        nothing = f"{text}: the folder holds no file of readings"
    elif is_pattern(text):
        search.match(path)
        takes_any = spells_ending(path.name)
        nothing = f"{text}: no file matches this pattern"
        nothing += "; in a pattern, [[] is a bracket" if "[" in text else ""
    else:
        raise HistoryError(f"{text}: there is no such file, folder or pattern")
    search.follow_links()
    if not takes_any:
        search.leave_other_formats()
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
        while parts and (not is_pattern(parts[0]) or _is_literal(base, parts[0])):
            base /= parts.pop(0)
        self.root = len(base.parts)
        found = [*self._matches(base, parts)]
        # Links last: a file is known by its name without links.
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

    def leave_other_formats(self) -> None:
        """Leave out the files of all formats but one: they may hold the same rows."""
        others = other_formats(path.name for path in self.files)
        for path in [path for path in self.files if format_of_name(path.name) in others]:
            del self.files[path]
            self._leave(path, "ending")

    def _enter(self, path: Path, is_link: bool, spelled: str) -> None:
        """Take a file or a folder, or leave it out; ``spelled`` is its part of the pattern."""
        is_folder = path.is_dir()
        if why := rule_of(path, is_folder, spelled):
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
        if path.is_symlink() and format_of_name(path.name):
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
                why, detail, str(path), why != "again" and has_readings(_names_within(path))
            )

    def _partitions(self, folders: tuple[str, ...]) -> Partitions:
        return partitions_of(folders[self.root :], Path(*folders))

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
        if not is_pattern(part) or _is_literal(folder, part):
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
        # Links last: a folder is known by its name without links.
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
        if why := rule_of(folder, True, spelled):
            self._leave(folder, why)
        return not why


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


def _expanded(text: str) -> Path:
    """Return a path with the home folder for ``~``, unless something has that name."""
    path = Path(text)
    if not text.startswith("~") or os.path.lexists(path):
        return path
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise HistoryError(f"{text}: there is no home folder of that user") from error


def _names_within(path: Path) -> Iterator[str]:
    """Yield the name of a file or a folder, and of the files within."""
    yield path.name
    for _, _, files in os.walk(path):
        yield from files


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
