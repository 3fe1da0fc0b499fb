"""The numbers behind the pictures of a report: few, however long the run.

Pure: frames in, small tables out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from ..cells.epoch import DAY
from ..display.amounts import MAX_NAME, visible
from ..display.facts import OPEN, SHOWN_FATES
from ..display.pictures import Arrivals
from ..frames import FATES
from ..protocol.codes import ACCEPTED
from .over_time import NO_REPLY, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .legs import Leg

__all__ = ["Taken", "arrivals", "taken_apart", "timeline"]

MAX_PERIODS: Final = 62  # columns of the map; two months of days fit
MAX_DEVICES: Final = 24  # rows of the map
MAX_BUCKETS: Final = 48  # steps of the pictures over time
REQUESTS_IN_A_BUCKET: Final = 6  # on average, so that a median means something
# Lengths of a step that people think in. The shortest is a second: limits hold for a second, and
# within a second a burst of any rate is allowed. [s]
_ROUND: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3_600 * hours for hours in (1, 2, 3, 6, 12)),
)
_SECONDS_A_DAY: Final = DAY // 1_000
PAUSE: Final = 600.0  # a longer time without requests counts as a break before a continuation [s]
MAX_GAPS: Final = 6  # pauses that are drawn as gaps
MAX_CODES: Final = 5  # codes that are distinguished over time
OTHERS: Final = "others"
# Widths of a column of the map: the name in pandas, and the word for people.
_STEPS: Final = (("D", "day"), ("W-SUN", "week"), ("M", "month"), ("Q", "quarter"), ("Y", "year"))


def arrivals(books: Iterable[pd.DataFrame]) -> Arrivals:
    """Return the books as a map of few rows and columns.

    Of many devices, only the devices with the most rejects have a row of their own. The books come
    in parts, and are summed by device and day first.
    """
    timeless = 0
    summed: list[pd.DataFrame] = []
    days = np.zeros(0, "datetime64[ms]")
    for part in books:
        timeless += int(part.loc[part["day"].isna(), "read"].sum())
        dated = part[part["day"].notna()]
        # A device's days are adjacent; the days of one part are few.
        by_device = dated.groupby(["product_key", "device_key"], dropna=False, sort=False)
        summed.append(by_device[["read", "accepted"]].sum().reset_index())
        days = np.union1d(days, _naive(dated))
    if not len(days):
        empty = np.zeros((0, 0), np.int64)
        return Arrivals("day", [], [], empty, empty, empty, 0, timeless)
    step, column, periods = _periods(pd.Series(days))
    every = pd.concat(summed, ignore_index=True)
    every["name"] = _device_names(every)
    row, devices, n_others = _rows(every["name"], every["read"] - every["accepted"])
    row_of = dict(
        zip(zip(every["product_key"], every["device_key"], strict=True), row, strict=True)
    )
    columns = ("read", *FATES)
    cells = np.zeros((len(columns), len(devices), len(periods)), np.int64)
    for part in books:
        dated = part[part["day"].notna()]
        at = _rows_of(dated, row_of), column[np.searchsorted(days, _naive(dated))]
        for n, name in enumerate(columns):
            np.add.at(cells[n], at, dated[name].to_numpy())
    most = cells[2:].argmax(axis=0) + 1
    return Arrivals(step, periods, devices, cells[0], cells[1], most, n_others, timeless)


def _rows_of(books: pd.DataFrame, row_of: dict[tuple[str, str], int]) -> NDArray[np.int64]:
    """Return the row of the map for each row of the books; a device's days are adjacent."""
    product, device = books["product_key"].to_numpy(object), books["device_key"].to_numpy(object)
    new = np.ones(len(books), bool)
    new[1:] = (product[1:] != product[:-1]) | (device[1:] != device[:-1])
    found = [row_of[one] for one in zip(product[new], device[new], strict=True)]
    rows: NDArray[np.int64] = np.array(found, np.int64)[np.cumsum(new) - 1]
    return rows


def _naive(books: pd.DataFrame) -> NDArray[np.datetime64]:
    """Return the days of the books, in UTC."""
    return np.asarray(books["day"].dt.tz_convert(None), "datetime64[ms]")


