"""The list of all pages for machines that read: ``docs/llms.txt``.

``python docs/site/llms.py`` writes it anew, from the navigation and the titles of the pages.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
DOCS: Final = HERE.parent
PLACE: Final = DOCS / "llms.txt"
# Pages of the site that lie outside of docs/.
OUTSIDE: Final = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "vulnerabilities.md": "SECURITY.md",
}


def pages(nav: Any, section: str = "") -> Iterator[tuple[str, str]]:
    """Yield section and page of a navigation, in its order."""
    if isinstance(nav, str):
        yield section, nav
        return
    for entry in nav:
        for name, below in entry.items():
            yield from pages(below, section if isinstance(below, str) else name)


def file_of(page: str) -> Path:
    """Return the file that a page of the site is made from."""
    if page.startswith("notebooks/"):
        return (DOCS.parent / page).with_suffix(".ipynb")
    return DOCS.parent / OUTSIDE[page] if page in OUTSIDE else DOCS / page


def title_of(file: Path) -> str:
    """Return the first heading of a page or a notebook."""
    text = file.read_text("utf-8")
    if file.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else file.stem


def llms_text() -> str:
    """Return the list; its links lead from ``docs/`` to the files."""
    project = tomllib.loads((HERE / "zensical.toml").read_text("utf-8"))["project"]
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}", ""]
    above = ""
    for section, page in pages(project["nav"]):
        file = file_of(page)
        if section != above:
            lines += ["", f"## {section}", ""]
            above = section
        lines.append(f"- [{title_of(file)}]({_from_docs(file)})")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _from_docs(file: Path) -> str:
    if file.is_relative_to(DOCS):
        return file.relative_to(DOCS).as_posix()
    return f"../{file.relative_to(DOCS.parent).as_posix()}"


if __name__ == "__main__":
    PLACE.write_text(llms_text(), "utf-8")
