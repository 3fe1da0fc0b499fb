"""Verifying an audit: what is as it was written passes, and whatever is not is named."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import history_of
from hypothesis import given, settings
from hypothesis import strategies as st
from runner.test_faults import GATEWAY, SECRETS, Rehearsal, staged
from virtual import VirtualTransport

import mpreplay as mp
from mpreplay.audit import verifying
from mpreplay.audit.bundle import sha256_of
from mpreplay.audit.chain import canonical, chained, digest, facts_of, manifest_text
from mpreplay.audit.heads import head_of
from mpreplay.audit.verifying import Finding, verify_bundle
from mpreplay.cli.commands import main
from mpreplay.simulator.faults import FaultScript

FILES = (
    "manifest.json", "requests.jsonl", "results.parquet", "rejects.parquet", "books.parquet",
    "touched.parquet", "report.html",
)  # fmt: skip
TABLES = [name for name in FILES if name.endswith(".parquet")]


def audit_of(seed: int, model: mp.ThingModel, folder: Path, **changes: Any) -> tuple[mp.Run, str]:
    """Return a run of turbines with all sorts of faults, and the head of its audit."""
    made = Rehearsal.of(seed)
    made = replace(made, options={**made.options, **changes})
    connection = mp.Connection(
        "h", product_key=GATEWAY[0], device_key=GATEWAY[1], device_secret=SECRETS[GATEWAY]
    )
    with staged(made, model, folder):
        with suppress(mp.ConnectError):
            mp.replay(
                history_of(made.frame), model, connection, journal=folder / "run.db",
                progress=False, **made.options,
            )  # fmt: skip
        run = mp.open_run(folder / "run.db")
        return run, run.audit(folder / "audit")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, model: mp.ThingModel) -> Path:
    """Make one audit for all tests; each works on a copy."""
    folder = tmp_path_factory.mktemp("kept")
    run, _ = audit_of(3, model, folder, on_invalid="withhold")
    assert len(run.results) > 5
    assert len(run.rejects)
    return folder / "audit"


@pytest.fixture
def audit(kept: Path, tmp_path: Path) -> Path:
    """Return a copy of an audit, in another place."""
    return Path(shutil.copytree(kept, tmp_path / "copy"))


@pytest.fixture(scope="module")
def head(kept: Path) -> str:
    """Return its head."""
    return str(json.loads((kept / "manifest.json").read_bytes())["head"])


def lines_of(audit: Path) -> list[bytes]:
    """Return the lines of the chain."""
    return (audit / "requests.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(audit: Path, lines: list[bytes]) -> None:
    """Write other lines in their place."""
    (audit / "requests.jsonl").write_bytes(b"".join(lines))


def named(findings: list[Finding]) -> set[str]:
    """Return the files that findings name."""
    return {finding.file for finding in findings}


def words(findings: list[Finding]) -> str:
    """Return what findings say of the chain."""
    return "\n".join(f.finding for f in findings if f.file == "requests.jsonl")


def test_an_untouched_audit_verifies_wherever_it_is(audit: Path, head: str) -> None:
    """It is made on one machine and read on another."""
    assert verify_bundle(audit, head=head) == []
    assert verify_bundle(audit, head=f" {head.upper()}\n") == []
    found = mp.verify_audit(audit)
    assert list(found.columns) == ["file", "where", "finding"]
    assert len(found) == 0


@settings(max_examples=15)
@given(st.integers(0, 100_000), st.sampled_from(["raise", "withhold", "send"]))
def test_the_audit_of_any_run_verifies(model: mp.ThingModel, seed: int, on_invalid: str) -> None:
    """Declined, skipped, divided, copied, in doubt, ended early: none of it is an alteration."""
    with TemporaryDirectory() as name:
        try:
            _, head = audit_of(seed, model, Path(name), on_invalid=on_invalid)
        except (mp.InvalidHistory, mp.JournalError):  # refused before it began
            return
        assert verify_bundle(Path(name) / "audit", head=head) == []


def test_an_audit_of_nothing_verifies(tmp_path: Path, model: mp.ThingModel) -> None:
    """A night without readings is audited like any other."""
    made = Rehearsal.of(1)
    with staged(made, model, tmp_path):
        connection = mp.Connection("h", product_key="gateway", device_key="gw-1", device_secret="s")
        history = history_of(made.frame.iloc[:0])
        with pytest.warns(mp.ReplayWarning, match="no row"):
            run = mp.replay(history, model, connection, journal=tmp_path / "run.db", progress=False)
    head = run.audit(tmp_path / "audit")

    assert len(lines_of(tmp_path / "audit")) == 1  # the seal
    assert verify_bundle(tmp_path / "audit", head=head) == []


def test_a_run_is_audited_at_any_moment_of_it(tmp_path: Path, model: mp.ThingModel) -> None:
    """Requests that have not settled are in doubt, and have no rejects yet."""
    made = Rehearsal.of(7)
    audits: list[Path] = []

    class Auditing(VirtualTransport):
        def publish(self, topic: str, payload: bytes) -> None:
            super().publish(topic, payload)
            if (tmp_path / "run.db").exists():
                audits.append(tmp_path / f"audit {len(audits)}")
                mp.open_run(tmp_path / "run.db").audit(audits[-1])

    connection = mp.Connection("h", product_key="gateway", device_key="gw-1", device_secret="s")
    with staged(made, model, tmp_path, Auditing):
        mp.replay(
            history_of(made.frame), model, connection, journal=tmp_path / "run.db",
            progress=False, **{**made.options, "on_invalid": "withhold"},
        )  # fmt: skip
    n_open = [
        json.loads((audit / "manifest.json").read_bytes())["run"]["open_requests"]
        for audit in audits
    ]

    assert max(n_open) > 1
    assert [verify_bundle(audit) for audit in audits] == [[]] * len(audits)


def test_rows_without_time_or_device_are_audited(tmp_path: Path, model: mp.ThingModel) -> None:
    """Their values are on no day and of no device, and are in the books all the same."""
    made = replace(Rehearsal.of(3), faults=FaultScript())
    frame = made.frame.astype({"unit": object, "ts": object})
    frame.loc[[2, 5], "unit"] = None
    frame.loc[[5, 9], "ts"] = "no time"
    connection = mp.Connection("h", product_key="gateway", device_key="gw-1", device_secret="s")
    with staged(made, model, tmp_path):
        run = mp.replay(
            history_of(frame), model, connection, journal=tmp_path / "run.db",
            progress=False, **{**made.options, "on_invalid": "withhold"},
        )  # fmt: skip
    run.audit(tmp_path / "audit")

    assert run.books["day"].isna().any()
    assert run.books["device_key"].isna().any() or (run.books["device_key"] == "").any()
    assert verify_bundle(tmp_path / "audit") == []


def changes() -> st.SearchStrategy[Callable[[bytes], bytes]]:
    """Make changes of one byte: another one, one more, one less."""
    at, byte = st.floats(0, 1, exclude_max=True), st.integers(1, 255)

    def flip(text: bytes, where: float, by: int) -> bytes:
        i = int(where * len(text))
        return text[:i] + bytes([text[i] ^ by]) + text[i + 1 :]

    def insert(text: bytes, where: float, byte: int) -> bytes:
        i = int(where * (len(text) + 1))
        return text[:i] + bytes([byte]) + text[i:]

    def delete(text: bytes, where: float, _: int) -> bytes:
        i = int(where * len(text))
        return text[:i] + text[i + 1 :]

    return st.builds(
        lambda change, where, by: lambda text: change(text, where, by),
        st.sampled_from([flip, insert, delete]), at, byte,
    )  # fmt: skip


@settings(max_examples=80)
@given(st.sampled_from(FILES), changes())
def test_any_byte_that_changes_is_found_in_its_file(
    kept: Path, head: str, name: str, change: Callable[[bytes], bytes]
) -> None:
    """The law of an audit: nothing in it can be changed unseen, and what was is named."""
    with altered(kept, name, change) as audit:
        found = verify_bundle(audit)
        with_head = verify_bundle(audit, head=head)

    assert named(found) == {name}
    assert named(with_head) == {name}


@contextmanager
def altered(audit: Path, name: str, change: Callable[[bytes], bytes]) -> Iterator[Path]:
    """Change a file for a while."""
    before = (audit / name).read_bytes()
    (audit / name).write_bytes(change(before))
    try:
        yield audit
    finally:
        (audit / name).write_bytes(before)


def test_every_byte_of_the_seal_and_of_the_manifest_counts(audit: Path) -> None:
    """Blanks, the order of keys, the digits of the head: no corner is left out."""
    for name, size in (("manifest.json", None), ("requests.jsonl", 700)):
        text = (audit / name).read_bytes()
        for i in range(0 if size is None else len(text) - size, len(text), 23):
            (audit / name).write_bytes(text[:i] + bytes([text[i] ^ 1]) + text[i + 1 :])
            assert named(verify_bundle(audit)) == {name}, i
        (audit / name).write_bytes(text)


@given(st.data())
def test_a_request_that_is_dropped_is_named(kept: Path, data: st.DataObject) -> None:
    """What is left out is what somebody wanted to hide."""
    lines = lines_of(kept)
    gone = data.draw(st.integers(0, len(lines) - 2))
    name = json.loads(lines[gone])["request_id"]
    with altered(kept, "requests.jsonl", lambda _: b"".join(lines[:gone] + lines[gone + 1 :])):
        found = verify_bundle(kept)

    assert [f.finding for f in found] == [f"request {name} was dropped"]


@given(st.data())
def test_requests_that_change_places_are_named(kept: Path, data: st.DataObject) -> None:
    """The order of requests says which value was written last."""
    lines = lines_of(kept)
    n = len(lines) - 1
    one, other = sorted(data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2,
                                           unique=True)))  # fmt: skip
    ids = {json.loads(lines[i])["request_id"] for i in (one, other)}
    lines[one], lines[other] = lines[other], lines[one]
    with altered(kept, "requests.jsonl", lambda _: b"".join(lines)):
        found = verify_bundle(kept)

    assert named(found) == {"requests.jsonl"}
    assert all("was moved: it belongs in line" in f.finding for f in found)
    assert len(found) <= 2
    assert any(f"request {name} was moved" in words(found) for name in ids)


@given(st.data())
def test_a_request_that_is_doubled_is_named(kept: Path, data: st.DataObject) -> None:
    """A line too many makes a run look larger than it was."""
    lines = lines_of(kept)
    which = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines)))
    with altered(kept, "requests.jsonl",
                 lambda _: b"".join([*lines[:at], lines[which], *lines[at:]])):  # fmt: skip
        found = verify_bundle(kept)

    name = json.loads(lines[which]).get("request_id")
    assert named(found) == {"requests.jsonl"}
    assert f"{f'request {name}' if name else 'the seal'} was added" in words(found)


def test_a_chain_without_its_end_is_not_whole(audit: Path) -> None:
    """Whoever cuts the last requests off takes the seal with them."""
    lines = lines_of(audit)
    write_lines(audit, lines[:-3])
    found = verify_bundle(audit)

    assert named(found) == {"requests.jsonl"}
    assert len(found) == 3
    assert "the seal was dropped" in words(found)
    assert json.loads(lines[-2])["request_id"] in words(found)


def test_what_was_altered_in_a_request_is_told_from_the_results(audit: Path) -> None:
    """Which request it is stands in the tables, though its line cannot be believed."""
    lines = lines_of(audit)
    name = json.loads(lines[1])["request_id"]
    lines[1] = b"garbage\n"
    write_lines(audit, lines)

    assert verify_bundle(audit) == [
        Finding(
            "requests.jsonl", "line 2",
            f"request {name} was altered: it is not the JSON that is expected",
        )
    ]  # fmt: skip


def forge(audit: Path, change: Callable[[list[dict[str, Any]]], None], **facts: Any) -> None:
    """Make the chain, the hashes and the manifest anew around a change, as a forger would."""
    manifest = {**json.loads((audit / "manifest.json").read_bytes()), **facts}
    requests = [json.loads(line) for line in lines_of(audit)[:-1]]
    for request in requests:
        for name in ("number", "prev", "hash"):
            del request[name]
    change(requests)
    files = {
        path.name: sha256_of(path)
        for path in audit.iterdir()
        if path.name not in {"manifest.json", "requests.jsonl"}
    }
    made = list(chained(facts_of(manifest), requests, files))
    write_lines(audit, [line for line, _ in made])
    manifest |= {"files": files, "head": made[-1][1]}
    (audit / "manifest.json").write_bytes(manifest_text(manifest))


def forge_table(audit: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a table, and make all that follows anew."""
    schema = pq.read_schema(audit / name)
    frame = change(pq.read_table(audit / name).to_pandas())
    pq.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False), audit / name)
    forge(audit, lambda _: None)


