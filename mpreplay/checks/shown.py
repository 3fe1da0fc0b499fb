"""A validation for people: its tables, what a notebook shows of it, and its picture.

Pure: facts in; every text from data is escaped where HTML is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pandas as pd

from ..display.amounts import MAX_NAME, count, time_in_words, visible
from ..display.device_table import device_table, times_in_words
from ..display.drawing import ABSENT
from ..display.notebook import bar, block, details, heading, listed, note, paragraph
from ..display.notebook import table as html_table
from ..display.picture import Panel, Picture
from ..display.point_bars import KEY, point_bars
from ..display.sentences import conflict_in_words, unit_in_words
from ..display.tables import Table
from ..display.verdict import (
    Failed,
    PointVerdict,
    Verdict,
    allowed_in_words,
    example_in_words,
    failed_in_words,
    headline_of_verdict,
    missing_in_words,
    type_in_words,
)
from ..frames import POINT_COLUMNS, typed
from ..values.plain_text import bare_text

__all__ = [
    "conflict_table",
    "in_notebook",
    "in_text",
    "most_wrong",
    "picture_of",
    "point_frame",
    "point_table",
    "row_table",
    "totals",
]

LINES: Final = 8  # of failed checks below the first line of a text
POINTS: Final = 10  # in a notebook
DEVICES: Final = 10  # in a notebook
CONFLICTS: Final = 5  # in a notebook
DRAWN: Final = 40  # points
MAX_VALUE: Final = 40  # characters of a value in a table


def in_text(
    verdict: Verdict, devices: pd.DataFrame, first_line: str, hints: Sequence[str] = ()
) -> str:
    """Return a verdict as text: first line, a line for each failed check, hints, and times."""
    failed = [failed_in_words(one.name if one else "", check) for one, check in verdict.failed]
    more = [f"… {count(len(failed) - LINES, 'kind')} more in .points"] * (len(failed) > LINES)
    conflicts = [conflict_in_words(one) for one in verdict.conflicts[:1]]
    told = [*failed[:LINES], *more, *hints[:LINES], *conflicts, *times_in_words(devices)]
    return "\n  ".join([first_line, *map(visible, told)])


def most_wrong(verdict: Verdict) -> list[PointVerdict]:
    """Return the points, those with most invalid values first, the others in their order."""
    return sorted(verdict.points, key=lambda one: (not one.failed, -one.n_invalid))


def point_table(verdict: Verdict, most: int) -> Table:
    """Return a row for each point: also for one of which every value is valid."""
    points = most_wrong(verdict)
    source = _the_source(failed for _, failed in verdict.failed)
    rows = [
        (
            visible(one.name, MAX_NAME),
            f"{one.n_values:,}",
            f"{one.n_invalid:,}",
            f"{one.n_absent:,}",
            type_in_words(one),
            allowed_in_words(one.point),
            unit_in_words(one.point.unit).strip(),
            _found(one, with_source=not source),
        )
        for one in points[:most]
    ]
    cut = f", the first {most} of {len(points):,}" if len(points) > most else ""
    columns = ("Point", "Values", "Invalid", "Absent", "Type", "Allowed", "Unit", "Found")
    of = f"; rows are those of {source}" if source else ""
    return Table(f"Values of each point{cut}{of}", columns, rows, frozenset({1, 2, 3}))


def point_frame(verdict: Verdict) -> pd.DataFrame:
    """Return the points as a frame, in the order of the columns."""
    rows = [
        (
            one.point.identifier,
            one.product_key or None,
            type_in_words(one),
            allowed_in_words(one.point),
            one.point.unit,
            one.n_values,
            one.n_absent,
            one.n_invalid,
            sum(failed.n for failed in one.failed),
            _found(one),
        )
        for one in verdict.points
    ]
    return typed(rows, POINT_COLUMNS)


def _the_source(failed: Iterable[Failed]) -> str:
    """Return the source of all examples; the empty text for none, and for several."""
    sources = {one.example.source for one in failed}
    return visible(sources.pop(), MAX_NAME) if len(sources) == 1 else ""


def _found(one: PointVerdict, *, with_source: bool = True) -> str:
    """Return what was found about the values of a point."""
    if one.failed:
        return "; ".join(
            f"{failed.n:,} {visible(failed.check, MAX_NAME)}, such as "
            f"{example_in_words(failed.example, with_source=with_source)}"
            for failed in one.failed
        )
    if one.n_invalid:
        return "in rows that cannot be read"
    return "all valid" if one.n_values else "no value"


def row_table(verdict: Verdict) -> Table:
    """Return a row for each check that whole rows failed."""
    rows = [
        (visible(one.check, MAX_NAME), f"{one.n:,}", example_in_words(one.example))
        for one in verdict.rows
    ]
    return Table("Rows that cannot be read", ("Check", "Rows", "Such as"), rows, frozenset({1}))


def conflict_table(verdict: Verdict, most: int) -> Table:
    """Return a row for each two readings that contradict each other, with the rows of both."""
    shown = verdict.conflicts[:most]
    sources = {name for one in shown for name in (one.source, one.other_source)}

    def place(source: str, row: Any) -> str:
        return f"{row:,} of {visible(source, MAX_NAME)}" if len(sources) > 1 else f"{row:,}"

    rows = [
        (
            visible(one.device_key, MAX_NAME),
            time_in_words(pd.Timestamp(one.time, unit="ms", tz="UTC")),
            visible(one.point, MAX_NAME),
            visible(bare_text(one.text), MAX_VALUE),
            place(one.source, one.row),
            visible(bare_text(one.other_text), MAX_VALUE),
            place(one.other_source, one.other_row),
        )
        for one in shown
    ]
    of = f" of {visible(next(iter(sources)), MAX_NAME)}" if len(sources) == 1 else ""
    cut = f", the first {most} of {verdict.n_conflicts:,}" if verdict.n_conflicts > most else ""
    columns = ("Device", "Time", "Point", "Value", "Row", "Other value", "Its row")
    caption = f"Readings that contradict each other{of}{cut}"
    return Table(caption, columns, rows, frozenset({4, 6}), is_lines=True)


def in_notebook(verdict: Verdict, devices: pd.DataFrame) -> str:
    """Return what a notebook shows of a verdict: a screen at most."""
    first_line, rest = headline_of_verdict(verdict)
    counts = totals(verdict)
    return block(
        heading(first_line, rest),
        bar((kind, n, f"{n:,} {words}") for (kind, words), n in zip(KEY, counts, strict=True)),
        html_table(row_table(verdict)),
        html_table(point_table(verdict, POINTS)),
        html_table(conflict_table(verdict, CONFLICTS)),
        listed(verdict.hints[:LINES]),
        paragraph(*times_in_words(devices)),
        details("Devices", html_table(device_table(devices, DEVICES))),
        note(missing_in_words(verdict.missing), _where(verdict)),
    )


def totals(verdict: Verdict) -> tuple[int, int, int]:
    """Return the numbers of valid, invalid and absent values."""
    points = verdict.points
    sums = [
        sum(getattr(one, name) for one in points) for name in ("n_valid", "n_invalid", "n_absent")
    ]
    return sums[0], sums[1], sums[2]


def _where(verdict: Verdict) -> str:
    """Return where a caller finds the whole of it."""
    names = [".points"] * (len(verdict.points) > POINTS)
    names += [".violations"] * bool(verdict.n_violations)
    names += [".conflicts"] * bool(verdict.n_conflicts)
    return f"More is in {', '.join(names)}; .report(path) writes a page." if names else ""


def picture_of(verdict: Verdict) -> Picture:
    """Return the values of each point as a picture."""
    points = most_wrong(verdict)
    kinds = [kind for kind, n in zip(KEY, totals(verdict), strict=True) if n or kind[0] != ABSENT]
    cut = f", the first {DRAWN} of {len(points):,}" if len(points) > DRAWN else ""
    panel = Panel(point_bars(points[:DRAWN]), key=tuple(kinds))
    return Picture(f"Values of each point{cut}", (panel,))
