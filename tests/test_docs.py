"""What the documents say must be true."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest
import test_architecture as architecture

import mpreplay as mp
from mpreplay.cli.options import STATUS, parser_of_commands

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


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


@pytest.mark.parametrize("name", [
    "ci/run", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md",
    "docs/command-line.md", "docs/figures.md", "pyproject.toml",
])  # fmt: skip
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


def _rooms() -> dict[str, dict[str, bool]]:
    """Return the table of the rooms: the modules of each room, and True for a shell."""
    table = PAGE.partition("<!-- rooms -->")[2].partition("<!-- end of rooms -->")[0]
    rooms: dict[str, dict[str, bool]] = {}
    for room, cell in re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", table, re.MULTILINE):
        rooms[room] = {}
        for kind, names in re.findall(r"\b([ps]): ((?:`\w+`(?:, )?)+)", cell):
            for leaf in re.findall(r"\w+", names):
                name = room if room in architecture.MODULES else f"{room}.{leaf}"
                assert name not in rooms[room], name
                rooms[room][name] = kind == "s"
    return rooms


def test_the_rooms_of_the_architecture_are_those_of_the_code() -> None:
    """A map that leaves out a room, or shows one that is gone, leads astray."""
    modules = {name for name in architecture.INNER if name.split(".")[-1] not in architecture.FACES}
    rooms = _rooms()
    placed = {name: is_shell for room in rooms.values() for name, is_shell in room.items()}
    inhabited = {name.partition(".")[0] for name in modules}

    assert list(rooms) == [room for room in architecture.ROOMS if room in inhabited]
    assert placed == {name: architecture._is_shell(name) for name in modules}


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PAGE))))
def test_a_test_that_the_architecture_names_exists(named: str) -> None:
    """A law without its test is a wish."""
    path, _, name = named.partition("::")

    assert re.search(rf"^(def |class )?{name}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE))))
def test_a_file_that_the_architecture_names_exists(path: str) -> None:
    """The places to change are only found under the names they have."""
    assert any((folder / path).is_file() for folder in (ROOT, architecture.PACKAGE))


def _named_parts() -> list[str]:
    """Return the dotted names of the page that begin with a room, ``checks.faults.Fault``."""
    names = set(re.findall(r"`([a-z]\w*(?:\.\w+)+)`", PAGE))
    begins = {name for name in names if name.partition(".")[0] in architecture.ROOMS}
    return sorted(name for name in begins if not name.endswith(".py"))


@pytest.mark.parametrize("name", _named_parts())
def test_a_part_of_the_code_that_the_architecture_names_exists(name: str) -> None:
    """The way of a value is told by functions: a renamed one breaks the thread."""
    parts = name.split(".")
    places = {name.removesuffix(".__init__") for name in architecture.MODULES}
    n = next(n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in places)
    module = importlib.import_module(f"mpreplay.{'.'.join(parts[:n])}")

    assert reduce(getattr, parts[n:], module) is not None