def test_an_audit_made_anew_has_another_head(audit: Path, head: str) -> None:
    """Only what was kept elsewhere tells a forged audit from the first; so it is worth keeping."""
    forge(audit, lambda _: None, made_at="2020-01-01T00:00:00.000+00:00")

    assert verify_bundle(audit) == []
    [finding] = verify_bundle(audit, head=head)
    assert (finding.file, finding.where) == ("requests.jsonl", "head")
    assert "not the audit whose head was kept" in finding.finding


def test_a_forged_request_contradicts_the_results(audit: Path) -> None:
    """Whoever makes the chain anew must make the tables anew, too."""

    def accept(requests: list[dict[str, Any]]) -> None:
        requests[2] |= {"code": 777, "attempts": 99}

    forge(audit, accept)
    [finding] = verify_bundle(audit)

    assert (finding.file, finding.where) == ("requests.jsonl", "line 3")
    assert "code is 777 here and" in finding.finding
    assert "attempts is 99 here and" in finding.finding


def test_a_line_with_a_new_hash_does_not_follow(audit: Path) -> None:
    """A forger who stops after one line is found by the next."""
    lines = lines_of(audit)
    forge(audit, lambda requests: requests[1].update(digest="0" * 64))
    forged = lines_of(audit)
    write_lines(audit, [lines[0], forged[1], *lines[2:]])
    found = verify_bundle(audit)

    assert "one of the two was altered and given a new hash" in words(found)
    assert "line 3" in {finding.where for finding in found}


