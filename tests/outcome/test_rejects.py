"""What became of each value, as frames: one row each, in the promised columns."""

from __future__ import annotations

from typing import Any
from unittest import mock

import oracle
import pandas as pd
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint, ThingModel
from mpreplay.frames import BOOK_COLUMNS, REJECT_COLUMNS, RESULT_COLUMNS, typed
from mpreplay.history import history as history_module
from mpreplay.outcome import rejects
from mpreplay.outcome.books import books_frame
from mpreplay.outcome.reject_table import NO_REJECTS, joined, reject_frame
from mpreplay.outcome.rejects import rejects_withheld
from mpreplay.outcome.settled import Settled
from mpreplay.requests.chunk import Chunk, Prepared
from mpreplay.requests.tallies import Tally
from mpreplay.settings import Policy

TIME = "datetime64[ms, UTC]"
# Written out once more, from the contract: a change of either is seen.
VIOLATIONS = [
    ("source", "str"), ("row", "Int64"), ("product_key", "str"), ("device_key", "str"),
    ("time", TIME), ("measurepoint", "str"), ("value", "str"), ("check", "str"), ("reason", "str"),
    ("time_text", "str"),
]  # fmt: skip
REJECTS = [
    *VIOLATIONS, ("outcome", "str"), ("code", "Int64"), ("request_id", "str"), ("mend", "str"),
]  # fmt: skip
RESULTS = [
    ("request_id", "str"), ("parent_id", "str"), ("gateway", "str"), ("n_entries", "int64"),
    ("n_values", "int64"), ("n_bytes", "int64"), ("first_time", TIME), ("last_time", TIME),
    ("attempts", "int64"), ("code", "Int64"), ("meaning", "str"), ("outcome", "str"),
    ("sent_at", TIME), ("latency", "float64"),
]  # fmt: skip
BOOKS = [
    ("product_key", "str"), ("device_key", "str"), ("day", TIME),
    *((n, "int64") for n in ("read", "accepted", "declined", "withheld", "in_doubt", "not_sent")),
    ("balanced", "bool"),
]  # fmt: skip
MODEL = ThingModel(
    "M",
    {
        "P": Measurepoint("P", "FLOAT", maximum=100),
        "S": Measurepoint(
            "S", "STRUCT",
            members=(Measurepoint("a", "INT", maximum=9), Measurepoint("b", "INT", maximum=9)),
        ),
        "s": Measurepoint("s", "STRING"),
    },
)  # fmt: skip
SEND = Policy(on_invalid="send", duplicates="last", skip_invalid_measurepoints=True)


def settled(outcome: Any, code: int | None = None, message: str = "") -> Settled:
    """Return how a request ended."""
    return Settled("17", outcome, code, message, 5, None)


