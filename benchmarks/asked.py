"""Ten figures that a user would ask about, each with the command that gives it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

SENT = "mpreplay [values/s]"
SDK_BYTES = "vendor's SDK [bytes/value]"
GZIP, PLAIN = "GZIP [values/s]", "without [values/s]"

Numbers = Mapping[str, float]


class Question(NamedTuple):
    """A question; ``told`` makes its figure of the numbers of a row."""

    text: str
    row: int
    told: Callable[[Numbers, Mapping[str, Any]], str]


QUESTIONS = (
    Question(
        "How fast is a whole replay: file, checks, requests, replies, journal, books?",
        4,
        lambda n, _: f"{n[SENT] / 1e6:.1f} million values/s",
    ),
    Question(
        "How much faster than the vendor's SDK, used as in its samples?",
        3,
        lambda _, row: row["figure"].partition(";")[0],
    ),
    Question(
        "How fast at the platform's 1 MB/s; with GZIP on the connection?",
        15,
        lambda n, _: f"{n[PLAIN]:,.0f} values/s; {n[GZIP]:,.0f}",
    ),
    Question(
        "How many bytes is a value, of the vendor's SDK?",
        5,
        lambda n, _: f"{n['mpreplay [bytes/value]']:.1f}; {n[SDK_BYTES]:.1f}",
    ),
    Question(
        "How much memory do 100 million values take, above that of the imports?",
        8,
        lambda n, _: f"{n['100,000,000 values [MB]']:.0f} MB",
    ),
    Question(
        "How many gateways can one core serve, at 1 MB/s each?",
        12,
        lambda n, _: f"{n['gateways a core']:.0f}",
    ),
    Question(
        "How soon is a run of 100 million values that is done continued?",
        11,
        lambda n, _: f"{n['continuing [s]']:.2f} s",
    ),
)
# What tests show, not contests: claim, what came of it, command.
SURVIVED = (
    (
        "What is lost if the platform is killed three times and the client five times in a year's "
        "replay?",
        "nothing: equal results, rejects, books and stored values",
        "MPREPLAY_YEAR=FOLDER python -m pytest tests/runner/test_outages.py -k year",
    ),
    (
        "What is left of 1,000 scripts of lost, late, doubled and wrong replies?",
        "1,000 end with balanced books, and exactly the accepted values stored",
        "python -m pytest tests/runner/test_faults.py --fault-scripts 1000",
    ),
    (
        "What if the process is killed after any of its journal writes?",
        "the same end state, after each of 200",
        "python -m pytest tests/runner/test_kill.py --kill-writes 200",
    ),
)


def table(results: Mapping[str, Any]) -> str:
    """Return the questions as a Markdown table."""
    kept = {row["number"]: row for row in results["rows"]}
    lines = ["| question | figure | command |", "| --- | --- | --- |"]
    for one in QUESTIONS:
        row = kept.get(one.row)
        command = f"python benchmarks/all.py FOLDER --only {one.row}"
        lines.append(f"| {one.text} | {_told(one, row)} | `{command}` |")
    lines += [f"| {what} | {came} | `{command}` |" for what, came, command in SURVIVED]
    return "\n".join(lines)


def _told(question: Question, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    told = question.told(row["measured"], row)
    compiled = row.get("compiled")
    if not compiled:
        return told
    return f"{told}; with the compiled pass {question.told(compiled['measured'], compiled)}"