def _periods(naive: pd.Series) -> tuple[str, NDArray[np.int64], list[str]]:
    """Return the step, the column of each day, and the first day of each column."""
    for code, step in _STEPS:
        taken = naive.dt.to_period(code)
        first, last = taken.min(), taken.max()
        if last.ordinal - first.ordinal < MAX_PERIODS:
            shown = pd.period_range(first, last, freq=first.freq)
            columns = taken.map(lambda period, first=first: period.ordinal - first.ordinal)
            return step, columns.to_numpy(), [p.start_time.strftime("%Y-%m-%d") for p in shown]
    # Centuries come from a wrong clock only: the years with readings are enough to show that.
    known = sorted(naive.dt.year.unique())[-MAX_PERIODS:]
    column = np.searchsorted(known, naive.dt.year.clip(lower=known[0]))
    return "year with readings", column, [str(year) for year in known]


def _device_names(books: pd.DataFrame) -> pd.Series:
    """Return the device name of each row, with the product if there are several products."""
    device = books["device_key"].fillna("").map(lambda name: visible(name, MAX_NAME) or "no device")
    if books["product_key"].nunique(dropna=False) < 2:
        return device
    return books["product_key"].fillna("").map(lambda name: visible(name, MAX_NAME)) + "/" + device


def _rows(names: pd.Series, rejects: pd.Series) -> tuple[Any, list[str], int]:
    """Return the row of each name, the names of the rows, and the size of the last row."""
    missing = rejects.groupby(names.to_numpy()).sum().sort_index()
    if len(missing) <= MAX_DEVICES:
        order = list(missing.index)
        return pd.Index(order).get_indexer(names), order, 0
    kept = list(missing.sort_values(ascending=False, kind="stable").index[: MAX_DEVICES - 1])
    row = pd.Index(kept).get_indexer(names)
    n_others = len(missing) - len(kept)
    return np.where(row < 0, len(kept), row), [*kept, f"{n_others:,} others"], n_others


