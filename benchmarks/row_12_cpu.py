"""CPU seconds of the publisher per million values, and the gateways that one core can serve."""

from __future__ import annotations

import sys

from contest import HERE, Child, Given, Row, in_turn, run
from wire import platform
from year import Year, parquet_of, repeated

REPEATED = 5
GATEWAY = 1_000_000  # what each sends [bytes/s]
BAR, AIM = 60.0, 100.0


def measure(given: Given) -> Row:
    """Take user and system time of a whole replay, all threads together."""
    year = Year.of(given)
    table = repeated(year.table, 1 if given.quick else REPEATED)
    bytes_per_value = 0.0
    with platform() as to, parquet_of(table) as path:
        where = (to.host, str(to.port), path, year.model_path)
        with Child([sys.executable, HERE / "send_with_mpreplay.py", *where]) as mpreplay:

            def turn() -> float:
                nonlocal bytes_per_value
                told = mpreplay.go()
                bytes_per_value = told["n_bytes"] / told["n_values"]
                return told["cpu_seconds"] / told["n_values"]

            per_value = in_turn({"mpreplay": turn}, given.rounds)["mpreplay"]
    gateways = 1 / (per_value * GATEWAY / bytes_per_value)
    return Row(
        number=12,
        name="publisher's CPU seconds per million values; gateways a core at 1 MB/s each",
        figure=f"{per_value * 1e6:.3f} s; {gateways:.0f}",
        bar=f"reported; ≥ {BAR:.0f}",
        aim=f"≥ {AIM:.0f}",
        met=gateways >= BAR,
        aim_met=gateways >= AIM,
        measured={
            "CPU seconds per million values": per_value * 1e6,
            "bytes per value": bytes_per_value,
            "gateways a core": gateways,
        },
    )


if __name__ == "__main__":
    run(measure)
