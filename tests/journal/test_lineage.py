"""A run that replays what another did not bring home knows that other run, in any process."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scripted import Clock, scripted_replay

import mpreplay as mp
from mpreplay.cli.commands import main
from mpreplay.frames import LINEAGE_COLUMNS, REJECT_COLUMNS
from mpreplay.journal import recent_runs

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT", maximum=10)})
NAMES = [
    "run_id", "parent_id", "path", "started_at", "gateway", "read", "accepted", "declined",
    "withheld", "in_doubt", "not_sent", "found",
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep the runs of other tests out of what this machine remembers."""
    folder = tmp_path / "state"
    monkeypatch.setenv("MPREPLAY_STATE", str(folder))
    yield folder


def decline(_n: int, _message: Any) -> list[tuple[float, int]]:
    """Decline every request."""
    return [(0.0, 1204)]


def history(values: list[float], first: str = "2024-01-01") -> mp.History:
    """Return values of the gateway, an hour apart."""
    times = pd.date_range(first, periods=len(values), freq="h", tz="UTC")
    return mp.read_history(pd.DataFrame({"P": values}, index=times))


def replay(
    patch: pytest.MonkeyPatch, source: mp.History, journal: Path | None, at: float,
    script: Any = decline, **options: Any,
) -> mp.Run:  # fmt: skip
    """Replay along a script, begun at a time."""
    run, _ = scripted_replay(
        patch, script, source, MODEL, clock=Clock(at), journal=journal, on_invalid="withhold",
        isolate=False, **options,
    )  # fmt: skip
    assert isinstance(run, mp.Run), run
    return run


def ids(run: mp.Run) -> list[tuple[str, str | None]]:
    """Return each run of a lineage with its parent."""
    frame = run.lineage()
    parents = [None if pd.isna(p) else p for p in frame["parent_id"]]
    return list(zip(frame["run_id"], parents, strict=True))


BOTH = [("1000000", None), ("2000000", "1000000")]


def test_a_run_of_its_own_is_its_whole_lineage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Columns and types are a contract, also for the first run."""
    run = replay(monkeypatch, history([1.0, 99.0]), tmp_path / "a.db", 1_000.0)

    frame = run.lineage()

    assert list(frame.columns) == list(LINEAGE_COLUMNS) == NAMES
    assert str(frame["started_at"].dtype) == "datetime64[ms, UTC]"
    assert {str(frame[name].dtype) for name in NAMES[5:11]} == {"int64"}
    assert frame["found"].dtype == bool
    [row] = frame.to_dict("records")
    assert pd.isna(row["parent_id"])
    assert (row["run_id"], row["path"], row["gateway"]) == ("1000000", str(run.path), "gw-1")
    assert (row["read"], row["declined"], row["withheld"], row["found"]) == (2, 1, 1, True)
    assert all(run.results["request_id"].str.startswith(row["run_id"]))


@pytest.mark.parametrize("how", ["frame", "parquet", "csv", "withheld csv", "mended csv"])
def test_a_run_of_rejects_knows_its_parent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    """By what the frame remembers, by request ids, or by the rows themselves."""
    parent = replay(monkeypatch, history([1.0, 99.0, 98.0]), tmp_path / "a.db", 1_000.0)
    other = replay(monkeypatch, history([99.0], "2025-01-01"), tmp_path / "z.db", 1_500.0)
    rejects: Any = parent.rejects
    if "withheld" in how:
        rejects = rejects[rejects["outcome"] == "withheld"].assign(value="5")
    if "mended" in how:
        rejects = rejects[rejects["outcome"] == "withheld"].assign(value="5")
        rejects["row"] = rejects["row"].astype(float)  # a spreadsheet's work
        rejects.loc[rejects.index[0], "device_key"] = "gw-2"
    if how != "frame":
        path = tmp_path / f"rejects.{how.rpartition(' ')[2]}"
        rejects.to_parquet(path) if how == "parquet" else rejects.to_csv(path, index=False)
        rejects = path

    run = replay(monkeypatch, mp.read_history(rejects), tmp_path / "b.db", 2_000.0)

    assert ids(run) == ids(mp.open_run(tmp_path / "b.db")) == BOTH
    assert run.lineage()["path"].tolist() == [str(parent.path), str(run.path)]
    assert ids(parent) == BOTH[:1]
    assert ids(other) == [("1500000", None)]
    assert list(parent.rejects.columns) == list(REJECT_COLUMNS)


def test_a_chain_of_three_is_told_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A backfill is mended until nothing is left; the auditor wants the whole story."""
    source = history([1.0, 99.0])
    for n, name in enumerate("abcd", start=1):
        run = replay(monkeypatch, source, tmp_path / f"{name}.db", n * 1_000.0)
        run.rejects.to_csv(tmp_path / f"{name}.csv", index=False)
        source = mp.read_history(tmp_path / f"{name}.csv")

    assert ids(mp.open_run(tmp_path / "d.db")) == [
        *BOTH, ("3000000", "2000000"), ("4000000", "3000000"),
    ]  # fmt: skip