def _move_a_value(books: pd.DataFrame) -> pd.DataFrame:
    row = books.index[books["accepted"] > 0][0]
    books.loc[row, "accepted"] -= 1
    books.loc[row, "withheld"] += 1
    return books


def _lose_a_value(books: pd.DataFrame) -> pd.DataFrame:
    books.loc[books.index[books["accepted"] > 0][0], "accepted"] -= 1
    return books


def _count_less(touched: pd.DataFrame) -> pd.DataFrame:
    touched.loc[0, "n_values"] -= 1
    return touched


def _doubt(touched: pd.DataFrame) -> pd.DataFrame:
    touched.loc[0, "n_in_doubt"] += 1
    return touched


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("rejects.parquet", lambda rejects: rejects.iloc[1:], "the books have"),
        ("results.parquet", lambda results: results.iloc[:-1], "is not in the results"),
        ("books.parquet", _move_a_value, "the books have"),
        ("books.parquet", _lose_a_value, "are accounted for"),
        ("books.parquet", lambda books: books.assign(balanced=False), "of being balanced"),
        ("touched.parquet", _count_less, "values were written"),
        ("touched.parquet", _doubt, "requests in doubt carry"),
        ("results.parquet", lambda r: r.assign(outcome="accepted"), "says"),
    ],
    ids=["reject gone", "result gone", "fate changed", "value lost", "balance denied",
         "write hidden", "doubt added", "outcome changed"],
)  # fmt: skip
def test_a_forged_table_contradicts_the_others(
    audit: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame], told: str
) -> None:
    """Every value has one fate: a table cannot be changed alone."""
    forge_table(audit, name, change)

    assert told in "\n".join(finding.finding for finding in verify_bundle(audit))


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("accepted", 500), ("accepted", None), ("declined", 200), ("declined", None),
     ("divided", 200), ("in_doubt", 1204), ("not_sent", 429), ("stored", 200)],
)  # fmt: skip
def test_an_outcome_that_its_code_does_not_bear_out_is_named(
    audit: Path, outcome: str, code: int | None
) -> None:
    """The code is the platform's word, and the outcome only ours."""

    def change(results: pd.DataFrame) -> pd.DataFrame:
        results.loc[0, ["code", "outcome"]] = [code, outcome]
        return results

    forge_table(audit, "results.parquet", change)
    name = pd.read_parquet(audit / "results.parquet")["request_id"][0]
    found = [f for f in verify_bundle(audit) if f.file == "results.parquet"]

    assert [f.where for f in found] == [f"request {name}"]
    assert found[0].finding.startswith(f"it is {outcome} with {f'code {code}' if code else 'no'}")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"outcome": "declined", "code": 200, "check": "platform"}, "it is declined with code 200"),
        ({"outcome": "withheld", "code": 1204, "check": "range"}, "it is withheld with code 1204"),
        ({"outcome": "in_doubt", "code": 200, "check": "no_reply"}, "it is in_doubt with code 200"),
    ],
)
def test_a_reject_that_its_code_does_not_bear_out_is_named(
    audit: Path, changes: dict[str, Any], told: str
) -> None:
    """A value that was accepted is no reject, save one that is expected to be skipped."""

    def change(rejects: pd.DataFrame) -> pd.DataFrame:
        rejects.loc[0, list(changes)] = list(changes.values())
        return rejects

    forge_table(audit, "rejects.parquet", change)
    found = [f for f in verify_bundle(audit) if f.file == "rejects.parquet"]

    assert told in "\n".join(finding.finding for finding in found)


