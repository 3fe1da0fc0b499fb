"""Reading a journal as facts and frames, also while a run writes to the file. A shell."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import pandas as pd
import pyarrow as pa

from ..errors import JournalError, MpReplayError
from ..frames import FATES, RESULT_COLUMNS, typed
from ..outcome.books import Books
from ..outcome.packed_counts import Names
from ..outcome.reject_table import reject_frame, within_years
from ..protocol.codes import return_code
from .packing import unpacked

__all__ = [
    "FORMAT",
    "OPEN_ENDED",
    "JournalReader",
    "of_journal",
    "open_read_only",
    "read_journal",
    "readable",
    "run_id_of",
]

P = ParamSpec("P")
R = TypeVar("R")

FORMAT: Final = 6
AT_ONCE: Final = 65_536  # rejects a frame
# Values of a request that has not settled are in doubt.
_FATE: Final = "CASE fate WHEN 'open' THEN 'in_doubt' ELSE fate END"
# Requests with values that have arrived, or may have arrived.
_ARRIVED: Final = (
    "SELECT coalesce(outcome, 'in_doubt'), {} FROM requests "
    "WHERE outcome IS NULL OR outcome IN ('accepted', 'in_doubt') ORDER BY slab, rowid"
)
# The facts of a request in its line of an audit's hash chain.
_PROOF: Final = (
    "request_id",
    "parent_id",
    "digest",
    "code",
    "outcome",
    "attempts",
    "n_values",
    "sent_at",
)
# Outcomes that a later attempt may still change.
OPEN_ENDED: Final = "('in_doubt', 'not_sent')"


class JournalReader:
    """Reader of a journal, also while a run writes to the file.

    Parameters
    ----------
    path : Path
        An existing journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def facts(self) -> dict[str, Any]:
        """Return the facts of the run, by name."""
        from .forms import check_facts

        with _readable(self.path):
            rows = self.select("SELECT key, value FROM run")
            facts = {key: json.loads(value) for key, value in rows}
            if facts.get("format") == FORMAT:  # others are shown by their number
                check_facts(facts)
            return facts

    def results(self) -> pd.DataFrame:
        """Return one row per request."""
        gateway = self.facts().get("gateway", "")
        rows = [
            (
                request_id,
                parent_id,
                gateway,
                *sizes,
                attempts,
                code,
                None if code is None else return_code(code).meaning,
                outcome or "in_doubt",
                sent_at,
                latency,
            )
            for (
                request_id,
                parent_id,
                attempts,
                code,
                outcome,
                sent_at,
                latency,
                *sizes,
            ) in self.select(
                "SELECT request_id, parent_id, attempts, code, outcome, sent_at, latency, "
                "n_entries, n_values, n_bytes, first_time, last_time FROM requests "
                "ORDER BY slab, rowid"
            )
        ]
        with _readable(self.path):
            return typed(rows, RESULT_COLUMNS)

    def iter_reject_tables(self) -> Iterator[pa.Table]:
        """Yield rejects in the order of recording, a table for each slab and request."""
        for (blob,) in self.select("SELECT frame FROM rejects ORDER BY number"):
            with _readable(self.path):
                table = within_years(unpacked(blob))
            yield table

    def iter_reject_batches(self) -> Iterator[pa.Table]:
        """Yield rejects as they were recorded, at least 65,536 at a time but for the last."""
        kept: list[pa.Table] = []
        for table in self.iter_reject_tables():
            kept.append(table)
            if sum(map(len, kept)) >= AT_ONCE:
                yield pa.concat_tables(kept)
                kept.clear()
        if kept:
            yield pa.concat_tables(kept)

    def iter_rejects(self) -> Iterator[pd.DataFrame]:
        """Yield rejects as the frames that users see."""
        allows = allows_offline(self.facts())
        for batch in self.iter_reject_batches():
            with _readable(self.path):
                frame = reject_frame(batch, allows_offline=allows)
            yield frame

    def n_rejects(self) -> int:
        """Return the number of rejects."""
        return int(next(self.select("SELECT coalesce(sum(n), 0) FROM rejects"))[0])

    def books(self) -> pd.DataFrame:
        """Return one row per device and UTC day; values not settled count as in doubt."""
        books = self.book_parts()
        with _readable(self.path):
            return books.frame()

    def book_parts(self) -> Books:
        """Return the books as an iterable of frames, for very many devices and days."""
        with _readable(self.path):
            rows = self.select(f"SELECT {_FATE}, counts FROM tallies")
            return Books(rows, list(self.names().devices))

    def names(self) -> Names:
        """Return the devices and points by which tallies and touched ranges name them."""
        devices = self.select("SELECT product_key, device_key, number FROM devices ORDER BY number")
        points = self.select("SELECT identifier, number FROM points ORDER BY number")
        return Names({(product, key): n for product, key, n in devices}, dict(points))

    def slabs(self) -> dict[int, tuple[int, int | None]]:
        """Return the slabs written down: entries that waited, first slab with waiting entries."""
        rows = self.select("SELECT number, rest, since FROM slabs")
        return {number: (n_entries, since) for number, n_entries, since in rows}

    def touched(self) -> pd.DataFrame:
        """Return one row per device and point with values that arrived or may have arrived."""
        from ..outcome.touched import touched_frame

        skips = self.facts().get("fingerprint", {}).get("skip_invalid_measurepoints", False)
        with _readable(self.path):
            rows = self.select(_ARRIVED.format("touched"))
            return touched_frame(rows, self.names(), skips=bool(skips))

    def arrived(self) -> list[tuple[int, str, str, str, str]]:
        """Return the accepted and doubtful requests: slab, id, cuts, digest, outcome."""
        query = _ARRIVED.format("slab, request_id, cuts, digest")
        return [(slab, *told, outcome) for outcome, slab, *told in self.select(query)]

    def totals(self) -> dict[str, int]:
        """Return the number of values read and the number of values of each fate."""
        found = dict(self.select(f"SELECT {_FATE}, sum(n) FROM tallies GROUP BY 1"))
        return {name: int(found.get(name, 0)) for name in ("read", *FATES)}

    def n_settled(self) -> int:
        """Return the number of values that are accepted, declined or withheld."""
        totals = self.totals()
        return totals["accepted"] + totals["declined"] + totals["withheld"]

    def outcomes(self) -> dict[tuple[str, int | None], int]:
        """Return the number of requests with each outcome and code."""
        query = "SELECT outcome, code, count(*) FROM requests GROUP BY outcome, code"
        return {(outcome or "in_doubt", code): int(n) for outcome, code, n in self.select(query)}

    def n_extra(self) -> int:
        """Return the number of parts of requests that were sent."""
        query = "SELECT count(*) FROM requests WHERE parent_id IS NOT NULL AND attempts > 0"
        return int(next(self.select(query))[0])

    def open_ended(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of requests without a final answer and of their values, by outcome.

        ``open`` is the outcome of requests not settled; equal copies count as values.
        """
        query = (
            "SELECT coalesce(outcome, 'open'), count(*), "
            "sum((SELECT sum(n) FROM tallies WHERE owner = request_id)) FROM requests "
            f"WHERE outcome IS NULL OR outcome IN {OPEN_ENDED} GROUP BY 1"
        )
        return {outcome: (int(n), int(values or 0)) for outcome, n, values in self.select(query)}

    def span(self) -> tuple[int | None, int | None]:
        """Return the first and the last time of the values in requests, in milliseconds."""
        first, last = next(self.select("SELECT min(first_time), max(last_time) FROM requests"))
        return first, last

    def n_devices(self) -> int:
        """Return the number of devices of which values were read."""
        query = "SELECT count(*) FROM devices WHERE device_key != ''"
        return int(next(self.select(query))[0])

    def n_open(self) -> int:
        """Return the number of requests without a final answer."""
        query = f"SELECT count(*) FROM requests WHERE outcome IS NULL OR outcome IN {OPEN_ENDED}"
        return int(next(self.select(query))[0])

    def iter_requests(self) -> Iterator[dict[str, Any]]:
        """Yield the facts that prove a request, in the order of the results; some are ``open``."""
        query = f"SELECT {', '.join(_PROOF)} FROM requests ORDER BY slab, rowid"
        for row in self.select(query):
            request = dict(zip(_PROOF, row, strict=True))
            yield {**request, "outcome": request["outcome"] or "open"}

    def copied(self, path: Path) -> JournalReader:
        """Copy the journal as of a single moment, also while a run writes to the file.

        Frames are read one after the other; without a copy, the frames of a run under way would
        contradict each other.
        """
        quoted = str(path).replace("'", "''")
        list(self.select(f"VACUUM INTO '{quoted}'"))
        return JournalReader(path)

    def rows(self) -> tuple[int, int]:
        """Return the number of rows read, and the number of rows without a value to send."""
        query = "SELECT coalesce(sum(n_rows), 0), coalesce(sum(n_empty), 0) FROM slabs"
        n_rows, n_empty = next(self.select(query))
        return int(n_rows), int(n_empty)

    def select(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""
        with _readable(self.path), closing(open_read_only(self.path)) as db:
            yield from db.execute(query)


def read_journal(path: Path) -> JournalReader:
    """Return a reader of a journal.

    Raises
    ------
    JournalError
        If there is no such file, or the file is not a journal of this version.
    """
    try:
        is_there = path.is_file()
    except OSError as error:
        raise JournalError(f"{path}: there is no journal ({error.strerror})") from error
    if not is_there:
        raise JournalError(f"{path}: there is no journal")
    reader = JournalReader(path)
    found = reader.facts().get("format")
    if found != FORMAT:
        raise JournalError(f"{path}: a journal of format {found}; this version reads {FORMAT}")
    return reader


def allows_offline(facts: Mapping[str, Any]) -> bool:
    """Return True if the platform was asked to accept data of offline devices."""
    return bool((facts.get("fingerprint") or {}).get("allow_offline_sub_device"))


def run_id_of(facts: dict[str, Any]) -> str:
    """Return the id of a run from its facts."""
    return str(facts.get("run_id") or facts.get("started_at", ""))


def open_read_only(path: Path, *, is_alone: bool = False) -> sqlite3.Connection:
    """Return a read-only connection; without other writers, it leaves no files behind."""
    still = "&immutable=1" if is_alone else ""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{still}", uri=True)


# Errors in the use of a damaged journal: a bit may turn any value into another.
_DAMAGE: Final = (
    sqlite3.Error,
    pa.ArrowException,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise errors over what a journal says as a JournalError with the name of the file."""
    try:
        yield
    except MpReplayError:
        raise
    except _DAMAGE as error:
        raise JournalError(f"{path}: not a journal that can be read ({error})") from error


def of_journal(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function whose first argument is a reader raise JournalError over what it reads."""

    @wraps(function)
    def read(*args: P.args, **options: P.kwargs) -> R:
        journal: Any = args[0]
        with readable(journal.path):
            return function(*args, **options)

    return read


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise errors of reading, those of the file included, as a JournalError."""
    try:
        with readable(path):
            yield
    except OSError as error:
        raise JournalError(f"{path}: not a journal that can be read ({error})") from error
