"""The journal: a file with every step of a run. A shell.

The journal decides nothing: each step is written before the next step relies on it. Reading the
journal as frames is done in ``reader``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import JournalError
from ..outcome.packed_counts import Names, pack_tally
from ..outcome.sent_counts import pack_requests
from ..outcome.touched import touched_of
from ..requests.succession import Kept
from ..requests.tallies import total_of
from .damage import check_intact
from .packing import packed
from .private import create_private
from .reader import FORMAT, OPEN_ENDED, JournalReader
from .unfinished import Intent, Unfinished

if TYPE_CHECKING:
    import pyarrow as pa

    from ..outcome.settled import Settled
    from ..requests.chunk import Chunk, Prepared
    from ..requests.tallies import Counted

__all__ = ["Journal"]

# Every change of state is one transaction; synchronous NORMAL under WAL survives the death of the
# process at any moment. A power loss may cost the last transactions; their requests are sent again.
_SCHEMA: Final = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE slabs (
    number INTEGER PRIMARY KEY, n_rows INTEGER NOT NULL, n_empty INTEGER NOT NULL,
    rest INTEGER NOT NULL, since INTEGER
);
CREATE TABLE devices (
    number INTEGER PRIMARY KEY, product_key TEXT NOT NULL, device_key TEXT NOT NULL
);
CREATE TABLE points (number INTEGER PRIMARY KEY, identifier TEXT NOT NULL);
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY, parent_id TEXT, slab INTEGER NOT NULL, cuts TEXT NOT NULL,
    n_entries INTEGER NOT NULL, n_values INTEGER NOT NULL, n_bytes INTEGER NOT NULL,
    first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, digest TEXT NOT NULL,
    outcome TEXT, code INTEGER, message TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER, latency REAL, touched BLOB NOT NULL
);
CREATE INDEX open_requests ON requests (slab) WHERE outcome IS NULL;
CREATE TABLE tallies (
    owner TEXT NOT NULL, fate TEXT NOT NULL, n INTEGER NOT NULL, counts BLOB NOT NULL
);
CREATE INDEX tallies_of ON tallies (owner);
CREATE TABLE rejects (
    number INTEGER PRIMARY KEY, owner TEXT NOT NULL, n INTEGER NOT NULL, frame BLOB NOT NULL
);
CREATE INDEX rejects_of ON rejects (owner);
"""
_ADD_REQUEST: Final = (
    "INSERT INTO requests (request_id, parent_id, slab, cuts, n_entries, n_values, n_bytes, "
    "first_time, last_time, digest, touched) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADD_TALLY: Final = "INSERT INTO tallies VALUES (?, ?, ?, ?)"


class Journal:
    """Writer of a run's steps.

    Parameters
    ----------
    path : Path
        A new file, or the journal of an unfinished run.

    Raises
    ------
    JournalError
        If the file cannot be written or is not a journal; a damaged journal is set aside first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Called at each step for the counts of the run, which are recorded with the step.
        self.counting: Callable[[], dict[str, int]] = dict
        self._counted: dict[str, int] = {}
        self._opened: sqlite3.Connection | None = None
        self._is_joining = False
        # A run that died before its first step has left a file without a table.
        is_there = path.exists() and path.stat().st_size
        self.is_new = not is_there or not check_intact(path)
        self._names = Names() if self.is_new else JournalReader(path).names()
        self._named = len(self._names.devices), len(self._names.points)
        if not self.is_new:
            self._open()

    def begin(self, **facts: Any) -> None:
        """Make the tables and record the facts of the run, in one step: the first that writes."""
        self._open()
        with self._together():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._note({"format": FORMAT, **facts})

    def note(self, **facts: Any) -> None:
        """Record facts of the run, replacing earlier values."""
        with self._together():
            self._note(facts)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Record several steps in one transaction; if an error ends them, those before it."""
        self._is_joining = True
        try:
            yield
        finally:
            self._is_joining = False
            if self._opened is not None and self._opened.in_transaction:
                with self._undone("ROLLBACK"):
                    self._commit()

    def intend(
        self,
        prepared: Prepared,
        intents: Iterable[tuple[str, Chunk, str, int]],
        tallies: Mapping[str, Counted],
        rejects: pa.Table,
    ) -> None:
        """Record a slab before sending: its requests, the tallies of its values, its rejects.

        ``intents`` are (request id, chunk, digest, bytes).
        """
        with self._together():
            self._db.execute(
                "INSERT INTO slabs VALUES (?, ?, ?, ?, ?)",
                (prepared.number, prepared.n_taken, prepared.n_empty, *Kept.of(prepared)),
            )
            self._add_requests(None, intents)
            self._add(f"slab {prepared.number}", tallies, rejects)

    def settle(
        self,
        settled: Settled,
        sent_at: int | None,
        corrections: Mapping[str, Counted],
        rejects: pa.Table,
    ) -> None:
        """Record the end of a request and the fate of its values.

        All values share the request's outcome; ``corrections`` are added to the tallies.
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
        """Record that a request was taken apart, and its parts."""
        with self._together():
            self._end(settled, sent_at)
            self._db.execute("DELETE FROM tallies WHERE owner = ?", (settled.request_id,))
            self._add_requests(settled.request_id, intents)

    def take_up(self) -> Unfinished:
        """Reopen requests left in doubt or unsent by an earlier run; return the run's state."""
        open_requests: dict[int, list[Intent]] = {}
        with self._together():
            for slab, request_id, cuts, digest, n_bytes, in_doubt in self._db.execute(
                "SELECT slab, request_id, cuts, digest, n_bytes, outcome IS NOT 'not_sent' "
                f"FROM requests WHERE outcome IS NULL OR outcome IN {OPEN_ENDED} ORDER BY rowid"
            ):
                intent = Intent(request_id, cuts, digest, n_bytes, bool(in_doubt))
                open_requests.setdefault(slab, []).append(intent)
            chosen = f"(SELECT request_id FROM requests WHERE outcome IN {OPEN_ENDED})"
            self._db.execute(f"UPDATE tallies SET fate = 'open' WHERE owner IN {chosen}")
            self._db.execute(f"DELETE FROM rejects WHERE owner IN {chosen}")
            self._db.execute(f"UPDATE requests SET outcome = NULL WHERE outcome IN {OPEN_ENDED}")
        slabs = {n: Kept(*facts) for n, facts in JournalReader(self.path).slabs().items()}
        (last_id,) = self._db.execute(
            "SELECT request_id FROM requests ORDER BY CAST(request_id AS INTEGER) DESC LIMIT 1"
        ).fetchone() or ("",)
        counts = JournalReader(self.path).facts().get("counts", {})
        spent: dict[tuple[int, str], int] = {}
        for slab, cuts in self._db.execute("SELECT slab, cuts FROM requests WHERE parent_id > ''"):
            if slab in open_requests:
                root = slab, cuts.partition("/")[0]
                spent[root] = spent.get(root, 0) + 1
        settled = frozenset(slabs.keys() - open_requests.keys())
        return Unfinished(settled, open_requests, last_id, counts, spent, slabs)

    def close(self) -> None:
        """Write everything out and close the file, without leaving ``-wal`` and ``-shm`` files."""
        if self._opened is None:
            return
        # In WAL mode a reader leaves two more files beside the journal; a copy would lack them.
        with suppress(sqlite3.Error):  # another process reads the file; the next close tidies up
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            raise JournalError(f"{self.path}: the run in this journal has not begun")
        return self._opened

    def _open(self) -> None:
        try:
            create_private(self.path)  # SQLite gives its own files the mode of this one
            self._opened = sqlite3.connect(self.path, isolation_level=None)
            self._opened.execute("PRAGMA journal_mode = WAL")
            self._opened.execute("PRAGMA synchronous = NORMAL")
            # Opens the log: else what a reader makes of it would stay behind.
            self._opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"{self.path}: the journal cannot be written ({error})") from error

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
        intents = list(intents)
        chunks = [chunk for _, chunk, *_ in intents]
        # The touched points are recorded before sending: a killed process records no more.
        rows = zip(intents, touched_of(chunks, self._names), strict=True)
        self._db.executemany(
            _ADD_REQUEST,
            [
                (one, parent, chunk.slab, chunk.cuts, *_sizes(chunk, n_bytes), digest, touched)
                for (one, chunk, digest, n_bytes), touched in rows
            ],
        )
        tallies = zip(intents, pack_requests(chunks, self._names), strict=True)
        self._db.executemany(
            _ADD_TALLY, [(one, "open", n, counts) for (one, *_), (n, counts) in tallies if n]
        )

    def _add(self, owner: str, tallies: Mapping[str, Counted], rejects: pa.Table) -> None:
        self._add_tallies(owner, tallies)
        if len(rejects):
            self._db.execute(
                "INSERT INTO rejects (owner, n, frame) VALUES (?, ?, ?)",
                (owner, len(rejects), packed(rejects)),
            )

    def _add_tallies(self, owner: str, tallies: Mapping[str, Counted]) -> None:
        self._db.executemany(
            _ADD_TALLY,
            [
                (owner, fate, total_of(tally), pack_tally(tally, self._names))
                for fate, tally in tallies.items()
                if tally
            ],
        )

    def _add_names(self) -> tuple[int, int]:
        """Record the devices and points named for the first time; return how many are recorded."""
        devices, points = self._names.devices, self._names.points
        if self._named != (len(devices), len(points)):
            n_devices, n_points = self._named
            new_devices = islice(devices, n_devices, None)
            rows = [(n, *key) for n, key in enumerate(new_devices, n_devices)]
            self._db.executemany("INSERT INTO devices VALUES (?, ?, ?)", rows)
            new_points = islice(points, n_points, None)
            self._db.executemany(
                "INSERT INTO points VALUES (?, ?)", enumerate(new_points, n_points)
            )
        return len(devices), len(points)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Run several statements as a single step: all are recorded, or none."""
        is_joined = self._is_joining
        with self._undone("ROLLBACK TO step" if is_joined else "ROLLBACK"):
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            if is_joined:
                self._db.execute("SAVEPOINT step")
            yield
            if is_joined:
                self._db.execute("RELEASE step")
            else:
                self._commit()

    @contextmanager
    def _undone(self, how: str) -> Iterator[None]:
        """Undo what an error leaves half done."""
        try:
            yield
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute(how)
            if isinstance(error, sqlite3.Error):
                told = f"{self.path}: the journal cannot be written ({error})"
                raise JournalError(told) from error
            raise

    def _commit(self) -> None:
        """Record the steps since the last commit, with the counts of the run."""
        named = self._add_names()
        if (counts := self.counting()) != self._counted:
            self._note({"counts": counts})
            self._counted = counts
        self._db.execute("COMMIT")
        self._named = named


def _sizes(chunk: Chunk, n_bytes: int) -> tuple[int, int, int, int, int]:
    """Return entries, values, bytes, first and last time of a request."""
    return chunk.n_entries, chunk.n_values, n_bytes, *chunk.times
