"""Conversion of readings of any type into the type of their measurement point.

Pure. A fitting value is held in the Arrow type of ``Measurepoint.arrow_type``; any other value is a
misfit, kept as the JSON text in which it would travel, with the reason. Single values are converted
in ``scalars``, structs and arrays in ``nested``, Python objects in ``objects``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.arrays import in_known_zones, in_one_piece, plain_column
from ..display.facts import Detail
from ..model.measurepoint import Measurepoint
from .nested import convert_array, convert_struct, struct_of
from .objects import convert_anything, convert_objects
from .quality import QUALITY, joined
from .scalars import SCALARS
from .text_cells import convert_formed
from .typed_column import Converted, all_misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..cells.form import Form
    from .typed_column import Converter

__all__ = ["convert", "convert_members", "with_quality"]


def convert(column: Any, point: Measurepoint, form: Form | None = None) -> Converted:
    """Return a raw column in the type of its measurement point.

    Parameters
    ----------
    column : Array or ndarray of objects, shape (n,)
        The readings; NaN, None, NaT and NA are absent.
    point : Measurepoint
        Measurement point with the target type.
    form : Form, optional
        The notation of the cells, if they cannot be taken literally.

    Returns
    -------
    Converted

    Examples
    --------
    >>> converted = convert(pa.array([1.0, 2.5, None]), Measurepoint("state", "INT"))
    >>> converted.values.to_pylist(), converted.misfits[0].why.kind
    ([1, None, None], 'not_integer')
    """
    column = _plain(column)
    if point.has_quality and not point.is_struct and _is_struct(column):
        return _convert_with_quality(column, point, form)
    if form is not None:
        return convert_formed(column, point, form, convert)
    if isinstance(column, np.ndarray):
        return convert_objects(column, point, convert)
    if pa.types.is_timestamp(column.type):
        zone, column = column.type.tz, in_known_zones(column)
        if point.is_date and zone != column.type.tz:
            return all_misfit(column, point, Detail("unknown_zone", (zone,)))
    if pa.types.is_null(column.type):
        return Converted(pa.nulls(len(column), point.arrow_type()))
    return (SCALARS.get(point.type) or _NESTED[point.type])(column, point)


def with_quality(
    converted: Converted, quality: Any, point: Measurepoint, form: Form | None = None
) -> Converted:
    """Return a converted column joined with the raw column of its quality."""
    return joined(converted, convert(quality, QUALITY, form), point)


def convert_members(
    members: dict[str, Any],
    point: Measurepoint,
    length: int,
    forms: Mapping[str, Form] | None = None,
) -> Converted:
    """Return a struct from the raw columns of its members; a member without a column is absent.

    ``forms`` has the forms of members by their identifiers.
    """

    def convert_member(column: Any, member: Measurepoint) -> Converted:
        return convert(column, member, (forms or {}).get(member.identifier))

    return struct_of(members, point, length, convert_member)


def _plain(column: Any) -> Any:
    """Return a column as a plain Arrow array without dictionary, or as Python objects."""
    if isinstance(column, pa.ChunkedArray):
        column = in_one_piece(column)
    elif isinstance(column, pa.Array):
        column = plain_column(column, is_checked=True)  # when it was read
    if isinstance(column, np.ndarray):
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _is_struct(column: Any) -> bool:
    return isinstance(column, pa.Array) and pa.types.is_struct(column.type)


def _convert_with_quality(column: pa.Array, point: Measurepoint, form: Form | None) -> Converted:
    """Convert a column of structs {value, quality}; a form is that of the values."""
    fields = {f.name: pc.struct_field(column, [n]) for n, f in enumerate(column.type)}
    if not set(fields) <= {"value", "quality"} or "value" not in fields:
        return all_misfit(column, point)
    converted = convert(fields["value"], point, form)
    return with_quality(converted, fields["quality"], point) if "quality" in fields else converted


_NESTED: Final[dict[str, Converter]] = {
    "STRUCT": lambda column, point: convert_struct(column, point, convert),
    "ARRAY": lambda column, point: convert_array(column, point, convert),
    "ANY": convert_anything,
}
