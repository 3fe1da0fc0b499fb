"""Files in stores: which are found, what changes, what errors say, and what nobody may see."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
import pytest
from stores import KEY, S3, SECRET, unused_port
from upath import UPath

import mpreplay as mp
from mpreplay import HistoryError
from mpreplay.cli.commands import main
from mpreplay.files.locating import find_anywhere
from mpreplay.files.uris import hidden, parse_uri

BEGIN = 1_704_067_200_000  # 2024-01-01T00:00:00Z
MODEL = mp.ThingModel("M", {"x": mp.Measurepoint("x", "DOUBLE")})


def parquet(n: int = 100, first: float = 0.0, **options: Any) -> bytes:
    """Return readings of x, one a second, as a Parquet file."""
    times = pa.array(range(BEGIN, BEGIN + 1_000 * n, 1_000), pa.timestamp("ms", "UTC"))
    file = io.BytesIO()
    pq.write_table(pa.table({"ts": times, "x": np.arange(n) + first}), file, **options)
    return file.getvalue()


def read(source: Any, **options: Any) -> mp.History:
    """Return a history of one device."""
    return mp.read_history(source, time_column="ts", device_key="d", product_key="p", **options)


def values(history: mp.History) -> list[float]:
    """Return all values of x."""
    return [x for slab in history.slabs([MODEL]) for x in slab.columns["x"].to_pylist()]


NAMES = (
    "a.parquet", "b.pq", "sub/c.parquet", "y=1/d.parquet", "y=2/e.parquet", "000000_0",
    "_SUCCESS", ".hidden.parquet", "_temporary/f.parquet", "g.parquet.tmp", "notes.md", "h.feather",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Write the same files to a disk, to the server and to a memory of fsspec."""
    folder, memory = tmp_path_factory.mktemp("tree"), fsspec.filesystem("memory")
    for name in NAMES:
        data = b"text" if name.endswith((".md", "SUCCESS")) else parquet(3)
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        s3.put(f"plant/tree/{name}", data)
        memory.pipe(f"/plant/tree/{name}", data)
    return folder, memory


@pytest.mark.parametrize(
    "pattern",
    ["tree", "tree/", "tree/*", "tree/**", "tree/**/*.parquet", "tree/y=*/*.parquet", "tree/y=?",
     "tree/[ab].p*", "tree/_temporary/*.parquet", "tree/.*.parquet", "tree/a.parquet", "t*e/a*"],
)  # fmt: skip
def test_a_store_is_searched_by_the_rules_of_a_disk(
    pattern: str, tree: tuple[Path, Any], s3: S3
) -> None:
    """What is read, in which order, with which folders, and what is left out and why."""
    folder, memory = tree

    def told(found: Any, root: str) -> Any:
        files = [(str(one).removeprefix(root), folders) for one, folders in found.files]
        gone = [(*one[:2], one.path.removeprefix(root), one.has_data) for one in found.left_out]
        return files, sorted(one for one in gone if one[0] != "again")

    expected = told(find_anywhere(f"{folder}/{pattern}"), f"{folder}/")
    assert told(find_anywhere(s3.uri(f"plant/{pattern}")), "s3://plant/") == expected
    assert told(find_anywhere(f"plant/{pattern}", s3.system), "s3://plant/") == expected
    assert told(find_anywhere(f"/plant/{pattern}", memory), "memory://plant/") == expected


def test_a_table_with_a_log_is_refused_in_a_store_too(s3: S3) -> None:
    """Its files hold rows that were removed."""
    for name in ("part/y=1/a.parquet", "_delta_log/0.json"):
        s3.put(f"plant/delta/{name}", parquet(1))

    for path in ("plant/delta", "plant/delta/part", "plant/delta/part/*/*.parquet"):
        with pytest.raises(HistoryError, match="s3://plant/delta: a table of Delta"):
            read(s3.uri(path))


def test_a_percent_sign_is_that_of_the_name_or_of_the_uri(s3: S3, tmp_path: Path) -> None:
    """Hive writes ``%3A`` into names of folders, and a URI for a colon or a blank."""
    s3.put("plant/percent/t=00%3A00/a.parquet", parquet(1))
    s3.put("plant/percent/a b.parquet", parquet(1))
    (tmp_path / "a b.parquet").write_bytes(parquet(1))

    (found,) = find_anywhere(s3.uri("plant/percent/t=00%3A00")).files
    assert found[0].path.endswith("t=00%3A00/a.parquet")
    assert values(read(s3.uri("plant/percent/a%20b.parquet"))) == [0.0]
    assert values(read((tmp_path / "a b.parquet").as_uri())) == [0.0]


