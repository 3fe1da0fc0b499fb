"""The notebooks run from top to bottom, use public names only and are kept without output."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ALL = sorted(NOTEBOOKS.glob("*.ipynb"))


def test_every_notebook_runs() -> None:
    """A reader must see what the author saw."""
    command = [sys.executable, str(NOTEBOOKS / "execute.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("cells ran") == len(ALL) > 0


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_output(path: Path) -> None:
    """Outputs age; executing makes them anew."""
    cells = nbformat.read(path, as_version=4).cells

    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_asks_one_question(path: Path) -> None:
    """Its title is the question it answers."""
    first = nbformat.read(path, as_version=4).cells[0].source

    assert re.match(r"# .*\?$", first.splitlines()[0])


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_has_its_parameters_in_one_cell(path: Path) -> None:
    """Whoever runs it with data of their own, by hand or by papermill, changes one cell."""
    cells = nbformat.read(path, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    code = [cell for cell in cells if cell.cell_type == "code"]

    assert tagged == code[:1]
    assert all(" = " in line for line in tagged[0].source.splitlines())


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_uses_public_names_only(path: Path) -> None:
    """What a reader copies must not break with the next version."""
    source = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)

    assert re.findall(r"(?:from|import) mpreplay[. ](?!as mp)", source) == []
    assert re.findall(r"\w+\._[a-z]\w*", source) == []
