"""Parts of what a notebook shows of an object: headings, tables, bars.

Pure, and only of the standard library: every text is escaped here. Text takes the colours of the
notebook, light or dark; shapes have middle tones, visible on either background.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from .amounts import visible
from .drawing import ABSENT
from .facts import OPEN
from .tables import Table

__all__ = [
    "COLOURS",
    "Html",
    "bar",
    "block",
    "details",
    "heading",
    "listed",
    "note",
    "paragraph",
    "table",
]

# Contrast on white and on near black is at least 3.
COLOURS: Final = {
    "accepted": "#2a8f7a",
    "declined": "#d1493f",
    "withheld": "#c08a1e",
    "in_doubt": "#8f6fd1",
    "not_sent": "#7d8996",
    OPEN: "#4f8fc0",
}
LEAST: Final = 0.6  # width of the thinnest part of a bar, so that a single value is visible [%]
_RULE: Final = "1px solid rgba(128,128,128,.35)"
_SMALL: Final = "font-size:.9em"
# A share of the ink, not a grey: on white and on black it keeps a contrast of 4.5 and more.
_MUTED: Final = "opacity:.8"
_SHORT: Final = 24  # characters of a cell that is not torn into two lines
_LEAST_WIDE: Final = "min(20em,70vw)"  # of a cell with a sentence


class Html(str):
    """A text that is HTML already; it is not escaped again."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return the text as it is."""
        return self


def block(*parts: str) -> str:
    """Return the parts as one document, without empty ones."""
    return f'<div style="max-width:64rem;line-height:1.5">{"".join(parts)}</div>'


def heading(first_line: str, *rest: str) -> Html:
    """Return the most important line in large letters, and sentences below it."""
    lines = "".join(f"<div>{_cell(one)}</div>" for one in rest if one)
    first = f'<div style="font-size:1.25em;font-weight:600">{_cell(first_line)}</div>'
    return Html(first + lines)


def note(*sentences: str) -> Html:
    """Return sentences of less importance; the empty text for none."""
    said = " ".join(_cell(one) for one in sentences if one)
    return Html(f'<div style="{_SMALL};{_MUTED}">{said}</div>' if said else "")


def paragraph(*sentences: str) -> Html:
    """Return sentences; the empty text for none."""
    said = " ".join(_cell(one) for one in sentences if one)
    return Html(f'<div style="margin:.4em 0">{said}</div>' if said else "")


def listed(items: Iterable[str]) -> Html:
    """Return a list of sentences; the empty text for none."""
    rows = "".join(f"<li>{_cell(one)}</li>" for one in items)
    return Html(f'<ul style="margin:.4em 0;padding-left:1.4em">{rows}</ul>' if rows else "")


def details(summary: str, *parts: str) -> Html:
    """Return parts that a click opens."""
    inner = "".join(parts)
    opened = f'<summary style="cursor:pointer;{_SMALL}">{_cell(summary)}</summary>'
    return Html(f'<details style="margin:.3em 0">{opened}{inner}</details>' if inner else "")


def table(shown: Table) -> Html:
    """Return a table; a wide one is scrolled within its own width.

    Examples
    --------
    >>> "&lt;b&gt;" in table(Table("Points", ("Point",), [("<b>",)]))
    True
    """
    if not shown.rows:
        return Html("")
    aligned = ["right" if n in shown.numbers else "left" for n in range(len(shown.columns))]
    head = "".join(
        f'<th scope="col" style="{_place(side)};font-weight:600;white-space:nowrap">'
        f"{_cell(name)}</th>"
        for name, side in zip(shown.columns, aligned, strict=True)
    )
    rows = "".join(
        f'<tr style="background:transparent">{_row(row, aligned)}</tr>' for row in shown.rows
    )
    # Above the table and not in it: what is scrolled sideways must not hide a sentence.
    told = f'<div style="margin:.6em 0 .2em;{_SMALL};{_MUTED}">{_cell(shown.caption)}</div>'
    return Html(
        f'{told}<div style="overflow-x:auto;margin:0 0 .6em">'
        f'<table aria-label="{_cell(shown.caption)}" style="border-collapse:collapse;margin:0;'
        f'{_SMALL}"><thead><tr style="background:transparent">{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(row: Sequence[Any], aligned: Sequence[str]) -> str:
    cells = []
    for n, (cell, side) in enumerate(zip(row, aligned, strict=True)):
        tag = 'th scope="row"' if n == 0 else "td"
        more = ";font-variant-numeric:tabular-nums" * (side == "right")
        is_short = len(str(cell)) <= _SHORT or hasattr(cell, "__html__")
        more += ";white-space:nowrap" if is_short else f";min-width:{_LEAST_WIDE}"
        place = f"{_place(side)}{more};font-weight:{500 if n == 0 else 400}"
        cells.append(f'<{tag} style="{place}">{_cell(cell)}</{tag[:2]}>')
    return "".join(cells)


def _place(side: str) -> str:
    return (
        f"text-align:{side};vertical-align:top;padding:.15em 1em .15em 0;border:0;"
        f"border-bottom:{_RULE};background:transparent;color:inherit"
    )


def bar(counts: Iterable[tuple[str, int, str]], *, width: str = "100%", key: bool = True) -> Html:
    """Return counts side by side as a bar.

    Parameters
    ----------
    counts : iterable of (str, int, str)
        Fate, or ``absent``; number; the number in words.
    width : str, optional
        CSS width of the bar.
    key : bool, optional
        With the words below it.
    """
    shown = [one for one in counts if one[1]]
    if not shown:
        return Html("")
    told = ", ".join(words for _, _, words in shown)
    parts = "".join(
        f'<span style="{_fill(kind)};flex:{n} 1 0;min-width:{LEAST}%"></span>'
        for kind, n, _ in shown
    )
    legend = "".join(
        '<span style="margin-right:1.2em;white-space:nowrap"><span aria-hidden="true" '
        f'style="display:inline-block;width:.7em;height:.7em;{_fill(kind)};margin-right:.4em">'
        f"</span>{_cell(words)}</span>"
        for kind, _, words in shown
    )
    height, space = ("14px", ".6em 0 .3em") if key else (".7em", ".35em 0 0")
    return Html(
        f'<div role="img" aria-label="{_cell(told)}" title="{_cell(told)}" style="display:flex;'
        f'gap:2px;width:{width};height:{height};margin:{space}">{parts}</div>'
        + (f'<div style="{_SMALL}">{legend}</div>' if key else "")
    )


def _fill(kind: str) -> str:
    """Return the look of a part of a bar; what is absent is an empty box."""
    if kind == ABSENT:
        return "border:1px solid #7d8996;border-radius:2px;box-sizing:border-box"
    return f"background:{COLOURS[kind]};border-radius:2px"


def _cell(value: Any) -> str:
    """Return a cell as HTML, escaped unless it is HTML already, without hidden marks."""
    return str(value) if hasattr(value, "__html__") else escape(visible(value))
