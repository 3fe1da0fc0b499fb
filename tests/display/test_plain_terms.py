"""The words of a page are explained on it: its reader has nothing else at hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mpreplay.display.plain_words import TERMS

PAGE = Path(__file__).parents[2] / "docs" / "report-and-audit.md"


@pytest.mark.parametrize("word", [one for word, _ in TERMS for one in word.split(", ")])
def test_a_word_of_the_page_is_also_in_the_documentation(word: str) -> None:
    """Who has the page and who has the documentation read the same words."""
    words = PAGE.read_text("utf-8").partition("## Words")[2].partition("\n## ")[0]

    assert re.search(rf"^\|[^|]*\b{re.escape(word)}\b", words, re.MULTILINE)


def test_a_meaning_is_a_sentence_without_code() -> None:
    """Its reader has no Python."""
    assert not [said for _, said in TERMS if re.search(r"[`=_]|\.$", said)]
    assert len({word for word, _ in TERMS}) == len(TERMS)
