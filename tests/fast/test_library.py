"""Whether the compiled pass is used, and what is said about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mpreplay.fast import library


def said(**environment: str) -> str:
    """Return the state of the pass in a new process."""
    code = "from mpreplay.fast.library import state; print(state())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout.strip()


def test_the_switch_turns_it_off_and_says_so() -> None:
    """Whoever doubts the pass can compare, and sees that it was off."""
    assert said(MPREPLAY_FAST="0") == "fast lane: off (MPREPLAY_FAST=0 switches it off)"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a copy of the source, in which the library is looked for."""
    (tmp_path / "lane.c").write_bytes(library.SOURCE.read_bytes())
    for name, leaf in {
        "SOURCE": "lane.c",
        "LIBRARY": "lane.lib",
        "LEFT_OUT": "left_out.txt",
    }.items():
        monkeypatch.setattr(library, name, tmp_path / leaf)
    return tmp_path


def looked() -> library.State:
    """Return the state, looked for anew."""
    return library._found.__wrapped__()


def test_what_was_not_compiled_says_why(copy: Path) -> None:
    """A slow machine should tell what it lacks."""
    assert "python hatch_build.py" in looked().why

    (copy / "left_out.txt").write_text("not compiled: no C compiler\n")

    assert looked() == library.State(None, "not compiled: no C compiler")


def test_what_is_no_library_is_not_used(copy: Path) -> None:
    """A half-written file must not end an import."""
    (copy / "lane.lib").write_bytes(b"nothing")

    state = looked()

    assert state.library is None
    assert state.why.startswith("lane.lib cannot be used")


def test_a_library_of_another_source_is_not_used(copy: Path) -> None:
    """Structures may have moved: it would read the wrong bytes."""
    built = Path(library.__file__).with_name("lane.lib")
    if not built.is_file():
        pytest.skip("the pass is not compiled")
    (copy / "lane.lib").write_bytes(built.read_bytes())
    assert looked().library is not None

    with (copy / "lane.c").open("ab") as source:
        source.write(b"\n")

    assert "made of another lane.c" in looked().why


def test_a_library_without_its_source_is_not_used(copy: Path) -> None:
    """Nobody can say what it was made of."""
    if library.found().library is None:
        pytest.skip(str(library.found()))
    (copy / "lane.lib").write_bytes(Path(library.__file__).with_name("lane.lib").read_bytes())
    (copy / "lane.c").unlink()

    assert "lane.c" in looked().why
    assert looked().library is None


@pytest.mark.parametrize(
    ("name", "answer", "why"),
    [
        ("lane_runs_here", 0, "for another processor"),
        ("lane_setup", -1, "exponents in a way that is not known"),
        ("lane_numbers", 3, "writes numbers otherwise"),
    ],
)
def test_a_library_that_does_not_fit_is_not_used(name: str, answer: int, why: str) -> None:
    """Rather slow than another byte."""
    if library.found().library is None:
        pytest.skip(str(library.found()))
    real = library.found().library
    functions: Any = mock.Mock(wraps=real, spec=[n for n in dir(real) if n.startswith("lane_")])
    setattr(functions, name, lambda *_: answer)

    assert why in library._unfit(functions)
    assert library._unfit(real) == ""
