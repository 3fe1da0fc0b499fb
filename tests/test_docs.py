"""What the documents say must be true."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest
import test_architecture as architecture

import mpreplay as mp

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


@pytest.mark.parametrize("name", [
    "ci/run", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
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
