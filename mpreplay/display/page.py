"""Safe parts of an HTML page, and the marks of fates. Pure."""

from __future__ import annotations

from typing import Any

from .pictures import swatch
from .sentences import FATE_WORDS

__all__ = ["mark", "safe", "whole"]


def whole(said: str, when: str) -> Any:
    """Return a sentence and its time as HTML in which the time is not torn between two lines."""
    from markupsafe import Markup, escape

    if not when:
        return escape(said)
    return Markup('{}, <span class="whole">{}</span>').format(said, when)


def safe(made: str) -> Any:
    """Mark a text made by this package as HTML; never a text from data."""
    from markupsafe import Markup

    return Markup(made)  # noqa: S704 - pictures escape the names in them


def mark(fate: str) -> Any:
    """Return the square of a fate as HTML; the empty text for anything else."""
    return safe(swatch(fate)) if fate in FATE_WORDS else ""
