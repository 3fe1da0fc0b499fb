"""HTML pages: their common frame and their safe parts.

A shell: reads the templates of this package. Only this module imports Jinja2.
"""

from __future__ import annotations

import importlib.util
import re
from importlib.resources import files
from typing import Any, Final

from ..errors import ConfigError
from ..version import __version__
from .amounts import visible
from .drawing import ABSENT, DARK, LIGHT, page_style, patterns, style, swatch
from .pictures import standing_mark
from .plain_words import Apart
from .sentences import FATE_WORDS

__all__ = ["aside", "mark", "need_jinja2", "page", "safe", "unbroken", "whole"]

_HEADING: Final = re.compile(r'<h2 id="([a-z]+)">([^<]*)</h2>')  # of a template, never of data
_DATE: Final = re.compile(r"\b(\d{4}-\d\d-\d\d)\b")
_SHARED: Final = ("page.html.jinja", "parts.html.jinja")  # what a template of a page builds on


def unbroken(text: str) -> Any:
    """Return a text as HTML that is not torn between two lines."""
    from markupsafe import Markup

    return Markup('<span class="whole">{}</span>').format(text)


def whole(said: str, when: str) -> Any:
    """Return a sentence and its time as HTML in which the time is not torn between two lines."""
    from markupsafe import Markup, escape

    if not when:
        return escape(said)
    return Markup('{}, <span class="whole">{}</span>').format(said, when)


def aside(*told: Apart) -> Any:
    """Return sentences with their full stops as HTML, the arguments of each behind it."""
    from markupsafe import Markup

    plain = Markup("{}.")
    with_arguments = Markup('{}. <span class="how">(<code>{}</code>)</span>')
    return Markup(" ").join(
        (with_arguments if one.arguments else plain).format(*filter(None, map(visible, one)))
        for one in told
    )


def safe(made: Any) -> Any:
    """Mark a text or a drawing made by this package as HTML; never a text from data."""
    from markupsafe import Markup

    return Markup(made)  # noqa: S704 - pictures escape the names in them


def mark(fate: str) -> Any:
    """Return the square of a fate as HTML; the empty text for anything else."""
    return safe(swatch(fate)) if fate in FATE_WORDS or fate == ABSENT else ""


def need_jinja2() -> None:
    """Raise ConfigError unless a page can be made."""
    if importlib.util.find_spec("jinja2") is None:
        raise ConfigError("a report needs jinja2: pip install 'mpreplay[report]'")


def page(package: str, template: str, **parts: Any) -> str:
    """Return a self-contained page: no script, no font, nothing to load.

    Parameters
    ----------
    package, template : str
        The place of the page's own template, which extends ``page.html.jinja``.
    **parts
        What its expressions name; each is escaped, unless it was marked with :func:`safe`. The
        frame needs ``headline``, ``state``, ``tone``, ``rest`` and ``facts``. Its line of contents
        has every heading of the second level that has an id.

    Raises
    ------
    ConfigError
        If Jinja2 is not installed.
    """
    need_jinja2()
    import jinja2

    def text_of(name: str) -> str:
        home = __package__ if name in _SHARED else package
        return (files(home) / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda value: value if hasattr(value, "__html__") else visible(value),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(text_of),
    )
    environment.filters |= {"aside": aside, "dated": _dated, "sections": _sections}
    tone = str(parts["tone"])
    frame = {
        "state_mark": safe(standing_mark(tone)),
        "light": safe(style(LIGHT)),
        "dark": safe(style(DARK)),
        "picture_style": safe(page_style()),
        "patterns": safe(
            f'<svg aria-hidden="true" class="patterns" width="0" height="0">{patterns()}</svg>'
        ),
        "version": __version__,
    }
    return environment.get_template(template).render(frame | parts)


def _dated(text: Any) -> Any:
    """Return a text as HTML in which no date is torn between two lines."""
    from markupsafe import Markup, escape

    told = text if hasattr(text, "__html__") else escape(visible(text))
    return Markup(_DATE.sub(r'<span class="whole">\1</span>', str(told)))  # noqa: S704 - escaped


def _sections(body: Any) -> list[tuple[str, Any]]:
    """Return id and heading of each section of a page."""
    return [(name, safe(words)) for name, words in _HEADING.findall(str(body))]