def test_a_manifest_that_was_edited_says_where(audit: Path) -> None:
    """The one file that people edit by hand, and the first that they read."""
    manifest = json.loads((audit / "manifest.json").read_bytes())
    before = manifest["counts"]["accepted"]
    manifest["counts"]["accepted"] = before + 5
    (audit / "manifest.json").write_bytes(manifest_text(manifest))

    assert [(f.file, f.where) for f in verify_bundle(audit)] == [
        ("manifest.json", "counts, accepted")
    ]
    manifest["counts"]["accepted"] = before
    manifest["settings"]["on_invalid"] = "another"
    (audit / "manifest.json").write_bytes(manifest_text(manifest))
    [finding] = verify_bundle(audit)
    assert finding.finding.startswith("it was altered")
    assert "settings" in finding.finding


def test_a_run_that_is_made_to_look_complete_contradicts_its_requests(audit: Path) -> None:
    """One word in the manifest is what a scheduled check asks for."""
    run = json.loads((audit / "manifest.json").read_bytes())["run"]
    forge(audit, lambda _: None, run={**run, "complete": not run["complete"]})
    [finding] = verify_bundle(audit)

    assert (finding.file, finding.where) == ("manifest.json", "run, complete")


def test_forged_counts_contradict_the_tables(audit: Path) -> None:
    """The manifest is what most people read."""
    manifest = json.loads((audit / "manifest.json").read_bytes())
    counts = {**manifest["counts"], "declined": 0, "accepted": manifest["counts"]["read"]}
    forge(audit, lambda _: None, counts=counts)
    found = verify_bundle(audit)

    assert "counts, accepted" in {finding.where for finding in found}
    assert named(found) == {"manifest.json"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_or_no_file_is_named(audit: Path, name: str) -> None:
    """A copy that ended early is no audit."""
    (audit / name).unlink()
    assert [(f.file, f.finding) for f in verify_bundle(audit)] == [(name, "the file is missing")]
    (audit / name).mkdir()
    assert [(f.file, f.finding) for f in verify_bundle(audit)] == [(name, "it cannot be read")]


def test_a_file_that_was_added_is_named(audit: Path) -> None:
    """Whatever lies in the folder is taken for part of the audit."""
    (audit / "note.txt").write_text("all is well", encoding="utf-8")
    (audit / "more").mkdir()

    assert [(f.file, f.finding) for f in verify_bundle(audit)] == [
        ("more", "it was added: the seal does not name it"),
        ("note.txt", "it was added: the seal does not name it"),
    ]


GARBAGE: list[bytes] = [
    b"", b"\n", b"\0" * 100, b"[]\n", b"null", b"{}", b"\xff\xfe", b"[" * 100_000, b"PAR1PAR1",
    b'{"a":1e999}\n', b'{"seal":{"files":5,"requests":-1},"prev":"","hash":""}\n',
    b'{"n":' + b"9" * 10_000 + b"}", b'{"files":{"../x":1,"\\u0000":2,"\\ud800":3}}',
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_a_finding_and_no_crash(audit: Path, name: str, garbage: bytes) -> None:
    """A damaged disk writes anything; the auditor gets an answer all the same."""
    (audit / name).write_bytes(garbage)

    assert name in named(verify_bundle(audit))


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_everywhere_is_no_crash(audit: Path, garbage: bytes) -> None:
    """Not even when nothing is left to hold on to."""
    for name in FILES:
        (audit / name).write_bytes(garbage)

    assert {"manifest.json", "requests.jsonl"} <= named(verify_bundle(audit))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("garbage", [b"", b"PAR1" * 9, None])
def test_a_sealed_file_that_is_no_such_table_is_named(
    audit: Path, name: str, garbage: bytes | None
) -> None:
    """A hash says that a file is the same, not that it is any good."""
    if garbage is None:
        pd.DataFrame({"a": [1]}).to_parquet(audit / name)
    else:
        (audit / name).write_bytes(garbage)
    forge(audit, lambda _: None)

    assert Finding(name, "", "it is sealed, but not the table that is expected") in verify_bundle(
        audit
    )


def test_a_seal_that_is_absurd_is_no_crash(audit: Path) -> None:
    """A number from a file is no reason to count up to it."""
    *lines, last = lines_of(audit)
    seal = json.loads(last)
    seal["seal"] = {"requests": 10**12, "files": ["x"]}
    seal["hash"] = digest({key: seal[key] for key in ("seal", "prev")})
    write_lines(audit, [*lines, canonical(seal) + b"\n"])

    assert "lines more were dropped" in words(verify_bundle(audit))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_with_more_rows_than_the_run_had_is_not_read(audit: Path, name: str) -> None:
    """A few bytes can promise more rows than a memory holds: the footer is compared first."""
    forge_table(audit, name, lambda frame: pd.concat([frame] * 500, ignore_index=True))
    opened: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            verifying.pq.ParquetFile, "iter_batches",
            lambda self, **_: opened.append(name) or iter(()),
        )  # fmt: skip
        found = [finding for finding in verify_bundle(audit) if finding.file == name]

    assert "its footer has" in found[0].finding
    assert len(opened) <= 8  # those of the other tables


def test_nothing_of_an_audit_with_another_head_is_opened(audit: Path, head: str) -> None:
    """A forged file may aim at the reader of Parquet; the head tells before one is opened."""
    forge(audit, lambda _: None, made_at="2020-01-01T00:00:00.000+00:00")
    with pytest.MonkeyPatch.context() as patch:
        for reader in ("ParquetFile", "read_metadata", "read_table", "read_schema"):
            patch.setattr(verifying.pq, reader, lambda *_, **__: pytest.fail("opened"))
        [finding] = verify_bundle(audit, head=head)

    assert "no table of it was opened" in finding.finding


def test_an_audit_of_a_later_version_is_refused(audit: Path) -> None:
    """It would look altered to a program that does not know it."""
    forge(audit, lambda _: None, format=4)
    with pytest.raises(mp.ConfigError, match="an audit of format 4; this version verifies 3"):
        verify_bundle(audit)


def test_sources_are_compared_with_what_the_run_read(tmp_path: Path, model: mp.ThingModel) -> None:
    """Whether the readings were changed afterwards is what is asked next."""
    made = replace(Rehearsal.of(3))
    path, other = tmp_path / "farm.parquet", tmp_path / "other.parquet"
    made.frame.to_parquet(path)
    made.frame.iloc[1:].to_parquet(other)
    options = {**made.options, "on_invalid": "withhold"}
    connection = mp.Connection("h", product_key="gateway", device_key="gw-1", device_secret="s")
    with staged(made, model, tmp_path):
        history = mp.read_history(
            path, time_column="ts", device_column="unit", product_key="turbine"
        )
        run = mp.replay(history, model, connection, journal=tmp_path / "run.db", **options)
    run.audit(tmp_path / "audit")
    moved = Path(shutil.copy(path, tmp_path / "renamed.parquet"))

    assert verify_bundle(tmp_path / "audit", [path, moved]) == []
    [finding] = verify_bundle(tmp_path / "audit", [path, other])
    assert finding.file == str(other)
    assert finding.finding.startswith("the run read no file with these bytes")
    path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:])
    assert [f.file for f in verify_bundle(tmp_path / "audit", [path])] == [str(path)]
    assert list(mp.verify_audit(tmp_path / "audit", sources=path)["file"]) == [str(path)]


