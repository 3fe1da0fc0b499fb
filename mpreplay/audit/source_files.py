"""Files that a run has read, compared with what its audit knows of them. A shell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import ConfigError, HistoryError
from ..errors.arguments import wrong
from ..files.file_mark import sha256_of
from ..files.locating import find_anywhere, is_place, shown_place
from ..files.uris import parse_uri
from ..outputs import path_of

__all__ = ["difference_of", "source_of"]


def source_of(given: Any) -> Any:
    """Return a file to compare: a path, or the file of a URI or a ``UPath``.

    Raises
    ------
    ConfigError
        If the store cannot be asked, or holds no such file.
    """
    if isinstance(given, os.PathLike) or (isinstance(given, str) and parse_uri(given) is None):
        return path_of(given, "sources")
    if not is_place(given):
        raise wrong("sources", given, "a path, or a list of paths")
    try:
        files = find_anywhere(given).files
    except HistoryError as error:
        raise ConfigError(str(error), argument="sources") from error
    if len(files) != 1:
        raise ConfigError(
            f"{shown_place(given)}: {len(files)} files; name each of them", argument="sources"
        )
    return files[0][0]


def difference_of(path: Any, listed: object) -> str:
    """Return the difference of a file from the file that a run read, or the empty text."""
    known = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    try:
        if (by_tag := _of_tags(path, known)) is not None:
            return by_tag
        digest = sha256_of(path)
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    except HistoryError as error:
        return f"it cannot be read ({error})"
    if any(one.get("sha256") == digest for one in known):
        return ""
    if any(one.get("name") == path.name and one.get("sha256") for one in known):
        what = "the file is not what the run read: it was altered since"
    elif known and not any(one.get("sha256") for one in known):
        what = f"the run read a {known[0].get('name')}, which no file can be compared with"
    else:
        what = "the run read no file with these bytes"
    return f"{what} (SHA-256 {digest})"


def _of_tags(path: Any, known: list[dict[str, Any]]) -> str | None:
    """Return the difference of tags, None if the run did not know the file by the tag of a store.

    A tag tells bytes of its store only: a copy on a disk has none.
    """
    tag = "" if isinstance(path, Path) else path.stamp().tag
    if tag and any(one.get("tag") == tag for one in known):
        return ""
    tagged = [one for one in known if one.get("tag") and one.get("name") == path.name]
    if not tagged or any(one.get("sha256") for one in tagged):
        return None
    then = tagged[0]["tag"]
    if tag:
        return f"the file is not what the run read: it was altered since (tag {tag}, then {then})"
    return (
        f"the run knew it by the tag that its store gives to the bytes, {then}: compare the file "
        "in the store, by its URI; a copy cannot be compared"
    )
