"""A history for people: in a line, and in a notebook.

A shell: reads the footers of files, and no rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..display.amounts import MAX_NAME, count, masked, time_in_words, visible
from ..display.notebook import block, heading, note, table
from ..display.sentences import left_out_in_words, names
from ..display.tables import Table
from ..files.search_rules import grouped
from ..sources.description import rows_of, span_of, types_of
from ..sources.source import INDEX
from .devices import devices_in_words
from .wanted import is_mapped

if TYPE_CHECKING:
    from ..cells.column import Column
    from ..files.search_rules import LeftOut
    from ..sources.description import Span
    from ..sources.source import Source
    from .roles import Columns

__all__ = ["form_in_words", "in_notebook", "window_in_words"]

FILES: Final = 6  # sources in a notebook
MAPPED: Final = 16  # columns in a notebook
_LEFT_OUT: Final = "left out"


def form_in_words(columns: Columns) -> str:
    """Return the form of a history and the columns of its keys.

    Examples
    --------
    >>> from mpreplay.history.roles import Columns
    >>> form_in_words(Columns(time="ts", tz="Europe/Paris", device="turbine"))
    'wide, time ts (Europe/Paris), device turbine'
    """
    keys = [
        (f"time {columns.time}" if columns.time else "")
        + (f" ({columns.tz})" if columns.tz else ""),
        f"device {columns.device}" if columns.device else f"device {columns.device_key!r}",
        f"product {columns.product}" if columns.product else "",
        f"point {columns.point}" if columns.is_long else "",
    ]
    given = (columns.time, columns.device or columns.device_key, columns.product, columns.point)
    told = [key for key, one in zip(keys, given, strict=True) if one]
    renamed = [f"{name} as {point}" for name, point in (columns.points or {}).items()]
    told += [names(tuple(renamed), "columns renamed", MAX_NAME)] if renamed else []
    form = "long" if columns.is_long else "wide"
    return ", ".join([form, *(visible(one, 4 * MAX_NAME) for one in told)])


def window_in_words(start: int | None, end: int | None) -> str:
    """Return the time range that was asked for as a clause; the empty text for none."""
    bounds = (("from", start), ("before", end))
    told = [
        f"{word} {time_in_words(pd.Timestamp(ms, unit='ms', tz='UTC'))} UTC"
        for word, ms in bounds
        if ms is not None
    ]
    return " and ".join(told)


def in_notebook(
    sources: Sequence[Source],
    columns: Columns,
    window: tuple[int | None, int | None],
    left_out: Iterable[LeftOut],
) -> str:
    """Return what a notebook shows of a history: a screen at most, and nothing of its rows."""
    span = _span_in_words(span_of(sources, columns.time), columns)
    chosen = window_in_words(*window)
    gone = left_out_in_words(grouped(left_out))
    return block(
        heading(_first_line(sources), span, *_keys_in_words(columns)),
        note(
            f"Only times {chosen} are read." if chosen else "",
            f"Only rows of {devices_in_words(columns.devices)} are read."
            if columns.devices
            else "",
            f"Left out: {gone}." if gone else "",
        ),
        table(_source_table(sources)) if len(sources) > 1 else "",
        table(_column_table(sources, columns)),
    )


def _first_line(sources: Sequence[Source]) -> str:
    if not sources:
        return "No rows"
    rows = [rows_of(source) for source in sources]
    known = [n for n in rows if n is not None]
    many = count(sum(known), "row") if len(known) == len(rows) else "A stream, not read yet"
    name = visible(masked(sources[0].name), 2 * MAX_NAME)
    if len(sources) == 1:
        return f"{many}: {name}" if not known else f"{many} of {name}"
    if len(known) < len(rows):
        many = f"{many}, plus {count(sum(known), 'row')}"
    return f"{many}, of {len(sources):,} sources"


def _keys_in_words(columns: Columns) -> Iterator[str]:
    """Yield sentences about keys that stand in no column."""
    fixed = [
        f"{what} {visible(key, MAX_NAME)}"
        for what, key in (("device", columns.device_key), ("product", columns.product_key))
        if key
    ]
    if fixed:
        yield f"Of each row: {', '.join(fixed)}."
    if not (columns.device or columns.device_key or columns.check):
        yield "No device is named: values are those of the connection's own device."


def _span_in_words(span: Span | None, columns: Columns) -> str:
    """Return the span of all times; the empty text if it is not known."""
    if span is None:
        return ""
    try:
        (first, zone), (last, _) = (_instant(time, columns) for time in span)
    except (ValueError, OverflowError, AttributeError, TypeError):  # of no date, or of far years
        return ""
    return f"Times {first} to {last} {zone}."


def _instant(time: Any, columns: Columns) -> tuple[str, str]:
    """Return a time as a source has it, and its zone."""
    if isinstance(time, int | float):
        time = pd.Timestamp(time, unit=columns.time_unit or "no unit", tz="UTC")
    if getattr(time, "tzinfo", None) is None:
        return time_in_words(time), f"({visible(columns.tz)})" if columns.tz else "without a zone"
    return time_in_words(pd.Timestamp(time).tz_convert("UTC")), "UTC"


def _source_table(sources: Sequence[Source]) -> Table:
    rows = [
        (
            visible(masked(source.name), 2 * MAX_NAME),
            "not read yet" if (n := rows_of(source)) is None else f"{n:,}",
            "" if n is None or source.file is None else f"{source.file.n_bytes:,}",
        )
        for source in sources[:FILES]
    ]
    cut = f", the first {FILES} of {len(sources):,}" if len(sources) > FILES else ""
    return Table(f"Sources{cut}", ("Source", "Rows", "Bytes"), rows, frozenset({1, 2}))


def _column_table(sources: Sequence[Source], columns: Columns) -> Table:
    """Return a row for each column: what is read first, in the order of the sources."""
    types: dict[str, dict[str, None]] = {}
    for source in sources[:FILES]:
        of_source = types_of(source)
        index = [INDEX] * (columns.time is None and INDEX in of_source)
        for name in [*index, *map(str, source.columns)]:
            types.setdefault(name, {}).setdefault(of_source.get(name, ""))
    roles = _roles(columns)
    found = [(name, _role(name, roles, columns), kinds) for name, kinds in types.items()]
    found.sort(key=lambda one: one[1] == _LEFT_OUT)
    rows = [
        (
            visible(name, MAX_NAME),
            visible(role, 2 * MAX_NAME),
            visible(", ".join(filter(None, kinds)), MAX_NAME),
        )
        for name, role, kinds in found[:MAPPED]
    ]
    rest = found[MAPPED:]
    n_gone = sum(role == _LEFT_OUT for _, role, _ in rest)
    more = f"; {len(rest):,} more, {n_gone:,} of them left out" if rest else ""
    return Table(f"Columns{more}", ("Column", "Is", "Type"), rows)


def _roles(columns: Columns) -> dict[str, str]:
    """Return what the caller has named each column for."""
    named = {
        columns.time: _time_in_words(columns),
        columns.device: "device key",
        columns.product: "product key",
        columns.point: "name of the point",
        columns.value: "value",
        columns.value_quality: "quality",
        columns.check: "failed check of a reject",
    }
    roles = {name: role for name, role in named.items() if name is not None}
    roles |= {INDEX: _time_in_words(columns)} if columns.time is None else {}
    roles |= {of: f"quality of {name}" for name, of in (columns.quality or {}).items()}
    return roles


def _time_in_words(columns: Columns) -> str:
    parts = [columns.tz, columns.time_unit and f"in {columns.time_unit}", columns.time_format]
    told = ", ".join(filter(None, parts))
    return f"time ({told})" if told else "time"


def _role(name: str, roles: dict[str, str], columns: Columns) -> str:
    points = columns.points or {}
    if name in roles:
        return roles[name]
    if name in points:
        return f"point {points[name]}{_form((columns.forms or {}).get(name))}"
    if columns.is_long or name in map(str, columns.ignore) or (columns.only and is_mapped(columns)):
        return _LEFT_OUT
    return f"point {name}, if the model has it" if columns.only else f"point {name}"


def _form(form: Column | None) -> str:
    """Return how the cells of a column become values of its point, in brackets."""
    if form is None:
        return ""
    parts = [
        count(len(form.values), "word") if form.values else "",
        "labels" if form.labels else "",
        f"times {form.scale:g}" if form.scale is not None else "",
        f"without {form.suffix}" if form.suffix else "",
        f"decimal {form.decimal}" if form.decimal else "",
        f"absent: {', '.join(form.absent)}" if form.absent else "",
    ]
    told = "; ".join(filter(None, parts))
    return f" ({told})" if told else ""
