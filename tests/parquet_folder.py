"""Run every Parquet file of a folder through mpreplay, each in a process of its own.

    python tests/parquet_folder.py FOLDER [--seconds 60] [--megabytes 1500] [--jobs 2] [--only TEXT]

A file is read, validated and replayed to the rehearsal platform, once as it is and once with a
drafted model; what the platform stores is compared with an independent reading by pyarrow. One line
a file, a table of outcomes at the end; the exit status is 1 if an outcome is a failure.

The time is the first column of times; else the first column of whole numbers, taken as seconds;
else a copy of the file gets a column that counts the rows.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import mpreplay as mp
from mpreplay.files.counting import LARGEST, leaves_of, prove

# Outcomes, and whether they are failures.
OUTCOMES: Final = {
    "ok": (False, "every value arrived, and is what the file says"),
    "rejects": (False, "every value arrived and is right, or is a reject with a reason"),
    "partly": (False, "as before, without columns that mpreplay refuses with an error of its own"),
    "nothing": (False, "read, and there was no value"),
    "refused": (False, "an error of mpreplay's own names the file"),
    "crash": (True, "the process died of a signal"),
    "time": (True, "it took too long"),
    "memory": (True, "it took too much memory"),
    "foreign": (True, "an exception that is not mpreplay's own, or does not name the file"),
    "unbalanced": (True, "books that do not balance"),
    "differs": (True, "a stored value, or a count, differs from the independent reading"),
}
ENDINGS: Final = (".parquet", ".parq", ".pq")
STEP: Final = 1_000  # between the rows of a column that counts them [ms]
BEGIN: Final = 1_704_067_200_000  # 2024-01-01T00:00:00Z
LIMITS: Final = {"bytes_per_second": None, "connects": None}
_SOME: Final = object()  # a value that Python has no type for


@dataclass
class Verdict:
    """What became of a file."""

    outcome: str
    detail: str = ""
    rows: int = 0
    values: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)  # columns
    unread: list[str] = field(default_factory=list)  # columns that the independent reading fails on
    seconds: float = 0.0
    megabytes: float = 0.0


Judge = Callable[[Path], Verdict]


class Failed(Exception):
    """A failure of one of the outcomes."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(outcome, detail)
        self.verdict = Verdict(outcome, detail)


# --- One file, in its own process. ---------------------------------------------------------------


