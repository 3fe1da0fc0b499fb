"""Values as JSON: what is parsed is what was meant."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from unittest import mock

import numpy as np
import oracle
import orjson
import pandas as pd
import pyarrow as pa
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import Limits, Measurepoint, ThingModel
from mpreplay.checks.checker import Checker
from mpreplay.history.readings import read_slab
from mpreplay.history.slab import Readings
from mpreplay.model.device import Device
from mpreplay.model.model_set import ModelSet
from mpreplay.requests.encoding import encode_entries
from mpreplay.requests.entries import Entries, entries_of
from mpreplay.requests.preparing import Preparer
from mpreplay.requests.succession import Succession
from mpreplay.settings import Policy
from mpreplay.values import number_texts as numerals
from mpreplay.values.column_json import longest_text, texts_of
from mpreplay.values.number_texts import number_texts
from mpreplay.values.plain_text import plain_texts
from mpreplay.values.typed_column import TypedColumn

OWN = Device(*strategies.OWN)


@st.composite
def columns(draw: Any) -> tuple[TypedColumn, list[Any], list[int | None]]:
    """Draw a column of one type, with or without quality, and what it holds."""
    point = draw(strategies.measurepoints(draw(strategies.identifiers)))
    cells = draw(st.lists(strategies.values(point) | st.none(), max_size=8))
    cells = [None if oracle.is_absent(cell) else cell for cell in cells]
    marks: list[int | None] = [None] * len(cells)
    if point.type != "STRUCT" and draw(st.booleans()):
        marks = [None if c is None else draw(st.none() | st.integers(0, 9)) for c in cells]
    values = pa.array(cells, point.arrow_type())
    quality = pa.array(marks, pa.int64()) if any(m is not None for m in marks) else None
    return TypedColumn(point, values, quality, [], np.arange(len(cells))), cells, marks


def wanted(point: Measurepoint, cells: list[Any], marks: list[int | None]) -> list[str | None]:
    """Return the texts that ``json.dumps`` writes."""
    return [
        None if c is None else json.dumps(oracle.with_quality(oracle.wire(c, point), mark))
        for c, mark in zip(cells, marks, strict=True)
    ]


def normal(text: str | None) -> str | None:
    """Return a JSON text as ``json.dumps`` writes it: 1 and 1.0 still differ, the order counts."""
    return None if text is None else json.dumps(json.loads(text))


# From how many numbers on repeated ones are looked for: as it is, and so that few are enough.
few = st.sampled_from([numerals.FEW, 2])


@settings(deadline=None, max_examples=60)
@given(columns(), few)
def test_a_columns_texts_mean_what_the_oracle_writes(drawn: Any, least: int) -> None:
    """Whatever the type, the platform reads the value that was measured."""
    column, cells, marks = drawn

    with mock.patch.object(numerals, "FEW", least):
        texts = texts_of(column)

    assert [normal(t) for t in texts.array().to_pylist()] == wanted(column.point, cells, marks)
    lengths = [len((t or "").encode()) for t in texts.array().to_pylist()]
    assert texts.lengths().tolist() == lengths
    assert max(lengths, default=0) <= longest_text(column)


@settings(deadline=None, max_examples=40)
@given(columns(), st.data())
def test_a_slice_of_a_column_has_the_texts_of_its_values(drawn: Any, data: Any) -> None:
    """Arrow's lists and structs share buffers with their neighbours, who must not leak in."""
    column, cells, _ = drawn
    start = data.draw(st.integers(0, len(cells)))
    part = TypedColumn(column.point, column.values.slice(start), None, [], column.at[start:])

    texts = texts_of(part).array().to_pylist()

    assert [normal(t) for t in texts] == wanted(
        column.point, cells[start:], [None] * len(cells[start:])
    )


