"""Build the package, look into it, and run it where nothing of this clone is at hand.

``python tests/package_check.py [FOLDER]`` needs the dependency group ``package``. It keeps what it
built in FOLDER, and ends with 0 if nothing is wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
NAME: Final = "mpreplay"
# Compiled on the machine that builds, or the note why it was not.
MADE: Final = {f"{NAME}/fast/lane.lib", f"{NAME}/fast/left_out.txt"}
NOT_COPIED: Final = (".venv", ".git", ".hypothesis", ".*_cache", "__pycache__", "*.log")
IN_SOURCE: Final = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "tests/conftest.py"}
VERDICT: Final = "equal to what was sent"  # of the demo
_SITE: Final = "import mpreplay, sys; print(mpreplay.__file__); print(mpreplay.__version__)"


def main(arguments: list[str]) -> None:
    """Print what was built and tried; stop at what is wrong."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        made = Path(arguments[0]).resolve() if arguments else work / "dist"
        wheel, source = built(work, made)
        for fault in (*wheel_faults(wheel), *source_faults(source)):
            sys.exit(f"{fault}")
        _run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(source)], work)
        in_clean_environment(wheel, work)
        if uvx := shutil.which("uvx"):
            _run([uvx, "--from", str(wheel), NAME, "demo"], work, VERDICT)
    print(f"{wheel.name} and {source.name} are as they should be")


def built(work: Path, folder: Path) -> tuple[Path, Path]:
    """Build a source archive from what is committed or could be, and a wheel from that archive."""
    clone = work / "clone"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:  # a copy without its repository, as CI makes
        shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*NOT_COPIED))
    else:
        for name in filter(None, done.stdout.split("\0")):
            if (ROOT / name).is_file():
                (clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, clone / name)
    _run([sys.executable, "-m", "build", "--outdir", str(folder), str(clone)], work)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def wheel_faults(wheel: Path) -> Iterable[str]:
    """Yield what is in the wheel and should not be, and what is not."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / NAME).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name != "lane.lib"
    } - MADE
    held = {name for name in names if ".dist-info/" not in name} - MADE
    yield from (f"the wheel lacks {name}" for name in sorted(wanted - held))
    yield from (f"the wheel holds {name}" for name in sorted(held - wanted))
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        yield "the wheel lacks its licence"


def source_faults(source: Path) -> Iterable[str]:
    """Yield what the source archive lacks."""
    with tarfile.open(source) as archive:
        names = {str(PurePosixPath(*PurePosixPath(one).parts[1:])) for one in archive.getnames()}
    yield from (f"the source archive lacks {name}" for name in sorted(IN_SOURCE - names))


def in_clean_environment(wheel: Path, work: Path) -> None:
    """Install the wheel alone, without extras, and run the demo from outside the clone."""
    home = work / "environment"
    venv.create(home, with_pip=True)
    bin_folder = home / ("Scripts" if os.name == "nt" else "bin")
    _run([str(bin_folder / "python"), "-m", "pip", "install", "-q", str(wheel)], work)
    place = _run([str(bin_folder / "python"), "-c", _SITE], work)
    if not Path(place.splitlines()[0]).resolve().is_relative_to(home.resolve()):
        sys.exit(f"imported from elsewhere: {place}")
    _run([str(bin_folder / NAME), "demo"], work, VERDICT)


def _run(command: list[str], folder: Path, wanted: str = "") -> str:
    """Run a command outside of the clone; stop with what it said if it fails."""
    outside = folder / "outside"
    outside.mkdir(exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    print("+", " ".join(Path(command[0]).name if n == 0 else one for n, one in enumerate(command)))
    done = subprocess.run(
        command, cwd=outside, env=environment, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode or wanted not in done.stdout:
        sys.exit(f"{done.stdout}\nended with {done.returncode}")
    print(*done.stdout.strip().splitlines()[-1:])
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
