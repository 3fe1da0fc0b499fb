"""The rooms: which may import which, what a pure one may not touch, and how large they may be."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import mpreplay

PACKAGE = Path(mpreplay.__file__).parent
# The order in which data flows: a room imports only from rooms above it. A room without a folder is
# a module of its own.
ROOMS = (
    "errors", "frames", "version", "outputs", "fast", "model", "protocol", "secret", "settings",
    "display", "cells", "times", "values", "files", "sources", "streams", "history", "doors",
    "checks", "requests", "outcome", "conversation", "journal", "order", "report", "audit",
    "readback", "run", "runner", "fleet", "jobs", "simulator", "demo", "cli",
)  # fmt: skip
# The modules that touch the outside world; every other one takes values and returns values.
SHELLS = {
    "secret", "settings", "order", "run", "demo", "outputs",
    "model.thing_model",  # ThingModel.load, which reads a file
    "sources.source", "sources.parquet", "sources.csv", "sources.csv_head",
    "sources.csv_text", "files.counting", "history.rejects_file",
    "history.ahead", "files.file_mark", "history.history", "doors.opening", "checks.survey",
    "doors.kinds", "streams.datasets", "streams.file_view", "streams.spool",
    "streams.stream_source", "streams.stream", "history.census",
    "checks.validation", "sources.parquet_weights", "sources.row_groups", "conversation.mqtt",
    "conversation.packing", "conversation.paho_client", "conversation.sub_devices",
    "report.outputs", "report.writing",
    "report.run_page", "readback.reconciling", "files.finding", "files.table_formats",
    "files.held_file", "files.locating", "files.reading", "files.remote_finding",
    "files.search_rules", "files.stores", "sources.ipc", "files.ipc_layout",
    "display.page", "display.picture",
    "history.shown", "sources.description", "report.listing", "readback.stored_file",
    "jobs.arguments", "jobs.examples", "jobs.writing", "jobs.job", "fast.library",
}  # fmt: skip
SHELL_ROOMS = {"journal", "audit", "runner", "fleet", "cli"}
# What of these is pure all the same.
PURE = {
    "errors.__init__", "audit.chain", "audit.links", "audit.accounts", "journal.packing",
    "simulator.limits", "journal.forms", "journal.unfinished", "runner.fates",
    "runner.meter",
    "simulator.judging", "simulator.world", "simulator.rules", "simulator.holdings",
    "simulator.gateways", "simulator.platform", "simulator.topics", "simulator.mqtt",
    "simulator.faults", "simulator.frames", "runner.forecast", "runner.planned",
    "runner.plan_words", "fleet.fleet_words", "cli.documents",
}  # fmt: skip
FORBIDDEN = {
    "asyncio", "concurrent", "glob", "logging", "multiprocessing", "os", "paho", "pathlib",
    "random", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile",
    "threading", "time",
}  # fmt: skip
IN_A_ROOM, AT_THE_TOP = 17, 8
# Lines of a file: of the longest, of a long one, how many of these there may be, of half of them.
LONGEST, LONG, FEW_LONG, MEDIAN = 450, 350, 12, 165


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
FACES = ("__init__", "__main__")
INNER = [name for name in MODULES if name not in FACES]


def _room(name: str) -> str:
    return name.partition(".")[0]


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]


def _imports(name: str) -> tuple[set[str], set[str]]:
    """Return the outside libraries and the modules of ours that are imported anywhere in a file.

    Imports inside a function count, and those for types alone, too.
    """
    outside: set[str] = set()
    ours: set[str] = set()
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            outside |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            outside.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            origin = ".".join([*base, *filter(None, [node.module])])
            ours |= {_module(origin, alias.name) for alias in node.names}
    return outside, ours


def _module(origin: str, name: str) -> str:
    """Return the module that ``from origin import name`` needs."""
    places = (f"{origin}.{name}".lstrip("."), origin, f"{origin}.__init__".lstrip("."))
    return next(place for place in places if place in MODULES)


IMPORTS = {name: _imports(name) for name in MODULES}


def _is_shell(name: str) -> bool:
    if name in PURE:
        return False
    return name in SHELLS or _room(name) in SHELL_ROOMS | {"simulator"} or _leaf(name) in FACES


def test_every_room_is_a_room_of_the_list() -> None:
    """A room that nobody placed could import anything."""
    assert {_room(name) for name in INNER} <= set(ROOMS)
    assert set(MODULES) >= SHELLS | PURE


@pytest.mark.parametrize("name", INNER)
def test_a_room_imports_only_from_rooms_above_it(name: str) -> None:
    """Data flows one way, and so do imports: deferred ones, and those for types alone, as well."""
    place = ROOMS.index(_room(name))
    upward = {other for other in IMPORTS[name][1] if _room(other) not in ROOMS[: place + 1]}

    assert upward == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Modules in a circle can only be understood, and moved, together."""
    left = {name: set(ours) - {name} for name, (_, ours) in IMPORTS.items()}
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]

    assert sorted(left) == []


@pytest.mark.parametrize("name", [name for name in INNER if not _is_shell(name)])
def test_a_pure_module_imports_no_io(name: str) -> None:
    """No I/O, no thread, no clock, no file, anywhere in the file."""
    assert not IMPORTS[name][0] & FORBIDDEN


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("paho", {"conversation.paho_client", "simulator.responder"}),
        ("sqlite3", {"journal.writer", "journal.reader", "journal.damage"}),
        ("jinja2", {"display.page"}),
        ("ctypes", {"fast.layout", "fast.library", "fast.laying"}),
    ],
)
def test_a_shell_library_is_imported_in_one_place(library: str, home: set[str]) -> None:
    """Whoever changes how bytes travel or are kept has one file to read."""
    assert {name for name, (outside, _) in IMPORTS.items() if library in outside} == home