def chained(patch: pytest.MonkeyPatch, folder: Path) -> tuple[Path, Path]:
    """Return the journals of a run and of the run of its rejects."""
    for name in ("one", "two"):
        (folder / name).mkdir()
    first = replay(patch, history([1.0]), folder / "one" / "a.db", 1_000.0)
    second = replay(patch, mp.read_history(first.rejects), folder / "two" / "b.db", 2_000.0)
    return first.path, second.path


def test_a_parent_that_is_gone_is_named_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its id says when it was; that its journal is missing must be seen."""
    first, second = chained(monkeypatch, tmp_path)
    first.unlink()

    frame = mp.open_run(second).lineage()

    assert ids(mp.open_run(second)) == BOTH
    assert frame["found"].tolist() == [False, True]
    assert frame["path"].tolist() == [str(first), str(second)]
    assert frame["started_at"].iloc[0] == pd.Timestamp(1_000_000, unit="ms", tz="UTC")
    assert frame["read"].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a.db", "renamed.sqlite"])
def test_a_parent_that_moved_beside_its_child_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Journals are archived together, on another machine, too."""
    first, second = chained(monkeypatch, tmp_path)
    shutil.move(first, second.parent / name)

    frame = mp.open_run(second).lineage()

    assert ids(mp.open_run(second)) == BOTH
    assert frame["found"].all()
    assert frame["path"].iloc[0] == str(second.parent / name)


def test_another_journal_in_the_place_of_the_parent_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A job that writes run.db every night has the parent of last week under the same name."""
    first, second = chained(monkeypatch, tmp_path)
    first.unlink()
    replay(monkeypatch, history([2.0]), first, 9_000.0)

    assert mp.open_run(second).lineage()["found"].tolist() == [False, True]


def test_a_circle_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No run made one; a hand that copies journals may."""
    first, second = chained(monkeypatch, tmp_path)
    link = json.dumps({"run_id": "2000000", "journal": str(second)})
    with closing(sqlite3.connect(first, isolation_level=None)) as db:
        db.execute("INSERT INTO run VALUES ('parent', ?)", (link,))

    assert ids(mp.open_run(second)) == [("1000000", "2000000"), ("2000000", "1000000")]
    assert ids(mp.open_run(first)) == [("2000000", "1000000"), ("1000000", "2000000")]


