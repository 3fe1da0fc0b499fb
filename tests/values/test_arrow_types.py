"""Every type of Arrow, as every type of measurement point, in every place of a history."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay import Measurepoint
from mpreplay.cells.arrays import in_one_piece, plain_column, python_of

NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)


def _of(values: list[Any]) -> Callable[[pa.DataType], pa.Array]:
    return lambda kind: pa.array(values, kind)


def _coded(values: pa.Array) -> Callable[[pa.DataType], pa.Array]:
    return lambda kind: pa.DictionaryArray.from_arrays(
        pa.array([0, 1], kind.index_type), values.cast(kind.value_type)
    )


def _stored(storage: pa.Array) -> Callable[[pa.DataType], pa.Array]:
    return lambda kind: pa.ExtensionArray.from_storage(kind, storage)


UUIDS = pa.array([uuid.UUID(int=n).bytes for n in (1, 2)], pa.binary(16))
TYPES = pa.array([0, 1], pa.int8())
CHILDREN = [pa.array([1, 2]), pa.array(["a", "b"])]
RUNS = pa.int32()
# Two values of each type.
ARRAYS: dict[str, pa.Array] = {
    str(kind): make(kind)
    for make, kinds in [
        (_of([None, None]), [pa.null()]),
        (_of([True, False]), [pa.bool_()]),
        (_of([1, 0]), [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(),
                       pa.int64(), pa.uint64(), pa.decimal32(5, 1), pa.decimal64(9, 2),
                       pa.decimal128(20, 3), pa.decimal256(60, 9)]),
        (lambda kind: pa.array(np.array([1, 0], kind.to_pandas_dtype()), kind),
         [pa.float16(), pa.float32(), pa.float64()]),
        (_of(["on", "off"]), [pa.string(), pa.large_string(), pa.string_view()]),
        (_of([b"on", b"of"]), [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)]),
        (_of([NOON.date()] * 2), [pa.date32(), pa.date64()]),
        (_of([dt.time(12)] * 2), [pa.time32("s"), pa.time32("ms"), pa.time64("us"),
                                pa.time64("ns")]),
        (_of([NOON] * 2), [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns")
                           for zone in ("UTC", "+01:00")]),
        (_of([NOON.replace(tzinfo=None)] * 2), [pa.timestamp(u) for u in ("s", "ms", "us", "ns")]),
        (_of([dt.timedelta(1)] * 2), [pa.duration(u) for u in ("s", "ms", "us", "ns")]),
        (_of([pa.MonthDayNano([1, 2, 3])] * 2), [pa.month_day_nano_interval()]),
        (_of([[1, 0], [1, 2]]), [pa.list_(pa.int64()), pa.large_list(pa.int64()),
                              pa.list_(pa.int64(), 2), pa.list_view(pa.int64()),
                              pa.large_list_view(pa.int64())]),
        (_of([["on"], []]), [pa.list_(pa.string_view()), pa.large_list(pa.large_string())]),
        (_of([{"x": 1}, {"x": 0}]), [pa.struct([("x", pa.int64())])]),
        (_of([{"x": "on"}] * 2), [pa.struct([("x", pa.string_view())])]),
        (_of([{"z": "on"}] * 2), [pa.struct([("z", pa.string())])]),
        (_of([[("x", 1)], [("x", 0)]]), [pa.map_(pa.string(), pa.int64())]),
        (_of([[(1, 1)], [(2, 0)]]), [pa.map_(pa.int64(), pa.int64())]),
        (_coded(pa.array(["on", "off"])), [pa.dictionary(pa.int8(), pa.string()),
                                           pa.dictionary(pa.uint32(), pa.large_string())]),
        (_coded(pa.array([1, 0])), [pa.dictionary(pa.int64(), pa.int64())]),
        (lambda kind: pc.run_end_encode(pa.array(["on", "off"]), run_end_type=RUNS),
         [pa.run_end_encoded(RUNS, pa.string())]),
        (lambda kind: pc.run_end_encode(pa.array([1, 0]), run_end_type=RUNS),
         [pa.run_end_encoded(RUNS, pa.int64())]),
        (lambda kind: pa.UnionArray.from_sparse(TYPES, CHILDREN),
         [pa.sparse_union([pa.field("0", pa.int64()), pa.field("1", pa.string())])]),
        (lambda kind: pa.UnionArray.from_dense(TYPES, pa.array([0, 0], RUNS), CHILDREN),
         [pa.dense_union([pa.field("0", pa.int64()), pa.field("1", pa.string())])]),
        (_stored(UUIDS), [pa.uuid()]),
        (_stored(pa.array(["1", "{}"])), [pa.json_()]),
        (_stored(pa.array([7, 0], pa.int8())), [pa.bool8()]),
        (_stored(pa.array([[1, 0], [2, 1]], pa.list_(pa.int32(), 2))),
         [pa.fixed_shape_tensor(pa.int32(), [2])]),
        (_stored(pa.array([1, 0])), [pa.opaque(pa.int64(), "a", "b")]),
    ]
    for kind in kinds
}  # fmt: skip
STRUCT = Measurepoint("v", "STRUCT", members=(Measurepoint("x", "INT"), Measurepoint("1", "INT")))
POINTS = [
    *(Measurepoint("v", kind) for kind in ("INT", "FLOAT", "DOUBLE", "BOOL")),
    Measurepoint("v", "ENUM", keys=(0, 1)),
    Measurepoint("v", "ENUM", keys=("on", "off")),
    *(Measurepoint("v", kind) for kind in ("STRING", "DATE", "TIMESTAMP")),
    STRUCT,
    Measurepoint("v", "ARRAY", item_type="DOUBLE"),
    Measurepoint("v", "ANY"),
]
SINGLE = POINTS[:9]
ITEMS = [0, 1, 2, 6]  # of SINGLE: those that an array may have
PLACES = ["device", "product", "time", "point", "quality"]


def model_of(point: Measurepoint) -> mp.ThingModel:
    """Return a model of one point; of a point of any type, one that passes all through."""
    if point.is_any:
        return mp.ThingModel("M", {}, pass_through=True)
    return mp.ThingModel("M", {point.identifier: point})


def outcome(table: pa.Table, model: mp.ThingModel, **options: Any) -> str:
    """Return c if the values were converted, v if a row has a violation, e for an error of ours."""
    try:
        found = mp.validate(mp.read_history(table, **options, plausible=None), model)
    except mp.MpReplayError as error:
        assert "column" in str(error)
        return "e"
    found.violations.to_string()
    return "v" if found.n_violations else "c" if found.n_values else "-"


def as_value(array: pa.Array, point: Measurepoint) -> str:
    """Return what becomes of the values of a type as those of a point."""
    time = pa.array([0, 1000][: len(array)], pa.timestamp("ms", "UTC"))
    return outcome(pa.table({"t": time, "v": array}), model_of(point), time_column="t")


def in_place(array: pa.Array, place: str) -> str:
    """Return what becomes of a type that stands in another place than that of the values."""
    n = len(array)
    columns: dict[str, Any] = {
        "time": pa.array([0, 1000][:n], pa.timestamp("ms", "UTC")), "device": ["d"] * n,
        "product": ["p"] * n, "point": ["v"] * n, "value": [1.0] * n, "quality": [1] * n,
    }  # fmt: skip
    model = mp.ThingModel("M", {"v": Measurepoint("v", "DOUBLE", has_quality=True)})
    return outcome(
        pa.table({**columns, place: array}), {"p": model},  # type: ignore[arg-type]
        time_column="time", device_column="device", product_column="product",
        point_column="point", value_column="value", quality_column="quality",
    )  # fmt: skip


# What becomes of each type, as a point of each of POINTS and in each of PLACES: c converted, v a
# violation of its row, e an error that names the column, - no value.
EXPECTED = {
    "null": "------------ vvvvc",
    "bool": "vvvcvvvvvvvc eeeev",
    "int8": "cccccvvvcvvc cvevc",
    "uint8": "cccccvvvcvvc cvevc",
    "int16": "cccccvvvcvvc cvevc",
    "uint16": "cccccvvvcvvc cvevc",
    "int32": "cccccvvvcvvc cvevc",
    "uint32": "cccccvvvcvvc cvevc",
    "int64": "cccccvvvcvvc cvevc",
    "uint64": "cccccvvvcvvc cvevc",
    "decimal32(5, 1)": "cccvcvvvvvvc eeeec",
    "decimal64(9, 2)": "cccvcvvvvvvc eeeec",
    "decimal128(20, 3)": "cccvcvvvvvvc eeeec",
    "decimal256(60, 9)": "cccvcvvvvvvc eeeec",
    "halffloat": "cccccvvvcvvc eeeec",
    "float": "cccccvvvcvvc eeeec",
    "double": "cccccvvvcvvc eeeec",
    "string": "vvvvvccvvvvc cvvvv",
    "large_string": "vvvvvccvvvvc cvvvv",
    "string_view": "vvvvvccvvvvc cvvvv",
    "binary": "vvvvvvvvvvvv eeeev",
    "large_binary": "vvvvvvvvvvvv eeeev",
    "binary_view": "vvvvvvvvvvvv eeeev",
    "fixed_size_binary[2]": "vvvvvvvvvvvv eeeev",
    "date32[day]": "vvvvvvvcvvvc eeeev",
    "date64[ms]": "vvvvvvvcvvvc eeeev",
    "time32[s]": "vvvvvvvvvvvv eeeev",
    "time32[ms]": "vvvvvvvvvvvv eeeev",
    "time64[us]": "vvvvvvvvvvvv eeeev",
    "time64[ns]": "vvvvvvvvvvvv eeeev",
    "timestamp[s, tz=UTC]": "vvvvvvvccvvc eecev",
    "timestamp[s, tz=+01:00]": "vvvvvvvccvvc eecev",
    "timestamp[ms, tz=UTC]": "vvvvvvvccvvc eecev",
    "timestamp[ms, tz=+01:00]": "vvvvvvvccvvc eecev",
    "timestamp[us, tz=UTC]": "vvvvvvvccvvc eecev",
    "timestamp[us, tz=+01:00]": "vvvvvvvccvvc eecev",
    "timestamp[ns, tz=UTC]": "vvvvvvvccvvc eecev",
    "timestamp[ns, tz=+01:00]": "vvvvvvvccvvc eecev",
    "timestamp[s]": "vvvvvvvcvvvc eeeev",
    "timestamp[ms]": "vvvvvvvcvvvc eeeev",
    "timestamp[us]": "vvvvvvvcvvvc eeeev",
    "timestamp[ns]": "vvvvvvvcvvvc eeeev",
    "duration[s]": "vvvvvvvvvvvc eeeev",
    "duration[ms]": "vvvvvvvvvvvc eeeev",
    "duration[us]": "vvvvvvvvvvvc eeeev",
    "duration[ns]": "vvvvvvvvvvvc eeeev",
    "month_day_nano_interval": "vvvvvvvvvvvv vvvvv",
    "list<item: int64>": "vvvvvvvvvvcc eeeev",
    "large_list<item: int64>": "vvvvvvvvvvcc eeeev",
    "fixed_size_list<item: int64>[2]": "vvvvvvvvvvcc eeeev",
    "list_view<item: int64>": "vvvvvvvvvvcc vvvvv",
    "large_list_view<item: int64>": "vvvvvvvvvvcc vvvvv",
    "list<item: string_view>": "vvvvvvvvvvvc vvvvv",
    "large_list<item: large_string>": "vvvvvvvvvvvc eeeev",
    "struct<x: int64>": "vvvvvvvvvcvc eeeev",
    "struct<x: string_view>": "vvvvvvvvvvvc vvvvv",
    "struct<z: string>": "vvvvvvvvvvvc eeeev",
    "map<string, int64>": "vvvvvvvvvcvc eeeev",
    "map<int64, int64>": "vvvvvvvvvvvc eeeev",
    "dictionary<values=string, indices=int8, ordered=0>": "vvvvvccvvvvc cvvvv",
    "dictionary<values=large_string, indices=uint32, ordered=0>": "vvvvvccvvvvc cvvvv",
    "dictionary<values=int64, indices=int64, ordered=0>": "cccccvvvcvvc cvevc",
    "run_end_encoded<run_ends: int32, values: string>": "vvvvvccvvvvc cvvvv",
    "run_end_encoded<run_ends: int32, values: int64>": "cccccvvvcvvc cvevc",
    "sparse_union<0: int64=0, 1: string=1>": "vvvvvvvvvvvc cvevv",
    "dense_union<0: int64=0, 1: string=1>": "vvvvvvvvvvvc cvevv",
    "extension<arrow.uuid>": "vvvvvvvvvvvc vvvvv",
    "extension<arrow.json>": "vvvvvvcvvvvc cvvvv",
    "extension<arrow.bool8>": "vvvcvvvvvvvc eeeev",
    "extension<arrow.fixed_shape_tensor[value_type=int32, shape=[2]]>": "vvvvvvvvvvcc eeeev",
    "extension<arrow.opaque[storage_type=int64, type_name=a, vendor_name=b]>": "cccccvvvcvvc cvevc",
}


@pytest.mark.parametrize("name", list(ARRAYS))
def test_a_type_of_arrow_is_converted_a_violation_or_an_error_of_ours(name: str) -> None:
    """No type that a file may hold ends a replay in words of another library."""
    values, places = EXPECTED[name].split()

    assert "".join(as_value(ARRAYS[name], point) for point in POINTS) == values
    assert "".join(in_place(ARRAYS[name], place) for place in PLACES) == places


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "null"])
def test_members_and_items_are_converted_as_values_are(name: str) -> None:
    """A type that is known outside a struct is known inside, and the other way around."""
    array, values = ARRAYS[name], EXPECTED[name]
    struct = pa.StructArray.from_arrays([array], ["x"])
    items = pa.ListArray.from_arrays([0, 1, 2], array)
    members = [Measurepoint("v", "STRUCT", members=(as_member(point),)) for point in SINGLE]
    arrays = [Measurepoint("v", "ARRAY", item_type=SINGLE[n].type) for n in ITEMS]

    assert "".join(as_value(struct, point) for point in members) == values[: len(SINGLE)]
    assert [as_value(items, point) for point in arrays] == [values[n] for n in ITEMS]


def as_member(point: Measurepoint) -> Measurepoint:
    """Return a point as the member x of a struct."""
    return replace(point, identifier="x")


@pytest.mark.parametrize("name", list(ARRAYS))
def test_a_group_without_values_has_none(name: str) -> None:
    """Files hold empty groups, and columns that are null throughout."""
    array = ARRAYS[name]
    for point in POINTS:
        assert as_value(array[:0], point) == "-"
    assert len(in_one_piece(pa.chunked_array([], array.type))) == 0


@pytest.mark.parametrize("name", list(ARRAYS))
@settings(max_examples=10)
@given(st.lists(st.integers(0, 1), max_size=5), st.integers(0, 5), st.integers(0, 5))
def test_a_plain_column_holds_the_same_values(
    name: str, rows: list[int], start: int, length: int
) -> None:
    """Of slices and of several chunks, too, where casts of Arrow have read beyond the slice."""
    pieces = [ARRAYS[name][n : n + 1] for n in rows]
    whole = pa.chunked_array(pieces, ARRAYS[name].type)
    wanted = [one for piece in pieces for one in python_of(piece)]

    assert objects_in(in_one_piece(whole)) == wanted
    if pieces:
        joined = in_one_piece(whole)
        part = joined[start : start + length]
        assert objects_in(part) == wanted[start : start + length]
    assert objects_in(plain_column(ARRAYS[name][1:])) == python_of(ARRAYS[name][1:])


def objects_in(column: Any) -> list[Any]:
    """Return a column as Python objects."""
    return column.tolist() if isinstance(column, np.ndarray) else python_of(column)


def coded(keys: list[Any], index: list[int | None], kind: pa.DataType) -> pa.Array:
    """Return a dictionary array."""
    return pa.DictionaryArray.from_arrays(pa.array(index, kind), pa.array(keys, pa.string()))


def test_dictionaries_with_a_null_or_too_many_keys_are_one_column() -> None:
    """Each chunk has a dictionary of its own; together they may be too many for the index."""
    null = coded(["a", None], [0, 1, None], pa.int8())
    chunks = [coded([f"{n} {m}" for m in range(100)], list(range(100)), pa.int8()) for n in "ab"]

    assert objects_in(plain_column(null)) == ["a", None, None]
    assert objects_in(in_one_piece(pa.chunked_array([null, null]))) == ["a", None, None] * 2
    assert objects_in(in_one_piece(pa.chunked_array(chunks))) == [
        f"{n} {m}" for n in "ab" for m in range(100)
    ]


def test_a_null_among_the_keys_is_no_value_of_an_unknown_point() -> None:
    """It would be a violation of a value that is not there."""
    time = pa.array([0, 1000], pa.timestamp("ms", "UTC"))
    table = pa.table({"t": time, "v": coded(["a", None], [0, 1], pa.int8())})

    assert mp.validate(mp.read_history(table, time_column="t"), model_of(POINTS[6])).n_values == 1


@pytest.mark.parametrize("kind", [pa.string_view(), pa.list_view(pa.int64())], ids=str)
def test_pandas_columns_of_views_are_read(kind: pa.DataType) -> None:
    """Polars and DuckDB hand them over."""
    cell: Any = "a" if kind == pa.string_view() else [1, 2]
    array = pa.array([cell, None], kind)
    frame = pd.DataFrame({"x": pd.array(array, dtype=pd.ArrowDtype(kind))})
    frame.index = pd.date_range("2024", periods=2, tz="UTC")

    found = mp.validate(mp.read_history(frame), mp.ThingModel.from_frame(frame))

    assert (found.ok, found.n_values) == (True, 1)
