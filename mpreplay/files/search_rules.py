"""The rules of a search: which files are read, and which are left out and why.

A shell only where a rule needs the first bytes of a file. Each file is read, or named with the
rule that leaves it out, on a disk as in a remote store.

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

from collections.abc import Iterable
from itertools import groupby, islice
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote

from ..errors import HistoryError
from .endings import KINDS, format_of_bytes, format_of_name

__all__ = [
    "FilePath",
    "Found",
    "LeftOut",
    "Partitions",
    "grouped",
    "has_readings",
    "is_pattern",
    "other_formats",
    "partitions_of",
    "rule_of",
    "spells_ending",
]

HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_SET_ASIDE: Final = (
    ".tmp", ".temp", ".part", ".partial", ".inprogress", ".incomplete", ".crdownload", ".filepart",
    "._copying_", ".swp", ".bak", ".old", ".orig", ".backup", "~",
)  # fmt: skip
_NAMED: Final = 1_000  # names of each kind in a journal and an audit
_LOOKED_AT: Final = 10_000  # files of a folder that is left out
_MAGIC: Final = frozenset("*?[")

# Values of the folders named ``key=value``; None: Hive's null.
Partitions = dict[str, str | None]


class FilePath(Protocol):
    """A path on a disk or in a remote store, as far as a search asks it."""

    @property
    def name(self) -> str:
        """The last part."""
        ...

    def is_file(self) -> bool:
        """Return True for a file."""
        ...

    def open(self, mode: Any = ..., buffering: int = ...) -> Any:
        """Return the file, opened."""
        ...


class LeftOut(NamedTuple):
    """A file or a folder left out, and the rule for it."""

    rule: str
    ending: str  # of a file that has another one
    path: str
    has_data: bool  # readings may be in it


class Found(NamedTuple):
    """Files to read, in the order of their names, with the partitions that their folders name."""

    files: list[tuple[Any, Partitions]]
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


def rule_of(path: FilePath, is_folder: bool, spelled: str) -> str:
    """Return the rule that leaves a file or a folder out, or the empty text.

    ``spelled`` is the part of the pattern that the name matches.
    """
    name = path.name
    if not is_pattern(spelled):
        return ""
    first = "" if spelled[0] == name[0] else name[0]
    if first == ".":
        return "hidden"
    if first == "_" and not (is_folder and "=" in name):
        return "underscore"
    if spells_ending(spelled):
        return ""
    if name.lower().endswith(_SET_ASIDE):
        return "set_aside"
    if is_folder or format_of_name(name) or not path.is_file():
        return ""
    return "" if _has_no_ending(name) and _begins_as_readings(path) else "ending"


def spells_ending(part: str) -> bool:
    """Return True if a part of a pattern names the ending of its files: ``*.data``."""
    return "." in part[max(map(part.rfind, _MAGIC | {"]"})) :]


def other_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Return the formats among files that are not read, since a folder has files of one before."""
    found = {format_of_name(name) for name in names}
    return tuple(kind for kind in KINDS if kind in found)[1:]


def _has_no_ending(name: str) -> bool:
    """Return True for ``000000_0`` and ``data.0``, but not for ``x.parquet.1``."""
    stem, dot, ending = name.rpartition(".")
    return not dot or (ending.isdigit() and "parq" not in stem.lower())


def _begins_as_readings(path: FilePath) -> bool:
    with path.open("rb") as file:
        return format_of_bytes(file.read(8)) is not None


def has_readings(names: Iterable[str]) -> bool:
    """Return True if files of these names, which are left out, may hold readings."""
    few = (name.lower() for name in islice(names, _LOOKED_AT))
    return any(
        not name.endswith(".crc") and (".parq" in name or format_of_name(name)) for name in few
    )


def partitions_of(folders: Iterable[str], place: object) -> Partitions:
    """Return the values of the folders ``key=value`` around the file or folder ``place``."""
    found: Partitions = {}
    for part in folders:
        key, is_one, text = part.partition("=")
        if not is_one:
            continue
        value = None if text == HIVE_NULL else unquote(text)
        if found.setdefault(unquote(key), value) != value:
            raise HistoryError(
                f"{place}: the folders name two values of {key}: {found[key]!r} and {value!r}"
            )
    return found


def is_pattern(part: str) -> bool:
    """Return True if a part of a path is a pattern for several names."""
    return bool(_MAGIC & set(part))
