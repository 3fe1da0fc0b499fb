"""A run of tests with the compiled pass made to check each address and each step.

    python tests/sanitized.py [TESTS ...]

In a copy of the project, ``hatch_build.py --sanitize`` compiles the pass with gcc's checks of
addresses and of undefined behaviour. A fault ends the tests with a report. Without arguments the
tests of the pass run, those of requests, and those that feed every door with bytes of any kind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
NEEDED: Final = ("mpreplay", "tests", "data", "hatch_build.py", "pyproject.toml")
TESTS: Final = ("tests/fast", "tests/requests", "tests/test_fuzzing.py")


def main(tests: list[str]) -> int:
    """Run the tests, and return their status."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in NEEDED:
            made = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            made(ROOT / name, copy / name)
        build = [sys.executable, "hatch_build.py", "--sanitize"]
        subprocess.run(build, cwd=copy, env={**os.environ, "CC": "gcc"}, check=True)
        checks = ["gcc", "-print-file-name=libasan.so"]
        library = subprocess.run(checks, capture_output=True, text=True, check=True).stdout.strip()
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "LD_PRELOAD": library,
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # whose addresses are checked
            # Python itself keeps memory to its end.
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        }
        run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        return subprocess.run(run, cwd=copy, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(TESTS)))
