"""Whether the tables of an audit agree with each other, with its chain and with its counts.

Pure: tables in, words out. Rejects may be many, and come in parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from ..frames import FATES
from .chain import Line

__all__ = [
    "Disagreement",
    "RejectCounts",
    "check_books",
    "check_chain",
    "check_complete",
    "check_counts",
    "check_outcomes",
    "check_rejects",
    "check_tables",
    "check_touched",
]

# What of a line of the chain stands in the results, too.
_SHARED: Final = ("request_id", "parent_id", "code", "outcome", "attempts", "n_values", "sent_at")
_SHOWN: Final = 20  # disagreements of one kind
_ACCEPTED: Final = 200
# Which codes a request, or a value, may have that ended in a certain way: as words, and as a test
# of a code that may be absent. The reply to one that was divided may have been one for its device.
_CODES: Final[dict[str, tuple[str, Callable[[pd.Series], pd.Series]]]] = {
    "accepted": (f"the code {_ACCEPTED}", lambda code: code.eq(_ACCEPTED).fillna(False)),
    "declined": (
        f"a code other than {_ACCEPTED}", lambda code: code.ne(_ACCEPTED).fillna(False)
    ),
    "divided": (f"no code {_ACCEPTED}", lambda code: code.ne(_ACCEPTED).fillna(True)),
    "withheld": ("no code", pd.Series.isna),
    "in_doubt": ("no code", pd.Series.isna),
    "not_sent": ("no code", pd.Series.isna),
}  # fmt: skip
# Where something stands, and what is wrong with it.
Disagreement = tuple[str, str]


def check_chain(
    requests: Iterable[tuple[int, Line]], results: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    """Yield where the chain says something else of a request than the results."""
    columns = [_plain(results[name]) for name in _SHARED]
    for number, line in requests:
        if number > len(results):
            where = f"request {line.content['request_id']} (line {line.at}) is not in the results"
            yield f"line {line.at}", where
            continue
        said = {name: line.content[name] for name in _SHARED}
        if said["outcome"] == "open":  # not settled yet, which the results call in doubt
            said["outcome"] = "in_doubt"
        shown = {name: column[number - 1] for name, column in zip(_SHARED, columns, strict=True)}
        differs = [
            f"{name} is {said[name]!r} here and {shown[name]!r} in the results"
            for name in _SHARED
            if said[name] != shown[name]
        ]
        if differs:
            yield f"line {line.at}", f"request {said['request_id']}: {'; '.join(differs)}"


def _plain(column: pd.Series) -> list[Any]:
    """Return a column as plain values, times as milliseconds, with None for what is absent."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times = column.astype("int64").astype(object)
        return [None if gone else t for t, gone in zip(times, column.isna(), strict=True)]
    return [None if gone else v for v, gone in zip(column.tolist(), column.isna(), strict=True)]


@dataclass(slots=True)
class RejectCounts:
    """How many rejects there are of each device, day and outcome, and of each request."""

    by_day: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    by_request: Counter[str] = field(default_factory=Counter)
    expected_skips: int = 0
    faults: list[Disagreement] = field(default_factory=list)

    def add(self, rejects: pd.DataFrame) -> None:
        """Count a part of the rejects."""
        # Values that the platform is expected to have skipped are in requests that it accepted.
        judged = rejects[rejects["check"] != "expected_skip"]
        for row in _odd_codes(judged).head(_SHOWN - len(self.faults)).itertuples():
            where = f"{row.device_key}, {row.measurepoint}, row {row.row}"
            self.faults.append((where, _told_of_code(row)))
        days = _days(rejects["time"])
        keys = zip(
            *(_plain(rejects[name]) for name in ("product_key", "device_key")),
            days,
            _plain(rejects["outcome"]),
            strict=True,
        )
        self.by_day.update(keys)
        skipped = rejects["check"] == "expected_skip"
        self.expected_skips += int(skipped.sum())
        self.by_request.update(rejects["request_id"][~skipped].dropna())


