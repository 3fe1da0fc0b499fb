"""The suite on each Python of this machine: ``python tests/versions.py [TESTS ...]``.

Each Python from 3.11 to 3.14 that is found (on the path, by pyenv, by uv) gets an environment of
its own, once with the oldest dependencies that ``pyproject.toml`` allows and once with the newest.
Where these cannot be installed, because nobody built them for a Python, it says so. It needs the
package index, and is no part of the suite.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
MINORS: Final = (11, 12, 13, 14)
SHOWN: Final = ("pandas", "pyarrow", "pandera", "paho-mqtt", "orjson", "numpy")
# Of the extra for tests, what no test needs.
LEFT_OUT: Final = ("mypy", "pandas-stubs", "ruff", "types-tqdm")
ONE: Final = re.compile(r"([A-Za-z0-9_.-]+)(\[[^]]*\])?>=([0-9.]+)$")


def pythons() -> Iterator[tuple[str, str]]:
    """Yield the Pythons of this machine: version and path."""
    for minor in MINORS:
        version = f"3.{minor}"
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        found = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
        found += filter(None, [shutil.which(f"python{version}"), _by_uv(version)])
        works = [path for path in found if _version(path) == version]
        if works:
            yield version, works[0]
        else:
            print(f"Python {version}: not on this machine", flush=True)


def _by_uv(version: str) -> str | None:
    if shutil.which("uv") is None:
        return None
    done = subprocess.run(
        ["uv", "python", "find", version], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def _version(path: str) -> str:
    told = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([path, "-c", told], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def project() -> dict[str, Any]:
    """Return the table of the project."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)["project"]
    return table


def oldest() -> list[str]:
    """Return the lowest version of each dependency that users have, as constraints."""
    told = project()
    extras = [
        one
        for name in ("report", "fast", "complete")
        for one in told["optional-dependencies"][name]
    ]
    found = [ONE.match(one) for one in [*told["dependencies"], *extras]]
    return [f"{one[1]}=={one[3]}" for one in found if one]


def needed() -> list[str]:
    """Return what tests need besides the project."""
    given = project()["optional-dependencies"]["test"]
    return [one for one in given if not re.match("|".join(("mpreplay", *LEFT_OUT)), one)]


def tried(version: str, python: str, which: str, tests: list[str]) -> bool:
    """Run tests in an environment of its own; return True if they pass."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mpreplay-versions-") as folder:
        subprocess.run([python, "-m", "venv", f"{folder}/venv"], check=True)
        binary = str(next(Path(folder, "venv").glob("[bS]*/python*")))
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("\n".join(oldest()) if which == "oldest" else "", "utf-8")
        done = subprocess.run(
            [
                binary, "-m", "pip", "install", "-q", "--only-binary", ":all:",
                "--no-binary", "mpreplay", "-c", str(constraints),
                f"{ROOT}[complete,dask,fast,notebook,report]", *needed(),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["?"])[-1]
            print(f"Python {version}, {which}: cannot be installed: {why}", flush=True)
            return which == "oldest"  # built for no Python that came later
        listed = subprocess.run(
            [binary, "-m", "pip", "list", "--format", "freeze"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        versions = dict(line.split("==") for line in listed.splitlines() if "==" in line)
        paths = os.pathsep.join([str(Path(binary).parent), os.environ.get("PATH", "")])
        ran = subprocess.run(
            [binary, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *tests],
            cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": paths},
        )  # fmt: skip
    shown = ", ".join(f"{name} {versions.get(name, '?')}" for name in SHOWN)
    lines = ran.stdout.strip().splitlines() or [ran.stderr.strip()[-300:]]
    took = time.monotonic() - begin
    print(f"Python {version}, {which} ({shown}): {lines[-1]}; {took:.0f} s in all", flush=True)
    for line in lines:
        if line.startswith(("FAILED", "ERROR")):
            print(f"  {line}", flush=True)
    return ran.returncode == 0


def main() -> int:
    """Run tests on each Python; return 1 if some fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", default=["tests", "mpreplay"], metavar="TESTS")
    parser.add_argument("--python", action="append", metavar="3.N", help="these Pythons alone")
    parser.add_argument("--dependencies", choices=("oldest", "newest"), help="default: both")
    options = parser.parse_args()
    which = [options.dependencies] if options.dependencies else ["oldest", "newest"]
    ends = [
        tried(version, path, one, options.tests)
        for version, path in pythons()
        if not options.python or version in options.python
        for one in which
    ]
    return 0 if ends and all(ends) else 1


if __name__ == "__main__":
    sys.exit(main())
