"""What people read first: the verdict and the causes, in sentences."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.display.amounts import visible
from mpreplay.display.facts import Cause, Detail, Ended, Standing
from mpreplay.display.sentences import _ENDED, cause_in_words, ended_in_words, headline
from mpreplay.frames import FATES
from mpreplay.report.standing import standing_of

DAY = pd.Timestamp("2014-06-08", tz="UTC")


def cause(**told: Any) -> Cause:
    """Return a cause that differs from a usual one."""
    detail = told.pop("detail", outside(-60, 60, "degC"))
    usual = {
        "n": 34, "outcome": "withheld", "check": "range", "detail": detail, "example": detail,
        "devices": ("R80721",), "points": ("Ot_avg",), "first_time": DAY, "last_time": DAY,
        "advice": "withheld",
    }  # fmt: skip
    return Cause(**usual | told)


def outside(
    low: float | None, high: float | None, unit: str = "", *, open_: bool = False
) -> Detail:
    """Return why a value outside a range was rejected."""
    return Detail("range", (low, high, open_, open_, unit))


def declined(words: str, code: int = 1204) -> Detail:
    """Return why a value that the platform declined was rejected."""
    return Detail("platform", (code, words, False))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"lowest": -273.2, "highest": -92.0}, "below its minimum of -60 °C (-273.2 … -92)"),
        ({"lowest": 61.0, "highest": 61.0}, "above its maximum of 60 °C (61)"),
        ({"lowest": -61.0, "highest": 61.0}, "outside its range of [-60, 60] °C (-61 … 61)"),
        ({}, "outside its range of [-60, 60] °C"),
        ({"detail": outside(0, None, "kW", open_=True), "lowest": 0, "highest": 0},
         "not above its minimum of 0 kW (0)"),
        ({"detail": outside(None, 5, open_=True), "lowest": 5, "highest": 5},
         "not below its maximum of 5 (5)"),
        ({"detail": outside(0, 360, "deg"), "lowest": -1, "highest": -1},
         "below its minimum of 0° (-1)"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_says_which_bound_it_missed(told: dict[str, Any], said: str) -> None:
    """Below the minimum is a dead sensor, above the maximum a storm: the bound is the news."""
    sentence = cause_in_words(cause(**told)).sentence

    assert sentence == f"34 withheld: Ot_avg of R80721 {said}, on 2014-06-08"


def test_a_declined_request_says_its_code_and_what_was_in_it() -> None:
    """The code is what to look up, the points and devices are where to look."""
    told = cause_in_words(
        cause(
            outcome="declined", check="platform", detail=declined("", 1212), code=1212, requests=3,
            devices=tuple("abcd"), points=tuple("1234567"), last_time=DAY + pd.Timedelta(days=2),
        )
    )  # fmt: skip

    assert told.sentence == (
        "34 declined: 7 points of 4 devices in 3 requests, code 1212, no permission: sub-device "
        "offline or not on this gateway, from 2014-06-08 to 2014-06-10"
    )
    assert told.advice == "correct the value"


def test_what_is_not_known_is_left_out() -> None:
    """A row without a time has no day, and one without a device no device."""
    told = cause_in_words(
        cause(check="time", detail=Detail("no_time"), first_time=pd.NaT, last_time=pd.NaT,
              devices=(), points=(), advice="")
    )  # fmt: skip

    assert told == ("34 withheld: rows, no time", "", "")
    assert told.sentence == "34 withheld: rows, no time"


def test_a_cause_of_few_facts_can_be_told() -> None:
    """Without a code, requests and numbers, what is known is said, as of a journal with no more."""
    told = cause(check="platform", outcome="declined", detail=declined("no", 1204))

    assert cause_in_words(told).sentence == (
        "34 declined: Ot_avg of R80721, model validation failed: invalid fields among the points "
        "(no), on 2014-06-08"
    )
    assert cause_in_words(Cause(2, "withheld", "time", *[Detail("no_time")] * 2)) == (
        "2 withheld: rows, no time", "", ""
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (None, ""),
        (Ended("interrupted", ("SIGINT",)), "interrupted (SIGINT)"),
        (Ended("rival", ("gw-1",)),
         "the platform closed the connection twice, each time within seconds of the sign-in. It "
         "does so when another client signs in as gw-1; it may also have a reason of its own. End "
         "the other client, if there is one, then continue"),
        (Ended("not_regained", (300.0,)), "the connection was not regained within 300 s"),
        (Ended("refused", ("it was refused",)), "it was refused"),
        (Ended("declined_alike", (5, 1204)),
         "the first 5 requests were all declined with code 1204: model validation failed: invalid "
         "fields among the points"),
        (Ended("code", (705,)), "code 705: the device does not exist"),
        (Ended("code_again", (1009,)),
         "code 1009 again after signing in: no permission to publish: unknown topic or not signed "
         "in"),
        (Ended("given_up"), "given up"),
    ],
)  # fmt: skip
def test_each_end_of_a_run_has_words(ended: Ended | None, said: str) -> None:
    """What a journal keeps as facts is said in full, whatever the kind."""
    assert ended_in_words(ended) == said


def test_no_kind_of_end_is_without_words() -> None:
    """A kind that is added later must not fail in the middle of a report."""
    kinds = get_args(get_type_hints(Ended)["kind"])

    assert set(_ENDED) == set(kinds)


@pytest.mark.parametrize(
    ("totals", "first"),
    [
        ({"read": 5, "accepted": 5}, "All 5 values were accepted"),
        ({"read": 1, "accepted": 1}, "The one value was accepted"),
        ({"read": 5, "accepted": 4, "declined": 1}, "4 of 5 values were accepted"),
        ({"read": 5, "withheld": 5}, "None of 5 values was accepted"),
        ({}, "There was no value to send"),
    ],
)
def test_the_headline_is_how_many_were_accepted(totals: dict[str, int], first: str) -> None:
    """It is the one line that everybody reads."""
    assert headline(Standing(totals))[0] == first


def test_a_run_that_is_not_complete_says_why_and_what_is_left() -> None:
    """Whoever reads only the verdict must not take half of a history for all of it."""
    facts = {"read_all": False, "n_rows": 10, "ended": ["interrupted", ["SIGINT"]]}
    totals = {"read": 6, "accepted": 2, "in_doubt": 1, "not_sent": 3}
    open_ended = {"in_doubt": (1, 1), "not_sent": (2, 3)}
    rest = headline(standing_of(facts, totals, open_ended, n_rows=4))[1]

    assert rest == (
        "The others: 1 in doubt and 3 not sent. The run was stopped by the user (Ctrl-C) before "
        "its end. There are 6 rows not read, 1 request in doubt and 2 requests not sent. "
        "The same replay with the same journal continues it."
    )


@pytest.mark.parametrize(
    ("facts", "open_ended", "said"),
    [
        ({"ended": ["interrupted", ["SIGTERM"]]}, {"not_sent": (1, 1)}, "by the system (SIGTERM)"),
        ({"ended": ["refused", ["gone\u202e"]]}, {"not_sent": (1, 1)}, "its end: gone\\u202e"),
        ({"ended": ["code", [705]]}, {"not_sent": (1, 1)}, "its end: code 705: the device does"),
        ({"read_all": False}, {}, "is going on or was killed"),
        ({"read_all": True}, {"open": (1, 1)}, "is going on or was killed"),
        ({"read_all": True}, {"in_doubt": (1, 1)}, "has ended, and not everything is settled"),
    ],
)
def test_how_a_run_ended_is_told_apart(
    facts: dict[str, Any], open_ended: dict[str, tuple[int, int]], said: str
) -> None:
    """Whether to wait, to ask the administrator or to start it again depends on it."""
    totals = (
        {"read": 1, "in_doubt": 1} if "not_sent" not in open_ended else {"read": 1, "not_sent": 1}
    )
    assert said in headline(standing_of(facts, totals, open_ended, n_rows=1))[1]


def test_what_has_not_settled_is_not_called_in_doubt() -> None:
    """Of a run that was killed most was never sent; nobody knows which."""
    totals = {"read": 90, "accepted": 10, "in_doubt": 80}
    open_ended = {"in_doubt": (1, 5), "open": (15, 75)}
    rest = headline(standing_of({"read_all": False}, totals, open_ended, n_rows=0))[1]

    assert "The others: 5 in doubt and 75 not settled." in rest
    assert "75 values are in 15 requests that have not settled" in rest
    assert "whether they were sent is not known" in rest


@pytest.mark.parametrize("standing", [
    Standing({"read": 5, "accepted": 5}, is_sound=False), Standing({"read": 5, "accepted": 4}),
])  # fmt: skip
def test_books_that_do_not_add_up_are_the_first_thing_after_the_headline(
    standing: Standing,
) -> None:
    """Nothing else that such a journal says can be relied on."""
    assert headline(standing)[1].startswith("These books do not add up")


@given(st.lists(st.integers(0, 10**9), min_size=5, max_size=5), st.booleans())
def test_a_verdict_never_claims_all_where_something_is_missing(
    counts: list[int], is_complete: bool
) -> None:
    """The word All is a promise."""
    totals = dict(zip(FATES, counts, strict=True)) | {"read": sum(counts)}
    standing = Standing(totals, is_complete)
    first, rest = headline(standing)

    assert standing.is_balanced
    assert first.startswith(("All", "The one")) == (0 < counts[0] == sum(counts))
    assert ("is complete" in rest) == is_complete
    for fate, n in totals.items():
        assert not n or f"{n:,}" in first + rest or fate == "read" or n == 1


@given(st.text(max_size=400))
def test_a_shown_text_is_short_and_has_no_hidden_marks(text: str) -> None:
    """A device key may hold a mark that turns a line around, or half of a character."""
    shown = visible(text, 100)

    shown.encode()
    assert not set(shown) & set("\x00\x07\x1b\u200b\u202e\u2066\ufeff\ud800\u2028")
    assert len(shown) <= 6 * 100
    assert visible("plain\u00e9 text", 100) == "plain\u00e9 text"


@pytest.mark.parametrize("absent", [None, float("nan"), pd.NA, pd.NaT])
def test_what_is_absent_is_shown_as_nothing(absent: Any) -> None:
    """In a report "nan" is taken for a value."""
    assert visible(absent) == ""
