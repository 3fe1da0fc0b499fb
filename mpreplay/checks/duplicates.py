"""The search for readings of the same device, time and point.

Reads the history; otherwise pure. A first pass reads devices and times only and keeps a range of
times for each device and slab; slabs that cannot hold a repeated time are not read again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..history.keys import read_keys
from ..history.ordering import order_of
from ..history.readings import read_slab
from ..model.device import Device
from .repeated_keys import Keys, Ranges, joined, repeated, same
from .repeats import Duplicates, candidates_of, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from ..history.history import History
    from ..history.slab import RawSlab, Readings
    from ..model.model_set import ModelSet
    from .checker import Checker
    from .faults import Fault
    from .repeats import Candidates, Keep

__all__ = ["Search", "find_duplicates"]


def find_duplicates(
    history: History,
    models: ModelSet,
    own: Device,
    checker: Checker,
    *,
    keep: Keep,
    withhold: bool,
    heed: Callable[[], object] = bool,
) -> Duplicates:
    """Find the readings of the same device, time and point.

    Parameters
    ----------
    history : History
        Read up to three times, the later times only where a repeated time is possible.
    models : ModelSet
        Thing models of the history.
    own : Device
        The connection's own device.
    checker : Checker
        Judge of the readings; values that will be withheld supersede nothing.
    keep : {"first", "last"}
        Preference between two different values: the first or the last is sent.
    withhold : bool
        True if violations of the model are withheld.
    heed : callable, optional
        Called at each slab; raises to end the search.

    Returns
    -------
    Duplicates
    """
    window = (history.start, history.end)
    search = Search(keep, withhold, heed=heed)
    for raw in history.slabs(models.all(), keys_only=True):
        search.see(raw, [read_keys(raw, models, own, window)])
    return search.found(history, models, own, checker)


class Search:
    """Search for repeated readings while the slabs of a history go by, one after the other.

    A caller that reads the history for another purpose can search in the same pass: repeats within
    a slab are held while its values are at hand. A slab is read again only if its times overlap
    with another slab's or if its values were not held.

    Parameters
    ----------
    keep : {"first", "last"}
        Preference between two different values: the first or the last is sent.
    withhold : bool
        True if violations of the model are withheld.
    n_conflicts : int, optional
        Conflicts to keep, the first ones.
    heed : callable, optional
        Called at each slab; raises to end the search.
    """

    def __init__(
        self,
        keep: Keep,
        withhold: bool,
        n_conflicts: int = 1,
        *,
        heed: Callable[[], object] = bool,
    ) -> None:
        self._keep, self._heed = keep, heed
        self._n_conflicts = n_conflicts
        self._withhold = withhold
        self._keys = Keys(withhold)
        self._ranges = Ranges()
        self._n_rows = 0
        self._rows: dict[int, NDArray[np.int64]] = {}  # repeated rows, by slab
        self._again: dict[int, NDArray[np.int64]] = {}  # key of each row but the first, by slab
        self._held: dict[int, list[Candidates]] = {}

    def see(self, raw: RawSlab, parts: Sequence[Readings]) -> None:
        """Note devices and times of a slab; ``parts`` are its readings, or its keys alone."""
        self._heed()
        self._n_rows += sum(len(part.rows) for part in parts)
        rows, ids, time = joined(self._keys.of(raw, part) for part in parts)
        order = order_of(ids, time)
        ids, time = ids[order], time[order]
        self._ranges.add(raw.number, ids, time)
        again = repeated(ids, time)
        if again.any():
            self._rows[raw.number] = np.sort(rows[order[again]])
            self._again[raw.number] = ids[1:][same(ids, time)]

    def hold(self, readings: Readings, part: int, faults: Iterable[Fault]) -> None:
        """Hold the repeated values of one product in the slab last seen."""
        if readings.slab in self._rows:
            held = self._held.setdefault(readings.slab, [])
            held += candidates_of(readings, part, self._rows[readings.slab], faults, self._withhold)

    def found(
        self,
        history: History,
        models: ModelSet,
        own: Device,
        checker: Checker,
    ) -> Duplicates:
        """Return the duplicates, once all slabs were seen; parameters as ``find_duplicates``."""
        ranges, window = self._ranges, (history.start, history.end)
        found = Duplicates(
            n_disordered=ranges.n_disordered(),
            last_time=ranges.last_time,
            devices=frozenset(self._keys.devices),
            n_rows=self._n_rows,
        )
        overlapping = ranges.overlapping()
        rows = dict(self._rows)
        if overlapping:
            rows |= self._rows_across(history, models, own, overlapping)
        held = {slab: some for slab, some in self._held.items() if slab not in overlapping}
        candidates = [one for some in held.values() for one in some]
        if wanted := rows.keys() - held.keys():
            for raw in history.slabs(models.all(), without=ranges.slabs - wanted):
                self._heed()
                for part, readings in enumerate(read_slab(raw, models, own, window)):
                    candidates += candidates_of(
                        readings, part, rows[raw.number], checker.faults(readings), self._withhold
                    )
        repeats, n_superseded, n_copies, conflicts = decide(
            candidates, self._keep, self._n_conflicts
        )
        return replace(
            found,
            repeats=repeats,
            n_superseded=n_superseded,
            n_copies=n_copies,
            conflicts=conflicts,
        )

    def collisions(self) -> dict[Device, int]:
        """Return the rows of devices whose time (and point) an earlier row has, once all is found.

        Times are compared as they will travel, after the cut to milliseconds.
        """
        found: dict[Device, int] = {}
        again = np.concatenate([np.zeros(0, np.int64), *self._again.values()])
        names = list(self._keys.numbers)
        for number, n in enumerate(np.bincount(again).tolist()):
            if n:
                name = names[number]
                device = name if isinstance(name, Device) else name[0]
                found[device] = found.get(device, 0) + n
        return found

    def _rows_across(
        self, history: History, models: ModelSet, own: Device, slabs: set[int]
    ) -> dict[int, NDArray[np.int64]]:
        """Return the rows of slabs, by slab, whose device and time occur more than once."""
        window = (history.start, history.end)
        numbers, parts = [], []
        for raw in history.slabs(models.all(), keys_only=True, without=self._ranges.slabs - slabs):
            self._heed()
            parts.append(self._keys.of(raw, read_keys(raw, models, own, window)))
            numbers.append(np.full(len(parts[-1][0]), raw.number, np.int64))
        slab = np.concatenate(numbers)
        rows, ids, time = joined(parts)
        order = order_of(ids, time)
        ids, time = ids[order], time[order]
        self._again = {n: again for n, again in self._again.items() if n not in slabs}
        self._again[-1] = ids[1:][same(ids, time)]
        chosen = order[repeated(ids, time)]
        return {
            int(number): np.sort(rows[chosen][slab[chosen] == number])
            for number in np.unique(slab[chosen])
        }
