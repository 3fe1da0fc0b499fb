"""Where readings come from: DataFrames, Arrow tables, Parquet files, folders and globs.

A shell: it reads, a slab at a time, and never holds a whole file. What the columns mean is decided
in ``layout.py`` and ``readings.py``.
"""

from __future__ import annotations

import glob
import html
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa

from ..errors import HistoryError
from ..values.epoch import EPOCH, MILLISECOND
from ..values.times import NANOSECONDS
from .columns import Columns, Layout, resolve
from .parquet import ParquetSource
from .rejects_file import REJECTS, is_rejects, read_rejects
from .slab import RawSlab
from .sources import FrameSource, Source, TableSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.thing_model import ThingModel

__all__ = ["SLAB_ROWS", "History", "read_history"]

# pandera checks 10 M values/s at 12,500 rows a call and 19 M at 50,000; more rows gain nothing.
SLAB_ROWS: Final = 65_536
# What a slab may hold at most, so that a very wide history stays as small in memory.
SLAB_CELLS: Final = 4_000_000
HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """Readings to be sent: lazy, read again on every use, never changed.

    Made by :func:`read_history`.
    """

    sources: tuple[Source, ...]
    columns: Columns
    start: int | None = None
    end: int | None = None

    @property
    def n_rows(self) -> int:
        """How many rows there are, those outside ``start`` and ``end`` among them."""
        return sum(source.n_rows for source in self.sources)

    def layouts(self, models: Iterable[ThingModel]) -> list[Layout]:
        """Return what each source's columns are."""
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
            What its columns may be.
        keys_only : bool, optional
            Read times and devices only.
        without : container of int, optional
            Numbers of slabs that are not wanted; they are not read either.
        """
        number = 0
        for source, layout in zip(self.sources, self.layouts(models), strict=True):
            needed = layout.needed
            n_rows = min(SLAB_ROWS, max(1, SLAB_CELLS // max(1, len(needed))))
            spans = source.spans(n_rows, (self.start, self.end), self.columns.time)
            numbers = [number + n for n in range(len(spans)) if number + n not in without]
            wanted = [spans[n - number] for n in numbers]
            names = self._keys(layout) if keys_only else needed
            slabs = zip(numbers, wanted, source.read(names, wanted), strict=True)
            for one, (first, _), columns in slabs if wanted else ():
                yield RawSlab(one, source.name, first, columns, layout)
            number += len(spans)

    def _keys(self, layout: Layout) -> list[str]:
        columns = self.columns
        keys = (columns.time, columns.device, columns.product, columns.point)
        return [name for name in layout.needed if name in keys] or layout.needed[:1]

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
        return f"History({name}{', …' if len(self.sources) > 1 else ''}: {what}, {form}{window})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


def read_history(
    source: Any,
    *,
    time_column: str | None = None,
    tz: str | None = None,
    time_unit: str | None = None,
    device_column: str | None = None,
    device_key: str | None = None,
    product_column: str | None = None,
    product_key: str | None = None,
    points: Mapping[str, str] | None = None,
    quality: Mapping[str, str] | None = None,
    ignore: Iterable[str] = (),
    point_column: str | None = None,
    value_column: str | None = None,
    quality_column: str | None = None,
    start: Any = None,
    end: Any = None,
) -> History:
    """Read past readings, lazily; nothing is copied or changed.

    Parameters
    ----------
    source : DataFrame, Arrow Table, path or glob
        A Parquet file, a folder of such (with hive partitions, if any) or a pattern. Also what
        was written from ``run.rejects``, to Parquet or CSV, mended or not: it is known by its
        columns, and no argument names any.
    time_column : str, optional
        Datetimes with a zone, ISO 8601 texts with an offset, naive times with ``tz``, or numbers
        with ``time_unit``. None: the index of a DataFrame.
    tz : str, optional
        The zone of naive times, such as ``"Europe/Paris"``.
    time_unit : {"s", "ms", "us", "ns"}, optional
        The unit of numeric times, counted from 1970-01-01 UTC.
    device_column, device_key : str, optional
        A column of device keys, or one fixed key. Neither: the connection's own device.
    product_column, product_key : str, optional
        Likewise for product keys; needed wherever a device is named.
    points : dict of str to str, optional
        Column to identifier, where the two differ.
    quality : dict of str to str, optional
        Column to the column of its quality.
    ignore : iterable of str, optional
        Columns that are no readings.
    point_column, value_column, quality_column : str, optional
        The long form, one row a value.
    start, end : str or datetime, optional
        Read times in [start, end), UTC unless they have a zone. Parquet row groups outside are
        not read.

    Returns
    -------
    History

    Raises
    ------
    HistoryError
        If the source cannot be read, or the arguments contradict each other.

    Notes
    -----
    A struct point comes as an Arrow struct, as dicts, or as dotted columns (``Power.value``); an
    array as lists. Files of a folder are read in the order of their names. Folders named
    ``key=value`` are columns too, left out unless they are named here or in the model.

    Of rejects the columns ``product_key``, ``device_key``, ``time``, ``measurepoint`` and ``value``
    are read, each value by the type of its point; the others are ignored, save that what was
    superseded is withheld again. A row that is deleted is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"ts": ["2024-01-01T00:00:00Z"], "turbine": ["T1"], "P": [1.5]})
    >>> read_history(frame, time_column="ts", device_column="turbine", product_key="wind")
    History(DataFrame: 1 rows, wide)
    """
    columns = Columns(
        time_column, tz, time_unit, device_column, device_key, product_column, product_key,
        points, quality, (ignore,) if isinstance(ignore, str) else tuple(ignore),
        point_column, value_column, quality_column,
    )  # fmt: skip
    _check(columns)
    window = _instant(start, "start"), _instant(end, "end")
    if None not in window and window[0] >= window[1]:  # type: ignore[operator]
        raise HistoryError(f"start {start!r} must be before end {end!r}")
    if rejects := _rejects(source) if columns == Columns() else ():
        return History(tuple(rejects), REJECTS, *window)
    return History(tuple(_sources(source, columns)), columns, *window)


def _rejects(source: Any) -> Sequence[Source]:
    """Return the sources if they were written from rejects, by their columns; else none."""
    if isinstance(source, pd.DataFrame):
        return [FrameSource(source, False)] if is_rejects(source.columns) else ()
    if isinstance(source, pa.Table | pa.RecordBatch):
        return [TableSource(_table(source))] if is_rejects(source.schema.names) else ()
    if not isinstance(source, str | os.PathLike):
        return ()
    found: list[Source] = []
    for path, _ in _paths(source):
        if path.suffix.lower() == ".csv":
            found.append(read_rejects(path))
        elif is_rejects((one := ParquetSource.open(path, {})).columns):
            found.append(one)
        else:
            return ()
    return found


def _table(source: pa.Table | pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([source]) if isinstance(source, pa.RecordBatch) else source


def _check(columns: Columns) -> None:
    if columns.time_unit not in {None, *NANOSECONDS}:
        raise HistoryError(
            f"time_unit must be one of {', '.join(NANOSECONDS)}, got {columns.time_unit!r}"
        )
    if columns.device and columns.device_key:
        raise HistoryError("give device_column or device_key, not both")
    if columns.product and columns.product_key:
        raise HistoryError("give product_column or product_key, not both")
    names_device = bool(columns.device or columns.device_key)
    names_product = bool(columns.product or columns.product_key)
    if names_device != names_product:
        missing = (
            "product_key= or product_column=" if names_device else "device_key= or device_column="
        )
        raise HistoryError(
            f"a device is named by its product key and its device key: give {missing} as well, or "
            "neither, for the connection's own device"
        )
    if (columns.point is None) != (columns.value is None):
        raise HistoryError("the long form needs both point_column and value_column")
    if columns.value_quality and not columns.is_long:
        raise HistoryError("quality_column belongs to the long form; in the wide form use quality=")
    if columns.is_long and (columns.points or columns.quality):
        raise HistoryError("points= and quality= belong to the wide form")


def _instant(value: Any, name: str) -> int | None:
    """Return a bound in milliseconds."""
    if value is None:
        return None
    try:
        instant = None if isinstance(value, Number) else pd.Timestamp(value)
    except (TypeError, ValueError) as error:
        raise HistoryError(f"{name}={value!r} is not a time ({error})") from error
    if instant is None or pd.isna(instant):
        raise HistoryError(f"{name}={value!r} is not a time; give a datetime or an ISO 8601 text")
    if instant.tzinfo is None:
        instant = instant.tz_localize("UTC")
    # Microseconds hold every year that is written with four digits; nanoseconds do not.
    return -((EPOCH - instant.as_unit("us")) // MILLISECOND)


def _sources(source: Any, columns: Columns) -> Iterator[Source]:
    if isinstance(source, pd.DataFrame):
        if isinstance(source.columns, pd.MultiIndex) or (
            columns.time is None and isinstance(source.index, pd.MultiIndex)
        ):
            raise HistoryError(
                "DataFrame: several levels of columns or index; flatten them first, for example "
                "with frame.reset_index() and frame.columns.map('.'.join)"
            )
        yield FrameSource(source, columns.time is None)
        return
    if isinstance(source, pa.Table | pa.RecordBatch):
        _need_time_column(columns)
        yield TableSource(_table(source))
        return
    if not isinstance(source, str | os.PathLike):
        raise HistoryError(
            f"a history is a DataFrame, an Arrow table, or a Parquet file, folder or glob, not "
            f"{type(source).__name__}"
        )
    paths = _paths(source)
    _need_time_column(columns)
    for path, root in paths:
        yield ParquetSource.open(path, _hive(path, root))


def _need_time_column(columns: Columns) -> None:
    if columns.time is None:
        raise HistoryError(
            "only a DataFrame has an index, and these are not rejects: name the time with "
            "time_column="
        )


def _paths(source: str | os.PathLike[str]) -> list[tuple[Path, Path]]:
    """Return the files meant, each with the folder its partitions begin below."""
    text = os.fspath(source)
    path = Path(text)
    if path.is_file():
        return [(path, path.parent)]
    if path.is_dir():
        found = sorted(p for p in path.rglob("*.parquet") if not _is_hidden(p, path))
        if not found:
            raise HistoryError(f"{text}: the folder holds no .parquet file")
        return [(p, path) for p in found]
    if glob.has_magic(text):
        found = sorted(Path(p) for p in glob.glob(text, recursive=True) if Path(p).is_file())  # noqa: PTH207
        if not found:
            raise HistoryError(f"{text}: no file matches this pattern")
        fixed = text[: min(n for n, c in enumerate(text) if c in "*?[")]
        return [(p, Path(fixed).parent if not fixed.endswith("/") else Path(fixed)) for p in found]
    raise HistoryError(f"{text}: there is no such file, folder or pattern")


def _is_hidden(path: Path, root: Path) -> bool:
    """Return whether a writer's leftovers: names that begin with a dot or an underscore."""
    return any(part[0] in "._" for part in path.relative_to(root).parts)


def _hive(path: Path, root: Path) -> dict[str, str | None]:
    parts = path.parent.parts[len(root.parts) :] if path.is_relative_to(root) else path.parent.parts
    pairs = (part.partition("=") for part in parts)
    return {key: None if value == HIVE_NULL else unquote(value) for key, sep, value in pairs if sep}
