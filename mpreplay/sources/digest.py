"""The digest of the cells that a history reads, by which data in memory is known again. Pure.

Equal values have equal digests, in any process: the chunks and slices of an array make no
difference, nor do the bytes behind an absent value, or the layout of the values in Arrow (32-bit
or 64-bit offsets, views, dictionaries, runs). The type is part of a value: an ``int32`` differs
from an ``int64``. Numbers are digested in the bytes of the machine, which are little-endian
wherever pyarrow has wheels; a journal is not continued on a machine of another order.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["digest_of_cells"]

_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARIES: Final = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
_LISTS: Final = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def digest_of_cells(parts: Iterable[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of columns, given as parts of consecutive rows.

    Parameters
    ----------
    parts : iterable of mapping of str to Arrow array or ndarray of object
        Columns by name. Parts of equal sizes give equal digests.
    """
    digest = hashlib.sha256()
    for part in parts:
        for name, column in part.items():
            digest.update(_framed(name.encode("utf-8", "surrogatepass")))
            for piece in _pieces(column):
                digest.update(len(piece).to_bytes(8, "little"))
                digest.update(piece)
    return digest.hexdigest()


def _framed(piece: bytes) -> bytes:
    """Return bytes behind their length, so that neighbours cannot run into each other."""
    return len(piece).to_bytes(8, "little") + piece


def _pieces(column: Any) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a column: kind, length, and values."""
    if isinstance(column, np.ndarray):
        yield from _of_objects(column)
        return
    yield repr((_kind(column.type), len(column))).encode("utf-8", "surrogatepass")
    if len(column):
        yield from _of_array(column)


def _is_any(tests: Iterable[Any], kind: pa.DataType) -> bool:
    return any(test(kind) for test in tests)


def _kind(kind: pa.DataType) -> object:
    """Return a type without its layout."""
    if isinstance(kind, pa.BaseExtensionType):
        return _kind(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _kind(kind.value_type)
    if _is_any(_TEXTS, kind):
        return "string"
    if _is_any(_BINARIES, kind):
        return "binary"
    if _is_any(_LISTS, kind):
        return ("list", _kind(kind.value_type))
    if pa.types.is_map(kind):
        return ("map", _kind(kind.key_type), _kind(kind.item_type))
    if pa.types.is_struct(kind):
        return ("struct", *((field.name, _kind(field.type)) for field in kind))
    return str(kind)


def _of_array(array: pa.Array) -> Iterator[bytes | memoryview]:
    """Yield the presence of the values of an array, then the values."""
    array = _plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        return
    if pa.types.is_union(kind):
        yield from _of_objects(np.array([*array.to_pylist(), None], object)[:-1])
        return
    if array.null_count:
        yield np.packbits(_is_valid(array)).tobytes()
    else:
        yield b""
    if pa.types.is_struct(kind):
        for child in array.flatten():  # absent where the struct is
            yield from _pieces(child)
    elif _is_any(_LISTS, kind) or pa.types.is_map(kind):
        lengths = pc.list_value_length(array).fill_null(0)
        yield np.asarray(lengths, np.dtype("<i8")).tobytes()
        yield from _pieces(array.flatten())
    elif _is_any(_TEXTS, kind) or _is_any(_BINARIES, kind):
        yield from _of_texts(array.drop_null() if array.null_count else array)
    else:
        yield _of_numbers(array)


def _plain(array: pa.Array) -> pa.Array:
    """Return an array without dictionary, runs, views or an extension type around its values."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(array.storage)
    if pa.types.is_dictionary(kind):
        return _plain(array.dictionary).take(array.indices)
    if pa.types.is_run_end_encoded(kind):
        return _plain(pc.run_end_decode(array))
    if pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return array.cast(pa.large_binary())
    if pa.types.is_map(kind):
        entries = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
        return array.cast(pa.list_(entries))
    return array


def _is_valid(array: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), bool)