# Code that reads a sentence of ours breaks when somebody betters its words.
TOLD = {"reason", "mend", "advice", "stopped", "said", "sentence", "message"}
TEXT_ROOMS = {"report", "cli"}
SENTENCES = [
    name
    for name in MODULES
    if name in {"display.sentences", "display.reasons", "run"} or _room(name) in TEXT_ROOMS
]


def _is_parsed(node: ast.AST) -> bool:
    """Return whether a node asks how a sentence of ours begins or ends."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in {"startswith", "endswith"} and _bare_name(node.func.value) in TOLD


def _bare_name(node: ast.AST) -> str:
    """Return the name that stands for a value: of ``one.reason`` and ``row["reason"]``, reason."""
    match node:
        case ast.Attribute(value=inner, attr="str"):  # of a pandas column
            return _bare_name(inner)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Subscript(value=inner) | ast.Call(func=ast.Name(id="str"), args=[inner]):
            return _bare_name(inner)
        case ast.Call(func=ast.Attribute(value=inner)):
            return _bare_name(inner)
        case _:
            return ""


@pytest.mark.parametrize("name", SENTENCES)
def test_what_makes_sentences_has_no_means_to_take_one_apart(name: str) -> None:
    """Facts become sentences once, at the end; no pattern turns one back into facts."""
    assert not IMPORTS[name][0] & {"re", "regex"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_code_asks_how_a_sentence_begins_or_ends(name: str) -> None:
    """Facts are there for it: a sentence may be put otherwise, or in another language."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))

    assert [node.lineno for node in ast.walk(tree) if _is_parsed(node)] == []


@pytest.mark.parametrize(
    ("code", "is_parsed"),
    [
        ("reason.startswith('no time')", True),
        ("cause.mend.endswith('.')", True),
        ("row['reason'].startswith('x')", True),
        ("frame['reason'].str.startswith('x')", True),
        ("str(told.advice).startswith('x')", True),
        ("message.strip().lower().startswith('x')", True),
        ("stopped[0].startswith('x')", True),
        ("path.startswith('x')", False),
        ("reason(detail)", False),
        ("topic.split('/')[0].endswith('x')", False),
    ],
)
def test_a_sentence_that_is_parsed_is_seen(code: str, is_parsed: bool) -> None:
    """A rule that nothing breaks proves nothing."""
    tree = ast.parse(code)

    assert any(map(_is_parsed, ast.walk(tree))) == is_parsed


def test_the_public_tables_have_a_leaf_with_columns_and_types_only() -> None:
    """Whoever reads a table needs no more of this package than its columns."""
    tree = ast.parse(MODULES["frames"].read_text(encoding="utf-8"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    others = [node for node in tree.body if not isinstance(
        node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.Expr | ast.FunctionDef
    )]  # fmt: skip

    assert IMPORTS["frames"][1] == set()
    assert functions == ["typed"]
    assert others == []


def test_no_module_bears_the_name_of_a_public_function() -> None:
    """Importing a module called like a function would overwrite the function."""
    functions = {name for name in mpreplay.__all__ if name.islower()}
    names = {part for name in INNER for part in name.split(".")}

    assert not names & functions


def test_a_room_has_few_enough_modules_to_be_seen_at_once() -> None:
    """A folder of sixty files is a list, not a house."""
    counts: dict[str, int] = {}
    for path in MODULES.values():
        if path.stem not in FACES:
            counts[path.parent.name] = counts.get(path.parent.name, 0) + 1

    assert counts.pop(PACKAGE.name) <= AT_THE_TOP
    assert max(counts.values()) <= IN_A_ROOM


def test_files_are_short_enough_to_be_read() -> None:
    """A file that needs headings is two files."""
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES.values()]

    assert max(lengths) <= LONGEST
    assert sum(length > LONG for length in lengths) <= FEW_LONG
    assert statistics.median(lengths) <= MEDIAN


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    """A question is no description: the reader wants to know what a thing is or does."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    asking = [
        f"{name}:{getattr(node, 'name', '')}"
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds)
        and (ast.get_docstring(node) or "").startswith(("What", "Whether", "How", "Which", "Who"))
    ]

    assert asking == []


def test_the_formatter_lays_out_the_code() -> None:
    """A long list is data; only a table that would become unreadable may be kept by hand."""
    kept = [name for name, path in MODULES.items() if "# fmt: skip" in path.read_text("utf-8")]

    assert len(kept) <= 3


def test_reading_a_journal_loads_no_pandera_and_few_modules_of_ours() -> None:
    """A script that only looks at results should not wait for what checks values."""
    code = (
        "import sys, pathlib, mpreplay.journal.reader; "
        "ours = [m for m in sys.modules.values() if m.__name__.startswith('mpreplay')"
        " and not hasattr(m, '__path__')]; "
        "print('pandera' in sys.modules, len(ours))"
    )

    pandera, n_modules = _printed(code).split()

    assert pandera == "False"
    assert int(n_modules) <= 15


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
    code = (
        "import sys, mpreplay; "
        "print([m for m in ('pandas', 'pyarrow', 'pandera', 'paho', 'numpy') if m in sys.modules])"
    )

    assert _printed(code).strip() == "[]"


def _printed(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
