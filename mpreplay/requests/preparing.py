"""Preparation of a slab: values to withhold, with their faults, and chunks of all others to send.

Pure. The result depends on the history, the model, the mapping, the flags and the sizes of a
request, and on nothing else: the same input makes the same requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ..checks.faults import withheld
from ..checks.nearby import Looked
from ..checks.repeats import Duplicates
from ..checks.sizes import Room, key_bytes
from ..history.readings import read_slab
from ..values.column_json import texts_of
from .carrying import rest_from
from .chunk import Prepared, ProductSlab
from .cutting import cut, group_columns
from .encoding import encode_entries
from .entries import Copy, entries_of, split_entries
from .tallies import per_row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..checks.checker import Checker
    from ..checks.faults import Fault
    from ..checks.nearby import Judged
    from ..checks.repeats import Repeats
    from ..history.slab import RawSlab, Readings
    from ..model.device import Device
    from ..model.model_set import ModelSet
    from ..settings import Limits, Policy
    from .chunk import Rest
    from .encoding import Encoded
    from .entries import Entries

__all__ = ["Preparer"]

# Most slabs whose rests wait together, so that a source of very few values keeps few in memory.
MOST_CARRIED: Final = 64


@dataclass(frozen=True, slots=True)
class Preparer:
    """The maker of prepared slabs.

    Parameters
    ----------
    models, checker, policy, limits
        Rules for values, the check of these rules, and the form and sizes of requests.
    own : Device
        The connection's own device.
    duplicates : Duplicates, optional
        The repeated readings of the whole history.
    """

    models: ModelSet
    checker: Checker
    policy: Policy
    limits: Limits
    own: Device
    duplicates: Duplicates = field(default_factory=Duplicates)

    def prepare(
        self,
        raw: RawSlab,
        window: tuple[int | None, int | None],
        carried: tuple[Rest, ...] = (),
        looked: Looked | None = None,
    ) -> Prepared:
        """Return a slab ready to send.

        ``carried`` are the rests of the slabs before, ``looked`` is what is known of this one.
        Unless the slab is the last of its source, its last chunk may not be full: the entries of
        that chunk become the rest of the slab.
        """
        parts = self._parts(looked or self._look(raw, window))
        cuts = self._cuts([part for rest in carried for part in rest.parts] + parts)
        if not raw.is_last and len(carried) < MOST_CARRIED:
            cuts = cuts[: max(1, len(cuts) - 1)]
        n_before = sum(rest.n_entries for rest in carried)
        rest = rest_from(raw.number, parts, max(0, int(cuts[-1]) - n_before))
        n_rows = sum(len(part.readings.rows) for part in parts)
        n_values = sum(part.readings.n_values for part in parts)
        n_empty = _n_empty(parts)
        return Prepared(raw.number, n_rows, n_values, n_empty, parts, cuts, carried, rest)

    def rest_of(
        self, raw: RawSlab, window: tuple[int | None, int | None], n_entries: int
    ) -> Rest | None:
        """Return the rest of a slab, of which the number of entries is known."""
        parts = self._parts(self._look(raw, window))
        n = sum(len(part.entries.time) for part in parts)
        return rest_from(raw.number, parts, max(0, n - n_entries))

    def judged(self, raw: RawSlab, window: tuple[int | None, int | None]) -> list[Judged]:
        """Return the readings of each product in a slab, with the checks that they fail."""
        parts = read_slab(raw, self.models, self.own, window)
        return [(readings, self.checker.faults(readings)) for readings in parts]

    def _look(self, raw: RawSlab, window: tuple[int | None, int | None]) -> Looked:
        parts = self.judged(raw, window)
        repeats = [self.duplicates.repeats_of(raw.number, number) for number in range(len(parts))]
        return Looked(raw, parts, repeats)

    def _parts(self, looked: Looked) -> list[ProductSlab]:
        both = zip(looked.parts, looked.repeats, strict=True)
        return [self._part(*judged, repeats) for judged, repeats in both]

    def _cuts(self, parts: Sequence[ProductSlab]) -> NDArray[np.int64]:
        """Return the bounds of the chunks."""
        nothing = [np.zeros(0, np.int64)]
        return cut(
            np.concatenate([np.diff(part.encoded.offsets) for part in parts] or nothing),
            np.concatenate([part.encoded.n_values for part in parts] or nothing),
            room=self._room.of_entries,
            max_entries=self.limits.max_entries,
            max_values=self.limits.max_values,
        )

    @property
    def _room(self) -> Room:
        # Strictly below the limit; the comma behind the last entry is not sent.
        return Room.of(self.limits, self.policy, self.own)

    def _part(self, readings: Readings, faults: list[Fault], repeats: Repeats) -> ProductSlab:
        gone = withheld(readings, faults, self.policy.on_invalid != "send")
        for column, positions, _ in repeats.superseded:
            gone[column][positions] = True
        sent = [column.present().copy() for column in readings.columns]
        for mask, missing in zip(sent, gone, strict=True):
            if missing.any():
                np.logical_and(mask, ~missing, out=mask)
        for column, positions in repeats.copies:
            sent[column][positions] = False
        entries = entries_of(readings, sent)
        entries = replace(
            entries, suspects=_suspects(readings, faults), copies=_copies(entries, repeats)
        )
        encoded = encode_entries(entries, self.own)
        whole = self._split(entries, encoded)
        if whole is not entries:
            entries, encoded = whole, encode_entries(whole, self.own)
        return ProductSlab(readings, entries, encoded, faults, repeats, gone)

    def _split(self, entries: Entries, encoded: Encoded) -> Entries:
        """Split entries too large for a request, each into entries of some of its points."""
        most = self.limits.max_values
        large = np.diff(encoded.offsets) > self._room.of_entries
        if most is not None:
            large |= encoded.n_values > most
        if not large.any():
            return entries
        rooms = self._room.of_values(entries.readings.devices)
        sizes = [
            np.append(texts_of(column).lengths(), 0)[cells]
            + key_bytes(column.point.identifier) * (cells >= 0)
            for column, cells in zip(entries.readings.columns, entries.cells, strict=True)
        ]
        groups = {
            entry: group_columns(
                np.array([size[entry] for size in sizes], np.int64),
                room=int(rooms[entries.device[entry]]),
                max_values=most,
            )
            for entry in np.flatnonzero(large).tolist()
        }
        return split_entries(entries, groups)


def _suspects(readings: Readings, faults: Sequence[Fault]) -> list[NDArray[np.bool_]]:
    masks = [np.zeros(len(column.values), bool) for column in readings.columns]
    for fault in faults:
        if fault.column >= 0:
            masks[fault.column][fault.positions] = True
    return masks


def _copies(entries: Entries, repeats: Repeats) -> list[Copy]:
    """Return the equal copies of the entries' values."""
    homes = {column: _homes(entries, column) for column in {twin[0] for twin in repeats.twins}}
    copies = [
        Copy(homes[column][position], column, source, row)
        for column, position, source, row in repeats.twins
    ]
    return sorted(copy for copy in copies if copy.entry >= 0)


def _homes(entries: Entries, column: int) -> list[int]:
    """Return the entry of each value of a column, -1 if none."""
    cells = entries.cells[column]
    homes = np.full(len(entries.readings.columns[column].values), -1, np.int64)
    homes[cells[cells >= 0]] = np.flatnonzero(cells >= 0)
    return homes.tolist()


def _n_empty(parts: Sequence[ProductSlab]) -> int:
    """Return the number of rows without any value."""
    return sum(
        int((per_row(p.readings, (c.present() for c in p.readings.columns)) == 0).sum())
        for p in parts
    )
