"""Slabs by their bytes: long texts and arrays make short slabs, whatever they were kept as."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from mpreplay import Measurepoint, ThingModel, read_history
from mpreplay.history.history import SLAB_ROWS, History
from mpreplay.settings import Policy
from mpreplay.sources import weights as weights_module
from mpreplay.sources.weights import SLAB_BYTES, light_spans, row_bytes

MODEL = ThingModel(
    "M",
    {
        "s": Measurepoint("s", "STRING"),
        "a": Measurepoint("a", "ARRAY", item_type="DOUBLE"),
        "P": Measurepoint("P", "DOUBLE"),
    },
)
CELLS = st.none() | st.text(max_size=30)


def spans_of(history: History) -> list[tuple[int, int]]:
    """Return first row and number of rows of each slab."""
    return [(slab.first_row, slab.n_rows) for slab in history.slabs([MODEL])]


@given(st.lists(CELLS, max_size=40))
def test_texts_weigh_what_they_are_written_out(cells: list[str | None]) -> None:
    """A dictionary, a view and Python objects are three ways to hold the same texts."""
    plain = pa.array(cells, pa.string())
    meant = [len((cell or "").encode()) for cell in cells]

    for column in (plain, plain.dictionary_encode(), plain.cast(pa.string_view())):
        assert row_bytes(column).tolist() == meant
        assert row_bytes(column.slice(len(cells) // 2)).tolist() == meant[len(cells) // 2 :]
    lists = pa.array(
        [None if cell is None else [cell, cell] for cell in cells], pa.list_(pa.string())
    )
    assert row_bytes(lists).tolist() == [2 * n for n in meant]
    structs = pa.array([{"s": cell, "n": 1} for cell in cells], pa.struct({"s": pa.string()}))
    assert row_bytes(structs).tolist() == meant


def test_objects_weigh_about_what_they_hold() -> None:
    """A frame of lists and dicts has no offsets to look at."""
    cells = np.array(["abc", [1.5] * 4, {"s": "abcd"}, None, 7, np.zeros(5), ["ab", "c"]], object)

    assert row_bytes(cells).tolist() == [3, 32, 4, 0, 0, 40, 3]


@given(st.lists(st.integers(0, SLAB_BYTES), max_size=30), st.integers(1, 9))
def test_a_slab_keeps_to_its_bytes_or_is_one_row(sizes: list[int], n_rows: int) -> None:
    """Every row is in one slab, in its order; no slab could have taken another row."""
    sizes = [4 * size // 3 for size in sizes]
    whole = [(n, min(n + n_rows, len(sizes))) for n in range(0, len(sizes), n_rows)]

    found = list(light_spans(whole, lambda one: np.array(sizes[slice(*one)])))

    assert [row for a, b in found for row in range(a, b)] == list(range(len(sizes)))
    assert all(sum(sizes[a:b]) <= SLAB_BYTES or b - a == 1 for a, b in found)
    for (a, b), (c, _) in pairwise(found):
        assert b == c
        assert b % n_rows == 0 or sum(sizes[a : b + 1]) > SLAB_BYTES


def heavy(n: int = 3_000, longest: int = 12_000) -> pa.Table:
    """Return rows with texts of many lengths, arrays and numbers."""
    sizes = np.random.default_rng(1).integers(0, longest, n)
    texts = ["x" * size if size % 7 else None for size in sizes.tolist()]
    return pa.table({
        "t": pa.array(pd.date_range("2024", periods=n, freq="s", tz="UTC")),
        "s": pa.array(texts), "a": pa.array([[1.5] * (size % 3_000) for size in sizes.tolist()]),
        "P": np.arange(float(n)),
    })  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"compression": "zstd"},
    {"row_group_size": 100}, {"row_group_size": 1_700}, {"data_page_size": 1_000},
    {"use_dictionary": False, "column_encoding": {"s": "DELTA_BYTE_ARRAY"}}])  # fmt: skip
def test_slabs_are_the_same_however_the_rows_are_kept(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """A file that was rewritten, or read into a frame, makes the same requests."""
    table = heavy()
    pq.write_table(table, tmp_path / "x.parquet", **options)
    meant = spans_of(read_history(table, time_column="t"))

    assert len(meant) > 5
    assert spans_of(read_history(tmp_path / "x.parquet", time_column="t")) == meant
    assert spans_of(read_history(table.to_pandas(), time_column="t")) == meant
    rows = [slab.columns["P"].to_pylist() for slab in
            read_history(tmp_path / "x.parquet", time_column="t").slabs([MODEL])]  # fmt: skip
    assert [row for part in rows for row in part] == list(range(len(table)))


def test_slabs_of_numbers_and_short_texts_are_not_weighed(tmp_path: Path) -> None:
    """A clean history must not be read twice."""
    n = 40_000
    table = pa.table({
        "t": pa.array(pd.date_range("2024", periods=n, freq="s", tz="UTC")),
        "s": pa.array([f"state {k % 50}" for k in range(n)]), "P": np.arange(float(n)),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "x.parquet")
    with mock.patch("mpreplay.sources.parquet_weights.Weights._weigh", side_effect=AssertionError):
        found = spans_of(read_history(tmp_path / "x.parquet", time_column="t"))

    assert found == [(0, SLAB_ROWS), (SLAB_ROWS, SLAB_ROWS), (2 * SLAB_ROWS, n - 2 * SLAB_ROWS)]


@settings(max_examples=25)
@given(strategies.cases(unreadable=True), st.integers(1, 60))
def test_slabs_of_any_weight_make_the_same_requests(case: strategies.Case, most: int) -> None:
    """Bytes bound the memory and nothing else: entries are carried."""
    policy = Policy(on_invalid="send", duplicates="last")
    with mock.patch.object(weights_module, "SLAB_BYTES", most), \
            mock.patch.object(weights_module, "LIGHT", 0):  # fmt: skip
        slabs = strategies.prepare(case.history, case.model, policy)
    chunks = [chunk for slab in slabs for chunk in slab.chunks()]

    assert len(chunks) <= 1
    assert sum(slab.n_rows for slab in slabs) == len(case.rows)


def peak_of(code: str, *arguments: Any) -> int:
    """Return by how many megabytes the memory of a process grows while it runs a piece of code."""
    program = f"""
import resource, sys, mpreplay as mp, pandas as pd
{textwrap.dedent(code)}
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


PLANNED = """
history = mp.read_history(sys.argv[1], time_column="t")
model = mp.ThingModel("M", {"s": mp.Measurepoint("s", "STRING"), "P": mp.Measurepoint("P", "INT")})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mp.plan(history, model, on_invalid="withhold")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="POSIX counts memory so")
@pytest.mark.parametrize("kind", ["long texts", "a long text in a dictionary"])
def test_memory_goes_by_bytes(tmp_path: Path, kind: str) -> None:
    """Some kilobytes of log text in each row, and one cell that a dictionary repeats."""
    n, text, size = (12_000, "log ", 3_000) if kind == "long texts" else (30, "x", 20_000_000)
    times = pa.array(pd.date_range("2024", periods=n, freq="s", tz="UTC"))
    index = pa.array(np.arange(n) % (50 if kind == "long texts" else 1), pa.int32())
    words = pa.array([f"{k} {text * size}" for k in range(50 if kind == "long texts" else 1)])
    table = pa.table({"t": times, "s": pa.DictionaryArray.from_arrays(index, words)})
    pq.write_table(table.cast(pa.schema({"t": times.type, "s": pa.string()}))
                   if kind == "long texts" else table, tmp_path / "x.parquet")  # fmt: skip

    assert peak_of(PLANNED, tmp_path / "x.parquet") < 350
