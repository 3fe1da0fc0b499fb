"""Replays in forked children, which may be killed; a program, run by ``test_kill.py``.

It is warmed up once and holds no thread, so that a child begins at once and may be killed anywhere.
A job is a line of JSON: the arguments of :func:`replay_once`. So is the answer: how a child ended,
how often it had written to its journal, and how many functions it had called.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pyarrow as pa

import mpreplay as mp
from mpreplay.history import history
from mpreplay.journal.writer import Journal

PRODUCT = "turbine"
SLAB_ROWS = 12
POINTS = (
    mp.Measurepoint("P", "FLOAT", minimum=-50, maximum=2500),
    mp.Measurepoint("state", "STRING", max_length=200),
)
MODEL = mp.ThingModel("Turbine", {point.identifier: point for point in POINTS})
LIMITS = mp.Limits(max_entries=2, window=4, connects=None, reply_timeout=5.0)
# Two long texts do not go together: their request is divided.
LONGEST = 420  # for the platform, of a request [bytes]


def units_of(run: str) -> list[str]:
    """Return the devices that a run reports for; the last one is unknown to the platform."""
    return [f"{run}-{name}" for name in ("T1", "T2", "T9")]


def history_of(run: str, n_rows: int, *, once: bool = False) -> mp.History:
    """Return a history of three devices: mostly good values, some that are withheld.

    With ``once``, its types are known and some rows are repeated, so that it may be read once.
    """
    units = units_of(run)
    times = pd.date_range("2024-05-31 23:00", periods=n_rows, freq="5min", tz="UTC")
    frame = pd.DataFrame(
        {
            "ts": times,
            "unit": [units[2 if n % 10 == 9 else n % 2] for n in range(n_rows)],
            "P": [9999.0 if n % 7 == 0 else None if n % 5 == 0 else n / 4 for n in range(n_rows)],
            "state": ["long " * 20 if n % 12 in (3, 5) else "run" for n in range(n_rows)],
        }
    )
    roles = {"time_column": "ts", "device_column": "unit", "product_key": PRODUCT}
    if not once:
        return mp.read_history(frame, **roles)
    twice = sorted([*range(n_rows), *range(2, n_rows, 5)])
    return mp.read_history(pa.Table.from_pandas(frame.iloc[twice], preserve_index=False), **roles)


def replay_once(
    counts: memoryview, run: str, n_rows: int, uri: str, journal: str,
    isolate: Any, after_write: int = 0, after_call: int | None = None, *, once: bool = False,
) -> None:  # fmt: skip
    """Replay, and die after so many journal writes or function calls; 0: count them and live."""
    _count_writes(counts, after_write)

    def watch(*_: Any) -> None:
        counts[1] += 1
        if counts[1] == after_call:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(None if after_call is None else watch)
    mp.replay(
        history_of(run, n_rows, once=once), MODEL, mp.Connection.from_uri(uri), journal=journal,
        limits=LIMITS, duplicates="last" if once else "raise",
        allow_offline_sub_device=True, on_invalid="withhold", progress=False, isolate=isolate,
    )  # fmt: skip


def _count_writes(counts: memoryview, last: int) -> None:
    together = Journal._together

    @contextmanager
    def counted(journal: Journal) -> Iterator[None]:
        with together(journal):
            yield
        counts[0] += 1
        if counts[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal._together = counted  # type: ignore[assignment,method-assign]


def main() -> None:
    """Answer jobs until there are no more."""
    history.SLAB_ROWS = SLAB_ROWS  # type: ignore[misc]
    mp.plan(history_of("0", 24), MODEL, gateway=("gateway", "gw-1"), on_invalid="withhold")
    _tell(threads=threading.active_count())
    for line in sys.stdin:
        counts = memoryview(mmap.mmap(-1, 16)).cast("q")  # shared with the child
        if (child := os.fork()) == 0:
            status = 1
            try:
                replay_once(counts, **json.loads(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        _tell(ended=os.waitstatus_to_exitcode(status), writes=counts[0], calls=counts[1])


def _tell(**what: int) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
