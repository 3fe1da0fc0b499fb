"""The values of a column as the JSON texts of the wire.

Pure. No Python object is made for a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import numbers_in, valid_in
from ..model.measurepoint import Measurepoint
from .misfits import longest_json
from .number_texts import number_texts, texts_of_numbers
from .text_pool import (
    NOWHERE,
    Member,
    Texts,
    always,
    key_of,
    laid,
    laid_texts,
    lay_objects,
    texts_at,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .typed_column import TypedColumn

__all__ = ["longest_text", "pieces_of", "texts_of"]

# The wire form of a BOOL is not documented; the model how-to (EnOS 2.0.9) asks for 0 and 1.
BOOL_TEXTS: Final = ("0", "1")
SAMPLE: Final = 128  # texts, of which at most half may be different if each is written once
_BELOW_ESCAPED, _QUOTE, _BACKSLASH = 0x20, ord('"'), ord("\\")


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


def pieces_of(column: TypedColumn, positions: NDArray[np.int64], before: str = "") -> list[Texts]:
    """Return the JSON texts of present values, as pieces to lay side by side.

    Parameters
    ----------
    column : TypedColumn
        The column.
    positions : ndarray of int64, shape (n,)
        Positions of the values, in any order.
    before : str
        Text before each value, such as its key.

    Examples
    --------
    >>> from mpreplay.values.typed_column import TypedColumn
    >>> values, marks = pa.array([7.5, 8.0], pa.float32()), pa.array([1, 0])
    >>> column = TypedColumn(Measurepoint("P", "FLOAT"), values, marks, [], np.arange(2))
    >>> [one.array().to_pylist() for one in pieces_of(column, np.arange(2), ',"P":')]
    [[',"P":{"value":7.5', ',"P":{"value":8.0'], [',"quality":1}', ',"quality":0}']]
    """
    quality = column.quality
    if quality is not None and not quality.null_count < len(quality):
        quality = None
    if not column.misfits:
        if quality is None:
            return _pieces(column.values, column.point, positions, before)
        if not quality.null_count or valid_in(quality)[positions].all():
            values = _pieces(column.values, column.point, positions, before + '{"value":')
            marks = numbers_in(quality)[positions]
            return [*values, texts_of_numbers(marks, ',"quality":', "}")]
    texts = texts_of(column).taken(positions)
    return [always(before, len(positions)), texts] if before else [texts]


def bare_texts(values: pa.Array, point: Measurepoint) -> Texts:
    """Return the JSON texts of values of one type."""
    if not values.null_count:
        return _laid(_pieces(values, point, None))
    there = np.flatnonzero(valid_in(values))
    return _laid(_pieces(values, point, there)).spread(there, len(values))


def _laid(pieces: list[Texts]) -> Texts:
    return pieces[0] if len(pieces) == 1 else laid_texts(pieces)


def _pieces(
    values: pa.Array,
    point: Measurepoint,
    positions: NDArray[np.int64] | None,
    before: str = "",
    after: str = "",
) -> list[Texts]:
    """Return the JSON texts of values, none null, as pieces; without positions, of all values."""
    kind = values.type
    if not len(values if positions is None else positions):
        return [Texts(pa.array([], pa.string()), np.zeros(0, np.int32))]
    if pa.types.is_timestamp(kind):
        before, after = before + '"', '"' + after
    if pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = numbers_in(values)
        chosen = numbers if positions is None else numbers[positions]
        return [texts_of_numbers(chosen, before, after)]
    chosen = values if positions is None else values.take(pa.array(positions))
    if point.is_any:
        texts = Texts(chosen, np.arange(len(chosen), dtype=np.int32))
        return _between([texts], before, after)
    if pa.types.is_boolean(kind):
        index = np.asarray(chosen.to_numpy(zero_copy_only=False), np.int32)
        return [Texts(pa.array([before + text + after for text in BOOL_TEXTS]), index)]
    if pa.types.is_string(kind):
        return [_string_texts(chosen, before, after)]
    return (_struct_pieces if pa.types.is_struct(kind) else _list_pieces)(
        chosen, point, before, after
    )


def _between(pieces: list[Texts], before: str, after: str) -> list[Texts]:
    n = len(pieces[0].index)
    first = [always(before, n)] if before else []
    return [*first, *pieces, always(after, n)] if after else [*first, *pieces]


def _string_texts(values: pa.Array, before: str, after: str) -> Texts:
    """Return escaped texts, each distinct text once if many are the same."""
    n = len(values)
    sample = values.take(pa.array(np.arange(0, n, n // SAMPLE + 1)))
    if 2 * len(sample.unique()) > len(sample):
        index = np.arange(n, dtype=np.int32)
    else:
        coded = values.dictionary_encode()
        values, index = coded.dictionary, coded.indices.to_numpy()
    if _is_escaped(values):
        return Texts(_escaped(values, before, after), index)
    return Texts(pc.binary_join_element_wise(before + '"', values, '"' + after, ""), index)


def _is_escaped(values: pa.Array) -> bool:
    """Return True if a text has a character that JSON escapes."""
    _, offsets, data = values.buffers()
    if data is None or not len(values):
        return False
    ends = np.frombuffer(offsets, np.int32)[[values.offset, values.offset + len(values)]]
    text = np.frombuffer(data, np.uint8)[ends[0] : ends[1]]
    return bool(
        text.min(initial=_QUOTE) < _BELOW_ESCAPED
        or (text == _QUOTE).any()
        or (text == _BACKSLASH).any()
    )


def _escaped(values: pa.Array, before: str, after: str) -> pa.Array:
    # Indented, orjson writes one text a line, and a raw newline never occurs in a JSON text.
    lines = orjson.dumps(values.to_pylist(), option=orjson.OPT_INDENT_2).decode().split(",\n  ")
    lines[0] = lines[0].removeprefix("[\n  ")
    lines[-1] = lines[-1].removesuffix("\n]")
    return pa.array([before + line + after for line in lines], pa.string())


def _struct_pieces(values: pa.Array, point: Measurepoint, before: str, after: str) -> list[Texts]:
    n = len(values)
    parts = [  # by place: names may begin with a dot
        (part, pc.struct_field(values, [number])) for number, part in enumerate(point.members)
    ]
    parts = [(part, array) for part, array in parts if array.null_count < n]
    if parts and all(not array.null_count for _, array in parts):
        ends = ["" for _ in parts[1:]] + ["}" + after]
        pieces: list[Texts] = []
        for (part, array), end in zip(parts, ends, strict=True):
            key = key_of(part.identifier)
            first = before + "{" + key[1:] if not pieces else key
            pieces += _pieces(array, part, None, first, end)
        return pieces
    members = []
    for part, array in parts:
        rows = np.flatnonzero(valid_in(array))
        members.append(Member(_pieces(array, part, rows, key_of(part.identifier)), rows))
    text, offsets, _ = lay_objects([], members, [always("}", n)], n)
    return _between([texts_at(text, offsets)], before, after)


def _list_pieces(values: pa.Array, point: Measurepoint, before: str, after: str) -> list[Texts]:
    """Return lists as one text of all items, in which each list begins where its first item does.

    The lists [7, 8] and [9] come as ``,7,8,9``; the first comma of each becomes a bracket.
    """
    item = Measurepoint(point.identifier, str(point.item_type))
    lengths = pc.list_value_length(values).to_numpy()
    items = _pieces(values.flatten(), item, None, ",")
    text, offsets = laid(items)
    offsets = offsets[np.concatenate([[0], np.cumsum(lengths)])]
    text[offsets[:-1][lengths > 0]] = ord("[")
    opening = pa.array(["", "["])
    return _between(
        [
            *([Texts(opening, (lengths == 0).astype(np.int32))] if not lengths.all() else []),
            texts_at(text.data, offsets),
        ],
        before,
        "]" + after,
    )


def marked_texts(texts: Texts, quality: pa.Array) -> Texts:
    """Return values as ``{"value":…,"quality":…}`` if they have a quality."""
    marks = number_texts(quality, ',"quality":', "}")
    is_marked = (marks.index != NOWHERE) & (texts.index != NOWHERE)
    opening = np.where(is_marked, 0, NOWHERE).astype(np.int32)
    closing = np.where(is_marked, marks.index, np.int32(NOWHERE))
    pieces = [Texts(pa.array(['{"value":']), opening), texts, Texts(marks.pool, closing)]
    return laid_texts(pieces, texts.index == NOWHERE)
