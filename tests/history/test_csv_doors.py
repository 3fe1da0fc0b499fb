"""CSV files as histories: the same rows make the same requests as from a frame."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scripted import Clock, always, scripted_replay

import mpreplay as mp
from mpreplay import Measurepoint, ThingModel
from mpreplay.errors import HistoryError

MODEL = ThingModel(
    "Turbine",
    {
        point.identifier: point
        for point in (
            Measurepoint("P", "DOUBLE", maximum=900),
            Measurepoint("f", "FLOAT"),
            Measurepoint("n", "INT"),
            Measurepoint("note", "STRING", max_length=12),
            Measurepoint("mode", "ENUM", keys=(0, 1, 2)),
            Measurepoint("on", "BOOL"),
            Measurepoint("day", "DATE"),
            Measurepoint("seen", "TIMESTAMP"),
            Measurepoint("bins", "ARRAY", item_type="DOUBLE"),
            Measurepoint(
                "blade", "STRUCT", members=(Measurepoint("a", "DOUBLE"), Measurepoint("b", "INT"))
            ),
        )
    },
)
N = 17_000  # more than a slab
ROLES: dict[str, Any] = {
    "time_column": "t", "device_column": "unit", "product_key": "turbine", "ignore": ["remark"],
}  # fmt: skip


def arrow_table() -> pa.Table:
    """Return readings of two turbines, some forbidden, some absent."""
    at = np.arange(N)
    times = pd.date_range("2024-03-01", periods=N // 2, freq="min", tz="UTC").as_unit("ns")
    chance = np.random.default_rng(7)
    return pa.table(
        {
            "t": pa.array(times.repeat(2)),
            "unit": pa.array(np.array(["T1", "Turbine zwölf"])[at % 2]),
            "P": pa.array(at / 20, mask=at % 97 == 0),
            "f": pa.array(chance.normal(0, 1e3, N).astype(np.float32)),
            "n": pa.array(at - 7, pa.int32()),
            "note": pa.array([None if n % 5 else f'größe "{n % 400}"' for n in range(N)]),
            "mode": pa.array(at % 4, pa.int8(), mask=at % 11 == 0),
            "on": pa.array(at % 3 == 0),
            "day": pa.array([f"2024-03-{n % 28 + 1:02d}" for n in range(N)]),
            "seen": pa.array(times.repeat(2)).cast(pa.timestamp("ms", "UTC")),
            "bins": pa.array([[n / 4, n / 2] if n % 50 == 0 else None for n in range(N)]),
            "blade.a": pa.array(at / 8, mask=at % 70 > 0),
            "blade.b": pa.array(at, mask=at % 70 > 0),
            "remark": pa.array(["not a reading"] * N),
        }
    )


def told_of(source: Any, **roles: Any) -> tuple[Any, ...]:
    """Return the violations and the requests of a source."""
    history = mp.read_history(source, **{**ROLES, **roles})
    validation = mp.validate(history, MODEL)
    found = validation.violations.drop(columns="source")
    with pytest.MonkeyPatch.context() as patch:
        run, sent = scripted_replay(
            patch, always, history, MODEL, clock=Clock(1_700_000_000.0), on_invalid="withhold",
            limits=mp.Limits(connects=None),
        )  # fmt: skip
    assert run.complete
    return validation.n_values, validation.n_violations, found, [one for _, one in sent.published]


def text_of(cell: Any) -> Any:
    """Return a cell as a CSV file has it; what has parts is JSON."""
    if cell is None:
        return None
    if isinstance(cell, bool | list | dict):
        return json.dumps(cell)
    return cell.isoformat() if hasattr(cell, "isoformat") else cell


def written(table: pa.Table, path: Path, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """Write a table as CSV, packed as the ending says."""
    plain = path.with_name("plain.csv")
    with plain.open("w", encoding=encoding, newline="") as file:
        rows = csv.writer(file, delimiter=delimiter)
        rows.writerow(table.column_names)
        rows.writerows([text_of(cell) for cell in row.values()] for row in table.to_pylist())
    data = plain.read_bytes()
    plain.unlink()
    pack = {".gz": gzip.compress, ".zst": lambda b: pa.compress(b, codec="zstd", asbytes=True)}
    path.write_bytes(pack.get(path.suffix, bytes)(data))
    return path


def in_texts(history: Any) -> pd.DataFrame:
    """Return violations without what is written otherwise in a text than in a frame."""
    return history.drop(columns=["value", "reason"])


@pytest.fixture(scope="module")
def expected() -> tuple[Any, ...]:
    """Return what a frame of pandas gives."""
    return told_of(arrow_table().to_pandas())


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.csv.zst", "x.tsv"])
def test_the_same_rows_are_the_same_requests_from_a_csv_file(
    name: str, tmp_path: Path, expected: tuple[Any, ...]
) -> None:
    """Whoever exports a frame and reads it back sends not one other byte."""
    delimiter = "\t" if "tsv" in name else ","
    path = written(arrow_table(), tmp_path / name, delimiter)

    n_values, n_violations, violations, requests = told_of(path)

    assert (n_values, n_violations) == expected[:2]
    pd.testing.assert_frame_equal(in_texts(violations), in_texts(expected[2]))
    assert requests == expected[3]


def test_another_way_of_writing_is_the_same_history(
    tmp_path: Path, expected: tuple[Any, ...]
) -> None:
    """The format is stated, and then it is no difference."""
    path = written(arrow_table(), tmp_path / "x.csv", ";", "utf-16")
    text = mp.TextFormat(delimiter=";", encoding="utf-16")

    assert told_of(path, text=text)[3] == expected[3]


def test_a_file_of_another_ending_is_csv_where_its_texts_are_described(tmp_path: Path) -> None:
    """Control systems like .txt and .dat; what is not described is not guessed."""
    path = tmp_path / "export.txt"
    path.write_text("t;P\n2024-01-01T00:00:00Z;1.5\n")
    with pytest.raises(HistoryError, match=r"text=mp\.TextFormat\(\)"):
        mp.read_history(path, time_column="t")
    text = mp.TextFormat(delimiter=";")
    assert mp.read_history(path, time_column="t", text=text).n_rows == 1
    for name, told in {
        "x.xlsx": "read_excel",
        "x.csv.bz2": "unpack it",
        "x.json": "read_json",
    }.items():
        (tmp_path / name).write_bytes(b"PK\3\4")
        with pytest.raises(HistoryError, match=told):
            mp.read_history(tmp_path / name, time_column="t", text=text)
        with pytest.raises(HistoryError, match=told):
            mp.read_history(tmp_path / name, time_column="t")


def test_a_folder_of_csv_files_is_a_history(tmp_path: Path) -> None:
    """With partitions, packed or not; beside Parquet files they are left out and named."""
    text = "t,unit,P\n2024-01-01T00:00:00Z,T1,1.5\n2024-01-01T00:10:00Z,T2,2.5\n"
    for name in ("plant=a/x.csv", "plant=b/x.csv", "plant=b/y.csv.gz"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        data = text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    (tmp_path / "notes.txt").write_text("x")
    roles = {"time_column": "t", "device_column": "unit"}

    history = mp.read_history(tmp_path, product_column="plant", **roles)

    assert [Path(one.name).name for one in history.sources] == ["x.csv", "x.csv", "y.csv.gz"]
    assert history.n_rows == 6
    assert mp.read_history(f"{tmp_path}/**/*.csv*", product_key="p", **roles).n_rows == 6
    assert mp.validate(history, MODEL).n_values == 6
    pd.DataFrame({"t": ["2024-01-01T00:00:00Z"], "unit": "T1", "P": 1.5}).to_parquet(
        tmp_path / "z.parquet"
    )
    history = mp.read_history(tmp_path, product_key="p", **roles)
    assert [Path(one.name).name for one in history.sources] == ["z.parquet"]
    assert [Path(one.path).name for one in history.left_out if one.has_data] == [
        "x.csv", "x.csv", "y.csv.gz",
    ]  # fmt: skip


def test_rejects_in_a_packed_file_are_rejects(tmp_path: Path) -> None:
    """Pandas packs by the ending, and who mends a large file likes it small."""
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-01"], utc=True), "P": [1_000.0]})
    with pytest.MonkeyPatch.context() as patch:
        run, _ = scripted_replay(
            patch, always, mp.read_history(frame, time_column="t"), MODEL, on_invalid="withhold"
        )
    path = tmp_path / "rejects.csv.gz"
    run.rejects.assign(value="10.0").to_csv(path, index=False)

    history = mp.read_history(path)

    assert history.columns.check == "check"
    assert history.sources[0].file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert mp.validate(history, MODEL).ok
