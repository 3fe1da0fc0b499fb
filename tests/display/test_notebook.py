"""Parts of what a notebook shows: escaped, and legible in a light and in a dark theme."""

from __future__ import annotations

import re

import pytest

from mpreplay.display.notebook import (
    COLOURS,
    Html,
    bar,
    block,
    details,
    heading,
    listed,
    note,
    table,
)
from mpreplay.display.tables import Table

EVIL = "<img src=x onerror=alert(1)>\u202e"
GROUNDS = ("#ffffff", "#111111", "#1e1e1e")  # of JupyterLab, light and dark, and of VS Code


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(
            part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True)
        )

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", GROUNDS)
def test_shapes_can_be_told_from_any_ground(ground: str) -> None:
    """One set of colours has to do: a notebook does not say which theme it has."""
    assert all(contrast(colour, ground) >= 3 for colour in COLOURS.values())


def test_no_text_has_a_colour_of_its_own() -> None:
    """Text in the theme's own ink is legible in each theme; a fixed grey is not in one of them."""
    shown = block(
        heading("a", "b"), note("c"), listed(["d"]), details("e", "f"),
        bar([("accepted", 1, "one"), ("absent", 2, "two")]),
        table(Table("g", ("h", "i"), [("j", 1)], frozenset({1}))),
    )  # fmt: skip

    assert set(re.findall(r"(?<![-\w])color:([^;\"]+)", shown)) == {"inherit"}
    assert {float(share) for share in re.findall(r"opacity:([.\d]+)", shown)} == {0.8}


def test_every_text_is_escaped_and_hidden_marks_are_shown() -> None:
    """What is shown comes from files of others."""
    shown = block(
        heading(EVIL, EVIL), note(EVIL), listed([EVIL]), details(EVIL, "x"),
        bar([("declined", 1, EVIL)]), table(Table(EVIL, (EVIL,), [(EVIL,)])),
    )  # fmt: skip

    assert "<img" not in shown
    assert "\u202e" not in shown
    assert "&lt;img" in shown


def test_what_is_html_already_is_not_escaped_again() -> None:
    """A bar stands in a cell."""
    inner = bar([("accepted", 1, "one")], key=False)

    assert inner in table(Table("t", ("a",), [(inner,)]))
    assert table(Table("t", ("a",), [(Html("<b>x</b>"),)])).count("<b>x</b>") == 1


def test_nothing_shows_nothing() -> None:
    """An empty table with a caption looks like a fault."""
    assert table(Table("t", ("a",), [])) == bar([]) == bar([("accepted", 0, "")]) == ""
    assert note() == note("") == listed([]) == details("more") == ""
