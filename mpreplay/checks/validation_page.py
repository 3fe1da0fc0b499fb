"""The page of a validation, in the look of a run's report.

Pure, but for the templates that :mod:`mpreplay.display.page` reads.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..display.amounts import MAX_NAME, count, masked, span_in_words, time_in_words, visible
from ..display.device_table import device_table, times_in_words
from ..display.drawing import ABSENT
from ..display.page import aside, mark, page, safe, unbroken
from ..display.pictures import tone_of
from ..display.plain_words import told_apart
from ..display.point_bars import KEY, point_bars
from ..display.tables import MAX_ROWS, Table, Wanted, downloads
from ..display.verdict import Failed, Verdict, headline_of_verdict, missing_in_words, rest_of
from .shown import conflict_table, most_wrong, point_table, totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..errors import Message

__all__ = ["render_validation"]

FIRST_ROWS: Final = 5  # of each failed check
GROUPS: Final = 40
MAX_VALUE: Final = 120  # characters
_TEMPLATE: Final = "validation_page.html.jinja"


def render_validation(
    verdict: Verdict,
    violations: pd.DataFrame,
    devices: pd.DataFrame,
    sources: Sequence[str],
    hints: Sequence[str | Message] = (),
) -> str:
    """Return a validation as one HTML page of bounded size.

    Parameters
    ----------
    verdict : Verdict
        The facts.
    violations : DataFrame
        The first violations, with ``said``, the reason in plain words.
    devices : DataFrame
        The times of each device.
    sources : sequence of str
        Names of what was read.
    hints : sequence of str or Message, optional
        Sentences about whole columns, without full stops.
    """
    verdict = _plain(verdict)
    first_line, _ = headline_of_verdict(verdict)
    points = most_wrong(verdict)
    return page(
        __package__,
        _TEMPLATE,
        headline=first_line,
        rest=aside(*rest_of(verdict)),
        state="Valid" if verdict.is_ok else "Not valid",
        tone=tone_of(
            is_whole=verdict.is_ok and not verdict.n_conflicts and bool(verdict.n_values),
            is_done=verdict.is_ok,
        ),
        facts=[*_scope(devices), *_facts(verdict)],
        sources=_read_from(sources),
        picture=safe(point_bars(points[:MAX_ROWS])) if points else "",
        key=[
            (mark(kind), words)
            for (kind, words), n in zip(KEY, totals(verdict), strict=True)
            if n or kind != ABSENT
        ],
        points=point_table(verdict, MAX_ROWS) if points else "",
        missing=missing_in_words(verdict.missing),
        hints=[aside(told_apart(one)) for one in hints],
        groups=list(_groups(violations, verdict, len(sources) > 1)),
        times=" ".join(times_in_words(devices)),
        devices=device_table(devices, MAX_ROWS) if len(devices) else "",
        conflicts=conflict_table(verdict, MAX_ROWS) if verdict.conflicts else "",
    )


def _scope(devices: pd.DataFrame) -> list[tuple[str, str]]:
    """Return how many devices were read, and the span of their times."""
    first, last = devices["first_time"].min(), devices["last_time"].max()
    found = [("Devices", f"{len(devices):,}")] if len(devices) else []
    if not (pd.isna(first) or pd.isna(last)):
        span = span_in_words(first, last).removeprefix("from ").removeprefix("on ")
        found.append(("Readings", span))
    return found


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


def _plain(verdict: Verdict) -> Verdict:
    """Return a verdict whose reasons name no argument."""
    points = [replace(one, failed=_all_plain(one.failed)) for one in verdict.points]
    return replace(verdict, points=tuple(points), rows=_all_plain(verdict.rows))


def _all_plain(failed: Iterable[Failed]) -> tuple[Failed, ...]:
    return tuple(
        one._replace(example=one.example._replace(reason=one.example.said or one.example.reason))
        for one in failed
    )


def _groups(
    violations: pd.DataFrame, verdict: Verdict, are_several: bool
) -> Iterator[dict[str, Any]]:
    """Yield the first violations of each failed check, those with most of them first."""
    found = list(islice(_failed(violations, verdict), GROUPS))
    wanted = [
        Wanted(rows.drop(columns="said"), failed.n, f"violations {number:02} {failed.check}")
        for number, (_, failed, rows) in enumerate(found, 1)
    ]
    for (point, failed, rows), link in zip(found, downloads(wanted), strict=True):
        shown = rows.head(FIRST_ROWS)
        of = f"{count(failed.n, 'value')} of {visible(point, MAX_NAME)}"
        who = of if point else count(failed.n, "row")
        fails = "fails" if failed.n == 1 else "fail"
        table = _examples(shown, failed.n, are_several=are_several and failed.n > len(shown))
        yield {
            "title": f"{who} {fails} the check {visible(failed.check, MAX_NAME)}",
            "table": replace(table, download=link),
        }


def _failed(
    violations: pd.DataFrame, verdict: Verdict
) -> Iterator[tuple[str, Failed, pd.DataFrame]]:
    """Yield point, failed check and violations; the point is the empty text for whole rows."""
    found = violations.groupby(["measurepoint", "check"], sort=False)
    for one, failed in verdict.failed:
        key = ("" if one is None else one.point.identifier, failed.check)
        if key not in found.groups:
            continue
        rows = found.get_group(key)
        if one is not None and one.product_key:
            rows = rows[rows["product_key"] == one.product_key]
        yield "" if one is None else one.name, failed, rows


def _examples(frame: pd.DataFrame, n: int, *, are_several: bool) -> Table:
    """Return rows as a table; ``are_several`` is True if those not shown may be of other files."""
    sources = frame["source"].unique()
    are_several |= len(sources) > 1
    reasons = [visible(reason) for reason in frame["said"]]
    has_reasons = len(set(reasons)) > 1
    rows = [
        (
            visible(one.row),
            visible(one.device_key, MAX_NAME),
            unbroken(time_in_words(one.time)),
            visible(one.value, MAX_VALUE),
            *((reason,) if has_reasons else ()),
            *((visible(one.source, MAX_NAME),) if are_several else ()),
        )
        for one, reason in zip(frame.itertuples(), reasons, strict=True)
    ]
    of = f" of {visible(sources[0], 2 * MAX_NAME)}" if not are_several else ""
    shown = f"{len(rows)} of {n:,}" if n > len(rows) else f"All {n:,}" if n > 1 else "The one"
    each = "" if has_reasons else f" Each: {reasons[0]}."
    more = ["Reason"] * has_reasons + ["Source"] * are_several
    caption = f"{shown}{of}. Row counts from 0, times are UTC.{each}"
    return Table(
        caption, ("Row", "Device", "Time", "Value", *more), rows, frozenset({0}), is_lines=True
    )
