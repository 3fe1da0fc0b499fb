"""The mark of a file: other bytes are noticed, and the same bytes are the same file."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from mpreplay import HistoryError
from mpreplay.files.file_mark import FileMark, sha256_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of three bytes."""
    path = tmp_path / "x.bin"
    path.write_bytes(b"one")
    return path


def rewrite(path: Path) -> None:
    """Write other bytes in place, and set the time of change back."""
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def touch(path: Path) -> None:
    """Change the times alone."""
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(0, 0))


def link(path: Path) -> None:
    """Give the file a second name, as a backup does."""
    os.link(path, path.with_suffix(".backup"))


def replace(path: Path, data: bytes) -> None:
    """Put another file in the place of the old one."""
    other = path.with_suffix(".new")
    other.write_bytes(data)
    other.replace(path)


def retarget(path: Path, data: bytes) -> None:
    """Let the name lead to another file."""
    other = path.with_suffix(".target")
    other.write_bytes(data)
    path.unlink()
    path.symlink_to(other)


SAME: list[Callable[[Path], None]] = [
    touch, link, lambda path: replace(path, b"one"), lambda path: retarget(path, b"one"),
]  # fmt: skip
OTHER: list[Callable[[Path], None]] = [
    rewrite, lambda path: replace(path, b"two"), lambda path: retarget(path, b"two"),
    lambda path: path.write_bytes(b"three") and None,
]  # fmt: skip


@pytest.mark.parametrize("change", SAME)
def test_a_file_with_the_same_bytes_is_the_same(path: Path, change: Callable[[Path], None]) -> None:
    """A long run must not stop for a backup that links or touches its file."""
    mark = FileMark.of(path)
    digest = mark.digest()
    change(path)

    mark.check()
    assert mark.digest() == digest == hashlib.sha256(b"one").hexdigest()


@pytest.mark.parametrize("change", OTHER)
def test_a_file_with_other_bytes_is_noticed(path: Path, change: Callable[[Path], None]) -> None:
    """Also one of the same size whose time was set back."""
    mark = FileMark.of(path)
    mark.digest()
    change(path)

    for again in (mark.check, mark.digest):
        with pytest.raises(HistoryError, match=r"x\.bin: the file changed while it was read") as e:
            again()
        assert "its bytes differ, SHA-256 7692c3ad3540" in str(e.value)


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda path: path.write_bytes(b"three"), "3 bytes then, 5 now"),
        (lambda path: replace(path, b"two"), "another file has its name now"),
        (touch, "it was written to since"),
    ],
)
def test_without_a_digest_size_time_and_inode_decide(
    path: Path, change: Callable[[Path], None], how: str
) -> None:
    """A validation does not read a file twice to know it again."""
    mark = FileMark.of(path)
    change(path)

    with pytest.raises(HistoryError, match=how):
        mark.check()
    with pytest.raises(HistoryError, match=how):
        mark.digest()  # its columns were read from the old one


def test_a_second_name_is_no_change_even_without_a_digest(path: Path) -> None:
    """A link changes a time of the file that is not that of its bytes."""
    mark = FileMark.of(path)
    link(path)

    mark.check()


def test_a_file_that_changes_under_the_digest_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digest of half the old file and half the new one would be one of neither."""
    mark = FileMark.of(path)

    def slow(path: Path) -> str:
        found = sha256_of(path)
        path.write_bytes(b"three")
        return found

    monkeypatch.setattr("mpreplay.files.file_mark.sha256_of", slow)
    with pytest.raises(HistoryError, match="3 bytes then, 5 now"):
        mark.digest()


def test_a_file_that_is_gone_says_so(path: Path) -> None:
    """The message names the file."""
    mark = FileMark.of(path)
    path.unlink()

    for again in (mark.check, mark.digest):
        with pytest.raises(HistoryError, match=r"x\.bin: cannot be read \(No such file"):
            again()


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """Ten gigabytes must not be held."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    tracemalloc.start()
    try:
        sha256_of(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
