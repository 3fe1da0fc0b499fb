"""A slab of history as readings: who reported what when, each value in its point's type.

Pure: a raw slab in, one ``Readings`` a product out. Positions are places in the slab's arrays; rows
are places in the source, and what every record of a value names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import HistoryError
from ..model.measurepoint import Measurepoint
from ..model.thing_model import ModelSet, ThingModel, model_of
from ..values.misfits import Odd, absent_in, has_lone_surrogate, python_of, shown, without
from ..values.nested import objects_of, settle, settle_struct, with_quality
from ..values.plain_text import NO_POINT, SET_ASIDE, SUPERSEDED, read_plain
from ..values.times import Times, read_times
from .columns import Layout, point_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Column", "Device", "RawSlab", "Readings", "read_keys", "read_slab"]

INDEX = "(index)"


class Device(NamedTuple):
    """The pair of keys that names a device."""

    product_key: str
    device_key: str


@dataclass(frozen=True, slots=True)
class RawSlab:
    """Consecutive rows of one source, as they were read."""

    number: int
    source: str
    first_row: int
    columns: dict[str, Any]
    layout: Layout

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.columns.values()))) if self.columns else 0


@dataclass(frozen=True, slots=True)
class Column:
    """The readings of one measurement point.

    Parameters
    ----------
    point : Measurepoint
        What they are.
    values : Array, shape (n,)
        Null where absent or odd.
    quality : Array of int64, shape (n,), optional
        Null where a value has none.
    odd : list of Odd
        Values that do not fit their type; positions are into ``values``.
    at : ndarray of int64, shape (n,)
        The position in the readings of each value.
    """

    point: Measurepoint
    values: pa.Array
    quality: pa.Array | None
    odd: list[Odd]
    at: NDArray[np.int64]

    def present(self) -> NDArray[np.bool_]:
        """Return where there is a value, odd ones included."""
        mask = np.array(self.values.is_valid().to_numpy(zero_copy_only=False), bool)
        if self.odd:
            mask[[o.position for o in self.odd]] = True
        return mask

    @property
    def n_present(self) -> int:
        """How many values there are, odd ones included."""
        if self.odd:
            return int(self.present().sum())
        return len(self.values) - int(self.values.null_count)

    def taken(self, positions: NDArray[np.int64]) -> Column:
        """Return the values at some positions, in their order."""
        chosen = pa.array(positions)
        quality = None if self.quality is None else self.quality.take(chosen)
        place = {p: n for n, p in enumerate(positions.tolist())} if self.odd else {}
        odd = [o._replace(position=place[o.position]) for o in self.odd if o.position in place]
        return Column(self.point, self.values.take(chosen), quality, odd, self.at[positions])


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of one product in one slab.

    Parameters
    ----------
    slab : int
        The slab's number in the history.
    source : str
        Where they came from.
    rows : ndarray of int64, shape (n,)
        Row in the source.
    time : ndarray of int64, shape (n,)
        When. [ms]
    device : ndarray of int64, shape (n,)
        Which: index into ``devices``, -1 where it cannot be told.
    unreadable : dict of int to (str, str)
        Positions whose time or device cannot be told: check and reason.
    columns : list of Column
        What.
    """

    slab: int
    source: str
    rows: NDArray[np.int64]
    time: NDArray[np.int64]
    device: NDArray[np.int64]
    devices: list[Device]
    unreadable: dict[int, tuple[str, str]]
    columns: list[Column] = field(default_factory=list)
    given: Any = None  # the model or schema of this product

    @property
    def n_values(self) -> int:
        """How many values it holds."""
        return sum(column.n_present for column in self.columns)


def read_keys(
    raw: RawSlab, models: ModelSet, own: Device, window: tuple[int | None, int | None]
) -> Readings:
    """Return who and when of a slab, of all products together, without its values.

    Rows outside the window are left out.
    """
    columns = raw.layout.columns
    n = raw.n_rows
    times = _times(raw) if n else Times(np.zeros(0, np.int64), {})
    unreadable = {p: ("time", reason) for p, reason in times.unreadable.items()}
    products = _keys(raw, columns.product, columns.product_key or own.product_key, "product")
    names = _keys(raw, columns.device, columns.device_key or own.device_key, "device")
    devices, device = _pair(products, names)
    for position in np.flatnonzero(device < 0).tolist():
        unreadable.setdefault(position, ("device", "no device key or no product key"))
    for code, one in enumerate(devices):
        if models.find(one.product_key) is None:
            reason = f"there is no thing model for product {one.product_key!r}"
            for position in np.flatnonzero(device == code).tolist():
                unreadable.setdefault(position, ("product", reason))
    rows = np.arange(raw.first_row, raw.first_row + n)
    return _within(
        Readings(raw.number, raw.source, rows, times.ms, device, devices, unreadable), window
    )


