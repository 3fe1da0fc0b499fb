"""Bytes a value on the wire and values a second at 1 MB/s, with GZIP on the connection and without.

Limits are at their defaults. A tap before the rehearsal platform, which unpacks, counts the bytes
of everything: sign-in, headers, acknowledgements.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from contest import Given, Row, run, told_in_turn
from tap import Tap
from year import OPTIONS, Year, history_of, parquet_of

import mpreplay as mp
from mpreplay.protocol.compression import packs_with

BAR, AIM = 1 / 6, 1 / 7
ROWS = 20_000  # of the year: a few seconds each turn


def measure(given: Given) -> Row:
    """Compare bytes a value, and values a second."""
    year = Year.of(given)
    with parquet_of(year.table.slice(0, ROWS)) as path:
        told = told_in_turn(
            {
                "without": lambda: replayed(year, path, None),
                "GZIP": lambda: replayed(year, path, "gzip"),
            },
            given.rounds,
            warm=False,  # what is made once is no part of it
        )
    per_value = {name: one["bytes"] / one["values"] for name, one in told.items()}
    speed = {name: one["values"] / one["seconds"] for name, one in told.items()}
    ratio = per_value["GZIP"] / per_value["without"]
    return Row(
        number=15,
        name="bytes per value with GZIP on the connection, against without; both at 1 MB/s",
        figure=f"1/{1 / ratio:.1f}; {speed['GZIP']:,.0f} against {speed['without']:,.0f} values/s",
        bar=f"≤ 1/{1 / BAR:.0f}",
        aim=f"≤ 1/{1 / AIM:.0f}",
        met=ratio <= BAR,
        aim_met=ratio <= AIM,
        measured={f"{name} [bytes/value]": number for name, number in per_value.items()}
        | {f"{name} [values/s]": number for name, number in speed.items()}
        | {f"packed by {packs_with()}": 1.0},
    )


def replayed(year: Year, path: Path, word: Any) -> dict[str, float]:
    """Return the bytes and values that went out, and the time from the first to the last byte."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mp.simulate(
            year.model, sub_devices=year.devices, limits=mp.PlatformLimits(connects=None)
        ) as platform,
        Tap(platform.connection.host, int(platform.connection.port or 0)) as tap,
    ):
        to = dataclasses.replace(
            platform.connection, host=tap.host, port=tap.port, compression=word
        )
        run = mp.replay(
            history_of(path), year.model, to,
            journal=Path(folder) / "run.db", limits=mp.Limits(connects=None), **OPTIONS,
        )  # fmt: skip
        assert run.complete and run.books["balanced"].all()
        n_values = float(run.summary()["accepted"])
        return {"bytes": float(tap.n_bytes), "values": n_values, "seconds": tap.seconds}


if __name__ == "__main__":
    run(measure)
