"""The look into a built package finds what should not be in it, and what is missing."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import package_check
import pytest
from package_check import IN_SOURCE, NAME, ROOT, source_faults, wheel_faults

LICENCE = f"{NAME}-0.1.0.dist-info/licenses/LICENSE"


@pytest.fixture
def names() -> set[str]:
    """Return the names of a good wheel: those of the package, and a licence."""
    package = (path for path in (ROOT / NAME).rglob("*") if path.is_file())
    kept = {path.relative_to(ROOT).as_posix() for path in package if path.suffix != ".pyc"}
    return kept - package_check.MADE | {LICENCE}


def _wheel(folder: Path, names: set[str]) -> Path:
    with zipfile.ZipFile(folder / "one.whl", "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return folder / "one.whl"


def test_a_wheel_of_the_package_is_as_it_should_be(tmp_path: Path, names: set[str]) -> None:
    """Templates and the mark of types among it, which no import would miss."""
    assert {"mpreplay/py.typed", "mpreplay/display/page.html.jinja"} <= names
    assert list(wheel_faults(_wheel(tmp_path, names))) == []


@pytest.mark.parametrize("name", ["tests/test_run.py", "benchmarks/all.py", "mpreplay/tests/x.py"])
def test_what_is_not_of_the_package_is_told(tmp_path: Path, names: set[str], name: str) -> None:
    """Tests and benchmarks would land beside the packages of other people."""
    assert list(wheel_faults(_wheel(tmp_path, names | {name}))) == [f"the wheel holds {name}"]


@pytest.mark.parametrize("name", ["mpreplay/py.typed", "mpreplay/display/page.html.jinja"])
def test_what_is_missing_is_told(tmp_path: Path, names: set[str], name: str) -> None:
    """It would be missed by a user, and not by a test in this clone."""
    assert list(wheel_faults(_wheel(tmp_path, names - {name}))) == [f"the wheel lacks {name}"]


def test_a_wheel_without_its_licence_is_told(tmp_path: Path, names: set[str]) -> None:
    """The licence asks to be handed on."""
    assert list(wheel_faults(_wheel(tmp_path, names - {LICENCE}))) == [
        "the wheel lacks its licence"
    ]


def test_a_source_archive_that_lacks_a_file_is_told(tmp_path: Path) -> None:
    """Whoever packs for a distribution runs the tests from it."""
    path = tmp_path / "one.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in IN_SOURCE - {"tests/conftest.py"}:
            archive.addfile(tarfile.TarInfo(f"{NAME}-0.1.0/{name}"), io.BytesIO())

    assert list(source_faults(path)) == ["the source archive lacks tests/conftest.py"]
