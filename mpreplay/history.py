"""Where readings come from: DataFrames, Arrow tables, Parquet files, folders and globs.

A shell: it reads, a slab at a time, and never holds a whole file. What the columns mean is decided
in ``layout.py`` and ``readings.py``.
"""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
import html
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import HistoryError
from .layout import Columns, Layout, resolve
from .readings import RawSlab
from .times import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .thing_model import ThingModel

__all__ = ["SLAB_ROWS", "History", "read_history"]

# pandera checks 10 M values/s at 12,500 rows a call and 19 M at 50,000; more rows gain nothing.
SLAB_ROWS: Final = 65_536
# What a slab may hold at most, so that a very wide history stays as small in memory.
SLAB_CELLS: Final = 4_000_000
INDEX: Final = "(index)"  # how the index of a DataFrame is called
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)
HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


class Source(Protocol):
    """One thing that holds rows: a frame, a table or a file."""

    @property
    def name(self) -> str:
        """How messages and frames call it."""
        ...

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        ...

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        ...

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """Columns that its path spells out."""
        ...

    @property
    def fingerprint(self) -> str:
        """What tells it from another source, and from itself after a change."""
        ...

    def batches(
        self,
        needed: list[str],
        n_rows: int,
        window: tuple[int | None, int | None],
        time: str | None,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the first row and the columns of each slab."""
        ...


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A pandas DataFrame; its memory is shared, never written to."""

    frame: pd.DataFrame
    time_from_index: bool
    name: str = "DataFrame"

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self.frame.columns)

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """None: a frame has no path."""
        return {}

    @property
    def fingerprint(self) -> str:
        """A hash over the cells."""
        frame = _hashable(self.frame)
        hashes = pd.util.hash_pandas_object(frame, index=self.time_from_index)
        kinds = repr([(name, str(kind)) for name, kind in frame.dtypes.items()])
        digest = hashlib.sha256(kinds.encode("utf-8", "backslashreplace"))
        digest.update(hashes.to_numpy(np.uint64).tobytes())  # in order: rows have places
        return f"frame:{len(frame)}:{digest.hexdigest()}"

    def batches(
        self,
        needed: list[str],
        n_rows: int,
        window: tuple[int | None, int | None],
        time: str | None,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the first row and the columns of each slab."""
        del window, time  # rows are left out after their times are read
        for first in range(0, len(self.frame), n_rows):
            part = self.frame.iloc[first : first + n_rows]
            columns = {name: _raw(part[name]) for name in needed}
            if self.time_from_index:
                columns[INDEX] = _raw(part.index.to_series(index=pd.RangeIndex(len(part))))
            yield first, columns


def _hashable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose lists and dicts are texts, since those cannot be hashed."""
    kinds = list(frame.dtypes)
    odd = {
        n
        for n, kind in enumerate(kinds)
        if str(kind) == "object" or isinstance(kind, pd.ArrowDtype)
    }
    if not odd:
        return frame
    columns = [frame.iloc[:, n] for n in range(len(kinds))]
    texts = [c.astype(object).map(_spelled) if n in odd else c for n, c in enumerate(columns)]
    return pd.concat(texts, axis=1) if texts else frame


def _spelled(value: Any) -> str:
    # The repr of a long array leaves out its middle.
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


@dataclass(frozen=True, slots=True)
class TableSource:
    """An Arrow table."""

    table: pa.Table
    name: str = "Table"

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return int(self.table.num_rows)

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self.table.column_names)

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """None: a table has no path."""
        return {}

    @property
    def fingerprint(self) -> str:
        """A hash over the cells."""
        return f"table:{FrameSource(self.table.to_pandas(), False).fingerprint}"

    def batches(
        self,
        needed: list[str],
        n_rows: int,
        window: tuple[int | None, int | None],
        time: str | None,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the first row and the columns of each slab."""
        del window, time
        for first in range(0, self.n_rows, n_rows):
            part = self.table.select(needed).slice(first, n_rows)
            yield first, _columns_of(part)


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file, read row group by row group."""

    path: Path
    name: str
    schema: pa.Schema
    n_rows: int
    partitions: Mapping[str, str | None]
    fingerprint: str

    @classmethod
    def open(cls, path: Path, partitions: Mapping[str, str | None]) -> ParquetSource:
        """Read the footer of a file."""
        try:
            before = _stamp(path)
            with _parquet(path) as file:
                schema, n_rows = file.schema_arrow, file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise HistoryError(
                f"{path}: cannot be read as Parquet ({_first_line(error)}); expected a complete "
                "Parquet file. CSV and Excel files are read with pandas and passed as a DataFrame"
            ) from error
        return cls(path, str(path), schema, n_rows, partitions, before)

    @property
    def columns(self) -> list[str]:
        """The names of its columns, those of its folders after those of the file."""
        own = list(self.schema.names)
        return own + [name for name in self.partitions if name not in own]

    def batches(
        self,
        needed: list[str],
        n_rows: int,
        window: tuple[int | None, int | None],
        time: str | None,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the first row and the columns of each slab."""
        own = [name for name in needed if name in self.schema.names]
        self._check_unchanged()
        try:
            with _parquet(self.path) as file:
                for first, groups in _row_groups(file, window, time):
                    batches = file.iter_batches(n_rows, groups, columns=own, use_threads=False)
                    for part in _in_slabs(batches, n_rows):
                        yield first, self._columns_of(part, needed)
                        first += part.num_rows  # noqa: PLW2901 - the run goes on
        except (pa.ArrowException, OSError) as error:
            self._check_unchanged()  # if it did change, that is why
            raise HistoryError(f"{self.path}: cannot be read ({_first_line(error)})") from error
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        try:
            stamp = _stamp(self.path)
        except OSError as error:
            raise HistoryError(f"{self.path}: cannot be read ({error.strerror})") from error
        if stamp != self.fingerprint:
            raise HistoryError(
                f"{self.path}: the file changed while it was read; start again once it is complete"
            )

    def _columns_of(self, part: pa.Table, needed: list[str]) -> dict[str, Any]:
        columns = _columns_of(part)
        for name in needed:
            if name not in columns:
                value = pa.scalar(self.partitions[name], pa.string())
                columns[name] = pa.repeat(value, part.num_rows)
        return columns


def _parquet(path: Path) -> pq.ParquetFile:
    # Memory-mapping, pre-buffering and threads make memory grow with the file.
    return pq.ParquetFile(path, pre_buffer=False, memory_map=False, buffer_size=65_536)


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"file:{stat.st_size}:{stat.st_mtime_ns}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _row_groups(
    file: pq.ParquetFile, window: tuple[int | None, int | None], time: str | None
) -> Iterator[tuple[int, list[int]]]:
    """Yield runs of row groups that may hold times of the window, with their first row."""
    metadata = file.metadata
    run: list[int] = []
    run_first = row = 0
    for group in range(metadata.num_row_groups):
        if _may_hold(metadata.row_group(group), time, window):
            run_first = run_first if run else row
            run.append(group)
        elif run:
            yield run_first, run
            run = []
        row += metadata.row_group(group).num_rows
    if run:
        yield run_first, run


def _may_hold(group: Any, time: str | None, window: tuple[int | None, int | None]) -> bool:
    if window == (None, None) or time is None:
        return True
    for n in range(group.num_columns):
        column = group.column(n)
        if column.path_in_schema != time or not column.is_stats_set:
            continue
        statistics = column.statistics
        if statistics.null_count != 0:  # a row without a time is a violation, wherever it stands
            return True
        if not statistics.has_min_max or not hasattr(statistics.min, "timestamp"):
            return True
        if statistics.min.tzinfo is None:  # a naive time means what tz= says; leave it to the rows
            return True
        # Rounded down as the rows' own times are, so that both agree at the window's edges.
        low, high = ((t - EPOCH) // MILLISECOND for t in (statistics.min, statistics.max))
        start, end = window
        return (start is None or high >= start) and (end is None or low < end)
    return True


def _in_slabs(batches: Iterable[pa.RecordBatch], n_rows: int) -> Iterator[pa.Table]:
    """Join batches, which end with their row group, into slabs of equal length."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        rest = batch
        while count + rest.num_rows >= n_rows:
            take = n_rows - count
            yield pa.Table.from_batches([*held, rest.slice(0, take)])
            rest, held, count = rest.slice(take), [], 0
        if rest.num_rows:
            held.append(rest)
            count += rest.num_rows
    if held:
        yield pa.Table.from_batches(held)


def _columns_of(table: pa.Table) -> dict[str, Any]:
    table = table.unify_dictionaries()
    return {
        name: column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _raw(series: pd.Series) -> Any:
    """Return a Series as Arrow where it has one type, else as its Python objects."""
    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if isinstance(series.dtype, pd.CategoricalDtype) and series.cat.categories.dtype == object:
        series = series.astype(object)
    if isinstance(series.dtype, pd.SparseDtype):
        series = series.astype(series.dtype.subtype)
    if series.dtype == object:
        return series.to_numpy()
    if isinstance(series.dtype, np.dtype) and not series.dtype.isnative:
        series = series.astype(series.dtype.newbyteorder("="))
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        return series.astype(object).to_numpy()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


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

    def slabs(self, models: Iterable[ThingModel], *, keys_only: bool = False) -> Iterator[RawSlab]:
        """Yield the history in slabs of consecutive rows of one source.

        Parameters
        ----------
        models : iterable of ThingModel
            What its columns may be.
        keys_only : bool, optional
            Read times and devices only.
        """
        number = 0
        for source, layout in zip(self.sources, self.layouts(models), strict=True):
            needed = layout.needed
            n_rows = min(SLAB_ROWS, max(1, SLAB_CELLS // max(1, len(needed))))
            if keys_only:
                named = self.columns
                keys = (named.time, named.device, named.product, named.point)
                needed = [name for name in needed if name in keys]
                needed = needed or layout.needed[:1]
            window = (self.start, self.end)
            for first, columns in source.batches(needed, n_rows, window, self.columns.time):
                yield RawSlab(number, source.name, first, columns, layout)
                number += 1

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
        A Parquet file, a folder of such (with hive partitions, if any) or a pattern.
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
    return History(tuple(_sources(source, columns)), columns, *window)


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
    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, pa.Table):
        _need_time_column(columns)
        yield TableSource(source)
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
        raise HistoryError("only a DataFrame has an index: name the time with time_column=")


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
