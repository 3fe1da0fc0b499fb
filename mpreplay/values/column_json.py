"""The values of a column as the JSON texts of the wire.

Pure. No Python object is made for a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ..model.measurepoint import Measurepoint
from .misfits import longest_json
from .number_texts import number_texts
from .text_pool import NOWHERE, Texts, always, laid_texts, lay_objects, member, texts_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .typed_column import TypedColumn

__all__ = ["longest_text", "texts_of"]

# The wire form of a BOOL is not documented; the model how-to (EnOS 2.0.9) asks for 0 and 1.
BOOL_TEXTS: Final = ("0", "1")


def texts_of(column: TypedColumn) -> Texts:
    """Return the JSON texts of a column's values, with their quality if given.

    Examples
    --------
    >>> from mpreplay.values.typed_column import TypedColumn
    >>> point = Measurepoint("P", "FLOAT")
    >>> values = pa.array([7.12, None, 100.0], pa.float32())
    >>> texts_of(TypedColumn(point, values, None, [], np.arange(3))).array().to_pylist()
    ['7.12', None, '100.0']
    """
    texts = bare_texts(column.values, column.point)
    if column.quality is not None:
        texts = marked_texts(texts, column.quality)
    if not column.misfits:
        return texts
    # Misfits travel as given, if sent at all.
    carried = [o for o in column.misfits if o.text is not None]
    index = texts.index.copy()
    index[[o.position for o in carried]] = len(texts.pool) + np.arange(len(carried))
    pool = pa.array([o.text.decode() for o in carried if o.text is not None], pa.string())
    return Texts(pa.concat_arrays([texts.pool, pool]), index)


def longest_text(column: TypedColumn) -> int:
    """Return an upper bound of the texts' lengths, in bytes, without writing the texts."""
    fitting = longest_json(column.values) + len('{"value":,"quality":0}')
    return max(column.misfits.longest(), fitting)


def bare_texts(values: pa.Array, point: Measurepoint) -> Texts:
    """Return the JSON texts of values of one type."""
    kind = values.type
    if point.is_any:
        return Texts(values.fill_null(""), _places(values))
    if pa.types.is_boolean(kind):
        index = values.cast(pa.int32()).fill_null(NOWHERE).to_numpy(zero_copy_only=False)
        return Texts(pa.array(BOOL_TEXTS), index)
    if pa.types.is_string(kind):
        return _string_texts(values)
    if pa.types.is_struct(kind):
        return _struct_texts(values, point)
    if pa.types.is_list(kind):
        return _list_texts(values, point)
    if pa.types.is_timestamp(kind):
        return number_texts(values.cast(pa.int64()), '"', '"')
    return number_texts(values)


def _places(values: pa.Array) -> NDArray[np.int32]:
    """Return the position of each value, -1 where it is absent."""
    valid = values.is_valid().to_numpy(zero_copy_only=False)
    return np.where(valid, np.arange(len(values), dtype=np.int32), np.int32(NOWHERE))


def _string_texts(values: pa.Array) -> Texts:
    """Return escaped texts, each distinct text once."""
    coded = values.dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    index = coded.indices.fill_null(NOWHERE).to_numpy()
    if not distinct:
        return Texts(pa.array([], pa.string()), index)
    # Indented, orjson writes one text a line, and a raw newline never occurs in a JSON text.
    lines = orjson.dumps(distinct, option=orjson.OPT_INDENT_2).decode().split(",\n  ")
    lines[0] = lines[0].removeprefix("[\n  ")
    lines[-1] = lines[-1].removesuffix("\n]")
    return Texts(pa.array(lines, pa.string()), index)


def _struct_texts(values: pa.Array, point: Measurepoint) -> Texts:
    members = [  # by place: names may begin with a dot
        member(part.identifier, bare_texts(pc.struct_field(values, [number]), part))
        for number, part in enumerate(point.members)
    ]
    text, offsets, _ = lay_objects([], members, [always("}", len(values))], len(values))
    return texts_at(text, offsets, ~values.is_valid().to_numpy(zero_copy_only=False))


def _list_texts(values: pa.Array, point: Measurepoint) -> Texts:
    items = bare_texts(
        values.flatten(), Measurepoint(point.identifier, str(point.item_type))
    ).array()
    lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), items)
    return Texts(pc.binary_join(lists, ","), _places(values)).between("[", "]")


def marked_texts(texts: Texts, quality: pa.Array) -> Texts:
    """Return values as ``{"value":…,"quality":…}`` if they have a quality."""
    marks = number_texts(quality, ',"quality":', "}")
    is_marked = (marks.index != NOWHERE) & (texts.index != NOWHERE)
    opening = np.where(is_marked, 0, NOWHERE).astype(np.int32)
    closing = np.where(is_marked, marks.index, np.int32(NOWHERE))
    pieces = [Texts(pa.array(['{"value":']), opening), texts, Texts(marks.pool, closing)]
    return laid_texts(pieces, texts.index == NOWHERE)
