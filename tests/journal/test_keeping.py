"""Streams kept beside a journal: another process continues a run whose rows came only once."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import PRODUCT, Play
from scripted import Killed, always

import mpreplay as mp

ROLES: dict[str, Any] = {"time_column": "ts", "device_column": "unit", "product_key": PRODUCT}


def stream(frame: pd.DataFrame, step: int = 3) -> mp.History:
    """Return a frame as a stream of a few rows at a time."""
    return mp.read_history((frame[n : n + step] for n in range(0, len(frame), step)), **ROLES)


def killed_at(number: int) -> Any:
    """Return a script under which the process is killed at a publish."""

    def script(n: int, message: Any) -> Any:
        if n == number:
            raise Killed
        return always(n, message)

    return script


def interrupted(play: Play, history: mp.History, **options: Any) -> None:
    """Run until the fourth request, and end as a killed process does."""
    with pytest.raises(Killed):
        play(killed_at(4), history=history, **options)


@pytest.fixture
def rest(play: Play, frame: pd.DataFrame, tmp_path: Path) -> Iterator[list[bytes]]:
    """Return what a run sends that nobody kills."""
    run, sent = play(history=stream(frame), journal=tmp_path / "whole.db")
    assert run.complete
    yield [payload for _, payload in sent.published]


@pytest.mark.parametrize("how", ["the kept file", "a second stream", "the journal moved"])
def test_a_run_of_a_stream_is_continued_by_another_process(
    how: str, play: Play, frame: pd.DataFrame, tmp_path: Path, rest: list[bytes]
) -> None:
    """The rows came once, and the process that had them is gone."""
    journal = tmp_path / "run.db"
    interrupted(play, stream(frame))
    gc.collect()
    kept = tmp_path / "run.db.source.parquet"
    assert kept.stat().st_mode & 0o777 == 0o600

    if how == "the journal moved":
        (tmp_path / "elsewhere").mkdir()
        for path in tmp_path.glob("run.db*"):
            path.rename(tmp_path / "elsewhere" / path.name)
        journal = tmp_path / "elsewhere" / "run.db"
        kept = journal.with_name(kept.name)
    again = stream(frame, 5) if how == "a second stream" else mp.read_history(kept, **ROLES)
    run, sent = play(history=again, journal=journal)

    assert run.complete
    assert len(run.rejects) == 0
    assert len(sent.published) == len(rest) - 3
    assert [len(payload) for _, payload in sent.published] == list(map(len, rest[3:]))
    assert sorted(path.name for path in journal.parent.glob("*source*"))[0] == kept.name


def test_a_run_says_from_where_it_is_continued(
    play: Play, frame: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log while it is begun, and in the page of a run that did not end."""
    with caplog.at_level(logging.INFO, "mpreplay"):
        interrupted(play, stream(frame))
    path = tmp_path / "run.db.source.parquet"
    assert f"another process continues the run with read_history({str(path)!r}, ...)" in caplog.text

    page = tmp_path / "report.html"
    mp.open_run(tmp_path / "run.db").report(page)
    assert "read_history(&#39;run.db.source.parquet&#39;, ...)" in page.read_text("utf-8")
    with pytest.raises(mp.JournalMismatch, match=r"stream was kept in run.db.source.parquet"):
        error, _ = play(history=stream(frame.assign(P=1.0)))
        raise error


def test_the_audit_knows_the_bytes_of_a_stream(
    play: Play, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """An auditor compares the kept file with what was sent."""
    run, _ = play(history=stream(frame))
    run.audit(tmp_path / "audit")

    kept = tmp_path / "run.db.source.parquet"
    assert mp.verify_audit(tmp_path / "audit", sources=[kept]).empty
    (known,) = run._journal.facts()["sources"]
    assert (known["name"], known["kept"]) == ("generator", "run.db.source.parquet")


def test_several_streams_are_kept_under_numbers(
    play: Play, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """A list of readers, one a site, is one history, and can be continued as a list of files."""
    parts = [frame[:4], frame[4:]]
    interrupted(play, mp.read_history([iter([part]) for part in parts], **ROLES))
    kept = [tmp_path / f"run.db.source{end}.parquet" for end in ("", "-2")]

    run, _ = play(history=mp.read_history(kept, **ROLES))

    assert run.complete


def test_a_run_that_is_refused_keeps_nothing(
    play: Play, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """What never began needs nothing to continue from; the stream can still be used."""
    history = stream(frame.assign(P=9_999.0))
    error, _ = play(history=history)
    assert isinstance(error, mp.InvalidHistory)
    assert list(tmp_path.glob("run.db*parquet*")) == []

    run, _ = play(history=history, on_invalid="withhold")
    assert run.complete


def test_a_file_in_the_way_is_not_overwritten(
    play: Play, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """It may be the only copy of another stream."""
    other = tmp_path / "run.db.source.parquet"
    other.write_bytes(b"the only copy")

    error, _ = play(history=stream(frame))

    assert isinstance(error, mp.JournalError)
    assert "holds something else; move it away" in str(error)
    assert other.read_bytes() == b"the only copy"
    assert not (tmp_path / "run.db").exists()


def test_without_a_journal_nothing_is_kept(play: Play, frame: pd.DataFrame) -> None:
    """The temporary file goes with the history, as the temporary journal with the run."""
    history = stream(frame)
    run, _ = play(history=history, journal=None)
    (source,) = history.sources
    folder = source.path.parent  # type: ignore[attr-defined]
    assert run.complete
    assert folder.is_dir()

    del history, source, run
    gc.collect()
    assert not folder.exists()


def test_a_place_of_the_users_own_stays(play: Play, frame: pd.DataFrame, tmp_path: Path) -> None:
    """Whoever names a file finds the rows there, whatever becomes of the run."""
    place = tmp_path / "rows.parquet"
    history = mp.read_history(iter([frame]), spool=place, **ROLES)
    run, _ = play(history=history)

    assert run.complete
    assert place.samefile(tmp_path / "run.db.source.parquet")


def test_a_journal_on_another_disk_has_a_copy(
    play: Play, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/tmp is often a file system of its own, to which no second name leads."""

    def refuse(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    interrupted(play, stream(frame))
    run, _ = play(history=mp.read_history(tmp_path / "run.db.source.parquet", **ROLES))

    assert run.complete
    assert list(tmp_path.glob(".*part*")) == []


def test_the_same_history_is_replayed_again_and_into_other_journals(
    play: Play, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """What a journal keeps is its own: a second call takes it from nobody, nor loses the rows."""
    history = stream(frame)
    interrupted(play, history, journal=tmp_path / "a.db")
    kept = (tmp_path / "a.db.source.parquet").read_bytes()
    run, _ = play(history=history, journal=tmp_path / "a.db")
    other, _ = play(history=history, journal=tmp_path / "b.db")
    (tmp_path / "b.db.source.parquet").unlink()
    again, sent = play(history=history, journal=tmp_path / "a.db")

    assert run.complete
    assert other.complete
    assert again.complete
    assert not sent.published
    assert (tmp_path / "a.db.source.parquet").read_bytes() == kept
    assert mp.validate(history, run._model).n_values == run.summary()["read"]
