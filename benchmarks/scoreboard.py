"""The rows together: kept as ``results.json``, shown as a table, and written into README.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
READMES = (HERE / "README.md", HERE.parent / "README.md")  # both show the table
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
TURNS = 5  # of each contestant, at least, for a figure that counts


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
    """Keep rows in the place of what was kept of them before, and write README's table anew."""
    numbered = {row["number"]: row for row in [*read()["rows"], *rows]}
    results = {"machine": machine, **facts, "rows": [numbered[n] for n in sorted(numbered)]}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for path in READMES:
        path.write_text(with_table(path.read_text("utf-8"), results), "utf-8")


def table(results: Mapping[str, Any]) -> str:
    """Return the rows as a Markdown table, with the machine below."""
    lines = ["| # | what | bar | aim | figure | met |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        "| {number} | {name} | {bar} | {aim} | **{figure}** | {0} |".format(_met(row), **row)
        for row in results["rows"]
    ]
    machine = results["machine"]
    told = ", ".join(f"{name} {value}" for name, value in machine.items() if name != "processor")
    fewer = [
        f"{row['number']} ({row['rounds']})" for row in results["rows"] if row["rounds"] < TURNS
    ]
    warning = f" Rows with fewer turns than {TURNS}: {', '.join(fewer)}." if fewer else ""
    return "\n".join([*lines, "", f"On: {machine.get('processor', '?')}, {told}.{warning}"])


def with_table(text: str, results: Mapping[str, Any]) -> str:
    """Return README's text with the table of these results."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}"


def _met(row: Mapping[str, Any]) -> str:
    return "aim" if row["aim_met"] else "bar" if row["met"] else "no"
