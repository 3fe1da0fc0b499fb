"""Time and device of the rows of a slab. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import absent_in
from ..cells.arrays import without
from ..cells.form import is_text_type, tidied
from ..cells.object_json import has_lone_surrogate, written
from ..display.facts import Detail
from ..errors import HistoryError, message
from ..times.proposals import wrong_unit
from ..times.time_numbers import NO_TIME, Times, Unread
from ..times.times import read_times
from .columns import INDEX
from .devices import restricted
from .plausible import implausible, others
from .slab import Readings, Unreadable
from .wanted import listed_points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..model.device import Device
    from ..model.device_table import Devices
    from ..model.model_set import ModelSet
    from .slab import RawSlab

__all__ = ["check_class", "read_keys", "read_raw_times"]


def read_keys(
    raw: RawSlab, models: ModelSet, own: Device, window: tuple[int | None, int | None]
) -> Readings:
    """Return devices and times of a slab, for all products together, without values.

    Rows outside the window are left out, and those of devices that are not asked for.
    """
    columns = raw.layout.columns
    n = raw.n_rows
    times = _mended(read_raw_times(raw), raw) if n else Times(np.zeros(0, np.int64))
    unreadable = [
        Unreadable("time", one.why, one.positions, one.shown, _texts_of(raw, one))
        for one in times.unread
    ]
    products = keys_of(raw, columns.product, columns.product_key or own.product_key, "product")
    names = keys_of(raw, columns.device, columns.device_key or own.device_key, "device")
    devices, device = raw.pairing.pair(products, names)
    mine: NDArray[np.bool_] | None = None
    if columns.devices is not None:
        devices, device, mine = restricted(devices, device, columns.devices)
    odd = implausible(times, columns.plausible or (None, None))
    taken = times.is_unread if times.unread else np.zeros(n, bool)
    if mine is None and (device < 0).any():
        unreadable += _without_device(raw, (device < 0) & ~taken)
    for product_key in sorted(products.dictionary.to_pylist()):
        if models.find(product_key) is None:
            unreadable += _without_model(devices, device, product_key, taken)
    rows = np.arange(raw.first_row, raw.first_row + n)
    readings = Readings(raw.number, raw.source, rows, times.ms, device, devices, tuple(unreadable))
    if odd is not None:
        odd = others(odd, readings.is_unreadable()) if unreadable else odd
        readings = replace(readings, implausible=odd)
    if columns.only and columns.is_long:
        mine = _of_known_points(raw, models) & (True if mine is None else mine)
    return _within(readings if mine is None else rows_taken(readings, mine), window)


def _without_model(
    devices: Devices, device: NDArray[np.int64], product_key: str, taken: NDArray[np.bool_]
) -> Iterator[Unreadable]:
    """Yield the rows of each device of a product without a model."""
    why = Detail("no_model", (product_key,))
    for code, one in enumerate(devices):
        if one.product_key == product_key:
            positions = np.flatnonzero((device == code) & ~taken)
            if len(positions):
                yield Unreadable("product", why, positions)


def _of_known_points(raw: RawSlab, models: ModelSet) -> NDArray[np.bool_]:
    """Return a mask of the rows whose point a model lists, or that have none, as a fault has."""
    named = keys_of(raw, raw.layout.columns.point, "", "point")
    known = listed_points(models.all())
    is_known = [name in known for name in named.dictionary.to_pylist()]
    mask: NDArray[np.bool_] = np.array([*is_known, True], bool)
    codes: NDArray[np.int64] = named.indices.fill_null(-1).to_numpy()
    return mask[codes]


# What a column of keys of a kind is called in a reason.
_KEYS: Final = {"product": "product key", "device": "device key"}


def _without_device(raw: RawSlab, mask: NDArray[np.bool_]) -> Iterator[Unreadable]:
    """Yield rows without a device, by what they lack: a key, or a key that is a text."""
    columns = raw.layout.columns
    for kind, name in (("product", columns.product), ("device", columns.device)):
        column = raw.columns.get(name or "")
        if not isinstance(column, np.ndarray):
            continue
        wrong = mask & ~absent_in(column)
        wrong[wrong] = [_key(value) is None for value in column[wrong].tolist()]
        if wrong.any():
            shown = pa.array([repr(written(value)) for value in column[wrong].tolist()])
            why = Detail("not_a_key", (_KEYS[kind],))
            yield Unreadable("device", why, np.flatnonzero(wrong), shown)
            mask = mask & ~wrong
    if mask.any():
        yield Unreadable("device", Detail("no_device"), np.flatnonzero(mask))


def read_raw_times(raw: RawSlab, ambiguous: str | None = None) -> Times:
    """Return the times of a slab; ``ambiguous`` replaces what the caller asked for."""
    columns = raw.layout.columns
    key = INDEX if columns.time is None else columns.time
    column = tidied(raw.columns[key], raw.layout.forms.get(key))
    name = columns.time or "the index"
    try:
        times = read_times(
            column,
            name=name,
            first_row=raw.first_row,
            tz=columns.tz,
            unit=columns.time_unit,
            time_format=columns.time_format,
            ambiguous=ambiguous or columns.ambiguous,
            nonexistent=columns.nonexistent,
            folds=raw.folds,
        )
        _check_unit(raw, times, column, name)
        return times
    except HistoryError as error:
        raise HistoryError(
            message(f"{raw.source}: ", error.message), argument=error.argument, value=error.value
        ) from error


def _mended(times: Times, raw: RawSlab) -> Times:
    """Return times; an absent time of a reject is read from its text if the text was corrected."""
    texts = raw.columns.get(raw.layout.columns.time_text or "")
    absent = [one.positions for one in times.unread if one.why == NO_TIME]
    if texts is None or not absent:
        return times
    positions = np.concatenate(absent)
    found = read_times(
        _texts_at(texts, positions),
        name="time_text",
        first_row=1,  # a text without a zone is the fault of its row alone
        tz=None,
        unit=None,
    )
    ms = times.ms.copy()
    ms[positions] = found.ms
    others = [one for one in times.unread if one.why != NO_TIME]
    fresh = [replace(one, positions=positions[one.positions]) for one in found.unread]
    return Times(ms, (*others, *fresh))


def _texts_of(raw: RawSlab, one: Unread) -> pa.Array | None:
    """Return the texts of unreadable times as the source has them; None if there are none."""
    if one.why == NO_TIME:
        return None
    columns = raw.layout.columns
    names = (INDEX if columns.time is None else columns.time, columns.time_text)
    found = [_texts_at(raw.columns[name], one.positions) for name in names if name in raw.columns]
    return pc.coalesce(*found, *(() if one.shown is None else (one.shown,)))


def _texts_at(column: Any, positions: NDArray[np.int64]) -> pa.Array:
    """Return the texts at positions of a column; null where a cell is no text."""
    if isinstance(column, np.ndarray):
        return pa.array([_key(cell) for cell in column[positions].tolist()], pa.string())
    column = column.take(pa.array(positions))
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return column.cast(pa.string()) if is_text_type(kind) else pa.nulls(len(positions), pa.string())


def _check_unit(raw: RawSlab, times: Times, column: Any, name: str) -> None:
    """Raise if the first numbers of a source are times, but for another unit than the one given."""
    unit, bounds = raw.layout.columns.time_unit, raw.layout.columns.plausible
    if unit is None or bounds is None or raw.first_row:
        return
    odd = implausible(times, bounds)
    far = sum(len(one.positions) for one in times.unread if one.why.kind == "far_time")
    n_odd = far + (0 if odd is None else len(odd.positions))
    absent = sum(len(one.positions) for one in times.unread if one.why == NO_TIME)
    if n_odd and n_odd + absent == len(times.ms):
        shown = (
            [str(one) for one in column[:_LOOKED_AT].tolist()]
            if isinstance(column, np.ndarray)
            else column[:_LOOKED_AT].cast(pa.string())
        )
        error = wrong_unit(name, pa.array(shown, pa.string()), unit)
        if error is not None:
            raise error


_LOOKED_AT: Final = 50
MANY: Final = 4  # keys in a dictionary for each row, up to which all of them are looked at


def keys_of(raw: RawSlab, name: str | None, fixed: str, kind: str) -> pa.Array:
    """Return the keys of a slab's rows as a dictionary array; null if a row has no key."""
    if name is None:
        # Without any name this is the connection's own device; its keys may not be known yet.
        zeros = pa.array(np.zeros(raw.n_rows, np.int32))
        return pa.DictionaryArray.from_arrays(zeros, pa.array([fixed], pa.string()), safe=False)
    column = tidied(raw.columns[name], raw.layout.forms.get(name))
    if isinstance(column, np.ndarray):
        column = pa.array([_key(value) for value in column], pa.string())
    value_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (
        is_text_type(value_type) or pa.types.is_integer(value_type) or pa.types.is_null(value_type)
    ):
        raise _no_keys(raw, name, str(value_type), kind)
    if not pa.types.is_dictionary(column.type):
        return _distinct(column)
    if len(column.dictionary) > MANY * len(column):  # the dictionary of a whole history
        return _distinct(column.dictionary_decode())
    distinct = raw.pairing.distinct(column.dictionary, _distinct)
    index = column.indices
    if len(distinct.dictionary) < len(distinct):  # it has repeated or invalid keys
        index = distinct.indices.take(index)
    return pa.DictionaryArray.from_arrays(index, distinct.dictionary, safe=False)


