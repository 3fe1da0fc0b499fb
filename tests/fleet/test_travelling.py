"""Whatever holds readings can be the history of a fleet: what travels is a path."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import mpreplay as mp
from mpreplay.fleet.travelling import _check_store, travelling
from mpreplay.history.rejects_file import RUN_ATTRIBUTE
from tests.fleet.fleets import MODEL, frame_of, gateways_of, read, rows_of, stored_of

POLICY: dict[str, Any] = {"on_invalid": "withhold", "allow_offline_sub_device": True}


def held(frame: pd.DataFrame) -> mp.History:
    """Return the history of a file that is open, and lies nowhere."""
    file = io.BytesIO()
    frame.to_parquet(file)
    return read(file, name="held.parquet")


def by_index(frame: pd.DataFrame) -> mp.History:
    """Return the history of a frame whose index is the time."""
    return mp.read_history(frame.set_index("ts"), device_column="meter", product_key="meter")


def batches(frame: pd.DataFrame) -> mp.History:
    """Return the history of an iterator, which gives its rows once."""
    return read(iter([frame.iloc[:40], frame.iloc[40:]]))


def two(frame: pd.DataFrame) -> mp.History:
    """Return the history of two frames."""
    return read([frame.iloc[:30], frame.iloc[30:]])


MAKERS: list[Callable[[pd.DataFrame], mp.History]] = [
    read, by_index, lambda frame: read(pa.Table.from_pandas(frame)), held, batches, two,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=["frame", "index", "table", "open", "stream", "list"])
def test_readings_in_memory_are_sent_from_a_file(
    tmp_path: Path, make: Callable[[pd.DataFrame], mp.History]
) -> None:
    """The same readings, given again, continue the fleet; a finished one connects to nothing."""
    gateways = gateways_of(2, 2)
    frame = frame_of(gateways, 25)
    before = frame.copy(deep=True)
    with mp.simulate(MODEL, gateways=gateways) as platform, ThreadPoolExecutor(2) as executor:
        known = {
            f"site {key}": mp.Gateway(platform.connection_for(product, key), subs)
            for (product, key), subs in gateways.items()
        }
        options: dict[str, Any] = {"journal": tmp_path / "runs", "executor": executor, **POLICY}
        run = mp.replay_fleet(make(frame), MODEL, known, **options)
        assert rows_of(platform.stored()) == stored_of(frame)
        n_sessions = len(platform.sessions())
        again = mp.replay_fleet(make(frame), MODEL, known, **options)
        assert len(platform.sessions()) == n_sessions
        other = frame.assign(P=frame["P"] + 1)
        with pytest.raises(mp.JournalMismatch, match="other readings"):
            mp.replay_fleet(make(other), MODEL, known, **options)
    assert run.complete
    assert again.summary() == {**run.summary(), "sent_now": 0}
    pd.testing.assert_frame_equal(frame, before)
    files = list((tmp_path / "runs").glob("source*"))
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert not [path for path in (tmp_path / "runs").iterdir() if path.name.startswith(".")]


def test_what_travels_is_small_and_finds_its_file_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker stands in another folder than the script that names a file by a relative path."""
    frame = frame_of(gateways_of(2, 2), 5_000)
    frame.to_parquet(tmp_path / "history.parquet")
    monkeypatch.chdir(tmp_path)
    history = travelling(read("history.parquet"), tmp_path, is_new=True)
    told = pickle.dumps(history)
    monkeypatch.chdir("/")

    assert len(told) < 5_000
    assert pickle.loads(told).n_rows == len(frame)
    source = pickle.loads(told).sources[0]
    assert source.mark.digest() == source.mark.sha256
    (tmp_path / "history.parquet").write_bytes(b"another")
    with pytest.raises(mp.HistoryError, match="changed while it was read"):
        source.mark.digest()


def test_rejects_stay_linked_to_their_run(tmp_path: Path) -> None:
    """The attributes of a frame tell the run that its rejects are of."""
    frame = frame_of(gateways_of(1, 1), 3)
    frame.attrs[RUN_ATTRIBUTE] = {"run_id": "1", "journal": "one.db"}
    [source] = travelling(read(frame), tmp_path, is_new=True).sources

    assert source.attributes[RUN_ATTRIBUTE] == {"run_id": "1", "journal": "one.db"}


def test_a_column_that_is_left_out_may_hold_anything(tmp_path: Path) -> None:
    """What nobody reads needs no type."""
    frame = frame_of(gateways_of(1, 1), 3).assign(note=[1, "a", None])
    history = travelling(read(frame, ignore=["note"]), tmp_path, is_new=True)
    assert history.n_rows == 3

    with pytest.raises(mp.HistoryError, match="DataFrame: the column 'note' holds Python objects"):
        travelling(read(frame), tmp_path, is_new=True)


def test_the_credentials_of_a_store_do_not_travel() -> None:
    """They would stand in the bytes of each task."""

    class Store:
        by_fsspec: Any = None
        system: Any = None

    class Remote:
        store = Store()

    remote = Remote()
    remote.store.by_fsspec = type("Fs", (), {"storage_options": {"key": "a", "secret": "Zebra"}})()
    with pytest.raises(mp.HistoryError, match="was given secret") as caught:
        _check_store(remote)
    assert "Zebra" not in str(caught.value)
    remote.store.by_fsspec.storage_options = {"anon": True, "secret": None}
    _check_store(remote)
    filesystem = pytest.importorskip("pyarrow.fs")
    remote.store.by_fsspec = None
    remote.store.system = filesystem.S3FileSystem(access_key="a", secret_key="Zebra", region="x")
    with pytest.raises(mp.HistoryError, match="was given secret_key"):
        _check_store(remote)
    remote.store.system = filesystem.S3FileSystem(anonymous=True, region="x")
    _check_store(remote)
