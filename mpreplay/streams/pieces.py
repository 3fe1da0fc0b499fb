"""Pieces of a stream as Arrow tables that a Parquet file can hold. Pure.

Layouts differ from piece to piece where the values do not: the same text may be a dictionary's, a
view or plain, and a column without a value has no type. A piece is brought to plain layouts first,
and then to the types of the pieces before it; no value is changed on the way, or it is an error.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import absent_in
from ..cells.arrays import python_of
from ..cells.epoch import instants_of, is_aware, naive_of
from ..errors import HistoryError
from ..sources.source import INDEX, first_line, raw_column

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["conformed", "merged", "plain_table", "table_of_frame"]

_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARIES: Final = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
_LISTS: Final = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_UNITS: Final = ("s", "ms", "us", "ns")
MOST_EXACT: Final = 2**53  # whole numbers up to here are doubles, too


def plain_table(table: pa.Table, empty: Container[str] = ()) -> pa.Table:
    """Return a table in plain layouts, its columns named in ``empty`` without their cells.

    Examples
    --------
    >>> table = pa.table({"a": pa.array(["x", "x"]).dictionary_encode(), "b": [1, 2]})
    >>> plain_table(table, {"b"}).schema.types
    [DataType(string), DataType(null)]
    """
    arrays = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in empty:
            arrays.append(pa.chunked_array([pa.nulls(table.num_rows)]))
        else:
            chunks = [_plain(chunk) for chunk in column.chunks]
            arrays.append(pa.chunked_array(chunks, _plain_type(column.type)))
    fields = [pa.field(name, a.type) for name, a in zip(table.column_names, arrays, strict=True)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _is_any(tests: Iterable[Callable[[pa.DataType], bool]], kind: pa.DataType) -> bool:
    return any(test(kind) for test in tests)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same values in a layout that Parquet keeps."""
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return kind
        return (
            pa.bool_() if kind.extension_name == "arrow.bool8" else _plain_type(kind.storage_type)
        )
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if _is_any(_TEXTS, kind):
        return pa.string()
    if _is_any(_BINARIES, kind):
        return pa.binary()
    if _is_any(_LISTS, kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(one.name, _plain_type(one.type)) for one in kind])
    return kind


def _plain(array: pa.Array) -> pa.Array:
    kind = array.type
    wanted = _plain_type(kind)
    if wanted == kind:
        return array
    if isinstance(kind, pa.BaseExtensionType):
        is_flag = kind.extension_name == "arrow.bool8"  # any number but 0 means true
        return pc.not_equal(array.storage, 0) if is_flag else _plain(array.storage)
    if pa.types.is_dictionary(kind):
        return _plain(array.dictionary).take(array.indices)
    if pa.types.is_run_end_encoded(kind):
        return _plain(pc.run_end_decode(array))
    is_view = pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
    try:
        # Arrow's cast of a slice of a list view fails or reads beyond the slice.
        return pa.array(python_of(array), wanted) if is_view else array.cast(wanted)
    except pa.ArrowException:  # no way for a type deep within
        return pa.array(python_of(array), wanted)


def table_of_frame(frame: pd.DataFrame, *, by_index: bool, empty: Container[str] = ()) -> pa.Table:
    """Return a DataFrame as Arrow, with its index as a column if that is the time.

    Raises
    ------
    HistoryError
        If a column holds objects that are of no single type.
    """
    arrays: dict[str, Any] = {}
    for number, name in enumerate(frame.columns):
        if not isinstance(name, str):
            raise HistoryError(f"column names must be text, got {name!r}; rename the column")
        if name in arrays:
            raise HistoryError(f"the column {name!r} occurs twice; rename one")
        if name in empty:
            arrays[name] = pa.nulls(len(frame))
        else:
            arrays[name] = _arrow_of(raw_column(frame.iloc[:, number]), name)
    if by_index:
        index = frame.index.to_series(index=pd.RangeIndex(len(frame)))
        arrays[INDEX] = _arrow_of(raw_column(index), "the index")
    return pa.table(arrays)


def _arrow_of(column: Any, name: str) -> pa.Array:
    """Return a column of objects as Arrow, each kind by its own maker."""
    if not isinstance(column, np.ndarray):
        return column
    absent = absent_in(column)
    values = column[~absent].tolist()
    kinds = set(map(type, values))
    made = None
    for classes, make in _MAKERS:
        if kinds and all(issubclass(kind, classes) for kind in kinds):
            try:
                made = make(values)
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                raise _no_type(name, kinds, first_line(error)) from error
            break
    if made is None and kinds:
        raise _no_type(name, kinds)
    if made is None:
        return pa.nulls(len(column))
    return made.take(pa.array(np.cumsum(~absent) - 1, mask=absent)) if absent.any() else made