def _days(times: pd.Series) -> list[Any]:
    """Return the UTC days of times, since the Unix epoch."""
    return [None if time is None else time // 86_400_000 for time in _plain(times)]


def _odd_codes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose outcome and code cannot be of the same request."""
    fits = pd.Series(False, frame.index)
    for outcome, (_, is_one) in _CODES.items():
        of_outcome = frame["outcome"] == outcome
        fits |= of_outcome & is_one(frame["code"]).astype(bool)
    return frame[~fits]


def _told_of_code(row: Any) -> str:
    code = "no code" if pd.isna(row.code) else f"code {row.code}"
    if row.outcome not in _CODES:
        return f"it is {row.outcome} with {code}: there is no such outcome"
    return (
        f"it is {row.outcome} with {code}, and what is {row.outcome} has {_CODES[row.outcome][0]}"
    )


def check_outcomes(results: pd.DataFrame) -> Iterator[Disagreement]:
    """Yield the requests whose outcome is not what their code says."""
    for row in _odd_codes(results).head(_SHOWN).itertuples():
        yield f"request {row.request_id}", _told_of_code(row)


def check_tables(
    results: pd.DataFrame,
    rejects: RejectCounts,
    books: pd.DataFrame,
    touched: pd.DataFrame,
    *,
    n_open: int,
) -> Iterator[Disagreement]:
    """Yield where the tables of a run contradict themselves or each other.

    ``n_open`` as in :func:`check_rejects`.
    """
    yield from check_books(books)
    yield from check_outcomes(results)
    yield from check_rejects(books, results, rejects, n_open=n_open)
    yield from check_touched(touched, results, rejects)


def check_books(books: pd.DataFrame) -> Iterator[Disagreement]:
    """Yield the days whose book does not balance, or does not say so."""
    sums = books[list(FATES)].sum(axis=1)
    for row in books[sums != books["read"]].head(_SHOWN).itertuples():
        total = sum(getattr(row, fate) for fate in FATES)
        yield _day(row), f"{row.read:,} values were read, and {total:,} are accounted for"
    for row in books[(sums == books["read"]) != books["balanced"]].head(_SHOWN).itertuples():
        yield _day(row), f"it says {row.balanced} of being balanced, which is not so"


def _day(row: Any) -> str:
    return f"{row.product_key}/{row.device_key}, {'no day' if pd.isna(row.day) else row.day.date()}"


def check_rejects(
    books: pd.DataFrame, results: pd.DataFrame, rejects: RejectCounts, *, n_open: int
) -> Iterator[Disagreement]:
    """Yield where there are more or fewer rejects than the books and the requests say.

    Parameters
    ----------
    n_open : int
        Requests that have not settled: their values are in doubt in the books, and no rejects yet.
    """
    days = list(zip(_plain(books["product_key"]), _plain(books["device_key"]),
                    _days(books["day"]), strict=True))  # fmt: skip
    booked = {
        (*key, fate): n
        for fate in FATES[1:]
        for key, n in zip(days, books[fate].tolist(), strict=True)
        if n
    }
    shown = 0
    for key in sorted(booked.keys() | rejects.by_day.keys(), key=str):
        wanted, found = booked.get(key, 0), rejects.by_day[key]
        if found == wanted or (n_open and key[3] == "in_doubt" and found < wanted):
            continue
        day = "no day" if key[2] is None else pd.Timestamp(key[2], unit="D").date()
        yield (
            f"{key[0]}/{key[1]}, {day}",
            (f"there are {found:,} rejects that are {key[3]}, and the books have {wanted:,}"),
        )
        if (shown := shown + 1) == _SHOWN:
            return
    yield from rejects.faults
    yield from _short_requests(results, rejects)


def _short_requests(results: pd.DataFrame, rejects: RejectCounts) -> Iterator[Disagreement]:
    """Yield the requests that did not arrive and have fewer rejects than values."""
    lost = results[results["outcome"].isin(["declined", "not_sent"])]
    found = pd.Series(
        [rejects.by_request[name] for name in lost["request_id"]], lost.index, "int64"
    )
    for row in lost[found < lost["n_values"]].head(_SHOWN).itertuples():
        n = rejects.by_request[str(row.request_id)]
        yield (
            f"request {row.request_id}",
            (f"it is {row.outcome} with {row.n_values:,} values, and {n:,} rejects name it"),
        )


def check_touched(
    touched: pd.DataFrame, results: pd.DataFrame, rejects: RejectCounts
) -> Iterator[Disagreement]:
    """Yield where other numbers of values were written than requests that arrived carried."""
    carried = results.groupby("outcome")["n_values"].sum()
    accepted, in_doubt = int(carried.get("accepted", 0)), int(carried.get("in_doubt", 0))
    written, doubtful = int(touched["n_values"].sum()), int(touched["n_in_doubt"].sum())
    # Of an accepted request the platform may have skipped values, copies of others among them.
    if not accepted - rejects.expected_skips <= written <= accepted:
        yield "n_values", f"{written:,} values were written, and {accepted:,} were accepted"
    if doubtful != in_doubt:
        yield "n_in_doubt", f"{doubtful:,} values, and requests in doubt carry {in_doubt:,}"


def check_complete(run: Any, results: pd.DataFrame) -> Iterator[Disagreement]:
    """Yield what the manifest says of a run's end that the requests do not bear out."""
    told = run if isinstance(run, dict) else {}
    n_open = int(results["outcome"].isin(["in_doubt", "not_sent"]).sum())
    if told.get("complete") is not (told.get("read_all") is True and not n_open):
        yield (
            "run, complete",
            (
                f"it says {told.get('complete')!r}, with read_all {told.get('read_all')!r} and "
                f"{n_open:,} requests without a final answer in the results"
            ),
        )


def check_counts(
    counts: dict[str, Any], books: pd.DataFrame, results: pd.DataFrame
) -> Iterator[Disagreement]:
    """Yield the counts of the manifest that the tables do not bear out."""
    wanted = {name: int(books[name].sum()) for name in ("read", *FATES)}
    wanted["requests"] = len(results)
    outcomes = results["outcome"].value_counts().to_dict()
    codes = results["code"].value_counts().to_dict()
    wanted |= {f"requests_{name}": int(n) for name, n in outcomes.items()}
    wanted |= {f"code_{code}": int(n) for code, n in codes.items()}
    for name, n in wanted.items():
        if counts.get(name) != n:
            said = counts.get(name)
            shown = f"{said:,}" if type(said) is int else repr(said)
            yield f"counts, {name}", f"it says {shown}, and the tables hold {n:,}"
