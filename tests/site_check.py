"""Check a built site: its links, and its pages in a browser, as files and without a network.

``python tests/site_check.py FOLDER [--pictures FOLDER]`` ends with 0 if nothing is wrong.
"""

from __future__ import annotations

import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Final

from accessible import contrast_faults, keyboard_faults, tree_faults
from browser import Browser
from site_links import link_faults

import mpreplay as mp

ROOT: Final = Path(__file__).resolve().parents[1]
_ARGUMENT: Final = re.compile(r"<b><code>(\w+)</code></b>(.*?)<div", re.DOTALL)
_DEFAULT: Final = re.compile(r"default:\s*<code>(.*?)</code>", re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")
WIDTHS: Final = (1100, 390)
SCHEMES: Final = (False, True)  # light, dark
WALKED: Final = {"index.html", "rejects.html", "notebooks/01-quickstart.html"}  # by keyboard
WORD: Final = "duplicates"  # which the search has to find
SECTIONS: Final = ("Prepare", "Send", "Look up")  # of the menu
STOPS: Final = 12  # of the focus until all of them were reached
PATIENCE: Final = 100  # pauses until it is found


def main(arguments: list[str]) -> None:
    """Print what is wrong with a site."""
    site = Path(arguments[0]).resolve()
    pictures = Path(arguments[2]) if arguments[1:2] == ["--pictures"] else None
    faults = [*link_faults(site), *reference_faults((site / "api.html").read_text("utf-8"))]
    pages = sorted(site.rglob("*.html"))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Browser(Path(folder)) as browser,
    ):
        for page in pages:
            name = page.relative_to(site).as_posix()
            if str(ROOT) in page.read_text("utf-8"):
                faults.append(f"{name}: it names a path of this machine")
            faults += [f"{name}: {fault}" for fault in page_faults(browser, page, site)]
            if pictures:
                take_pictures(browser, page, pictures / name.replace("/", "-"))
        faults += [f"search: {fault}" for fault in search_faults(browser, site)]
        faults += [f"menu: {fault}" for fault in menu_faults(browser, site)]
    print(*faults, sep="\n")
    print(f"{len(pages)} pages at {WIDTHS} pixels, light and dark: {len(faults)} faults")
    sys.exit(bool(faults))


def reference_faults(page: str) -> Iterator[str]:
    """Yield arguments of public functions that the page shows with another default, or without."""
    functions = [name for name in mp.__all__ if inspect.isfunction(getattr(mp, name))]
    for name in functions:
        _, _, part = page.partition(f'id="mpreplay.{name}"')
        shown = dict(_ARGUMENT.findall(part.partition('<h3 id="mpreplay.')[0]))
        for argument, given in inspect.signature(getattr(mp, name)).parameters.items():
            default = "" if given.default is given.empty else repr(given.default)
            told = _DEFAULT.search(shown.get(argument, ""))
            text = unescape(_TAG.sub("", told[1])).strip() if told else ""
            if argument not in shown:
                yield f"{name}: the page has no {argument}"
            elif text.replace('"', "'") != default.replace('"', "'"):
                yield f"{name}: the default of {argument} is {default or 'none'}, shown is {text}"


def page_faults(browser: Browser, page: Path, site: Path) -> Iterator[str]:
    """Yield what is wrong with a page at each width, in light and dark colours."""
    walked = page.relative_to(site).as_posix() in WALKED
    for width in WIDTHS:
        for dark in SCHEMES:
            at = f"{width} pixels, {'dark' if dark else 'light'}: "
            opened = browser.open(page.as_uri(), width, dark=dark)
            yield from (f"{at}the console says {line}" for line in opened.said)
            beyond = (
                one for one in opened.requests if not one.startswith((site.as_uri(), "data:"))
            )
            yield from (f"{at}it asks for {address}" for address in beyond)
            yield from (f"{at}contrast {line}" for line in contrast_faults(browser))
        needed = browser.run("document.documentElement.scrollWidth")
        if needed > width:
            yield f"{width} pixels: it is {needed} pixels wide"
        yield from (f"{width} pixels: {fault}" for fault in tree_faults(browser))
        if walked:
            yield from (f"{width} pixels: {fault}" for fault in keyboard_faults(browser))


def search_faults(browser: Browser, site: Path) -> Iterator[str]:
    """Yield what is wrong with the search of pages that were opened as files."""
    browser.open((site / "index.html").as_uri(), WIDTHS[0])
    for _ in range(PATIENCE):  # until the script that opens it is there
        browser.run("document.querySelector('.md-search__button').click()")
        browser.pause()
        if browser.run("document.activeElement !== document.body"):
            break
    browser.type(WORD)
    for _ in range(PATIENCE):
        browser.pause()
        names = [node.get("name", {}).get("value", "") for node in browser.tree()]
        if any(re.match(r"[1-9]\d* results?", name) for name in names):
            return
    yield f"{WORD!r} is not found"


def menu_faults(browser: Browser, site: Path) -> Iterator[str]:
    """Yield what is wrong with the menu of a narrow screen, opened by key."""
    browser.open((site / "index.html").as_uri(), min(WIDTHS))
    heard = []
    for _ in range(STOPS):
        browser.press("Tab")
        heard.append(browser.run("document.activeElement.innerText.trim()"))
        if heard[-1] == "Navigation":
            browser.press("Enter")
            for _ in range(STOPS):  # it moves into view
                browser.pause()
    if not {"Navigation", *SECTIONS} <= set(heard):
        yield f"no key leads to one of {SECTIONS}: {heard}"


def take_pictures(browser: Browser, page: Path, name: Path) -> None:
    """Write what is seen of a page first, at each width and in both schemes."""
    for width in WIDTHS:
        for dark in SCHEMES:
            browser.open(page.as_uri(), width, dark=dark)
            browser.picture(name.with_suffix(f".{width}.{'dark' if dark else 'light'}.png"))


if __name__ == "__main__":
    main(sys.argv[1:])