@settings(deadline=None, max_examples=60)
@given(strategies.cases(valid=True, repeats=False, most_rows=8))
def test_a_request_is_what_the_oracle_writes(case: strategies.Case) -> None:
    """Dense or sparse, with any names: the whole request is right, and in the order promised."""
    models = ModelSet.of(case.model)
    policy = Policy(True, False, "withhold")
    preparer = Preparer(models, Checker(models), policy, Limits(), OWN)

    slabs = list(Succession(preparer, (None, None)).prepared(case.history.slabs(models.all())))
    payloads = [c.payload("7", policy) for slab in slabs for c in slab.chunks()]

    made = oracle.entries(case.rows, case.model, OWN)
    meant = [oracle.request(made, "7", offline=True, skip=False)] if made else []
    assert [json.dumps(json.loads(p)) for p in payloads] == [json.dumps(m) for m in meant]


@settings(deadline=None, max_examples=60)
@given(strategies.cases(repeats=False))
def test_invalid_values_never_garble_a_request(case: strategies.Case) -> None:
    """Where wrong values are taken out, what stands around them stays whole."""
    models = ModelSet.of(case.model)
    policy = Policy(on_invalid="withhold")
    preparer = Preparer(models, Checker(models), policy, Limits(), OWN)

    slabs = list(Succession(preparer, (None, None)).prepared(case.history.slabs(models.all())))
    sent = [
        entry
        for slab in slabs
        for chunk in slab.chunks()
        for entry in json.loads(chunk.payload("7", policy))["params"]
    ]

    assert json.dumps(sent) == json.dumps(oracle.entries(case.rows, case.model, OWN))


@pytest.mark.parametrize("kind", sorted(strategies.WRONG))
def test_a_value_that_does_not_fit_travels_as_it_is(kind: str) -> None:
    """Whoever lets the platform judge must know that it sees what was recorded."""
    point = Measurepoint("a", kind, **FACTS.get(kind, {}))
    wrong = strategies.WRONG[kind]
    rows = [oracle.Row("p1", "d1", time, {"a": value}) for time, value in enumerate(wrong)]
    policy = Policy(on_invalid="send", duplicates="last")

    history = strategies.read(strategies.frame_of(rows, ["a"]))
    slabs = strategies.prepare(history, ThingModel("M", {"a": point}), policy)
    sent = [
        entry["measurepoints"]["a"]
        for slab in slabs
        for chunk in slab.chunks()
        for entry in json.loads(chunk.payload("7", policy))["params"]
    ]

    assert sent == [oracle.as_it_is(value) for value in wrong if oracle.can_travel(value)]


POOLS: dict[str, list[Any]] = {
    "INT": [0, 7, -3, 2**31 - 1],
    "FLOAT": [n / 100 for n in range(-150, 150)],
    "DOUBLE": [0.1, 123456.789, -0.0, 5e-324, 1.7e308],
    "BOOL": [True, False],
    "ENUM": [1, 2],
    "STRING": ["", 'a,"b"', "größe\n", "風😀"],
    "DATE": ["2024-01-01 00:00:00", "1969-12-31 23:59:59"],
    "TIMESTAMP": [oracle.EPOCH, oracle.EPOCH + dt.timedelta(days=9, milliseconds=1)],
    "STRUCT": [{"x": 1}, {"x": 2, "y,": 'n"'}, {"y,": ""}],
    "ARRAY": [[], [0.5], [1.0, -2.25, 1e30]],
}
FACTS: dict[str, dict[str, Any]] = {
    "INT": {"has_quality": True},
    "ENUM": {"keys": (1, 2)},
    "STRUCT": {"members": (Measurepoint("x", "INT"), Measurepoint("y,", "STRING"))},
    "ARRAY": {"item_type": "FLOAT"},
}


