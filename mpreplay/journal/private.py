"""Files and folders that a run keeps for itself: for their owner alone.

A shell over files.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

__all__ = ["PRIVATE", "create_private", "make_folder", "write_private"]

PRIVATE: Final = 0o600  # mode of a file
_FOLDER: Final = 0o700
TRIES: Final = 20  # to take the place of a file that another process reads
PAUSE: Final = 0.05  # [s]


def create_private(path: Path) -> bool:
    """Make an empty file unless there is something; return whether it was made."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE))
    except FileExistsError:
        return False
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, as far as they are missing, for their owner alone."""
    for one in [*reversed(folder.parents), folder]:
        one.mkdir(_FOLDER, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a text file as a whole: no reader ever sees a part of it, and no other user any."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    for attempt in range(TRIES):
        try:
            fresh.replace(path)
            return
        except PermissionError:  # of Windows, while another process reads the old one
            if attempt == TRIES - 1:
                raise
            time.sleep(PAUSE)
