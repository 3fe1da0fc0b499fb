"""Colours, patterns and the frame of every picture: a drawing is a part of a page or stands alone.

Pure. No information is in colour alone: each fate also has a pattern. Colours are classes, so that
light, dark and print can differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from unicodedata import east_asian_width

from .amounts import visible
from .facts import OPEN

__all__ = [
    "ABSENT",
    "DARK",
    "LEAST",
    "LIGHT",
    "WIDTH",
    "Drawing",
    "extent",
    "filled",
    "label",
    "own_style",
    "page_style",
    "patterns",
    "style",
    "swatch",
]

ABSENT: Final = "absent"  # drawn as an empty box
# Contrast on "paper" and "panel" is at least 4.5 for text and at least 3 for shapes.
_COLOURS: Final = {  # on light and on dark
    "paper": ("#ffffff", "#14181b"),
    "panel": ("#f5f6f4", "#1c2125"),
    "ink": ("#1b2024", "#e7eaec"),
    "muted": ("#596169", "#a0a9b2"),
    "rule": ("#dcdfdc", "#343b41"),
    "link": ("#14665a", "#6ccbb8"),
    "accepted": ("#23806e", "#45ab96"),
    "declined": ("#b3362b", "#ee8379"),
    "withheld": ("#9a6a08", "#d7a544"),
    "in_doubt": ("#7353b5", "#b39ae8"),
    "not_sent": ("#65727f", "#93a0ad"),
    OPEN: ("#2f6f9f", "#74b0dd"),
}
LIGHT: Final = {name: light for name, (light, _) in _COLOURS.items()}
DARK: Final = {name: dark for name, (_, dark) in _COLOURS.items()}
# Marks that distinguish the fates without colour, on a field of 8 by 8.
_MARKS: Final = {
    "declined": "M0 0l8 8M8 0l-8 8",
    "withheld": "M-2 2l4-4M0 8l8-8M6 10l4-4",
    "in_doubt": "M2 2h2v2h-2zM6 6h2v2h-2z",
    "not_sent": "M0 2h8M0 6h8",
    OPEN: "M2 0v8M6 0v8",
}
_FONT: Final = 'system-ui, -apple-system, "Segoe UI", "Noto Sans", "Liberation Sans", sans-serif'
# The style of all pictures: selector and declarations, in which --name is a colour of the palette.
_RULES: Final = (
    ("svg text", f"font: 12px {_FONT}; fill: --muted; font-variant-numeric: tabular-nums"),
    ("svg .end", "text-anchor: end"),
    ("svg .middle", "text-anchor: middle"),
    ("svg .ink", "fill: --ink"),
    ("svg .heading", "fill: --ink; font-size: 13px; font-weight: 600"),
    ("svg .title", "fill: --ink; font-size: 15px; font-weight: 600"),
    *((f".f-{name}", f"fill: --{name.replace('_', '-')}") for name in ("accepted", *_MARKS)),
    (f".f-{ABSENT}", "fill: --panel; stroke: --muted; stroke-width: 1"),
    (".paper", "fill: --paper"),
    (".mark", "stroke: --paper; stroke-width: 1.3; fill: none; stroke-opacity: .75"),
    (".funnel", "fill: --panel"),
    (".gap", "fill: --panel"),
    (".rule", "stroke: --rule; stroke-width: 1"),
    (".pause", "stroke: --muted; stroke-width: 1; stroke-dasharray: 2 3"),
    (".line", "fill: none; stroke: --accepted; stroke-width: 1.8; stroke-linejoin: round"),
    (".line.dashed", "stroke: --withheld; stroke-dasharray: 5 4"),
    (".dot", "fill: --accepted"),
    (".dot.dashed", "fill: --paper; stroke: --withheld; stroke-width: 1.5"),
)
WIDTH: Final = 960.0
MAX_LABEL: Final = 20  # characters of a name beside a row
_NARROW: Final = 7.4  # width of a letter of 12 pixels
_CAPITAL: Final = 9.4
_BROAD: Final = 11.5  # of the broadest of them
_WIDE: Final = 12.5  # of one of Chinese or Japanese
LEAST: Final = 4.0  # width of the narrowest bar: even a single value is visible


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing: shapes and texts on a field, in the classes of :func:`page_style`.

    Parameters
    ----------
    title : str
        The drawing in words, for people who cannot see it.
    width, height : float
        Size of the field.
    body : str
        SVG; every text from data in it is escaped.
    name : str, optional
        Classes of the drawing in a page: ``wide``, ``small``, ``scrolls``.
    """

    title: str
    width: float
    height: float
    body: str
    name: str = ""

    def __str__(self) -> str:
        told = escape(self.title)
        return (
            f'<svg role="img" aria-label="{told}" class="{self.name}" viewBox="0 0 {self.width:g} '
            f'{self.height:g}" xmlns="http://www.w3.org/2000/svg"><title>{told}</title>'
            f"{self.body}</svg>"
        )

    def __html__(self) -> str:
        """Return the drawing as a part of a page."""
        return str(self)


