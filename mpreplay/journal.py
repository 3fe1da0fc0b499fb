"""The file that remembers every step of a run. A shell: the only import of sqlite3.

It decides nothing: it writes what it is told, before the next step relies on it, and reads it back.
Reading it as frames is ``JournalReader``'s.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa

from .errors import JournalError
from .protocol import return_code
from .results import FATES, REJECT_COLUMNS, RESULT_COLUMNS, books_frame, typed

if TYPE_CHECKING:
    from .preparing import Chunk, Prepared, Tally
    from .session import Settled

__all__ = ["FORMAT", "Intent", "Journal", "JournalReader", "Unfinished", "read_journal"]

FORMAT: Final = 2
# Every change of state is one transaction; synchronous NORMAL under WAL survives the death of the
# process at any moment. A power loss may cost the last moments, which are then sent again.
_SCHEMA: Final = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE slabs (number INTEGER PRIMARY KEY, n_rows INTEGER NOT NULL, n_empty INTEGER NOT NULL);
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY, parent_id TEXT, slab INTEGER NOT NULL, path TEXT NOT NULL,
    n_entries INTEGER NOT NULL, n_values INTEGER NOT NULL, n_bytes INTEGER NOT NULL,
    first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, digest TEXT NOT NULL,
    outcome TEXT, code INTEGER, message TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER, latency REAL
);
CREATE INDEX open_requests ON requests (slab) WHERE outcome IS NULL;
CREATE TABLE tallies (
    owner TEXT NOT NULL, product_key TEXT NOT NULL, device_key TEXT NOT NULL, day INTEGER,
    fate TEXT NOT NULL, n INTEGER NOT NULL
);
CREATE INDEX tallies_of ON tallies (owner);
CREATE TABLE rejects (
    number INTEGER PRIMARY KEY, owner TEXT NOT NULL, n INTEGER NOT NULL, frame BLOB NOT NULL
);
CREATE INDEX rejects_of ON rejects (owner);
"""
# Whether a value of a request that has not settled arrived is in doubt.
_FATE: Final = "CASE fate WHEN 'open' THEN 'in_doubt' ELSE fate END"
_MAGIC: Final = b"SQLite format 3\0"
# Outcomes that a later attempt may still change.
_OPEN_ENDED: Final = "('in_doubt', 'not_sent')"
_ADD_REQUEST: Final = (
    "INSERT INTO requests (request_id, parent_id, slab, path, n_entries, n_values, n_bytes, "
    "first_time, last_time, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Intent(NamedTuple):
    """A request that was written down and has not settled."""

    request_id: str
    path: str
    digest: str
    n_bytes: int
    in_doubt: bool = True  # it may have been sent; only an end in order says that it was not


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a journal knows of a run that is to be continued; empty for a new one.

    Parameters
    ----------
    settled_slabs : set of int
        Slabs all of whose requests have settled.
    open_requests : dict of int to list of Intent
        By slab, the requests that have not.
    last_id : str
        The latest request id, or the empty text.
    counts : dict of str to int
        What was counted before.
    """

    settled_slabs: frozenset[int] = frozenset()
    open_requests: dict[int, list[Intent]] = field(default_factory=dict)
    last_id: str = ""
    counts: dict[str, int] = field(default_factory=dict)


class Journal:
    """Writes what happens in a run.

    Parameters
    ----------
    path : Path
        A file that does not exist yet, or the journal of a run that is to be continued.

    Raises
    ------
    JournalError
        If it cannot be written, or is no journal; a damaged one is set aside first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_new = not path.exists() or path.stat().st_size == 0
        if not self.is_new:
            _check_intact(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            # A run that died before its first step has left a file without a table.
            self.is_new = self.is_new or not self._tables()
            self.has_begun = not self.is_new
        except sqlite3.Error as error:
            raise JournalError(f"{path}: the journal cannot be written ({error})") from error

    def begin(self, **facts: Any) -> None:
        """Make the tables and remember what the run is, in one step."""
        with self._together():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._note({"format": FORMAT, **facts})
        self.has_begun = True

    def note(self, **facts: Any) -> None:
        """Remember facts of the run, in the place of what was said of them before."""
        with self._together():
            self._note(facts)

    def intend(
        self,
        prepared: Prepared,
        intents: Iterable[tuple[str, Chunk, str, int]],
        tallies: dict[str, Tally],
        rejects: pd.DataFrame,
    ) -> None:
        """Remember a slab before any of it is sent: its requests, what was read, what is withheld.

        ``intents`` are (request id, chunk, digest, bytes).
        """
        with self._together():
            self._db.execute(
                "INSERT INTO slabs VALUES (?, ?, ?)",
                (prepared.number, prepared.n_rows, prepared.n_empty),
            )
            self._add_requests(None, intents)
            self._add(f"slab {prepared.number}", tallies, rejects)

    def settle(
        self,
        settled: Settled,
        sent_at: int | None,
        corrections: dict[str, Tally],
        rejects: pd.DataFrame,
    ) -> None:
        """Remember how a request ended, and so what became of its values.

        All of them meet the request's outcome, save for ``corrections``, which are added.
        """
        with self._together():
            self._end(settled, sent_at)
            self._db.execute(
                "UPDATE tallies SET fate = ? WHERE owner = ?",
                (settled.outcome, settled.request_id),
            )
            self._add(settled.request_id, corrections, rejects)

    def divide(
        self,
        settled: Settled,
        sent_at: int | None,
        intents: Iterable[tuple[str, Chunk, str, int]],
    ) -> None:
        """Remember that a request was taken apart, and its parts."""
        with self._together():
            self._end(settled, sent_at)
            self._db.execute("DELETE FROM tallies WHERE owner = ?", (settled.request_id,))
            self._add_requests(settled.request_id, intents)

    def take_up(self) -> Unfinished:
        """Reopen what an earlier run left in doubt or unsent, and return what is known of it."""
        open_requests: dict[int, list[Intent]] = {}
        with self._together():
            for slab, request_id, path, digest, n_bytes, in_doubt in self._db.execute(
                "SELECT slab, request_id, path, digest, n_bytes, outcome IS NOT 'not_sent' "
                f"FROM requests WHERE outcome IS NULL OR outcome IN {_OPEN_ENDED} ORDER BY rowid"
            ):
                intent = Intent(request_id, path, digest, n_bytes, bool(in_doubt))
                open_requests.setdefault(slab, []).append(intent)
            chosen = f"(SELECT request_id FROM requests WHERE outcome IN {_OPEN_ENDED})"
            self._db.execute(f"UPDATE tallies SET fate = 'open' WHERE owner IN {chosen}")
            self._db.execute(f"DELETE FROM rejects WHERE owner IN {chosen}")
            self._db.execute(f"UPDATE requests SET outcome = NULL WHERE outcome IN {_OPEN_ENDED}")
        slabs = {number for (number,) in self._db.execute("SELECT number FROM slabs")}
        (last_id,) = self._db.execute(
            "SELECT request_id FROM requests ORDER BY CAST(request_id AS INTEGER) DESC LIMIT 1"
        ).fetchone() or ("",)
        counts = JournalReader(self.path).facts().get("counts", {})
        return Unfinished(frozenset(slabs - set(open_requests)), open_requests, last_id, counts)

    def close(self) -> None:
        """Write everything out and let go of the file; what stood beside it goes."""
        # A reader of a file in WAL mode leaves two files beside it, which a copy would lack.
        with suppress(sqlite3.Error):  # somebody reads it now; the next to close it tidies up
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    def _tables(self) -> set[str]:
        found = self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in found}

    def _note(self, facts: dict[str, Any]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO run VALUES (?, ?)",
            [(key, json.dumps(value, default=str)) for key, value in facts.items()],
        )

    def _end(self, settled: Settled, sent_at: int | None) -> None:
        self._db.execute(
            "UPDATE requests SET outcome = ?, code = ?, message = ?, attempts = attempts + ?, "
            "sent_at = coalesce(?, sent_at), latency = ? WHERE request_id = ?",
            (
                settled.outcome,
                settled.code,
                settled.message,
                settled.attempts,
                sent_at,
                settled.latency,
                settled.request_id,
            ),
        )

    def _add_requests(
        self, parent: str | None, intents: Iterable[tuple[str, Chunk, str, int]]
    ) -> None:
        for request_id, chunk, digest, n_bytes in intents:
            sizes = (chunk.n_entries, chunk.n_values, n_bytes)
            row = (request_id, parent, chunk.slab, chunk.path, *sizes, *chunk.times, digest)
            self._db.execute(_ADD_REQUEST, row)
            self._add_tallies(request_id, {"open": chunk.tally()})

    def _add(self, owner: str, tallies: dict[str, Tally], rejects: pd.DataFrame) -> None:
        self._add_tallies(owner, tallies)
        if len(rejects):
            self._db.execute(
                "INSERT INTO rejects (owner, n, frame) VALUES (?, ?, ?)",
                (owner, len(rejects), _packed(rejects)),
            )

    def _add_tallies(self, owner: str, tallies: dict[str, Tally]) -> None:
        self._db.executemany(
            "INSERT INTO tallies VALUES (?, ?, ?, ?, ?, ?)",
            [
                (owner, product_key, device_key, day, fate, int(n))
                for fate, tally in tallies.items()
                for (product_key, device_key, day), n in tally.items()
            ],
        )

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Make several statements one step: all of them are remembered, or none."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: the journal cannot be written ({error})") from error
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _check_intact(path: Path) -> None:
    """Set a damaged journal aside, and say so: it is never written over.

    A file that is something else is left alone.
    """
    with path.open("rb") as file:
        begin = file.read(len(_MAGIC))
        if begin != _MAGIC and begin.strip(b"\0"):  # zeros are what a power cut may leave
            raise JournalError(
                f"{path}: this is no journal, and was left as it is; give the journal another name"
            )
    try:
        with closing(_read_only(path)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        damage = "" if found == "ok" else "; ".join(str(found).splitlines())
        if not damage and tables and not {"run", "requests", "tallies"} <= tables:
            raise JournalError(
                f"{path}: this is a database, but no journal of mpreplay; give the journal another "
                "name"
            )
    except sqlite3.DatabaseError as error:
        damage = str(error)
    if damage:
        aside = _set_aside(path)
        raise JournalError(
            f"{path}: the journal is damaged ({damage}) and was set aside as {aside.name}. Nothing "
            "was sent. Run again to begin anew: sending values twice does no harm"
        )


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):  # the file itself last, so that a crash repeats the search
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _packed(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table)
    packed = sink.getvalue()
    return hashlib.blake2b(packed, digest_size=CHECKSUM).digest() + packed


