"""Cells that are no plain values: objects of any class, bytes that are no text, names twice."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay import Measurepoint
from mpreplay.cells.arrays import objects_of, plain_column, python_of
from mpreplay.cells.object_json import json_text, read_json
from mpreplay.display.reasons import reason
from mpreplay.model.point_types import POINT_TYPES
from mpreplay.values import objects as objects_module
from mpreplay.values.conversion import convert
from mpreplay.values.typed_column import Converted


class Broken:
    """A class whose objects raise whatever is done with them."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name) if name.startswith("_") else RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class Nowhere(dt.tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta | None:
        """Return None."""
        del moment

    def dst(self, moment: dt.datetime | None) -> dt.timedelta | None:
        """Return None."""
        del moment


class Level(enum.IntEnum):
    """Integers with names."""

    HIGH = 2


@dataclass
class Reading:
    """A class of a user's own."""

    x: float


Pair = namedtuple("Pair", "a b")
itself: list[Any] = []
itself.append(itself)
inside: dict[str, Any] = {}
inside["x"] = inside
NUMPY = [np.datetime64("2024-01-01"), np.datetime64("2024-01-01T00", "h"), np.datetime64("NaT"),
         np.datetime64(2**62, "s"), np.datetime64(1, "fs"), np.timedelta64(5, "ns"),
         np.timedelta64("NaT"), np.float16(1.5), np.float32(1.5), np.float64(1.5),
         np.longdouble("1e400"), np.int8(3), np.uint64(2**64 - 1), np.bool_(True), np.str_("a"),
         np.bytes_(b"a"), np.complex64(1), np.void(b"ab"), np.array(5.0), np.zeros((2, 2)),
         np.array([1.0, 2.0]), np.array(["a"], object), np.array([], float),
         np.array(["2024-01-01"], "M8[ns]"), np.array([1, 2], ">i4"),
         np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])]  # fmt: skip
OTHERS = [Broken(), Level.HIGH, Reading(1.0), Reading(float("inf")), Pair(1, 2), itself, inside,
          OrderedDict(x=1.0), {1: 2}, {1: 2, "1": 3}, {"x": [1, {"y": None}]}, (1, 2.5), {1, 2},
          frozenset({1}), range(3), Fraction(1, 3), b"\xb0C", bytearray(b"a"), memoryview(b"a"),
          pd.Timestamp("2024-01-01T00:00:00.000000001Z"), pd.Timestamp("2024-01-01"),
          pd.Timedelta("1s"), pd.Period("2024"), pd.Interval(0, 1), pd.Series([1.0]),
          pd.DataFrame({"a": [1]}), pa.scalar(1), pa.array([1]), dt.time(12), dt.timedelta(1),
          dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=Nowhere()), 10**30, -(10**30), 2**63,
          1j, "a\ud800", "\udcb0C", decimal.Decimal("1e999"), decimal.Decimal("sNaN"), object,
          print, int, ..., NotImplemented, ValueError("x")]  # fmt: skip
