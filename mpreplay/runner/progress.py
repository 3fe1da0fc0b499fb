"""A progress bar for a notebook or a terminal. A shell over tqdm."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

__all__ = ["Bar"]


class Bar:
    """A progress bar over rows, or nothing.

    Parameters
    ----------
    total : int
        Number of rows.
    progress : bool or "auto"
        "auto" shows the bar in a notebook or a terminal only.
    """

    def __init__(self, total: int, progress: bool | str) -> None:
        notebook = _is_notebook()
        flavour = "tqdm.notebook" if notebook and find_spec("ipywidgets") else "tqdm"
        tqdm = import_module(flavour).tqdm
        # Without a monitor, tqdm leaves no thread behind.
        quiet = type("Bar", (tqdm,), {"monitor_interval": 0})
        wanted = notebook or sys.stderr.isatty() if progress == "auto" else bool(progress)
        self._bar = quiet(total=total, unit=" rows", desc="replay", disable=not wanted, leave=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, rows: int) -> None:
        """Advance the bar by a number of rows."""
        self._bar.update(rows)


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
