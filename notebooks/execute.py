"""Run every notebook from top to bottom, and fail where a cell does.

``python notebooks/execute.py [--html FOLDER]`` leaves the notebooks as they are; with ``--html``
it writes what a reader would see.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> None:
    """Execute the notebooks beside this script."""
    for path in sorted(HERE.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(HERE)}})
        client.execute()
        print(f"{path.name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells ran")
        if arguments[:1] == ["--html"]:
            from nbconvert import HTMLExporter

            body, _ = HTMLExporter().from_notebook_node(notebook)
            (Path(arguments[1]) / f"{path.stem}.html").write_text(body, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
