"""The mark of a file: evidence that its bytes have not changed since it was read. A shell.

The end of a Parquet file proves nothing: a file written anew with other values may have the same
size and the same footer. The bytes are proven by their SHA-256 alone, and a cheap look at size,
time of change and inode tells when to compare it again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import HistoryError

__all__ = ["FileMark", "Stamp", "sha256_of"]


class Stamp(NamedTuple):
    """Facts that the file system tells of a file."""

    n_bytes: int
    modified: int  # [ns]
    inode: int
    # Also set by a new name or new permissions, and when ``modified`` is set back. [ns]
    changed: int
    tag: str = ""  # version or ETag, where a store tells the bytes by one

    @classmethod
    def of(cls, path: Any) -> Stamp:
        """Return the facts of a path, or of a file that tells its own."""
        if not isinstance(path, Path):
            told: Stamp = path.stamp()
            return told
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


@dataclass(slots=True)
class FileMark:
    """Size, times and inode of a file as it was opened, and its SHA-256 once that was needed.

    Parameters
    ----------
    path : Path, RemoteFile or HeldFile
        The file.
    stamp : Stamp
        State of the file when it was opened, or compared last.
    sha256 : str, optional
        Digest of the bytes; None until asked for.
    is_proven : bool, optional
        True if a digest just taken holds as long as the stamp does: for the many readers of one
        fleet, each of which would read all bytes.
    """

    path: Any
    stamp: Stamp
    sha256: str | None = None
    is_proven: bool = False

    @classmethod
    def of(cls, path: Any) -> FileMark:
        """Return the mark of a file as it is now.

        Raises
        ------
        OSError
            If there is no such file.
        """
        return cls(path, Stamp.of(path))

    def identity(self) -> str:
        """Return a text that tells the bytes: by the tag of the store, else by the SHA-256.

        Raises
        ------
        HistoryError
            If the file cannot be read, or is not the one that was opened.
        """
        if not self.stamp.tag:
            return f"file:{self.stamp.n_bytes}:{self.digest()}"
        self.check()
        return f"tagged:{self.stamp.n_bytes}:{self.stamp.tag}"

    def digest(self) -> str:
        """Return the SHA-256 of the file, read anew from the first byte to the last.

        Raises
        ------
        HistoryError
            If the file cannot be read, or is not the one that was opened.
        """
        self.check()
        if self.is_proven and self.sha256 is not None:
            return self.sha256
        found = self._sha256()
        self.check()  # it may have changed under the reading
        if self.sha256 not in (None, found):
            raise self._changed(f"its bytes differ, SHA-256 {self.sha256} then, {found} now")
        self.sha256 = found
        return found

    def check(self) -> None:
        """Raise HistoryError unless the file is the one that was opened.

        A file whose stamp has changed is the same if its bytes are, as far as these are known.
        """
        now = self._now()
        if now == self.stamp:
            return
        if now.tag and now.tag == self.stamp.tag:  # touched, and the same bytes
            self.stamp = now
            return
        if self.sha256 is None:
            if now[:3] != self.stamp[:3] or now.tag != self.stamp.tag:
                raise self._changed(_difference(self.stamp, now))
            return
        if (found := self._sha256()) != self.sha256:
            raise self._changed(f"its bytes differ, SHA-256 {self.sha256} then, {found} now")
        self.stamp = now

    def _now(self) -> Stamp:
        try:
            return Stamp.of(self.path)
        except OSError as error:
            raise self._unreadable(error) from error

    def _sha256(self) -> str:
        try:
            return sha256_of(self.path)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> HistoryError:
        return HistoryError(f"{self.path}: cannot be read ({error.strerror})")

    def _changed(self, how: str) -> HistoryError:
        return HistoryError(
            f"{self.path}: the file changed while it was read ({how}); start again with "
            "read_history once it is complete"
        )


def sha256_of(path: Any) -> str:
    """Return the SHA-256 of a file, in little memory."""
    # Unbuffered: file_digest has a buffer of its own.
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _difference(then: Stamp, now: Stamp) -> str:
    if then.n_bytes != now.n_bytes:
        return f"{then.n_bytes:,} bytes then, {now.n_bytes:,} now"
    if then.inode != now.inode:
        return "another file has its name now"
    if then.tag != now.tag:
        return f"{then.tag or 'no tag'} is its tag then, {now.tag or 'none'} now"
    return "it was written to since"
