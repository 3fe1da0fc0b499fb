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
