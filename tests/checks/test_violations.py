"""A history in which every row violates is as quick as any other, whatever the violation."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mpreplay as mp
from mpreplay import Measurepoint, validate
from mpreplay.checks import faults as faults_module
from mpreplay.checks import survey as survey_module
from mpreplay.checks import validation as validation_module
from mpreplay.values import misfits as misfits_module

N = 400
STAMPS = pa.array(np.arange(N) * 1_000, pa.timestamp("ms", "UTC"))
FAR = pa.array(np.arange(N) + 2**60).cast(STAMPS.type)
NUMBERS = pa.array(np.arange(N) * 0.5)
TEXTS = pa.array([f"{n}.01.2024" for n in range(N)])  # each another one
STRUCT = Measurepoint("x", "STRUCT", members=(Measurepoint("a", "INT"),))
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "type": (Measurepoint("x", "DOUBLE"), {"x": TEXTS}),
    "infinity": (Measurepoint("x", "DOUBLE"), {"x": pa.array(np.full(N, np.inf))}),
    "range": (Measurepoint("x", "DOUBLE", maximum=-1.0), {"x": NUMBERS}),
    "overflow": (Measurepoint("x", "FLOAT"), {"x": pa.array(np.full(N, 1e39))}),
    "enum": (Measurepoint("x", "ENUM", keys=("a",)), {"x": TEXTS}),
    "length": (Measurepoint("x", "STRING", max_length=2), {"x": TEXTS}),
    "date": (Measurepoint("x", "DATE"), {"x": TEXTS}),
    "timestamp": (Measurepoint("x", "TIMESTAMP"), {"x": TEXTS}),
    "far": (Measurepoint("x", "TIMESTAMP"), {"x": FAR}),
    "member": (STRUCT, {"x": pa.StructArray.from_arrays([TEXTS], ["a"])}),
    "stranger": (STRUCT, {"x": pa.StructArray.from_arrays([TEXTS], ["b"])}),
    "item": (Measurepoint("x", "ARRAY", item_type="INT"), {"x": pa.array([[0.5]] * N)}),
    "no time": (Measurepoint("x", "DOUBLE"), {"t": pa.nulls(N, STAMPS.type)}),
    "text of a time": (Measurepoint("x", "DOUBLE"), {"t": TEXTS}),
    "far time": (Measurepoint("x", "DOUBLE"), {"t": FAR}),
    "no device": (Measurepoint("x", "DOUBLE"), {"d": pa.nulls(N, pa.string())}),
    "no model": (Measurepoint("x", "DOUBLE"), {"p": pa.array(["q"] * N)}),
}  # fmt: skip


@pytest.mark.parametrize("name", [*KINDS])
def test_a_kind_of_violation_is_few_faults_and_few_objects(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fault a reason, and an object of Python only for the violations that are shown."""
    point, columns = KINDS[name]
    counts: Counter[str] = Counter()
    monkeypatch.setattr(validation_module, "MAX_SHOWN", 20)
    _count(monkeypatch, misfits_module.Misfit, "__new__", counts)
    _count(monkeypatch, faults_module.Fault, "__init__", counts)
    keys = {"d": pa.array(["d"] * N), "p": pa.array(["p"] * N)}
    table = pa.table({"t": STAMPS, **keys, "x": NUMBERS} | columns)
    named = {"time_column": "t", "device_column": "d", "product_column": "p"}

    found = validate(
        mp.read_history(table, tz="UTC", plausible=None, **named),
        {"p": mp.ThingModel("M", {"x": point})},
    )

    assert found.n_violations == N
    assert len(found.violations) == 20
    assert found.violations["row"].tolist() == list(range(20))
    assert counts["Fault"] <= 10
    assert counts["Misfit"] <= 100


def _count(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, counts: Counter[str]) -> None:
    """Count the objects of a class that are made."""
    make = getattr(kind, method)

    def counted(*args: Any, **named: Any) -> Any:
        counts[kind.__name__] += 1
        return make(*args, **named)

    monkeypatch.setattr(kind, method, counted)


def test_many_reasons_in_a_slab_are_shown_from_the_first_row_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault for each of many names must not make a row for each of its values."""
    monkeypatch.setattr(validation_module, "MAX_SHOWN", 7)
    made: list[int] = []
    violations = survey_module.violations
    monkeypatch.setattr(
        survey_module,
        "violations",
        lambda readings, fault: made.append(len(fault.positions)) or violations(readings, fault),
    )
    frame = pd.DataFrame(
        {"n": [f"y{n % 50}" for n in range(N)], "v": np.arange(N) * 1.0}, STAMPS.to_pandas()
    )
    history = mp.read_history(frame, point_column="n", value_column="v", plausible=None)

    found = validate(history, mp.ThingModel("M", {"x": Measurepoint("x", "DOUBLE")}))

    assert found.n_violations == N
    assert found.violations["row"].tolist() == list(range(7))
    assert sum(made) == 7


@pytest.mark.parametrize("cell", [1.5, b"d", None, ["d"], {"d": 1}, float("nan"), "bad \ud800"])
@pytest.mark.parametrize("column", ["d", "p", "n"])
def test_a_cell_that_is_no_key_is_a_violation_of_its_row(cell: Any, column: str) -> None:
    """One cell glued into a column of keys must not end the history of all the others."""
    cells = np.empty(3, object)
    cells[:] = ["x" if column == "n" else column, cell, "x" if column == "n" else column]
    columns = {"d": "d", "p": "p", "n": "x", "v": [1.0, 2.0, 3.0]}
    frame = pd.DataFrame(columns, pd.date_range("2024", periods=3, tz="UTC"))
    frame[column] = pd.Series(cells, frame.index, dtype=object)
    named = {"device_column": "d", "product_column": "p", "point_column": "n", "value_column": "v"}

    found = validate(
        mp.read_history(frame, **named),
        {"p": mp.ThingModel("M", {"x": Measurepoint("x", "DOUBLE")})},
    )

    assert found.violations["row"].tolist() == [1]
    assert found.violations["check"].tolist() == ["point" if column == "n" else "device"]