@pytest.mark.parametrize("absent", [0.0, 0.1, 0.9])
def test_a_long_history_is_what_the_oracle_writes(absent: float) -> None:
    """Where thousands of rows repeat what was measured, each still carries its own."""
    random = np.random.default_rng(7)
    model = ThingModel("M", {k: Measurepoint(k, k, **FACTS.get(k, {})) for k in POOLS})
    rows, marks = [], []
    for number in range(3_000):
        there = {
            name: pool[random.integers(len(pool))]
            for name, pool in POOLS.items()
            if random.random() >= absent
        }
        rows.append(oracle.Row("p1", f"d{number % 3}", number // 3 * 600_000, there))
        marks.append(int(random.integers(3)) if "INT" in there and random.random() < 0.7 else None)
    frame = strategies.frame_of(rows, list(POOLS)).assign(mark=pd.Series(marks, dtype="Int64"))

    policy = Policy(on_invalid="withhold", duplicates="last")
    slabs = strategies.prepare(strategies.read(frame, quality={"INT": "mark"}), model, policy)
    payloads = [c.payload("7", policy) for slab in slabs for c in slab.chunks()]

    sent = [entry for payload in payloads for entry in json.loads(payload)["params"]]
    meant = oracle.entries(rows, model, strategies.OWN, marks={"INT": marks})
    assert [json.dumps(entry) for entry in sent] == [json.dumps(entry) for entry in meant]


def test_an_entry_without_a_value_is_an_empty_object() -> None:
    """None is sent, but whoever encodes one gets JSON."""
    readings = Readings(
        0, "", np.arange(2), np.arange(2), np.zeros(2, np.int64), [Device("p", "d")], {},
        [TypedColumn(Measurepoint("a", "INT"), pa.array([5]), None, [], np.arange(1))],
    )  # fmt: skip
    entries = Entries(readings, readings.device, readings.time, [np.array([-1, 0])])

    encoded = encode_entries(entries, Device("p", "d"))

    text = b'{"measurepoints":{},"time":0},{"measurepoints":{"a":5},"time":1},'
    assert bytes(encoded.text) == text
    assert encoded.n_values.tolist() == [0, 1]


@st.composite
def repeated(draw: Any) -> np.ndarray[Any, Any]:
    """Draw many numbers: on a grid or beside it, of any type."""
    random = np.random.default_rng(draw(st.integers(0, 99)))
    kind = np.dtype(draw(st.sampled_from(["f4", "f8", "i8"])))
    first, span = (
        draw(st.integers(-(2**40), 2**40)),
        draw(st.sampled_from([0, 1, 50, 3_000, 10**6])),
    )
    step = draw(st.sampled_from([1, 10, 100, 1_000, 3]))
    first = first if draw(st.booleans()) else draw(st.integers(-span - 1, 1))
    numbers = first + random.integers(0, span, 2_000, endpoint=True)
    numbers = numbers * step if kind.kind == "i" else numbers / step
    misfits = draw(st.lists(st.sampled_from([-0.0, 1e-7, 0.005, 1e30, -1e30, 5e-324, 1 / 3, 7.0])))
    if kind.kind == "f":
        numbers[random.integers(0, 2_000, len(misfits))] = misfits
    return np.asarray(numbers.astype(kind))


@settings(deadline=None, max_examples=80)
@given(repeated(), st.sampled_from([0.0, 0.02, 0.5]), st.sampled_from([("", ""), (',"k,é":', "}")]))
def test_repeated_numbers_are_written_as_any_are(
    numbers: Any, absent: float, around: tuple[str, str]
) -> None:
    """To write a number once for all its readings must not change a byte of it."""
    mask = np.random.default_rng(0).random(len(numbers)) < absent
    written = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY).decode()[1:-1].split(",")
    before, after = around

    texts = number_texts(pa.array(numbers, mask=mask), before, after).array().to_pylist()

    assert texts == [
        None if gone else f"{before}{one}{after}" for one, gone in zip(written, mask, strict=True)
    ]


def test_readings_of_few_decimals_are_written_once_each() -> None:
    """Encoding is only quick because of it, so it had better happen."""
    readings = pa.array(np.arange(5_000) % 2_000 / 100, pa.float32())
    times = pa.array(1_388_534_400_000 + np.arange(5_000) // 4 * 600_000)
    noise = pa.array(np.random.default_rng(1).random(5_000), pa.float32())

    assert len(number_texts(readings).pool) == 2_000
    assert len(number_texts(times).pool) == 1_250
    assert len(number_texts(noise).pool) == 5_000


def edges(bits: Any, mantissa: int) -> list[Any]:
    """Return the bit patterns around zero, one, the powers of two, and both ends."""
    top = bits(1 << (8 * np.dtype(bits).itemsize - 1))
    powers = np.arange(int(top) >> mantissa).astype(bits) << bits(mantissa)
    positive = np.concatenate([powers, powers + bits(1), powers[1:] - bits(1)])
    return [positive, positive | top]


@pytest.mark.parametrize(
    ("bits", "floats", "mantissa"), [(np.uint32, np.float32, 23), (np.uint64, np.float64, 52)]
)
def test_every_float_reads_back_as_itself(bits: Any, floats: Any, mantissa: int) -> None:
    """Not one digit is lost: a million bit patterns of either width round-trip."""
    random = np.random.default_rng(20_140_101)
    patterns = random.integers(0, np.iinfo(bits).max, 900_000, dtype=bits, endpoint=True)
    subnormal = random.integers(0, 1 << mantissa, 100_000, dtype=bits)
    numbers = np.concatenate([*edges(bits, mantissa), subnormal, patterns]).view(floats)
    numbers = numbers[np.isfinite(numbers)]
    point = Measurepoint("P", "FLOAT" if floats is np.float32 else "DOUBLE")

    texts = texts_of(TypedColumn(point, pa.array(numbers), None, [], np.arange(len(numbers))))
    written = texts.array()
    read = np.array(json.loads(f"[{','.join(written.to_pylist())}]")).astype(floats)

    assert (read.view(bits) == numbers.view(bits)).all()
    assert pa.compute.all(pa.compute.match_substring_regex(written, "[.e]")).as_py()


def test_a_float_travels_in_its_shortest_form() -> None:
    """7.12 goes as 7.12, not as the 64-bit neighbour of a 32-bit number."""
    values = pa.array([7.12, 100.0, -0.0, None, 1e-7], pa.float32())

    texts = texts_of(TypedColumn(Measurepoint("P", "FLOAT"), values, None, [], np.arange(5)))

    assert texts.array().to_pylist() == ["7.12", "100.0", "-0.0", None, "1e-7"]


def test_empty_columns_of_every_type_have_no_texts() -> None:
    """A slab without rows is no special case for anyone."""
    for kind in strategies.TYPES:
        facts: dict[str, Any] = {
            "ENUM": {"keys": (1,)},
            "ARRAY": {"item_type": "FLOAT"},
            "STRUCT": {"members": (Measurepoint("a", "INT"),)},
        }.get(kind, {})
        point = Measurepoint("x", kind, **facts)
        for length in (0, 2):
            values = pa.nulls(length, point.arrow_type())
            column = TypedColumn(point, values, None, [], np.arange(length))

            assert texts_of(column).array().to_pylist() == [None] * length
            assert longest_text(column) > 0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | strategies.texts
                | st.lists(st.integers(-9, 9), max_size=3), max_size=6))  # fmt: skip
