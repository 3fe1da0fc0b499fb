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

from ..display.facts import Detail
from ..model.measurepoint import Measurepoint
from .arrays import in_known_zones
from .nested import convert_array, convert_struct, struct_of
from .objects import convert_anything, convert_objects
from .quality import QUALITY, joined
from .scalars import SCALARS
from .typed_column import Converted, all_misfit

if TYPE_CHECKING:
    from .typed_column import Converter

__all__ = ["convert", "convert_members", "with_quality"]


def convert(column: Any, point: Measurepoint) -> Converted:
    """Return a raw column in the type of its measurement point.

    Parameters
    ----------
    column : Array or ndarray of objects, shape (n,)
        The readings; NaN, None, NaT and NA are absent.
    point : Measurepoint
        Measurement point with the target type.

    Returns
    -------
    Converted

    Examples
    --------
    >>> converted = convert(pa.array([1.0, 2.5, None]), Measurepoint("state", "INT"))
    >>> converted.values.to_pylist(), converted.misfits[0].why.kind
    ([1, None, None], 'not_integer')
    """
    if isinstance(column, np.ndarray):
        return convert_objects(column, point, convert)
    named = _plain(column)
    column = in_known_zones(named)
    if column is not named and point.is_date and pa.types.is_timestamp(named.type):
        return all_misfit(column, point, Detail("unknown_zone", (named.type.tz,)))
    if pa.types.is_null(column.type):
        return Converted(pa.nulls(len(column), point.arrow_type()))
    if point.has_quality and not point.is_struct and pa.types.is_struct(column.type):
        return _convert_with_quality(column, point)
    return (SCALARS.get(point.type) or _NESTED[point.type])(column, point)


def with_quality(converted: Converted, quality: Any, point: Measurepoint) -> Converted:
    """Return a converted column joined with the raw column of its quality."""
    return joined(converted, convert(quality, QUALITY), point)


def convert_members(members: dict[str, Any], point: Measurepoint, length: int) -> Converted:
    """Return a struct from the raw columns of its members; a member without a column is absent."""
    return struct_of(members, point, length, convert)


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without dictionary, view or large offsets."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        return _plain(column.storage)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        # Arrow's cast of a slice with nulls fails or reads beyond the slice.
        return pa.array(column.to_pylist(), pa.list_(kind.value_type))
    if pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return column.cast(pa.list_(kind.value_type))
    return column


def _convert_with_quality(column: pa.Array, point: Measurepoint) -> Converted:
    """Convert a column of structs {value, quality} of a point with quality."""
    fields = {f.name: pc.struct_field(column, [n]) for n, f in enumerate(column.type)}
    if not set(fields) <= {"value", "quality"} or "value" not in fields:
        return all_misfit(column, point)
    converted = convert(fields["value"], point)
    return with_quality(converted, fields["quality"], point) if "quality" in fields else converted


_NESTED: Final[dict[str, Converter]] = {
    "STRUCT": lambda column, point: convert_struct(column, point, convert),
    "ARRAY": lambda column, point: convert_array(column, point, convert),
    "ANY": convert_anything,
}
