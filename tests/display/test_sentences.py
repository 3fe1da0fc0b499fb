"""What people read first: the verdict and the causes, in sentences."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.display.amounts import visible
from mpreplay.display.facts import Standing
from mpreplay.display.sentences import cause_in_words, verdict
from mpreplay.frames import FATES
from mpreplay.report.standing import standing_of

DAY = pd.Timestamp("2014-06-08", tz="UTC")


def cause(**told: Any) -> dict[str, Any]:
    """Return a cause that differs from a usual one."""
    usual = {
        "values": 34, "outcome": "withheld", "check": "range", "reason": "outside [-60, 60] degC",
        "devices": "R80721", "measurepoints": "Ot_avg", "first_time": DAY, "last_time": DAY,
        "mend": "correct the value", "code": pd.NA, "requests": 0, "lowest": None, "highest": None,
    }  # fmt: skip
    return usual | told


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"lowest": -273.2, "highest": -92.0}, "below its minimum of -60 °C (-273.2 … -92)"),
        ({"lowest": 61.0, "highest": 61.0}, "above its maximum of 60 °C (61)"),
        ({"lowest": -61.0, "highest": 61.0}, "outside its range of [-60, 60] °C (-61 … 61)"),
        ({}, "outside its range of [-60, 60] °C"),
        ({"reason": "outside (0, inf) kW", "lowest": 0, "highest": 0},
         "not above its minimum of 0 kW (0)"),
        ({"reason": "outside (-inf, 5)", "lowest": 5, "highest": 5},
         "not below its maximum of 5 (5)"),
        ({"reason": "outside [0, 360] deg", "lowest": -1, "highest": -1},
         "below its minimum of 0° (-1)"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_says_which_bound_it_missed(told: dict[str, Any], said: str) -> None:
    """Below the minimum is a dead sensor, above the maximum a storm: the bound is the news."""
    assert (
        cause_in_words(cause(**told))[0] == f"34 withheld: Ot_avg of R80721 {said}, on 2014-06-08"
    )


def test_a_declined_request_says_its_code_and_what_was_in_it() -> None:
    """The code is what to look up, the points and devices are where to look."""
    said, mend = cause_in_words(
        cause(
            outcome="declined", check="platform", reason="no permission", code=1212, requests=3,
            devices="3 devices", measurepoints="7 points", last_time=DAY + pd.Timedelta(days=2),
        )
    )  # fmt: skip

    assert said == (
        "34 declined: 7 points of 3 devices in 3 requests, code 1212, no permission, "
        "from 2014-06-08 to 2014-06-10"
    )
    assert mend == "correct the value"


def test_what_is_not_known_is_left_out() -> None:
    """A row without a time has no day, and one without a device no device."""
    told = cause(check="time", reason="no time", first_time=pd.NaT, last_time=pd.NaT, devices="",
                 measurepoints="", mend="")  # fmt: skip

    assert cause_in_words(told) == ("34 withheld: rows, no time", "")


def test_a_cause_of_an_older_shape_can_be_told() -> None:
    """Only the columns that a frame of causes has always had are needed."""
    told = cause(check="platform", outcome="declined", reason="no")
    for name in ("code", "requests", "lowest", "highest"):
        del told[name]

    assert cause_in_words(told)[0] == "34 declined: Ot_avg of R80721, no, on 2014-06-08"


@pytest.mark.parametrize(
    ("totals", "headline"),
    [
        ({"read": 5, "accepted": 5}, "All 5 values were accepted"),
        ({"read": 1, "accepted": 1}, "The one value was accepted"),
        ({"read": 5, "accepted": 4, "declined": 1}, "4 of 5 values were accepted"),
        ({"read": 5, "withheld": 5}, "None of 5 values was accepted"),
        ({}, "There was no value to send"),
    ],
)
def test_the_headline_is_how_many_were_accepted(totals: dict[str, int], headline: str) -> None:
    """It is the one line that everybody reads."""
    assert verdict(Standing(totals))[0] == headline


def test_a_run_that_is_not_complete_says_why_and_what_is_left() -> None:
    """Whoever reads only the verdict must not take half of a history for all of it."""
    facts = {"read_all": False, "n_rows": 10, "stopped": "interrupted (SIGINT)"}
    totals = {"read": 6, "accepted": 2, "in_doubt": 1, "not_sent": 3}
    open_ended = {"in_doubt": (1, 1), "not_sent": (2, 3)}
    rest = verdict(standing_of(facts, totals, open_ended, n_rows=4))[1]

    assert rest == (
        "The others: 1 in doubt and 3 not sent. The run was stopped by the user (Ctrl-C) before "
        "its end. There are 6 rows not read, 1 request in doubt and 2 requests not sent. "
        "The same replay with the same journal continues it."
    )


@pytest.mark.parametrize(
    ("facts", "open_ended", "said"),
    [
        ({"stopped": "interrupted (SIGTERM)"}, {"not_sent": (1, 1)}, "by the system (SIGTERM)"),
        ({"stopped": "code 705: gone\u202e"}, {"not_sent": (1, 1)}, "its end: code 705: gone\\u"),
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
    assert said in verdict(standing_of(facts, totals, open_ended, n_rows=1))[1]


def test_what_has_not_settled_is_not_called_in_doubt() -> None:
    """Of a run that was killed most was never sent; nobody knows which."""
    totals = {"read": 90, "accepted": 10, "in_doubt": 80}
    open_ended = {"in_doubt": (1, 5), "open": (15, 75)}
    rest = verdict(standing_of({"read_all": False}, totals, open_ended, n_rows=0))[1]

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
    assert verdict(standing)[1].startswith("These books do not add up")


@pytest.mark.parametrize(
    ("mend", "advised"),
    [
        ("sign the device in, or allow offline ones", "add the device to the gateway's topology"),
        ("one of this request's devices is to blame", "add the device that is to blame"),
    ],
)
def test_what_the_run_did_already_is_not_advised(mend: str, advised: str) -> None:
    """Advice that was followed before helps nobody."""
    told = cause(outcome="declined", check="platform", reason="no", code=1212, mend=mend)

    assert cause_in_words(told)[1] == mend
    assert cause_in_words(told, allows_offline=True)[1].startswith(advised)
    assert cause_in_words({**told, "code": 1204}, allows_offline=True)[1] == mend


@given(st.lists(st.integers(0, 10**9), min_size=5, max_size=5), st.booleans())
def test_a_verdict_never_claims_all_where_something_is_missing(
    counts: list[int], is_complete: bool
) -> None:
    """The word All is a promise."""
    totals = dict(zip(FATES, counts, strict=True)) | {"read": sum(counts)}
    standing = Standing(totals, is_complete)
    headline, rest = verdict(standing)

    assert standing.is_balanced
    assert headline.startswith(("All", "The one")) == (0 < counts[0] == sum(counts))
    assert ("is complete" in rest) == is_complete
    for fate, n in totals.items():
        assert not n or f"{n:,}" in headline + rest or fate == "read" or n == 1


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
