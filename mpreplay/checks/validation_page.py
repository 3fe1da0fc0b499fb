"""The page of a validation, in the look of a run's report.

Pure, but for the templates that :mod:`mpreplay.display.page` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..display.amounts import MAX_NAME, count, masked, time_in_words, visible
from ..display.device_table import device_table, times_in_words
from ..display.drawing import ABSENT
from ..display.page import mark, page, safe
from ..display.pictures import standing_mark
from ..display.point_bars import KEY, point_bars
from ..display.tables import MAX_ROWS, Table
from ..display.verdict import Verdict, headline_of_verdict, missing_in_words
from .shown import conflict_table, most_wrong, point_table, totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

__all__ = ["render_validation"]

FIRST_ROWS: Final = 5  # of each failed check
GROUPS: Final = 40
MAX_VALUE: Final = 120  # characters
_TEMPLATE: Final = "validation_page.html.jinja"


def render_validation(
    verdict: Verdict, violations: pd.DataFrame, devices: pd.DataFrame, sources: Sequence[str]
) -> str:
    """Return a validation as one HTML page of bounded size.

    Parameters
    ----------
    verdict : Verdict
        The facts.
    violations : DataFrame
        The first violations.
    devices : DataFrame
        The times of each device.
    sources : sequence of str
        Names of what was read.
    """
    first_line, rest = headline_of_verdict(verdict)
    points = most_wrong(verdict)
    return page(
        __package__,
        _TEMPLATE,
        headline=first_line,
        rest=rest,
        state="Valid" if verdict.is_ok else "Not valid",
        state_mark=safe(standing_mark(verdict.is_ok)),
        facts=_facts(verdict),
        sources=_read_from(sources),
        picture=safe(point_bars(points[:MAX_ROWS])) if points else "",
        key=[
            (mark(kind), words)
            for (kind, words), n in zip(KEY, totals(verdict), strict=True)
            if n or kind != ABSENT
        ],
        points=point_table(verdict, MAX_ROWS) if points else "",
        missing=missing_in_words(verdict.missing),
        hints=[visible(one) for one in verdict.hints],
        groups=list(_groups(violations, verdict, len(sources) > 1))[:GROUPS],
        times=" ".join(times_in_words(devices)),
        devices=device_table(devices, MAX_ROWS) if len(devices) else "",
        conflicts=conflict_table(verdict, MAX_ROWS) if verdict.conflicts else "",
    )


def _facts(verdict: Verdict) -> list[tuple[str, str]]:
    found = [
        ("Values checked", verdict.n_values),
        ("Invalid values", verdict.n_invalid),
        ("Failed checks", verdict.n_violations),
        ("Contradictions", verdict.n_conflicts),
        ("Points", len(verdict.points)),
    ]
    return [(name, f"{n:,}") for name, n in found]


def _read_from(sources: Sequence[str]) -> str:
    if not sources:
        return ""
    others = f" and {count(len(sources) - 1, 'other')}" if len(sources) > 1 else ""
    return f"{visible(masked(sources[0]), 2 * MAX_NAME)}{others}"


def _groups(
    violations: pd.DataFrame, verdict: Verdict, are_several: bool
) -> Iterator[dict[str, Any]]:
    """Yield the first violations of each failed check, those with most of them first."""
    found = violations.groupby(["measurepoint", "check"], sort=False)
    for one, failed in verdict.failed:
        key = ("" if one is None else one.point.identifier, failed.check)
        if key not in found.groups:
            continue
        rows = found.get_group(key)
        if one is not None and one.product_key:
            rows = rows[rows["product_key"] == one.product_key]
        point = "" if one is None else one.name
        shown = rows.head(FIRST_ROWS)
        of = f"{count(failed.n, 'value')} of {visible(point, MAX_NAME)}"
        who = of if point else count(failed.n, "row")
        fails = "fails" if failed.n == 1 else "fail"
        yield {
            "title": f"{who} {fails} the check {visible(failed.check, MAX_NAME)}",
            "table": _examples(shown, failed.n, are_several=are_several and failed.n > len(shown)),
        }


def _examples(frame: pd.DataFrame, n: int, *, are_several: bool) -> Table:
    """Return rows as a table; ``are_several`` is True if those not shown may be of other files."""
    sources = frame["source"].unique()
    are_several |= len(sources) > 1
    rows = [
        (
            visible(one.row),
            visible(one.device_key, MAX_NAME),
            time_in_words(one.time),
            visible(one.value, MAX_VALUE),
            visible(one.reason),
            *((visible(one.source, MAX_NAME),) if are_several else ()),
        )
        for one in frame.itertuples()
    ]
    of = f" of {visible(sources[0], 2 * MAX_NAME)}" if not are_several else ""
    shown = f"{len(rows)} of {n:,}" if n > len(rows) else f"All {n:,}" if n > 1 else "The one"
    columns = ("Row", "Device", "Time", "Value", "Reason", *["Source"] * are_several)
    caption = f"{shown}{of}. Row counts from 0, times are UTC."
    return Table(caption, columns, rows, frozenset({0}))
