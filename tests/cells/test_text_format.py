"""The format of texts: what cannot be is refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

import mpreplay as mp
from mpreplay.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"delimiter": ";;"}, "delimiter= must be one ASCII character .* got ';;'"),
        ({"delimiter": '"'}, "delimiter= must be one ASCII character"),
        ({"delimiter": "\n"}, "delimiter= must be one ASCII character"),
        ({"delimiter": "ä"}, "delimiter= must be one ASCII character"),
        ({"delimiter": ""}, "delimiter= must be one ASCII character"),
        ({"delimiter": 7}, r"delimiter= must be a text, got 7 \(int\)"),
        ({"decimal": ";"}, r"decimal= must be '\.' or ','"),
        ({"encoding": "utf8x"}, "encoding='utf8x' is no encoding .* 'cp1252'"),
        ({"encoding": "hex"}, "encoding='hex' is no encoding of texts"),
        ({"encoding": "a\0b"}, "is no encoding of texts"),
        ({"encoding": None}, "encoding= must be a text, got None"),
        ({"absent": "-"}, r"must be a list of texts, got '-': write absent=\('-',\)"),
        ({"absent": 7}, "absent= must be a list of texts, got 7"),
        ({"absent": [1]}, "absent= must be a list of texts, got 1"),
        ({"strip": 1}, "strip= must be True or False, got 1"),
    ],
)
def test_an_impossible_format_is_refused(given: dict[str, Any], told: str) -> None:
    """A wrong format would be found in a million cells; it is found at once, in one sentence."""
    with pytest.raises(ConfigError, match=told):
        mp.TextFormat(**given)


def test_a_format_is_shown_as_it_is_written() -> None:
    """A message that proposes a format can be copied into the call."""
    given = mp.TextFormat(delimiter=";", decimal=",", absent=["-"], strip=True)  # type: ignore[arg-type]
    assert eval(repr(given), {"TextFormat": mp.TextFormat}) == given
    assert repr(mp.TextFormat()) == "TextFormat()"
    column = mp.Column("Run", scale=2, suffix="m/s")
    assert eval(repr(column), {"Column": mp.Column}) == column
    assert hash(given) == hash(mp.TextFormat(delimiter=";", decimal=",", absent=("-",), strip=True))
