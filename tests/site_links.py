"""The links of a site: each leads to a file of it, and to a place in that file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urldefrag, urlsplit

__all__ = ["Links", "link_faults", "read_links"]

_LOADED: Final = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
_RELATIONS: Final = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload"}
_IN_MARKDOWN: Final = re.compile(r"\]\(([^)\s]+)\)")


@dataclass
class Links:
    """What one page points to, what it loads, and what may be pointed to in it."""

    targets: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links = Links()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.targets.append(given["href"])
        elif tag == "link" and _RELATIONS & set(given.get("rel", "").split()):
            self.links.loads.append(given["href"])
        elif _LOADED.get(tag) in given:
            self.links.loads.append(given[_LOADED[tag]])


def read_links(page: Path) -> Links:
    """Return the links of a page in HTML, or of a list of links in Markdown."""
    text = page.read_text("utf-8")
    if page.suffix != ".html":
        return Links(targets=_IN_MARKDOWN.findall(text))
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.links


def link_faults(site: Path) -> list[str]:
    """Return the links that lead nowhere, what is loaded from elsewhere, and unreachable pages."""
    pages = {page.resolve(): read_links(page) for page in sorted(site.rglob("*.html"))}
    pages |= {page.resolve(): read_links(page) for page in site.glob("llms.txt")}
    faults: list[str] = []
    reached = {(site / name).resolve() for name in ("index.html", "404.html", "llms.txt")}
    for page, links in pages.items():
        name = page.relative_to(site.resolve()).as_posix()
        for load in links.loads:
            if urlsplit(load).scheme not in {"", "data"} or load.startswith("//"):
                faults.append(f"{name} loads {load} from elsewhere")
            elif not load.startswith("data:") and not _place(page, load).is_file():
                faults.append(f"{name} loads {load}, which is not there")
        for target in links.targets:
            if urlsplit(target).scheme or target.startswith("//"):
                continue
            path, anchor = urldefrag(target)
            place = _place(page, path) if path else page
            reached.add(place)
            if not place.is_file():
                faults.append(f"{name} leads to {target}, which is not there")
            elif anchor and place in pages and unquote(anchor) not in pages[place].anchors:
                faults.append(f"{name} leads to {target}, where no such place is")
    lost = sorted(page.name for page in set(pages) - reached)
    return faults + [f"nothing leads to {page}" for page in lost]


def _place(page: Path, path: str) -> Path:
    """Return the file that a link means; links from the root of a site are not used here."""
    place = (page.parent / unquote(urlsplit(path).path)).resolve()
    return place / "index.html" if place.is_dir() else place