def read_slab(
    raw: RawSlab, models: ModelSet, own: Device, window: tuple[int | None, int | None]
) -> Iterator[Readings]:
    """Yield the readings of each product in a slab, sorted by product key."""
    keys = read_keys(raw, models, own, window)
    products = sorted({device.product_key for device in keys.devices} or {""})
    of_device = np.array([products.index(d.product_key) for d in keys.devices] + [0], np.int64)
    for number, product_key in enumerate(products):
        # Rows without a device go with the first product.
        one = len(products) == 1
        part = keys if one else _taken(keys, of_device[keys.device] == number)
        given = models.find(product_key) or models.first
        chosen = None if len(part.rows) == raw.n_rows else part.rows - raw.first_row
        make = _long_columns if raw.layout.columns.is_long else _wide_columns
        columns = list(make(raw, model_of(given), chosen, models))
        yield replace(part, columns=columns, given=given)


def _times(raw: RawSlab) -> Times:
    columns = raw.layout.columns
    name = INDEX if columns.time is None else columns.time
    try:
        return read_times(
            raw.columns[name],
            name=columns.time or "the index",
            first_row=raw.first_row,
            tz=columns.tz,
            unit=columns.time_unit,
        )
    except HistoryError as error:
        raise HistoryError(f"{raw.source}: {error}") from error


def _keys(raw: RawSlab, name: str | None, fixed: str, kind: str) -> pa.Array:
    """Return the keys of a slab's rows as a dictionary array; null where there is none."""
    if name is None:
        # Without any name it is the connection's own device, whose keys may not be known yet.
        nought = pa.array(np.zeros(raw.n_rows, np.int32))
        return pa.DictionaryArray.from_arrays(nought, pa.array([fixed], pa.string()), safe=False)
    column = raw.columns[name]
    if isinstance(column, np.ndarray):
        column = pa.array([_key(value) for value in column], pa.string())
    value_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (
        _is_text(value_type) or pa.types.is_integer(value_type) or pa.types.is_null(value_type)
    ):
        raise HistoryError(
            f"{raw.source}: column {name!r} holds {value_type} as {kind} keys; expected text"
        )
    if not pa.types.is_dictionary(column.type):
        return _distinct(column)
    if len(column.dictionary) > len(column):  # that of a whole history, perhaps
        return _distinct(column.dictionary_decode())
    distinct = _distinct(column.dictionary)
    index = column.indices
    if len(distinct.dictionary) < len(distinct):  # it holds one twice, or what is no key
        index = distinct.indices.take(index)
    return pa.DictionaryArray.from_arrays(index, distinct.dictionary, safe=False)


def _distinct(column: pa.Array) -> pa.DictionaryArray:
    """Return keys as a dictionary array of texts; null where there is none."""
    column = column.cast(pa.string())
    empty = pc.equal(column, "").fill_null(False)
    if pc.any(empty).as_py():
        column = without(column, np.asarray(empty.to_numpy(zero_copy_only=False), bool))
    return column.dictionary_encode()


