"""Histories: sources with the roles of their columns, read in slabs.

A shell: reads a slab at a time, and never holds a whole file. The meaning of the columns is decided
in ``columns.py`` and ``readings.py``; ``opening.py`` makes a history.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from ..display.amounts import count
from ..display.sentences import left_out_in_words
from ..errors import ConfigError, HistoryError
from ..errors.arguments import kind_of
from ..files.search_rules import LeftOut, grouped
from ..model.pairing import Pairing
from ..sources.csv import CsvSource
from ..sources.ipc import IpcSource
from ..sources.parquet import ParquetSource
from ..sources.source import Source
from .census import Census, census_of, spans_of, with_keys
from .columns import Columns, Layout, check_some, resolve
from .devices import devices_in_words
from .folds import Folds, infer
from .plausible import Bounds, bounds_of
from .roles import listed, spelled
from .shown import form_in_words, in_notebook
from .slab import RawSlab
from .wanted import check_points, is_mapped, left_out, listed_points

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.thing_model import ThingModel

__all__ = ["SLAB_ROWS", "History", "checked_history", "files_of"]

log = logging.getLogger("mpreplay")
# Most rows of a slab. Slabs of 65,536 rows are no faster, and take 120 MB more.
SLAB_ROWS: Final = 16_384
# Cells of a slab, so that a wide history takes little more memory: of 200 points half of what eight
# times as many take, at the same cost a value.
SLAB_CELLS: Final = 500_000
# Fewer rows make each of very many columns cost more, up to the most cells of a slab.
WIDE_ROWS: Final = 2_048
MOST_CELLS: Final = 4_000_000
FILES: Final = (CsvSource, IpcSource, ParquetSource)


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
    bounds: Bounds = (None, None)  # of plausible times, for a run
    # Numbers of the sources that have rows of the devices asked for; None: not known.
    among: frozenset[int] | None = field(default=None, compare=False)
    _census: list[Census] = field(init=False, default_factory=list, compare=False)
    # What the order of rows tells of times that occur twice, by source; looked for once.
    _folds: list[dict[int, Folds]] = field(init=False, default_factory=list, compare=False)

    def begun(self, now: int) -> History:
        """Return the history for a run that begins ``now``, in milliseconds since the epoch."""
        return self.bounded(bounds_of(self.columns.plausible, now))

    def bounded(self, bounds: Bounds) -> History:
        """Return the history with a span of plausible times, in milliseconds."""
        history = replace(self, bounds=bounds)
        history._census.extend(self._census)
        history._folds.extend(self._folds)
        return history

    @property
    def n_rows(self) -> int:
        """Number of rows of all devices, including rows outside ``start`` and ``end``."""
        return sum(source.n_rows for source in self.sources)

    @property
    def n_rows_wanted(self) -> int:
        """Number of rows of the devices that are asked for; their column is read for it."""
        census = self.census()
        return self.n_rows if census is None else census.n_rows

    def census(self) -> Census | None:
        """Return the wanted rows, found at the first call; None if all devices are wanted.

        Raises
        ------
        HistoryError
            If a device that is asked for occurs nowhere.
        """
        chooses_points = self.columns.is_long and self.columns.only
        if self.columns.devices is None and not chooses_points:
            return None
        if not self._census:
            window = (self.start, self.end)
            among = None if chooses_points else self.among  # points are looked for everywhere
            self._census.append(census_of(self.sources, self.columns, window, among))
        return self._census[0]

    def draft_model(self, ranges: Literal["observed"] | None = None) -> ThingModel:
        """Draft a thing model from the readings, for a user without a model.

        Parameters
        ----------
        ranges : {"observed"}, optional
            Give each number the range of its values, as a proposal; None: no ranges.

        Returns
        -------
        ThingModel
            As of :meth:`ThingModel.from_frame`: it accepts these readings, and its ``left_out``
            names the columns without a point. Columns are called as in ``points=``. Texts of a
            CSV file that are all numbers are drafted as numbers.

        Raises
        ------
        ConfigError
            If a column holds values that no draft can accept.
        HistoryError
            If the history cannot be read.

        Notes
        -----
        The history is read once, a slab at a time.

        Examples
        --------
        >>> import pandas as pd
        >>> from mpreplay import read_history
        >>> frame = pd.DataFrame({"P": [7, 11]}, index=pd.date_range("2024", periods=2, tz="UTC"))
        >>> read_history(frame).draft_model(ranges="observed").measurepoints
        {'P': Measurepoint(P: INT [7, 11])}
        """
        from .drafted import draft_of

        return draft_of(self, ranges)

    def layouts(self, models: Iterable[ThingModel]) -> list[Layout]:
        """Return the layout of each source's columns."""
        models = list(models)
        names = [source.columns for source in self.sources]
        everywhere = {name for columns in names for name in columns}
        bounds = None if self.columns.plausible is None else self.bounds
        roles = replace(self.columns, plausible=bounds)
        layouts = [
            resolve(
                own,
                roles,
                models,
                source=source.name,
                partitions=source.partitions,
                elsewhere=everywhere,
                is_text=source.is_text,
            )
            for source, own in zip(self.sources, names, strict=True)
        ]
        if self.columns.only:
            check_some(layouts, self.columns, models)
        return layouts

    def columns_left_out(self, models: Iterable[ThingModel] = ()) -> list[str]:
        """Return the columns that ``only=True`` leaves out, in the order of the sources.

        In the long form, the points; their column is read for it.

        Without models, what depends on them is not known: the list is then empty.
        """
        if self.columns.only and is_mapped(self.columns):
            return list(dict.fromkeys(_mapped_out(self.sources, self.columns)))
        models = list(models)
        if self.columns.is_long and models:
            return sorted(self._points() - listed_points(models))
        layouts = self.layouts(models) if self.columns.only and models else []
        return list(dict.fromkeys(name for layout in layouts for name in layout.left_out))

    def _points(self) -> frozenset[str]:
        """Points of the long form, where ``only=True`` chooses among them."""
        census = self.census() if self.columns.only else None
        return frozenset() if census is None else census.points

    def slabs(
        self,
        models: Iterable[ThingModel],
        *,
        keys_only: bool = False,
        times_only: bool = False,
        without: Container[int] = (),
    ) -> Iterator[RawSlab]:
        """Yield the history in slabs of consecutive rows of one source.

        Parameters
        ----------
        models : iterable of ThingModel
            Models of the points that columns may hold.
        keys_only : bool, optional
            Read times and devices only.
        times_only : bool, optional
            Read times only.
        without : container of int, optional
            Numbers of slabs to leave out, unread.
        """
        roles = self._key_columns if keys_only else None
        read = self._read(models, (self.columns.time,) if times_only else roles, without)
        if self.columns.ambiguous != "infer" or self.columns.tz is None:
            yield from (raw for _, raw in read)
            return
        if not self._folds:
            keys = self._read(models, self._key_columns, ())
            self._folds.append(infer(keys, self.columns.tz))
        for place, raw in read:
            told = self._folds[0].get(place)
            yield raw if told is None else replace(raw, folds=told.of(raw.first_row, raw.n_rows))

    def _read(
        self,
        models: Iterable[ThingModel],
        roles: tuple[str | None, ...] | None,
        without: Container[int],
    ) -> Iterator[tuple[int, RawSlab]]:
        """Yield slabs, each with the number of its source; ``roles``: of these columns only."""
        number = 0
        census, pairing = self.census(), Pairing()
        models = list(models)
        if self.columns.is_long and self.columns.only:
            check_points(self._points(), models)
        layouts = self.layouts(models)
        for place, (source, layout) in enumerate(zip(self.sources, layouts, strict=True)):
            needed = layout.needed
            n_rows = _rows_of_slab(len(needed))
            weighty = [name for name in needed if name not in self._key_columns]
            columns = self.columns
            if columns.time_text in needed:  # a row of rejects without a time may have one there
                columns = replace(columns, time=None)
            is_wanted = census is None or census.blocks[place]
            window = (self.start, self.end)
            spans = spans_of(source, n_rows, window, columns, weighty) if is_wanted else []
            spans = spans if census is None else census.wanted(place, spans)
            numbers = [number + n for n in range(len(spans)) if number + n not in without]
            wanted = [spans[n - number] for n in numbers]
            names = needed if roles is None else _of_roles(needed, roles)
            read = with_keys(source, columns).read(names, wanted) if wanted else iter(())
            for one, (first, stop) in zip(numbers, wanted, strict=True):
                is_last = one == number + len(spans) - 1
                rows = next(read, {})
                raw = RawSlab(one, source.name, first, rows, layout, is_last, pairing=pairing)
                if raw.n_rows != stop - first:  # each row is counted, by any reader
                    raise HistoryError(
                        f"{source.name}: rows {first:,} to {stop - 1:,} were promised, and "
                        f"{raw.n_rows:,} could be read"
                    )
                yield place, raw
            deque(read, maxlen=0)  # to its end, where it looks whether its file has changed
            number += len(spans)

    @property
    def _key_columns(self) -> tuple[str | None, ...]:
        columns = self.columns
        return columns.time, columns.device, columns.product, columns.point, columns.time_text

    def __repr__(self) -> str:
        # To be shown is no reason to read a stream.
        is_waiting = any(getattr(source, "is_waiting", False) for source in self.sources)
        what = "a stream, not read yet" if is_waiting else count(self.n_rows, "row")
        if len(self.sources) != 1:
            is_files = all(isinstance(source, FILES) for source in self.sources)
            what = f"{len(self.sources)} {'files' if is_files else 'sources'}, {what}"
        name = self.sources[0].name if self.sources else "nothing"
        form = form_in_words(self.columns)
        window = "".join(
            f", {word} {pd.Timestamp(ms, unit='ms', tz='UTC').isoformat()}"
            for word, ms in (("from", self.start), ("before", self.end))
            if ms is not None
        )
        devices = self.columns.devices
        chosen = f"; only of {devices_in_words(devices)}" if devices else ""
        rest = f"; left out: {left_out_in_words(grouped(self.left_out))}" if self.left_out else ""
        more = ", …" if len(self.sources) > 1 else ""
        return f"History({name}{more}: {what}, {form}{window}{chosen}{self._only_in_words}{rest})"

    @property
    def _only_in_words(self) -> str:
        """Columns that ``only=True`` leaves out; empty where it does not."""
        columns = self.columns
        if not columns.only:
            return ""
        if columns.is_long or not is_mapped(columns):
            what = "points" if columns.is_long else "columns"
            return f"; only the {what} of the thing model"
        names = self.columns_left_out()
        return f"; {count(len(names), 'column')} left out: {listed(names)}" if names else ""

    def _repr_html_(self) -> str:
        return in_notebook(self.sources, self.columns, (self.start, self.end), self.left_out)


def _of_roles(needed: list[str], roles: tuple[str | None, ...]) -> list[str]:
    return [name for name in needed if name in roles] or needed[:1]


def _rows_of_slab(n_columns: int) -> int:
    """Return how many rows a slab has.

    >>> [_rows_of_slab(n) for n in (9, 30, 200, 1_000, 4_000, 5_000_000)]
    [16384, 16384, 2500, 2048, 1000, 1]
    """
    n = max(1, n_columns)
    return max(1, min(SLAB_ROWS, max(WIDE_ROWS, SLAB_CELLS // n), MOST_CELLS // n))


def _mapped_out(sources: Iterable[Source], columns: Columns) -> Iterator[str]:
    for source in sources:
        gone = left_out(source.columns, columns)
        yield from (spelled(name) for name in gone if name not in source.partitions)


_HOW: Final = {
    "replay_fleet": "mp.replay_fleet(mp.read_history(...), model, topology, journal=...)",
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


def files_of(history: History | None) -> list[Path]:
    """Return the files that a history is read from."""
    if history is None:
        return []
    return [path for path in (Path(source.name) for source in history.sources) if path.is_file()]
