"""Entries laid by the compiled pass: the same bytes as without it."""

from __future__ import annotations

from typing import Any
from unittest import mock

import float_texts
import numpy as np
import pyarrow as pa
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import Measurepoint
from mpreplay.fast import library
from mpreplay.fast.laying import Numbers, Pieces, lay_entries, ordered, placed
from mpreplay.history.slab import Readings
from mpreplay.model.device import Device
from mpreplay.requests import encoding
from mpreplay.requests.encoding import Encoded, encode_entries
from mpreplay.requests.entries import Entries
from mpreplay.settings import Policy
from mpreplay.values.misfits import Misfit
from mpreplay.values.typed_column import TypedColumn

OWN = Device(*strategies.OWN)
NUMBERS = {
    "INT": st.integers(-(2**63), 2**63 - 1) | st.integers(-99, 99),
    "FLOAT": st.floats(width=32) | st.integers(-(10**6), 10**6).map(lambda n: n / 100),
    "DOUBLE": st.floats() | st.integers(-(10**9), 10**9).map(lambda n: n / 1_000),
}
OTHERS = {"STRING": strategies.texts, "BOOL": st.booleans(), "TIMESTAMP": strategies.datetimes}


@pytest.fixture(scope="module")
def compiled() -> Any:
    """Return the compiled pass, whether or not it is switched off."""
    state = library.found()
    if state.library is None:
        pytest.skip(str(state))
    return state.library


@st.composite
def columns(draw: Any, n: int) -> TypedColumn:
    """Draw a column: mostly numbers, some of them absent, sometimes a slice of a longer one."""
    kind = draw(st.sampled_from([*NUMBERS, *NUMBERS, *OTHERS]))
    point = Measurepoint(draw(strategies.identifiers), kind)
    before = draw(st.integers(0, 9))
    cells = draw(
        st.lists(st.none() | (NUMBERS | OTHERS)[kind], min_size=before + n, max_size=before + n)
    )
    values = pa.array(cells, point.arrow_type()).slice(before)
    quality, misfits = None, []
    if draw(st.integers(0, 3)) == 0:
        mark = draw(st.sampled_from([st.integers(0, 9), st.none() | st.integers(0, 9), st.none()]))
        quality = pa.array(draw(st.lists(mark, min_size=n, max_size=n)), pa.int64())
    absent = np.flatnonzero(~values.is_valid().to_numpy(zero_copy_only=False)).tolist()
    if absent and draw(st.integers(0, 3)) == 0:
        misfits = [Misfit.of(draw(st.sampled_from(absent)), "x", "type", mock.sentinel.why)]
    return TypedColumn(point, values, quality, misfits, np.arange(n))


@st.composite
def entries(draw: Any) -> Entries:
    """Draw entries of any order, some of which have no value at all."""
    n = draw(st.integers(0, 12))
    made = draw(st.lists(columns(n), max_size=4))
    devices = [Device(*strategies.OWN), Device("p1", "gerät 2\\"), Device("p1", "d" * 80)]
    device = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.int64)
    time = draw(st.lists(strategies.times, min_size=n, max_size=n))
    rows = np.arange(n)
    readings = Readings(0, "s", rows, np.array(time, np.int64), device, devices, (), made)
    return Entries(readings, device, readings.time, [draw(cells_of(column)) for column in made])


@st.composite
def cells_of(draw: Any, column: TypedColumn) -> Any:
    """Draw of each entry the position of a value that is there, or of none."""
    places = st.sampled_from([-1, *np.flatnonzero(column.present()).tolist()])
    n = len(column.values)
    return np.array(draw(st.lists(places, min_size=n, max_size=n)), np.int64)


def told(encoded: Encoded) -> tuple[bytes, list[int], list[int]]:
    """Return what can be compared."""
    return bytes(encoded.text), encoded.offsets.tolist(), encoded.n_values.tolist()


def both(of: Entries, compiled: Any) -> tuple[Encoded, Encoded]:
    """Return the texts of entries, with and without the compiled pass."""
    with used(compiled):
        ours = encode_entries(of, OWN)
    with used(None):
        return ours, encode_entries(of, OWN)


def used(functions: Any) -> Any:
    """Use the compiled pass, or none."""
    return mock.patch.object(library, "state", return_value=library.State(functions, ""))


@settings(max_examples=120)
@given(entries())
def test_entries_are_the_same_bytes_with_and_without_the_pass(
    compiled: Any, drawn: Entries
) -> None:
    """A run may be continued on a machine that has no compiler."""
    with mock.patch.object(encoding, "_laid", wraps=encoding._laid) as general:
        ours, theirs = both(drawn, compiled)

    assert told(ours) == told(theirs)
    assert general.call_count == 1  # the pass could lay all of them