def check_class(raw: RawSlab, name: str | None, kind: str) -> None:
    """Raise HistoryError if a column of Python objects holds none that is a key."""
    column = None if name is None else raw.columns[name]
    if name is None or not isinstance(column, np.ndarray):
        return
    there = column[~absent_in(column)].tolist()
    if there and not any(isinstance(value, str) or _key(value) is not None for value in there):
        raise _no_keys(raw, name, type(there[0]).__name__, kind)


def _no_keys(raw: RawSlab, name: str, found: str, kind: str) -> HistoryError:
    return HistoryError(
        f"{raw.source}: column {name!r} holds {found} as {kind} keys; expected text: "
        "convert it first, so that each key is written as the platform writes it"
    )


def _distinct(column: pa.Array) -> pa.DictionaryArray:
    """Return keys as a dictionary array of texts; null if a row has no key."""
    column = column.cast(pa.string())
    empty = pc.equal(column, "").fill_null(False)
    if pc.any(empty).as_py():
        column = without(column, np.asarray(empty.to_numpy(zero_copy_only=False), bool))
    return column.dictionary_encode()


def _key(value: Any) -> str | None:
    """Return a key as text; None if the value is absent, of another kind, or not UTF-8."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    text = str(value) if is_whole or isinstance(value, str) else None
    return None if text is None or has_lone_surrogate(text) else text


def _within(readings: Readings, window: tuple[int | None, int | None]) -> Readings:
    start, end = window
    if start is None and end is None:
        return readings
    keep = np.ones(len(readings.time), bool)
    if start is not None:
        keep &= readings.time >= start
    if end is not None:
        keep &= readings.time < end
    return rows_taken(readings, keep | readings.is_unreadable("time"))


def rows_taken(readings: Readings, keep: NDArray[np.bool_]) -> Readings:
    if keep.all():
        return readings
    place = np.cumsum(keep) - 1
    odd = readings.implausible
    is_kept = odd is not None and keep[odd.positions].any()
    return replace(
        readings,
        rows=readings.rows[keep],
        time=readings.time[keep],
        device=readings.device[keep],
        unreadable=tuple(
            _taken(one, keep, place) for one in readings.unreadable if keep[one.positions].any()
        ),
        implausible=_taken(odd, keep, place) if odd is not None and is_kept else None,
    )


def _taken(one: Unreadable, keep: NDArray[np.bool_], place: NDArray[np.int64]) -> Unreadable:
    kept = keep[one.positions]
    shown = None if one.shown is None else one.shown.filter(pa.array(kept))
    texts = None if one.texts is None else one.texts.filter(pa.array(kept))
    return replace(one, positions=place[one.positions[kept]], shown=shown, texts=texts)
