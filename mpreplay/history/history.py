"""Histories: sources with the roles of their columns, read in slabs.

A shell: reads a slab at a time, and never holds a whole file. The meaning of the columns is decided
in ``columns.py`` and ``readings.py``; ``opening.py`` makes a history.
"""

from __future__ import annotations

import html
import logging
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..display.sentences import left_out_in_words
from ..errors import ConfigError, HistoryError
from ..errors.arguments import kind_of
from ..files.search_rules import LeftOut, grouped
from ..sources.source import Source
from .columns import Columns, Layout, resolve
from .slab import RawSlab

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.thing_model import ThingModel

__all__ = ["SLAB_ROWS", "History", "checked_history"]

log = logging.getLogger("mpreplay")
# Most rows of a slab. Slabs of 65,536 rows are no faster, and take 120 MB more.
SLAB_ROWS: Final = 16_384
# Most cells of a slab, so that a very wide history stays as small in memory.
SLAB_CELLS: Final = 4_000_000


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """Readings to send: lazy, read again on every use, never changed.

    Made by :func:`read_history`.
    """

    sources: tuple[Source, ...]
    columns: Columns
    start: int | None = None
    end: int | None = None
    left_out: tuple[LeftOut, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows, including rows outside ``start`` and ``end``."""
        return sum(source.n_rows for source in self.sources)

    def layouts(self, models: Iterable[ThingModel]) -> list[Layout]:
        """Return the layout of each source's columns."""
        models = list(models)
        names = [source.columns for source in self.sources]
        everywhere = {name for columns in names for name in columns}
        return [
            resolve(
                own,
                self.columns,
                models,
                source=source.name,
                partitions=source.partitions,
                elsewhere=everywhere,
            )
            for source, own in zip(self.sources, names, strict=True)
        ]

    def slabs(
        self,
        models: Iterable[ThingModel],
        *,
        keys_only: bool = False,
        without: Container[int] = (),
    ) -> Iterator[RawSlab]:
        """Yield the history in slabs of consecutive rows of one source.

        Parameters
        ----------
        models : iterable of ThingModel
            Models of the points that columns may hold.
        keys_only : bool, optional
            Read times and devices only.
        without : container of int, optional
            Numbers of slabs to leave out, unread.
        """
        number = 0
        for source, layout in zip(self.sources, self.layouts(models), strict=True):
            needed = layout.needed
            n_rows = min(SLAB_ROWS, max(1, SLAB_CELLS // max(1, len(needed))))
            weighty = [name for name in needed if name not in self._key_columns]
            spans = source.spans(n_rows, (self.start, self.end), self.columns.time, weighty)
            numbers = [number + n for n in range(len(spans)) if number + n not in without]
            wanted = [spans[n - number] for n in numbers]
            names = self._keys(layout) if keys_only else needed
            read = source.read(names, wanted) if wanted else iter(())
            for one, (first, stop) in zip(numbers, wanted, strict=True):
                is_last = one == number + len(spans) - 1
                raw = RawSlab(one, source.name, first, next(read, {}), layout, is_last)
                if raw.n_rows != stop - first:  # each row is counted, whoever reads it
                    raise HistoryError(
                        f"{source.name}: rows {first:,} to {stop - 1:,} were promised, and "
                        f"{raw.n_rows:,} could be read"
                    )
                yield raw
            deque(read, maxlen=0)  # to its end, where it looks whether its file has changed
            number += len(spans)

    def _keys(self, layout: Layout) -> list[str]:
        keys = self._key_columns
        return [name for name in layout.needed if name in keys] or layout.needed[:1]

    @property
    def _key_columns(self) -> tuple[str | None, ...]:
        columns = self.columns
        return columns.time, columns.device, columns.product, columns.point

    def __repr__(self) -> str:
        what = f"{self.n_rows:,} rows"
        if len(self.sources) != 1:
            what = f"{len(self.sources)} files, {what}"
        name = self.sources[0].name if self.sources else "nothing"
        form = "long" if self.columns.is_long else "wide"
        window = "".join(
            f", {word} {pd.Timestamp(ms, unit='ms', tz='UTC').isoformat()}"
            for word, ms in (("from", self.start), ("before", self.end))
            if ms is not None
        )
        rest = f"; left out: {left_out_in_words(grouped(self.left_out))}" if self.left_out else ""
        more = ", …" if len(self.sources) > 1 else ""
        return f"History({name}{more}: {what}, {form}{window}{rest})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


_HOW: Final = {
    "replay": "mp.replay(mp.read_history(...), model, connection)",
    "plan": "mp.plan(mp.read_history(...), model)",
    "validate": "mp.validate(mp.read_history(...), model)",
    "reconcile": "run.reconcile(query, history=mp.read_history(...), model=model)",
}


def checked_history(given: Any, caller: str) -> History:
    """Return a history, or raise ConfigError if it is something else.

    ``caller`` is the public function that was given it.
    """
    if isinstance(given, History):
        return given
    raise ConfigError(
        f"{caller} takes what read_history returned, not {kind_of(given)}: {_HOW[caller]}",
        argument="history",
        value=given,
    )
