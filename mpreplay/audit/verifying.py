"""The verification of an audit: everything is recomputed, and every alteration is named.

A shell over a folder. Nothing in the folder is trusted: a table is opened only after its hash was
found correct, since a forged file may crash the reader of Parquet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ConfigError
from ..frames import typed
from ..outcome.agreement import (
    RejectCounts,
    check_books,
    check_outcomes,
    check_rejects,
    check_touched,
)
from .accounts import check_chain, check_complete, check_counts
from .bundle import FORMAT, REPORT, TABLES, sha256_of
from .chain import CHAIN, MANIFEST, digest, facts_of, manifest_text, parsed, read_lines
from .links import Chain
from .source_files import difference_of

__all__ = ["Finding", "bundle_head", "check_head", "compare_sources", "verify_bundle"]

_NO_TABLE: Final = "it is sealed, but not the table that is expected"
_HEX: Final = 64  # digits of a SHA-256


class Finding(NamedTuple):
    """An alteration: the file, the place in the file, and the description."""

    file: str
    where: str
    finding: str


def verify_bundle(
    folder: Path, sources: Iterable[Path] = (), *, head: str | None = None
) -> list[Finding]:
    """Return all alterations of a bundle.

    Raises
    ------
    ConfigError
        If there is nothing to verify, or an argument cannot work.
    """
    sources = list(sources)
    _check_arguments(folder, sources, head)
    return list(_Bundle(folder, head and head.strip().lower()).findings(sources))


def compare_sources(folder: Path, sources: Iterable[Any]) -> list[tuple[Any, str]]:
    """Return each file with its difference from the file that the run read, empty if none.

    Raises
    ------
    ConfigError
        If there is no audit, or no such file.
    """
    sources = list(sources)
    _check_arguments(folder, sources, None)
    manifest = parsed(_bytes(folder / MANIFEST) or b"") or {}
    return [(path, difference_of(path, manifest.get("sources"))) for path in sources]


def bundle_head(folder: Path) -> str:
    """Return the head according to the manifest of a bundle."""
    manifest = parsed(_bytes(folder / MANIFEST) or b"") or {}
    return str(manifest.get("head", ""))


def _check_arguments(folder: Path, sources: list[Path], head: str | None) -> None:
    try:
        if folder.is_file():
            raise ConfigError(f"{folder}: this is a file; give the folder that the audit is")
        if not folder.is_dir():
            raise ConfigError(f"{folder}: there is no such folder")
        if not any((folder / name).exists() for name in (MANIFEST, CHAIN)):
            raise ConfigError(f"{folder}: no audit: it has neither {MANIFEST} nor {CHAIN}")
        for path in sources:
            if not path.is_file():
                raise ConfigError(f"{path}: there is no such file")
    except OSError as error:  # a name that is too long, a folder without permission to read
        raise ConfigError(f"{folder}: cannot be read ({error.strerror or error})") from error
    check_head(head)


def check_head(head: str | None) -> None:
    """Raise ConfigError unless a head is one, or none is given."""
    if head is not None and not (
        len(head.strip()) == _HEX and set(head.strip().lower()) <= set("0123456789abcdef")
    ):
        raise ConfigError(f"head must be the {_HEX} hexadecimal digits of an audit, got {head!r}")


class _Bundle:
    """A folder with its manifest, its chain and its trustworthy tables."""

    def __init__(self, folder: Path, head: str | None) -> None:
        self.folder, self.head = folder, head
        self.manifest_bytes = _bytes(folder / MANIFEST)
        self.manifest = parsed(self.manifest_bytes or b"") or {}
        facts = digest(facts_of(self.manifest))
        self.chain_bytes = _bytes(folder / CHAIN)
        lines = read_lines(self.chain_bytes or b"")
        self.chain = Chain(lines)
        # No table of another audit is opened: a forged one may aim at the reader of Parquet.
        self.is_the_one = head is None or (self._sealed_head() == head)
        self.hashes = self._hashes()
        self.actual = {name: _hash(folder / name) for name in self.hashes}
        self.results = self._table("results.parquet")
        if self.results is not None:  # now missing requests have names
            self.chain = Chain(lines, len(self.results), self.results["request_id"].tolist())
        self.follows = self.chain.begins_with(facts)
        if self.follows and self.manifest.get("format") != FORMAT:
            raise ConfigError(
                f"{folder}: an audit of format {self.manifest.get('format')!r}; this version "
                f"verifies {FORMAT}"
            )

    def findings(self, sources: list[Path]) -> Iterator[Finding]:
        """Yield all alterations."""
        yield from self._of_files()
        if self.manifest_bytes is not None:
            yield from (Finding(MANIFEST, where, what) for where, what in self._of_manifest())
        if self.chain_bytes is not None:
            yield from (Finding(CHAIN, where, what) for where, what in self.chain.findings())
        yield from self._of_head()
        yield from self._of_tables()
        yield from self._of_sources(sources)

    def _hashes(self) -> dict[str, str]:
        """Return the original hash of every other file, from the seal or else from the manifest."""
        known = self.manifest.get("files")
        if self.chain.seal is not None:
            known = self.chain.seal.content["seal"].get("files")
        if not isinstance(known, dict):
            return {}
        # A forged name must not lead out of the folder.
        return {
            name: str(known[name])
            for name in known
            if name == os.path.basename(name) and "\0" not in name  # noqa: PTH119 - text, no path
        }

    def _of_files(self) -> Iterator[Finding]:
        names = {MANIFEST, CHAIN, *self.hashes}
        present = {MANIFEST: self.manifest_bytes, CHAIN: self.chain_bytes}
        for name, found in (*present.items(), *self.actual.items()):
            if found is None:
                there = os.path.lexists(self.folder / name)
                yield Finding(name, "", "it cannot be read" if there else "the file is missing")
            elif name in self.hashes and found != self.hashes[name]:
                yield Finding(name, "", "the file was altered: its SHA-256 is not the one sealed")
        for name in sorted({*TABLES, REPORT} - names) if self.hashes else ():
            yield Finding(name, "", "the seal does not name it")
        for path in sorted(self.folder.iterdir()):
            if path.name not in names:
                what = "it was added" if self.hashes else "it cannot be checked without a seal"
                yield Finding(path.name, "", f"{what}: the seal does not name it")

    def _of_manifest(self) -> Iterator[tuple[str, str]]:
        if not self.manifest:
            yield "", "it was altered: it is not the JSON that is expected"
            return
        if manifest_text(self.manifest) != self.manifest_bytes:
            yield "", "it was altered: it is not laid out as it was written"
        if self.follows is False:
            yield from self._of_facts()
        seal = self.chain.seal
        if seal is not None and self.manifest.get("files") != seal.content["seal"].get("files"):
            yield "files", "it was altered: the seal has other names or hashes"
        if seal is not None and self.manifest.get("head") != seal.content["hash"]:
            yield "head", f"it is not that of {CHAIN}, whose seal has {seal.content['hash']}"

    def _of_facts(self) -> Iterator[tuple[str, str]]:
        """Yield the altered facts, as far as the other files tell."""
        found = list(self._told_by_tables())
        yield from found
        if not found:
            known = ", ".join(sorted(facts_of(self.manifest)))
            yield (
                "",
                (
                    f"it was altered: {CHAIN} was made with other facts than now stand in it. "
                    f"Which of them differ ({known}), only an unaltered copy tells"
                ),
            )

    def _told_by_tables(self) -> Iterator[tuple[str, str]]:
        """Yield the contradictions between the manifest and the tables."""
        books, results = self._table("books.parquet"), self.results
        if books is None or results is None:
            return
        counts = self.manifest.get("counts")
        yield from check_counts(counts if isinstance(counts, dict) else {}, books, results)
        yield from check_complete(self.manifest.get("run"), results)

    def _sealed_head(self) -> str | None:
        seal = self.chain.seal
        return None if seal is None else str(seal.content["hash"])

    def _of_head(self) -> Iterator[Finding]:
        if not self.is_the_one:
            sealed = self._sealed_head()
            found = "is not there" if sealed is None else f"is {sealed}"
            yield Finding(
                CHAIN,
                "head",
                f"it {found} and not the one given: this is not the audit whose head was kept, and "
                "no table of it was opened",
            )

    def _of_tables(self) -> Iterator[Finding]:
        """Yield the contradictions between the tables, the chain and the counts."""
        results, books = self.results, self._table("books.parquet")
        rejects, touched = self._rejects(), self._table("touched.parquet")
        for name, table in zip(TABLES, (results, rejects, books, touched), strict=True):
            if table is None and name in self.hashes and self._is_sound(name):
                yield Finding(name, "", self._footer_fault(name) or _NO_TABLE)
        if results is not None:
            yield from _named(CHAIN, lambda: check_chain(self.chain.requests, results))
        if books is not None:
            yield from _named("books.parquet", lambda: check_books(books))
        if results is not None:
            yield from _named("results.parquet", lambda: check_outcomes(results))
        if results is None or books is None:
            return
        if rejects is not None:
            n_open = sum(line.content["outcome"] == "open" for _, line in self.chain.requests)
            yield from _named(
                "rejects.parquet", lambda: check_rejects(books, results, rejects, n_open=n_open)
            )
        if rejects is not None and touched is not None:
            yield from _named("touched.parquet", lambda: check_touched(touched, results, rejects))
        if self.follows:  # otherwise reported with the altered facts
            yield from _named(MANIFEST, self._told_by_tables)

    def _of_sources(self, sources: list[Path]) -> Iterator[Finding]:
        """Yield the given files that differ from the sources of the run."""
        for path in sources:
            if what := difference_of(path, self.manifest.get("sources")):
                yield Finding(str(path), "", what)

    def _is_sound(self, name: str) -> bool:
        return self.is_the_one and self.actual.get(name) == self.hashes.get(name, "")

    def _footer_fault(self, name: str) -> str:
        """Return the contradiction between the footer of a table and the chain, or the empty text.

        A footer is read before any row: a forged one may promise more rows than any memory holds.
        """
        try:
            n_rows = pq.read_metadata(self.folder / name).num_rows
        except (pa.ArrowException, OSError, ValueError):
            return _NO_TABLE
        if name == "results.parquet":
            n = self.chain.n_requests
            wrong = n is not None and n_rows > n
            return f"its footer has {n_rows:,} rows, and the seal {n:,} requests" if wrong else ""
        counts = self.manifest.get("counts")
        read = counts.get("read") if isinstance(counts, dict) else None
        wrong = type(read) is int and n_rows > read  # each row is about at least one value
        return f"its footer has {n_rows:,} rows, and {read:,} values were read" if wrong else ""

    def _opened(self, name: str) -> pq.ParquetFile | None:
        """Return an unaltered table, or None."""
        if not self._is_sound(name) or self._footer_fault(name):
            return None
        try:
            file = pq.ParquetFile(self.folder / name, pre_buffer=False, memory_map=False)
        except (pa.ArrowException, OSError, ValueError):
            return None
        return file if file.schema_arrow.names == list(TABLES[name]) else None

    def _frames(self, name: str) -> Iterator[pd.DataFrame]:
        file = self._opened(name)
        if file is None:
            return
        with file:
            for batch in file.iter_batches(use_threads=False):
                frame = batch.to_pandas(ignore_metadata=True, integer_object_nulls=True)
                yield typed(frame, TABLES[name])

    def _table(self, name: str) -> pd.DataFrame | None:
        if self._opened(name) is None:
            return None
        try:
            frames = list(self._frames(name))
        except (pa.ArrowException, OSError, ValueError, TypeError, LookupError):
            return None
        return pd.concat(frames, ignore_index=True) if frames else typed([], TABLES[name])

    def _rejects(self) -> RejectCounts | None:
        if self._opened("rejects.parquet") is None:
            return None
        counts = RejectCounts()
        try:
            for frame in self._frames("rejects.parquet"):
                counts.add(frame)
        except (pa.ArrowException, OSError, ValueError, TypeError, LookupError):
            return None
        return counts


def _named(file: str, check: Callable[[], Iterable[tuple[str, str]]]) -> Iterator[Finding]:
    return (Finding(file, where, what) for where, what in check())


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def _hash(path: Path) -> str | None:
    try:
        return sha256_of(path) if path.is_file() else None
    except OSError:
        return None
