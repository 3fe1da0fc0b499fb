"""CPU of the publishing process against that of a ready-made publisher; gateways a core."""

from __future__ import annotations

from contest import Given, Row, in_both_lanes, run
from lanes import COMPILED, GENERAL
from wholes import READY, Costs, against_ready_made

GATEWAY = 1_000_000  # what each sends [bytes/s]
BARS, AIMS = {GENERAL: 9.0, COMPILED: 4.5}, {GENERAL: 8.0, COMPILED: 3.5}


def measure(given: Given) -> Row:
    """Take user and system time of the publishing process, all threads, for a value."""
    costs = against_ready_made(given)
    return in_both_lanes(costs, lambda lane: row_of(costs, lane))


def row_of(costs: Costs, lane: str) -> Row:
    """Return the row of one lane."""
    own, bytes_per_value = costs[lane]["own"], costs[lane]["n_bytes"]
    ratio = own / costs[READY]["own"]
    gateways = 1 / (own * GATEWAY / bytes_per_value)
    return Row(
        number=12,
        name="CPU a value of the publishing process, against that of paho publishing ready-made "
        "payloads; gateways a core at 1 MB/s each",
        figure=f"{ratio:.1f} ×; {gateways:.0f}",
        bar=f"≤ {BARS[lane]} ×; reported",
        aim=f"≤ {AIMS[lane]} ×; reported",
        met=ratio <= BARS[lane],
        aim_met=ratio <= AIMS[lane],
        measured={
            "CPU seconds per million values": own * 1e6,
            "paho, ready-made, CPU seconds per million values": costs[READY]["own"] * 1e6,
            "bytes per value": bytes_per_value,
            "gateways a core": gateways,
        },
    )


if __name__ == "__main__":
    run(measure)
