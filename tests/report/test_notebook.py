"""What a notebook shows of a run."""

from __future__ import annotations

from report.test_causes import declined, rejects

from mpreplay.display.facts import Ended, Standing
from mpreplay.report.causes import gather
from mpreplay.report.notebook import MAX_CAUSES, short_form

EVIL = "<script>alert(1)</script>"


def test_the_verdict_comes_first_then_the_balance_then_the_causes() -> None:
    """A glance at the cell answers whether it worked."""
    shown = short_form(Standing({"read": 9, "accepted": 8, "withheld": 1}), gather([rejects({})]))

    order = [
        shown.index(text)
        for text in ("8 of 9 values", "1 withheld", "P of T1", "correct the value")
    ]
    assert order == sorted(order)


def test_nothing_from_the_data_is_taken_for_markup() -> None:
    """A device may be called anything, and a notebook runs what it is shown."""
    row = declined("1", EVIL, device_key=EVIL, measurepoint='"><img src=x>')
    shown = short_form(
        Standing({"read": 1, "declined": 1}, is_complete=False, ended=Ended("refused", (EVIL,))),
        gather([rejects(row)]),
    )

    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


def test_what_has_not_settled_is_a_cause_of_its_own() -> None:
    """A killed run has no rejects yet, and a cell that shows none looks like a success."""
    standing = Standing(
        {"read": 9, "accepted": 4, "open": 5}, False, False, requests={"open": 2}
    )  # fmt: skip
    shown = short_form(standing, gather([]))

    assert "<li>5 values are in 2 requests that have not settled" in shown
    assert "continue the run with the same command" in shown
    assert "5 not settled" in shown


def test_many_causes_and_many_rejects_are_cut_and_it_says_so() -> None:
    """A cell of a notebook is no place for two hundred lines."""
    frames = [rejects(declined(str(n), f"reason {n}")) for n in range(MAX_CAUSES + 3)]
    shown = short_form(Standing({"read": 99, "declined": 99}), gather(frames))

    assert shown.count("<li>") == MAX_CAUSES
    assert "3 causes more" in shown
    assert f"first {MAX_CAUSES + 3} rejects" in shown


def test_a_run_without_values_shows_no_bar() -> None:
    """Nothing divided by nothing has no width."""
    assert "role" not in short_form(Standing(), gather([]))
