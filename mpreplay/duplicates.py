"""Readings of the same device, time and point: which is sent, which is a copy, which is superseded.

Pure over the slabs it is given. A first pass reads who and when only and keeps a range of times
for each device and slab; slabs that cannot hold a repeated time are not looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from .encoding import texts_of
from .readings import Device, RawSlab, Readings, read_keys, read_slab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from .history import History
    from .thing_model import ModelSet
    from .validation import Fault

__all__ = ["Duplicates", "Share", "find_duplicates", "withheld"]

Keep = Literal["first", "last"]
SUPERSEDED: Final = "superseded"


@dataclass(frozen=True, slots=True)
class Share:
    """What is repeated in one product's share of a slab.

    Parameters
    ----------
    superseded : list of (int, ndarray, list of str)
        Column, positions of values that another reading supersedes, and by which.
    copies : list of (int, ndarray)
        Column, positions of equal copies that are not sent.
    twins : list of (int, int, str, int)
        Column and position of a value that is sent, source and row of its equal copy.
    """

    superseded: list[tuple[int, NDArray[np.int64], list[str]]] = field(default_factory=list)
    copies: list[tuple[int, NDArray[np.int64]]] = field(default_factory=list)
    twins: list[tuple[int, int, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The repeated readings of a whole history.

    Attributes
    ----------
    shares : dict of (int, int) to Share
        By slab and by product within it.
    n_superseded, n_copies : int
        How many values are not sent, and why.
    n_disordered : int
        How many times a device's readings go back in time from one slab to a later one.
    last_time : int or None
        The latest time. [ms]
    devices : frozenset of Device
        All that report.
    example : str
        The first contradiction, in words.
    """

    shares: dict[tuple[int, int], Share] = field(default_factory=dict)
    n_superseded: int = 0
    n_copies: int = 0
    n_disordered: int = 0
    last_time: int | None = None
    devices: frozenset[Device] = frozenset()
    example: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a journal."""
        return {
            "shares": [[*key, *_plain(share)] for key, share in self.shares.items()],
            "devices": sorted(self.devices),
            "n": [self.n_superseded, self.n_copies, self.n_disordered],
            "last_time": self.last_time,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Duplicates:
        """Return what :meth:`as_dict` wrote."""
        shares = {
            (slab, part): Share(
                [(column, np.array(at, np.int64), why) for column, at, why in superseded],
                [(column, np.array(at, np.int64)) for column, at in copies],
                [(column, position, source, row) for column, position, source, row in twins],
            )
            for slab, part, superseded, copies, twins in plain["shares"]
        }
        devices = frozenset(Device(*device) for device in plain["devices"])
        superseded, copies, disordered = plain["n"]
        return cls(shares, superseded, copies, disordered, plain["last_time"], devices)

    def share(self, slab: int, part: int) -> Share:
        """Return what is repeated in one product's share of a slab."""
        return self.shares.get((slab, part)) or Share()


def _plain(share: Share) -> tuple[list[Any], list[Any], list[Any]]:
    superseded = [[int(column), at.tolist(), why] for column, at, why in share.superseded]
    copies = [[int(column), at.tolist()] for column, at in share.copies]
    twins = [[int(column), int(at), source, int(row)] for column, at, source, row in share.twins]
    return superseded, copies, twins


