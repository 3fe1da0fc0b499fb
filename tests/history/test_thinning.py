"""Columns of which most cells are absent are kept without these, and nobody can tell."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pandas as pd
import pyarrow as pa
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.history import readings as readings_module
from mpreplay.outcome.recording import Ready
from mpreplay.outcome.reject_table import reject_frame
from mpreplay.settings import Policy

POINTS = {
    "f": mp.Measurepoint("f", "FLOAT", maximum=100),
    "i": mp.Measurepoint("i", "INT", minimum=0),
    "s": mp.Measurepoint("s", "STRING", max_length=3),
    "a": mp.Measurepoint("a", "ARRAY", item_type="INT"),
}
CELLS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "f": (pa.float64(), st.sampled_from([1.5, 7.25, 200.0, float("inf"), float("nan")])),
    "i": (pa.int64(), st.integers(-1, 3)),
    "s": (pa.string(), st.sampled_from(["", "ab", 'q"', "toolong"])),
    "a": (pa.list_(pa.int64()), st.lists(st.integers(0, 3), max_size=2)),
}
MODEL = mp.ThingModel("M", POINTS)
TIMES = st.integers(strategies.START, strategies.START + 4)


@st.composite
def tables(draw: Any) -> pa.Table:
    """Draw rows of few devices and times, some of them repeated, with many absent cells."""
    n = draw(st.integers(1, 12))
    columns: dict[str, pa.Array] = {
        "unit": pa.array(draw(st.lists(st.sampled_from("AB"), min_size=n, max_size=n))),
        "at": pa.array(draw(st.lists(TIMES, min_size=n, max_size=n)), pa.timestamp("ms", "UTC")),
    }
    for name, (kind, cell) in CELLS.items():
        cells = draw(st.lists(st.none() | st.none() | cell, min_size=n, max_size=n))
        columns[name] = pa.array(cells, kind)
    return pa.table(columns)


def told(table: pa.Table, policy: Policy, most: int) -> tuple[list[bytes], pd.DataFrame, list[Any]]:
    """Return the requests of a history, its withheld values, and its counts."""
    history = mp.read_history(table, time_column="at", device_column="unit", product_key="p")
    slabs = strategies.prepare(history, MODEL, policy, mp.Limits(max_entries=most))
    payloads = [chunk.payload("1", policy) for slab in slabs for chunk in slab.chunks()]
    ready = [Ready.of(slab) for slab in slabs]
    counts = [dict(one.tallies[name]) for one in ready for name in ("read", "withheld")]
    rejects = pd.concat([reject_frame(one.rejects) for one in ready])
    return payloads, rejects, [*counts, *(slab.n_empty for slab in slabs)]


@settings(deadline=None)
@given(tables(), st.sampled_from(["withhold", "send"]), st.integers(1, 5), st.integers(1, 9))
def test_requests_rejects_and_counts_are_the_same(
    table: pa.Table, on_invalid: Any, most: int, rows: int
) -> None:
    """Whether a cell that is not there is kept as absent or not at all is nobody's business."""
    policy = Policy(on_invalid=on_invalid, duplicates="last")
    with mock.patch("mpreplay.history.history.SLAB_ROWS", rows):
        whole = told(table, policy, most)
        with mock.patch.multiple(readings_module, FEW=0, THIN=1):
            thin = told(table, policy, most)

    assert thin[0] == whole[0]
    pd.testing.assert_frame_equal(thin[1], whole[1])
    assert thin[2] == whole[2]