def test_only_the_needed_columns_are_asked_of_a_store(s3: S3) -> None:
    """A wide file is not downloaded for two of its columns."""
    n = 50_000
    times = pa.array(range(BEGIN, BEGIN + 1_000 * n, 1_000), pa.timestamp("ms", "UTC"))
    noise = {f"c{k}": np.random.default_rng(k).random(n) for k in range(20)}
    file = io.BytesIO()
    pq.write_table(pa.table({"ts": times, "x": np.arange(float(n)), **noise}), file)
    s3.put("plant/wide/a.parquet", file.getvalue())
    for system in (s3.system, None):
        source = s3.uri("plant/wide/a.parquet") if system is None else "plant/wide/a.parquet"
        s3.asked.clear()
        history = mp.read_history(source, time_column="ts", ignore=list(noise), filesystem=system)
        assert len(values(history)) == n
        got = [one.partition("=")[2].split("-") for m, _, one in s3.asked if m == "GET" and one]
        n_bytes = sum(int(stop) - int(first) + 1 for first, stop in got)
        assert 0 < n_bytes < len(file.getvalue()) / 3


@pytest.mark.parametrize("kind", ["uri", "fsspec", "memory", "BytesIO"])
def test_a_file_that_changes_between_two_readings_is_noticed(kind: str, s3: S3) -> None:
    """The second look would send other values than the first has judged."""
    one, other = (parquet(first=n, compression="none") for n in (0.0, 1.0))
    assert len(one) == len(other)
    memory, held = fsspec.filesystem("memory"), io.BytesIO(one)

    def put(data: bytes) -> None:
        s3.put("plant/changes/a.parquet", data)
        memory.pipe("/changes/a.parquet", data)
        held.seek(0)
        held.write(data)

    put(one)
    history = {
        "uri": lambda: read(s3.uri("plant/changes/a.parquet")),
        "fsspec": lambda: read(
            "plant/changes/a.parquet", filesystem=fsspec.filesystem("s3", **s3.options)
        ),
        "memory": lambda: read("/changes/a.parquet", filesystem=memory),
        "BytesIO": lambda: read(held),
    }[kind]()
    assert values(history) == list(range(100))
    put(other)
    with pytest.raises(HistoryError, match="the file changed while it was read"):
        values(history)


def test_a_run_of_a_store_is_continued_with_the_same_bytes_only(
    s3: S3, tmp_path: Path, play: Any
) -> None:
    """By the tag that the store gives to bytes; the name is no part of it."""
    one = parquet(4)
    s3.put("plant/again/a.parquet", one)
    s3.put("plant/again/moved.parquet", one)
    s3.put("plant/again/other.parquet", parquet(4, first=1.0))
    told = {"model": MODEL, "journal": tmp_path / "again.db"}
    run, _ = play(history=read(s3.uri("plant/again/a.parquet")), **told)
    assert run.complete
    asked = len(s3.asked)
    same, transport = play(history=read(s3.uri("plant/again/moved.parquet")), **told)
    assert same.complete
    assert not transport.published
    assert len(s3.asked) > asked
    error, _ = play(history=read(s3.uri("plant/again/other.parquet")), **told)
    assert isinstance(error, mp.JournalMismatch)


def test_an_open_file_keeps_its_position_and_stays_open(tmp_path: Path) -> None:
    """It is the caller's."""
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet())
    with path.open("rb") as file:
        file.seek(7)
        history = read(file)
        assert values(history) == values(history) == list(range(100))
        assert file.tell() == 7
        assert history.sources[0].name == str(path)
    with pytest.raises(HistoryError, match="cannot be read"):
        values(history)
    with pytest.raises(HistoryError, match="the file is closed"):
        read(file)
    with (
        path.open(encoding="latin-1") as text,
        pytest.raises(HistoryError, match="opened as binary"),
    ):
        read(text)
    assert repr(read(io.BytesIO(parquet()), name="logger")).startswith("History(logger:")


def test_an_audit_compares_files_of_a_store_in_the_store(s3: S3, tmp_path: Path, play: Any) -> None:
    """By the tag; a copy on a disk has none, which is said rather than called a difference."""
    uri = s3.uri("plant/audited/a.parquet")
    s3.put("plant/audited/a.parquet", parquet(4))
    (tmp_path / "a.parquet").write_bytes(parquet(4))
    run, _ = play(history=read(uri), model=MODEL)
    run.audit(tmp_path / "audit")

    def told(source: Any) -> list[str]:
        return list(mp.verify_audit(tmp_path / "audit", sources=source)["finding"])

    assert told(uri) == told([uri]) == told(UPath("s3://plant/audited/a.parquet", **s3.options))
    assert told(uri) == []
    assert "a copy cannot be compared" in told(tmp_path / "a.parquet")[0]
    s3.put("plant/audited/a.parquet", parquet(4, first=1.0))
    assert "it was altered since" in told(uri)[0]
    with pytest.raises(mp.ConfigError, match="no such file"):
        told(s3.uri("plant/audited/none.parquet"))
    for command in (["verify", str(tmp_path / "audit"), "--source", uri],):
        assert main(command) == 1


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("source", "options", "told"),
    [
        (_Pipe(b"x"), {}, "cannot be read by position"),
        ("x", {"filesystem": "s3"}, "takes a file system of pyarrow.fs"),
        (io.BytesIO(b""), {"filesystem": pa_fs.LocalFileSystem()}, "an open file needs none"),
        ("memory://a", {}, r"filesystem=fsspec\.filesystem\('memory'\)"),
        ("https://h/a.parquet", {}, r"filesystem=fsspec\.filesystem\('https'\)"),
        ("s3://", {}, r"expected s3://bucket/path"),
        ("file://other/x", {}, "a file of another machine"),
        (UPath("memory://nothing/there"), {}, "no such file, folder or pattern"),
    ],
)
def test_a_place_that_cannot_be_read_says_what_to_do(
    source: Any, options: dict[str, Any], told: str
) -> None:
    """One sentence, with the argument to pass."""
    with pytest.raises(HistoryError, match=told):
        read(source, **options)


