"""The command that compares the memory of a stream with that of a file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

COMMAND = Path(__file__).parent / "stream_memory.py"


def test_a_stream_takes_the_memory_of_a_file_and_no_more_for_more_rows() -> None:
    """Ten gigabytes come from a query as they come from a disk: a slab at a time."""
    megabytes = []
    for n_values in (400_000, 2_000_000):
        done = subprocess.run(
            [sys.executable, COMMAND, "--values", str(n_values), "--most", "3"],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        told = re.search(rf"^generator +{n_values:,} values +(\d+) MB", done.stdout, re.MULTILINE)
        assert told is not None, done.stdout
        megabytes.append(int(told[1]))

    assert megabytes[1] < 1.6 * megabytes[0] + 10
