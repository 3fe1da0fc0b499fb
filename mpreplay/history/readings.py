"""A slab of history as readings: devices, times, and each value in its point's type.

Pure: a raw slab in, a ``Readings`` per product out. Positions are places in the slab's arrays; rows
are places in the source and appear in every record of a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..cells.absent import absent_in, is_present, valid_in
from ..cells.arrays import objects_of, python_of
from ..cells.form import Form, is_text_type, tidied
from ..cells.object_json import shown
from ..display.facts import SUPERSEDED, Detail
from ..model.device_table import Devices
from ..model.measurepoint import Measurepoint
from ..model.model_set import model_of
from ..model.thing_model import ThingModel
from ..values.conversion import convert, convert_members, with_quality
from ..values.misfits import Misfit, Misfits
from ..values.plain_text import read_plain
from ..values.typed_column import TypedColumn, unfit_at
from .columns import point_named
from .keys import keys_of, read_keys, rows_taken
from .rejects_file import NO_POINT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.device import Device
    from ..model.model_set import ModelSet
    from ..values.typed_column import Converted
    from .slab import RawSlab, Readings

__all__ = ["read_slab"]

FEW: Final = 1_024  # rows, below which no column is thinned
THIN: Final = 3  # one present cell in so many, up to which only these are kept


def read_slab(
    raw: RawSlab, models: ModelSet, own: Device, window: tuple[int | None, int | None]
) -> Iterator[Readings]:
    """Yield the readings of each product in a slab, sorted by product key."""
    keys = read_keys(raw, models, own, window)
    numbered = Devices.of(keys.devices)
    products = numbered.products or ("",)
    one = len(products) == 1
    devices = () if one else numbered
    of_device = np.array([products.index(d.product_key) for d in devices] + [0], np.int64)
    for number, product_key in enumerate(products):
        # Rows without a device go with the first product.
        part = keys if one else rows_taken(keys, of_device[keys.device] == number)
        given = models.find(product_key) or models.first
        chosen = None if len(part.rows) == raw.n_rows else part.rows - raw.first_row
        model = model_of(given)
        if raw.layout.columns.is_long:
            columns = list(_long_columns(raw, model, chosen))
        else:  # the checks of a schema may compare the columns row by row
            columns = list(_wide_columns(raw, model, chosen, may_thin=type(given) is ThingModel))
        yield replace(part, columns=columns, given=given)


def _take(column: Any, positions: NDArray[np.int64] | None) -> Any:
    if positions is None:
        return column
    return column[positions] if isinstance(column, np.ndarray) else column.take(pa.array(positions))


def _thinned(column: Any, at: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:
    """Return a column without its absent cells, and the positions of the others, if most are."""
    n = len(at)
    is_thin = isinstance(column, pa.Array) and THIN * (n - column.null_count) <= n
    if n < FEW or not is_thin or pa.types.is_null(column.type):
        return column, at
    there = np.flatnonzero(valid_in(column))
    return column.take(pa.array(there)), at[there]


def _wide_columns(
    raw: RawSlab, model: ThingModel, chosen: NDArray[np.int64] | None, *, may_thin: bool
) -> Iterator[TypedColumn]:
    """Yield the columns of the wide form; columns unknown to the product are unknown points.

    With ``may_thin``, a column of which most cells are absent has the others alone.
    """
    layout = raw.layout
    n = raw.n_rows if chosen is None else len(chosen)
    every = np.arange(n)
    for name, identifier in layout.points.items():
        column, at = _take(raw.columns[name], chosen), every
        if may_thin and identifier not in layout.quality:
            column, at = _thinned(column, at)
        point = point_named(identifier, model)
        if point is None:
            yield _unknown(column, identifier, at)
            continue
        converted = convert(column, point, layout.forms.get(name))
        if identifier in layout.quality:
            converted = _marked(converted, raw, identifier, chosen, point)
        yield TypedColumn(point, converted.values, converted.quality, converted.misfits, at)
    for identifier, members in layout.members.items():
        parts = {member: _take(raw.columns[name], chosen) for member, name in members.items()}
        point = model.measurepoints.get(identifier)
        if point is None or not point.is_struct:
            for name, part in parts.items():
                yield _unknown(part, f"{identifier}.{name}", every)
            continue
        forms = {m: layout.forms[name] for m, name in members.items() if name in layout.forms}
        converted = convert_members(parts, point, n, forms)
        if identifier in layout.quality:
            converted = _marked(converted, raw, identifier, chosen, point)
        yield TypedColumn(point, converted.values, converted.quality, converted.misfits, every)


def _marked(
    converted: Converted,
    raw: RawSlab,
    identifier: str,
    chosen: NDArray[np.int64] | None,
    point: Measurepoint,
) -> Converted:
    """Return a converted column of the wide form with its quality."""
    name = raw.layout.quality[identifier]
    marks = _take(raw.columns[name], chosen)
    return with_quality(converted, marks, point, raw.layout.forms.get(name))


def _long_columns(
    raw: RawSlab, model: ThingModel, chosen: NDArray[np.int64] | None
) -> Iterator[TypedColumn]:
    """Yield the columns of the long form: the rows of each point, with their positions."""
    columns, forms = raw.layout.columns, raw.layout.forms
    named = keys_of(raw, columns.point, "", "point")
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
        if point is None or not point.travels:
            yield _unknown(part, identifier, at, is_file=point is not None)
            continue
        converted = convert(part, point, _form_of(part, point, forms.get(str(columns.value))))
        if quality is not None:
            form = forms.get(str(columns.value_quality))
            marks = tidied(_take(quality, at), form)
            if point.has_quality or not _is_absent(marks).all():
                converted = with_quality(converted, marks, point, form)
        yield TypedColumn(point, converted.values, converted.quality, converted.misfits, at)


def _rejected_column(
    texts: Any, checks: Any, identifier: str, model: ThingModel, at: NDArray[np.int64]
) -> TypedColumn:
    """Return the values of a point from a rejects frame, mended or not."""
    if identifier == NO_POINT and identifier not in model.measurepoints:
        identifier = ""
    point = point_named(identifier, model) if identifier else None
    is_known = point is not None and point.travels
    meant = point if point is not None and is_known else Measurepoint(NO_POINT, "ANY")
    cells = objects_of(python_of(texts) if isinstance(texts, pa.Array) else texts.tolist())
    absent = absent_in(cells)
    superseded = [
        Misfit(n, None, SUPERSEDED, Detail("set_aside"), shown(cells[n]))
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
        return replace(column, misfits=Misfits.joined([column.misfits, superseded]))
    converted = convert(values, point)
    if not absent_in(marks).all():
        converted = with_quality(converted, marks, point)
    misfits = Misfits.joined([converted.misfits, superseded])
    return TypedColumn(point, converted.values, converted.quality, misfits, at)


# Texts in the one column of all values, without a given form, are read as in a CSV file.
_AS_WRITTEN: Final = Form()


def _form_of(column: Any, point: Measurepoint, given: Form | None) -> Form | None:
    """Return the form of values in the long form: a single column has the values of all types."""
    if given is not None or point.is_text or point.is_any or not _has_text(column):
        return given
    return _AS_WRITTEN


def _has_text(column: Any) -> bool:
    if isinstance(column, np.ndarray):
        return any(isinstance(value, str) for value in column.tolist())
    kind = column.type
    return is_text_type(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _is_absent(column: Any) -> NDArray[np.bool_]:
    if isinstance(column, np.ndarray):
        return absent_in(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return ~is_present(column)


def _unknown(
    column: Any, identifier: str, at: NDArray[np.int64], *, is_file: bool = False
) -> TypedColumn:
    """Return readings of a point that the product's model does not list, all as misfits."""
    absent = _is_absent(column)
    why = Detail("unknown_point", (identifier,)) if identifier else Detail("no_point")
    if is_file:
        why = Detail("file_point", (identifier,))
    misfits = Misfits([unfit_at(column, np.flatnonzero(~absent), "point", why)])
    nothing = pa.nulls(len(at), pa.string())
    return TypedColumn(Measurepoint(identifier or "?", "ANY"), nothing, None, misfits, at)
