"""Files in a remote store, or in another file system, read by position.

A shell: asks a file system of pyarrow or fsspec. Errors of these become one sentence with advice;
credentials stand in none.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.fs as pa_fs

from ..errors import HistoryError
from .file_mark import Stamp

__all__ = ["RemoteFile", "Store", "advice_of", "store_of"]

# Names of fsspec and pyarrow for what a store tells of the bytes of a file, best first.
_TAGS: Final = ("versionid", "version_id", "x-amz-version-id", "generation", "etag", "contentmd5")
_TIMES: Final = ("lastmodified", "last-modified", "last_modified", "mtime", "updated", "created")
_PREFIX: Final = {"gcs": "gs", "s3": "s3", "abfs": "abfs", "hdfs": "hdfs"}
# What errors of stores contain, and what to do.
_ADVICE: Final = (
    (
        r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist|ContainerNotFound",
        "there is no such bucket; check its name, its region and the endpoint",
    ),
    (
        r"ACCESS_DENIED|AccessDenied|Forbidden|\(40[13]\)|PermissionError|SignatureDoesNotMatch|"
        r"SIGNATURE_DOES_NOT_MATCH|InvalidAccessKeyId|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|"
        r"NoCredentials|locate credentials|Unauthenticated|AuthenticationFailed|ACCESS_KEY_ID",
        "the store gives no permission; set its credentials in the environment (such as "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or pass a file system with them",
    ),
    (
        r"NETWORK_CONNECTION|resolve host|not connect|ConnectionError|ConnectError|ConnectorError|"
        r"EndpointConnection|refused|timed out|TimeoutError|unreachable|gaierror",
        "the store cannot be reached; check the network, the region and the endpoint",
    ),
    (
        r"FileNotFoundError|NO_SUCH_KEY|NoSuchKey",
        "there is no such file, folder or pattern",
    ),
)


def advice_of(error: BaseException) -> str:
    """Return what an error of a store means and what to do, or the empty text."""
    told = f"{type(error).__name__} {error}"
    return next((what for found, what in _ADVICE if re.search(found, told)), "")


@dataclass(frozen=True, slots=True, repr=False)
class Store:
    """A file system, and how its files are called: ``prefix`` and the path behind ``base``."""

    system: pa_fs.FileSystem
    prefix: str
    base: str = ""

    @property
    def by_fsspec(self) -> Any:
        """The file system of fsspec, None for one of pyarrow."""
        handler = getattr(self.system, "handler", None)
        return handler.fs if isinstance(handler, pa_fs.FSSpecHandler) else None

    def shown(self, path: str) -> str:
        """Return the name of a file in messages and tables."""
        return self.prefix + path.removeprefix(self.base).lstrip("/")

    @contextmanager
    def asked(self, path: str) -> Iterator[None]:
        """Turn whatever the file system raises into a HistoryError that names the file."""
        try:
            yield
        except HistoryError:
            raise
        except Exception as error:
            lines = str(error).splitlines() or [type(error).__name__]
            told = advice_of(error) or f"{type(error).__name__}: {lines[0]}"
            raise HistoryError(f"{self.shown(path)}: cannot be read: {told}") from error

    def info(self, path: str) -> pa_fs.FileInfo:
        """Return whether a path is a file or a folder; an absent file in no bucket is an error."""
        with self.asked(path):
            self._forget(path)
            found = self.system.get_file_info(path)
            if found.type == pa_fs.FileType.NotFound and "/" in path.strip("/"):
                self._need_bucket(path.strip("/").partition("/")[0])
            return found

    def entries(self, folder: str, *, deep: bool = False) -> list[pa_fs.FileInfo]:
        """Return what is in a folder, ``deep`` with all folders within; none if it is absent."""
        with self.asked(folder):
            self._forget(folder)
            selector = pa_fs.FileSelector(folder, allow_not_found=True, recursive=deep)
            return list(self.system.get_file_info(selector))

    def _need_bucket(self, bucket: str) -> None:
        if self.system.type_name == "s3" and (
            self.system.get_file_info(bucket).type == pa_fs.FileType.NotFound
        ):
            raise OSError("NoSuchBucket")

    def _forget(self, path: str) -> None:
        """Let fsspec ask the store again, which it does once in its life."""
        if self.by_fsspec is not None:
            self.by_fsspec.invalidate_cache()
            del path

    def stamp(self, path: str) -> Stamp:
        """Return size, time of change and tag of a file, as the store tells them now."""
        with self.asked(path):
            if self.by_fsspec is not None:
                self._forget(path)
                facts = dict(self.by_fsspec.info(path))
                changed = self.by_fsspec.ukey(path)
                return _stamp(int(facts["size"]), facts, f"{changed}{_time(facts)}")
            with self.system.open_input_file(path) as file:
                size, facts = int(file.size()), file.metadata() or {}
            told = _time(facts) or str(self.system.get_file_info(path).mtime_ns)
            return _stamp(size, facts, told)

    def open(self, path: str) -> pa.NativeFile:
        """Return a file that is read by position."""
        with self.asked(path):
            if self.by_fsspec is None:
                return self.system.open_input_file(path)
            self._forget(path)
            return pa.PythonFile(_Told(self.by_fsspec.open(path, "rb")), mode="r")


def _plain(facts: Any) -> dict[str, str]:
    return {
        str(key).lower(): value.decode() if isinstance(value, bytes) else str(value)
        for key, value in facts.items()
        if value is not None
    }


def _time(facts: Any) -> str:
    known = _plain(facts)
    return next((known[name] for name in _TIMES if name in known), "")


def _stamp(size: int, facts: Any, changed: str) -> Stamp:
    known = _plain(facts)
    tags = (known.get(name, "") for name in _TAGS)
    # A weak tag does not tell each byte; "null" is the version where none are kept.
    tag = next((t for t in tags if t and t != "null" and not t.startswith("W/")), "")
    return Stamp(size, zlib.crc32(changed.encode()), 0, 0, tag.strip('"'))


@dataclass(frozen=True, slots=True, order=True)
class RemoteFile:
    """A file in a store; asked as a ``Path`` is, as far as reading needs it."""

    parts: tuple[str, ...]  # sorts as the paths of a disk do
    path: str
    store: Store = field(compare=False)

    @classmethod
    def of(cls, store: Store, path: str) -> RemoteFile:
        """Return the file of a path."""
        return cls(tuple(path.split("/")), path, store)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.parts[-1]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def suffixes(self) -> list[str]:
        """The endings of the name, with their dots."""
        return PurePosixPath(self.name).suffixes

    def is_file(self) -> bool:
        """Return True: a search has looked."""
        return True

    def stamp(self) -> Stamp:
        """Return what the store tells of the file now."""
        return self.store.stamp(self.path)

    def open(self, mode: str = "rb", buffering: int = -1) -> pa.NativeFile:
        """Return the file, opened; ``mode`` and ``buffering`` are those of a ``Path``."""
        del mode, buffering
        return self.store.open(self.path)

    def __str__(self) -> str:
        return self.store.shown(self.path)

    def __repr__(self) -> str:
        return f"RemoteFile({str(self)!r})"


class _Told(io.RawIOBase):
    """A file of fsspec, with errors of reading for the various errors of its libraries.

    Parameters
    ----------
    file : file object
        It is closed with this one.
    """

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def read(self, size: int | None = -1) -> bytes:
        try:
            return bytes(self._file.read(-1 if size is None else size))
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def store_of(system: Any) -> Store | None:
    """Return the store of a file system, None for that of this machine's disks.

    Raises
    ------
    HistoryError
        If it is no file system.
    """
    if isinstance(system, pa_fs.SubTreeFileSystem):
        if isinstance(system.base_fs, pa_fs.LocalFileSystem):
            return Store(system, f"{system.base_path.rstrip('/')}/")
        return Store(system, _prefix(system.base_fs) + system.base_path.lstrip("/"))
    if isinstance(system, pa_fs.FileSystem):
        found = Store(system, _prefix(system))
    elif hasattr(system, "_strip_protocol") and hasattr(system, "ukey"):
        found = Store(pa_fs.PyFileSystem(pa_fs.FSSpecHandler(system)), _protocol(system))
    else:
        raise HistoryError(
            "filesystem: takes a file system of pyarrow.fs, such as S3FileSystem(region=...), or "
            f"of fsspec, not {type(system).__module__}.{type(system).__qualname__}",
            argument="filesystem",
        )
    is_local = isinstance(found.system, pa_fs.LocalFileSystem) or found.prefix == "file://"
    return None if is_local else found


def _prefix(system: pa_fs.FileSystem) -> str:
    handler = getattr(system, "handler", None)
    if isinstance(handler, pa_fs.FSSpecHandler):
        return _protocol(handler.fs)
    scheme = _PREFIX.get(system.type_name, "")
    return f"{scheme}://" if scheme else ""


def _protocol(system: Any) -> str:
    told = system.protocol
    first = told if isinstance(told, str) else next(iter(told), "")
    return f"{first}://" if first else ""
