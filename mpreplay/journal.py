"""The file that remembers every step of a run. A shell: the only import of sqlite3.

It decides nothing: it writes what it is told, and reads it back as frames.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa

from .errors import JournalError
from .protocol import return_code
from .results import FATES, REJECT_COLUMNS, RESULT_COLUMNS, books_frame, typed

if TYPE_CHECKING:
    from .preparing import Tally
    from .session import Settled

__all__ = ["FORMAT", "Journal", "JournalReader", "read_journal"]

FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY, parent_id TEXT, slab INTEGER, chunk INTEGER,
    n_entries INTEGER, n_values INTEGER, n_bytes INTEGER, first_time INTEGER, last_time INTEGER,
    digest TEXT, outcome TEXT, code INTEGER, message TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER, latency REAL
);
CREATE TABLE tallies (
    product_key TEXT, device_key TEXT, day INTEGER, fate TEXT, n INTEGER NOT NULL,
    UNIQUE (product_key, device_key, day, fate)
);
CREATE TABLE rejects (number INTEGER PRIMARY KEY, n INTEGER NOT NULL, frame BLOB NOT NULL);
"""
NO_DAY: Final = -(1 << 40)  # stands for a day that could not be read, since NULLs are never equal


class Journal:
    """Writes what happens in a run.

    Parameters
    ----------
    path : Path
        A file that does not exist yet.

    Raises
    ------
    JournalError
        If the file exists, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise JournalError(
                f"{path}: there is a file already; give a journal another name, or a folder. "
                "mpreplay.open_run() reads the run in it"
            )
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise JournalError(f"{path}: the journal cannot be written ({error})") from error
        self.note(format=FORMAT)

    def note(self, **facts: Any) -> None:
        """Remember facts of the run, in the place of what was said of them before."""
        with self._together():
            self._db.executemany(
                "INSERT OR REPLACE INTO run VALUES (?, ?)",
                [(key, json.dumps(value, default=str)) for key, value in facts.items()],
            )

    def intend(
        self, requests: Iterable[tuple[Any, ...]], tallies: dict[str, Tally], rejects: pd.DataFrame
    ) -> None:
        """Remember a slab before any of it is sent: its requests, what was read, what is withheld.

        ``requests`` are (request_id, slab, chunk, n_entries, n_values, n_bytes, first_time,
        last_time, digest).
        """
        with self._together():
            self._db.executemany(
                "INSERT INTO requests (request_id, slab, chunk, n_entries, n_values, n_bytes, "
                "first_time, last_time, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                requests,
            )
            self._add(tallies, rejects)

    def settle(
        self,
        settled: Settled,
        sent_at: int | None,
        tallies: dict[str, Tally],
        rejects: pd.DataFrame,
    ) -> None:
        """Remember how a request ended, and so what became of its values."""
        with self._together():
            self._db.execute(
                "UPDATE requests SET outcome = ?, code = ?, message = ?, attempts = ?, "
                "sent_at = ?, latency = ? WHERE request_id = ?",
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
            self._add(tallies, rejects)

    def close(self) -> None:
        """Write everything out and let go of the file."""
        # The journal becomes one file, which can be read where nothing can be written. It stays
        # as it is while another process reads it.
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA busy_timeout = 100")
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    def _add(self, tallies: dict[str, Tally], rejects: pd.DataFrame) -> None:
        self._db.executemany(
            "INSERT INTO tallies VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [
                (product_key, device_key, NO_DAY if day is None else day, fate, int(n))
                for fate, tally in tallies.items()
                for (product_key, device_key, day), n in tally.items()
            ],
        )
        if len(rejects):
            self._db.execute(
                "INSERT INTO rejects (n, frame) VALUES (?, ?)", (len(rejects), _packed(rejects))
            )

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Make several statements one step: all of them are remembered, or none."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise JournalError(f"{self.path}: the journal cannot be written ({error})") from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _packed(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table)
    return sink.getvalue()


_COMPRESSED: Final = pa.ipc.IpcWriteOptions(compression="zstd")


class JournalReader:
    """Reads a journal, also one that is being written.

    Parameters
    ----------
    path : Path
        An existing journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # the working directory may change

    def facts(self) -> dict[str, Any]:
        """Return what is remembered of the run."""
        return {key: json.loads(value) for key, value in self._rows("SELECT key, value FROM run")}

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
                "n_entries, n_values, n_bytes, first_time, last_time FROM requests ORDER BY rowid"
            )
        ]  # fmt: skip
        return typed(rows, RESULT_COLUMNS)

    def iter_rejects(self) -> Iterator[pd.DataFrame]:
        """Yield rejects as they were recorded, a frame at a time."""
        for (blob,) in self._rows("SELECT frame FROM rejects ORDER BY number"):
            with pa.ipc.open_stream(blob) as reader:
                yield reader.read_all().to_pandas().astype(REJECT_COLUMNS)

    def n_rejects(self) -> int:
        """Return how many rejects there are."""
        return int(next(self._rows("SELECT coalesce(sum(n), 0) FROM rejects"))[0])

    def books(self) -> pd.DataFrame:
        """Return one row a device and UTC day."""
        tallies: dict[str, Tally] = {fate: {} for fate in ("read", *FATES)}
        for product_key, device_key, day, fate, n in self._rows("SELECT * FROM tallies"):
            tallies[fate][product_key, device_key, None if day == NO_DAY else day] = n
        return books_frame(tallies)

    def totals(self) -> dict[str, int]:
        """Return how many values were read and how many met each fate."""
        found = dict(self._rows("SELECT fate, sum(n) FROM tallies GROUP BY fate"))
        return {name: int(found.get(name, 0)) for name in ("read", *FATES)}

    def outcomes(self) -> dict[tuple[str, int | None], int]:
        """Return how many requests ended with each outcome and code."""
        query = "SELECT outcome, code, count(*) FROM requests GROUP BY outcome, code"
        return {(outcome or "in_doubt", code): int(n) for outcome, code, n in self._rows(query)}

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as db:
                yield from db.execute(query)
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: not a journal that can be read ({error})") from error


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