def _key(value: Any) -> str | None:
    """Return a key as text; None where it is none: absent, of another kind, or not UTF-8."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    text = str(value) if is_whole or isinstance(value, str) else None
    return None if text is None or has_lone_surrogate(text) else text


def _is_text(kind: pa.DataType) -> bool:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_text(kind) for is_text in texts)


def _pair(products: pa.Array, names: pa.Array) -> tuple[list[Device], NDArray[np.int64]]:
    """Return the devices, sorted, and the device of each row."""
    p, d = products.dictionary.to_pylist(), names.dictionary.to_pylist()
    width = len(d) + 1
    pairs = _codes(products) * width
    pairs += _codes(names)
    if products.null_count or names.null_count:
        pairs[(pairs < width) | (pairs % width == 0)] = 0
    found, place = _numbered(pairs, (len(p) + 1) * width)
    named = [Device(p[n // width - 1], d[n % width - 1]) if n else None for n in found.tolist()]
    devices = sorted(device for device in named if device is not None)
    code_of = {device: code for code, device in enumerate(devices)}
    codes = np.array([-1 if one is None else code_of[one] for one in named], np.int64)
    return devices, codes[place]


def _codes(keys: pa.DictionaryArray) -> NDArray[np.int64]:
    """Return the place of each key in its dictionary, counted from 1; 0 where there is none."""
    indices = keys.indices.fill_null(-1) if keys.null_count else keys.indices
    return np.asarray(indices.to_numpy(), np.int64) + 1


def _numbered(codes: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which codes below ``width`` there are, in order, and for each which of them it is."""
    if width > len(codes):
        found, place = np.unique(codes, return_inverse=True)
        return found, place
    seen = np.zeros(width, bool)
    seen[codes] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[codes]


def _within(readings: Readings, window: tuple[int | None, int | None]) -> Readings:
    start, end = window
    if start is None and end is None:
        return readings
    keep = np.ones(len(readings.time), bool)
    if start is not None:
        keep &= readings.time >= start
    if end is not None:
        keep &= readings.time < end
    keep[[p for p, (check, _) in readings.unreadable.items() if check == "time"]] = True
    return _taken(readings, keep)


def _taken(readings: Readings, keep: NDArray[np.bool_]) -> Readings:
    if keep.all():
        return readings
    place = np.cumsum(keep) - 1
    return replace(
        readings,
        rows=readings.rows[keep],
        time=readings.time[keep],
        device=readings.device[keep],
        unreadable={int(place[p]): why for p, why in readings.unreadable.items() if keep[p]},
    )


def _take(column: Any, positions: NDArray[np.int64] | None) -> Any:
    if positions is None:
        return column
    return column[positions] if isinstance(column, np.ndarray) else column.take(pa.array(positions))


def _wide_columns(
    raw: RawSlab, model: ThingModel, chosen: NDArray[np.int64] | None, models: ModelSet
) -> Iterator[Column]:
    """Yield the columns of the wide form, those the product lacks as unknown points."""
    layout = raw.layout
    n = raw.n_rows if chosen is None else len(chosen)
    at = np.arange(n)
    for name, identifier in layout.points.items():
        column = _take(raw.columns[name], chosen)
        point = point_named(identifier, model)
        if point is None:
            yield _unknown(column, identifier, at)
            continue
        settled = settle(column, point)
        if identifier in layout.quality:
            marks = _take(raw.columns[layout.quality[identifier]], chosen)
            settled = with_quality(settled, marks, point)
        yield Column(point, settled.values, settled.quality, settled.odd, at)
    for identifier, members in layout.members.items():
        parts = {member: _take(raw.columns[name], chosen) for member, name in members.items()}
        point = model.measurepoints.get(identifier)
        if point is None or point.type != "STRUCT":
            for name, part in parts.items():
                yield _unknown(part, f"{identifier}.{name}", at)
            continue
        settled = settle_struct(parts, point, n)
        if identifier in layout.quality:
            marks = _take(raw.columns[layout.quality[identifier]], chosen)
            settled = with_quality(settled, marks, point)
        yield Column(point, settled.values, settled.quality, settled.odd, at)


