"""The audit of a run, written as a folder of files that a hash chain ties together. A shell."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..display.facts import OPEN
from ..display.page import need_jinja2
from ..errors import ConfigError
from ..frames import BOOK_COLUMNS, REJECT_COLUMNS, RESULT_COLUMNS, TOUCHED_COLUMNS, typed
from ..journal.reader import of_journal
from ..journal.summary import is_complete, summary_of
from ..report.writing import checked
from ..version import __version__
from .chain import CHAIN, MANIFEST, chained, manifest_text

if TYPE_CHECKING:
    from ..journal.reader import JournalReader

__all__ = ["FORMAT", "REPORT", "TABLES", "check_free", "sha256_of", "write_bundle"]

FORMAT: Final = 3
REPORT: Final = "report.html"
# The tables of a bundle and their columns.
TABLES: Final[dict[str, dict[str, str]]] = {
    "results.parquet": RESULT_COLUMNS,
    "rejects.parquet": REJECT_COLUMNS,
    "books.parquet": BOOK_COLUMNS,
    "touched.parquet": TOUCHED_COLUMNS,
}
_ARROW: Final = {
    "str": pa.string(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "datetime64[ms, UTC]": pa.timestamp("ms", tz="UTC"),
}
_LIBRARIES: Final = ("pandas", "pyarrow", "pandera", "paho-mqtt")
_ROW_GROUP: Final = 65_536  # rejects are recorded in frames of one row and of many


@of_journal
def write_bundle(reader: JournalReader, folder: Path) -> str:
    """Write the audit of a run, complete or not, or still going on.

    Parameters
    ----------
    reader : JournalReader
        The run.
    folder : Path
        A new or an empty folder.

    Returns
    -------
    str
        The head of the hash chain. A copy kept elsewhere proves later that nothing was changed.

    Raises
    ------
    ConfigError
        If the folder is not empty or cannot be written, or jinja2 is missing; nothing is written.
    JournalError
        If the journal cannot be read.
    """
    need_jinja2()
    folder = folder.resolve()
    check_free(folder)
    try:
        # Written beside the folder and renamed when complete: half a bundle never exists.
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            part = Path(scratch) / "bundle"
            part.mkdir()
            head = _write(reader.copied(Path(scratch) / reader.path.name), part)
            part.replace(folder)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return head


def check_free(folder: Path) -> None:
    """Raise ConfigError unless an audit can be written to a folder."""
    try:
        if not folder.parent.is_dir():
            raise ConfigError(f"{folder}: there is no folder {str(folder.parent)!r}")
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ConfigError(
                f"{folder}: an audit needs a folder that is new or empty; nothing was written"
            )
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _write(reader: JournalReader, part: Path) -> str:
    """Write all files into a folder, in the order of their dependence."""
    from ..report.run_page import render

    _write_table(part / "results.parquet", [reader.results()])
    _write_table(part / "rejects.parquet", reader.iter_rejects())
    _write_table(part / "books.parquet", reader.book_parts())
    _write_table(part / "touched.parquet", [reader.touched()])
    page = render(reader, checked(reader))
    (part / REPORT).write_text(page, encoding="utf-8", errors="backslashreplace")
    files = {path.name: sha256_of(path) for path in sorted(part.iterdir())}
    facts = _facts(reader)
    head = ""
    with (part / CHAIN).open("wb") as file:
        for line, head in chained(facts, reader.iter_requests(), files):  # noqa: B007 - the last
            file.write(line)
    manifest = {**facts, "files": files, "head": head}
    (part / MANIFEST).write_bytes(manifest_text(manifest))
    return head


def _write_table(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    """Write frames as one table, with at most about a row group in memory."""
    columns = TABLES[path.name]
    # With pandas' own notes on its types, a reader of the file gets the same frame back.
    noted = pa.Schema.from_pandas(typed([], columns), preserve_index=False).metadata
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in columns.items()], metadata=noted)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for frame in _gathered(frames):
            table = pa.Table.from_pandas(frame[list(columns)], schema, preserve_index=False)
            writer.write_table(table.replace_schema_metadata(noted))


def _gathered(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield frames of about the size of a row group."""
    kept: list[pd.DataFrame] = []
    for frame in frames:
        kept += [frame] if len(frame) else []
        if sum(map(len, kept)) >= _ROW_GROUP:
            yield pd.concat(kept, ignore_index=True)
            kept = []
    if kept:
        yield pd.concat(kept, ignore_index=True)


def _facts(reader: JournalReader) -> dict[str, Any]:
    """Return the facts of the manifest, each by name, so that no secret can slip in."""
    facts = reader.facts()
    made_from = facts.get("fingerprint", {})
    summary = summary_of(reader)
    return {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "versions": {
            "mpreplay": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "run": {
            "mpreplay": facts.get("version"),  # the version that sent the requests
            "run_id": facts.get("run_id"),
            "replays_rejects_of": (facts.get("parent") or {}).get("run_id"),
            "started_at": summary.pop("started_at"),
            "ended_at": summary.pop("ended_at"),
            "continued": summary.pop("continued"),
            "complete": is_complete(reader),
            "read_all": bool(facts.get("read_all")),
            "open_requests": reader.open_ended().get(OPEN, (0, 0))[0],
            "stopped": summary.pop("stopped"),
        },
        "settings": {
            **{key: value for key, value in made_from.items() if key not in {"history", "model"}},
            "isolate": facts.get("isolate"),
            "limits": facts.get("limits", {}),
        },
        "model": made_from.get("model"),
        "sources": list(_sources(facts)),
        "left_out": facts.get("left_out", []),  # of a folder or a pattern, by rule
        "columns_left_out": facts.get("columns_left_out", []),  # by only=True
        "counts": {key: value for key, value in summary.items() if isinstance(value, int)},
    }


def _sources(facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the facts of each source as of the begin of the run."""
    prints = facts.get("fingerprint", {}).get("history", [])
    for fingerprint, known in zip_longest(prints, facts.get("sources", [])[: len(prints)]):
        yield {"fingerprint": fingerprint, "name": None, "bytes": None, "sha256": None} | (
            known or {}
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