POINTS = [
    Measurepoint("p", kind) for kind in POINT_TYPES if kind not in {"ENUM", "ARRAY", "STRUCT"}
]
POINTS += [
    Measurepoint("p", "ENUM", keys=(1, 2)),
    Measurepoint("p", "ENUM", keys=("a",)),
    *(Measurepoint("p", "ARRAY", item_type=kind) for kind in ("INT", "FLOAT", "DOUBLE", "STRING")),
    Measurepoint("p", "STRUCT", members=(Measurepoint("x", "DOUBLE"), Measurepoint("1", "INT"))),
    Measurepoint("p", "DOUBLE", has_quality=True),
]
CELLS = [*NUMPY, *OTHERS, None, 1.5, 2, True, "a"]
cells = st.recursive(
    st.integers(0, len(CELLS) - 1).map(lambda n: CELLS[n]),  # hypothesis would write them
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
    | st.lists(inner, min_size=1, max_size=3).map(objects_of)
    | st.dictionaries(st.sampled_from(["x", "y", "value", "quality"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


def convert_checked(values: list[Any], point: Measurepoint) -> Converted:
    """Convert objects, and assert that each is a value, a misfit with a reason, or absent."""
    converted = convert(objects_of(values), point)

    assert len(converted.values) == len(values)
    assert converted.values.type == point.arrow_type()
    converted.values.validate(full=True)
    there = converted.values.is_valid().to_pylist()
    for misfit in converted.misfits:
        assert not there[misfit.position]
        assert reason(misfit.why)
        assert misfit.shown.encode()
        assert misfit.text is None or json.loads(misfit.text) is not ...
    return converted


@pytest.mark.parametrize("point", POINTS, ids=repr)
@settings(max_examples=30)
@given(values=st.lists(cells, max_size=4))
def test_a_cell_of_any_kind_is_a_value_a_misfit_or_absent(
    point: Measurepoint, values: list[Any]
) -> None:
    """No class of objects, at any depth, may end a replay of a year."""
    whole = convert_checked(values, point)

    for n, value in enumerate(values):  # and no cell changes what becomes of another
        alone = convert_checked([value], point)
        assert alone.values[0].equals(whole.values[n])
        assert [o._replace(position=n) for o in alone.misfits] == [
            o for o in whole.misfits if o.position == n
        ]


def test_arrow_is_shown_only_objects_of_classes_that_it_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a list with a datetime and a number, both of NumPy, pyarrow 26 makes a dead process."""
    shown: list[type] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(pa, name)

        @staticmethod
        def array(values: Any, *arguments: Any, **options: Any) -> Any:
            shown.extend(map(type, values))
            return pa.array(values, *arguments, **options)

    monkeypatch.setattr(objects_module, "pa", Watched())
    for point in POINTS:
        for value in [*NUMPY, *OTHERS, [np.datetime64("2024-01-01"), np.float32(1.5)]]:
            convert_checked([value, value], point)

    plain = (int, float, str, bool, type(None), np.generic, dt.date)
    assert {kind for kind in shown if not issubclass(kind, plain)} == set()


CELL = [np.datetime64("2024-01-01"), np.float32(1.5)]


@pytest.mark.parametrize("cell", [CELL, (CELL,), {"x": CELL}, np.array(CELL, object), [[CELL]]],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("place", ["value", "device", "product", "time", "point", "quality"])
def test_a_cell_that_ends_pyarrow_is_a_violation_wherever_it_stands(place: str, cell: Any) -> None:
    """A segmentation fault leaves no journal, no report, and no word of the row."""
    columns = {
        "time": [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-02", tz="UTC")],
        "device": ["d", "d"],
        "product": ["p", "p"],
        "point": ["x", "x"],
        "value": [1.5, 2.5],
        "quality": [1, 2],
    }
    columns[place] = [columns[place][0], cell]
    frame = pd.DataFrame({name: objects_of(column) for name, column in columns.items()})
    names = {"time_column": "time", "device_column": "device", "product_column": "product"}
    model = mp.ThingModel("M", {"x": Measurepoint("x", "DOUBLE", has_quality=True)})
    long = {"point_column": "point", "value_column": "value", "quality_column": "quality"}

    found = mp.validate(mp.read_history(frame, **names, **long), model)

    assert set(found.violations["row"]) == {1}


# Bytes that are no UTF-8.

LATIN = b"\xb0C"


def texts(*values: bytes | None, kind: pa.DataType | None = None) -> pa.Array:
    """Return an array of texts of any bytes, as Arrow reads them from Parquet."""
    plain = pa.array(values, pa.binary())
    array = pa.StringArray.from_buffers(len(plain), *plain.buffers()[1:], plain.buffers()[0])
    return array if kind is None else array.cast(kind)


def decoded(array: pa.Array) -> list[Any]:
    """Return a plain column as Python objects."""
    column = plain_column(array)
    return column.tolist() if isinstance(column, np.ndarray) else python_of(column)


ODD = texts(b"ok", LATIN, None, b"")
AS_OBJECTS = ["ok", "\udcb0C", None, ""]
FORMS = {
    "string": (ODD, AS_OBJECTS),
    "large": (ODD.cast(pa.large_string()), AS_OBJECTS),
    "view": (ODD.cast(pa.string_view()), AS_OBJECTS),
    "dictionary": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 3]), ODD.fill_null("")), AS_OBJECTS
    ),
    "slice": (ODD[1:3], AS_OBJECTS[1:3]),
    "clean slice": (ODD[2:], AS_OBJECTS[2:]),
    "list": (pa.ListArray.from_arrays([0, 2, 4], ODD), [AS_OBJECTS[:2], AS_OBJECTS[2:]]),
    "fixed list": (
        pa.FixedSizeListArray.from_arrays(ODD, 2), [AS_OBJECTS[:2], AS_OBJECTS[2:]]
    ),
    "struct": (
        pa.StructArray.from_arrays([ODD], ["x"]), [{"x": one} for one in AS_OBJECTS]
    ),
    "map": (
        pa.MapArray.from_arrays([0, 1, 2], ["a", "a"], ODD[:2]), [{"a": "ok"}, {"a": "\udcb0C"}]
    ),
    "map of keys": (
        pa.MapArray.from_arrays([0, 1], ODD[1:2], pa.array([1])), [{"\udcb0C": 1}]
    ),
    "extension": (
        pa.ExtensionArray.from_storage(pa.json_(), ODD), AS_OBJECTS
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", list(FORMS))
def test_bytes_that_are_no_text_become_surrogates_in_any_form(form: str) -> None:
    """Parquet says that they are UTF-8, and nobody looks until a cell is written."""
    array, wanted = FORMS[form]

    assert decoded(array) == wanted


def test_a_text_of_latin_1_is_a_violation_of_its_row_in_every_place(tmp_path: Any) -> None:
    """A degree sign in one row must not cost the other rows."""
    time = pa.array([0, 1000, 2000, 3000], pa.timestamp("ms", "UTC"))
    plain = {"time": time, "device": ["d"] * 4, "product": ["p"] * 4, "point": ["x"] * 4,
             "value": ["1", "2", "3", "4"], "quality": [1] * 4}  # fmt: skip
    names = {"time_column": "time", "device_column": "device", "product_column": "product"}
    long = {"point_column": "point", "value_column": "value", "quality_column": "quality"}
    odd = texts(b"2024-01-01T00:00:00Z", LATIN, b"2024-01-01T00:00:01Z", b"2024-01-01T00:00:02Z")
    model = mp.ThingModel("M", {"x": Measurepoint("x", "STRING", has_quality=True)})
    for place in plain:
        table = pa.table({**plain, place: odd})
        pq.write_table(table, tmp_path / "odd.parquet")
        for source in (table, tmp_path / "odd.parquet"):
            found = mp.validate(
                mp.read_history(source, **names, **long, plausible=None), model
            ).violations
            assert 1 in set(found["row"]), place
            assert place != "value" or set(found["check"]) == {"text"}
            assert not any("\udcb0" in text for text in found["value"])


@pytest.mark.parametrize("inner", [False, True])
def test_a_column_whose_name_is_no_text_is_shown_escaped(inner: bool) -> None:
    """It cannot be named in an argument, so that the error must say which it is."""
    field = pa.field("name", pa.float64())
    data = pa.array([1.0])
    named = pa.array([{"name": 1.0}], pa.struct([field])) if inner else data
    schema = pa.schema([pa.field("s" if inner else "name", named.type)])
    ipc = pa.BufferOutputStream()
    with pa.ipc.new_stream(ipc, schema) as writer:
        writer.write_table(pa.Table.from_arrays([named], schema=schema))
    raw = ipc.getvalue().to_pybytes().replace(b"name", b"n\xb0me")
    table = pa.ipc.open_stream(raw).read_all()

    with pytest.raises(mp.HistoryError, match=r"n\\xb0me"):
        mp.validate(mp.read_history(table, time_column="t"), mp.ThingModel("M", {}))


# Names that occur twice.

TWICE = pa.MapArray.from_arrays([0, 1, 3], ["x", "x", "x"], pa.array([1.0, 2.0, 3.0]))
DOUBLED = pa.StructArray.from_arrays([pa.array([1.0, 2.0])] * 2, ["x", "x"])


@pytest.mark.parametrize(
    ("array", "wrong"), [(TWICE, [1]), (DOUBLED, [0, 1])], ids=["map", "struct"]
)
@pytest.mark.parametrize("point", POINTS, ids=repr)
def test_a_name_twice_is_a_misfit_and_never_the_last_of_two(
    point: Measurepoint, array: pa.Array, wrong: list[int]
) -> None:
    """One of the two values is wrong, and nobody knows which."""
    converted = convert(array, point)

    assert set(wrong) <= {o.position for o in converted.misfits}
    for misfit in converted.misfits:
        if misfit.position in wrong:
            assert misfit.text is None  # it travels under no policy
    if point.is_struct:
        assert [reason(o.why) for o in converted.misfits] == ["has the member 'x' twice"] * len(
            wrong
        )


@pytest.mark.parametrize("text", ['{"x":1,"x":2}', '{"x":{"y":1,"y":2}}', '[{"x":1,"x":2}]'])
def test_a_json_text_with_a_name_twice_is_no_value(text: str) -> None:
    """In the long form, texts stand for structs, and parsers keep the last of two."""
    assert json_text(read_json(text)) is None
    model = mp.ThingModel("M", {"p": POINTS[-2]})
    frame = pd.DataFrame({"t": ["2024-01-01T00:00:00Z"], "p": ["p"], "v": [text]})
    history = mp.read_history(frame, time_column="t", point_column="p", value_column="v")

    assert mp.validate(history, model).n_violations


def test_keys_that_are_equal_as_texts_are_not_sent_as_one() -> None:
    """A dict may hold both 1 and "1", a JSON object may not."""
    for point in POINTS:
        converted = convert_checked([{1: 2, "1": 3}], point)
        assert [o.text for o in converted.misfits] == [None], point


def test_a_float_of_many_digits_in_a_text_is_rounded_once() -> None:
    """16777217.0000000001 lies above the middle between two FLOATs, its DOUBLE does not."""
    model = mp.ThingModel("M", {"x": Measurepoint("x", "FLOAT", minimum=16777218)})
    frame = pd.DataFrame({"t": ["2024-01-01T00:00:00Z"], "p": ["x"], "v": ["16777217.0000000001"]})
    history = mp.read_history(frame, time_column="t", point_column="p", value_column="v")

    assert mp.validate(history, model).ok
