"""The command that runs a folder of Parquet files through mpreplay, and what it calls a failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from varied_parquet import FILES, make

TESTS = Path(__file__).parent
COMMAND = TESTS / "parquet_folder.py"


def said(*arguments: str) -> tuple[int, str]:
    """Return the exit status of a Python process, and what it printed."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_varied_files_sound_and_damaged_come_to_the_right_end(tmp_path: Path) -> None:
    """Each file arrives as it is, or an error of mpreplay's own names it."""
    make(tmp_path)

    status, printed = said(str(COMMAND), str(tmp_path), "--seconds", "250")

    assert status == 0, printed
    for name, (_, outcome) in FILES.items():
        assert re.search(rf"^{outcome} .* values  {re.escape(name)}\b", printed, re.MULTILINE), (
            printed
        )
    assert f"\n{len(FILES)} files\n" in printed


FAULTS = {
    "crash": "os.abort()",
    "time": "time.sleep(60)",
    "memory": "bytearray(400_000_000) and None",
    "foreign": "1 / 0",
    "unbalanced": "folder.Verdict('unbalanced')",
    "differs": "folder.Verdict('differs')",
}


@pytest.mark.parametrize("outcome", FAULTS)
def test_a_failure_is_told_by_the_table_and_by_the_exit_status(
    tmp_path: Path, outcome: str
) -> None:
    """A search that cannot fail finds nothing."""
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).touch()
    script = f"""
import os, sys, time
import parquet_folder as folder
def judge(path):
    return {FAULTS[outcome]} if path.name == 'a.parquet' else folder.Verdict('ok')
options = [{str(tmp_path)!r}, '--seconds', '5', '--megabytes', '300']
sys.exit(folder.main(options, judge))
"""

    status, printed = said("-c", script)

    assert status == 1, printed
    assert f"\n     1  {outcome} " in printed
    assert "\n     1  ok " in printed


def test_an_empty_folder_is_a_failure(tmp_path: Path) -> None:
    """Nothing tried is no success."""
    assert said(str(COMMAND), str(tmp_path))[0] == 1
