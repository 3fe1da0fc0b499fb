"""The same readings in every file, store and format: what they become does not depend on it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
import pytest
from pyarrow import feather
from stores import S3
from upath import UPath

import mpreplay as mp

ROLES = {"time_column": "ts", "device_column": "unit", "product_key": "turbine"}
DEVICES = [("turbine", f"T{n}") for n in range(3)]
N = 40_000  # more than two slabs


@pytest.fixture(scope="module")
def readings() -> pd.DataFrame:
    """Return readings with absent, too large and repeated values."""
    row = np.arange(N)
    power = np.where(row % 997 == 0, 9_999.0, row % 2_000 + 0.25)
    return pd.DataFrame(
        {
            "ts": pd.to_datetime(1_717_200_000_000 + row // 3 * 1_000, unit="ms", utc=True),
            "unit": np.array(["T0", "T1", "T2"])[row % 3],
            "P": np.where(row % 11 == 0, np.nan, power),
            "wind": row / 7,
            "state": pd.Categorical(np.where(row % 1_003 == 0, "far too long", "run")),
        }
    )


def _written(frame: pd.DataFrame, form: str) -> bytes:
    """Return a frame as the bytes of a file."""
    table, file = pa.Table.from_pandas(frame, preserve_index=False), io.BytesIO()
    if form == "parquet":
        pq.write_table(table, file, row_group_size=7_000)
    elif form == "feather":
        feather.write_feather(table, file)
    else:
        new = pa.ipc.new_stream if form == "arrows" else pa.ipc.new_file
        with new(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=7_000)
    return file.getvalue()


@pytest.fixture(scope="module")
def files(readings: pd.DataFrame) -> dict[str, bytes]:
    """Return the readings in each format."""
    return {form: _written(readings, form) for form in ("parquet", "arrow", "arrows", "feather")}


Place = Callable[[bytes, str, Path, S3], tuple[Any, dict[str, Any]]]


def _in_memory(data: bytes, name: str) -> fsspec.AbstractFileSystem:
    system = fsspec.filesystem("memory")
    system.pipe(f"/law/{name}", data)
    return system


def _put(data: bytes, name: str, folder: Path, s3: S3) -> tuple[Path, str]:
    path = folder / "law" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    s3.put(f"plant/law-{name}/{name}", data)
    return path, f"plant/law-{name}/{name}"


PLACES: dict[str, Place] = {
    "path": lambda d, n, f, s: (_put(d, n, f, s)[0], {}),
    "folder": lambda d, n, f, s: (_put(d, n, f, s)[0].parent, {}),
    "pattern": lambda d, n, f, s: (f"{_put(d, n, f, s)[0].parent}/*", {}),
    "file URI": lambda d, n, f, s: (_put(d, n, f, s)[0].as_uri(), {}),
    "UPath of a disk": lambda d, n, f, s: (UPath(_put(d, n, f, s)[0]), {}),
    "BytesIO": lambda d, n, f, s: (io.BytesIO(d), {}),
    "s3 URI": lambda d, n, f, s: (s.uri(_put(d, n, f, s)[1]), {}),
    "s3 folder": lambda d, n, f, s: (s.uri(_put(d, n, f, s)[1].rpartition("/")[0]), {}),
    "s3 pattern": lambda d, n, f, s: (s.uri(f"{_put(d, n, f, s)[1][:-2]}*"), {}),
    "s3 of pyarrow": lambda d, n, f, s: (_put(d, n, f, s)[1], {"filesystem": s.system}),
    "s3 of fsspec": lambda d, n, f, s: (
        _put(d, n, f, s)[1], {"filesystem": fsspec.filesystem("s3", **s.options)}
    ),
    "UPath of s3": lambda d, n, f, s: (UPath(f"s3://{_put(d, n, f, s)[1]}", **s.options), {}),
    "memory of fsspec": lambda d, n, f, s: (f"law/{n}", {"filesystem": _in_memory(d, n)}),
    "fsspec.open": lambda d, n, f, s: (_in_memory(d, n) and fsspec.open(f"memory://law/{n}"), {}),
    "local of pyarrow": lambda d, n, f, s: (
        str(_put(d, n, f, s)[0]), {"filesystem": pa_fs.LocalFileSystem()}
    ),
}  # fmt: skip


def _told(history: mp.History, model: mp.ThingModel, play: Any) -> tuple[Any, ...]:
    """Return violations, requests and rejects of a history, without the name of its source."""
    violations = mp.validate(history, model).violations.drop(columns="source")
    run, transport = play(
        history=history, model=model, limits=mp.Limits(bytes_per_second=None, give_up_after=None),
        journal=None, on_invalid="withhold", duplicates="last",
    )  # fmt: skip
    rejects = run.rejects.drop(columns=["source", "request_id"])
    sent = [re.sub(rb'"id":"\d+"', b"", payload) for _, payload in transport.published]
    return violations, rejects, sent


@pytest.fixture(scope="module")
def expected(readings: pd.DataFrame) -> dict[str, Any]:
    """Return what the first test fills."""
    return {}


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrows", "feather"])
@pytest.mark.parametrize("place", PLACES)
def test_a_file_becomes_the_same_wherever_it_lies(
    place: str,
    form: str,
    readings: pd.DataFrame,
    files: dict[str, bytes],
    expected: dict[str, Any],
    model: mp.ThingModel,
    play: Any,
    s3: S3,
    tmp_path: Path,
) -> None:
    """Violations, requests, rejects and stored values are those of the same data in pandas."""
    if not expected:
        expected["all"] = _told(mp.read_history(readings, **ROLES), model, play)
    violations, rejects, sent = expected["all"]
    assert len(sent) > 2
    assert len(violations) > 50

    source, options = PLACES[place](files[form], f"a.{form}", tmp_path, s3)
    found = _told(mp.read_history(source, **ROLES, **options), model, play)

    pd.testing.assert_frame_equal(found[0], violations)
    pd.testing.assert_frame_equal(found[1], rejects)
    assert found[2] == sent


def test_readings_from_a_store_are_stored_by_the_platform(
    s3: S3, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """From a hive of a store through MQTT into the platform: the values of the frame."""
    for unit, part in frame.groupby("unit"):
        path = f"plant/hive/unit={unit}/a.parquet"
        s3.put(path, _written(part.drop(columns="unit"), "parquet"))
    farm = [("turbine", "T1"), ("turbine", "T2")]
    stored = []
    for source in (frame, s3.uri("plant/hive")):
        with mp.simulate(model, sub_devices=farm, online=farm) as platform:
            history = mp.read_history(source, **ROLES)
            run = mp.replay(history, model, platform.connection, allow_offline_sub_device=True)
            assert run.complete
            stored.append(platform.stored())

    pd.testing.assert_frame_equal(*stored)
