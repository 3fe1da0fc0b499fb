"""Words for readers who have no Python: what names an argument stands apart."""

from __future__ import annotations

import re

import pytest
from display.test_reasons import SAID

from mpreplay.display.facts import Detail
from mpreplay.display.page import aside
from mpreplay.display.plain_words import PLAIN, PLAIN_ADVICE, PLAIN_OF_MANY, Apart, told_apart
from mpreplay.display.reasons import _ADVICE, _OF_MANY, _REASONS, cause_reason, plain_advice
from mpreplay.errors import Argument, message

ARGUMENT = re.compile(r"[a-z_]=")


@pytest.mark.parametrize("detail", [detail for detail, _ in SAID], ids=lambda one: one.kind)
def test_no_plain_reason_names_an_argument(detail: Detail) -> None:
    """An auditor cannot give tz=, and takes the page for a program's."""
    assert not ARGUMENT.search(cause_reason(detail, 1, plain=True))
    assert not ARGUMENT.search(cause_reason(detail, 2, plain=True))


@pytest.mark.parametrize("key", sorted(_ADVICE))
def test_no_plain_advice_names_an_argument(key: str) -> None:
    """What to do is said in words; what to pass stands behind, for the one who passes it."""
    told = plain_advice(key)

    assert not ARGUMENT.search(told.said)
    assert not told.said.endswith(".")
    assert bool(ARGUMENT.search(str(_ADVICE[key]))) == bool(told.arguments)
    assert all(f"{name}=" in str(_ADVICE[key]) for name in re.findall("([a-z_]+)=", told.arguments))


def test_plain_words_are_of_kinds_that_there_are() -> None:
    """A kind that was renamed would be told in the words for Python again, and nobody would see."""
    assert PLAIN.keys() <= _REASONS.keys()
    assert PLAIN_OF_MANY.keys() <= _OF_MANY.keys()
    assert PLAIN_ADVICE.keys() <= _ADVICE.keys()
    assert PLAIN_OF_MANY.keys() <= PLAIN.keys()


def test_the_arguments_of_a_message_stand_behind_its_clauses() -> None:
    """A hint about a column is half words and half what to pass."""
    told = message(
        "P: 9 of 300 cells are '-': ", Argument("absent", ("-",)), "; 3 are numbers with a decimal "
        "comma: ", Argument("text"),
    )  # fmt: skip

    assert told_apart(told) == Apart(
        "P: 9 of 300 cells are '-'; 3 are numbers with a decimal comma", "absent=('-',), text="
    )
    assert told_apart("a = b") == Apart("a = b")


def test_what_stands_apart_is_escaped() -> None:
    """Sentences hold names from data."""
    shown = str(aside(Apart("<b>"), Apart("c", "x='<i>'")))

    assert shown == '&lt;b&gt;. c. <span class="how">(<code>x=&#39;&lt;i&gt;&#39;</code>)</span>'
