"""Rejects by cause, gathered table by table, for reports and notebooks of very many rejects.

Pure. Memory grows with the causes, the devices and the points, never with the rejects.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa

from ..display.facts import CHECKS, Cause, Check, Detail
from ..display.reasons import advice, cause_reason, reason_column
from ..display.sentences import names
from ..frames import CAUSE_COLUMNS, REJECT_COLUMNS, typed
from ..journal.reader import allows_offline, of_journal
from ..outcome.advice import advice_of, blame_of
from ..outcome.reject_table import reject_frame

if TYPE_CHECKING:
    from ..journal.reader import JournalReader

__all__ = ["Gathered", "Gathering", "cause_frame", "gather", "gathered_of"]

AT_ONCE: Final = 16_384  # rejects that are gathered together, and their bytes
BYTES_AT_ONCE: Final = 4_000_000
MAX_CAUSES: Final = 200  # kinds of causes; a platform may answer each request in other words
# Bytes of the rows kept of one cause and of all causes; a few rows of each are kept in any case.
BYTES_OF_CAUSE: Final = 2_000_000
BYTES_OF_ALL: Final = 20_000_000
FEWEST: Final = 5
OTHER_REASONS: Final = Detail("check", ("other reasons",))
_KEY: Final = ["outcome", "check", "point", "cause", "advice"]
# A value with its quality, as a frame shows it.
_WITH_QUALITY: Final = r'^\{"value":([^,}]*)(?:,"quality":[^,}]*)?\}$'
_NO_CHECK: Final = Check()


@dataclass(slots=True)
class _Found:
    """The rejects with a common cause, as far as known."""

    n: int = 0
    requests: int = 0
    devices: set[str] = field(default_factory=set)
    points: set[str] = field(default_factory=set)
    times: list[Any] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    code: int | None = None
    detail: Detail | None = None  # of the first reject
    examples: list[pa.Table] = field(default_factory=list)
    n_examples: int = 0
    bytes: int = 0

    def keep(self, table: pa.Table, index: pd.Index, most: int, room: int) -> int:
        """Keep the next rows of a table as examples, and return the bytes that they take."""
        within = min(room, BYTES_OF_CAUSE - self.bytes) // max(1, table.nbytes // len(table))
        wanted = min(most - self.n_examples, max(within, FEWEST - self.n_examples))
        if wanted <= 0:
            return 0
        rows = table.take(pa.array(index[:wanted]))
        self.examples.append(rows)
        self.n_examples += len(rows)
        self.bytes += rows.nbytes
        return int(rows.nbytes)


class Gathered(NamedTuple):
    """Rejects by cause.

    Parameters
    ----------
    causes : list of Cause
        Causes, the most frequent first.
    examples : list of DataFrame
        The first rejects of each cause, as users see them, and ``said``, the reason in words that
        name no argument.
    n_read : int
        Number of rejects read.
    by_point : mapping of (str, str, str) to int
        Number of rejects by product key, point and fate; what a row lacks is the empty text.
    """

    causes: list[Cause]
    examples: list[pd.DataFrame]
    n_read: int
    by_point: Mapping[tuple[str, str, str], int] = MappingProxyType({})


class Gathering:
    """Rejects that are gathered by cause, table after table.

    Small tables wait for others: a table costs as much as thousands of its rows.
    """

    def __init__(self, *, n_examples: int = 5, allows_offline: bool = False) -> None:
        self._n_examples, self._allows_offline = n_examples, allows_offline
        self._found: dict[tuple[Any, ...], _Found] = {}
        self._waiting: list[pa.Table] = []
        self._n_waiting = self._bytes_waiting = self.n_read = self._bytes_kept = 0
        self._by_point: Counter[tuple[str, str, str]] = Counter()

    def add(self, table: pa.Table) -> None:
        """Add rejects."""
        if len(table):
            self._waiting.append(table)
            self._n_waiting += len(table)
            self._bytes_waiting += table.nbytes
            self.n_read += len(table)
        if self._n_waiting >= AT_ONCE or self._bytes_waiting >= BYTES_AT_ONCE:
            self._gather()

    def result(self) -> Gathered:
        """Return the causes so far."""
        self._gather()
        ranked = sorted(self._found.items(), key=lambda item: -item[1].n)
        causes = [_cause(key, one) for key, one in ranked]
        examples = [_examples(one, self._allows_offline) for _, one in ranked]
        return Gathered(causes, examples, self.n_read, self._by_point)

    def _one(self, key: tuple[Any, ...], detail: Detail) -> _Found:
        """Return the place of a cause; beyond so many, causes share one."""
        if key not in self._found and len(self._found) >= MAX_CAUSES:
            outcome, check, _, _, mend = key
            key = (outcome, check, "", OTHER_REASONS, mend)
        return self._found.setdefault(key, _Found(detail=detail))

    def _gather(self) -> None:
        if self._waiting:
            table = pa.concat_tables(self._waiting)
            self._by_point.update(_by_point(table))
            for key, group, detail in _grouped(table, self._allows_offline):
                one = self._one(key, detail)
                _extend(one, group)
                room = BYTES_OF_ALL - self._bytes_kept
                self._bytes_kept += one.keep(table, group.index, self._n_examples, room)
        self._waiting, self._n_waiting, self._bytes_waiting = [], 0, 0


def gather(
    tables: Iterable[pa.Table],
    *,
    n_examples: int = 5,
    at_most: int | None = None,
    allows_offline: bool = False,
) -> Gathered:
    """Return rejects by cause, the most frequent first.

    Parameters
    ----------
    tables : iterable of Table
        Rejects with the facts of their reasons, from a journal.
    n_examples : int, optional
        Number of rows to keep of each cause.
    at_most : int, optional
        Number of rejects after which to stop.
    allows_offline : bool, optional
        True if offline devices were allowed in the run, so that other advice is needed.

    Examples
    --------
    >>> gather([]).n_read
    0
    """
    gathering = Gathering(n_examples=n_examples, allows_offline=allows_offline)
    for table in tables:
        gathering.add(table)
        if at_most is not None and gathering.n_read >= at_most:
            break
    return gathering.result()


@of_journal
def gathered_of(
    reader: JournalReader, *, n_examples: int = 0, at_most: int | None = None
) -> Gathered:
    """Return the rejects of a run by cause, with the advice that fits the run."""
    facts = reader.facts()
    found = gather(
        reader.iter_reject_batches(),
        n_examples=n_examples,
        at_most=at_most,
        allows_offline=allows_offline(facts),
    )
    n_unsent, n_requests = reader.open_ended().get("not_sent", (0, 0))[::-1]
    if not n_unsent or not facts.get("is_kept", True):  # else they are rejects as all others
        return found
    parts = (part[part["not_sent"] > 0] for part in reader.book_parts())
    devices = {device for part in parts for device in part["device_key"].unique()}
    causes = [*found.causes, _unsent(n_unsent, n_requests, devices)]
    order = sorted(range(len(causes)), key=lambda at: -causes[at].n)
    examples = [*found.examples, _none_kept()]
    return found._replace(
        causes=[causes[at] for at in order], examples=[examples[at] for at in order]
    )


def _unsent(n: int, requests: int, devices: set[str]) -> Cause:
    """Return the cause of values never sent, which a run that can be continued only counts."""
    key = ("not_sent", "not_sent", "", Detail("unsent"), advice_of("not_sent", None, "not_sent"))
    return _cause(key, _Found(n=n, requests=requests, devices=devices))


def cause_frame(causes: Iterable[Cause]) -> pd.DataFrame:
    """Return causes as a frame for users."""
    rows = [
        (
            one.n,
            one.outcome,
            one.check,
            cause_reason(one.example, one.n),
            names(one.devices, "devices"),
            names(one.points, "points"),
            one.first_time,
            one.last_time,
            str(advice(one.advice)),
            one.code,
            one.requests,
            one.lowest,
            one.highest,
        )
        for one in causes
    ]
    frame = pd.DataFrame(rows, columns=list(CAUSE_COLUMNS))
    for name in ("first_time", "last_time"):  # a column of absent times alone has no zone yet
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return typed(frame, CAUSE_COLUMNS)


def _by_point(table: pa.Table) -> dict[tuple[str, str, str], int]:
    """Return the number of rejects by product key, point and fate."""
    keys = ["product_key", "measurepoint", "outcome"]
    counted = table.select(keys).group_by(keys).aggregate([([], "count_all")]).to_pylist()
    return {
        (one["product_key"] or "", one["measurepoint"] or "", one["outcome"]): one["count_all"]
        for one in counted
    }


def _grouped(
    table: pa.Table, allows_offline: bool
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame, Detail]]:
    """Yield the rejects of each cause of a table: its key, its rows, the reason of the first."""
    frame = table.to_pandas()
    details = {text: Detail.from_text(text) for text in frame["detail"].unique()}
    frame["cause"] = frame["detail"].map({text: one.cause for text, one in details.items()})
    blame = frame["detail"].map({text: blame_of(one) for text, one in details.items()})
    frame["advice"] = _advice(frame.assign(blame=blame), allows_offline)
    # A value declined alone is itself the culprit, like a value that failed a check.
    together = frame.groupby("request_id")["row"].transform("size").gt(1)
    of_request = frame["check"].map(lambda check: CHECKS.get(check, _NO_CHECK).of_request)
    of_request &= together | frame["check"].ne("platform")
    frame["point"] = frame["measurepoint"].where(~of_request.astype(bool), "").fillna("")
    for key, group in frame.groupby(_KEY, sort=False):
        first = group.iloc[0]
        yield key, group, _whole(details[first.detail], first.instance)


def _whole(detail: Detail, instance: str | None) -> Detail:
    """Return a detail with the facts of one value, if it has any."""
    return detail if pd.isna(instance) else detail._replace(instance=tuple(json.loads(instance)))


def _advice(frame: pd.DataFrame, allows_offline: bool) -> pd.Series:
    """Return the key of the advice for each row, each distinct case looked up once."""
    cases = ["check", "code", "outcome", "blame"]
    group = frame.groupby(cases, sort=False, dropna=False).ngroup()
    first = ~group.duplicated()
    rows: list[dict[Any, Any]] = frame.loc[first, cases].to_dict("records")
    keys = {
        number: _key_of(row, allows_offline) for number, row in zip(group[first], rows, strict=True)
    }
    return group.map(keys)


def _key_of(row: dict[Any, Any], allows_offline: bool) -> str:
    code = None if pd.isna(row["code"]) else int(row["code"])
    return advice_of(
        row["check"], code, row["outcome"], blame=row["blame"], allows_offline=allows_offline
    )


def _extend(one: _Found, group: pd.DataFrame) -> None:
    one.n += len(group)
    one.requests += int(group["request_id"].nunique())  # a table has all rejects of a request
    one.devices |= set(group["device_key"].dropna().unique())
    one.points |= set(group["measurepoint"].dropna().unique())
    one.times = _ends(one.times, group["time"])
    if group["point"].iloc[0]:
        bare = group["value"].str.replace(_WITH_QUALITY, r"\1", regex=True)
        one.bounds = _ends(one.bounds, pd.to_numeric(bare, errors="coerce"))
    codes = group["code"].dropna()
    if one.code is None and len(codes):
        one.code = int(codes.iloc[0])


def _ends(known: list[Any], column: pd.Series) -> list[Any]:
    """Return the least and the largest among the known values and the values of a column."""
    values = [*known, column.min(), column.max()] if column.notna().any() else known
    return [min(values), max(values)] if values else []


def _cause(key: tuple[Any, ...], one: _Found) -> Cause:
    outcome, check, _, cause, mend = key
    first, last = one.times or (pd.NaT, pd.NaT)
    lowest, highest = one.bounds or (None, None)
    example = cause if one.detail is None or cause == OTHER_REASONS else one.detail
    return Cause(
        one.n,
        str(outcome),
        str(check),
        cause,
        _original(example),
        str(mend),
        tuple(sorted(one.devices)),
        tuple(sorted(one.points)),
        first,
        last,
        one.code,
        one.requests,
        lowest,
        highest,
    )


def _original(detail: Detail) -> Detail:
    """Return the reason of a copy's original; the reason itself for any other value."""
    while detail.kind == "copy" and detail.of is not None:
        detail = detail.of
    return detail


def _none_kept() -> pd.DataFrame:
    """Return the rejects of a cause that are only counted: no row, and all columns."""
    return typed([], REJECT_COLUMNS | {"said": "str"})


def _examples(one: _Found, allows_offline: bool) -> pd.DataFrame:
    """Return the kept rejects of a cause, with ``said``, the reason that names no argument."""
    if not one.examples:
        return _none_kept()
    table = pa.concat_tables(one.examples)
    said = reason_column(table["detail"], table["instance"], plain=True)
    return reject_frame(table, allows_offline=allows_offline).assign(said=said.to_pandas())
