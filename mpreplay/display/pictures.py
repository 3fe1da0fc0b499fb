"""The pictures of a run: drawings made from numbers.

Pure. A page gives every picture's numbers as a table, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, isnan
from typing import Any, Final, NamedTuple

import pandas as pd

from ..frames import FATES
from ..protocol.codes import ACCEPTED
from .drawing import LEAST, WIDTH, Drawing, extent, filled, label
from .facts import SHOWN_FATES
from .sentences import FATE_WORDS

__all__ = [
    "Arrivals",
    "Timeline",
    "arrival_map",
    "balance",
    "code_bars",
    "code_fates",
    "lines",
    "short",
    "standing_mark",
    "stroke",
]

_ACCEPTED: Final = str(ACCEPTED)  # a column of a timeline
# The fates in whose patterns all other codes over time are drawn.
_CODE_FATES: Final = ("declined", "withheld", "not_sent", "in_doubt")
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


# Size of the small pictures over time, and the frame of their axes.
_SIZE: Final = (480.0, 210.0)
_FRAME: Final = (62.0, 16.0, 468.0, 176.0)  # left, top, right, bottom


def code_fates(codes: Sequence[str]) -> dict[str, str]:
    """Return the fate in whose pattern each code is drawn.

    Examples
    --------
    >>> code_fates(["200", "1204"])
    {'200': 'accepted', '1204': 'declined'}
    """
    rest = [code for code in codes if code != _ACCEPTED]
    drawn = {code: _CODE_FATES[min(n, len(_CODE_FATES) - 1)] for n, code in enumerate(rest)}
    return {_ACCEPTED: "accepted", **drawn} if _ACCEPTED in codes else drawn


def code_bars(line: Timeline) -> Drawing:
    """Return the numbers of requests by return code over time, as bars."""
    left, _, right, _ = _FRAME
    top_of = _scale(float(line.codes.sum(axis=1).max()))
    step = (right - left) / len(line.codes)
    fates = code_fates([str(code) for code in line.codes])
    parts = []
    for n, counts in enumerate(line.codes.itertuples(index=False)):
        base = 0.0
        for fate, count in zip(fates.values(), counts, strict=True):
            if count:
                low, high = _y(base, top_of), _y(base + count, top_of)
                width = max(min(step - 2, 40.0), 1.0)
                x = left + n * step + (step - width) / 2
                parts.append(
                    f'<rect x="{x:.1f}" y="{high:.1f}" width="{width:.1f}" '
                    f'height="{max(low - high - 1, 1):.1f}" {filled(fate)}/>'
                )
            base += count
    return _picture("Requests by return code over time", line, top_of, "".join(parts))


def lines(line: Timeline, title: str, columns: Mapping[str, str]) -> Drawing:
    """Return one or two columns of the steps as lines.

    Parameters
    ----------
    line : Timeline
        Steps of a run.
    title : str
        Quantity and unit.
    columns : mapping of str to str
        Column to ``solid`` or ``dashed``.
    """
    left, _, right, _ = _FRAME
    most = max((float(line.steps[name].max()) for name in columns), default=0.0)
    top_of = _scale(0.0 if isnan(most) else most)
    step = (right - left) / len(line.steps)
    body = ""
    for name, kind in columns.items():
        known = [(n, float(y)) for n, y in enumerate(line.steps[name]) if not isnan(y)]
        points = [(left + (n + 0.5) * step, _y(y, top_of)) for n, y in known]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        body += f'<path class="line {kind}" d="M{way}"/>' if len(points) > 1 else ""
        if len(points) <= 24:
            body += "".join(
                f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in points
            )
    return _picture(title, line, top_of, body)


def _picture(title: str, line: Timeline, top_of: float, body: str) -> Drawing:
    """Return a picture over time with its axes; dotted lines mark omitted pauses."""
    left, top, right, bottom = _FRAME
    axes = "".join(
        f'<path class="rule" d="M{left:g} {_y(value, top_of):.1f}H{right:g}"/>'
        f'<text x="{left - 8:g}" y="{_y(value, top_of) + 4:.1f}" class="end">{short(value)}</text>'
        for value in (0.0, top_of / 2, top_of)
    )
    pauses = "".join(
        f'<path class="pause" d="M{left + share * (right - left):.1f} {top:g}V{bottom:g}"/>'
        for share in line.pauses
    )
    begin, end = _clock(line)
    times = (
        f'<text x="{left:g}" y="{bottom + 20:g}">{begin}</text>'
        f'<text x="{right:g}" y="{bottom + 20:g}" class="end">{end}</text>'
    )
    return Drawing(title, *_SIZE, f"{axes}{pauses}{body}{times}", "small")


def _y(value: float, top_of: float) -> float:
    _, top, _, bottom = _FRAME
    return bottom - (bottom - top) * value / top_of


def _scale(most: float) -> float:
    """Return the round number at the end of an axis for values up to ``most``."""
    if most <= 0:
        return 1.0
    power = float(10 ** (len(f"{most:.0f}") - 1)) if most >= 1 else 1.0
    while most < power / 10 or most < power <= 1:
        power /= 10
    return next(power * n for n in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15) if power * n >= most * 0.999)


def short(value: float) -> str:
    """Return a number as an axis shows it.

    Examples
    --------
    >>> short(1_500_000), short(0.25), short(0)
    ('1.5 M', '0.25', '0')
    """
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def _clock(line: Timeline) -> tuple[str, str]:
    """Return the ends of the time axis, just fine enough to differ."""
    begin, end = line.begin, line.end
    if (end - begin).total_seconds() < 10:
        return begin.strftime("%H:%M:%S.%f")[:-3], end.strftime("%H:%M:%S.%f")[:-3]
    form = "%H:%M:%S" if begin.date() == end.date() else "%Y-%m-%d %H:%M"
    return begin.strftime(form), end.strftime(form)


def stroke(kind: str) -> str:
    """Return the short line of a legend."""
    return (
        '<svg aria-hidden="true" class="stroke" viewBox="0 0 28 10">'
        f'<path class="line {kind}" d="M0 5H28"/></svg>'
    )


def standing_mark(is_whole: bool, *, is_done: bool = False) -> str:
    """Return the small shape before the word for a run that is whole, done in part, or open."""
    name, way = "open", "M8 2v7M8 12.5v1.5"
    if is_whole or is_done:
        name, way = "complete" if is_whole else "partly", "M2 9l4 4 8-10"
    return (
        f'<svg aria-hidden="true" class="state-{name}" viewBox="0 0 16 16"><path d="{way}"/></svg>'
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


class Timeline(NamedTuple):
    """The traffic of a run in equal steps of time.

    Parameters
    ----------
    steps : DataFrame
        One row a step: ``start``, ``requests``, ``median`` and ``slowest`` latency [s],
        ``bytes`` and ``values`` a second.
    codes : DataFrame
        Numbers of requests, a row for each step and a column for each code.
    width : float
        Length of a step. [s]
    pauses : list of float
        Places of omitted pauses, as shares of the whole.
    paused : float
        Total length of the omitted pauses. [s]
    span : float
        Time from the first request to the last reply, without the pauses. [s]
    begin, end : Timestamp
        Time of the first request, and the end of the last step.
    """

    steps: pd.DataFrame
    codes: pd.DataFrame
    width: float
    pauses: list[float]
    paused: float
    span: float
    begin: pd.Timestamp
    end: pd.Timestamp
