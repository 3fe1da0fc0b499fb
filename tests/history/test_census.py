"""The wanted rows of a history, and the files that are looked through for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import mpreplay as mp

MODEL = mp.ThingModel("Meter", {"P": mp.Measurepoint("P", "DOUBLE")})
N_ROWS = 40


def _history(folder: Path, names: str) -> mp.History:
    times = pd.date_range("2024-01-01", periods=N_ROWS, freq="1min", tz="UTC")
    for name in names:
        frame = pd.DataFrame({"ts": times, "meter": f"M-{name}", "P": np.arange(N_ROWS) / 8})
        frame.to_parquet(folder / f"{name}.parquet")
    return mp.read_history(
        str(folder / "*.parquet"),
        time_column="ts", device_column="meter", product_key="meter", devices=["M-b"],
    )  # fmt: skip


def test_files_that_are_known_to_have_no_wanted_row_are_not_opened(tmp_path: Path) -> None:
    """A gateway of a fleet is no slower for the files of all others."""
    history = _history(tmp_path, "abc")
    found, known = history.census(), replace(history, among=frozenset({1}))
    for name in "ac":
        (tmp_path / f"{name}.parquet").unlink()

    assert known.census() == found
    assert [raw.source for raw in known.slabs([MODEL])] == [str(tmp_path / "b.parquet")]


def test_the_slabs_are_those_of_a_history_that_does_not_know(tmp_path: Path) -> None:
    """A run is continued, or read back, by a process that looks through all files."""
    history = _history(tmp_path, "abc")
    known = replace(history, among=frozenset({1}))

    def slabs(one: mp.History) -> list[tuple[int, str, int, int]]:
        return [(raw.number, raw.source, raw.first_row, raw.n_rows) for raw in one.slabs([MODEL])]

    assert known == history
    assert slabs(known) == slabs(history)
