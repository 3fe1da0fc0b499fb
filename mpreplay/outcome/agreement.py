"""Agreement of the tables of a run with each other: results, rejects, books, touched.

Pure: tables in, words out. Rejects may be many, and come in parts. Agreement of the tables of an
audit with its chain and its manifest is ``audit/accounts.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from ..cells.epoch import DAY
from ..frames import FATES
from ..protocol.codes import ACCEPTED

__all__ = [
    "Disagreement",
    "RejectCounts",
    "check_books",
    "check_outcomes",
    "check_rejects",
    "check_tables",
    "check_totals",
    "check_touched",
]

_SHOWN: Final = 20  # disagreements of one kind
# The codes that a request or a value of each outcome may have: in words, and as a test of a code
# that may be absent. A divided request has none if it was divided before sending.
_CODES: Final[dict[str, tuple[str, Callable[[pd.Series], pd.Series]]]] = {
    "accepted": (f"the code {ACCEPTED}", lambda code: code.eq(ACCEPTED).fillna(False)),
    "declined": (f"a code other than {ACCEPTED}", lambda code: code.ne(ACCEPTED).fillna(False)),
    "divided": (f"no code {ACCEPTED}", lambda code: code.ne(ACCEPTED).fillna(True)),
    "withheld": ("no code", pd.Series.isna),
    "in_doubt": ("no code", pd.Series.isna),
    "not_sent": ("no code", pd.Series.isna),
}
# The books of a run, whole or in parts; they are read more than once.
Books = pd.DataFrame | Iterable[pd.DataFrame]
# The place of a contradiction, and its description.
Disagreement = tuple[str, str]


def plain_values(column: pd.Series) -> list[Any]:
    """Return a column as plain values, times as milliseconds, absent values as None."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times = column.astype("int64").astype(object)
        return [None if gone else t for t, gone in zip(times, column.isna(), strict=True)]
    return [None if gone else v for v, gone in zip(column.tolist(), column.isna(), strict=True)]


@dataclass(slots=True)
class RejectCounts:
    """Numbers of rejects by device, day and outcome, and by request."""

    by_day: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    by_request: Counter[str] = field(default_factory=Counter)
    expected_skips: int = 0
    found: list[Disagreement] = field(default_factory=list)

    def add(self, rejects: pd.DataFrame) -> None:
        """Count a part of the rejects."""
        # Values that the platform is expected to have skipped are in accepted requests.
        judged = rejects[rejects["check"] != "expected_skip"]
        for row in _odd_codes(judged).head(_SHOWN - len(self.found)).itertuples():
            where = f"{row.device_key}, {row.measurepoint}, row {row.row}"
            self.found.append((where, _told_of_code(row)))
        days = _days(rejects["time"])
        keys = zip(
            *(plain_values(rejects[name]) for name in ("product_key", "device_key")),
            days,
            plain_values(rejects["outcome"]),
            strict=True,
        )
        self.by_day.update(keys)
        skipped = rejects["check"] == "expected_skip"
        self.expected_skips += int(skipped.sum())
        self.by_request.update(rejects["request_id"][~skipped].dropna())


