"""The frame of an HTML page: what is safe in it, and the marks of fates. Pure."""

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
    """Mark what this package made itself as HTML; never a text that came from data."""
    from markupsafe import Markup

    return Markup(made)  # noqa: S704 - pictures escape the names that they show


def mark(fate: str) -> Any:
    """Return the square that stands for a fate, as HTML; nothing for what is none."""
    return safe(swatch(fate)) if fate in FATE_WORDS else ""
