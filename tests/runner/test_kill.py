"""A replay that is killed with SIGKILL, anywhere, and continued ends as if nothing had happened."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from killing import LONGEST, MODEL, PRODUCT, units_of

import mpreplay as mp

MOMENTS = 10
# What a run that is continued may do differently: when, how often, under which ids.
OWN = ["request_id", "parent_id", "attempts", "sent_at", "latency"]
COUNTS = [
    "read", "accepted", "declined", "withheld", "in_doubt", "not_sent", "requests", "rows",
    "empty_entries", "unread_rows", "complete", "stopped",
]  # fmt: skip
End = dict[str, Any]


class Killing:
    """A process in whose children replays are killed, and the platform they report to."""

    def __init__(
        self, folder: Path, n_rows: int, isolate: Any, compression: Any, once: bool
    ) -> None:
        self.n_rows, self._folder, self._isolate, self._once = n_rows, folder, isolate, once
        names = [f"run{n:03}" for n in range(2 * n_rows + MOMENTS + 2)]
        self._names = iter(names)
        self.platform = mp.simulate(
            MODEL,
            sub_devices=[(PRODUCT, unit) for name in names for unit in units_of(name)[:2]],
            limits=mp.PlatformLimits(connects=None, max_bytes=LONGEST),
        )
        self._to = dataclasses.replace(self.platform.connection, compression=compression)
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parents[1] / "killing.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._answer() == {"threads": 1}

    def replay(self, journal: Path, **when: int) -> dict[str, int]:
        """Replay in a child, which dies at some time; return how it ended and what it had done."""
        job = {
            "run": journal.stem,
            "n_rows": self.n_rows,
            "uri": self._to.to_uri(reveal_secret=True),
            "journal": str(journal),
            "isolate": self._isolate,
            "once": self._once,
            **when,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def end_of(self, **when: int) -> tuple[dict[str, int], End]:
        """Replay, die at some time, and continue; return what happened first, and the end."""
        journal = self._folder / f"{next(self._names)}.db"
        first = self.replay(journal, **when)
        if first["ended"]:
            assert first["ended"] == -signal.SIGKILL
            assert self.replay(journal)["ended"] == 0
        return first, self._end(journal)

    def close(self) -> None:
        """End both processes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(10) == 0
        self.platform.close()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def _end(self, journal: Path) -> End:
        """Return what came of a run, without what a continued run may do differently."""
        run, prefix = mp.open_run(journal), f"{journal.stem}-"
        results, summary = run.results, run.summary()
        times = dict(zip(results["request_id"], results["first_time"], strict=True))
        results["parent_time"] = results["parent_id"].map(times)
        rejects, counts = run.rejects.drop(columns="request_id"), list(COUNTS)
        if self._isolate:
            # Which requests find the culprits depends on what had been learned by then.
            results = results[[*OWN, "outcome"]].drop_duplicates("outcome")
            rejects = rejects.drop(columns=["reason", "mend"])
            counts.remove("requests")
        stored = self.platform.stored()
        frames = {
            "results": results.drop(columns=OWN),
            "rejects": rejects,
            "books": run.books,
            "stored": stored[stored["device_key"].str.startswith(prefix)],
        }
        return {
            **{name: lines_of(frame, prefix) for name, frame in frames.items()},
            "counts": {name: summary[name] for name in counts},
        }


def lines_of(frame: pd.DataFrame, prefix: str) -> list[str]:
    """Return the rows of a frame as texts, in an order and under a name of no run."""
    return sorted(str(row).replace(prefix, "") for row in frame.to_dict("records"))


@pytest.fixture(
    params=[
        (False, None, False),
        ("point", None, False),
        ("point", "gzip", False),
        (False, None, True),
    ],
    ids=["whole", "isolated", "packed", "read once"],
)
def killing(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Killing]:
    """Have a history that takes about as many journal writes as the command line asks for."""
    writes = request.config.getoption("--kill-writes")
    made = Killing(tmp_path, max(12, int(writes * 1.25)), *request.param)
    yield made
    made.close()


def test_a_run_killed_after_any_journal_write_ends_as_if_it_had_not_been(killing: Killing) -> None:
    """A night's run on a machine that is switched off need not be begun anew, or doubted."""
    first, expected = killing.end_of()
    assert first["ended"] == 0
    assert {"accepted", "declined", "divided"} <= outcomes_of(expected)
    assert expected["counts"]["withheld"] > 0

    for write in range(1, first["writes"] + 1):
        killed, end = killing.end_of(after_write=write)
        assert killed["writes"] == write
        assert end == expected, f"killed after write {write}"


def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(killing: Killing) -> None:
    """Not only between two steps, but also within one."""
    first, expected = killing.end_of(after_call=0)
    chance = random.Random(815)

    for _ in range(MOMENTS):
        call = chance.randrange(1, first["calls"])
        _, end = killing.end_of(after_call=call)
        assert end == expected, f"killed after {call} of {first['calls']} calls"


def outcomes_of(end: End) -> set[str]:
    """Return the outcomes of requests."""
    known = ("accepted", "declined", "divided", "in_doubt", "not_sent")
    return {name for name in known if any(f"'outcome': '{name}'" in row for row in end["results"])}
