"""Readings as the JSON text of the wire, a column at a time.

Pure. Every value becomes a piece of text in a pool; an index says which piece stands where; one
``take`` lays the text of all entries down. An absent value is the empty piece, so sparse and dense
readings share one path, and no Python object is made for a value or a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from .measurepoint import Measurepoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .entries import Entries
    from .readings import Column, Device

__all__ = ["Encoded", "Texts", "encode_entries", "longest_text", "plain_texts", "texts_of"]

NOWHERE: Final = -1
# How a BOOL travels is not documented; the model how-to (EnOS 2.0.9) asks for 0 and 1.
BOOL_TEXTS: Final = ("0", "1")


@dataclass(frozen=True, slots=True)
class Texts:
    """The JSON texts of a column: ``pool[index[n]]`` is that of value n, -1 says it is absent."""

    pool: pa.Array
    index: NDArray[np.int64]

    def lengths(self) -> NDArray[np.int64]:
        """Return the length of each value's text, in bytes; 0 where it is absent."""
        sizes = pc.binary_length(self.pool).to_numpy(zero_copy_only=False).astype(np.int64)
        return np.append(sizes, 0)[self.index]

    def array(self) -> pa.Array:
        """Return one text a value, null where it is absent."""
        return self.pool.take(pa.array(self.index, mask=self.index == NOWHERE))


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
    """Return values as people read them: texts without quotes, the rest as JSON."""
    chosen = pa.array(positions)
    values = column.values.take(chosen)
    if column.point.type in {"STRING", "DATE", "ANY"} or pa.types.is_string(values.type):
        shown = values.to_pylist()
    else:
        shown = _texts(values, column.point).array().to_pylist()
        if column.point.type == "TIMESTAMP":
            shown = [None if text is None else text.strip('"') for text in shown]
    odd = {o.position: o.shown for o in column.odd}
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
    columns = entries.readings.columns
    heads = Texts(_heads(entries.readings.devices, own), entries.device)
    pieces = [heads]
    filled = np.zeros(n, bool)
    n_values = np.zeros(n, np.int64)
    for column, cells in zip(columns, entries.cells, strict=True):
        texts = texts_of(column)
        index = np.append(texts.index, NOWHERE)[cells]
        present = index != NOWHERE
        if not present.any():
            continue
        pieces += [_name(column.point.identifier, present, filled), Texts(texts.pool, index)]
        filled |= present
        n_values += present
    pieces += [_always('},"time":', n), _numbers(entries.time), _always("},", n)]
    text, offsets = _lay(pieces, n)
    return Encoded(text, offsets, n_values)


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
        heads.append(text + ("," if keys else "") + '"measurepoints":{')
    return pa.array(heads, pa.string())


def _name(identifier: str, present: NDArray[np.bool_], filled: NDArray[np.bool_]) -> Texts:
    """Return the key before a value, with a comma where something stands before it."""
    key = orjson.dumps(identifier).decode() + ":"
    index = np.where(present, filled.astype(np.int64), NOWHERE)
    return Texts(pa.array([key, "," + key], pa.string()), index)


def _always(text: str, n: int) -> Texts:
    return Texts(pa.array([text], pa.string()), np.zeros(n, np.int64))


def _lay(pieces: list[Texts], n: int) -> tuple[memoryview, NDArray[np.int64]]:
    """Lay pieces side by side, row by row; return the text and where each row begins."""
    longest = sum(pc.max(pc.binary_length(p.pool)).as_py() or 0 for p in pieces)
    kind, width = (
        (pa.string(), np.int32) if n * longest < 2**31 - 1 else (pa.large_string(), np.int64)
    )
    index = np.zeros((n, len(pieces)), np.int32)
    pools = [pa.array([""], kind)]
    start = 1  # piece 0 is the empty text, for what is absent
    for number, piece in enumerate(pieces):
        np.add(piece.index, start, out=index[:, number], casting="unsafe")
        index[piece.index == NOWHERE, number] = 0
        pools.append(piece.pool.cast(kind))
        start += len(piece.pool)
    laid = pa.concat_arrays(pools).take(pa.array(index.reshape(-1)))
    _, offsets, data = laid.buffers()
    begins = np.frombuffer(offsets, width, len(laid) + 1)[:: len(pieces)] if n else np.zeros(1)
    return memoryview(data) if data is not None else memoryview(b""), begins.astype(np.int64)


def _laid_texts(pieces: list[Texts], absent: NDArray[np.bool_]) -> Texts:
    """Lay pieces side by side into one text a row."""
    text, offsets = _lay(pieces, len(absent))
    pool = pa.LargeStringArray.from_buffers(len(absent), pa.py_buffer(offsets), pa.py_buffer(text))
    return Texts(pool.cast(pa.string()), np.where(absent, NOWHERE, np.arange(len(absent))))


