"""The place of a source's files: a disk, a store, or a file that the caller holds open. A shell."""

from __future__ import annotations

import os
import re
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pa_fs

from ..errors import HistoryError
from ..errors.arguments import kind_of
from .finding import find_files
from .held_file import HeldFile, is_open_file
from .remote_finding import find_remote
from .search_rules import Found, is_pattern
from .stores import Store, advice_of, store_of
from .uris import Uri, hidden, parse_uri

__all__ = ["find_anywhere", "is_place", "shown_place"]

# Schemes that pyarrow resolves.
_SCHEMES: Final = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
_NOT_FOUND: Final = pa_fs.FileType.NotFound
_NO_SLASH: Final = ("s3", "gcs", "abfs")  # types of stores whose paths begin with a bucket


def is_place(source: Any) -> bool:
    """Return True for a path, a URI, a path of fsspec or universal_pathlib, or an open file."""
    return isinstance(source, str | os.PathLike) or _has_system(source) or is_open_file(source)


def _has_system(source: Any) -> bool:
    """Return True for a UPath, and for what ``fsspec.open`` returns."""
    return hasattr(source, "path") and hasattr(getattr(source, "fs", None), "_strip_protocol")


def shown_place(source: Any) -> str:
    """Return a place without the credentials of its URI, for messages and logs."""
    if isinstance(source, str | os.PathLike):
        return hidden(os.fsdecode(source))
    return str(source.path) if _has_system(source) else type(source).__name__


def find_anywhere(source: Any, filesystem: Any = None, name: str | None = None) -> Found:
    """Return the files of a place: a file, a folder with all folders within, or a pattern.

    Parameters
    ----------
    source : path, URI, UPath or open binary file
        See :func:`is_place`.
    filesystem : file system of pyarrow or fsspec, optional
        Where the path is.
    name : str, optional
        Of an open file, in messages and tables.

    Raises
    ------
    HistoryError
        If there is none, or it cannot be read.
    """
    if is_open_file(source) and not isinstance(source, os.PathLike):
        if filesystem is not None:
            raise HistoryError(
                "filesystem: takes a path; an open file needs none", argument="filesystem"
            )
        return Found([(HeldFile.of(source, name), {})])
    if filesystem is not None:
        if not isinstance(source, str | os.PathLike):
            raise HistoryError(
                f"filesystem: needs a path as text, and {kind_of(source)} has a file system",
                argument="filesystem",
            )
        return _in_system(filesystem, os.fsdecode(source))
    if not isinstance(source, str | os.PathLike):
        return _in_system(source.fs, str(source.path))
    text = os.fsdecode(source)
    uri = parse_uri(text) if isinstance(source, str) else None
    if uri is None:
        _refuse_credentials(text)
        return find_files(source)
    return find_files(_local(uri)) if uri.scheme == "file" else _in_store(uri)


def _refuse_credentials(text: str) -> None:
    """Raise for a text that was meant to be a URI, before a message could repeat its secrets."""
    if hidden(text) != text and not os.path.lexists(text):
        raise HistoryError(
            f"{hidden(text)}: there is no such file, and as a URI it is not complete; expected "
            "s3://bucket/path",
            argument="source",
        )


def _local(uri: Uri) -> str:
    if uri.host not in {"", "localhost"}:
        raise HistoryError(
            f"file://{uri.host}/{uri.path}: a file of another machine; expected file:///path"
        )
    path = f"/{uri.path}{uri.query}"
    return path if os.path.lexists(path) or "%" not in path else unquote(path)


def _in_system(filesystem: Any, text: str) -> Found:
    store = store_of(filesystem)
    if store is None:
        uri = parse_uri(text)
        return find_files(_local(uri) if uri is not None else text)
    uri = parse_uri(text)
    if uri is not None and (uri.user or uri.query):
        raise HistoryError(
            f"{hidden(text)}: the file system is given, so give the path alone", argument="source"
        )
    if store.by_fsspec is not None:
        return find_remote(store, str(store.by_fsspec._strip_protocol(text)))
    path = f"{uri.host}/{uri.path}" if uri is not None else text
    return find_remote(store, _cleaned(store, path))


def _cleaned(store: Store, path: str) -> str:
    """Return a path as its store writes it."""
    cleaned = re.sub("/+", "/", path).rstrip("/")
    return cleaned.lstrip("/") if store.system.type_name in _NO_SLASH else cleaned


def _in_store(uri: Uri) -> Found:
    """Return the files of a URI."""
    place = f"{uri.shown}/{uri.path}"
    if ":" in uri.host and "@" in uri.path:
        raise HistoryError(
            f"{uri.scheme}://***@{uri.path.rpartition('@')[2]}: the URI cannot be read; write / in "
            "its credentials as %2F",
            argument="source",
        )
    if uri.scheme not in _SCHEMES:
        raise HistoryError(
            f"{place}: {uri.scheme}:// is read through fsspec: pass "
            f"filesystem=fsspec.filesystem({uri.scheme!r}) and the path; {', '.join(_SCHEMES[:4])} "
            "and file are known without it",
            argument="source",
        )
    if not uri.host and uri.scheme not in {"hdfs", "viewfs"}:
        raise HistoryError(f"{place}: no bucket is named; expected {uri.scheme}://bucket/path")
    try:
        system, base = pa_fs.FileSystem.from_uri(uri.store)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise HistoryError(f"{place}: {_why_no_store(error, uri)}") from None
    base = f"{base.strip('/')}/" if base.strip("/") else ""
    store = (
        Store(system, f"{uri.scheme}://", "")
        if base.rstrip("/") == uri.host
        else Store(system, f"{uri.shown}/", base)
    )
    path = _cleaned(store, base + uri.path)
    if "%" in path and not is_pattern(path) and store.info(path).type == _NOT_FOUND:
        path = unquote(
            path
        )  # as a URI writes it; the names of Hive's folders have a % of their own
    return find_remote(store, path)


def _why_no_store(error: Exception, uri: Uri) -> str:
    """Return why a store cannot be opened, without what pyarrow quotes of the URI."""
    if advice := advice_of(error):
        return advice
    lines = str(error).splitlines() or [type(error).__name__]
    told = "the URI cannot be read" if "URI" in lines[0] or uri.host in lines[0] else lines[0]
    return f"{told}; expected {uri.scheme}://bucket/path, credentials percent-encoded"