@settings(max_examples=60)
@given(strategies.cases())
def test_a_history_makes_the_same_requests_with_and_without_the_pass(
    compiled: Any, case: strategies.Case
) -> None:
    """Of every type, invalid and repeated values among them."""
    policy = Policy(on_invalid="withhold", duplicates="last")
    made = []
    for functions in (compiled, None):
        with used(functions):
            slabs = strategies.prepare(case.history, case.model, policy)
        made.append([(c.payload("7", policy), c.n_values) for s in slabs for c in s.chunks()])

    assert made[0] == made[1]


def test_long_columns_are_the_same_bytes(compiled: Any) -> None:
    """Numbers of a grid are written once a slab without the pass, and one by one with it."""
    random = np.random.default_rng(3)
    n = 5_000
    numbers = {
        "FLOAT": [float_texts.random_bits(random, np.float32, n), np.arange(n) / 100],
        "DOUBLE": [float_texts.random_bits(random, np.float64, n), random.integers(0, 99, n) / 8],
        "INT": [random.integers(-(2**63), 2**63 - 1, n), random.integers(0, 9, n)],
    }
    made = []
    for kind, arrays in numbers.items():
        for array in arrays:
            point = Measurepoint(f"{kind}{len(made)}", kind)
            values = pa.array(array).cast(point.arrow_type())
            made.append(TypedColumn(point, values, None, [], np.arange(n)))
    time = np.arange(n) * 600_000
    device = np.zeros(n, np.int64)
    readings = Readings(0, "s", np.arange(n), time, device, [OWN], (), made)
    cells = [np.where(random.random(n) < 0.9, np.arange(n), -1) for _ in made]

    ours, theirs = both(Entries(readings, device, time, cells), compiled)

    assert told(ours) == told(theirs)


@pytest.mark.parametrize(
    ("device", "cells", "places"),
    [
        ([1], [0], [0]),
        ([-1], [0], [0]),
        ([], [0], [0]),
        ([0], [1], [0]),
        ([0], [2**40], [0]),
        ([0], [], [0]),
        ([0], [0], [1]),
    ],
)
def test_a_place_that_is_not_there_is_refused(
    compiled: Any, device: list[int], cells: list[int], places: list[int]
) -> None:
    """No length or place that something else got wrong leads outside the arrays."""
    pool = pa.array(["x"])
    heads = Pieces("", pool, np.zeros(1, np.int32), np.array(device, np.int64))
    texts = Pieces(",", pool, np.array(places, np.int32), np.array(cells, np.int64))
    numbers = Numbers(",", pa.array([1.5]), np.array(cells, np.int64))
    time = np.zeros(1, np.int64)

    assert lay_entries(compiled, heads, time, [texts]) is None
    if places == [0]:
        assert lay_entries(compiled, heads, time, [numbers]) is None


@pytest.mark.parametrize(("at", "homes"), [([2], [0, 0]), ([-1], [0, 0]), ([1], [0, 1])])
def test_a_value_of_a_row_that_is_not_there_is_refused(
    compiled: Any, at: list[int], homes: list[int]
) -> None:
    """As above: an entry is looked up in arrays that other code made."""
    assert placed(compiled, np.array(at), np.ones(1, bool), np.array(homes), 1) is None
    assert placed(compiled, np.array(at), np.zeros(1, bool), np.array(homes), 1).tolist() == [-1]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(-1, 5), st.integers(-5, 5)), max_size=30), st.booleans())
def test_rows_are_ordered_alike_or_not_at_all(
    compiled: Any, keys: list[tuple[int, int]], in_time: bool
) -> None:
    """The order of rows decides which of two readings is the first."""
    if in_time:
        keys.sort(key=lambda key: key[1])
    code, time = (np.array([key[n] for key in keys], np.int64) for n in (0, 1))

    order = ordered(compiled, code, time)

    if order is not None:
        assert order.tolist() == np.lexsort((time, code)).tolist()
    elif in_time and len(keys):
        assert code.min() < 0 or code.max() >= len(code)


def test_the_pass_writes_nothing_behind_its_room(compiled: Any) -> None:
    """Were the room too small, the pass would say so, byte for byte."""
    import ctypes

    numbers = np.array([-1.25e-300] * 50)
    from mpreplay.fast.layout import Column

    column = Column(values=numbers.ctypes.data, n=50, kind=library.KINDS["float64"], key=b"")
    text = ctypes.create_string_buffer(b"#" * 2_000, 2_000)
    for room in range(1_600):
        size = compiled.lane_numbers(column, ctypes.addressof(text), room)
        assert size < 0 or size <= room
        assert text.raw[room:] == b"#" * (2_000 - room), room


def test_numbers_of_all_kinds_are_written_as_by_orjson(compiled: Any) -> None:
    """The long comparison is a command; this is what a minute of it would find first."""
    assert not [
        told
        for numbers in float_texts.patterns(500_000, seed=11)
        if (told := float_texts.differing(compiled, numbers))
    ]