def test_each_failure_of_a_store_is_a_sentence_with_what_to_do(s3: S3) -> None:
    """The words of a store's library are long, and say nothing of this."""
    dead = S3(f"127.0.0.1:{unused_port()}", s3.system)
    for uri, told in {
        s3.uri("nobody/a.parquet"): "s3://nobody/a.parquet: .* no such bucket; check its name",
        s3.uri("nobody/*.parquet"): "s3://nobody/.*no such bucket; check its name",
        s3.uri("plant/nothing.parquet"): "plant/nothing.parquet: there is no such file, folder or",
        s3.uri("plant/nothing/*.parquet"): "no file matches this pattern",
        dead.uri("plant/a.parquet"): "the store cannot be reached; check the network",
    }.items():
        with pytest.raises(HistoryError, match=told) as caught:
            read(uri)
        assert SECRET not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_store_without_permission_says_where_credentials_come_from() -> None:
    """Whoever reads it may not know that pyarrow looks into the environment."""
    forbidden = type("_All", (pa_fs.FileSystemHandler,), {
        **dict.fromkeys(pa_fs.FileSystemHandler.__abstractmethods__, _refuse),
        "get_type_name": lambda _: "s3-like",
    })()  # fmt: skip
    with pytest.raises(HistoryError, match="gives no permission; set its credentials in the envi"):
        read("b/a.parquet", filesystem=pa_fs.PyFileSystem(forbidden))


def _refuse(*_: Any) -> Any:
    raise OSError("AWS Error ACCESS_DENIED during HeadObject operation: No response body.")


@pytest.mark.parametrize(
    "uri",
    [
        f"s3://{KEY}:{SECRET}@plant/secret/a.parquet",  # a slash that is not %2F
        f"s3:/{KEY}:{SECRET}@plant/secret",
        f"s3://{KEY}:sek rit%2F@plant/secret",
        f"https://{KEY}:sekrit@host/x",
        "s3://plant/x?sas_token=sekrit",
        "abfs://container:sekrit@account.dfs.core.windows.net/x?key=sekrit",
    ],
)
def test_a_uri_that_cannot_be_read_keeps_its_credentials(uri: str) -> None:
    """A typing error must not put the secret into a log."""
    with pytest.raises(HistoryError) as caught:
        read(uri)
    error: BaseException | None = caught.value
    while error is not None:
        assert "sekrit" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_credentials_of_a_uri_are_in_nothing_that_is_kept(
    s3: S3, tmp_path: Path, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in journal, audit, report and tables, nor in logs."""
    s3.put("plant/kept/a.parquet", parquet(4, first=-1.0))
    s3.put("plant/kept/b.csv", b"x")
    with caplog.at_level(logging.DEBUG):
        history = read(s3.uri("plant/kept"))
        journal = tmp_path / "kept.db"
        run, _ = play(history=history, model=MODEL, journal=journal)
        run.audit(tmp_path / "audit")
        run.report(tmp_path / "report.html")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    shown = f"{history!r}{history.sources!r}{run.summary()}{caplog.text}"

    assert "s3://***@plant/kept: 1 files are read; left out: 1 of another ending" in caplog.text
    for secret in (SECRET, KEY, "sekrit"):
        assert secret.encode() not in kept
        assert secret not in shown


def test_parts_of_a_uri() -> None:
    """A question mark of a pattern is no query, and the container of Azure no secret."""
    found = parse_uri("s3://plant/y=202?/a-?.parquet")
    assert found is not None
    assert (found.path, found.query) == ("y=202?/a-?.parquet", "")
    azure = parse_uri("abfs://box:key@account.dfs.core.windows.net/x")
    assert azure is not None
    assert azure.shown == "abfs://box@account.dfs.core.windows.net"
    assert parse_uri("C:/x") is None
    assert hidden("/data/user@site/x.parquet") == "/data/user@site/x.parquet"
