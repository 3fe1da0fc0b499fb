"""What the documents say must be true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mpreplay as mp
from mpreplay.cli.options import STATUS, parser_of_commands

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_python_blocks_of_the_readme_run(tmp_path: Path) -> None:
    """An example that does not run is worse than none."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    script = "\n".join(_blocks("python"))
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "Run(23,025 of 23,036 values accepted, 11 withheld)" in done.stdout


def test_the_readme_begins_with_two_commands() -> None:
    """One runs the main job, one passes the tests."""
    first, second = _blocks("sh")[:2]

    assert first.strip().endswith("mpreplay demo")
    assert "pytest" in second


def test_every_command_stands_in_the_readme() -> None:
    """A command that nobody can find does not exist."""
    actions = next(a for a in parser_of_commands()._actions if a.choices and "demo" in a.choices)

    assert set(re.findall(r"^\| `mpreplay (\w+)` \|", README, re.MULTILINE)) == set(actions.choices)


def test_the_exit_statuses_of_the_readme_are_those_of_the_help() -> None:
    """A scheduler is told the same in both."""
    listed = re.search(r"Exit status: (.*?)\n\n", README, re.DOTALL)[1]

    assert re.findall(r"\b(\d) [a-z]", listed) == re.findall(r"^ +(\d)  ", STATUS, re.MULTILINE)


@pytest.mark.parametrize("name", ["ci/run", "README.md", "CHANGELOG.md", "pyproject.toml"])
def test_no_document_names_a_path_of_a_machine(name: str) -> None:
    """What works on one machine only is not for the project."""
    path = ROOT / f".{name}" if name == "ci/run" else ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not part of this installation")

    assert not re.search(r"/(home|root|Users|work)/", path.read_text("utf-8"))


def test_the_version_is_that_of_the_changelog() -> None:
    """Who reports a bug names a version that the changelog has."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert f"## {mp.__version__}" in changelog