def _long_columns(
    raw: RawSlab, model: ThingModel, chosen: NDArray[np.int64] | None, models: ModelSet
) -> Iterator[Column]:
    """Yield the columns of the long form: the rows of each point, with their positions."""
    columns = raw.layout.columns
    named = _keys(raw, columns.point, "", "point")
    named = _take(named, chosen)
    codes = named.indices.fill_null(-1).to_numpy()
    values = _take(raw.columns[str(columns.value)], chosen)
    quality = (
        None if columns.value_quality is None else _take(raw.columns[columns.value_quality], chosen)
    )
    checks = None if columns.check is None else _take(raw.columns[columns.check], chosen)
    identifiers = named.dictionary.to_pylist()
    for code in [-1, *sorted(range(len(identifiers)), key=identifiers.__getitem__)]:
        at = np.flatnonzero(codes == code)
        if not len(at):
            continue
        part = _take(values, at)
        identifier = identifiers[code] if code >= 0 else ""
        if checks is not None:
            yield _rejected_column(part, _take(checks, at), identifier, model, at)
            continue
        point = point_named(identifier, model) if identifier else None
        if point is None or point.type == "FILE":
            yield _unknown(part, identifier, at, is_file=point is not None)
            continue
        settled = settle(_read_text(part, point), point)
        if quality is not None:
            marks = _take(quality, at)
            if point.has_quality or not _is_absent(marks).all():
                settled = with_quality(settled, marks, point)
        yield Column(point, settled.values, settled.quality, settled.odd, at)


def _rejected_column(
    texts: Any, checks: Any, identifier: str, model: ThingModel, at: NDArray[np.int64]
) -> Column:
    """Return the values of a point as a rejects frame has them, mended or not."""
    if identifier == NO_POINT and identifier not in model.measurepoints:
        identifier = ""
    point = point_named(identifier, model) if identifier else None
    is_known = point is not None and point.type != "FILE"
    meant = point if point is not None and is_known else Measurepoint(NO_POINT, "ANY")
    cells = objects_of(python_of(texts) if isinstance(texts, pa.Array) else texts.tolist())
    absent = absent_in(cells)
    superseded = [
        Odd(n, None, SUPERSEDED, SET_ASIDE, shown(cells[n]))
        for n, check in enumerate(checks.tolist())
        if check == SUPERSEDED and not absent[n]
    ]
    absent[[one.position for one in superseded]] = True
    read = [
        (None, None) if gone else read_plain(cell, meant) if isinstance(cell, str) else (cell, None)
        for cell, gone in zip(cells.tolist(), absent.tolist(), strict=True)
    ]
    values, marks = (objects_of([pair[n] for pair in read]) for n in (0, 1))
    if point is None or not is_known:
        column = _unknown(values, identifier, at, is_file=point is not None)
        return replace(column, odd=sorted([*column.odd, *superseded]))
    settled = settle(values, point)
    if not absent_in(marks).all():
        settled = with_quality(settled, marks, point)
    odd = sorted([*settled.odd, *superseded])
    return Column(point, settled.values, settled.quality, odd, at)


_TEXTUAL = frozenset({"STRING", "DATE", "TIMESTAMP", "ANY"})


def _read_text(column: Any, point: Measurepoint) -> Any:
    """Return the values in a column of texts: in the long form one column serves all types."""
    textual = point.type in _TEXTUAL or (point.type == "ENUM" and not point.has_int_keys)
    if textual or not _is_all_text(column):
        return column
    values = np.empty(len(column), object)
    for n, text in enumerate(column.tolist()):
        try:
            values[n] = orjson.loads(text) if isinstance(text, str) and text else None
        except orjson.JSONDecodeError:
            values[n] = text
    return values


def _is_all_text(column: Any) -> bool:
    if isinstance(column, np.ndarray):
        return all(isinstance(value, str) for value in column[~absent_in(column)].tolist())
    return _is_text(column.type)


def _is_absent(column: Any) -> NDArray[np.bool_]:
    if isinstance(column, np.ndarray):
        return absent_in(column)
    if pa.types.is_floating(column.type):
        return np.asarray(np.isnan(column.to_numpy(zero_copy_only=False)), bool)
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)


def _unknown(
    column: Any, identifier: str, at: NDArray[np.int64], *, is_file: bool = False
) -> Column:
    """Return readings of a point that the product's model does not list: all odd."""
    absent = _is_absent(column)
    reason = f"{identifier!r} is not in the thing model" if identifier else "no point is named"
    if is_file:
        reason = f"{identifier!r} is a FILE, which travels over the HTTP channel only"
    values = column if isinstance(column, np.ndarray) else objects_of(python_of(column))
    odd = [
        Odd.of(position, values[position], "point", reason)
        for position in np.flatnonzero(~absent).tolist()
    ]
    nothing = pa.nulls(len(at), pa.string())
    return Column(Measurepoint(identifier or "?", "ANY"), nothing, None, odd, at)