def style(palette: Mapping[str, str]) -> str:
    """Return a palette as CSS variables.

    Examples
    --------
    >>> style({"ink": "#000"})
    '--ink:#000;'
    """
    return "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in palette.items())


def page_style() -> str:
    """Return the style of the pictures of a page, whose colours are CSS variables."""
    variables = {name: f"var(--{name.replace('_', '-')})" for name in _COLOURS}
    return "".join(f"{one}\n" for one in _rules("", variables))


def own_style(scope: str) -> str:
    """Return the style of a picture that stands alone, in light and in dark.

    Colours are written out: few programs other than browsers know CSS variables. Nothing outside
    the ``scope``, a class, is touched where a notebook puts the picture into its own page.
    """
    light, dark = (_rules(f".{scope} ", palette) for palette in (LIGHT, DARK))
    changed = [two for one, two in zip(light, dark, strict=True) if one != two]
    return f"{' '.join(light)} @media (prefers-color-scheme: dark) {{ {' '.join(changed)} }}"


def _rules(scope: str, colours: Mapping[str, str]) -> list[str]:
    names = sorted(colours, key=len, reverse=True)
    found = []
    for selector, declarations in _RULES:
        told = declarations
        for name in names:
            told = told.replace(f": --{name.replace('_', '-')}", f": {colours[name]}")
        inner = selector.removeprefix("svg ") if scope else selector
        found.append(f"{scope}{inner} {{ {told}; }}")
    return found


def patterns(prefix: str = "p") -> str:
    """Return the definitions of the fates' patterns, to which all drawings beside them refer."""
    made = "".join(
        f'<pattern id="{prefix}-{fate}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" class="f-{fate}"/><path d="{marks}" class="mark"/></pattern>'
        for fate, marks in _MARKS.items()
    )
    return f"<defs>{made}</defs>"


def filled(fate: str) -> str:
    """Return the attribute that fills a shape with a fate's colour and pattern."""
    return f'fill="url(#p-{fate})"' if fate in _MARKS else f'class="f-{fate}"'


def swatch(fate: str) -> str:
    """Return the small square of a fate, for use beside the word."""
    return (
        '<svg aria-hidden="true" class="swatch" viewBox="0 0 16 16">'
        f'<rect width="16" height="16" rx="3" {filled(fate)}/></svg>'
    )


def extent(text: str) -> float:
    """Return the width of a text in a picture, rather too much: the font is the reader's.

    Examples
    --------
    >>> extent("Ot_avg") < extent("温度温度温度")
    True
    """
    return sum(map(_width, text))


def _width(letter: str) -> float:
    if east_asian_width(letter) in "WF":
        return _WIDE
    if letter in "MW@%mw—…":
        return _BROAD
    return _CAPITAL if letter.isupper() else _NARROW


def label(name: str) -> str:
    """Return a name short enough for a row; keys differ at the end more than at the begin.

    Examples
    --------
    >>> label("Ot_avg"), label("a very long name of a point")
    ('Ot_avg', 'a very…me of a point')
    """
    begin = MAX_LABEL // 3
    if len(name) > MAX_LABEL:
        name = f"{name[:begin]}…{name[begin + 1 - MAX_LABEL :]}"
    return visible(name)