def _no_type(name: str, kinds: Iterable[type], why: str = "") -> HistoryError:
    found = sorted(
        f"{one.__module__}.{one.__qualname__}".removeprefix("builtins.") for one in kinds
    )
    return HistoryError(
        f"the column {name!r} holds Python objects that a Parquet file has no single type for "
        f"({', '.join(found[:4])}{', …' if found[4:] else ''}{f': {why}' if why else ''}); give "
        "it one type, or pass a list of the frames, which are read from memory as they are"
    )


def _numbers(values: list[Any]) -> pa.Array:
    if all(isinstance(value, int | np.integer) for value in values):
        return pa.array([int(value) for value in values])
    if any(isinstance(v, int | np.integer) and abs(int(v)) > MOST_EXACT for v in values):
        raise ValueError("integers beyond 2**53 beside floats")
    return pa.array([float(value) for value in values], pa.float64())


def _moments(values: list[Any]) -> pa.Array:
    aware = set(map(is_aware, values))
    if len(aware) > 1:
        raise ValueError("some have a zone, some have none")
    return instants_of(values) if aware == {True} else naive_of(values)


def _days(values: list[Any]) -> pa.Array:
    if any(isinstance(value, dt.datetime) for value in values):
        raise ValueError("dates beside datetimes")
    return pa.array(values, pa.date32())


def _nested(values: list[Any]) -> pa.Array:
    """Return lists as Arrow, and dicts of the same keys."""
    plain = [_unwrapped(value) for value in values]
    keys = {tuple(value) for value in plain if isinstance(value, dict)}
    if len(keys) > 1:
        raise ValueError("dicts of different keys")
    return pa.array(plain)


_LEAVES: Final = (str, bool, int, float, bytes, decimal.Decimal, type(None))


def _unwrapped(value: Any) -> Any:
    """Return a list or a dict of plain objects: Arrow may end the process over others."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_unwrapped(one) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _unwrapped(one) for key, one in value.items()}
    if type(value) in _LEAVES:
        return value
    raise ValueError(f"a {type(value).__qualname__} within")


# Classes of objects, and how objects of these classes alone become an Arrow array.
_MAKERS: Final[tuple[tuple[tuple[type, ...], Callable[[list[Any]], pa.Array]], ...]] = (
    ((str,), lambda values: pa.array(values, pa.string())),
    ((bool, np.bool_), lambda values: pa.array([bool(value) for value in values])),
    # A truth value is an int to Python, and none to the platform.
    ((np.integer, np.floating, float), _numbers),
    ((int,), lambda values: _numbers(_without_flags(values))),
    ((int, np.integer, np.floating, float), lambda values: _numbers(_without_flags(values))),
    ((decimal.Decimal,), pa.array),
    ((bytes,), pa.array),
    ((dt.datetime,), _moments),
    ((dt.date,), _days),
    ((list, tuple, np.ndarray), _nested),
    ((dict,), _nested),
)


def _without_flags(values: list[Any]) -> list[Any]:
    if any(isinstance(value, bool) for value in values):
        raise ValueError("truth values beside numbers")
    return values


def merged(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of two types, None if there is none.

    Examples
    --------
    >>> merged(pa.int64(), pa.float64()), merged(pa.null(), pa.string())
    (DataType(double), DataType(string))
    >>> merged(pa.string(), pa.int64()) is None
    True
    """
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    for is_of, merge in _MERGED:
        if is_of(one) and is_of(other):
            return merge(one, other)
    return None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_exact(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _of_arrow(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    schemas = [pa.schema([("x", kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def _of_times(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if (one.tz is None) != (other.tz is None):
        return None
    unit = max(one.unit, other.unit, key=_UNITS.index)
    return pa.timestamp(unit, one.tz if one.tz == other.tz else "UTC")


def _of_lists(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    inner = merged(one.value_type, other.value_type)
    return None if inner is None else pa.list_(inner)


def _of_structs(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if [field.name for field in one] != [field.name for field in other]:
        return None
    inner = [merged(a.type, b.type) for a, b in zip(one, other, strict=True)]
    if None in inner:
        return None
    return pa.struct([pa.field(f.name, kind) for f, kind in zip(one, inner, strict=True)])


_Merge = Callable[[pa.DataType, pa.DataType], "pa.DataType | None"]
_MERGED: Final[tuple[tuple[Callable[[pa.DataType], bool], _Merge], ...]] = (
    (_is_number, _of_arrow),
    (_is_exact, _of_arrow),  # never a decimal and a float: casts between them are not exact
    (pa.types.is_timestamp, _of_times),
    (pa.types.is_list, _of_lists),
    (pa.types.is_struct, _of_structs),
)


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table in the types of a schema, with null for the columns that it lacks.

    Raises
    ------
    HistoryError
        If a value has no equal in its type there.
    """
    if table.schema == schema:
        return table
    arrays = []
    for field in schema:
        if field.name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table[field.name]
        try:
            arrays.append(column.cast(field.type))
        except pa.ArrowException as error:
            raise HistoryError(
                f"the column {field.name!r} is {column.type} here and {field.type} in other "
                f"batches, and a value has no equal there ({first_line(error)})"
            ) from error
    return pa.Table.from_arrays(arrays, schema=schema)
