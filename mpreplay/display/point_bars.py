"""The picture of a verdict: for each point, its valid, invalid and absent values.

Pure.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from .amounts import count
from .drawing import ABSENT, LEAST, Drawing, extent, filled, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .verdict import PointVerdict

__all__ = ["KEY", "point_bars"]

# The kinds of values, as the key of the picture tells them. What is invalid would be withheld.
KEY: Final = (("accepted", "valid"), ("withheld", "invalid"), (ABSENT, "absent"))
_WIDTH: Final = 720.0
_STEP: Final = 24.0  # from one row to the next
_BAR: Final = 16.0


def point_bars(points: Sequence[PointVerdict]) -> Drawing:
    """Return a bar for each point: its rows, divided into valid, invalid and absent values.

    Bars are drawn to one scale. Even a single value is drawn wide enough to be seen.
    """
    names = [label(one.name) for one in points]
    told = [_told(one) for one in points]
    left = 12.0 + max(map(extent, names), default=0.0)
    right = _WIDTH - 12.0 - max(map(extent, told), default=0.0)
    most = max((one.n_values + one.n_absent for one in points), default=0)
    body = []
    for row, (one, name, words) in enumerate(zip(points, names, told, strict=True)):
        y = row * _STEP
        body.append(f'<text x="{left - 12:g}" y="{y + 13:g}" class="end ink">{escape(name)}</text>')
        end = left
        for kind, n in zip(KEY, (one.n_valid, one.n_invalid, one.n_absent), strict=True):
            if n:
                width = max(LEAST, (right - left - 3 * LEAST) * n / most)
                body.append(_bar(end, y, width, kind[0]))
                end += width + 2
        body.append(f'<text x="{end + 8:.1f}" y="{y + 13:g}">{escape(words)}</text>')
    title = "Valid, invalid and absent values of each point"
    return Drawing(title, _WIDTH, max(len(points) * _STEP, _STEP), "".join(body), "wide scrolls")


def _bar(x: float, y: float, width: float, kind: str) -> str:
    inset = 0.5 if kind == ABSENT else 0.0  # half of its line
    return (
        f'<rect x="{x + inset:.1f}" y="{y + inset:g}" width="{max(width - 2 * inset, 1):.1f}" '
        f'height="{_BAR - 2 * inset:g}" rx="1.5" {filled(kind)}/>'
    )


def _told(one: PointVerdict) -> str:
    invalid = f", {one.n_invalid:,} invalid" if one.n_invalid else ""
    return f"{count(one.n_values, 'value')}{invalid}"
