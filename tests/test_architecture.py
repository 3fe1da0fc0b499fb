"""The core must stay free of I/O, and imports must go one way: this is what makes it testable."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mpreplay

PACKAGE = Path(mpreplay.__file__).parent
# The order in which data flows: a module imports only from modules above it.
ORDER = [
    "errors", "measurepoint", "model_json", "schemas", "proving", "drafting", "thing_model",
    "protocol", "settings", "odd", "times", "scalars", "values", "layout", "mending", "ordering",
    "readings", "sources", "history", "pieces", "numerals", "encoding", "comparing", "validation",
    "duplicates", "entries", "chunking", "preparing", "dividing", "isolating", "planning",
    "verdict", "pacing", "session", "results", "rejects", "readying", "gathering", "wording",
    "short_form", "ranges", "transport", "sub_devices", "packing", "journal_reader", "journal",
    "running", "audit", "state", "lineage", "interrupts", "ahead", "progress", "continuing",
    "reconciling", "driving", "replaying", "simulator", "demo", "options", "cli",
]  # fmt: skip
SHELLS = {
    "thing_model",  # only ThingModel.load, which reads a file
    "settings", "sources", "history", "transport", "sub_devices", "journal", "journal_reader",
    "running", "state", "lineage", "interrupts", "ahead", "progress", "continuing",
    "reconciling", "driving",
    "replaying", "demo", "cli",
}  # fmt: skip
SIMULATOR_CORE = [
    "limits", "judging", "world", "rules", "holdings", "gateways", "platform", "topics", "mqtt",
    "faults",
]  # fmt: skip
AUDIT_CORE = [
    "chain", "links", "accounts", "amounts", "figures", "pictures", "parts", "wire",
]  # fmt: skip
PACKAGES = {"simulator", "audit"}
FORBIDDEN = {
    "asyncio", "logging", "os", "paho", "pathlib", "random", "socket", "sqlite3", "subprocess",
    "sys", "tempfile", "threading", "time",
}  # fmt: skip


def _modules() -> dict[str, Path]:
    return {p.stem: p for p in PACKAGE.glob("*.py") if p.stem != "__init__"}


def _imports(path: Path, *, deferred: bool = False) -> tuple[set[str], set[str]]:
    """Return the outside and the sibling modules that a module imports, types aside."""
    outside: set[str] = set()
    siblings: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    nodes = ast.walk(tree) if deferred else tree.body
    for node in nodes:
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            outside |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            siblings.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            outside.add((node.module or "").partition(".")[0])
    return outside, siblings


def test_every_module_has_its_place_in_the_order() -> None:
    """A module that nobody placed could import anything."""
    assert set(_modules()) | PACKAGES - {"__main__"} == set(ORDER) | (
        set(_modules()) & {"__main__"}
    )


@pytest.mark.parametrize("name", [n for n in ORDER if n not in SHELLS | PACKAGES])
def test_a_core_module_imports_no_io(name: str) -> None:
    """A core module takes values and returns values, also inside its functions."""
    outside, _ = _imports(_modules()[name], deferred=True)

    assert not outside & FORBIDDEN


@pytest.mark.parametrize("name", SIMULATOR_CORE)
def test_the_rules_of_the_rehearsal_platform_import_no_io(name: str) -> None:
    """The same rules answer behind our endpoint, behind a real broker and in a test."""
    outside, _ = _imports(PACKAGE / "simulator" / f"{name}.py", deferred=True)

    assert not outside & FORBIDDEN


@pytest.mark.parametrize("name", AUDIT_CORE)
def test_what_an_audit_is_judged_by_imports_no_io(name: str) -> None:
    """Whether a chain is whole depends on its lines and on nothing else."""
    outside, _ = _imports(PACKAGE / "audit" / f"{name}.py", deferred=True)

    assert not outside & FORBIDDEN


@pytest.mark.parametrize("path", sorted((PACKAGE / "audit").glob("*.py")), ids=lambda p: p.stem)
def test_the_audit_imports_only_from_modules_above_it(path: Path) -> None:
    """It reads what a run has recorded, and takes part in nothing."""
    above = set(ORDER[: ORDER.index("audit")]) | {""}
    imported = {
        (node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level == 2
    }

    assert imported <= above


@pytest.mark.parametrize("name", [n for n in ORDER if n not in PACKAGES])
def test_a_module_imports_only_from_modules_above_it(name: str) -> None:
    """Data flows one way, and so do imports."""
    _, siblings = _imports(_modules()[name])
    above = set(ORDER[: ORDER.index(name)]) | {""}  # "": the package, for its version

    assert siblings <= above


@pytest.mark.parametrize(
    ("library", "home"),
    [("paho", {"transport", "simulator/responder"}), ("sqlite3", {"journal", "journal_reader"})],
)
def test_a_shell_library_is_imported_in_one_place(library: str, home: set[str]) -> None:
    """Whoever changes how bytes travel or are kept has one file to read."""
    found = {
        path.relative_to(PACKAGE).with_suffix("").as_posix()
        for path in PACKAGE.rglob("*.py")
        if library in _imports(path, deferred=True)[0]
    }

    assert found == home


def test_every_public_name_is_documented_with_an_example_or_is_an_error() -> None:
    """Examples of the public surface run as doctests."""
    lacking = [
        name
        for name in mpreplay.__all__
        if not _is_error(name) and not _has_example(getattr(mpreplay, name))
    ]

    assert lacking == []


def _is_error(name: str) -> bool:
    value = getattr(mpreplay, name)
    return isinstance(value, type) and issubclass(value, Exception)


def _has_example(value: object) -> bool:
    documented = [value.__doc__ or ""]
    if isinstance(value, type):
        documented += [str(getattr(member, "__doc__", "")) for member in vars(value).values()]
    made_by = re.search(r":func:`(?:mpreplay\.)?(\w+)`", documented[0])
    if made_by:
        documented.append(getattr(mpreplay, made_by[1]).__doc__)
    returned_by = {"Validation": "validate", "Plan": "plan"}
    if isinstance(value, type) and value.__name__ in returned_by:
        documented.append(getattr(mpreplay, returned_by[value.__name__]).__doc__)
    return any(">>>" in text for text in documented)


def test_importing_mpreplay_loads_no_library() -> None:
    """The command line must answer at once; pandas alone takes half a second."""
    import subprocess
    import sys

    code = (
        "import sys, mpreplay; "
        "print([m for m in ('pandas', 'pyarrow', 'pandera', 'paho', 'numpy') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert shown.strip() == "[]"