def test_what_passes_through_travels_in_its_natural_type(cells: list[Any]) -> None:
    """A pass-through model promises to add nothing and to take nothing away."""
    model = ThingModel("M", {"known": Measurepoint("known", "INT")}, pass_through=True)
    rows = [oracle.Row("p1", "d1", n, {"free": cell}) for n, cell in enumerate(cells)]
    models = ModelSet.of(model)
    history = strategies.read(strategies.frame_of(rows, ["free"]))

    sent = []
    for raw in history.slabs(models.all()):
        for readings in read_slab(raw, models, OWN, (None, None)):
            entries = entries_of(readings, [column.present() for column in readings.columns])
            encoded = encode_entries(entries, OWN)
            sent += orjson.loads(b"[" + bytes(encoded.text)[:-1] + b"]")

    assert [e["measurepoints"]["free"] for e in sent] == [c for c in cells if c is not None]


def test_people_read_texts_without_quotes() -> None:
    """An auditor sees Zürich and 1700000000000, not their JSON."""
    when = dt.datetime.fromtimestamp(1_700_000_000, dt.UTC)
    for kind, cell, shown in (
        ("STRING", 'Z"ü', 'Z"ü'),
        ("TIMESTAMP", when, "1700000000000"),
        ("DATE", "2024-01-01 00:00:00", "2024-01-01 00:00:00"),
        ("FLOAT", 7.12, "7.12"),
        ("BOOL", True, "1"),
    ):
        point = Measurepoint("x", kind)
        values = pa.array([None, cell], point.arrow_type())

        column = TypedColumn(point, values, None, [], np.arange(2))

        assert plain_texts(column, np.array([1, 0])) == [shown, ""]