def test_a_file_that_may_not_be_read_is_a_finding(
    audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The auditor's account has fewer rights."""

    def refuses(path: Path) -> str:
        if path.name == "books.parquet":
            raise PermissionError(13, "Permission denied")
        return sha256_of(path)

    monkeypatch.setattr(verifying, "sha256_of", refuses)
    assert ("books.parquet", "it cannot be read") in [
        (f.file, f.finding) for f in verify_bundle(audit)
    ]


@pytest.mark.parametrize("given", ["", "a\0b", "\ud800", "x" * 300, 5, None], ids=ascii)
def test_a_folder_that_no_audit_is_in_is_an_error_of_ours(given: Any) -> None:
    """The name comes from a mail or a form."""
    with pytest.raises(mp.ConfigError):
        mp.verify_audit(given)


def test_a_gateway_whose_folder_is_gone_is_a_finding(
    kept: Path, head: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who removes the whole audit of a gateway has altered that of the fleet."""
    heads = {"north": head, "south": head}
    (tmp_path / "heads.json").write_text(json.dumps(heads))
    for name in heads:
        shutil.copytree(kept, tmp_path / name)
    assert main(["verify", str(tmp_path), "--head", head_of(heads)]) == 0
    counts = json.loads((kept / "manifest.json").read_bytes())["counts"]
    sums = "{accepted:,} of {read:,}".format(**{name: 2 * n for name, n in counts.items()})
    assert f"the run: {sums} values were accepted, and the run is " in capsys.readouterr().out
    shutil.rmtree(tmp_path / "north")

    assert main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "north: it cannot be verified: " in said
    assert "not as it was written: 1 finding" in said


def test_a_file_given_for_a_folder_is_told_apart_from_nothing(
    audit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An auditor names the report, which is there: "no such folder" would not help."""
    assert main(["verify", str(audit / "report.html")]) == 2
    assert "report.html: this is a file; give the folder" in capsys.readouterr().err


def test_without_a_head_it_is_said_what_that_leaves_open(
    audit: Path, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verified alone would promise too much to whoever does not know of the head."""
    is_complete = json.loads((audit / "manifest.json").read_bytes())["counts"]["complete"]
    assert main(["verify", str(audit)]) == 0
    said = capsys.readouterr().out
    assert "made anew as a whole would look the same" in said
    assert f"the run is {'complete' if is_complete else 'not complete'}" in said
    assert main(["verify", str(audit), "--head", head]) == 0
    assert "anew" not in capsys.readouterr().out


def test_the_head_is_found_by_hand(audit: Path, head: str) -> None:
    """An auditor needs no program of ours: the documentation says how, with ``sed``."""
    last = lines_of(audit)[-1].decode()
    by_hand = re.sub('"hash":"[^"]*",', "", last).replace("\n", "")

    assert hashlib.sha256(by_hand.encode()).hexdigest() == head
    for name in FILES:
        if name not in {"manifest.json", "requests.jsonl"}:
            assert sha256_of(audit / name) in last
