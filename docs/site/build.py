"""Build the site: the pages of ``docs/``, the executed notebooks, and the reference of the code.

``python docs/site/build.py FOLDER`` needs the dependency group ``docs``, for the notebooks the
extras ``dask``, ``notebook`` and ``report``, and no network: nothing of the site is loaded from
elsewhere, and its pages may be opened as files. ``--quick`` leaves the notebooks without outputs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from llms import OUTSIDE, PLACE
from notebook_pages import place_outputs, write_notebooks

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
FRONT: Final = {"README.md": "index.md"}  # the first page says there what README says here
# What a public function returns, and is itself no name of the package.
HOMES: Final = {"RehearsalPlatform": "simulator.handle.RehearsalPlatform"}
_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]*)(#[^)\s]*)?\)")
_FENCE: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
# A line of api.md that stands for a name: its place takes the whole reference of that name.
_NAME: Final = re.compile(r"^- `(\w+)`: .*(?:\n  .*)*$", re.MULTILINE)


def main(arguments: list[str]) -> None:
    """Build the site in a folder that is made, or made anew if it is a site."""
    places = [one for one in arguments if one != "--quick"]
    if len(places) != 1:
        sys.exit(f"usage: python {Path(__file__).name} [--quick] FOLDER")
    folder = Path(places[0])
    if folder.exists() and not (folder / "index.html").exists() and any(folder.iterdir()):
        sys.exit(f"{folder} holds something that is no site")
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        docs = stage / "docs"
        write_pages(docs)
        notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
        outputs = write_notebooks(notebooks, docs / "notebooks", execute=places == arguments)
        shutil.copytree(docs, stage / "markdown")  # the pages as files, which llms.txt names
        reference = docs / "api.md"
        reference.write_text(with_reference(reference.read_text("utf-8")), "utf-8")
        shutil.copytree(HERE / "theme", stage / "theme")
        shutil.copy(HERE / "numpydoc.py", stage)
        shutil.copy(HERE / "zensical.toml", stage)
        _zensical(stage)
        place_outputs(outputs, stage / "site")
        (stage / "site" / "404.html").unlink()  # for servers, and with addresses of their own
        shutil.copytree(stage / "markdown", stage / "site", dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(stage / "site", folder)
    print(f"{folder}: {len(list(folder.rglob('*.html')))} pages")


def write_pages(folder: Path) -> None:
    """Write the pages of docs/, and those from outside of it, with links that hold in the site."""
    folder.mkdir()
    places = {path: path.name for path in sorted((ROOT / "docs").glob("*.md"))}
    places |= {ROOT / name: page for page, name in OUTSIDE.items()}
    known = {path.resolve(): page for path, page in places.items()}
    known |= {ROOT / name: page for name, page in FRONT.items()}
    known |= {path: f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
    for path, page in places.items():
        (folder / page).write_text(linked(path.read_text("utf-8"), path.parent, known), "utf-8")
    (folder / PLACE.name).write_text(linked(PLACE.read_text("utf-8"), PLACE.parent, known), "utf-8")


def with_reference(text: str) -> str:
    """Return the page of the public names, with the whole reference in place of each line."""
    return _NAME.sub(lambda found: f"::: mpreplay.{HOMES.get(found[1], found[1])}\n", text)


def linked(text: str, folder: Path, known: dict[Path, str]) -> str:
    """Return a page with links to pages of the site; of a link to another file, its text."""

    def changed(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return found[0]
        page = known.get((folder / target).resolve())
        return label if page is None else f"[{label}]({page}{anchor})"

    parts = _FENCE.split(text)
    return "".join(part if n % 2 else _LINK.sub(changed, part) for n, part in enumerate(parts))


def _zensical(stage: Path) -> None:
    """Run the site generator, which reads the code from this clone."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=stage, env=os.environ | {"PYTHONPATH": paths}, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    print(done.stdout, end="")
    if done.returncode:
        sys.exit("the site was not built")


if __name__ == "__main__":
    main(sys.argv[1:])
