"""The benchmarks stand, and the figures that documents show are those that were measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
ROWS = tuple(range(1, 22))


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


def test_the_last_run_is_kept_with_its_rows_and_the_machine(results: dict[str, Any]) -> None:
    """Others read the file: its shape is a promise."""
    numbers = [row["number"] for row in results["rows"]]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(ROWS)
    for row in results["rows"]:
        for lane in filter(None, (row, row.get("compiled"))):
            assert isinstance(lane["met"], bool)
            assert all(isinstance(lane[name], str) for name in ("name", "figure", "bar", "aim"))
    assert {"processor", "cores", "python"} <= set(results["machine"])


def test_the_tables_of_the_page_are_the_last_run(scoreboard: Any, results: dict[str, Any]) -> None:
    """A figure typed by hand is not a measurement."""
    text = scoreboard.PAGE.read_text("utf-8")

    assert scoreboard.with_tables(text, results) == text


def test_the_table_shows_both_lanes_and_what_was_not_measured(scoreboard: Any) -> None:
    """A row that is missing looks as if it did not exist."""
    lane = {"bar": "≥ 2 ×", "aim": "≥ 3 ×", "figure": "2.5 ×", "met": True, "aim_met": False}
    row = {"number": 3, "name": "replay", "rounds": 5, **lane}
    row["compiled"] = lane | {"bar": "≥ 3 ×", "met": False}
    told = scoreboard.table({"rows": [row], "machine": {}}).splitlines()

    assert len(told) == 2 + len(ROWS) + 2
    assert told[4] == (
        "| 3 | replay | ≥ 2 × | ≥ 3 × | **2.5 ×** | bar | ≥ 3 × | ≥ 3 × | **2.5 ×** | no |"
    )
    assert sum("not measured" in line for line in told) == len(ROWS) - 1


def test_the_page_says_how_each_row_is_measured(scoreboard: Any) -> None:
    """A figure without a way to get it cannot be doubted, nor believed."""
    text = scoreboard.PAGE.read_text("utf-8")
    told = dict(re.findall(r"^(\d+)\. `(row_\w+\.py)`", text, re.MULTILINE))

    assert {int(number): name for number, name in told.items()} == {
        number: path.name for number, path in scoreboard.scripts().items()
    }


def test_the_page_begins_with_ten_questions_and_their_commands(scoreboard: Any) -> None:
    """Who asks for a figure finds it first, and the way to get it again."""
    text = scoreboard.PAGE.read_text("utf-8")
    first = text.partition("\n## ")[0]
    rows = re.findall(r"^\| [A-Z].*\? \| .+ \| `.+` \|$", first, re.MULTILINE)

    assert len(rows) == 10


@pytest.mark.parametrize("name", sorted(set(re.findall(
    r"python (?:-m pytest )?((?:benchmarks|tests)/[\w/]+\.py)",
    (ROOT / "docs" / "figures.md").read_text("utf-8"),
))))  # fmt: skip
def test_a_command_of_the_page_names_a_file_that_exists(name: str) -> None:
    """A command that cannot be run gives no figure."""
    assert (ROOT / name).is_file()


@pytest.mark.parametrize(
    ("by_time", "by_cpu", "figure"), [(2.0, 2.05, 2.0), (2.0, 2.5, 2.5), (2.5, 2.0, 2.0)]
)
def test_where_time_and_cpu_disagree_the_figure_is_that_of_cpu(
    monkeypatch: pytest.MonkeyPatch, by_time: float, by_cpu: float, figure: float
) -> None:
    """Other work on the machine lengthens times, and whoever waits most gains by it."""
    monkeypatch.syspath_prepend(FOLDER)
    from cpu import Ratio

    assert Ratio(by_time, by_cpu).figure == figure


def test_cpu_seconds_are_those_of_children_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that works for a contestant is part of what that costs."""
    monkeypatch.syspath_prepend(FOLDER)
    from cpu import Meter

    work = "import time\ninput()\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        meter = Meter()
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        used = meter.used()
        child.communicate("\n")

    assert used > 0.2  # what Python needs to begin may have been before


@pytest.mark.parametrize("script", ["row_01_encode.py", "row_07_validate.py", "row_10_import.py"])
def test_a_benchmark_runs_without_the_year(script: str, tmp_path: Path) -> None:
    """Whoever changes the inside of the package learns here that a benchmark uses it."""
    written = tmp_path / "row.json"
    subprocess.run(
        [sys.executable, FOLDER / script, "--quick", "--json", written],
        check=True, capture_output=True,
    )  # fmt: skip

    assert json.loads(written.read_text("utf-8"))["figure"]