@dataclass(slots=True)
class _Keys:
    """A number for each device of a history, and in the long form for each of its points."""

    numbers: dict[Any, int] = field(default_factory=dict)
    devices: set[Device] = field(default_factory=set)

    def of(self, raw: RawSlab, keys: Readings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the readable positions of a slab and the number of each."""
        readable = keys.device >= 0
        readable[list(keys.unreadable)] = False
        positions = np.flatnonzero(readable)
        codes = keys.device[positions]
        names: list[Any] = list(keys.devices)
        self.devices |= set(keys.devices)
        if raw.layout.columns.is_long:
            points = pd.Series(pd.array(_points(raw)[keys.rows[positions] - raw.first_row]))
            point_codes, point_names = pd.factorize(points)
            width = len(point_names) + 1
            pairs, codes = np.unique(codes * width + point_codes + 1, return_inverse=True)
            labels = [None, *point_names]
            names = [(names[pair // width], labels[pair % width]) for pair in pairs.tolist()]
        ids = np.array(
            [self.numbers.setdefault(name, len(self.numbers)) for name in names], np.int64
        )
        return positions, ids[codes] if len(ids) else codes


def _points(raw: RawSlab) -> NDArray[Any]:
    column = raw.columns[str(raw.layout.columns.point)]
    return column if isinstance(column, np.ndarray) else np.asarray(column.to_pylist(), object)


def find_duplicates(
    history: History,
    models: ModelSet,
    own: Device,
    faults_of: Callable[[Readings], list[Fault]],
    *,
    keep: Keep,
    withhold: bool,
) -> Duplicates:
    """Find the readings that have the same device, time and point.

    Parameters
    ----------
    history : History
        Read up to three times, the later times only where something may be repeated.
    models : ModelSet
        Its thing models.
    own : Device
        The connection's own device.
    faults_of : callable
        Returns the faults of readings; values that will be withheld supersede nothing.
    keep : {"first", "last"}
        Which of two different values is sent.
    withhold : bool
        Whether violations of the model are withheld.

    Returns
    -------
    Duplicates
    """
    window = (history.start, history.end)
    ranges = _ranges(history, models, own)
    suspects = {slab for slab, repeats in ranges.repeats.items() if repeats} | ranges.overlapping()
    found = Duplicates(
        n_disordered=ranges.n_disordered(), last_time=ranges.last_time, devices=ranges.devices
    )
    if not suspects:
        return found
    repeated = _repeated_rows(history, models, own, suspects)
    tables: list[pd.DataFrame] = []
    for raw in history.slabs(models.all()):
        if raw.number in repeated:
            for part, readings in enumerate(read_slab(raw, models, own, window)):
                tables += _candidates(readings, part, repeated[raw.number], faults_of, withhold)
    shares, n_superseded, n_copies, example = _decide(tables, keep)
    return replace(
        found, shares=shares, n_superseded=n_superseded, n_copies=n_copies, example=example
    )


@dataclass(slots=True)
class _Ranges:
    """The first and last time of each key in each slab."""

    slab: list[NDArray[np.int64]] = field(default_factory=list)
    key: list[NDArray[np.int64]] = field(default_factory=list)
    first: list[NDArray[np.int64]] = field(default_factory=list)
    last: list[NDArray[np.int64]] = field(default_factory=list)
    repeats: dict[int, bool] = field(default_factory=dict)
    devices: frozenset[Device] = frozenset()

    @property
    def last_time(self) -> int | None:
        """The latest time of all."""
        return max((int(part.max()) for part in self.last if len(part)), default=None)

    def _sorted(self, by_first: bool) -> tuple[NDArray[np.int64], ...]:
        slab, key, first, last = (
            np.concatenate(parts) if parts else np.zeros(0, np.int64)
            for parts in (self.slab, self.key, self.first, self.last)
        )
        order = np.lexsort((slab, first, key) if by_first else (slab, key))
        return slab[order], key[order], first[order], last[order]

    def overlapping(self) -> set[int]:
        """Return the slabs that share a stretch of time of a key with another slab."""
        slab, key, first, last = self._sorted(by_first=True)
        found: set[int] = set()
        latest, holder = 0, -1
        for n in range(len(slab)):  # over slabs and devices, not over rows
            if n == 0 or key[n] != key[n - 1]:
                latest, holder = int(last[n]), int(slab[n])
                continue
            if first[n] <= latest:
                found |= {holder, int(slab[n])}
            if last[n] > latest:
                latest, holder = int(last[n]), int(slab[n])
        return found

    def n_disordered(self) -> int:
        """Return how often a key's times go back from a slab to a later one."""
        _, key, first, last = self._sorted(by_first=False)
        same = key[1:] == key[:-1]
        return int((same & (first[1:] < last[:-1])).sum())


def _ranges(history: History, models: ModelSet, own: Device) -> _Ranges:
    ranges, numbering = _Ranges(), _Keys()
    for raw, _rows, unsorted, times in _each(history, models, own, numbering):
        order = np.lexsort((times, unsorted))
        ids, time = unsorted[order], times[order]
        starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if len(ids) else ids
        ends = np.append(starts[1:], len(ids)) - 1 if len(ids) else ids
        ranges.slab.append(np.full(len(starts), raw.number, np.int64))
        ranges.key.append(ids[starts])
        ranges.first.append(time[starts])
        ranges.last.append(time[ends])
        ranges.repeats[raw.number] = bool(((ids[1:] == ids[:-1]) & (time[1:] == time[:-1])).any())
    ranges.devices = frozenset(numbering.devices)
    return ranges


def _each(
    history: History, models: ModelSet, own: Device, numbering: _Keys
) -> Iterator[tuple[RawSlab, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield each slab with the source rows, key numbers and times of its readable rows."""
    for raw in history.slabs(models.all(), keys_only=True):
        keys = read_keys(raw, models, own, (history.start, history.end))
        positions, ids = numbering.of(raw, keys)
        yield raw, keys.rows[positions], ids, keys.time[positions]


def _repeated_rows(
    history: History, models: ModelSet, own: Device, suspects: set[int]
) -> dict[int, NDArray[np.int64]]:
    """Return the rows of each slab whose device and time occur more than once."""
    parts = [
        (np.full(len(rows), raw.number, np.int64), rows, ids, time)
        for raw, rows, ids, time in _each(history, models, own, _Keys())
        if raw.number in suspects
    ]
    slab, rows, ids, time = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((time, ids))
    ids, time = ids[order], time[order]
    same = (ids[1:] == ids[:-1]) & (time[1:] == time[:-1])
    repeated = order[np.append(same, False) | np.append(False, same)]
    return {
        int(number): np.sort(rows[repeated][slab[repeated] == number])
        for number in np.unique(slab[repeated])
    }


def withheld(
    readings: Readings, faults: Iterable[Fault], all_violations: bool
) -> list[NDArray[np.bool_]]:
    """Return for each column which values are withheld: the unsendable ones, or all violations."""
    masks = [np.zeros(len(column.values), bool) for column in readings.columns]
    unreadable = np.array(sorted(readings.unreadable), np.int64)
    for fault in faults:
        if fault.column >= 0 and (all_violations or fault.is_unsendable):
            masks[fault.column][fault.positions] = True
    if len(unreadable):
        for number, column in enumerate(readings.columns):
            masks[number] |= np.isin(column.at, unreadable)
    return masks


def _candidates(
    readings: Readings,
    part: int,
    rows: NDArray[np.int64],
    faults_of: Callable[[Readings], list[Fault]],
    withhold: bool,
) -> Iterator[pd.DataFrame]:
    """Yield the sendable values in rows whose device and time are repeated."""
    gone = withheld(readings, faults_of(readings), withhold)
    chosen = np.isin(readings.rows, rows)
    for number, column in enumerate(readings.columns):
        positions = np.flatnonzero(column.present() & ~gone[number] & chosen[column.at])
        if not len(positions):
            continue
        at = column.at[positions]
        devices = [tuple(device) for device in readings.devices]
        yield pd.DataFrame(
            {
                "device": [devices[code] for code in readings.device[at].tolist()],
                "time": readings.time[at],
                "point": column.point.identifier,
                "text": texts_of(column).array().take(positions).to_pylist(),
                "slab": readings.slab,
                "part": part,
                "column": number,
                "position": positions,
                "source": readings.source,
                "row": readings.rows[at],
            }
        )


def _decide(
    tables: list[pd.DataFrame], keep: Keep
) -> tuple[dict[tuple[int, int], Share], int, int, str]:
    """Settle which of the repeated values is sent, which are copies, which superseded."""
    if not tables:
        return {}, 0, 0, ""
    key = ["device", "time", "point"]
    table = pd.concat(tables, ignore_index=True)
    table = table[table.duplicated(key, keep=False)]
    table = table.sort_values([*key, "slab", "row"], kind="stable", ignore_index=True)
    if table.empty:
        return {}, 0, 0, ""
    groups = table.groupby(key, sort=False)
    chosen = groups["text"].transform(keep)
    equal = table["text"] == chosen
    # Of the copies of the chosen value the first is sent.
    sent = equal & ~table[equal].duplicated(key).reindex(table.index, fill_value=True)
    winner = pd.Series(np.where(sent, table.index, -1)).groupby(groups.ngroup()).transform("max")
    shares: dict[Any, Share] = {}
    by_share = ["slab", "part", "column"]
    lost = table[~equal].assign(winner=winner[~equal])
    slab: Any
    part: Any
    column: Any
    for (slab, part, column), rows in lost.groupby(by_share):
        better = table.loc[rows["winner"]]
        reasons = [
            f"superseded by row {row} of {source}, which has the same device, time and point"
            for row, source in zip(better["row"], better["source"], strict=True)
        ]
        share = shares.setdefault((slab, part), Share())
        share.superseded.append((column, rows["position"].to_numpy(), reasons))
    copies = table[equal & ~sent].assign(winner=winner[equal & ~sent])
    for (slab, part, column), rows in copies.groupby(by_share):
        share = shares.setdefault((slab, part), Share())
        share.copies.append((column, rows["position"].to_numpy()))
    sent_at = table.loc[copies["winner"], [*by_share, "position"]].to_numpy().tolist()
    copied = zip(sent_at, copies["source"].tolist(), copies["row"].tolist(), strict=True)
    for (slab, part, column, position), source, row in copied:
        share = shares.setdefault((slab, part), Share())
        share.twins.append((column, position, source, row))
    return shares, len(lost), len(copies), _example(lost, table)


def _example(lost: pd.DataFrame, table: pd.DataFrame) -> str:
    if lost.empty:
        return ""
    one = lost.sort_values(["slab", "row"]).iloc[0]
    other = table.loc[one["winner"]]
    time = pd.Timestamp(one["time"], unit="ms", tz="UTC").isoformat()
    return (
        f"{one['point']} of {one['device'][1]} at {time} is {one['text']} in row {one['row']} of "
        f"{one['source']} and {other['text']} in row {other['row']} of {other['source']}"
    )
