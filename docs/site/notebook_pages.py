"""Pages of the notebooks: executed, their texts as Markdown, their outputs as they are.

A piece of HTML that goes through Markdown may come out as something else. So each output is a mark
in the Markdown, and takes the place of the mark in the finished page.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient

__all__ = ["place_outputs", "write_notebooks"]

PATIENCE: Final = 120  # for one cell [s]
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")
_MARK: Final = '<div class="output" id="output-{}"></div>'


def write_notebooks(notebooks: list[Path], folder: Path, *, execute: bool) -> dict[str, list[str]]:
    """Execute notebooks, write a page of each, and return their outputs by page."""
    folder.mkdir()
    outputs: dict[str, list[str]] = {}
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": str(path.parent)}}
        if execute:
            NotebookClient(notebook, timeout=PATIENCE, resources=resources).execute()
        shown: list[str] = []
        parts = [part for cell in notebook.cells for part in _parts(cell, shown)]
        (folder / f"{path.stem}.md").write_text("\n\n".join(parts) + "\n", "utf-8")
        clone = f"{path.parent.parent}/"  # a path of this machine says nothing on another
        outputs[path.stem] = [one.replace(clone, "") for one in shown]
    return outputs


def place_outputs(outputs: dict[str, list[str]], site: Path) -> None:
    """Put each output in the place of its mark."""
    for stem, shown in outputs.items():
        page = site / "notebooks" / f"{stem}.html"
        text = page.read_text("utf-8")
        for n, output in enumerate(shown):
            before, mark, after = text.partition(_MARK.format(n))
            assert mark, (page, n)
            text = f'{before}<div class="output" id="output-{n}">{output}</div>{after}'
        page.write_text(text, "utf-8")


def _parts(cell: Any, shown: list[str]) -> list[str]:
    """Return the Markdown of a cell and of its outputs; what Markdown would spoil goes apart."""
    if cell.cell_type != "code":
        return [cell.source]
    parts = [f"```python\n{cell.source}\n```"]
    for output in cell.outputs:
        html = _html(output)
        if html:
            parts.append(_MARK.format(len(shown)))
            shown.append(html)
    return parts


def _html(output: Any) -> str:
    """Return an output as HTML; the empty text for progress, which stands on stderr."""
    if output.output_type == "stream":
        return "" if output.name == "stderr" else _text(output.text)
    if output.output_type == "error":
        return _text(f"{output.ename}: {output.evalue}")
    data = output.data
    for kind in ("text/html", "image/svg+xml"):
        if kind in data:
            return data[kind]
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{data["image/png"]}">'
    return _text(data.get("text/plain", ""))


def _text(text: str) -> str:
    return f"<pre><code>{escape(_ESCAPES.sub('', text)).rstrip()}</code></pre>"
