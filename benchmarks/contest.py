"""What every benchmark here shares: contestants in turn, medians, and the row that comes of it.

A benchmark is a function from :class:`Given` to :class:`Row`; ``run`` makes a script of it::

    python benchmarks/row_01_encode.py FOLDER          # FOLDER holds the year of readings
    python benchmarks/row_01_encode.py --quick         # a smoke run on the stand-in in data/
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import lanes

HERE = Path(__file__).parent
ENVIRONMENTS = Path(tempfile.gettempdir()) / "mpreplay-benchmark-peers"
SHARED = "MPREPLAY_BENCHMARK_SHARED"  # a folder, for as long as all.py runs


@dataclass(frozen=True, slots=True)
class Given:
    """What a benchmark is run on.

    Parameters
    ----------
    data : Path or None
        The folder of the year; None: the stand-in.
    quick : bool
        See whether it works, in little time; the figures mean nothing.
    rounds : int
        How often each contestant has its turn.
    environments : Path
        Where the environments of peers are made and found again.
    """

    data: Path | None
    quick: bool
    rounds: int
    environments: Path


@dataclass(frozen=True, slots=True)
class Row:
    """What a benchmark gave.

    Parameters
    ----------
    number : int
        The row's number.
    name, figure, bar, aim : str
        As shown in the table.
    met, aim_met : bool
        Whether the figure reaches the bar, and the aim.
    measured : dict of str to float
        The numbers behind the figure.
    rounds : int or None
        How many turns each had; None: as many as were asked for.
    compiled : Row or None
        The same with the compiled pass; None if that is not at hand, or plays no part.
    """

    number: int
    name: str
    figure: str
    bar: str
    aim: str
    met: bool
    aim_met: bool
    measured: dict[str, float] = field(default_factory=dict)
    rounds: int | None = None
    compiled: Row | None = None


def run(measure: Callable[[Given], Row], *, twice: bool = False) -> None:
    """Run one benchmark as a script: print its row, and write it as JSON where asked to.

    With ``twice`` it runs in a second process without the compiled pass, if that is at hand.
    """
    parser = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").strip())
    add_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the row there as well")
    arguments = parser.parse_args()
    # Locks and connects of these runs are not the user's.
    given = given_by(parser, arguments)
    with tempfile.TemporaryDirectory() as state:
        os.environ["MPREPLAY_STATE"] = state
        row = measure(given)
        if twice and lanes.current() == lanes.COMPILED:
            row = dataclasses.replace(_without_the_pass(), compiled=row)
    _tell(row)
    if arguments.json:
        told = dataclasses.asdict(row) | {"rounds": row.rounds or given.rounds}
        arguments.json.write_text(json.dumps(told), "utf-8")


def _without_the_pass() -> Row:
    """Return what this script gives in the general lane."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "row.json"
        command = [sys.executable, *sys.argv, "--json", str(written)]
        environment = os.environ | lanes.environment(lanes.GENERAL)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        told = json.loads(written.read_text("utf-8"))
    return Row(**told)


def _tell(row: Row) -> None:
    print(f"{row.number:>2}  {row.name}: {row.figure}  (bar {row.bar}, aim {row.aim})")
    for name, number in row.measured.items():
        print(f"      {name}: {number:,.6g}")
    if row.compiled:
        print("    with the compiled pass:")
        _tell(row.compiled)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every script here takes."""
    parser.add_argument("data", type=Path, nargs="?", metavar="FOLDER", help="holds the year")
    parser.add_argument("--quick", action="store_true", help="a smoke run on the stand-in")
    parser.add_argument("--rounds", type=int, help="turns of each contestant (5)")
    parser.add_argument(
        "--env", type=Path, default=ENVIRONMENTS, help="where peers are installed (%(default)s)"
    )


def given_by(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Given:
    """Return what the arguments say."""
    if arguments.data is None and not arguments.quick:
        parser.error("name the folder of the year, or say --quick")
    if arguments.data is not None and not any(Path(arguments.data).glob("*.parquet")):
        parser.error(f"{arguments.data}: no folder with the year of readings")
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    return Given(arguments.data, arguments.quick, rounds, arguments.env)


def in_turn(
    contestants: Mapping[str, Callable[[], float]], rounds: int, *, warm: bool = True
) -> dict[str, float]:
    """Return the median of each contestant's turns, as :func:`told_in_turn` does."""

    def telling(contestant: Callable[[], float]) -> Callable[[], dict[str, float]]:
        return lambda: {"": contestant()}

    told = told_in_turn({k: telling(one) for k, one in contestants.items()}, rounds, warm=warm)
    return {name: numbers[""] for name, numbers in told.items()}


def told_in_turn(
    contestants: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int, *, warm: bool = True
) -> dict[str, dict[str, float]]:
    """Let contestants have their turns one after the other; return the medians of each.

    What is made once is made in a turn that does not count. The order is reversed from round to
    round, so that nobody always comes after the same.
    """
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in contestants}
    if warm:
        for contestant in contestants.values():
            contestant()
    for number in range(rounds):
        for name in list(contestants)[:: 1 if number % 2 == 0 else -1]:
            found[name].append(contestants[name]())
    return {
        name: {key: statistics.median(one[key] for one in turns) for key in turns[0]}
        for name, turns in found.items()
    }


def shared(name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what several rows look at: made once where ``all.py`` runs them."""
    folder = os.environ.get(SHARED)
    path = Path(folder or ".") / f"{name}.json"
    if folder and path.exists():
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return kept
    made = make()
    if folder:
        path.write_text(json.dumps(made), "utf-8")
    return made


def in_both_lanes(found: Container[str], row_of: Callable[[str], Row]) -> Row:
    """Return the row of the general lane, with that of the compiled pass where it was measured."""
    compiled = row_of(lanes.COMPILED) if lanes.COMPILED in found else None
    return dataclasses.replace(row_of(lanes.GENERAL), compiled=compiled)


def seconds(action: Callable[[], Any]) -> float:
    """Return how long an action takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


class Child(AbstractContextManager["Child"]):
    """A contestant in a process of its own, that does one turn for each line it reads.

    Parameters
    ----------
    command : sequence of str
        Starts it; the script ends with :func:`turns.serve`.
    lane : str or None
        With or without the compiled pass; None: as this process.
    """

    def __init__(self, command: Sequence[str | Path], lane: str | None = None) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | lanes.environment(lane),
        )

    @cached_property
    def told(self) -> dict[str, float]:
        """What it tells when it is ready: several may begin at the same time."""
        return self._read()

    def go(self) -> dict[str, float]:
        """Have it do one turn once it is ready; return what it tells of it."""
        assert self.told is not None
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a contestant has ended with {self._process.wait()}")
        told: dict[str, float] = json.loads(line)
        return told

    def __exit__(self, *_: object) -> None:
        """End it: it reads no more lines."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(30)


def machine() -> dict[str, str]:
    """Return what the figures were taken on."""
    from importlib import metadata

    libraries = ("pandas", "pyarrow", "pandera", "paho-mqtt", "orjson", "numpy")
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: metadata.version(name) for name in libraries},
    }


def _first(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
