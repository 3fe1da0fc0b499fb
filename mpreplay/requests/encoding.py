"""Readings as the JSON text of the wire, a column at a time.

Pure. Every value becomes a piece of text; what stands around the values are pieces as well; and all
of them are laid down at once. No Python object is made for a value or a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ..model.measurepoint import Measurepoint
from ..values.number_texts import number_texts
from ..values.plain_text import plain_of, plain_of_odd
from ..values.text_pool import (
    NOWHERE,
    Texts,
    always,
    key_of,
    laid_texts,
    lay_objects,
    member,
    texts_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..history.readings import Column, Device
    from .entries import Entries

__all__ = ["Encoded", "encode_entries", "longest_text", "plain_texts", "texts_of"]

# How a BOOL travels is not documented; the model how-to (EnOS 2.0.9) asks for 0 and 1.
BOOL_TEXTS: Final = ("0", "1")


@dataclass(frozen=True, slots=True)
class Encoded:
    """The JSON texts of entries, one after the other, a comma behind each.

    Parameters
    ----------
    text : memoryview
        All of them.
    offsets : ndarray of int64, shape (n_entries + 1,)
        Where each begins. [bytes]
    n_values : ndarray of int64, shape (n_entries,)
        How many values each carries.
    """

    text: memoryview
    offsets: NDArray[np.int64]
    n_values: NDArray[np.int64]


def texts_of(column: Column) -> Texts:
    """Return the JSON texts of a column's values, with their quality where they have one.

    Examples
    --------
    >>> from .readings import Column
    >>> point = Measurepoint("P", "FLOAT")
    >>> values = pa.array([7.12, None, 100.0], pa.float32())
    >>> texts_of(Column(point, values, None, [], np.arange(3))).array().to_pylist()
    ['7.12', None, '100.0']
    """
    texts = _texts(column.values, column.point)
    if column.quality is not None:
        texts = _with_quality(texts, column.quality)
    if not column.odd:
        return texts
    # What does not fit its type travels as it is, if it travels at all.
    carried = [o for o in column.odd if o.text is not None]
    index = texts.index.copy()
    index[[o.position for o in carried]] = len(texts.pool) + np.arange(len(carried))
    pool = pa.array([o.text.decode() for o in carried if o.text is not None], pa.string())
    return Texts(pa.concat_arrays([texts.pool, pool]), index)


def plain_texts(column: Column, positions: NDArray[np.int64]) -> list[str]:
    """Return values as people read them, and ``read_plain`` does: texts bare, the rest as JSON."""
    chosen = pa.array(positions)
    values = column.values.take(chosen)
    if column.point.type in {"STRING", "DATE", "ANY"} or pa.types.is_string(values.type):
        shown = values.to_pylist()
    else:
        shown = _texts(values, column.point).array().to_pylist()
        if column.point.type == "TIMESTAMP":
            shown = [None if text is None else text.strip('"') for text in shown]
    shown = plain_of(shown, column.point)
    if column.quality is not None:
        marks = column.quality.take(chosen)
        marked = _with_quality(_texts(values, column.point), marks).array().to_pylist()
        choice = zip(marks.is_valid().to_pylist(), marked, shown, strict=True)
        shown = [whole if has_quality else text for has_quality, whole, text in choice]
    wanted = set(positions.tolist()) if column.odd else set()
    odd = {o.position: plain_of_odd(o, column.point) for o in column.odd if o.position in wanted}
    return [odd.get(p, text) or "" for p, text in zip(positions.tolist(), shown, strict=True)]


def encode_entries(entries: Entries, own: Device) -> Encoded:
    """Return the JSON text of each entry.

    Parameters
    ----------
    entries : Entries
        What is to be sent.
    own : Device
        The connection's own device, whose keys are left out: the platform then takes the
        gateway's [1]_.

    Returns
    -------
    Encoded

    References
    ----------
    .. [1] EnOS Device Connection 2.3, "Reporting Offline Measurement Points in Batch",
       productKey and deviceKey.
    """
    n = len(entries.time)
    heads = Texts(_heads(entries.readings.devices, own), entries.device.astype(np.int32))
    members = []
    for column, cells in zip(entries.readings.columns, entries.cells, strict=True):
        if (cells != NOWHERE).any():
            key, texts = _member(column)
            index = np.append(texts.index, np.int32(NOWHERE)).take(cells)
            members.append((key, Texts(texts.pool, index)))
    tail = number_texts(pa.array(entries.time), '},"time":', "},")
    return Encoded(*lay_objects([heads], members, [tail], n))


def _member(column: Column) -> tuple[str, Texts]:
    """Return a column's texts as :func:`member` does; plain numbers are written with their key."""
    kind = column.values.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not is_number or column.odd or column.quality is not None:
        return member(column.point.identifier, texts_of(column))
    return "", number_texts(column.values, key_of(column.point.identifier))


def longest_text(column: Column) -> int:
    """Return a bound that no value's text exceeds, without writing the texts, in bytes."""
    odd = max((len(o.text) for o in column.odd if o.text is not None), default=0)
    return max(odd, _longest(column.values) + len('{"value":,"quality":0}'))


def _longest(values: pa.Array) -> int:
    kind = values.type
    if pa.types.is_string(kind):  # six bytes a character at most: \\u001f
        return 6 * (pc.max(pc.binary_length(values)).as_py() or 0) + 2
    if pa.types.is_list(kind):
        items = pc.max(pc.list_value_length(values)).as_py() or 0
        return items * (_longest(values.flatten()) + 1) + 2
    if pa.types.is_struct(kind):
        fields = [_longest(pc.struct_field(values, [n])) for n in range(kind.num_fields)]
        return sum(fields) + sum(6 * len(f.name) + 4 for f in kind) + 2
    return 26  # the longest number, with quotes


def _heads(devices: Sequence[Device], own: Device) -> pa.Array:
    heads = []
    for device in devices:
        keys = {} if device == own else {"productKey": device[0], "deviceKey": device[1]}
        text = orjson.dumps(keys).decode()[:-1]
        heads.append(text + ("," if keys else "") + '"measurepoints":')
    return pa.array(heads, pa.string())


def _texts(values: pa.Array, point: Measurepoint) -> Texts:
    """Return the JSON texts of values of one type."""
    kind = values.type
    if point.type == "ANY":
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
    """Return texts escaped, each distinct one once."""
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
        member(part.identifier, _texts(pc.struct_field(values, [number]), part))
        for number, part in enumerate(point.members)
    ]
    text, offsets, _ = lay_objects([], members, [always("}", len(values))], len(values))
    return texts_at(text, offsets, ~values.is_valid().to_numpy(zero_copy_only=False))


def _list_texts(values: pa.Array, point: Measurepoint) -> Texts:
    items = _texts(values.flatten(), Measurepoint(point.identifier, str(point.item_type))).array()
    lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), items)
    return Texts(pc.binary_join(lists, ","), _places(values)).between("[", "]")


def _with_quality(texts: Texts, quality: pa.Array) -> Texts:
    """Return values as ``{"value":…,"quality":…}`` where they have a quality."""
    marks = number_texts(quality, ',"quality":', "}")
    is_marked = (marks.index != NOWHERE) & (texts.index != NOWHERE)
    opening = np.where(is_marked, 0, NOWHERE).astype(np.int32)
    closing = np.where(is_marked, marks.index, np.int32(NOWHERE))
    pieces = [Texts(pa.array(['{"value":']), opening), texts, Texts(marks.pool, closing)]
    return laid_texts(pieces, texts.index == NOWHERE)
