"""Compile the fast lane with the package, where a C compiler is at hand; without one, leave it out.

    python hatch_build.py [--sanitize]

As a command it compiles in place, for a copy of the source; with ``--sanitize`` it adds the checks
of addresses and of undefined behaviour, for ``tests/sanitized.py``.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # as a command
    BuildHookInterface = object  # type: ignore[misc, assignment]

FOLDER = "mpreplay/fast"
SOURCE, LIBRARY, LEFT_OUT = "lane.c", "lane.lib", "left_out.txt"
COMPILERS = ("cc", "gcc", "clang")
# No fused steps: a number's text must not depend on the processor.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-shared")
BASE_LINE = {"x86_64": ("-march=x86-64-v2",), "amd64": ("-march=x86-64-v2",)}
CHECKS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g")
SECONDS = 120


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc, valid-type]
    """What hatchling calls before it packs a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the pass; the wheel is one of a platform only if that succeeds.

        In place where that is possible, so that the tests of this copy use it as well.
        """
        source = Path(self.root) / FOLDER
        self._made = None if os.access(source, os.W_OK) else tempfile.TemporaryDirectory()
        target = Path(self._made.name) if self._made else source
        why = compiled(source, target)
        self.app.display_info(why or "mpreplay: the fast lane is compiled")
        if version == "editable":
            return
        name = LEFT_OUT if why else LIBRARY
        build_data["force_include"][str(target / name)] = f"{FOLDER}/{name}"
        if not why:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{_platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled elsewhere for the wheel."""
        if self._made:
            self._made.cleanup()


def _platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def compiled(source: Path, target: Path, extra: tuple[str, ...] = ()) -> str:
    """Compile the pass, and return why it was left out; empty if it was not."""
    (target / LIBRARY).unlink(missing_ok=True)
    (target / LEFT_OUT).unlink(missing_ok=True)
    why = _why_not(source / SOURCE, target / LIBRARY, extra)
    if why:
        (target / LEFT_OUT).write_text(f"{why}\n", encoding="utf-8")
    return why


def _why_not(source: Path, library: Path, extra: tuple[str, ...]) -> str:
    compiler = _compiler()
    if not compiler:
        return f"not compiled: no C compiler ({', '.join(COMPILERS)}) when mpreplay was installed"
    define = f"-DLANE_SOURCE={zlib.crc32(source.read_bytes())}u"
    base_line = BASE_LINE.get(platform.machine().lower(), ())
    said = ""
    for flags in dict.fromkeys([(*FLAGS, *base_line), FLAGS]):  # an old compiler knows no base line
        command = [*compiler, *flags, *extra, define, "-o", str(library), str(source)]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"not compiled: {compiler[0]} did not run: {error}"
        if done.returncode == 0 and library.is_file():
            return ""
        said = next((line for line in done.stderr.splitlines() if "error" in line), "no error told")
    return f"not compiled: {compiler[0]} failed: {said.strip()[:200]}"


def _compiler() -> list[str]:
    """Return the command of a C compiler; empty if there is none."""
    given = shlex.split(os.environ.get("CC", ""))
    found = [name for name in (given[:1] or COMPILERS) if shutil.which(name)]
    return [found[0], *given[1:]] if found else []


def main() -> int:
    """Compile in place."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sanitize", action="store_true", help="add checks, for a test run")
    options = parser.parse_args()
    folder = Path(__file__).parent / FOLDER
    why = compiled(folder, folder, CHECKS if options.sanitize else ())
    print(why or f"compiled {folder / LIBRARY}")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
