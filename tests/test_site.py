"""The site's list of pages, and the checks that a built site goes through.

Building a site takes the dependency group ``docs``; ``.ci/site`` does, and checks what was built.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from accessible import contrast_faults, keyboard_faults, tree_faults
from browser import CHROMIUM, Browser
from site_links import link_faults

import mpreplay as mp

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "site"))
import llms  # noqa: E402

GOOD = (
    "<!DOCTYPE html><html lang=en><title>A page</title><main><h1 id=top>A page</h1>"
    "<p>Some words, <a href='{target}'>a link</a>.</p></main>"
)
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser: chromium"),
]


def _navigation() -> list[str]:
    settings = llms.tomllib.loads((DOCS / "site" / "zensical.toml").read_text("utf-8"))
    return [page for _, page in llms.pages(settings["project"]["nav"])]


def test_every_page_stands_in_the_navigation_once() -> None:
    """A page that nothing leads to is not read."""
    pages = [*(path.name for path in DOCS.glob("*.md")), *llms.OUTSIDE]
    pages += [f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")]

    assert sorted(_navigation()) == sorted(pages)


def test_the_list_for_machines_is_that_of_the_navigation() -> None:
    """`python docs/site/llms.py` writes it anew."""
    assert llms.PLACE.read_text("utf-8") == llms.llms_text()


def test_every_line_of_that_list_leads_to_a_file() -> None:
    """The other documents are followed in `test_pages.py`."""
    targets = re.findall(r"\]\(([^)]+)\)", llms.PLACE.read_text("utf-8"))

    assert targets
    assert [target for target in targets if not (DOCS / target).is_file()] == []


def test_the_page_of_the_public_names_has_each_with_its_first_sentence() -> None:
    """It reads as a file too; the site has the whole docstring in place of each line."""
    page = (DOCS / "api.md").read_text("utf-8")
    said = dict(re.findall(r"^- `(\w+)`: (.+)$", page, re.MULTILINE))

    assert set(said) == {*mp.__all__, "RehearsalPlatform"}
    for name in mp.__all__:
        first = (inspect.getdoc(getattr(mp, name)) or "").partition("\n\n")[0].replace("\n", " ")
        first = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", first).replace("``", "`")
        assert said[name] == first


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site of two pages that lead to each other."""
    for name, target in (("index", "other.html#top"), ("other", "index.html")):
        (tmp_path / f"{name}.html").write_text(GOOD.format(target=target), "utf-8")
    return tmp_path


def test_a_site_whose_links_hold_has_no_faults(site: Path) -> None:
    """The faults below are then those that were put in."""
    assert link_faults(site) == []


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("<a href=gone.html>x</a>", "index.html leads to gone.html, which is not there"),
        ("<a href=other.html#gone>x</a>", "leads to other.html#gone, where no such place is"),
        ("<a href=#gone>x</a>", "leads to #gone, where no such place is"),
        ("<script src=https://h/x.js></script>", "loads https://h/x.js from elsewhere"),
        ("<link rel=stylesheet href=//h/x.css>", "loads //h/x.css from elsewhere"),
        ("<img src=gone.png alt=x>", "loads gone.png, which is not there"),
    ],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_told(site: Path, wrong: str, fault: str) -> None:
    """A reader would have found it."""
    page = site / "index.html"
    page.write_text(page.read_text("utf-8") + wrong, "utf-8")

    (told,) = link_faults(site)
    assert told.endswith(fault)


def test_a_page_that_nothing_leads_to_is_told(site: Path) -> None:
    """It was written for nobody."""
    (site / "lost.html").write_text(GOOD.format(target="index.html"), "utf-8")

    assert link_faults(site) == ["nothing leads to lost.html"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser for all tests of this module."""
    with Browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


class TestInABrowser:
    """What is checked of each page, tried on pages that have the fault."""

    pytestmark = needs_browser

    def faults(self, browser: Browser, folder: Path, added: str = "") -> list[str]:
        """Return what is wrong with a good page to which something was added."""
        page = folder / "page.html"
        page.write_text(GOOD.format(target="#top").replace("</main>", f"{added}</main>"), "utf-8")
        opened = browser.open(page.as_uri(), 390)
        told = [*tree_faults(browser), *contrast_faults(browser), *keyboard_faults(browser)]
        return opened.said + told

    def test_a_good_page_has_no_faults(self, browser: Browser, tmp_path: Path) -> None:
        """The faults below are then those that were put in."""
        assert self.faults(browser, tmp_path) == []

    @pytest.mark.parametrize(
        ("added", "fault"),
        [
            ("<p style='color:#888'>pale</p>", "3.54: rgb(136, 136, 136) on 255,255,255"),
            ("<p style='opacity:.5'>pale</p>", "3.98: rgb(0, 0, 0) on 255,255,255"),
            ("<p style='color:oklch(.7 0 0)'>pale</p>", "pale"),
            ("<h4>far down</h4>", "a heading of level 4 follows one of level 1"),
            ("<table><thead><tr><th><td></thead></table>", "a table has a head without words"),
            ("<h1>again</h1>", "2 headings of the first level"),
            ("<a href=#x><img src=data:, alt=''></a>", "a link has no name"),
            ("<a href=#x style='position:absolute;left:-99em'>x</a>", "where nobody sees it"),
            ("<a href=#x aria-hidden=true>x</a>", "where nobody hears it"),
            ("<a href=#x tabindex=-1>x</a>", "no key reaches 'x'"),
            ("<details><summary tabindex=-1>more</summary></details>", "no key reaches 'more'"),
            ("<a href=#x tabindex=1>x</a>", "the focus goes another way than the reading"),
            ("<script>throw Error('broken')</script>", "broken"),
        ],
    )  # fmt: skip
    def test_a_fault_is_noticed(
        self, browser: Browser, tmp_path: Path, added: str, fault: str
    ) -> None:
        """A check that finds nothing proves something only if it finds what is there."""
        told = self.faults(browser, tmp_path, added)

        assert any(fault in one for one in told), told
