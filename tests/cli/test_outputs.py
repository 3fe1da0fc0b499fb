"""What a command writes: refused before anything is sent if it could do harm or cannot work."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pandas as pd
import pytest
from brokers import free_port
from cli.test_commands import COLUMNS, HISTORY, MODEL, platform  # noqa: F401 - a fixture

from mpreplay.cli.commands import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a history and a model, and nobody who listens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPREPLAY_CONNECTION", f"mqtt://gw-1:s@127.0.0.1:{free_port()}/gateway")
    (tmp_path / "history").mkdir()
    shutil.copy(HISTORY, tmp_path / "history" / "day.parquet")
    shutil.copy(MODEL, tmp_path / "model.json")
    (tmp_path / "s.csv").write_text('{"wind-turbine/T01": "s"}')
    return tmp_path


REPLAY = ["replay", "history/day.parquet", "--model", "model.json", *COLUMNS]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rejects", "x.xlsx"], r"--rejects x\.xlsx: the name must end in \.parquet or \.csv"),
        (["--books", "books"], r"--books books: the name must end"),
        (["--results", "none/x.csv"], r"none/x\.csv: cannot be written \(there is no folder"),
        (["--rejects", f"{'x' * 300}.csv"], "name too long"),
        (["--rejects", "history/day.parquet"], "is a file of the history"),
        (["--rejects", "history/../history/day.parquet"], "is a file of the history"),
        (["--rejects", "a.csv", "--books", "./a.csv"], r"--books a.* and --rejects a.* collide"),
        (["--rejects", "j.csv", "--journal", "j.csv"], "is the journal, and would be"),
        (["--rejects", "s.csv", "--sub-device-secrets", "s.csv"], "read by this command"),
        (["--rejects", ""], "a path is not empty"),
        (["--journal", "model.json"], "this is no journal"),
        (["--journal", "none/run.db"], "there is no folder"),
        (["--journal", "history/day.parquet"], "this is no journal"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)  # fmt: skip
def test_an_output_that_cannot_work_is_refused_before_anything_is_connected(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    """Nobody listens: a status of 3 would say that a connection was tried."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    more = ["--on-invalid", "withhold", "--duplicates", "last", "--allow-offline-sub-device"]
    assert main([*REPLAY, *more, *options]) == 2

    error = capsys.readouterr().err
    assert pd.Series([error]).str.contains(told).all(), error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("history", ["history", "history/*.parquet", "histor*/*.parquet"])
@pytest.mark.parametrize("command", ["replay", "validate"])
def test_a_table_does_not_become_part_of_the_history(
    folder: Path, capsys: pytest.CaptureFixture[str], history: str, command: str
) -> None:
    """The next run would read last night's rejects as readings."""
    option = "--rejects" if command == "replay" else "--violations"
    arguments = [command, history, "--model", "model.json", *COLUMNS]
    assert main([*arguments, option, "history/x.parquet"]) == 2

    assert f"{option} history/x.parquet would become part of the history" in capsys.readouterr().err
    assert [path.name for path in (folder / "history").iterdir()] == ["day.parquet"]


def test_a_table_does_not_become_part_of_a_history_of_csv_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside a CSV file its like would be read, and a Parquet file in its place."""
    (folder / "texts").mkdir()
    text = "time,turbine,P_avg\n2024-01-01T00:00:00Z,T01,1.5\n"
    (folder / "texts" / "day.csv").write_text(text)
    for history in ("texts/*.csv", "texts/d*", "texts"):
        arguments = ["validate", history, "--model", "model.json", *COLUMNS]
        assert main([*arguments, "--violations", f"{folder}/texts/day2.csv"]) == 2
        assert "would become part of the history" in capsys.readouterr().err
    assert main([*arguments, "--violations", f"{folder}/other.csv"]) == 0


def test_validate_does_not_write_over_what_it_reads(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The options stand beside each other on the line."""
    before = (folder / "history/day.parquet").read_bytes()
    command = ["validate", "history/day.parquet", "--model", "model.json", *COLUMNS]
    assert main([*command, "--violations", "history/day.parquet"]) == 2

    assert "is a file of the history" in capsys.readouterr().err
    assert (folder / "history/day.parquet").read_bytes() == before


def test_a_report_is_refused_before_any_part_of_it_is_written(
    platform: object, folder: Path, monkeypatch: pytest.MonkeyPatch,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A table written and a page refused would be half of what was asked for."""
    uri = platform.connection.to_uri(reveal_secret=True)  # type: ignore[attr-defined]
    monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
    policy = ["--on-invalid=withhold", "--duplicates=last", "--allow-offline-sub-device"]
    before = pd.read_parquet("history/day.parquet")
    tables = ["--rejects", "rejects.csv", "--books", "books.csv"]
    assert main([*REPLAY, *policy, *tables, "--journal", "run.db"]) == 1
    files = {path.name for path in folder.iterdir()}
    for wrong in (
        ["--html", "run.db"], ["--html", "history/day.parquet"], ["--html", "rejects2.csv"],
        ["--html", "none/x.html"], ["--books", "x.xlsx"], ["--audit", "history"],
        ["--audit", "new", "--html", "new"], ["--html", ""],
    ):  # fmt: skip
        assert main(["report", "run.db", "--rejects", "rejects2.csv", *wrong]) == 2
        assert {path.name for path in folder.iterdir()} == files

    pd.testing.assert_frame_equal(pd.read_parquet("history/day.parquet"), before)
    assert main(["report", "run.db", "--html", "page.html", "--rejects", "rejects.csv"]) == 0
    assert stat.S_IMODE(Path("rejects.csv").stat().st_mode) == 0o600
    assert files >= {"run.db", "rejects.csv", "books.csv"}


def test_a_table_that_cannot_be_written_at_the_end_hides_neither_run_nor_other_tables(
    platform: object, folder: Path, monkeypatch: pytest.MonkeyPatch,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A disk that fills up meanwhile: everything was sent, and the journal has it."""
    uri = platform.connection.to_uri(reveal_secret=True)  # type: ignore[attr-defined]
    monkeypatch.setenv("MPREPLAY_CONNECTION", uri)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    policy = ["--on-invalid=withhold", "--duplicates=last", "--allow-offline-sub-device"]
    tables = ["--rejects", "rejects.parquet", "--books", "books.csv"]
    assert main([*REPLAY, *policy, *tables, "--journal", "run.db"]) == 2

    shown = capsys.readouterr()
    assert "rejects.parquet: cannot be written (No space left on device)" in shown.err
    assert "23,025 of 23,036 values accepted" in shown.out
    assert "journal: " in shown.out
    assert sorted(path.suffix for path in folder.iterdir() if path.is_file()) == [
        ".csv", ".csv", ".db", ".json"
    ]  # fmt: skip