def test_a_parent_without_a_journal_of_its_own_is_known_by_its_request_ids(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A temporary journal goes with its run; the link stays."""
    parent = replay(monkeypatch, history([1.0]), None, 1_000.0)
    parent.rejects.to_csv(tmp_path / "rejects.csv")
    shutil.rmtree(parent.path.parent)

    run = replay(monkeypatch, mp.read_history(tmp_path / "rejects.csv"), tmp_path / "b.db", 2_000.0)

    assert ids(run) == BOTH
    assert run.lineage()["found"].tolist() == [False, True]


def test_a_run_far_away_is_found_among_those_of_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_state: Path
) -> None:
    """Neither beside the new journal nor beside the file; the state folder remembers it."""
    for name in ("far", "files", "new"):
        (tmp_path / name).mkdir()
    parent = replay(monkeypatch, history([99.0]), tmp_path / "far" / "a.db", 1_000.0)
    path = tmp_path / "files" / "rejects.csv"
    parent.rejects.to_csv(path, index=False)
    first = replay(monkeypatch, mp.read_history(path), tmp_path / "new" / "b.db", 2_000.0)
    assert ids(first) == BOTH
    (own_state / recent_runs.RUNS).write_text("[{]")

    second = replay(monkeypatch, mp.read_history(path), tmp_path / "new" / "c.db", 3_000.0)

    assert ids(second) == [("3000000", None)]


def test_the_latest_of_two_runs_that_left_the_same_rows_is_the_parent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who tries twice mends what the second try left."""
    for n, name in ((1, "a.db"), (2, "b.db")):
        run = replay(monkeypatch, history([99.0]), tmp_path / name, n * 1_000.0)
    run.rejects.to_csv(tmp_path / "rejects.csv", index=False)

    child = replay(monkeypatch, mp.read_history(tmp_path / "rejects.csv"), tmp_path / "c.db", 3e3)

    assert ids(child) == [("2000000", None), ("3000000", "2000000")]


def test_two_runs_that_began_at_once_have_two_ids(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An id that two runs share would name neither."""
    for name in ("a.db", "b.db"):
        run = replay(monkeypatch, history([99.0]), tmp_path / name, 1_000.0)

    assert ids(run) == [("1000000-2", None)]


def test_a_continued_run_keeps_its_id_and_its_parent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is the same run, taken up."""
    first = replay(monkeypatch, history([1.0]), tmp_path / "a.db", 1_000.0)
    limits = mp.Limits(attempts=1, reply_timeout=0.1)
    again = mp.read_history(first.rejects)
    silent = replay(monkeypatch, again, tmp_path / "b.db", 2_000.0, lambda *_: [], limits=limits)
    assert not silent.complete

    run = replay(monkeypatch, again, tmp_path / "b.db", 3_000.0, lambda *_: None, limits=limits)

    assert run.complete
    assert ids(run) == BOTH


def test_the_state_folder_remembers_a_hundred_runs_that_still_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is a help, not an archive."""
    for n in range(recent_runs.KEPT_RUNS + 5):
        path = tmp_path / f"{n}.db"
        path.touch()
        recent_runs.remember_run(path, str(n), n)
    (tmp_path / "104.db").unlink()
    recent_runs.remember_run(tmp_path / "x.db", "x", 7)

    runs = recent_runs.recent_runs()

    assert len(runs) == recent_runs.KEPT_RUNS
    assert [run["run_id"] for run in runs[:3]] == ["x", "103", "102"]
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "103.db"))
    recent_runs.remember_run(tmp_path / "y.db", "y", 8)  # no folder: the run goes on without
    assert recent_runs.recent_runs() == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_command_line_replays_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Mend the file and give it back: no option says what its columns are."""
    model, readings = tmp_path / "model.json", tmp_path / "readings.parquet"
    model.write_text(MODEL.to_json(), encoding="utf-8")
    times = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
    pd.DataFrame({"time": times, "P": [1.0, 99.0, 98.0]}).to_parquet(readings)
    rejects = tmp_path / f"rejects.{kind}"
    with mp.simulate(MODEL, gateway=("meter", "m-1")) as platform:
        uri = platform.connection.to_uri(reveal_secret=True)
        known = ["--model", str(model), "--connection", uri]

        def journal(name: str) -> list[str]:
            return ["--journal", str(tmp_path / name), "--on-invalid", "withhold"]

        wrote = ["--time", "time", "--rejects", str(rejects)]
        assert main(["replay", str(readings), *known, *wrote, *journal("a.db")]) == 1
        read = pd.read_csv if kind == "csv" else pd.read_parquet
        frame = read(rejects).assign(value="5")
        frame.to_csv(rejects, index=False) if kind == "csv" else frame.to_parquet(rejects)
        assert main(["replay", str(rejects), *known, *journal("b.db")]) == 0
        assert platform.stored()["value"].tolist() == [1.0, 5.0, 5.0]

    lineage = mp.open_run(tmp_path / "b.db").lineage()
    assert lineage["accepted"].tolist() == [1, 2]
    assert lineage["path"].tolist() == [str(tmp_path / "a.db"), str(tmp_path / "b.db")]
    capsys.readouterr()
    assert main(["replay", str(readings), *known]) == 2
    assert "these are not rejects: name the time with --time" in capsys.readouterr().err