def _days(times: pd.Series) -> list[Any]:
    """Return the UTC days of times, counted from the Unix epoch."""
    return [None if time is None else time // DAY for time in plain_values(times)]


def _odd_codes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with an outcome and a code that exclude each other."""
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
    """Yield the requests with an outcome that contradicts their code."""
    for row in _odd_codes(results).head(_SHOWN).itertuples():
        yield f"request {row.request_id}", _told_of_code(row)


def check_tables(
    results: pd.DataFrame,
    rejects: RejectCounts,
    books: Books,
    touched: pd.DataFrame,
    *,
    n_open: int,
) -> Iterator[Disagreement]:
    """Yield all contradictions within and between the tables of a run.

    ``n_open`` as in :func:`check_rejects`.
    """
    yield from check_books(books)
    yield from check_outcomes(results)
    yield from check_rejects(books, results, rejects, n_open=n_open)
    yield from check_touched(touched, results, rejects)


def check_books(books: Books) -> Iterator[Disagreement]:
    """Yield the days with a book that does not balance, or with a wrong ``balanced``."""
    open_days: list[Disagreement] = []
    wrong: list[Disagreement] = []
    for part in _parts(books):
        sums = part[list(FATES)].sum(axis=1)
        for row in part[sums != part["read"]].head(_SHOWN - len(open_days)).itertuples():
            total = sum(getattr(row, fate) for fate in FATES)
            told = f"{row.read:,} values were read, and {total:,} are accounted for"
            open_days.append((_day(row), told))
        odd = part[(sums == part["read"]) != part["balanced"]].head(_SHOWN - len(wrong))
        for row in odd.itertuples():
            told = f"it says {row.balanced} of being balanced, which is not so"
            wrong.append((_day(row), told))
    yield from open_days
    yield from wrong


def check_totals(books: Books, totals: Mapping[str, int]) -> Iterator[Disagreement]:
    """Yield the numbers of values that are not the sums of the books."""
    names = ["read", *FATES]
    booked = dict.fromkeys(names, 0)
    for part in _parts(books):
        for name in names:
            booked[name] += int(part[name].sum())
    for name in names:
        if booked[name] != totals[name]:
            yield name, f"the books have {booked[name]:,} values, and {totals[name]:,} are counted"


def _day(row: Any) -> str:
    return f"{row.product_key}/{row.device_key}, {'no day' if pd.isna(row.day) else row.day.date()}"


def _rejected(books: pd.DataFrame) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield the numbers of rejects in the books by device, day and fate; none is left out."""
    books = books[(books[list(FATES[1:])] != 0).any(axis=1)]
    keys = [plain_values(books[name]) for name in ("product_key", "device_key")]
    days = list(zip(*keys, _days(books["day"]), strict=True))
    for fate in FATES[1:]:
        for key, n in zip(days, books[fate].tolist(), strict=True):
            if n:
                yield (*key, fate), n


def _parts(books: Books) -> Iterable[pd.DataFrame]:
    return [books] if isinstance(books, pd.DataFrame) else books


def check_rejects(
    books: Books, results: pd.DataFrame, rejects: RejectCounts, *, n_open: int
) -> Iterator[Disagreement]:
    """Yield the differences in number between rejects, books and requests.

    Parameters
    ----------
    n_open : int
        Number of unsettled requests: their values are in doubt in the books, but no rejects yet.
    """
    booked = {key: n for part in _parts(books) for key, n in _rejected(part)}
    shown = 0
    for key in sorted(booked.keys() | rejects.by_day.keys(), key=str):
        wanted, found = booked.get(key, 0), rejects.by_day[key]
        if found == wanted or (n_open and key[3] == "in_doubt" and found < wanted):
            continue
        if not found and key[3] == "not_sent":  # of a run that can be continued: counted alone
            continue
        day = "no day" if key[2] is None else pd.Timestamp(key[2], unit="D").date()
        yield (
            f"{key[0]}/{key[1]}, {day}",
            (f"there are {found:,} rejects that are {key[3]}, and the books have {wanted:,}"),
        )
        if (shown := shown + 1) == _SHOWN:
            return
    yield from rejects.found
    yield from _short_requests(results, rejects)


def _short_requests(results: pd.DataFrame, rejects: RejectCounts) -> Iterator[Disagreement]:
    """Yield the requests that did not arrive but have fewer rejects than values."""
    lost = results[results["outcome"].isin(["declined", "not_sent"])]
    found = pd.Series(
        [rejects.by_request[name] for name in lost["request_id"]], lost.index, "int64"
    )
    is_counted = (lost["outcome"] == "not_sent") & (found == 0)
    for row in lost[(found < lost["n_values"]) & ~is_counted].head(_SHOWN).itertuples():
        n = rejects.by_request[str(row.request_id)]
        yield (
            f"request {row.request_id}",
            (f"it is {row.outcome} with {row.n_values:,} values, and {n:,} rejects name it"),
        )


def check_touched(
    touched: pd.DataFrame, results: pd.DataFrame, rejects: RejectCounts
) -> Iterator[Disagreement]:
    """Yield the differences in number between values written and values in arrived requests."""
    carried = results.groupby("outcome")["n_values"].sum()
    accepted, in_doubt = int(carried.get("accepted", 0)), int(carried.get("in_doubt", 0))
    written, doubtful = int(touched["n_values"].sum()), int(touched["n_in_doubt"].sum())
    # The platform may have skipped values of an accepted request, equal copies among them.
    if not accepted - rejects.expected_skips <= written <= accepted:
        yield "n_values", f"{written:,} values were written, and {accepted:,} were accepted"
    if doubtful != in_doubt:
        yield "n_in_doubt", f"{doubtful:,} values, and requests in doubt carry {in_doubt:,}"
