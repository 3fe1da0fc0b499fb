"""The thing models in a journal, intact and damaged."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

import mpreplay as mp
from mpreplay.journal.points import models_of, packed_model, sent_by_point
from mpreplay.journal.reader import read_journal
from mpreplay.journal.writer import Journal

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE", "Leistung", unit="kW")})
OTHER = mp.ThingModel("N", {"Q": mp.Measurepoint("Q", "STRING")})


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return the journal of a run with two products."""
    one = Journal(tmp_path / "run.db")
    one.begin([("a", MODEL), ("b", OTHER)], gateway="gw")
    one.close()
    return tmp_path / "run.db"


def test_models_are_kept_by_product(journal: Path) -> None:
    """The rules of a run stand in its report, however often the platform's model has changed."""
    reader = read_journal(journal)

    assert models_of(reader) == {"a": MODEL, "b": OTHER}
    assert sent_by_point(reader) == {}


@pytest.mark.parametrize("blob", [b"", packed_model(MODEL)[:-9], zlib.compress(b"{}"),
                                  zlib.compress(b"\xff")])  # fmt: skip
def test_a_damaged_model_is_told_with_its_file(journal: Path, blob: bytes) -> None:
    """A report of a journal that was copied badly ends with the name of the journal."""
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("UPDATE models SET model = ? WHERE product_key = 'b'", (blob,))

    with pytest.raises(mp.JournalError, match=r"run\.db: not a journal that can be read"):
        models_of(read_journal(journal))


def test_a_model_of_many_points_is_small(tmp_path: Path) -> None:
    """A fleet has thousands of journals with the same model."""
    points = {f"WTUR.P{n}": mp.Measurepoint(f"WTUR.P{n}", "DOUBLE", f"Point {n}", unit="kW",
                                            minimum=0, maximum=n) for n in range(300)}  # fmt: skip
    assert len(packed_model(mp.ThingModel("M", points))) < 8_000
