"""The benchmarks stand, and the figures that documents show are those that were measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
ROWS = (*range(1, 14), 15, 18)


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Return the last run."""
    return json.loads((FOLDER / "results.json").read_text("utf-8"))


@pytest.fixture
def scoreboard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module that writes the table."""
    monkeypatch.syspath_prepend(FOLDER)
    import scoreboard as module

    return module


def test_every_row_has_one_script(scoreboard: Any) -> None:
    """A row that nobody can measure again is a claim."""
    assert list(scoreboard.scripts()) == list(ROWS)
    assert len(list(FOLDER.glob("row_*.py"))) == len(ROWS)


def test_the_last_run_is_kept_with_all_rows_and_the_machine(results: dict[str, Any]) -> None:
    """Others read the file: its shape is a promise."""
    assert [row["number"] for row in results["rows"]] == list(ROWS)
    for row in results["rows"]:
        assert isinstance(row["met"], bool)
        assert all(isinstance(row[name], str) for name in ("name", "figure", "bar", "aim"))
    assert {"processor", "cores", "python"} <= set(results["machine"])


def test_the_table_of_the_readme_is_the_last_run(scoreboard: Any, results: dict[str, Any]) -> None:
    """A figure typed by hand is not a measurement."""
    for path in scoreboard.READMES:
        text = path.read_text("utf-8")
        assert scoreboard.BEGIN in text
        assert scoreboard.with_table(text, results) == text


def test_the_readme_says_how_each_row_is_measured(scoreboard: Any) -> None:
    """A figure without a way to get it cannot be doubted, nor believed."""
    text = (FOLDER / "README.md").read_text("utf-8")
    told = dict(re.findall(r"^(\d+)\. `(row_\w+\.py)`", text, re.MULTILINE))

    assert {int(number): name for number, name in told.items()} == {
        number: path.name for number, path in scoreboard.scripts().items()
    }


@pytest.mark.parametrize("script", ["row_01_encode.py", "row_07_validate.py", "row_10_import.py"])
def test_a_benchmark_runs_without_the_year(script: str, tmp_path: Path) -> None:
    """Whoever changes the inside of the package learns here that a benchmark uses it."""
    written = tmp_path / "row.json"
    subprocess.run(
        [sys.executable, FOLDER / script, "--quick", "--json", written],
        check=True, capture_output=True,
    )  # fmt: skip

    assert json.loads(written.read_text("utf-8"))["figure"]
