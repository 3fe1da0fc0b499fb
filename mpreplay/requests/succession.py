"""Slabs prepared one after the other, each with the rests of the slabs before it.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..checks.nearby import Looked
    from ..history.slab import RawSlab
    from .chunk import Prepared, Rest
    from .preparing import Preparer

__all__ = ["Kept", "Succession"]


class Kept(NamedTuple):
    """The facts of a slab's rest that a journal keeps: with them, the rest can be made again.

    Parameters
    ----------
    n_entries : int
        Number of the slab's own entries that waited for the next slab.
    since : int or None
        First slab with entries that waited for the next slab; None if there were none.
    """

    n_entries: int
    since: int | None

    @classmethod
    def of(cls, prepared: Prepared) -> Kept:
        """Return the facts of a prepared slab."""
        n_entries = 0 if prepared.rest is None else prepared.rest.n_entries
        return cls(n_entries, prepared.carry[0].slab if prepared.carry else None)


class Succession:
    """Preparation of the slabs of a history in their order.

    Parameters
    ----------
    preparer : Preparer
        Maker of a single slab.
    window : (int or None, int or None)
        Times [start, end) of the history. [ms]
    kept : mapping of int to Kept, optional
        Slabs of an earlier run, with the facts of their rests.
    chosen : collection of int, optional
        Slabs of the earlier run to prepare again.

    Attributes
    ----------
    needed : frozenset of int
        Slabs of the earlier run to read again: the chosen slabs, and the slabs whose rests went
        into these or into the first slab that is new.
    """

    def __init__(
        self,
        preparer: Preparer,
        window: tuple[int | None, int | None],
        kept: Mapping[int, Kept] | None = None,
        chosen: Collection[int] = (),
    ) -> None:
        self._preparer, self._window = preparer, window
        self._kept, self._chosen = kept or {}, frozenset(chosen)
        self._rests: tuple[Rest, ...] = ()
        first_new = max(self._kept, default=-1) + 1
        self.needed = self._chosen.union(
            *(self._slabs_into(slab) for slab in (*self._chosen, first_new))
        )

    def prepared(self, slabs: Iterable[RawSlab]) -> Iterator[Prepared]:
        """Yield the slabs ready to send."""
        for raw in slabs:
            if one := self.prepare(raw):
                yield one

    def prepare(self, raw: RawSlab, looked: Looked | None = None) -> Prepared | None:
        """Return a slab ready to send; None if it was read for its rest alone.

        ``looked`` is what is known of it already.
        """
        number = raw.number
        if number in self._kept and number not in self._chosen:
            rest = self._preparer.rest_of(raw, self._window, self._kept[number].n_entries)
            self._rests += () if rest is None else (rest,)
            return None
        before = self._kept.get(number - 1)
        if before is not None:  # rests of slabs further back may be left over
            since = number if before.since is None else before.since
            self._rests = tuple(rest for rest in self._rests if rest.slab >= since)
        one = self._preparer.prepare(raw, self._window, self._rests, looked)
        self._rests = one.carry
        return one

    def _slabs_into(self, slab: int) -> Iterator[int]:
        """Yield the earlier slabs whose rests wait for a slab."""
        before = self._kept.get(slab - 1)
        if before is not None and before.since is not None:
            for number in range(before.since, slab):
                if self._kept[number].n_entries:
                    yield number
