"""The tables of the pages for users: what they list is what the code has."""

from __future__ import annotations

import re

from pages import PAGES

import mpreplay as mp
from mpreplay.display.facts import CHECKS
from mpreplay.frames import FATES
from mpreplay.protocol.codes import RETURN_CODES
from mpreplay.simulator import faults


def _quoted(page: str, section: str) -> set[str]:
    """Return the words in code of a section of a page."""
    text = PAGES[f"docs/{page}.md"].partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert text, section
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", text))))


def test_the_defaults_of_the_limits_are_those_of_the_code() -> None:
    """A table of defaults is believed, and not looked up again."""
    default = mp.Limits().as_dict()
    rows = re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", PAGES["docs/continuing.md"], re.MULTILINE)
    told = {}
    for names, values in rows:
        numbers = re.findall(r"\d{1,3}(?:,\d{3})*|None", values)
        told |= dict(zip(re.findall(r"`(\w+)`", names), numbers, strict=True))
    spelled = {
        name: None if one == "None" else int(one.replace(",", "")) for name, one in told.items()
    }

    assert set(default) - set(spelled) == {"max_entries", "max_values"}
    assert spelled == {name: default[name] for name in spelled}


def test_every_check_stands_on_the_page_of_rejects() -> None:
    """A reject whose check is explained nowhere is not mended."""
    assert set(CHECKS) <= _quoted("rejects", "The tables of a run")


def test_every_code_that_a_run_can_do_something_about_is_listed_with_what_it_does() -> None:
    """A code in a log is looked up on the page."""
    section = (
        PAGES["docs/continuing.md"].partition("| the platform answers |")[2].partition("\n\n")[0]
    )
    codes = {one.code for one in RETURN_CODES if one.asks not in {"accepted", "stop"}}
    listed = {int(code) for code in re.findall(r"\b\d{3,4}\b", section)}

    assert {code for code in codes if not 500 <= code < 600} == listed
    assert "5xx" in section


def test_every_fault_of_the_rehearsal_platform_stands_on_its_page() -> None:
    """A fault that nobody knows of is not rehearsed."""
    words = set(re.findall(r"^(\w+)(?::[SN])? {2,}\w", faults.__doc__ or "", re.MULTILINE))

    assert len(words) == 14
    assert words <= _quoted("rehearsal", "Make it fail")


def test_every_fate_is_explained_to_readers_without_python() -> None:
    """They read the report, and no docstring."""
    text = PAGES["docs/report-and-audit.md"].partition("The five fates:")[2].partition("\n\n*")[0]
    rows = re.findall(r"^\| ([a-z ]+) \|", text, re.MULTILINE)[1:]

    assert [row.replace(" ", "_") for row in rows] == list(FATES)
