"""The times of devices for people: sentences and a table.

Pure: the frame ``Validation.devices`` in, plain text out.
"""

from __future__ import annotations

from math import inf, isnan
from typing import TYPE_CHECKING, Final

from .amounts import MAX_NAME, count, duration, time_in_words, visible
from .tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["device_table", "times_in_words"]

_COLUMNS: Final = (
    *("Device", "Rows", "From", "To", "Usual interval"),
    *("Gaps", "Longest", "Back in time", "Same time"),
)


def times_in_words(devices: pd.DataFrame) -> list[str]:
    """Return sentences about the times of all devices: span and usual interval, then what is odd.

    Examples
    --------
    >>> import pandas as pd
    >>> from mpreplay.frames import DEVICE_COLUMNS, typed
    >>> time = pd.Timestamp("2024-01-01", tz="UTC")
    >>> times_in_words(typed([("p", "T1", 2, time, time, 600.0, 0, 600.0, 0, 0)], DEVICE_COLUMNS))
    ['1 device, 2024-01-01 00:00:00 to 2024-01-01 00:00:00 UTC, usually every 10 min.']
    """
    if not len(devices):
        return []
    return [_span(devices), *_gaps(devices), *_order(devices), *_collisions(devices)]


def _span(devices: pd.DataFrame) -> str:
    first, last = devices["first_time"].min(), devices["last_time"].max()
    intervals = devices["usual_interval"].dropna()
    usual = ""
    if len(intervals):
        low, high = (_interval(value) for value in (intervals.min(), intervals.max()))
        usual = f", usually every {low if low == high else f'{low} to {high}'}"
    span = f"{time_in_words(first)} to {time_in_words(last)} UTC"
    return f"{count(len(devices), 'device')}, {span}{usual}."


def _gaps(devices: pd.DataFrame) -> Iterator[str]:
    found = devices[devices["gaps"] > 0]
    if len(found):
        n = int(found["gaps"].sum())
        worst = found.sort_values("longest_gap").to_dict("records")[-1]
        which = f", of {visible(worst['device_key'], MAX_NAME)}" if len(found) > 1 else ""
        longest = f"{'the longest' if n > 1 else 'of'} {_interval(worst['longest_gap'])}"
        yield f"{count(n, 'gap')} {_of(found)}, {longest}{which}."


def _order(devices: pd.DataFrame) -> Iterator[str]:
    found = devices[devices["disordered"] > 0]
    if len(found):
        n = int(found["disordered"].sum())
        stand = "stands after a later one" if n == 1 else "stand after later ones"
        yield f"{count(n, 'row')} {_of(found)} {stand}; the order of rows does not matter."


def _collisions(devices: pd.DataFrame) -> Iterator[str]:
    found = devices[devices["collisions"] > 0]
    if len(found):
        n = int(found["collisions"].sum())
        have = "has" if n == 1 else "have"
        yield f"{count(n, 'row')} {_of(found)} {have} the time of another, to the millisecond."


def _of(found: pd.DataFrame) -> str:
    if len(found) == 1:
        return f"of {visible(found['device_key'].iloc[0], MAX_NAME) or 'the one device'}"
    return f"of {count(len(found), 'device')}"


def _interval(seconds: float) -> str:
    """Return an interval as people say it; the empty text if unknown."""
    if isnan(seconds):
        return ""
    for size, name, most in ((86_400, "d", inf), (3_600, "h", 72), (60, "min", 120)):
        if size <= seconds < most * size and seconds % size == 0:
            return f"{seconds / size:,.0f} {name}"
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:,.1f} d"
    return duration(seconds)


def device_table(devices: pd.DataFrame, most: int) -> Table:
    """Return a row for each device, those with gaps, disorder or collisions first."""
    odd = devices[["gaps", "disordered", "collisions"]].sum(axis=1)
    order = odd.sort_values(ascending=False, kind="stable").index[:most]
    rows = [
        (
            visible(one["device_key"], MAX_NAME) or "(the connection's own)",
            count(one["rows"]),
            time_in_words(one["first_time"]),
            time_in_words(one["last_time"]),
            _interval(one["usual_interval"]),
            count(one["gaps"]),
            _interval(one["longest_gap"]),
            count(one["disordered"]),
            count(one["collisions"]),
        )
        for one in devices.loc[order].to_dict("records")
    ]
    cut = f", the first {most} of {len(devices):,}" if len(devices) > most else ""
    caption = f"Devices{cut}. Times are UTC; a gap is longer than 1.5 usual intervals."
    return Table(caption, _COLUMNS, rows, frozenset({1, 4, 5, 6, 7, 8}), is_lines=True)
