"""A whole replay against paho publishing ready-made payloads of the same bytes."""

from __future__ import annotations

import sys

from contest import HERE, Child, Given, Row, in_turn, run
from wire import platform, requests_per_second
from year import Pipeline, Year, history_of, parquet_of, repeated

REPEATED = 5
BAR, AIM = 0.33, 0.5


def measure(given: Given) -> Row:
    """Compare values per second from the call to the last reply."""
    year = Year.of(given)
    table = repeated(year.table, 1 if given.quick else REPEATED)
    with platform() as to, parquet_of(table) as path:
        where = (to.host, str(to.port), path, year.model_path)
        with (
            Child([sys.executable, HERE / "send_with_mpreplay.py", *where]) as mpreplay,
            Child([sys.executable, HERE / "send_ready_made.py", *where]) as paho,
        ):
            rates = in_turn(
                {
                    "mpreplay": lambda: (told := mpreplay.go())["n_values"] / told["seconds"],
                    "paho, ready-made": lambda: paho.told["n_values"] / paho.go()["seconds"],
                },
                given.rounds,
            )
    once = Pipeline(history_of(year.path), year.model).requests()
    alone = requests_per_second(once.payloads[0], 20 if given.quick else 2_000)
    alone *= once.n_values / len(once.payloads)
    ratio = rates["mpreplay"] / rates["paho, ready-made"]
    return Row(
        number=4,
        name="whole replay, against paho publishing ready-made payloads",
        figure=f"{ratio:.2f} ×",
        bar=f"≥ {BAR} ×",
        aim=f"≥ {AIM} ×",
        met=ratio >= BAR,
        aim_met=ratio >= AIM,
        measured={
            **{f"{name} [values/s]": rate for name, rate in rates.items()},
            "responder alone [values/s]": alone,
            "responder, of the fastest contestant [×]": alone / max(rates.values()),
        },
    )


if __name__ == "__main__":
    run(measure)
