"""``read_history()``: a history from whatever holds readings.

A shell: looks for files, and reads their metadata. Slabs are read by ``history.py``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..cells.column import Column
from ..cells.form import check_words
from ..cells.text_format import TextFormat
from ..display.sentences import left_out_in_words
from ..errors import Argument, HistoryError, message
from ..errors.arguments import labels_of, shown_briefly
from ..files.locating import shown_place
from ..files.search_rules import LeftOut, grouped
from ..history.columns import Columns
from ..history.devices import check_devices, devices_of
from ..history.history import History
from ..history.plausible import PLAUSIBLE, check_times
from ..history.plausible import plausible as plausible_of
from ..history.rejects_file import REJECTS, is_rejects
from ..history.roles import check_roles
from ..history.wanted import check_named
from ..sources.source import FrameSource, Source, TableSource
from ..streams.stream_source import StreamSource
from ..times.bounds import bound_of
from .kinds import Given, opened

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = ["read_history", "read_untimed"]

log = logging.getLogger("mpreplay")


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
    points: Mapping[str, str | Column] | None = None,
    quality: Mapping[str, str] | None = None,
    ignore: Iterable[Hashable] = (),
    point_column: str | None = None,
    value_column: str | None = None,
    quality_column: str | None = None,
    start: Any = None,
    end: Any = None,
    text: TextFormat | None = None,
    only: bool = False,
    devices: Iterable[Any] | None = None,
    time_format: str | None = None,
    ambiguous: str = "raise",
    nonexistent: str = "raise",
    plausible: tuple[Any, Any] | None = PLAUSIBLE,
    filesystem: Any = None,
    name: str | None = None,
    spool: Any = None,
) -> History:
    """Read past readings, lazily; nothing is copied or changed.

    Parameters
    ----------
    source : frame, table, stream, path or glob, or list of these
        A DataFrame, an Arrow table or batch, a frame or query of another library (polars, duckdb,
        datafusion, narwhals: whatever has ``__arrow_c_stream__``), a ``pyarrow.dataset``, or a
        stream of batches that come once: a RecordBatchReader, or an iterator of frames or tables.
        Or a file of Parquet, Arrow IPC, Feather or CSV (``.csv`` or ``.tsv``, also ``.gz`` or
        ``.zst``; see ``text``), a folder of files of one format (with hive partitions, if any) or a
        pattern, on a disk or as ``s3://``, ``gs://`` or ``abfs://``; what is left out of these, and
        why, is shown with the history. A ``UPath`` and an open binary file are taken, too. Also a
        file written from ``run.rejects``, as Parquet or CSV, corrected or not: recognised by its
        columns, if no argument names a column.
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
    points : dict of str to str or Column, optional
        Column to identifier, where the two differ; a :class:`Column` says how its cells are
        written: unit, factor, words for values, labels of an ENUM.
    quality : dict of str to str, optional
        Column of readings to the column of their quality.
    ignore : iterable of labels, optional
        Columns without readings; each must be in a source. Their names need not be texts.
    point_column, value_column, quality_column : str, optional
        Columns of the long form, one row a value.
    only : bool, optional
        Read the columns of ``points`` and ``quality`` alone, or else those that the thing model
        lists (in the long form, its points); the history names the columns left out.
    devices : iterable of str or (str, str), optional
        Read rows of these devices alone: device keys, or pairs of product key and device key. A
        name found nowhere is an error. Row groups and folders of other devices are not read.
    start, end : str or datetime, optional
        Read times in [start, end), UTC unless they have a zone; a text is ISO 8601. Parquet row
        groups outside are not read.
    time_format : str, optional
        The format of texts that are not ISO 8601, as ``strptime`` has it, such as
        ``"%d.%m.%Y %H:%M"``; names of months and days in English.
    ambiguous : {"raise", "earliest", "latest", "infer"}, optional
        The instant of a naive time that occurs twice, because the clock was put back: a
        violation, the first, the second, or as the order of each device's rows tells; rows that
        do not tell are violations.
    nonexistent : {"raise", "shift_forward", "shift_backward"}, optional
        The instant of a naive time that does not exist, because the clock was put forward: a
        violation, the first instant after the gap, or the last millisecond before it.
    plausible : (first, last), optional
        Times outside are violations of their rows. Each is a datetime or a text in ISO 8601, None
        for no bound, or relative to the beginning of a run (``"+1d"``, ``"-2h"``).
    text : TextFormat, optional
        How texts are written: decimal separator, words for absent, blanks; of a CSV file also its
        delimiter and encoding. None: texts of a CSV file, and of ``value_column``, are written as
        by default, and a text elsewhere is the value of a point that is a text, and else a
        violation. Not for rejects, whose numbers have a decimal point.
    filesystem : file system of pyarrow.fs or fsspec, optional
        Where the path is. Credentials are better in the environment than in a URI, though no
        message, log or record shows them.
    name : str, optional
        Name of a frame, table or stream in rejects, audit and messages. A file has its own.
    spool : path, optional
        File that keeps the rows of a stream, or a folder for a temporary one. Default: a temporary
        folder, removed with the history.

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

    The items of a list are sources of their own. A stream is written to a Parquet file when its
    rows are first needed, and read from there; columns that are left out are empty in it. Its first
    batch names the columns; a value that has no equal in the type of the other batches is an error.
    ``replay`` with a journal keeps the file as ``<journal>.source.parquet``, from which the run can
    be continued in another process. A query is read in the order that it gives its rows in.

    A text becomes a value by the type of its point: a number exactly as it is written, without
    separators of thousands; a BOOL from ``true``, ``false``, 0 or 1; an array or a struct from
    JSON. A text that does not fit is a violation, and for a whole column of such texts
    ``validate`` names the argument that reads them.

    Of rejects, the columns ``product_key``, ``device_key``, ``time``, ``measurepoint`` and
    ``value`` are read, each value by the type of its point. Other columns are ignored, except that
    superseded values are withheld again. A deleted row is not sent.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"ts": ["2024-01-01T00:00:00Z"], "turbine": ["T1"], "P": [1.5]})
    >>> read_history(frame, time_column="ts", device_column="turbine", product_key="wind")
    History(DataFrame: 1 row, wide, time ts, device turbine)
    """
    names, forms = _points_and_forms(points)
    columns = Columns(
        time=time_column,
        tz=tz,
        time_unit=time_unit,
        device=device_column,
        device_key=device_key,
        product=product_column,
        product_key=product_key,
        points=names,
        forms=forms,
        text=text,
        quality=quality,
        ignore=labels_of(ignore, HistoryError),
        point=point_column,
        value=value_column,
        value_quality=quality_column,
        only=only,
        devices=devices_of(devices),
        time_format=time_format,
        ambiguous=ambiguous,
        nonexistent=nonexistent,
        plausible=plausible_of(plausible),
    )
    check_roles(columns)
    check_words(columns.text, columns.forms)
    check_times(columns)
    window = bound_of(start, "start"), bound_of(end, "end")
    if None not in window and window[0] >= window[1]:  # type: ignore[operator]
        raise HistoryError(
            message(
                Argument("start", is_named=True),
                f" {shown_briefly(start)} must be before ",
                Argument("end", is_named=True),
                f" {shown_briefly(end)}",
            ),
            argument="start",
            value=start,
        )
    given = Given(source, columns, name, filesystem, spool)
    sources, left_out = opened(given)
    _tell_of(source, len(sources), left_out)
    if given.may_be_rejects and all(is_rejects(one.columns) for one in sources):
        roles = replace(REJECTS, devices=columns.devices, plausible=columns.plausible)
        return _counted(History(tuple(map(_as_rejects, sources)), roles, *window, left_out))
    check_devices(columns)
    if columns.time is None and columns.text and all(is_rejects(one.columns) for one in sources):
        raise HistoryError(
            message(
                "these are rejects, whose values are read as they stand, numbers with a decimal "
                "point: leave out ",
                Argument("text", is_named=True),
                ", and write a number as 1234.5",
            ),
            argument="text",
            value=columns.text,
        )
    if columns.time is None and not all(map(_has_index, sources)):
        raise HistoryError(
            message(
                "only a DataFrame has an index, and these are not rejects: name the time with ",
                Argument("time_column"),
            )
        )
    check_named([(one.name, one.columns) for one in sources], columns)
    return _counted(History(sources, columns, *window, left_out))


def read_untimed(source: Any, columns: Columns) -> History:
    """Return a history of which only the values are read, to draft a model from."""
    sources, left_out = opened(Given(source, columns))
    check_named([(one.name, one.columns) for one in sources], columns)
    return History(sources, columns, None, None, left_out)


def _counted(history: History) -> History:
    """Return a history; raise if a device occurs nowhere, where that is known without a file."""
    history = history.begun(round(time.time() * 1_000))
    if all(isinstance(source, FrameSource | TableSource) for source in history.sources):
        history.census()
    return history


def _tell_of(source: Any, n_files: int, left_out: tuple[LeftOut, ...]) -> None:
    """Log what is left out, as a warning if it may hold readings."""
    if left_out:
        told = left_out_in_words(grouped(left_out))
        level = logging.WARNING if any(one.has_data for one in left_out) else logging.INFO
        shown = shown_place(source)
        log.log(level, "%s: %d files are read; left out: %s", shown, n_files, told)


def _as_rejects(source: Source) -> Source:
    """Return a source whose time is in a column."""
    if isinstance(source, StreamSource):
        return source.as_rejects()
    return replace(source, time_from_index=False) if isinstance(source, FrameSource) else source


def _has_index(source: Source) -> bool:
    """Return True if the time of a source's rows is their index."""
    return bool(getattr(source, "time_from_index", False))


def _points_and_forms(
    points: Any,
) -> tuple[Any, Mapping[str, Column] | None]:
    """Return column to identifier, and column to how its cells become values, if any say so."""
    if not isinstance(points, Mapping) or not any(isinstance(p, Column) for p in points.values()):
        return points, None
    forms = {n: p for n, p in points.items() if isinstance(p, Column) and not p.is_plain}
    return {n: p.point if isinstance(p, Column) else p for n, p in points.items()}, forms or None
