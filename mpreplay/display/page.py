"""Safe parts of an HTML page, and the marks of fates. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from .pictures import swatch
from .sentences import FATE_WORDS

__all__ = ["mark", "safe"]

_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)")


def unbroken(text: str) -> Any:
    """Return a text as HTML without line breaks at the hyphens of dates."""
    from markupsafe import Markup, escape

    whole = Markup('<span class="whole">{}</span>')
    parts = _DATE.split(text)  # every second part is a date
    return Markup("").join(whole.format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def safe(made: str) -> Any:
    """Mark a text made by this package as HTML; never a text from data."""
    from markupsafe import Markup

    return Markup(made)  # noqa: S704 - pictures escape the names in them


def mark(fate: str) -> Any:
    """Return the square of a fate as HTML; the empty text for anything else."""
    return safe(swatch(fate)) if fate in FATE_WORDS else ""
