"""The audit of a run: what is in it, and that it is written whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import FARM, history_of
from journal.test_writer import DAY, KEY, NO_REJECTS, request, settled, slab
from report.test_causes import declined, rejects

import mpreplay as mp
from mpreplay.audit import bundle
from mpreplay.audit.bundle import write_bundle
from mpreplay.audit.chain import manifest_text
from mpreplay.cli.commands import main
from mpreplay.journal.reader import read_journal
from mpreplay.journal.writer import Journal
from mpreplay.outcome.packed_counts import Names, pack
from mpreplay.report.writing import disagreements

FILES = {
    "manifest.json", "requests.jsonl", "results.parquet", "rejects.parquet", "books.parquet",
    "touched.parquet", "report.html",
}  # fmt: skip


def run_of(path: Path, *, is_killed: bool = False, **facts: Any) -> mp.Run:
    """Return a run of two requests, one of which was declined, and two withheld values."""
    journal = Journal(path)
    journal.begin(**{"read_all": True, **facts})
    tallies = {"read": {KEY: 8}, "withheld": {KEY: 2}}
    chunks = [request(1), request(2)]
    of_slab = [{"device_key": "d", "time": DAY * 86_400_000}] * 2
    of_request = [declined("2", device_key="d", time=DAY * 86_400_000)] * 3

    def touched(chunks: list[Any], names: Names) -> list[bytes]:
        [device], [point] = names.of_devices([("p", "d")]), names.of_points(["P"])
        return [pack(np.array([[device], [point], [5], [6], [3], [0]]))] * len(chunks)

    with mock.patch("mpreplay.journal.writer.touched_of", touched):
        journal.intend(slab(0, 4), chunks, tallies, rejects(*of_slab))
    if not is_killed:
        journal.settle(settled(1, "accepted", 200), 1, {}, NO_REJECTS)
        journal.settle(settled(2, "declined", 1204), 1, {}, rejects(*of_request))
    journal.close()
    return mp.open_run(path)


def plain(value: Any) -> bytes:
    """Return canonical JSON as the documents describe it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_an_audit_holds_what_its_readers_need(tmp_path: Path) -> None:
    """The auditor was not there and has no mpreplay at hand: files that anything can read."""
    run = run_of(tmp_path / "run.db", gateway="gw-1")
    head = run.audit(tmp_path / "audit")
    manifest = json.loads((tmp_path / "audit/manifest.json").read_text("utf-8"))

    assert {path.name for path in (tmp_path / "audit").iterdir()} == FILES
    for name in ("results", "rejects", "books"):
        table = pd.read_parquet(tmp_path / f"audit/{name}.parquet")
        pd.testing.assert_frame_equal(table, getattr(run, name))
    assert manifest["head"] == head
    assert manifest["counts"]["declined"] == 3
    assert manifest["run"]["complete"] is True
    assert set(manifest["versions"]) == {
        "mpreplay", "python", "pandas", "pyarrow", "pandera", "paho-mqtt"
    }  # fmt: skip