def _unpacked(blob: bytes) -> pd.DataFrame:
    """Return a packed frame; Arrow trusts what it reads, and a flipped bit can end the process."""
    checksum, packed = blob[:CHECKSUM], blob[CHECKSUM:]
    if hashlib.blake2b(packed, digest_size=CHECKSUM).digest() != checksum:
        raise ValueError("the record of a reject is damaged")
    with pa.ipc.open_stream(packed) as reader:
        return typed(reader.read_all().to_pandas(), REJECT_COLUMNS)


CHECKSUM: Final = 16  # bytes
_COMPRESSED: Final = pa.ipc.IpcWriteOptions(compression="zstd")


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say which file it is that holds what no journal holds."""
    try:
        yield
    except (sqlite3.Error, pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise JournalError(f"{path}: not a journal that can be read ({error})") from error


class JournalReader:
    """Reads a journal, also one that is being written.

    Parameters
    ----------
    path : Path
        An existing journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def facts(self) -> dict[str, Any]:
        """Return what is remembered of the run."""
        with _readable(self.path):
            rows = self._rows("SELECT key, value FROM run")
            return {key: json.loads(value) for key, value in rows}

    def results(self) -> pd.DataFrame:
        """Return one row a request."""
        gateway = self.facts().get("gateway", "")
        rows = [
            (
                request_id, parent_id, gateway, *sizes, attempts, code,
                None if code is None else return_code(code).meaning, outcome or "in_doubt", sent_at,
                latency,
            )
            for (
                request_id, parent_id, attempts, code, outcome, sent_at, latency, *sizes
            ) in self._rows(
                "SELECT request_id, parent_id, attempts, code, outcome, sent_at, latency, "
                "n_entries, n_values, n_bytes, first_time, last_time FROM requests "
                "ORDER BY slab, rowid"
            )
        ]  # fmt: skip
        with _readable(self.path):
            return typed(rows, RESULT_COLUMNS)

    def iter_rejects(self) -> Iterator[pd.DataFrame]:
        """Yield rejects as they were recorded, a frame at a time."""
        for (blob,) in self._rows("SELECT frame FROM rejects ORDER BY number"):
            with _readable(self.path):
                frame = _unpacked(blob)
            yield frame

    def n_rejects(self) -> int:
        """Return how many rejects there are."""
        return int(next(self._rows("SELECT coalesce(sum(n), 0) FROM rejects"))[0])

    def books(self) -> pd.DataFrame:
        """Return one row a device and UTC day; what has not settled yet is in doubt."""
        tallies: dict[str, Tally] = {fate: {} for fate in ("read", *FATES)}
        query = (
            f"SELECT product_key, device_key, day, {_FATE}, sum(n) FROM tallies GROUP BY 1, 2, 3, 4"
        )
        with _readable(self.path):
            for product_key, device_key, day, fate, n in self._rows(query):
                tallies[fate][product_key, device_key, day] = n
            return books_frame(tallies)

    def totals(self) -> dict[str, int]:
        """Return how many values were read and how many met each fate."""
        found = dict(self._rows(f"SELECT {_FATE}, sum(n) FROM tallies GROUP BY 1"))
        return {name: int(found.get(name, 0)) for name in ("read", *FATES)}

    def outcomes(self) -> dict[tuple[str, int | None], int]:
        """Return how many requests ended with each outcome and code."""
        query = "SELECT outcome, code, count(*) FROM requests GROUP BY outcome, code"
        return {(outcome or "in_doubt", code): int(n) for outcome, code, n in self._rows(query)}

    def n_open(self) -> int:
        """Return how many requests have no final answer."""
        query = f"SELECT count(*) FROM requests WHERE outcome IS NULL OR outcome IN {_OPEN_ENDED}"
        return int(next(self._rows(query))[0])

    def rows(self) -> tuple[int, int]:
        """Return how many rows were read, and how many of them hold nothing to send."""
        query = "SELECT coalesce(sum(n_rows), 0), coalesce(sum(n_empty), 0) FROM slabs"
        n_rows, n_empty = next(self._rows(query))
        return int(n_rows), int(n_empty)

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        with _readable(self.path), closing(_read_only(self.path)) as db:
            yield from db.execute(query)


def read_journal(path: Path) -> JournalReader:
    """Return a reader of a journal.

    Raises
    ------
    JournalError
        If there is no such file, or it is no journal of this version.
    """
    if not path.is_file():
        raise JournalError(f"{path}: there is no journal")
    reader = JournalReader(path)
    found = reader.facts().get("format")
    if found != FORMAT:
        raise JournalError(f"{path}: a journal of format {found}; this version reads {FORMAT}")
    return reader
