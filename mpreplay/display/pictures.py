"""The pictures of a run: drawings made from numbers.

Pure. A page gives every picture's numbers as a table, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import ceil
from typing import Any, Final, NamedTuple

from ..frames import FATES
from .drawing import LEAST, WIDTH, Drawing, extent, filled, label
from .facts import SHOWN_FATES
from .sentences import FATE_WORDS

__all__ = [
    "Arrivals",
    "arrival_map",
    "balance",
    "standing_mark",
    "tone_of",
]

DATE_WIDTH: Final = 80.0  # of a date below the map, with a margin


def _row(counts: Mapping[str, int], y: float, height: float) -> str:
    """Return counts as a bar; every count above zero has at least the least width."""
    shown = {fate: n for fate, n in counts.items() if n}
    free = WIDTH - LEAST * len(shown) - 2 * (len(shown) - 1)
    total = sum(shown.values())
    x, parts = 0.0, []
    for fate, n in shown.items():
        width = LEAST + free * n / total
        parts.append(
            f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" {filled(fate)}/>'
        )
        x += width + 2
    return "".join(parts)


def balance(counts: Mapping[str, int]) -> Drawing:
    """Return the counts of all fates as a bar; few rejects get a bar of their own below.

    Parameters
    ----------
    counts : mapping of str to int
        Number of values of each fate.
    """
    rejects = {fate: counts.get(fate, 0) for fate in SHOWN_FATES[1:]}
    total, missing = sum(counts.values()), sum(rejects.values())
    told = ", ".join(f"{n:,} {FATE_WORDS[fate][0]}" for fate, n in counts.items() if n)
    body = f"{_row(counts, 0, 44)}"
    if not 0 < missing < 0.1 * total:
        return Drawing(f"Of {total:,} values: {told}", WIDTH, 44, body, "wide")
    n_parts = sum(1 for n in rejects.values() if n)
    start = WIDTH - n_parts * LEAST - 2 * (n_parts - 1)
    start -= (WIDTH - LEAST * (n_parts + 1) - 2 * n_parts) * missing / total
    funnel = f'<path class="funnel" d="M{start:.1f} 46H{WIDTH:g}V68H0z"/>'
    body += funnel + _row(rejects, 70, 26)
    return Drawing(f"Of {total:,} values: {told}", WIDTH, 96, body, "wide")


def arrival_map(found: Arrivals, *, unanswered: str = "in_doubt") -> Drawing:
    """Return the map of devices and days; arrived values fill a cell from below.

    Parameters
    ----------
    found : Arrivals
        Cells of the map.
    unanswered : str, optional
        Fate in whose pattern values in doubt are drawn.
    """
    fates = [unanswered if fate == "in_doubt" else fate for fate in FATES]
    names = [label(name) for name in found.devices]
    left, top, gap = 16.0 + max(map(extent, names), default=0.0), 6.0, 2.0
    n_rows, n_columns = found.read.shape
    step = (WIDTH - left) / max(n_columns, 20)
    height = 26.0 if n_rows <= 8 else 18.0
    boxes: dict[str, list[str]] = {fate: [] for fate in fates}
    labels = []
    for row, name in enumerate(names):
        y = top + row * (height + gap)
        shown = escape(name)
        labels.append(
            f'<text x="{left - 10:g}" y="{y + height / 2 + 4:g}" class="end">{shown}</text>'
        )
        for column in range(n_columns):
            read, accepted = int(found.read[row, column]), int(found.accepted[row, column])
            if not read:
                continue
            # Even a single missing value, and a single arrived value, must be visible.
            lost = height * (read - accepted) / read
            lost = min(max(lost, LEAST), height - LEAST) if 0 < accepted < read else lost
            x, width = left + column * step, max(step - gap, 1.0)
            if accepted < read:
                boxes[fates[found.most[row, column]]].append(_box(x, y, width, lost))
            if accepted:
                boxes["accepted"].append(_box(x, y + lost, width, height - lost))
    base = top + n_rows * (height + gap)
    every = max(1, -(-n_columns // 7), ceil(DATE_WIDTH / step))
    ticks = [
        f'<text x="{left + n * step:.1f}" y="{base + 18:g}">{escape(found.periods[n])}</text>'
        for n in range(0, n_columns, every)
        if left + n * step < WIDTH - 60
    ]
    cells = (f'<path {filled(fate)} d="{"".join(of)}"/>' for fate, of in boxes.items() if of)
    body = f"{''.join(cells)}{''.join(labels)}{''.join(ticks)}"
    title = f"What arrived and what did not, by device and {found.step}"
    return Drawing(title, WIDTH, base + 26, body, "wide scrolls")


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


# The tones of a page: all arrived; done, and not all arrived; not done, or not sound.
_TONES: Final = {"complete": "M2 9l4 4 8-10", "partly": "M2 8h12", "open": "M8 2v7M8 12.5v1.5"}


def tone_of(*, is_whole: bool, is_done: bool) -> str:
    """Return the tone of a page: green only if all arrived."""
    return "complete" if is_whole else "partly" if is_done else "open"


def standing_mark(tone: str) -> str:
    """Return the small shape before the state of a page, by its tone."""
    return (
        f'<svg aria-hidden="true" class="state-{tone}" viewBox="0 0 16 16">'
        f'<path d="{_TONES[tone]}"/></svg>'
    )


class Arrivals(NamedTuple):
    """The numbers of values read and accepted, by device and period.

    Parameters
    ----------
    step : str
        Length of a column: ``day``, ``week``, ``month``, ``quarter``, ``year``.
    periods : list of str
        The first day of each column.
    devices : list of str
        Name of each row; the last row may combine all other devices.
    read, accepted : array, shape (n_devices, n_periods)
        Numbers of values.
    most : array, shape (n_devices, n_periods)
        Most frequent fate of the values that did not arrive, as an index into ``FATES``.
    n_others : int
        Number of devices that share the last row; 0 if each has its own.
    n_timeless : int
        Number of values without a readable time.
    """

    step: str
    periods: list[str]
    devices: list[str]
    read: Any
    accepted: Any
    most: Any
    n_others: int
    n_timeless: int