def test_the_chain_can_be_recomputed_with_the_standard_library(tmp_path: Path) -> None:
    """A proof that only its maker can check is none."""
    head = run_of(tmp_path / "run.db").audit(tmp_path / "audit")
    manifest = json.loads((tmp_path / "audit/manifest.json").read_bytes())
    facts = {key: value for key, value in manifest.items() if key not in {"files", "head"}}
    prev = hashlib.sha256(plain(facts)).hexdigest()
    for text in (tmp_path / "audit/requests.jsonl").read_bytes().splitlines():
        line = json.loads(text)
        found = line.pop("hash")
        assert line["prev"] == prev
        assert hashlib.sha256(plain(line)).hexdigest() == found
        prev = found

    assert prev == head == manifest["head"]
    for name, expected in line["seal"]["files"].items():
        content = (tmp_path / "audit" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected
    assert line["seal"]["files"].keys() == FILES - {"manifest.json", "requests.jsonl"}


def test_a_run_that_goes_on_may_be_audited(tmp_path: Path) -> None:
    """The audit of a long backfill need not wait; it says that there is more to come."""
    run = run_of(tmp_path / "run.db", read_all=False, ended=["interrupted", ["SIGINT"]])
    run.audit(tmp_path / "audit")
    manifest = json.loads((tmp_path / "audit/manifest.json").read_bytes())

    assert manifest["run"]["complete"] is False
    assert manifest["run"]["stopped"] == "interrupted (SIGINT)"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """Evidence that the next run replaces is no evidence."""
    run = run_of(tmp_path / "run.db")
    (tmp_path / "audit").mkdir()
    run.audit(tmp_path / "audit")
    before = {path: path.read_bytes() for path in (tmp_path / "audit").iterdir()}
    for taken in (tmp_path / "audit", tmp_path / "run.db"):
        with pytest.raises(mp.ConfigError, match="new or empty; nothing was written"):
            run.audit(taken)

    assert {path: path.read_bytes() for path in (tmp_path / "audit").iterdir()} == before
    with pytest.raises(mp.ConfigError, match="there is no folder"):
        run.audit(tmp_path / "no/audit")


def test_an_audit_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an audit could be taken for a whole one that was altered."""
    run = run_of(tmp_path / "run.db")

    def fail(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "manifest_text", fail)
    with pytest.raises(mp.ConfigError, match=r"cannot be written .No space left"):
        run.audit(tmp_path / "audit")

    assert {path.name for path in tmp_path.iterdir()} == {"run.db"}


def test_a_missing_library_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports are an extra, and whoever lacks it is told its name."""
    run = run_of(tmp_path / "run.db")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for write in (run.audit, run.report):
        with pytest.raises(mp.ConfigError, match=r"pip install 'mpreplay\[report\]'"):
            write(tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_many_small_records_of_rejects_become_few_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking requests apart records rejects one by one; a table of such parts is slow to read."""
    run = run_of(tmp_path / "run.db")
    run.audit(tmp_path / "one")
    monkeypatch.setattr(bundle, "_ROW_GROUP", 1)
    monkeypatch.setattr("mpreplay.journal.reader.AT_ONCE", 1)
    run.audit(tmp_path / "two")

    assert pq.ParquetFile(tmp_path / "one/rejects.parquet").num_row_groups == 1
    assert pq.ParquetFile(tmp_path / "two/rejects.parquet").num_row_groups == 2


def test_an_audit_is_one_moment_of_a_run_that_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its tables the run goes on: they would contradict each other."""
    run = run_of(tmp_path / "run.db")
    reader = read_journal(tmp_path / "run.db")
    other = run_of(tmp_path / "other.db", read_all=False)
    table = bundle._write_table

    def write_and_go_on(path: Path, frames: Any) -> None:
        table(path, frames)
        (tmp_path / "run.db").write_bytes(other.path.read_bytes())

    monkeypatch.setattr(bundle, "_write_table", write_and_go_on)
    write_bundle(reader, tmp_path / "audit")

    assert not run.complete  # by now
    manifest = json.loads((tmp_path / "audit/manifest.json").read_bytes())
    assert manifest["run"]["complete"] is True


def test_the_manifest_names_the_files_that_were_read_and_their_digests(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """As they were when the run began: a file that was changed later must not vouch for it."""
    frame.to_parquet(tmp_path / "farm.parquet")
    digest = hashlib.sha256((tmp_path / "farm.parquet").read_bytes()).hexdigest()
    for number, source in enumerate([tmp_path / "farm.parquet", frame]):
        run = mp.replay(
            history_of(source), model, platform.connection, journal=tmp_path / f"{number}.db",
            allow_offline_sub_device=True, limits=mp.Limits(connects=None),
        )  # fmt: skip
        (tmp_path / "farm.parquet").unlink(missing_ok=True)
        run.audit(tmp_path / f"audit-{number}")
    found = [
        json.loads((tmp_path / f"audit-{number}/manifest.json").read_bytes())["sources"]
        for number in range(2)
    ]

    assert [(one["name"], one["sha256"]) for [one] in found] == [
        ("farm.parquet", digest), ("DataFrame", None)
    ]  # fmt: skip
    assert found[1][0]["fingerprint"].startswith("frame:")


def test_the_manifest_names_the_files_that_were_left_out(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """What is not on the platform because it was never read is found by its name and its rule."""
    folder = tmp_path / "in"
    (folder / "_archive").mkdir(parents=True)
    for name in ("farm", "_archive/old"):
        frame.to_parquet(folder / f"{name}.parquet")
    (folder / "farm.csv").touch()
    run = mp.replay(
        history_of(folder), model, platform.connection, journal=tmp_path / "run.db",
        allow_offline_sub_device=True, limits=mp.Limits(connects=None),
    )  # fmt: skip
    head = run.audit(tmp_path / "audit")
    manifest = json.loads((tmp_path / "audit/manifest.json").read_bytes())

    assert manifest["left_out"] == [
        {"rule": "ending", "ending": ".csv", "n": 1, "n_with_data": 1,
         "paths": [str(folder / "farm.csv")]},
        {"rule": "underscore", "ending": "", "n": 1, "n_with_data": 1,
         "paths": [str(folder / "_archive")]},
    ]  # fmt: skip
    assert len(manifest["sources"]) == 1
    assert mp.verify_audit(tmp_path / "audit", head=head).empty
    manifest["left_out"] = []
    (tmp_path / "audit/manifest.json").write_bytes(manifest_text(manifest))
    assert len(mp.verify_audit(tmp_path / "audit")) == 1


def test_no_file_of_an_audit_holds_a_secret(
    platform: Any, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> None:
    """An audit is mailed around."""
    connection = platform.connection
    subs = {device: platform.connection_for(*device).device_secret.reveal() for device in FARM}
    (tmp_path / "gateway").write_text(connection.device_secret.reveal(), encoding="utf-8")
    run = mp.replay(
        history,
        model,
        dataclasses.replace(connection, device_secret=f"file:{tmp_path / 'gateway'}"),
        sub_device_secrets=subs,
        journal=tmp_path / "run.db",
    )
    run.audit(tmp_path / "audit")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "audit").iterdir())
    for path in (tmp_path / "audit").glob("*.parquet"):  # their pages are compressed
        everything += pd.read_parquet(path).to_csv().encode()

    assert b"accepted" in everything
    for secret in (connection.device_secret.reveal(), *subs.values()):
        assert secret.encode() not in everything
    settings = json.loads((tmp_path / "audit/manifest.json").read_bytes())["settings"]
    assert settings["platform"] == f"{connection.host}:{connection.port}"
    assert settings["limits"]["window"] == 16


def test_the_report_is_a_file_of_its_own(tmp_path: Path) -> None:
    """The reader of a mail opens one page, and needs no folder."""
    run = run_of(tmp_path / "run.db")
    run.report(tmp_path / "report.html")
    run.report(tmp_path / "report.html")

    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
    with pytest.raises(mp.ConfigError, match="cannot be written"):
        run.report(tmp_path / "no/report.html")


ALTERED = [
    "UPDATE tallies SET fate = 'accepted' WHERE fate = 'declined'",
    "UPDATE tallies SET n = n + 1 WHERE fate = 'read'",
    "DELETE FROM rejects WHERE owner = '2'",
    "UPDATE requests SET outcome = 'accepted' WHERE request_id = '2'",
    "UPDATE requests SET code = 500 WHERE request_id = '1'",
]


@pytest.mark.parametrize("change", ALTERED)
def test_a_journal_that_was_altered_is_never_reported_in_silence(
    tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report is what people read; whoever made the audit is not there to be asked."""
    run = run_of(tmp_path / "run.db")
    with closing(sqlite3.connect(run.path)) as db, db:
        db.execute(change)
    with pytest.warns(mp.ReplayWarning, match="these books do not add up"):
        run.report(tmp_path / "report.html")
    with pytest.warns(mp.ReplayWarning, match="these books do not add up"):
        run.audit(tmp_path / "audit")
    out = tmp_path / "again.html"

    for page in (tmp_path / "report.html", tmp_path / "audit/report.html"):
        assert "These books do not add up: the journal is damaged or was" in page.read_text("utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as at a terminal
        assert main(["report", str(run.path), "--html", str(out)]) == 1
    assert capsys.readouterr().err.count("these books do not add up") == 1
    assert out.exists()


def test_the_journal_of_a_run_that_goes_on_adds_up(tmp_path: Path) -> None:
    """What has not settled is missing from the rejects, and no alteration."""
    run = run_of(tmp_path / "run.db", is_killed=True, read_all=False)
    run.report(tmp_path / "report.html")

    assert disagreements(read_journal(run.path)) == []
    assert "is going on or was killed" in (tmp_path / "report.html").read_text("utf-8")


def test_nothing_is_written_where_one_of_two_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was written is a promise, too."""
    run_of(tmp_path / "run.db")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    page = tmp_path / "page.html"

    assert main(["report", str(tmp_path / "run.db"), "--html", str(page), "--audit", str(taken)])
    assert "nothing was written" in capsys.readouterr().err
    assert not page.exists()


def test_each_source_is_told_whether_it_is_what_was_read(
    platform: Any, model: mp.ThingModel, frame: pd.DataFrame, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """An auditor who names a file wants to hear of it, also when it is the right one."""
    file = tmp_path / "farm.parquet"
    frame.to_parquet(file)
    for number, source in enumerate([file, frame]):
        run = mp.replay(
            history_of(source), model, platform.connection, journal=tmp_path / f"{number}.db",
            allow_offline_sub_device=True, limits=mp.Limits(connects=None), progress=False,
        )  # fmt: skip
        run.audit(tmp_path / f"audit-{number}")

    assert main(["verify", str(tmp_path / "audit-0"), "--source", str(file)]) == 0
    assert f"{file}: is what the run read" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "audit-1"), "--source", str(file)]) == 1
    said = capsys.readouterr().out
    assert "the audit itself is as it was written" in said
    assert "the run read a DataFrame, which no file can be compared with" in said


def test_the_command_line_writes_and_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The head is printed, so that it can be kept elsewhere; the exit status tells the rest."""
    run_of(tmp_path / "run.db")
    audit, journal = str(tmp_path / "my audit"), str(tmp_path / "run.db")

    assert main(["report", journal]) == 0
    assert "why values did not arrive" in capsys.readouterr().out
    assert main(["report", journal, "--html", f"{audit}.html", "--audit", audit]) == 0
    out = capsys.readouterr().out
    head = json.loads((tmp_path / "my audit/manifest.json").read_bytes())["head"]
    assert f"mpreplay verify '{audit}' --head {head}" in out
    assert "Each audit of a journal has a head of its own" in out
    assert main(["verify", audit, "--head", "0" * 64]) == 1
    assert main(["verify", audit, "--source", journal]) == 1
    said = capsys.readouterr().out
    assert "the audit itself is as it was written" in said
    assert f"{journal}: the run read no file with these bytes" in said
    assert main(["verify", audit, "--head", "abc"]) == 2
    assert main(["verify", audit, "--source", "no-such-file"]) == 2
    assert main(["verify", str(tmp_path)]) == 2
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    for options in ([], ["--html", "x"]):
        assert main(["report", str(tmp_path / "nowhere.db"), *options]) == 2
        assert "nowhere.db: there is no journal" in capsys.readouterr().err
