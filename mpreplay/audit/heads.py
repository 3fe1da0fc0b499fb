"""The heads of audits: of a run, and of a fleet, whose folder has an audit a gateway.

A shell over folders. ``heads.json`` names the folders with their heads; its own head is the SHA-256
over them, so that one text of 64 digits proves the audits of a thousand gateways.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pandas as pd

from ..errors import ConfigError
from ..errors.arguments import OPTIONAL_TEXT, check_kinds, wrong
from ..files.locating import is_place
from ..frames import typed
from ..outputs import path_of
from .chain import MANIFEST, parsed
from .source_files import source_of
from .verifying import Finding, bundle_head, check_head, compare_sources, verify_bundle

__all__ = ["HEADS", "compared", "head_of", "is_fleet", "sealed_head", "told_of", "verify_audit"]

HEADS: Final = "heads.json"
_HEX: Final = frozenset("0123456789abcdef")


def head_of(heads: dict[str, str]) -> str:
    """Return the SHA-256 over the heads of the gateways, by name.

    Examples
    --------
    >>> head_of({"gw-1": "00"})[:8]
    '1eb67062'
    """
    lines = "".join(f"{name}\t{head}\n" for name, head in sorted(heads.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def is_fleet(folder: Path) -> bool:
    """Return True if a folder has the audits of a fleet."""
    try:
        return (folder / HEADS).is_file()
    except OSError:  # a name that is too long: reported when the folder is read
        return False


def verify_audit(
    folder: str | os.PathLike[str],
    *,
    head: str | None = None,
    sources: Iterable[str | os.PathLike[str]] = (),
) -> pd.DataFrame:
    """Verify the audit that ``Run.audit`` or ``FleetRun.audit`` wrote, on any machine.

    Parameters
    ----------
    folder : path
        The audit, or the folder of the audits of a fleet.
    head : str, optional
        The head that ``audit`` returned. Without a head, an audit that was forged as a whole
        passes for the original.
    sources : iterable of path, optional
        Files that the run read, to be compared with the digests in the audit; those of a store as
        URIs, compared by the tag that the store gives to their bytes.

    Returns
    -------
    DataFrame
        One row a finding: ``file``, ``where`` in the file, and the ``finding`` in words. An audit
        without alterations gives no row.

    Raises
    ------
    ConfigError
        If there is no audit, or a file given does not exist.

    Examples
    --------
    >>> verify_audit("no-such-folder")
    Traceback (most recent call last):
    mpreplay.errors.ConfigError: no-such-folder: there is no such folder
    """
    listed: Any = [sources] if is_place(sources) else sources
    if not isinstance(listed, Iterable):
        raise wrong("sources", sources, "a list of paths")
    paths = [source_of(source) for source in listed]
    check_kinds({"head": (head, OPTIONAL_TEXT)})
    place = path_of(folder, "folder")
    if is_fleet(place):
        findings = list(_of_fleet(place, paths, head))
    else:
        findings = verify_bundle(place, paths, head=head)
    return typed(findings, dict.fromkeys(Finding._fields, "str"))


def sealed_head(folder: Path) -> str:
    """Return the head according to the manifest of an audit, or the heads of a fleet."""
    return head_of(_heads(folder) or {}) if is_fleet(folder) else bundle_head(folder)


def told_of(folder: Path) -> str:
    """Return what the manifests of a verified audit, or of those of a fleet, say of the run."""
    names = sorted(_heads(folder) or {}) if is_fleet(folder) else [""]
    manifests = [parsed((folder / name / MANIFEST).read_bytes()) or {} for name in names]
    counts = [one.get("counts") or {} for one in manifests]
    accepted, read = (sum(one.get(key, 0) for one in counts) for key in ("accepted", "read"))
    is_complete = all(one.get("complete") for one in counts)
    said = f"{accepted:,} of {read:,} values were accepted"
    return f"{said}, and the run is {'complete' if is_complete else 'not complete'}"


def compared(folder: Path, sources: Iterable[Any]) -> list[tuple[Any, str]]:
    """Return each file with its difference from the file that was read, empty if none.

    Raises
    ------
    ConfigError
        If there is no audit, or no such file.
    """
    sources = list(sources)
    if not is_fleet(folder):
        return compare_sources(folder, sources)
    # All gateways read the same files; that a folder is missing is a finding of its own.
    there = (folder / name for name in sorted(_heads(folder) or {}) if (folder / name).is_dir())
    return compare_sources(next(there, folder), sources) if sources else []


def _of_fleet(folder: Path, sources: list[Path], head: str | None) -> Iterator[Finding]:
    """Yield the alterations of the audits of a fleet."""
    check_head(head)
    heads = _heads(folder)
    if heads is None:
        yield Finding(HEADS, "", "it does not name folders with their heads")
        return
    if head is not None and head_of(heads) != head.strip().lower():
        yield Finding(HEADS, "", "its heads are not those of the audit whose head is given")
    for one in sorted(path.name for path in folder.iterdir()):
        if one != HEADS and one not in heads:
            yield Finding(one, "", f"{HEADS} does not name it")
    for name, own in heads.items():
        try:
            found = verify_bundle(folder / name, sources, head=own)
        except ConfigError as error:
            yield Finding(name, "", f"it cannot be verified: {error}")
            continue
        yield from (one._replace(file=f"{name}/{one.file}") for one in found)


def _heads(folder: Path) -> dict[str, str] | None:
    """Return the heads by the name of the folder; None if the file says something else."""
    try:
        told = json.loads((folder / HEADS).read_bytes())
    except (OSError, ValueError):
        return None
    is_right = isinstance(told, dict) and all(map(_is_head, told.items()))
    return told if is_right else None


def _is_head(item: tuple[str, Any]) -> bool:
    """Return True if a name leads to a folder in the same place, and a head is one."""
    name, head = item
    is_folder = name == Path(name).name != ".." and "\0" not in name
    return is_folder and isinstance(head, str) and len(head) == 64 and set(head) <= _HEX
