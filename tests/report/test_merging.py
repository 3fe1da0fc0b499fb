"""Causes of several runs as those of one: nothing is lost, and nothing is told twice."""

from __future__ import annotations

import pandas as pd
from report.test_causes import declined, rejects

from mpreplay.display.facts import Detail
from mpreplay.display.tables import MAX_FILE_ROWS
from mpreplay.report.causes import gather
from mpreplay.report.merging import Merging

OUTSIDE = Detail("range", (None, 5, False, False, ""))


def test_what_has_the_same_words_is_one_cause() -> None:
    """A limit that is wrong on nine gateways is one thing to mend."""
    merging = Merging()
    for n in range(9):
        high = {"detail": OUTSIDE, "value": f"{n + 6}", "device_key": f"d{n}"}
        merging.add(gather([rejects(high, {**high, "measurepoint": "Q"}, declined(str(n), "no"))]))
    found, runs = merging.result()

    assert sorted(one.n for one in found.causes) == [9, 9, 9]
    assert runs == [9, 9, 9]
    assert found.n_read == 27
    outside = [one for one in found.causes if one.check == "range"]
    assert {one.points for one in outside} == {("P",), ("Q",)}
    assert all(one.devices == tuple(f"d{n}" for n in range(9)) for one in outside)
    assert {(one.lowest, one.highest) for one in outside} == {(6.0, 14.0)}
    assert sum(found.by_point.values()) == 27


def test_the_most_frequent_cause_comes_first_and_times_span_all_runs() -> None:
    """One gateway's single reject stands after the thousands of the others."""
    merging = Merging()
    times = [2 * 86_400_000, 86_400_000, 3 * 86_400_000]
    for time in times:
        merging.add(gather([rejects({"detail": OUTSIDE, "time": time})]))
    merging.add(gather([rejects({"detail": Detail("no_time"), "check": "time", "time": None})]))
    found, runs = merging.result()

    assert [one.n for one in found.causes] == [3, 1]
    assert runs == [3, 1]
    ends = [found.causes[0].first_time, found.causes[0].last_time]
    assert ends == [pd.Timestamp("1970-01-02", tz="UTC"), pd.Timestamp("1970-01-04", tz="UTC")]
    assert pd.isna(found.causes[1].first_time)


def test_the_rows_kept_are_bounded() -> None:
    """Five thousand gateways with two thousand rows each would not fit into memory."""
    merging = Merging()
    for _ in range(3):
        merging.add(gather([rejects(*[{"detail": OUTSIDE}] * 900)], n_examples=MAX_FILE_ROWS))
    found, _ = merging.result()

    assert found.causes[0].n == 2_700
    assert len(found.examples[0]) == MAX_FILE_ROWS
