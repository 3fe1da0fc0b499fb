"""Environments of their own for the peers, made by the benchmark that needs one and kept."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from contest import Given

PEERS = {
    # The vendor's SDK was written for paho-mqtt 1 and does not say so.
    "vendor": ("enos-mqtt-sdk-python==0.1.1", "paho-mqtt<2", "pandas", "pyarrow"),
    "questdb": ("questdb>=3", "pandas", "pyarrow"),
}


def python_of(name: str, given: Given) -> Path:
    """Return the Python of a peer's environment, made now if there is none."""
    folder = given.environments / name
    python = folder / "bin" / "python"
    made = folder / "made"  # written last: an install that was cut short is done again
    if not made.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
        made.touch()
    return python