def timeline(results: pd.DataFrame, legs: Sequence[Leg] = ()) -> Timeline | None:
    """Return the traffic of a run in steps of time, or None if nothing was sent.

    The time between two legs of a run is left out, and so is a long time without requests. The
    longest of these pauses are gaps: a step begins behind each.
    """
    sent = results[results["sent_at"].notna()].sort_values("sent_at", kind="stable")
    if sent.empty:
        return None
    at, idle, ends = _without_pauses(sent, [leg.start for leg in legs[1:]])
    span = float(ends.max())
    width = _round_width(span / max(1, min(MAX_BUCKETS, len(sent) // REQUESTS_IN_A_BUCKET)))
    gaps = np.sort(np.argsort(-idle, kind="stable")[: min(MAX_GAPS, int((idle > 0).sum()))])
    place, n = _places(at, ends, gaps, width)
    step = place.astype(int)
    paused = np.flatnonzero(idle)
    groups = sent.assign(step=step).groupby("step")
    steps = pd.DataFrame(
        {
            "start": groups["sent_at"].min(),
            "requests": groups.size(),
            "median": groups["latency"].median(),
            "slowest": groups["latency"].max(),
            "bytes": groups["n_bytes"].sum() / width,
            "values": groups["n_values"].sum() / width,
        }
    ).reindex(range(n))
    counted = ["requests", "bytes", "values"]
    steps[counted] = steps[counted].fillna(0)
    codes = pd.crosstab(step, _codes(sent).to_numpy()).reindex(range(n), fill_value=0)
    begin = sent["sent_at"].iloc[0]
    end = begin + pd.Timedelta(milliseconds=round(1000 * (n * width + float(idle.sum()))))
    return Timeline(
        steps,
        codes[_ranked(codes)],
        width,
        [float(share) for share in place[paused] / n],
        float(idle.sum()),
        span,
        begin,
        end,
        {int(step[at]): float(idle[at]) for at in gaps},
    )


def _round_width(least: float) -> float:
    """Return the shortest round length of time from ``least`` on."""
    days = math.ceil(least / _SECONDS_A_DAY)
    return float(next((w for w in _ROUND if w >= least), days * _SECONDS_A_DAY))


def _places(
    at: NDArray[Any], ends: NDArray[Any], gaps: NDArray[np.int64], width: float
) -> tuple[NDArray[Any], int]:
    """Return the place of each request in steps, and the number of steps.

    Parameters
    ----------
    at, ends : ndarray, shape (n_requests,)
        Publish and reply of each request, without the pauses. [s]
    gaps : ndarray of int64
        The first request behind each gap.
    width : float
        Length of a step. [s]
    """
    first = np.concatenate([[0], gaps]).astype(int)
    part = np.searchsorted(gaps, np.arange(len(at)), "right")
    lengths = np.maximum.reduceat(ends, first) - at[first]
    n = np.maximum(1, np.ceil(np.round(lengths / width, 6)))
    base = np.concatenate([[0], np.cumsum(n)])
    within = np.minimum((at - at[first][part]) / width, np.nextafter(n[part], 0))
    return np.minimum(base[part] + within, np.nextafter(base[part + 1], 0)), int(base[-1])


def _without_pauses(
    sent: pd.DataFrame, continued: Sequence[int]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return publish, pause before it, and reply of each request, in seconds.

    Pauses are left out of the times of publish and reply.
    """
    since = (sent["sent_at"] - sent["sent_at"].iloc[0]).dt.total_seconds().to_numpy()
    lasted = sent["latency"].fillna(0.0).to_numpy()
    answered = np.maximum.accumulate(since + lasted)
    idle = np.concatenate([[0.0], since[1:] - answered[:-1]])
    at_ms = sent["sent_at"].dt.as_unit("ms").astype("int64").to_numpy()
    # The first request of each leg: the time before it belongs to no request.
    first = np.isin(np.arange(len(sent)), np.searchsorted(at_ms, np.array(continued, np.int64)))
    idle[(idle <= PAUSE) & ~first] = 0.0
    idle = np.maximum(idle, 0.0)
    at = since - np.cumsum(idle)
    return at, idle, at + lasted


def _codes(sent: pd.DataFrame) -> pd.Series:
    codes = sent["code"].astype("Int64").astype("object").map(str, na_action="ignore")
    codes = codes.where(sent["code"].notna(), NO_REPLY)
    frequent = codes.value_counts()
    kept = set(frequent.index[: MAX_CODES - 1 if len(frequent) > MAX_CODES else MAX_CODES])
    return codes.where(codes.isin(kept), OTHERS)


def _ranked(codes: pd.DataFrame) -> list[str]:
    """Return the codes in stacking order: accepted first, then the most frequent."""
    accepted = str(ACCEPTED)
    return sorted(codes.columns, key=lambda code: (code != accepted, -codes[code].sum(), code))


class Taken(NamedTuple):
    """The divided requests.

    Parameters
    ----------
    n_divided, n_parts : int
        Number of divided requests, and of requests sent beyond the first plan.
    table : DataFrame
        A row for each divided request of the plan, sorted by the number of parts, descending:
        ``request_id``, ``code``, ``values``, ``parts``, and the number of values of each fate.
    """

    n_divided: int
    n_parts: int
    table: pd.DataFrame


def taken_apart(results: pd.DataFrame) -> Taken:
    """Return the divided requests with the fates of their values."""
    parents = dict(
        results.loc[results["parent_id"].notna(), ["request_id", "parent_id"]].to_numpy().tolist()
    )
    divided = results["outcome"] == "divided"
    if not parents:
        return Taken(int(divided.sum()), 0, pd.DataFrame())
    root = results["request_id"].map(lambda name: _root(name, parents))
    parts = results[root != results["request_id"]].assign(root=root)
    leaves = parts[parts["outcome"] != "divided"]
    table = pd.DataFrame({"parts": parts.groupby("root").size()})
    never = {"withheld"} if (leaves["outcome"] == OPEN).any() else {"withheld", OPEN}
    for fate in (fate for fate in SHOWN_FATES if fate not in never):
        of_fate = leaves[leaves["outcome"] == fate].groupby("root")["n_values"].sum()
        table[fate] = of_fate.reindex(table.index, fill_value=0)
    first = results.set_index("request_id").loc[table.index, ["code", "n_values"]]
    table = first.rename(columns={"n_values": "values"}).join(table)
    table = table.sort_values("parts", ascending=False, kind="stable")
    return Taken(int(divided.sum()), len(parents), table.rename_axis("request_id").reset_index())


def _root(name: str, parents: dict[str, str]) -> str:
    while name in parents:
        name = parents[name]
    return name
