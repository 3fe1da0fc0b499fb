"""The rows together: kept as ``results.json``, shown as tables, and written into a page of docs."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import asked

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent / "docs" / "figures.md"
TABLE = ("<!-- table -->", "<!-- end of table -->")
ASKED = ("<!-- asked -->", "<!-- end of asked -->")
TURNS = 5  # of each contestant, at least, for a figure that counts
HEAD = """\
| # | what | bar | aim | figure | met | with the compiled pass: bar | aim | figure | met |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""
NOTHING = ["", "", "", ""]


def scripts() -> dict[int, Path]:
    """Return the script of each row, by the row's number."""
    return {int(path.stem.split("_")[1]): path for path in sorted(HERE.glob("row_*.py"))}


def read() -> dict[str, Any]:
    """Return the results that are kept."""
    if not RESULTS.exists():
        return {"machine": {}, "rows": []}
    kept: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return kept


def keep(rows: Iterable[Mapping[str, Any]], machine: Mapping[str, str], **facts: object) -> None:
    """Keep rows in the place of what was kept of them before, and write the page's tables anew."""
    numbered = {row["number"]: row for row in [*read()["rows"], *rows]}
    results = {"machine": machine, **facts, "rows": [numbered[n] for n in sorted(numbered)]}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), results), "utf-8")


def table(results: Mapping[str, Any], numbers: Iterable[int] | None = None) -> str:
    """Return rows as a Markdown table, with the machine below; all, measured or not, by default."""
    kept = {row["number"]: row for row in results["rows"]}
    asked_for = scripts() if numbers is None else numbers
    lines = [HEAD, *(_line(number, kept.get(number)) for number in asked_for)]
    machine = results["machine"]
    told = ", ".join(f"{name} {value}" for name, value in machine.items() if name != "processor")
    fewer = [f"{row['number']} ({row['rounds']})" for row in kept.values() if row["rounds"] < TURNS]
    warning = f" Rows with fewer turns than {TURNS}: {', '.join(fewer)}." if fewer else ""
    return "\n".join([*lines, "", f"On: {machine.get('processor', '?')}, {told}.{warning}"])


def with_tables(text: str, results: Mapping[str, Any]) -> str:
    """Return the page's text with the tables of these results."""
    text = _between(text, ASKED, asked.table(results))
    return _between(text, TABLE, table(results))


def title(number: int) -> str:
    """Return the first line of a row's script."""
    told = ast.get_docstring(ast.parse(scripts()[number].read_text("utf-8"))) or ""
    return told.partition("\n")[0].replace("``", "`").rstrip(".")


def _between(text: str, marks: tuple[str, str], told: str) -> str:
    begin, end = marks
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{told}\n\n{end}{after}"


def _line(number: int, row: Mapping[str, Any] | None) -> str:
    if row is None:
        cells = [title(number), "", "", "not measured", "", *NOTHING]
    else:
        cells = [row["name"], *_cells(row), *_cells(row.get("compiled"))]
    return f"| {number} |" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _cells(row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return NOTHING
    return [row["bar"], row["aim"], f"**{row['figure']}**", _met(row)]


def _met(row: Mapping[str, Any]) -> str:
    return "aim" if row["aim_met"] else "bar" if row["met"] else "no"
