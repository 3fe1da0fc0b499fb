"""Values as JSON: what is parsed is what was meant."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import oracle
import orjson
import pyarrow as pa
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import Limits, Measurepoint, ThingModel
from mpreplay.encoding import encode_entries, longest_text, plain_texts, texts_of
from mpreplay.entries import entries_of
from mpreplay.preparing import Policy, Preparer
from mpreplay.readings import Column, Device, read_slab
from mpreplay.thing_model import ModelSet
from mpreplay.validation import Checker

OWN = Device(*strategies.OWN)
TYPES = ["INT", "FLOAT", "DOUBLE", "BOOL", "ENUM", "STRING", "DATE", "TIMESTAMP", "STRUCT", "ARRAY"]


@st.composite
def columns(draw: Any) -> tuple[Column, list[Any], list[int | None]]:
    """Draw a column of one type, with or without quality, and what it holds."""
    point = draw(strategies.measurepoints(draw(strategies.identifiers)))
    cells = draw(st.lists(strategies.values(point) | st.none(), max_size=8))
    cells = [None if oracle.is_absent(cell) else cell for cell in cells]
    marks: list[int | None] = [None] * len(cells)
    if point.type != "STRUCT" and draw(st.booleans()):
        marks = [None if c is None else draw(st.none() | st.integers(0, 9)) for c in cells]
    values = pa.array(cells, point.arrow_type())
    quality = pa.array(marks, pa.int64()) if any(m is not None for m in marks) else None
    return Column(point, values, quality, [], np.arange(len(cells))), cells, marks


def wanted(point: Measurepoint, cells: list[Any], marks: list[int | None]) -> list[str | None]:
    """Return the texts that ``json.dumps`` writes."""
    return [
        None if c is None else json.dumps(oracle.with_quality(oracle.wire(c, point), mark))
        for c, mark in zip(cells, marks, strict=True)
    ]


def normal(text: str | None) -> str | None:
    """Return a JSON text as ``json.dumps`` writes it: 1 and 1.0 still differ, the order counts."""
    return None if text is None else json.dumps(json.loads(text))


@settings(deadline=None, max_examples=150)
@given(columns())
def test_a_columns_texts_mean_what_the_oracle_writes(drawn: Any) -> None:
    """Whatever the type, the platform reads the value that was measured."""
    column, cells, marks = drawn

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
    part = Column(column.point, column.values.slice(start), None, [], column.at[start:])

    texts = texts_of(part).array().to_pylist()

    assert [normal(t) for t in texts] == wanted(
        column.point, cells[start:], [None] * len(cells[start:])
    )


@settings(deadline=None, max_examples=100)
@given(strategies.cases(valid=True, repeats=False, most_rows=8))
def test_a_request_is_what_the_oracle_writes(case: strategies.Case) -> None:
    """Dense or sparse, with any names: the whole request is right, and in the order promised."""
    models = ModelSet.of(case.model)
    policy = Policy(True, False, "withhold")
    preparer = Preparer(models, Checker(models), policy, Limits(), OWN)

    slabs = [preparer.prepare(raw, (None, None)) for raw in case.history.slabs(models.all())]
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

    slabs = [preparer.prepare(raw, (None, None)) for raw in case.history.slabs(models.all())]
    sent = [
        entry
        for slab in slabs
        for chunk in slab.chunks()
        for entry in json.loads(chunk.payload("7", policy))["params"]
    ]

    assert json.dumps(sent) == json.dumps(oracle.entries(case.rows, case.model, OWN))


@pytest.mark.parametrize(("bits", "floats"), [(np.uint32, np.float32), (np.uint64, np.float64)])
def test_every_float_reads_back_as_itself(bits: Any, floats: Any) -> None:
    """Not one digit is lost: a large sample of bit patterns round-trips."""
    random = np.random.default_rng(20_140_101)
    patterns = random.integers(0, np.iinfo(bits).max, 300_000, dtype=bits, endpoint=True)
    edges = np.array([0, 1, 2], bits)
    numbers = np.concatenate([edges, edges + bits(1 << (8 * edges.itemsize - 1)), patterns])
    numbers = numbers.view(floats)
    numbers = numbers[np.isfinite(numbers)]
    point = Measurepoint("P", "FLOAT" if floats is np.float32 else "DOUBLE")

    texts = texts_of(Column(point, pa.array(numbers), None, [], np.arange(len(numbers))))
    read = np.array([float(t) for t in texts.array().to_pylist()]).astype(floats)

    assert (read.view(bits) == numbers.view(bits)).all()
    assert all("." in t or "e" in t for t in texts.array().to_pylist())


def test_a_float_travels_in_its_shortest_form() -> None:
    """7.12 goes as 7.12, not as the 64-bit neighbour of a 32-bit number."""
    values = pa.array([7.12, 100.0, -0.0, None, 1e-7], pa.float32())

    texts = texts_of(Column(Measurepoint("P", "FLOAT"), values, None, [], np.arange(5)))

    assert texts.array().to_pylist() == ["7.12", "100.0", "-0.0", None, "1e-7"]


def test_empty_columns_of_every_type_have_no_texts() -> None:
    """A slab without rows is no special case for anyone."""
    for kind in TYPES:
        facts: dict[str, Any] = {
            "ENUM": {"keys": (1,)},
            "ARRAY": {"item_type": "FLOAT"},
            "STRUCT": {"members": (Measurepoint("a", "INT"),)},
        }.get(kind, {})
        point = Measurepoint("x", kind, **facts)
        for length in (0, 2):
            values = pa.nulls(length, point.arrow_type())
            column = Column(point, values, None, [], np.arange(length))

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

        column = Column(point, values, None, [], np.arange(2))

        assert plain_texts(column, np.array([1, 0])) == [shown, ""]
