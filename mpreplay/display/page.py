"""The frame of an HTML page: what is safe in it, and the marks of fates. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from .pictures import swatch
from .sentences import FATE_WORDS

__all__ = ["mark", "safe"]

_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)")


def unbroken(text: str) -> Any:
    """Return a text as HTML in which no date is torn at its hyphens."""
    from markupsafe import Markup, escape

    whole = Markup('<span class="whole">{}</span>')
    parts = _DATE.split(text)  # every second one is a date
    return Markup("").join(whole.format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def safe(made: str) -> Any:
    """Mark what this package made itself as HTML; never a text that came from data."""
    from markupsafe import Markup

    return Markup(made)  # noqa: S704 - pictures escape the names that they show


def mark(fate: str) -> Any:
    """Return the square that stands for a fate, as HTML; nothing for what is none."""
    return safe(swatch(fate)) if fate in FATE_WORDS else ""
