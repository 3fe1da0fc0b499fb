"""``read_history()``: a history from whatever holds readings.

A shell: looks for files, and reads what they say of themselves. Slabs are read by ``history.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..cells.column import Column
from ..cells.text_format import TextFormat
from ..display.sentences import left_out_in_words
from ..errors import Argument, HistoryError, message
from ..errors.arguments import labels_of, shown_briefly
from ..files.finding import LeftOut, grouped
from ..sources.source import FrameSource, Source, TableSource
from ..times.bounds import bound_of
from .columns import Columns
from .devices import check_devices, devices_of
from .doors import Given, opened
from .history import History
from .rejects_file import REJECTS, is_rejects
from .roles import check_roles
from .wanted import check_named

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
    plausible: tuple[Any, Any] | None = None,
    filesystem: Any = None,
    name: str | None = None,
    spool: Any = None,
) -> History:
    """Read past readings, lazily; nothing is copied or changed.

    Parameters
    ----------
    source : DataFrame, Arrow Table, path or glob
        A Parquet or CSV file (``.csv`` or ``.tsv``, also ``.gz`` or ``.zst``; see ``text``), a
        folder of Parquet files (with hive partitions, if any) or a pattern; what
        is left out of these, and why, is shown with the history. Also a file written from
        ``run.rejects``, as Parquet or CSV, corrected or not: recognised by its columns, if no
        argument names a column.
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
        Column of readings to the column of their quality.
    ignore : iterable of labels, optional
        Columns without readings; each must be in a source. Their names need not be texts.
    point_column, value_column, quality_column : str, optional
        Columns of the long form, one row a value.
    only : bool, optional
        Read the columns of ``points`` and ``quality`` alone, or else those that the thing model
        lists (in the long form, its points); the history names the columns that it leaves out.
    devices : iterable of str or (str, str), optional
        Read rows of these devices alone: device keys, or pairs of product key and device key.
        One that occurs nowhere is an error. Row groups and folders of other devices are not read.
    start, end : str or datetime, optional
        Read times in [start, end), UTC unless they have a zone; a text is ISO 8601. Parquet row
        groups outside are not read.
    text : TextFormat, optional
        How texts are written: delimiter, encoding and so on of a CSV file, whose cells are all
        texts until they become values by the types of their points.

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

    Of rejects, the columns ``product_key``, ``device_key``, ``time``, ``measurepoint`` and
    ``value`` are read, each value by the type of its point. Other columns are ignored, except that
    superseded values are withheld again. A deleted row is not sent.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"ts": ["2024-01-01T00:00:00Z"], "turbine": ["T1"], "P": [1.5]})
    >>> read_history(frame, time_column="ts", device_column="turbine", product_key="wind")
    History(DataFrame: 1 rows, wide)
    """
    _refuse_unbuilt(locals())
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
        quality=quality,
        ignore=labels_of(ignore, HistoryError),
        point=point_column,
        value=value_column,
        value_quality=quality_column,
        text=text,
        only=only,
        devices=devices_of(devices),
    )
    check_roles(columns)
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
    given = Given(source, columns)
    sources, left_out = opened(given)
    _tell_of(source, len(sources), left_out)
    if given.may_be_rejects and all(is_rejects(one.columns) for one in sources):
        roles = replace(REJECTS, devices=columns.devices)
        return _counted(History(tuple(map(_as_rejects, sources)), roles, *window, left_out))
    check_devices(columns)
    if columns.time is None and not all(isinstance(one, FrameSource) for one in sources):
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
    if all(isinstance(source, FrameSource | TableSource) for source in history.sources):
        history.census()
    return history


def _tell_of(source: Any, n_files: int, left_out: tuple[LeftOut, ...]) -> None:
    """Log what is left out, as a warning if it may hold readings."""
    if left_out:
        told = left_out_in_words(grouped(left_out))
        level = logging.WARNING if any(one.has_data for one in left_out) else logging.INFO
        log.log(level, "%s: %d files are read; left out: %s", source, n_files, told)


def _as_rejects(source: Source) -> Source:
    """Return a source whose time is in a column."""
    return replace(source, time_from_index=False) if isinstance(source, FrameSource) else source


# Arguments of the contract that are not built yet, with the only value that they may have.
_UNBUILT: Final = {
    "time_format": None, "ambiguous": "raise",
    "nonexistent": "raise", "plausible": None, "filesystem": None, "name": None, "spool": None,
}  # fmt: skip


def _refuse_unbuilt(given: Mapping[str, Any]) -> None:
    """Raise for an argument that would be ignored."""
    for name, value in _UNBUILT.items():
        if given[name] != value:
            raise HistoryError(f"{name} is not built yet", argument=name, value=given[name])


def _points_and_forms(
    points: Any,
) -> tuple[Any, Mapping[str, Column] | None]:
    """Return column to identifier, and column to how its cells become values, if any say so."""
    if not isinstance(points, Mapping) or not any(isinstance(p, Column) for p in points.values()):
        return points, None
    forms = {name: point for name, point in points.items() if isinstance(point, Column)}
    return {n: p.point if isinstance(p, Column) else p for n, p in points.items()}, forms