def judge(path: Path) -> Verdict:
    """Return what becomes of a file, or the failure."""
    warnings.simplefilter("ignore")
    try:
        return _Trial(path).judged()
    except Failed as failure:
        return failure.verdict
    except mp.MpReplayError as error:
        named = str(path.name) in str(error)
        return Verdict("refused" if named else "foreign", f"{type(error).__name__}: {error}")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if f"{os.sep}mpreplay{os.sep}" in frame.filename]
        last = ours[-1] if ours else where[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        return Verdict("foreign", f"{type(error).__name__} at {place}: {error}")


class _Trial:
    """A file, with the choices that are made for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.verdict = Verdict("ok")
        self.folder = Path(tempfile.mkdtemp(prefix="parquet-folder-"))

    def judged(self) -> Verdict:
        self._read_as_it_is()
        path, times = self._timed()
        anything = mp.ThingModel("ANY", {}, pass_through=True)
        ignored = self._refused_columns(path, times, anything)
        table, unread = _independent(path, [times["time_column"], *ignored])
        self.verdict.unread += [name for name in unread if name not in self.verdict.unread]
        table = table.select([n for n in table.column_names if n not in ignored])
        devices = [("p", "as it is"), ("p", "drafted")]
        with mp.simulate(
            anything, sub_devices=devices, online=devices, limits=mp.PlatformLimits(connects=None)
        ) as platform:
            for (_, device), model in zip(devices, [anything, _drafted(table)], strict=True):
                if model is not None:
                    self._replay(path, table, model, times, platform, device)
        self.verdict.outcome = self._outcome()
        return self.verdict

    def _outcome(self) -> str:
        verdict = self.verdict
        if verdict.refused or verdict.unread:
            return "partly"
        return "rejects" if verdict.rejects else "ok" if verdict.values else "nothing"

    def _read_as_it_is(self) -> None:
        """Read all columns of the file itself, whatever its time, and count the rows."""
        names = pq.ParquetFile(self.path).schema_arrow.names if _opens(self.path) else []
        history = mp.read_history(self.path, time_column=names[0] if names else "time")
        anything = mp.ThingModel("ANY", {}, pass_through=True)
        try:
            n_rows = sum(slab.n_rows for slab in history.slabs([anything]))
        except mp.HistoryError as error:
            if self.path.name not in str(error):
                raise Failed("foreign", f"the file is not named: {error}") from error
            return  # which columns are refused is seen later
        self.verdict.rows = n_rows
        if n_rows != (told := pq.read_metadata(self.path).num_rows):
            raise Failed("differs", f"{n_rows} rows read, {told} by the footer")

    def _timed(self) -> tuple[Path, dict[str, Any]]:
        """Return the file, or a copy with a column of times, and what names its time."""
        schema = pq.ParquetFile(self.path).schema_arrow
        kinds = dict(zip(schema.names, schema.types, strict=True))
        unique = [name for name in kinds if schema.names.count(name) == 1]
        for name in unique:
            if pa.types.is_timestamp(kinds[name]) and self._is_time(name):
                zone = {} if kinds[name].tz else {"tz": "UTC"}
                return self.path, {"time_column": name, **zone}
        for name in unique:
            if pa.types.is_date(kinds[name]) and self._is_time(name):
                return self.path, {"time_column": name, "tz": "UTC"}
        for name in unique:
            if pa.types.is_integer(kinds[name]) and self._is_time(name):
                return self.path, {"time_column": name, "time_unit": "s"}
        return self._with_times(unique)

    def _is_time(self, name: str) -> bool:
        """Return True if most rows have a time of their own in a column."""
        try:
            column = pq.ParquetFile(self.path).read(columns=[name], use_threads=False)[name]
        except Exception:
            return False
        return column.length() > 0 and len(column.unique()) > 0.9 * column.length()

    def _with_times(self, names: list[str]) -> tuple[Path, dict[str, Any]]:
        table, self.verdict.unread = _independent(self.path, [])
        for name in self.verdict.unread:
            self._must_be_refused(name)
        times = pa.array(range(BEGIN, BEGIN + STEP * len(table), STEP), pa.timestamp("ms", "UTC"))
        copy = self.folder / self.path.name
        kept = [name for name in names if name in table.column_names and name != "time added"]
        for name in list(kept):
            try:
                pq.write_table(table.select([name]), copy)
            except Exception:  # pyarrow reads what it cannot write
                kept.remove(name)
        pq.write_table(table.select(kept).append_column("time added", times), copy)
        return copy, {"time_column": "time added"}

    def _must_be_refused(self, name: str) -> None:
        """Raise unless mpreplay, too, cannot read a column of the file."""
        model = mp.ThingModel("ANY", {}, pass_through=True)
        history = mp.read_history(self.path, time_column=name)
        with suppress(mp.HistoryError):
            list(history.slabs([model]))
            with suppress(Exception):  # unread for its size alone
                if _unpacked(pq.ParquetFile(self.path), name) > LARGEST:
                    return
            raise Failed("differs", f"{name!r} is read, and pyarrow alone cannot read it")

    def _refused_columns(self, path: Path, times: dict[str, Any], model: Any) -> list[str]:
        """Return the columns that mpreplay refuses with an error of its own, read alone."""
        names = list(dict.fromkeys(pq.ParquetFile(path).schema_arrow.names))
        others = [name for name in names if name != times["time_column"]]
        options = {**times, "product_key": "p", "device_key": "d"}
        try:
            mp.validate(mp.read_history(path, **options), model, duplicates="last")
            return []
        except mp.HistoryError:
            pass
        mp.validate(mp.read_history(path, ignore=others, **options), model)
        for one in others:
            rest = [name for name in others if name != one]
            try:
                mp.validate(mp.read_history(path, ignore=rest, **options), model, duplicates="last")
            except mp.HistoryError as error:
                if path.name not in str(error):
                    raise Failed("foreign", f"the file is not named: {error}") from error
                self.verdict.refused.append(f"{one}: {error}")
        return [told.partition(": ")[0] for told in self.verdict.refused]

    def _replay(
        self, path: Path, table: pa.Table, model: Any, times: dict[str, Any], platform: Any, to: str
    ) -> None:
        """Replay a file to a device, and compare what is stored with the independent reading."""
        time = times["time_column"]
        known = [n for n in table.column_names if model.pass_through or n in model.measurepoints]
        ignored = set(pq.ParquetFile(path).schema_arrow.names) - {time, *known}
        history = mp.read_history(path, product_key="p", device_key=to, ignore=ignored, **times)
        run = mp.replay(
            history, model, platform.connection, on_invalid="withhold", duplicates="last",
            allow_offline_sub_device=True, progress=False, limits=mp.Limits(**LIMITS),
        )  # fmt: skip
        if not run.books["balanced"].all() or not run.complete:
            raise Failed("unbalanced", f"{run!r} {run.summary()}")
        rejects = run.rejects
        gone = set(zip(rejects["row"].astype(int), rejects["measurepoint"], strict=True))
        for check, n in Counter(rejects["check"]).items():
            self.verdict.rejects[check] = self.verdict.rejects.get(check, 0) + n
        self.verdict.rows = len(table)
        self.verdict.values += int(run.books["read"].sum())
        stored = platform.stored()
        at = _milliseconds(table[time], times.get("time_unit"))
        values = table.select([name for name in known if name != time])
        _compare(values, at, gone, stored[stored["device_key"] == to])


def _opens(path: Path) -> bool:
    try:
        return bool(pq.ParquetFile(path).schema_arrow.names)
    except Exception:
        return False


def _independent(path: Path, without: list[str]) -> tuple[pa.Table, list[str]]:
    """Return a file as pyarrow alone reads it, and the columns that it cannot read."""
    file = pq.ParquetFile(path, coerce_int96_timestamp_unit="us", page_checksum_verification=True)
    columns, unread = {}, []
    for name in dict.fromkeys(file.schema_arrow.names):
        if name in without[1:]:
            continue
        try:
            if _unpacked(file, name) > LARGEST:
                raise ValueError(name)
            columns[name] = file.read(columns=[name], use_threads=False)[name]
        except Exception:
            unread.append(name)
    return pa.table(columns), unread


def _unpacked(file: pq.ParquetFile, name: str) -> int:
    """Return the size of a column in bytes."""
    leaves = list(leaves_of(file.metadata.schema, [name]))
    for group in range(file.num_row_groups):
        prove(file, group, leaves)
    groups = map(file.metadata.row_group, range(file.num_row_groups))
    return sum(group.column(leaf).total_uncompressed_size for group in groups for leaf in leaves)


def _drafted(table: pa.Table) -> Any:
    """Return a model made from the values, of the columns that it has a type for, or None."""
    points: dict[str, Any] = {}
    for name in table.column_names:
        try:
            frame = table.select([name]).to_pandas()
        except Exception:
            continue
        with suppress(mp.ConfigError):  # no type for it
            points |= mp.ThingModel.from_frame(frame).measurepoints
    return mp.ThingModel("DRAFT", points) if points else None


# --- The comparison. -----------------------------------------------------------------------------


def _compare(table: pa.Table, at: list[Any], gone: set[tuple[int, str]], stored: Any) -> None:
    """Raise Failed unless each value of a table is stored, or is a reject."""
    wanted: dict[tuple[Any, str], Any] = {}
    for name in table.column_names:
        try:
            cells = table[name].to_pylist(maps_as_pydicts="lossy")  # the last of a key
        except Exception:  # Python has no such value: only its place is compared
            cells = [_SOME if one else None for one in table[name].is_valid().to_pylist()]
        for row, cell in enumerate(cells):
            if (row, name) not in gone and not _is_absent(cell):
                wanted[at[row], name] = cell  # the last of its time
    ms = stored["time"].dt.as_unit("ms").astype("int64")
    held = dict(zip(zip(ms, stored["measurepoint"], strict=True), stored["value"], strict=True))
    for place in [*(wanted.keys() - held.keys()), *(held.keys() - wanted.keys())]:
        which = "not stored" if place in wanted else "stored, and not in the file"
        raise Failed("differs", f"{place[1]!r} at {place[0]}: {which}")
    for place, value in wanted.items():
        if value is not _SOME and not same(value, held[place]):
            raise Failed(
                "differs", f"{place[1]!r} at {place[0]}: {value!r} is stored as {held[place]!r}"
            )


def _milliseconds(column: Any, unit: str | None) -> list[int | None]:
    """Return times rounded down to the millisecond, by the integers behind them."""
    kind = column.type
    unit = unit or ("d" if pa.types.is_date32(kind) else getattr(kind, "unit", "ms"))
    whole = pa.int32() if pa.types.is_date32(kind) else None
    counts = column.cast(whole or column.type) if unit != "d" else column.cast(pa.int32())
    if not pa.types.is_integer(counts.type):
        counts = counts.cast(pa.int64())
    many, per = {
        "d": (86_400_000, 1), "s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000),
    }[unit]  # fmt: skip
    return [None if n is None else n * many // per for n in counts.to_pylist()]


def _is_absent(value: Any) -> bool:
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, dict) and all(map(_is_absent, value.values()))


def same(value: Any, held: Any) -> bool:
    """Return True if a stored value is what a file says."""
    if isinstance(value, bool) or isinstance(held, bool):
        return value == held
    if isinstance(value, int | float | Decimal):
        return _same_number(value, held)
    if isinstance(value, datetime | date):
        return _same_time(value, held)
    if isinstance(value, timedelta):
        return _is(lambda: pd.Timedelta(held) == pd.Timedelta(value))
    if isinstance(value, time_of_day | UUID):
        return str(value) == held
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace") == held
    if isinstance(value, dict) and isinstance(held, dict):
        present = {str(name): one for name, one in value.items() if not _is_absent(one)}
        present_held = {name: one for name, one in held.items() if not _is_absent(one)}
        return present.keys() == present_held.keys() and all(
            same(one, present_held[name]) for name, one in present.items()
        )
    if isinstance(value, list | tuple) and isinstance(held, list):
        return len(value) == len(held) and all(map(same, value, held))
    return value == held or (value is None and held is None)


def _same_number(value: Any, held: Any) -> bool:
    """Return True for equal numbers; a FLOAT travels as 32 bits, the platform holds doubles."""
    if isinstance(held, str):
        return _is(lambda: Decimal(held) == Decimal(str(value)))
    if not isinstance(held, int | float):
        return False
    if float(value) == float(held):
        return True
    return isinstance(value, float) and math.isclose(value, held, rel_tol=1e-7, abs_tol=1e-45)


def _same_time(value: Any, held: Any) -> bool:
    stamp = pd.Timestamp(value)
    if isinstance(held, str) and held.lstrip("-").isdecimal():
        held = int(held)
    if isinstance(held, int | float):
        utc = stamp if stamp.tzinfo else stamp.tz_localize("UTC")
        return (utc - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(1, "ms") == held

    def is_stamp() -> bool:
        read = pd.Timestamp(held)
        if (read.tzinfo is None) != (stamp.tzinfo is None):
            read, other = read.tz_localize(None), stamp.tz_localize(None)
            return bool(read == other)
        return bool(read == stamp)

    return _is(is_stamp)


def _is(found: Any) -> bool:
    try:
        return bool(found())
    except Exception:
        return False


# --- All files. ----------------------------------------------------------------------------------


def files_of(folder: Path, only: str = "") -> list[Path]:
    """Return the Parquet files below a folder, by their names."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and (path.name.lower().endswith(ENDINGS) or ".parquet." in path.name)
        and path.suffix not in {".json", ".md", ".crc"}
        and only in str(path)
    )


