"""The files of a folder or a pattern in a store. A shell: asks the store for its listings.

The rules are those of a disk (``search_rules``); a store has no links and nothing special.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

import pyarrow.fs as pa_fs

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
from .stores import RemoteFile, Store
from .table_formats import LOGS, table_error

__all__ = ["find_remote"]

_FOLDER: Final = pa_fs.FileType.Directory
_FILE: Final = pa_fs.FileType.File


def find_remote(store: Store, path: str) -> Found:
    """Return the files of a path in a store: a file, a folder, or a pattern.

    Raises
    ------
    HistoryError
        If there is none, the store cannot be asked, or a folder is a table of another format.
    """
    kind = store.info(path).type
    if kind == _FILE:
        return Found([(RemoteFile.of(store, path), {})])
    search = _Search(store)
    takes_any = False
    shown = store.shown(path)
    if kind == _FOLDER:
        search.refuse_tables({path})
        search.learn(path)
        search.root = len(path.split("/"))
        search.walk(path)
        nothing = f"{shown}: the folder holds no file of readings"
    elif is_pattern(path):
        search.match(path)
        takes_any = spells_ending(path.rpartition("/")[2])
        nothing = f"{shown}: no file matches this pattern"
    else:
        raise HistoryError(f"{shown}: there is no such file, folder or pattern")
    if not takes_any:
        search.leave_other_formats()
    left_out = tuple(sorted(search.left_out.values()))
    if not search.files:
        told = f"; left out: {left_out_in_words(grouped(left_out))}" if left_out else ""
        raise HistoryError(nothing + told)
    search.refuse_tables({one.path.rpartition("/")[0] for one in search.files})
    return Found(sorted(search.files.items(), key=lambda one: one[0].parts), left_out)


@dataclass(slots=True)
class _Search:
    """A search under way, with the listings that the store has given."""

    store: Store
    root: int = 0  # parts of a path above the partitions
    files: dict[RemoteFile, Partitions] = field(default_factory=dict)
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    known: dict[str, list[pa_fs.FileInfo]] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)  # folders that are in no table

    def learn(self, folder: str) -> None:
        """List a folder with all folders within, which a store does at once."""
        found: dict[str, dict[str, pa_fs.FileInfo]] = {folder.strip("/"): {}}
        for info in self.store.entries(folder, deep=True):
            path = info.path.strip("/")
            if info.type == _FOLDER:
                found.setdefault(path, {})
            found.setdefault(path.rpartition("/")[0], {})[path] = info
        for place, infos in found.items():
            self.known[place] = [infos[path] for path in sorted(infos)]

    def entries(self, folder: str) -> list[pa_fs.FileInfo]:
        """Return what is in a folder, in the order of the names."""
        if (key := folder.strip("/")) not in self.known:
            listed = self.store.entries(folder)
            self.known[key] = sorted(listed, key=lambda info: str(info.path))
        return self.known[key]

    def walk(self, folder: str) -> None:
        """Find the files of a folder and of all folders within."""
        for info in self.entries(folder):
            self._enter(info, "*")

    def match(self, pattern: str) -> None:
        """Find the files and the folders that match a pattern."""
        parts = pattern.split("/")
        base: list[str] = []
        while parts and not is_pattern(parts[0]):
            base.append(parts.pop(0))
        self.root = len(base)
        folder = "/".join(base)
        if "**" in parts:
            self.learn(folder)
        found = {info.path: info for info in self._matches(folder, parts)}
        for path in sorted(found):
            self._enter(found[path], parts[-1])

    def _matches(self, folder: str, parts: list[str]) -> Iterator[pa_fs.FileInfo]:
        part, *rest = parts
        if part == "**":
            for below in self._below(folder):
                if rest:
                    yield from self._matches(below, rest)
                else:
                    yield from self.entries(below)
            return
        for info in self.entries(folder):
            if not fnmatchcase(info.base_name, part):
                continue
            if not rest:
                yield info
            elif info.type == _FOLDER and self._may_enter(info, part):
                yield from self._matches(info.path, rest)

    def _below(self, folder: str) -> Iterator[str]:
        """Yield a folder and all folders within."""
        yield folder
        for info in self.entries(folder):
            if info.type == _FOLDER and self._may_enter(info, "*"):
                yield from self._below(info.path)

    def _may_enter(self, info: pa_fs.FileInfo, spelled: str) -> bool:
        if why := rule_of(self._file(info), True, spelled):
            self._leave(info, why)
        return not why

    def _enter(self, info: pa_fs.FileInfo, spelled: str) -> None:
        """Take a file or a folder, or leave it out; ``spelled`` is its part of the pattern."""
        if why := rule_of(self._file(info), info.type == _FOLDER, spelled):
            self._leave(info, why)
        elif info.type == _FOLDER:
            self.walk(info.path)
        else:
            folders = info.path.split("/")[self.root : -1]
            found = partitions_of(folders, self.store.shown(info.path))
            self.files[self._file(info)] = found

    def _file(self, info: pa_fs.FileInfo) -> RemoteFile:
        return RemoteFile.of(self.store, info.path.rstrip("/"))

    def _leave(self, info: pa_fs.FileInfo, why: str) -> None:
        detail = f".{info.extension.lower()}" if info.extension and why == "ending" else ""
        within = self._names(info) if info.type == _FOLDER else (info.base_name,)
        shown = self.store.shown(info.path)
        self.left_out[info.path] = LeftOut(why, detail, shown, has_readings(within))

    def _names(self, info: pa_fs.FileInfo) -> Iterator[str]:
        """Yield the names of the files in a folder that is left out, and in those within."""
        yield info.base_name
        for one in self.entries(info.path):
            yield from self._names(one) if one.type == _FOLDER else (one.base_name,)

    def leave_other_formats(self) -> None:
        """Leave out the files of all formats but one: they may hold the same rows."""
        others = other_formats(one.name for one in self.files)
        for one in [one for one in self.files if format_of_name(one.name) in others]:
            del self.files[one]
            ending = f".{one.name.rpartition('.')[2].lower()}"
            self.left_out[one.path] = LeftOut("ending", ending, str(one), True)

    def refuse_tables(self, folders: set[str]) -> None:
        """Raise HistoryError if a folder is, or lies in, a table with a log of its files."""
        for folder in sorted(folders):
            parts = folder.split("/")
            for n in range(len(parts), 0, -1):
                self._refuse_table("/".join(parts[:n]))

    def _refuse_table(self, folder: str) -> None:
        if folder in self.checked:
            return
        self.checked.add(folder)
        for name, (places, reader) in LOGS.items():
            if any(self._has(folder, place) for place in places):
                raise table_error(self.store.shown(folder), name, reader)

    def _has(self, folder: str, place: str) -> bool:
        """Return True if a folder has something of a name; the last part may be a pattern."""
        first, _, rest = place.partition("/")
        if folder.strip("/") in self.known:
            if all(info.base_name != first for info in self.entries(folder)):
                return False
        elif self.store.info(f"{folder}/{first}").type not in {_FILE, _FOLDER}:
            return False
        return not rest or any(
            fnmatchcase(info.base_name, rest) for info in self.entries(f"{folder}/{first}")
        )
