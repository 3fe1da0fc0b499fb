"""Pictures of the traffic of a run over time, with its pauses as gaps.

Pure. A page gives every picture's numbers as a table, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from types import MappingProxyType
from typing import Final, NamedTuple

import pandas as pd

from ..display.amounts import duration
from ..display.drawing import Drawing, filled
from ..protocol.codes import ACCEPTED

__all__ = ["NO_REPLY", "Timeline", "code_bars", "code_fates", "lines", "short", "stroke"]

_ACCEPTED: Final = str(ACCEPTED)  # a column of a timeline
NO_REPLY: Final = "no reply"  # another
# The fates in whose patterns all other codes over time are drawn.
_CODE_FATES: Final = ("declined", "not_sent", "withheld", "open")
# Size of the small pictures over time, and the frame of their axes.
_SIZE: Final = (480.0, 210.0)
_GAP: Final = 24.0  # width of a pause
_FRAME: Final = (62.0, 16.0, 468.0, 176.0)  # left, top, right, bottom


def code_fates(codes: Sequence[str]) -> dict[str, str]:
    """Return the fate in whose pattern each code is drawn.

    Examples
    --------
    >>> code_fates(["200", "no reply", "1204"])
    {'200': 'accepted', 'no reply': 'in_doubt', '1204': 'declined'}
    """
    known = {_ACCEPTED: "accepted", NO_REPLY: "in_doubt"}
    rest = [code for code in codes if code not in known]
    drawn = {code: _CODE_FATES[min(n, len(_CODE_FATES) - 1)] for n, code in enumerate(rest)}
    return {code: known.get(code) or drawn[code] for code in codes}


def code_bars(line: Timeline) -> Drawing:
    """Return the numbers of requests by return code over time, as bars."""
    top_of = _scale(float(line.codes.sum(axis=1).max()))
    step = _step(line)
    fates = code_fates([str(code) for code in line.codes])
    parts = []
    for n, counts in enumerate(line.codes.itertuples(index=False)):
        base = 0.0
        for fate, count in zip(fates.values(), counts, strict=True):
            if count:
                low, high = _y(base, top_of), _y(base + count, top_of)
                width = max(min(step - 2, 40.0), 1.0)
                x = _x(line, n) + (step - width) / 2
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
    most = max((float(line.steps[name].max()) for name in columns), default=0.0)
    top_of = _scale(0.0 if isnan(most) else most)
    body = ""
    for name, kind in columns.items():
        known = [(n, float(y)) for n, y in enumerate(line.steps[name]) if not isnan(y)]
        points = [(n, _x(line, n + 0.5), _y(y, top_of)) for n, y in known]
        body += f'<path class="line {kind}" d="{_way(line, points)}"/>' if len(points) > 1 else ""
        if len(points) <= 24:
            body += "".join(
                f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'
                for _, x, y in points
            )
    return _picture(title, line, top_of, body)


def _picture(title: str, line: Timeline, top_of: float, body: str) -> Drawing:
    """Return a picture over time with its axes.

    The longest pauses are gaps; dotted lines mark the others.
    """
    left, top, right, bottom = _FRAME
    axes = "".join(
        f'<path class="rule" d="M{left:g} {_y(value, top_of):.1f}H{right:g}"/>'
        f'<text x="{left - 8:g}" y="{_y(value, top_of) + 4:.1f}" class="end">{short(value)}</text>'
        for value in (0.0, top_of / 2, top_of)
    )
    places = [share * len(line.steps) for share in line.pauses]
    pauses = "".join(
        f'<path class="pause" d="M{_x(line, place):.1f} {top:g}V{bottom:g}"/>'
        for place in places
        if round(place, 6) not in line.gaps
    )
    pauses += "".join(_gap(line, first, seconds) for first, seconds in line.gaps.items())
    begin, end = _clock(line)
    times = (
        f'<text x="{left:g}" y="{bottom + 20:g}">{begin}</text>'
        f'<text x="{right:g}" y="{bottom + 20:g}" class="end">{end}</text>'
    )
    return Drawing(title, *_SIZE, f"{axes}{pauses}{body}{times}", "small")


def _gap(line: Timeline, first: int, seconds: float) -> str:
    """Return the empty field of a pause, with its length."""
    _, top, _, bottom = _FRAME
    end = _x(line, first)
    x, middle = end - _GAP, (top + bottom) / 2
    sides = f"M{x:.1f} {top:g}V{bottom:g}M{end:.1f} {top:g}V{bottom:g}"
    return (
        f'<rect class="gap" x="{x:.1f}" y="{top:g}" width="{_GAP:g}" height="{bottom - top:g}"/>'
        f'<path class="pause" d="{sides}"/><text class="middle" x="{x + _GAP / 2 + 4:.1f}" '
        f'y="{middle:g}" transform="rotate(-90 {x + _GAP / 2 + 4:.1f} {middle:g})">'
        f"idle {duration(seconds)}</text>"
    )


def _way(line: Timeline, points: Sequence[tuple[int, float, float]]) -> str:
    """Return a line through points of steps, interrupted by gaps."""
    way, before = "", -1
    for n, x, y in points:
        is_after_gap = any(before < first <= n for first in line.gaps)
        way += f"{'M' if before < 0 or is_after_gap else 'L'}{x:.1f} {y:.1f}"
        before = n
    return way


def _x(line: Timeline, place: float) -> float:
    """Return where a place in steps is drawn; a gap lies before the step that it precedes."""
    return _FRAME[0] + place * _step(line) + _GAP * sum(first <= place for first in line.gaps)


def _step(line: Timeline) -> float:
    """Return the width of a step."""
    left, _, right, _ = _FRAME
    return (right - left - _GAP * len(line.gaps)) / len(line.steps)


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
    gaps : dict of int to float
        The longest pauses: the step that begins behind each, and its length. [s]
    """

    steps: pd.DataFrame
    codes: pd.DataFrame
    width: float
    pauses: list[float]
    paused: float
    span: float
    begin: pd.Timestamp
    end: pd.Timestamp
    gaps: Mapping[int, float] = MappingProxyType({})
