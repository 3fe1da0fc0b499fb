"""Agreement of the tables of a run: what may be left out of the rejects, and what may not."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.frames import BOOK_COLUMNS, REJECT_COLUMNS, RESULT_COLUMNS, typed
from mpreplay.outcome.agreement import RejectCounts, check_rejects

TIME = pd.Timestamp("2024-01-01 12:00", tz="UTC")


def rejects_of(outcome: str, n: int) -> RejectCounts:
    """Return the counts of some rejects of one request."""
    one = {
        "source": "s", "row": 0, "product_key": "p", "device_key": "d", "time": TIME,
        "measurepoint": "P", "value": "1", "check": outcome, "reason": "", "outcome": outcome,
        "request_id": "7", "code": 500 if outcome == "declined" else None,
    }  # fmt: skip
    rows = [tuple(one.get(name) for name in REJECT_COLUMNS) for _ in range(n)]
    counts = RejectCounts()
    counts.add(typed(rows, REJECT_COLUMNS))
    return counts


@given(st.sampled_from(["not_sent", "declined", "in_doubt"]), st.integers(1, 5), st.integers(0, 6))
def test_values_not_sent_are_all_listed_or_all_counted(outcome: str, n: int, listed: int) -> None:
    """A run that can be continued counts them; rejects that are gone in part were taken away."""
    day = TIME.normalize()
    book = {"product_key": "p", "device_key": "d", "day": day, "read": n, outcome: n}
    books = typed([tuple(book.get(name, 0) for name in BOOK_COLUMNS)], BOOK_COLUMNS)
    code = 500 if outcome == "declined" else None
    request = {"request_id": "7", "gateway": "g", "n_values": n, "outcome": outcome, "code": code,
               "meaning": "", "first_time": TIME, "last_time": TIME, "n_entries": 1,
               "n_bytes": 1, "attempts": 0}  # fmt: skip
    results = typed([tuple(request.get(name) for name in RESULT_COLUMNS)], RESULT_COLUMNS)
    found = list(check_rejects(books, results, rejects_of(outcome, listed), n_open=0))

    assert (not found) == (listed == n or (outcome == "not_sent" and listed == 0))
