"""Rejects by cause, gathered frame by frame: what a report and a notebook show of very many.

Pure. Memory grows with the causes, the devices and the points, never with the rejects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pandas as pd

from ..frames import REJECT_COLUMNS, typed

__all__ = ["Gathered", "gather"]

MAX_CAUSES: Final = 200  # kinds of causes told apart; a platform may answer each request otherwise
OTHER_REASONS: Final = "other reasons"
NAMES_SHOWN: Final = 3
_KEY: Final = ["outcome", "check", "point", "reason", "mend"]
# What befell a request befell all of its points; any other check is about one point.
_OF_REQUESTS: Final = frozenset({"platform", "no_reply", "not_sent", "superseded"})
# A superseded value names the row that supersedes it: together they are one cause.
_BY_ROW: Final = re.compile(r"^superseded by row \d+ of .*?, which", re.DOTALL)
# An equal copy shares the fate of its twin: together they are one cause, too.
_COPY: Final = "; a copy of another reading"
_COLUMNS: Final = [
    "values", "outcome", "check", "reason", "devices", "measurepoints", "first_time", "last_time",
    "mend", "code", "requests", "lowest", "highest",
]  # fmt: skip

_TYPES: Final = {
    "values": "int64", "requests": "int64", "code": "Int64", "lowest": "float64",
    "highest": "float64",
}  # fmt: skip


@dataclass(slots=True)
class _Cause:
    """What is known so far of the rejects with one cause."""

    n: int = 0
    requests: int = 0
    devices: set[str] = field(default_factory=set)
    points: set[str] = field(default_factory=set)
    times: list[Any] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    code: int | None = None
    examples: list[pd.DataFrame] = field(default_factory=list)


class Gathered(NamedTuple):
    """Rejects by cause.

    Parameters
    ----------
    causes : DataFrame
        As ``Run.causes``, with ``code``, ``requests`` (how many of them) and, where the values are
        numbers of one point, the ``lowest`` and ``highest`` of them.
    examples : list of DataFrame
        The first rejects of each cause.
    n_read : int
        How many rejects were looked at.
    """

    causes: pd.DataFrame
    examples: list[pd.DataFrame]
    n_read: int


def gather(
    frames: Iterable[pd.DataFrame], *, n_examples: int = 5, at_most: int | None = None
) -> Gathered:
    """Return rejects by cause, the most frequent first.

    Parameters
    ----------
    frames : iterable of DataFrame
        Rejects, as ``Run.iter_rejects`` yields them.
    n_examples : int, optional
        How many rows to keep of each cause.
    at_most : int, optional
        Stop after so many rejects.

    Examples
    --------
    >>> gather([]).causes.shape
    (0, 13)
    """
    found: dict[tuple[str, ...], _Cause] = {}
    n_read = 0
    for frame in frames:
        if len(frame):
            _add(found, frame, n_examples)
            n_read += len(frame)
        if at_most is not None and n_read >= at_most:
            break
    ranked = sorted(found.items(), key=lambda item: -item[1].n)
    rows = [_row(key, cause) for key, cause in ranked]
    causes = pd.DataFrame(rows, columns=_COLUMNS)
    for name in ("first_time", "last_time"):  # a column of absent times alone has no zone yet
        causes[name] = pd.to_datetime(causes[name], utc=True).astype("datetime64[ms, UTC]")
    causes = causes.astype(_TYPES)
    return Gathered(causes, [_examples(cause, n_examples) for _, cause in ranked], n_read)


def _add(found: dict[tuple[str, ...], _Cause], frame: pd.DataFrame, n_examples: int) -> None:
    told = {
        one: _BY_ROW.sub("superseded by a row that", str(one)).removesuffix(_COPY)
        for one in frame["reason"].dropna().unique()
    }
    reason = frame["reason"].map(told)
    # A value that was declined alone is to blame itself, as one that failed a check is.
    together = frame.groupby("request_id")["row"].transform("size").gt(1)
    of_request = frame["check"].isin(_OF_REQUESTS) & ~(frame["check"].eq("platform") & ~together)
    point = frame["measurepoint"].where(~of_request, "")
    keyed = frame.assign(reason=reason, point=point).fillna(dict.fromkeys(_KEY, ""))
    for key, group in keyed.groupby(_KEY, sort=False):
        outcome, check, _, _, mend = texts = tuple(map(str, key))
        if texts not in found and len(found) >= MAX_CAUSES:
            texts = (outcome, check, "", OTHER_REASONS, mend)
        _extend(found.setdefault(texts, _Cause()), group, frame, n_examples)


def _extend(cause: _Cause, group: pd.DataFrame, frame: pd.DataFrame, n_examples: int) -> None:
    cause.n += len(group)
    cause.requests += int(group["request_id"].nunique())  # the rejects of a request are one frame
    cause.devices |= set(group["device_key"].dropna().unique())
    cause.points |= set(group["measurepoint"].dropna().unique())
    cause.times = _ends(cause.times, group["time"])
    if group["point"].iloc[0]:
        cause.bounds = _ends(cause.bounds, pd.to_numeric(group["value"], errors="coerce"))
    codes = group["code"].dropna()
    if cause.code is None and len(codes):
        cause.code = int(codes.iloc[0])
    if (missing := n_examples - sum(map(len, cause.examples))) > 0:
        cause.examples.append(frame.loc[group.index[:missing]])  # the reasons as they were told


def _ends(known: list[Any], column: pd.Series) -> list[Any]:
    """Return the least and the largest of what was known and what a column holds."""
    values = [*known, column.min(), column.max()] if column.notna().any() else known
    return [min(values), max(values)] if values else []


def _row(key: tuple[str, ...], cause: _Cause) -> tuple[Any, ...]:
    outcome, check, _, reason, mend = key
    first, last = cause.times or (pd.NaT, pd.NaT)
    lowest, highest = cause.bounds or (None, None)
    devices, points = _names(cause.devices, "devices"), _names(cause.points, "points")
    return (
        cause.n, outcome, check, reason, devices, points, first, last, mend, cause.code,
        cause.requests, lowest, highest,
    )  # fmt: skip


def _names(names: set[str], what: str) -> str:
    """Return up to three names, or how many there are."""
    return ", ".join(sorted(names)) if len(names) <= NAMES_SHOWN else f"{len(names):,} {what}"


def _examples(cause: _Cause, n: int) -> pd.DataFrame:
    if not cause.examples:
        return typed([], REJECT_COLUMNS)
    return pd.concat(cause.examples, ignore_index=True).head(n)