def _texts(values: pa.Array, point: Measurepoint) -> Texts:
    """Return the JSON texts of values of one type."""
    kind = values.type
    if point.type == "ANY":
        return Texts(values.fill_null(""), _places(values))
    if pa.types.is_boolean(kind):
        index = values.cast(pa.int8()).fill_null(NOWHERE).to_numpy(zero_copy_only=False)
        return Texts(pa.array(BOOL_TEXTS), index.astype(np.int64))
    if pa.types.is_string(kind):
        return _string_texts(values)
    if pa.types.is_struct(kind):
        return _struct_texts(values, point)
    if pa.types.is_list(kind):
        return _list_texts(values, point)
    if pa.types.is_timestamp(kind):
        return _quoted(_texts(values.cast(pa.int64()), Measurepoint(point.identifier, "INT")))
    numbers = _numbers(values.drop_null().to_numpy(zero_copy_only=False))
    return Texts(numbers.pool, _dense_places(values))


def _places(values: pa.Array) -> NDArray[np.int64]:
    """Return the position of each value, -1 where it is absent."""
    valid = values.is_valid().to_numpy(zero_copy_only=False)
    return np.where(valid, np.arange(len(values)), NOWHERE)


def _dense_places(values: pa.Array) -> NDArray[np.int64]:
    """Return the place of each value among the present ones, -1 where it is absent."""
    if not values.null_count:
        return np.arange(len(values))
    valid = values.is_valid().to_numpy(zero_copy_only=False)
    return np.where(valid, np.cumsum(valid) - 1, NOWHERE)


def _numbers(numbers: NDArray[np.generic]) -> Texts:
    """Return numbers as orjson writes them, cut at its commas."""
    if not len(numbers):
        return Texts(pa.array([], pa.string()), np.zeros(0, np.int64))
    written = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)
    text = np.frombuffer(written, np.uint8)[1:-1]
    is_comma = text == ord(",")
    commas = np.flatnonzero(is_comma)
    # Without its commas the text begins its n-th number n bytes earlier.
    ends = np.append(commas, len(text)) - np.arange(len(numbers))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    data = text[~is_comma]
    pool = pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(data))
    return Texts(pool, np.arange(len(numbers)))


def _string_texts(values: pa.Array) -> Texts:
    """Return texts escaped, each distinct one once."""
    coded = values.dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    index = coded.indices.fill_null(NOWHERE).to_numpy().astype(np.int64)
    if not distinct:
        return Texts(pa.array([], pa.string()), index)
    # Indented, orjson writes one text a line, and a raw newline never occurs in a JSON text.
    lines = orjson.dumps(distinct, option=orjson.OPT_INDENT_2).decode().split(",\n  ")
    lines[0] = lines[0].removeprefix("[\n  ")
    lines[-1] = lines[-1].removesuffix("\n]")
    return Texts(pa.array(lines, pa.string()), index)


def _quoted(texts: Texts) -> Texts:
    n = len(texts.index)
    return _laid_texts([_always('"', n), texts, _always('"', n)], texts.index == NOWHERE)


def _struct_texts(values: pa.Array, point: Measurepoint) -> Texts:
    n = len(values)
    pieces = [_always("{", n)]
    filled = np.zeros(n, bool)
    for number, member in enumerate(point.members):  # by place: names may begin with a dot
        texts = _texts(pc.struct_field(values, [number]), member)
        present = texts.index != NOWHERE
        pieces += [_name(member.identifier, present, filled), texts]
        filled |= present
    pieces.append(_always("}", n))
    return _laid_texts(pieces, ~values.is_valid().to_numpy(zero_copy_only=False))


def _list_texts(values: pa.Array, point: Measurepoint) -> Texts:
    items = _texts(values.flatten(), Measurepoint(point.identifier, str(point.item_type))).array()
    lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), items)
    joined = pc.binary_join(lists, ",")
    n = len(values)
    texts = Texts(joined, np.arange(n))
    absent = ~values.is_valid().to_numpy(zero_copy_only=False)
    return _laid_texts([_always("[", n), texts, _always("]", n)], absent)


def _with_quality(texts: Texts, quality: pa.Array) -> Texts:
    """Return values as ``{"value":…,"quality":…}`` where they have a quality."""
    marks = _texts(quality, Measurepoint("quality", "INT"))
    marked = np.where((marks.index != NOWHERE) & (texts.index != NOWHERE), 0, NOWHERE)
    index = np.where(marked == 0, marks.index, NOWHERE)
    pieces = [
        Texts(pa.array(['{"value":']), marked),
        texts,
        Texts(pa.array([',"quality":']), marked),
        Texts(marks.pool, index),
        Texts(pa.array(["}"]), marked),
    ]
    return _laid_texts(pieces, texts.index == NOWHERE)