@dataclass
class _Child:
    """A process that judges a file."""

    path: Path
    scratch: Path
    begun: float
    pid: int = 0

    @classmethod
    def begun_with(cls, path: Path, judged: Judge, megabytes: float) -> _Child:
        child = cls(path, Path(tempfile.mkdtemp(prefix="parquet-folder-")), time.monotonic())
        child.pid = os.fork()  # nothing runs beside it
        if not child.pid:
            child._work(judged, megabytes)
        return child

    def _work(self, judged: Judge, megabytes: float) -> None:
        os.setsid()  # the rehearsal platform ends with it
        # Addresses, of which libraries reserve more than they use; what is used is looked at later.
        most = int(megabytes * 4e6) + 4_000_000_000
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ["MPREPLAY_STATE"] = os.environ["TMPDIR"] = tempfile.tempdir = str(self.scratch)
        said = os.open(self.scratch / "said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        status = 1
        with suppress(Exception):
            told = json.dumps(vars(judged(self.path)), default=str)
            (self.scratch / "verdict").write_text(told)
            status = 0
        os._exit(status)

    def ended(self, seconds: float, megabytes: float) -> Verdict | None:
        """Return the verdict once the process has ended, or is stopped for its time."""
        is_late = time.monotonic() > self.begun + seconds
        pid, status, used = os.wait4(self.pid, 0 if is_late and self._kill() else os.WNOHANG)
        if not pid:
            return None
        self._kill()
        verdict = Verdict("time") if is_late else self._verdict(os.waitstatus_to_exitcode(status))
        verdict.seconds = time.monotonic() - self.begun
        verdict.megabytes = used.ru_maxrss / 1000
        if verdict.megabytes > megabytes:
            verdict.outcome = "memory"
        shutil.rmtree(self.scratch, ignore_errors=True)
        return verdict

    def _kill(self) -> bool:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return True

    def _verdict(self, status: int) -> Verdict:
        said = (self.scratch / "said").read_text(errors="replace")[-300:]
        if status < 0:
            return Verdict("crash", f"{signal.Signals(-status).name} {said}")
        try:
            return Verdict(**json.loads((self.scratch / "verdict").read_text()))
        except (OSError, ValueError, TypeError):
            return Verdict("foreign", f"status {status}: {said}")


def tried(
    paths: list[Path], judged: Judge, *, seconds: float, megabytes: float, jobs: int
) -> Iterator[tuple[Path, Verdict]]:
    """Yield each file with its verdict, as processes end."""
    waiting = paths[::-1]
    children: list[_Child] = []
    while waiting or children:
        while waiting and len(children) < jobs:
            children.append(_Child.begun_with(waiting.pop(), judged, megabytes))
        for child in list(children):
            if verdict := child.ended(seconds, megabytes):
                children.remove(child)
                yield child.path, verdict
        time.sleep(0.02)


def lines_of(path: str, verdict: Verdict) -> Iterator[str]:
    """Yield a line about a file, and one for each column that was refused."""
    rejects = ", ".join(f"{n:,} {check}" for check, n in sorted(verdict.rejects.items()))
    detail = "; ".join(filter(None, [verdict.detail, rejects and f"rejects: {rejects}"]))
    yield (
        f"{verdict.outcome:10} {verdict.seconds:5.1f} s {verdict.megabytes:5.0f} MB "
        f"{verdict.rows:8,} rows {verdict.values:9,} values  {path}  {detail}".rstrip()
    )
    for told in verdict.refused:
        yield f"{'':10} refused  {told}"
    if verdict.unread:
        yield f"{'':10} unread by pyarrow  {', '.join(verdict.unread)}"


def main(arguments: list[str] | None = None, judged: Judge = judge) -> int:
    """Judge the files of a folder, and print what became of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0, help="for a file")
    parser.add_argument("--megabytes", type=float, default=1500.0, help="for a file")
    parser.add_argument("--jobs", type=int, default=2, help="files at once")
    parser.add_argument("--only", default="", help="files whose path has this text")
    options = parser.parse_args(arguments)
    paths = files_of(options.folder, options.only)
    limits = {"seconds": options.seconds, "megabytes": options.megabytes, "jobs": options.jobs}
    counts: Counter[str] = Counter()
    for name in mp.__all__:
        getattr(mp, name)  # loaded once, before the processes part
    for path, verdict in tried(paths, judged, **limits):
        counts[verdict.outcome] += 1
        for line in lines_of(str(path.relative_to(options.folder)), verdict):
            print(line, flush=True)
    print(f"\n{len(paths):,} files")
    for outcome, (is_failure, meaning) in OUTCOMES.items():
        print(f"{counts[outcome]:6,}  {outcome:10}  {meaning}{' (failure)' * is_failure}")
    failures = sum(counts[outcome] for outcome, (is_failure, _) in OUTCOMES.items() if is_failure)
    return int(failures > 0 or not paths)


if __name__ == "__main__":
    sys.exit(main())
