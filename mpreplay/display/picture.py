"""Pictures that stand alone: drawn by a notebook, saved as SVG.

A shell over the file of :meth:`Picture.save`.
"""

from __future__ import annotations

import hashlib
import os
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final, NamedTuple

from ..outputs import check_file, path_of, written
from .amounts import visible
from .drawing import ABSENT, Drawing, extent, filled, own_style, patterns
from .sentences import FATE_WORDS

__all__ = ["Panel", "Picture"]

MARGIN: Final = 20.0
_LINE: Final = 22.0  # height of a line of text
_TITLE: Final = 10.0  # width of a letter of the title, rather too much


class Panel(NamedTuple):
    """A drawing with its heading and its key.

    Parameters
    ----------
    drawing : Drawing
        The drawing.
    heading : str, optional
        Its title as text above; the empty text for none.
    key : tuple of (str, str)
        The fate, ``absent``, or kind of a line (``solid``, ``dashed``), and its meaning.
    """

    drawing: Drawing
    heading: str = ""
    key: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A picture that a notebook draws and that is saved as SVG.

    Made by ``validation.plot()``, ``plan.plot()`` and ``run.plot()``. It has its own background,
    light or dark as the reader's system, and is legible anywhere.
    """

    title: str
    panels: tuple[Panel, ...]

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        width = max(one.drawing.width for one in self.panels)
        body, height = [], MARGIN
        for line in textwrap.wrap(visible(self.title), int(width / _TITLE)):
            body.append(_moved(height, f'<text y="12" class="title">{escape(line)}</text>'))
            height += _LINE
        for panel in self.panels:
            lines = list(_head(panel, width))
            body += [_moved(height + n * _LINE, one) for n, one in enumerate(lines)]
            height += len(lines) * _LINE
            body.append(_moved(height, panel.drawing.body))
            height += panel.drawing.height + MARGIN
        return self._framed("".join(body), width + 2 * MARGIN, height)

    def _framed(self, body: str, width: float, height: float) -> str:
        """Return the body on its ground; its names are its own, whatever else is on a page."""
        scope = f"mp-{hashlib.sha256(body.encode('utf-8', 'replace')).hexdigest()[:10]}"
        body = body.replace('fill="url(#p-', f'fill="url(#{scope}-')  # no text has a bare quote
        told = escape(visible(self.title))
        return (
            f'<svg role="img" aria-label="{told}" class="{scope}" width="{width:g}" '
            f'height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
            f'style="max-width:100%;height:auto" xmlns="http://www.w3.org/2000/svg">'
            f"<title>{told}</title><style>{own_style(scope)}</style>{patterns(scope)}"
            f'<rect width="100%" height="100%" rx="8" class="paper"/>'
            f'<g transform="translate({MARGIN:g} 0)">{body}</g></svg>'
        )

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Picture({self.title}; a notebook draws it, .save('picture.svg') keeps it)"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture as an SVG file; an existing file is overwritten.

        Raises
        ------
        ConfigError
            If the file cannot be written.
        """
        file = path_of(path, "path")
        check_file(file, "path")
        with written(file) as part:
            part.write_text(self.svg, encoding="utf-8", errors="backslashreplace")


def _moved(down: float, body: str) -> str:
    return f'<g transform="translate(0 {down:g})">{body}</g>'


def _head(panel: Panel, width: float) -> Iterable[str]:
    """Yield the lines of text above a drawing: its heading, and its key in as many as needed."""
    if panel.heading:
        yield f'<text y="12" class="heading">{escape(visible(panel.heading))}</text>'
    x, line = 0.0, ""
    for kind, words in panel.key:
        step = 44.0 + extent(words)
        if line and x + step > width:
            yield line
            x, line = 0.0, ""
        line += f'<g transform="translate({x:g} 0)">{_sign(kind)}'
        line += (
            f'<text x="{26 if _is_line(kind) else 20}" y="11">{escape(visible(words))}</text></g>'
        )
        x += step
    if line:
        yield line


def _is_line(kind: str) -> bool:
    return kind not in FATE_WORDS and kind != ABSENT


def _sign(kind: str) -> str:
    if _is_line(kind):
        return f'<path class="line {kind}" d="M0 7H20"/>'
    return f'<rect y="1" width="12" height="12" rx="2" {filled(kind)}/>'