def types(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the columns and their types; texts are what this pandas calls them."""
    text = str(pd.Series([], dtype="str").dtype)
    names = {name: "str" if str(kind) == text else str(kind) for name, kind in frame.dtypes.items()}
    return [(str(name), kind) for name, kind in names.items()]


def ready(values: list[dict[str, Any]], policy: Policy | None = None, **keys: Any) -> Prepared:
    """Return rows of one device, a millisecond apart, made ready."""
    times = keys.get("times") or range(len(values))
    rows = [oracle.Row("p1", "d1", t, v) for t, v in zip(times, values, strict=True)]
    history = strategies.read(strategies.frame_of(rows, list(MODEL.measurepoints)))
    [slab] = strategies.prepare(history, MODEL, policy)
    return slab


def withheld(slab: Prepared) -> pd.DataFrame:
    """Return the rejects of what is withheld."""
    return reject_frame(joined(map(rejects_withheld, slab.parts)))


def rejects_of_chunk(chunk: Chunk, how: Settled) -> pd.DataFrame:
    """Return the rejects of a request."""
    return reject_frame(rejects.rejects_of_chunk(chunk, how))


def only(slab: Prepared) -> Chunk:
    """Return the one chunk of a slab."""
    [chunk] = slab.chunks()
    return chunk


def test_the_columns_are_those_of_the_contract() -> None:
    """Scripts and audits select them by name and rely on their types."""
    assert list(REJECT_COLUMNS.items()) == REJECTS
    assert list(RESULT_COLUMNS.items()) == RESULTS
    assert list(BOOK_COLUMNS.items()) == BOOKS


def test_frames_have_their_types_with_and_without_rows() -> None:
    """A day without rejects must not break the script that sums them up."""
    slab = ready([{"P": 999.0}, {"P": 1.0}])
    row = ("1", None, "gw", 1, 1, 9, 0, 0, 1, None, "", "in_doubt", None, None)
    frames = {
        "rejects": [
            withheld(slab),
            reject_frame(NO_REJECTS),
            rejects_of_chunk(only(slab), settled("in_doubt")),
        ],
        "results": [typed([row], RESULT_COLUMNS), typed([], RESULT_COLUMNS)],
        "books": [books_frame({"read": {("p", "d", None): 1}}), books_frame({})],
    }

    assert len(frames["rejects"][0]) == len(frames["rejects"][2]) == 1
    for name, wanted in (("rejects", REJECTS), ("results", RESULTS), ("books", BOOKS)):
        assert [types(frame) for frame in frames[name]] == [wanted] * len(frames[name])


def test_what_has_no_request_names_none() -> None:
    """Absent is absent, not the word None."""
    [reject] = withheld(ready([{"P": 999.0}])).to_dict("records")

    assert pd.isna(reject["request_id"])
    assert pd.isna(reject["code"])


def test_a_value_that_fails_several_checks_is_one_reject() -> None:
    """Else the rejects would not add up to the books."""
    slab = ready([{"S": {"a": 10, "b": 10}}])

    rejects = withheld(slab)

    assert len(slab.parts[0].faults) == 2
    assert rejects["check"].tolist() == ["a: range"]
    assert rejects["value"].tolist() == ['{"a":10,"b":10}']


def test_what_makes_a_value_unsendable_is_what_is_said_of_it() -> None:
    """With "send" a long text would travel; that it fits into no request is why it does not."""
    slab = ready([{"s": "x" * 600_000}], Policy(on_invalid="send", duplicates="last"))

    assert withheld(slab)["check"].tolist() == ["too_large"]


@pytest.mark.parametrize(
    ("how", "check", "mend"),
    [
        (settled("declined", 1204, "invalid P"), "platform", "find the value"),
        (settled("declined", 1212), "platform", "sub_device_secrets"),
        (settled("in_doubt"), "no_reply", "replay it"),
        (settled("not_sent"), "not_sent", "never sent"),
    ],
    ids=lambda value: getattr(value, "outcome", None),
)
def test_every_value_of_a_request_that_failed_is_named(how: Settled, check: str, mend: str) -> None:
    """Each with its row, the request that carried it, and what to do."""
    slab = ready([{"P": 1.0, "s": "a"}, {}, {"P": 2.0}])

    rejects = rejects_of_chunk(only(slab), how)

    assert rejects[["row", "measurepoint", "value"]].to_numpy().tolist() == [
        [0, "P", "1.0"], [0, "s", "a"], [2, "P", "2.0"],
    ]  # fmt: skip
    assert set(rejects["check"]) == {check}
    assert set(rejects["outcome"]) == {how.outcome}
    assert set(rejects["request_id"]) == {"17"}
    assert all(mend in text for text in rejects["mend"])


def test_an_accepted_request_has_no_rejects() -> None:
    """200 is 200, where nothing in it was suspect."""
    assert rejects_of_chunk(only(ready([{"P": 1.0}])), settled("accepted", 200)).empty


def test_what_the_platform_is_expected_to_skip_is_declined_once() -> None:
    """Two failed checks of one struct are one value that is missing, and its copy another."""
    bad = {"S": {"a": 10, "b": 10}}
    slab = ready([{"P": 1.0}, bad, bad], SEND, times=[0, 1, 1])

    rejects = rejects_of_chunk(only(slab), settled("accepted", 200))

    assert rejects[["row", "check", "outcome", "code"]].to_numpy().tolist() == [
        [1, "expected_skip", "declined", 200], [2, "expected_skip", "declined", 200],
    ]  # fmt: skip
    assert len(rejects) == sum(only(slab).tally_suspects().values())


@given(
    strategies.cases(unreadable=True),
    st.sampled_from(["withhold", "send"]),
    st.sampled_from(["accepted", "declined", "in_doubt", "not_sent"]),
    st.sampled_from([3, 100]),
)
def test_every_value_has_one_fate_and_the_books_say_the_same(
    case: strategies.Case, on_invalid: Any, outcome: str, slab: int
) -> None:
    """The promise of the whole: each value accepted or rejected once, and the sums agree."""
    policy = Policy(False, True, on_invalid, "last")
    how = settled(outcome, 200 if outcome == "accepted" else None)
    with mock.patch.object(history_module, "SLAB_ROWS", slab):
        slabs = strategies.prepare(case.history, case.model, policy)
    tallies = {name: Tally() for name in ("read", "withheld", "declined", outcome)}
    for prepared in slabs:
        for part in prepared.parts:
            tallies["read"] += part.tally_read()
            tallies["withheld"] += part.tally_withheld()
        for chunk in prepared.chunks():
            tallies[outcome] += chunk.tally()
            if outcome == "accepted":
                suspects = chunk.tally_suspects()
                tallies["declined"] += suspects
                tallies["accepted"] += -suspects

    frames = [withheld(prepared) for prepared in slabs]
    frames += [rejects_of_chunk(chunk, how) for one in slabs for chunk in one.chunks()]
    found = pd.concat([reject_frame(NO_REJECTS), *frames])
    books = books_frame(tallies)

    assert not found.duplicated(["source", "row", "measurepoint"]).any()
    assert books["balanced"].all()
    n_values = sum(not oracle.is_absent(v) for row in case.rows for v in row.values.values())
    assert books["read"].sum() == n_values == len(found) + books["accepted"].sum()
    counts = found["outcome"].value_counts()
    for fate in ("withheld", "declined", "in_doubt", "not_sent"):
        assert counts.get(fate, 0) == books[fate].sum()


def test_many_copies_of_a_failed_request_are_written_at_once() -> None:
    """A folder with every file in it twice must not take a table a copy."""
    n = 3_000
    rows = [{"P": 1.0}] * (2 * n)
    slab = ready(rows, times=[*range(n), *range(n)])

    with mock.patch.object(rejects, "_rejects", wraps=rejects._rejects) as made:
        found = rejects_of_chunk(only(slab), settled("declined", 1204))

    assert sorted(found["row"].tolist()) == list(range(2 * n))
    assert made.call_count == 2


def test_books_name_the_unknown_day_first_and_do_not_hide_a_gap() -> None:
    """``balanced`` is computed, not claimed."""
    books = books_frame(
        {"read": {("p", "d", 1): 3, ("p", "d", None): 1}, "accepted": {("p", "d", 1): 2},
         "withheld": {("p", "d", None): 1}}
    )  # fmt: skip

    assert books["day"].isna().tolist() == [True, False]
    assert books["balanced"].tolist() == [True, False]
    assert books["day"].iloc[1] == pd.Timestamp("1970-01-02", tz="UTC")
