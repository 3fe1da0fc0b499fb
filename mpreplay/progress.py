"""A progress bar, where somebody looks. A shell over tqdm."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

__all__ = ["Bar"]


class Bar:
    """A progress bar over rows, or nothing."""

    def __init__(self, total: int, progress: bool | str) -> None:
        notebook = "ipykernel" in sys.modules
        flavour = "tqdm.notebook" if notebook and find_spec("ipywidgets") else "tqdm"
        tqdm = import_module(flavour).tqdm
        wanted = notebook or sys.stderr.isatty() if progress == "auto" else bool(progress)
        self._bar = tqdm(total=total, unit=" rows", desc="replay", disable=not wanted, leave=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, rows: int) -> None:
        """Move on."""
        self._bar.update(rows)
