"""A whole replay against the vendor's SDK sending the same DataFrame, in values per second."""

from __future__ import annotations

import sys

from contest import HERE, Child, Given, Row, in_turn, run
from peers import python_of
from wire import platform, requests_per_second
from year import PRODUCT, Pipeline, Year, history_of

BAR, AIM = 12.0, 20.0
SDK = "vendor's SDK, as its samples use it"
SDK_TRICKS = "vendor's SDK, with all tricks"


def measure(given: Given) -> Row:
    """Compare values per second from the call to the last reply."""
    year = Year.of(given)
    python = python_of("vendor", given)
    with platform() as to:
        where = (to.host, str(to.port))
        ours = [sys.executable, HERE / "send_with_mpreplay.py", *where]
        theirs = [python, HERE / "send_with_vendor_sdk.py", year.path, PRODUCT]
        with (
            Child([*ours, year.path, year.model_path, "frame"]) as mpreplay,
            Child([*theirs, "rows", *where]) as rows,
            Child([*theirs, "columns", *where]) as columns,
        ):
            rates = in_turn(
                {
                    "mpreplay": lambda: (told := mpreplay.go())["n_values"] / told["seconds"],
                    SDK: lambda: rows.told["n_values"] / rows.go()["seconds"],
                    SDK_TRICKS: lambda: columns.told["n_values"] / columns.go()["seconds"],
                },
                given.rounds,
            )
    once = Pipeline(history_of(year.path), year.model).requests()
    alone = requests_per_second(once.payloads[0], 20 if given.quick else 2_000)
    alone *= once.n_values / len(once.payloads)
    ratio = rates["mpreplay"] / rates[SDK]
    return Row(
        number=3,
        name="whole replay, against the vendor's SDK",
        figure=f"{ratio:.1f} ×",
        bar=f"≥ {BAR:.0f} ×",
        aim=f"≥ {AIM:.0f} ×",
        met=ratio >= BAR,
        aim_met=ratio >= AIM,
        measured={
            **{f"{name} [values/s]": rate for name, rate in rates.items()},
            "ratio, SDK with all tricks": rates["mpreplay"] / rates[SDK_TRICKS],
            "responder alone [values/s]": alone,
            "responder, of the fastest contestant [×]": alone / max(rates.values()),
        },
    )


if __name__ == "__main__":
    run(measure)
