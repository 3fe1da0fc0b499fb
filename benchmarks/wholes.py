"""Whole replays in turn with others who send the same values: for rows 3, 4, 12, 17 and 21."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import lanes
import pyarrow as pa
from contest import HERE, Child, Given, shared, told_in_turn
from cpu import Meter, Ratio
from peers import python_of
from wire import platform, requests_per_second
from year import PRODUCT, Pipeline, Year, history_of, parquet_of, repeated

REPEATED = 5
TURNS = 3  # of a row that tells the others once more
READY = "paho, ready-made"
SDK = "vendor's SDK, as its samples use it"
SDK_TRICKS = "vendor's SDK, with all tricks"

# By contestant: seconds, CPU seconds of all processes and of its own, bytes; of a value.
Costs = Mapping[str, Mapping[str, float]]


def against_ready_made(given: Given) -> Costs:
    """Return what a replay of five years from Parquet costs, and publishing the same ready-made."""

    def make() -> dict[str, dict[str, float]]:
        year = Year.of(given)
        return _against_ready_made(given, year, year.table, "withheld")

    return shared("against_ready_made", make)


def _against_ready_made(
    given: Given, year: Year, table: pa.Table, policy: str
) -> dict[str, dict[str, float]]:
    with (
        ExitStack() as stack,
        platform() as to,
        parquet_of(repeated(table, 1 if given.quick else REPEATED)) as path,
    ):
        where = (to.host, str(to.port), path, year.model_path)
        ours = [sys.executable, HERE / "send_with_mpreplay.py", *where, "file", policy]
        ready = [sys.executable, HERE / "send_ready_made.py", *where]
        children = {lane: Child(ours, lane) for lane in lanes.at_hand()} | {READY: Child(ready)}
        for child in children.values():
            stack.enter_context(child)
        return costs(children, given.rounds)


def against_sdk(given: Given, *, defaults: bool = False) -> dict[str, dict[str, float]]:
    """Return what a replay from a DataFrame costs, and the vendor's SDK sending the same frame."""
    year = Year.of(given)
    policy = "default" if defaults else "withheld"
    with ExitStack() as stack, platform() as to:
        where = (to.host, str(to.port))
        path = stack.enter_context(parquet_of(year.clean)) if defaults else year.path
        sdk = [python_of("vendor", given), HERE / "send_with_vendor_sdk.py", path, PRODUCT]
        ours = [sys.executable, HERE / "send_with_mpreplay.py", *where, path, year.model_path]
        children = {lane: Child([*ours, "frame", policy], lane) for lane in lanes.at_hand()}
        children[SDK] = Child([*sdk, "rows", *where])
        if not defaults:
            children[SDK_TRICKS] = Child([*sdk, "columns", *where])
        for child in children.values():
            stack.enter_context(child)
        return costs(children, given.rounds)


def with_the_defaults(given: Given) -> tuple[Costs, Costs]:
    """Return both of a year in which nothing is wrong, so that a replay by default goes through."""
    year, fewer = Year.of(given), dataclasses.replace(given, rounds=min(given.rounds, TURNS))
    ready = _against_ready_made(fewer, year, year.clean, "default")
    return ready, against_sdk(fewer, defaults=True)


def costs(children: Mapping[str, Child], rounds: int) -> dict[str, dict[str, float]]:
    """Let contestants have their turns; return the medians of what a value costs each."""

    def turn(child: Child) -> Callable[[], dict[str, float]]:
        def once() -> dict[str, float]:
            meter = Meter()
            told = child.told | child.go()
            used = {"seconds": told["seconds"], "cpu": meter.used()}
            used |= {"own": told["cpu_seconds"], "n_bytes": told.get("n_bytes", 0.0)}
            return {name: number / told["n_values"] for name, number in used.items()}

        return once

    return told_in_turn({name: turn(child) for name, child in children.items()}, rounds)


def ratio(costs: Costs, lane: str, other: str) -> Ratio:
    """Return how many times as fast as another a lane is, by time and by CPU of all processes."""
    ours, theirs = costs[lane], costs[other]
    return Ratio(theirs["seconds"] / ours["seconds"], theirs["cpu"] / ours["cpu"])


def measured(costs: Costs, lane: str) -> dict[str, float]:
    """Return the numbers of one lane and of those it was compared with."""
    told = {}
    for name, cost in costs.items():
        if name == lane or name not in {lanes.GENERAL, lanes.COMPILED}:
            shown = "mpreplay" if name == lane else name
            told[f"{shown} [values/s]"] = 1 / cost["seconds"]
            told[f"{shown} [CPU s/M values, all processes]"] = cost["cpu"] * 1e6
            told[f"{shown} [CPU s/M values, its own]"] = cost["own"] * 1e6
    return told


def responder(given: Given, path: Path, fastest: float) -> dict[str, float]:
    """Return what the responder does alone: it must not be what limits a contestant."""

    def make() -> dict[str, float]:
        once = Pipeline(history_of(path), Year.of(given).model).requests()
        alone = requests_per_second(once.payloads[0], 20 if given.quick else 2_000)
        return {"alone": alone * once.n_values / len(once.payloads)}

    alone = shared("responder", make)["alone"]
    return {
        "responder alone [values/s]": alone,
        "responder, of the fastest contestant [×]": alone / fastest,
    }
