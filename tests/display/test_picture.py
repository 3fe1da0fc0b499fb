"""Pictures that stand alone: true XML, legible on any ground, and harmless beside others."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import mpreplay as mp
from mpreplay.display.drawing import Drawing
from mpreplay.display.picture import Panel, Picture
from mpreplay.display.pictures import balance

EVIL = '<script>alert("1")</script> & \'fill="url(#p-declined)'
KEY = (("accepted", "accepted"), ("withheld", EVIL), ("absent", "absent"), ("dashed", "slowest"))


def picture(counts: dict[str, int], key: tuple[tuple[str, str], ...] = KEY) -> Picture:
    """Return a picture of a balance."""
    return Picture(f"Values {EVIL}", (Panel(balance(counts), "By fate", key),))


def test_a_picture_is_xml_in_which_texts_stay_texts() -> None:
    """A file that a browser shows and an editor refuses is of no use; nor is one that runs code."""
    shown = picture({"accepted": 5, "withheld": 2})._repr_svg_()
    tree = ElementTree.fromstring(shown)
    texts = [one.text for one in tree.iter("{http://www.w3.org/2000/svg}text")]

    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    assert EVIL in texts
    assert "<script" not in shown


def test_a_picture_needs_nothing_from_the_page_around_it() -> None:
    """Each class has a rule and each pattern a definition in the picture itself."""
    shown = picture({"accepted": 5, "withheld": 2, "declined": 1})._repr_svg_()
    style = shown.partition("<style>")[2].partition("</style>")[0]
    used = set(re.findall(r'fill="url\(#([\w-]+)\)"', shown))
    classes = {name for names in re.findall(r'class="([^"]*)"', shown) for name in names.split()}
    scope = re.search(r'<svg [^>]*class="(mp-\w+)"', shown)[1]

    assert used
    assert used <= set(re.findall(r'id="([\w-]+)"', shown))
    assert all(re.search(rf"\.{name}\b", style) for name in classes - {"solid"})
    assert "var(" not in style
    assert all(rule.strip().startswith(f".{scope} ") for rule in re.findall(r"[^{}@]+(?={ )", style)
               if "prefers-color-scheme" not in rule)  # fmt: skip


def test_two_pictures_in_one_notebook_share_no_name() -> None:
    """A pattern of one that is folded away must not take the other's with it."""
    one, other = (picture({"accepted": n, "withheld": 1})._repr_svg_() for n in (1, 2))

    assert not set(re.findall(r'id="([\w-]+)"', one)) & set(re.findall(r'id="([\w-]+)"', other))


def test_a_long_key_takes_more_lines_and_none_leaves_the_field() -> None:
    """The end of a sentence matters."""
    key = tuple(("accepted", f"a part of the picture, number {n}") for n in range(9))
    shown = picture({"accepted": 1}, key)
    tree = ElementTree.fromstring(shown.svg)
    places = [one.get("transform") for one in tree.iter("{http://www.w3.org/2000/svg}g")]
    x = [float(place.split("(")[1].split()[0]) for place in places if place]

    assert max(x) + 7 * len(key[0][1]) < float(tree.get("width"))
    assert float(tree.get("height")) > float(
        picture({"accepted": 1}).svg.split('height="')[1].split('"')[0]
    )


def test_a_picture_is_saved_as_it_is_shown(tmp_path: Path) -> None:
    """Also a name with half a character in it."""
    kept = Picture("Half \ud800", (Panel(Drawing("t", 10, 10, "")),))
    kept.save(tmp_path / "x.svg")

    ElementTree.parse(tmp_path / "x.svg")
    assert "Half" in (tmp_path / "x.svg").read_text("utf-8")
    with pytest.raises(mp.ConfigError, match="there is no folder"):
        kept.save(tmp_path / "no" / "x.svg")
    with pytest.raises(mp.ConfigError, match="path= must be a path"):
        kept.save(3)  # type: ignore[arg-type]


def test_a_picture_says_how_to_keep_it() -> None:
    """In a terminal nothing draws it."""
    assert ".save('picture.svg')" in repr(picture({"accepted": 1}))