def _of_texts(array: pa.Array) -> Iterator[bytes | memoryview]:
    """Yield the lengths of texts, and their bytes."""
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, places, data = array.buffers()
    if not len(array) or places is None:
        return
    offsets = np.frombuffer(places, np.int64 if wide else np.int32)
    offsets = offsets[array.offset : array.offset + len(array) + 1].astype("<i8")
    yield np.diff(offsets).tobytes()
    if data is not None:
        yield memoryview(data)[int(offsets[0]) : int(offsets[-1])]


def _of_numbers(array: pa.Array) -> bytes | memoryview:
    """Return the bytes of values of one width, with zeros for absent values."""
    if pa.types.is_boolean(array.type):
        held = array.fill_null(False).to_numpy(zero_copy_only=False)
        return np.packbits(np.asarray(held, bool)).tobytes()
    width = array.type.bit_width // 8
    data = array.buffers()[1]
    if data is None:
        return b""
    cells = np.frombuffer(data, np.uint8, len(array) * width, array.offset * width)
    if array.null_count and width:
        cells = cells.reshape(len(array), width).copy()
        cells[~_is_valid(array)] = 0
    return memoryview(cells.data).cast("B")


def _of_objects(cells: np.ndarray[Any, Any]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of Python objects: texts through Arrow, others one by one."""
    if pd.api.types.infer_dtype(cells, skipna=True) == "string":
        try:
            texts = pa.array(cells, pa.large_string(), from_pandas=True)
        except (pa.ArrowException, ValueError):
            pass  # not UTF-8: a lone surrogate
        else:
            yield b"texts"
            yield from _pieces(texts)
            return
    yield b"objects"
    for cell in cells.tolist():
        yield b"".join(_spelled(cell))


class _End:
    """The end of a container, in whose cells the container itself would be a circle."""

    __slots__ = ("of",)

    def __init__(self, of: int) -> None:
        self.of = of


def _spelled(value: Any) -> Iterator[bytes]:
    """Yield the kinds and the contents of an object, from the outside in.

    Without recursion: a cell may be nested deeper than Python's stack.
    """
    rest: list[Any] = [value]
    around: set[int] = set()
    while rest:
        one = rest.pop()
        if isinstance(one, _End):
            around.discard(one.of)
            continue
        kind = type(one)
        yield _framed(f"{kind.__module__}.{kind.__qualname__}".encode())
        inner = _inner(one)
        if inner is None:
            yield _framed(_scalar(one))
        elif id(one) in around:
            yield _framed(b"circle")
        else:
            yield len(inner).to_bytes(8, "little")
            around.add(id(one))
            rest.append(_End(id(one)))
            rest.extend(reversed(inner))


def _inner(value: Any) -> list[Any] | None:
    """Return the contents of a container, None for other objects."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, set | frozenset):
        return sorted(value, key=lambda one: b"".join(_spelled(one)))
    # The bytes of objects are addresses, and those of a longdouble have a gap.
    if isinstance(value, np.ndarray) and (value.dtype.hasobject or value.dtype.char in "gG"):
        return [str(value.shape), *value.ravel().tolist()]
    if isinstance(value, pa.Scalar):
        return [str(value.type), value.as_py()]
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return [str(value.type), *value.to_pylist()]
    if isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return [str(value.dtype), *value.tolist()]
    return None


def _scalar(value: Any) -> bytes:
    """Return the content of an object that is no container."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, np.ndarray):
        shape = f"{value.dtype.newbyteorder('<').str}{value.shape}".encode()
        return shape + value.astype(value.dtype.newbyteorder("<")).tobytes()
    if isinstance(value, int):
        return int.__format__(value, "x").encode()  # has no limit of digits
    if isinstance(value, dt.datetime | dt.time) and value is not pd.NaT:
        return f"{value.isoformat()} {value.fold}".encode()
    if isinstance(value, float | decimal.Decimal | np.generic | dt.date | dt.timedelta):
        return str(value).encode()
    try:
        return _ADDRESS.sub("", repr(value)).encode("utf-8", "surrogatepass")
    except Exception:
        return b"?"
