"""The build of the compiled pass: with a compiler, without one, and with one that fails."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "mpreplay" / "fast"


@pytest.fixture
def build() -> ModuleType:
    """Return the module that the build calls."""
    found = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_without_a_compiler_it_is_left_out_and_says_so(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most machines that only run a backfill have no compiler."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)

    why = build.compiled(SOURCE, tmp_path)

    assert why == "not compiled: no C compiler (cc, gcc, clang) when mpreplay was installed"
    assert (tmp_path / "left_out.txt").read_text() == f"{why}\n"
    assert not (tmp_path / "lane.lib").exists()


def test_a_compiler_that_fails_is_named_with_its_error(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation must not fail for what it can do without."""
    failing = tmp_path / "broken-cc"
    failing.write_text("#!/bin/sh\necho 'lane.c:1:1: fatal error: no stdint.h' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("CC", f"{failing} -pipe")

    why = build.compiled(SOURCE, tmp_path)

    assert why == f"not compiled: {failing} failed: lane.c:1:1: fatal error: no stdint.h"


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_with_a_compiler_what_was_left_out_is_made(build: ModuleType, tmp_path: Path) -> None:
    """A compiler that is installed later is found at the next installation."""
    (tmp_path / "left_out.txt").write_text("not compiled: no C compiler\n")

    assert build.compiled(SOURCE, tmp_path) == ""

    assert sorted(path.name for path in tmp_path.iterdir()) == ["lane.lib"]
